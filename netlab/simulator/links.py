"""Frames on devices: what leaves by one, what comes in by another, and who takes it.

Sources: drivers/net/veth.c, net/core/dev.c (__netif_receive_skb_core: VLANs, then the taker of a device's frames, then
the node itself), drivers/net/{dummy,ifb,bonding}, net/8021q.
"""

from __future__ import annotations

import errno
from dataclasses import replace

from netlab.facts import Impairment
from netlab.facts.impairment import bits_of, microseconds_of
from netlab.simulator import bridging, shared_devices, tunnels
from netlab.simulator.network import SILENT, Nic
from netlab.simulator.packet import ETHERNET, TAG, Frame, Packet
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import LONGEST, Walk


def transmit(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    """Let a frame leave by a device."""
    if not nic.up:
        walk.end(leg, Verdict.DOWN, nic, nic.node, f"{nic} is down", nic.key)
        return
    if frame.hops > LONGEST:
        walk.end(leg, Verdict.LOOP, nic, nic.node, f"the frame has crossed {LONGEST} wires and bridges", nic.key)
        return
    if nic.impairment is not None and not _passes(walk, nic, frame, leg):
        return
    frame = replace(frame, hops=frame.hops + 1, for_host=False)
    if walk.tells and not walk.asking:
        walk.crossed.append((leg, nic, True))
    if nic.kind == "veth":
        _cross(walk, nic, frame, leg)
    elif nic.kind == "lo":
        walk.post(receive, walk, nic, frame, leg)
    elif nic.kind == "bridge":
        bridging.send(walk, nic, frame, leg)
    elif nic.kind == "vlan" and nic.lower is not None:
        tag = int(nic.options.get("id", 0))
        walk.tell(leg, "tagged", nic, nic.node, f"{nic.name} tags it with VLAN {tag}", nic.key)
        transmit(walk, nic.lower, replace(frame, tags=(tag, *frame.tags)), leg)
    elif nic.kind == "macvlan":
        shared_devices.leave_macvlan(walk, nic, frame, leg)
    elif nic.kind == "ipvlan":
        shared_devices.leave_ipvlan(walk, nic, frame, leg)
    elif nic.kind == "vxlan":
        tunnels.encapsulate(walk, nic, frame, leg)
    elif nic.kind == "bond":
        _leave_bond(walk, nic, frame, leg)
    elif nic.kind == "external":
        walk.end(leg, Verdict.LEFT, nic, nic.node, f"{nic} leads out of the lab", nic.key)
    elif nic.kind == "tun":
        walk.end(leg, Verdict.NO_CARRIER, nic, nic.node, f"no program has opened {nic}", nic.key)
    else:
        walk.end(leg, Verdict.SWALLOWED, nic, nic.node, f"{nic} takes everything and hands on nothing", nic.key)


def _passes(walk: Walk, nic: Nic, frame: Frame, leg: int) -> bool:
    """Count in an impairment, but not of a question for a neighbour; tell whether anything gets through at all."""
    found = nic.impairment
    assert found is not None
    share = 1.0 - _share(found.loss)
    if not walk.asking:
        walk.delays[leg] = walk.delays.get(leg, 0) + _delay(found, frame)
        # What is spoilt on the way is thrown away at its end, for its checksum.
        walk.shares[leg] = walk.shares.get(leg, 1.0) * share * (1.0 - _share(found.corrupt))
    walk.tell(leg, "impaired", nic, nic.node, f"{nic.name} impairs it: {' '.join(found.words())}", found.key)
    if share > 0:
        return True
    walk.end(leg, Verdict.LOST, nic, nic.node, f"{nic} loses everything", found.key)
    return False


def _share(text: str | None) -> float:
    return float(text.rstrip("%")) / 100 if text is not None else 0.0


def _delay(found: Impairment, frame: Frame) -> int:
    """Give the microseconds that a frame is held up: jitter adds as often as it takes away.

    A rate alone lets a burst pass at once (tbf); beside anything else each frame takes its time (sch_netem.c).
    """
    delay = microseconds_of(found.delay) if found.delay is not None else 0
    if found.rate is not None and not found.slows_only:
        delay += (ETHERNET + len(frame.tags) * TAG + frame.length) * 8_000_000 // bits_of(found.rate)
    return delay


def _cross(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    """Go over a cable to its other end, which takes no more than its own MTU allows (veth_forward_skb)."""
    far = nic.peer
    if far is None or not far.up:
        walk.end(leg, Verdict.NO_CARRIER, nic, nic.node, f"the other end of {nic} is down", nic.key)
    elif frame.counted > far.mtu + TAG:
        words = f"{frame.length} bytes are more than {far} takes, whose MTU is {far.mtu}"
        # Of what goes straight to the cable a socket of IPv6 is told (NET_XMIT_DROP, net_xmit_errno).
        waits = 0 if frame.passage is None else frame.passage.waits + frame.counted - frame.length
        number = errno.ENOBUFS if waits > far.mtu + TAG else None
        walk.end(leg, Verdict.TOO_LONG, far, far.node, words, far.key, number)
    else:
        walk.post(receive, walk, far, frame if frame.passage is None else replace(frame, passage=None), leg)


def _leave_bond(walk: Walk, bond: Nic, frame: Frame, leg: int) -> None:
    member = active_member(bond)
    if member is None:
        walk.end(leg, Verdict.NO_CARRIER, bond, bond.node, f"no member of {bond} has a carrier", bond.key)
        return
    walk.tell(leg, "bonded", bond, bond.node, f"{bond.name} sends it by {member.name}", bond.key)
    transmit(walk, member, frame, leg)


def active_member(bond: Nic) -> Nic | None:
    """Give the member that a bond sends by: its primary, or the first that has a carrier."""
    able = [member for member in bond.members if member.carrier]
    first = [member for member in able if member.name == bond.options.get("primary")]
    return next(iter((*first, *able)), None)


def receive(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    """Take in a frame by a device: by a VLAN on it, by what takes its frames, or by the node itself."""
    if not nic.up:
        walk.end(leg, Verdict.DOWN, nic, nic.node, f"{nic} is down", nic.key)
        return
    payload = frame.payload
    if isinstance(payload, Packet) and payload.carried is None:
        walk.seen.add((leg, nic))
    if walk.tells and not walk.asking:
        walk.crossed.append((leg, nic, False))
    if frame.tags:
        for upper in nic.uppers:
            if upper.kind == "vlan" and upper.options.get("id") == frame.tags[0]:
                receive(walk, upper, replace(frame, tags=frame.tags[1:]), leg)
                return
    master = nic.master
    if master is not None and master.kind == "bridge":
        bridging.take(walk, nic, frame, leg)
    elif master is not None and master.kind == "bond":
        if active_member(master) is nic:  # the others hear, and take nothing (bond_should_deliver_exact_match)
            receive(walk, master, frame, leg)
    elif any(upper.kind == "macvlan" for upper in nic.uppers) and nic.kind != "macvlan":
        shared_devices.enter_macvlan(walk, nic, frame, leg)
    elif any(upper.kind == "ipvlan" for upper in nic.uppers) and nic.kind != "ipvlan":
        shared_devices.enter_ipvlan(walk, nic, frame, leg)
    else:
        take(walk, nic, frame, leg)


def take(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    """Hand a frame to the node itself, if it is for this device."""
    if frame.tags:
        words = f"nobody at {nic} is in VLAN {frame.tags[0]}"
        walk.end(leg, Verdict.VLAN, nic, nic.node, words, nic.key)
    elif not (frame.is_group or frame.destination == nic.mac or frame.for_host or nic.kind == "lo"):
        words = f"the frame is for {frame.destination}, {nic} is {nic.mac}"
        walk.end(leg, Verdict.NOT_TAKEN, nic, nic.node, words, nic.key)
    elif isinstance(frame.payload, Packet):
        walk.layers.take_packet(walk, nic, frame, leg)
    elif nic.kind not in SILENT and (nic.asks or ":" in _asked_in(frame)):  # ARP is not for such devices (arp_rcv)
        walk.layers.take_question(walk, nic, frame, leg)


def _asked_in(frame: Frame) -> str:
    """Give the address that a question or its answer is about."""
    assert not isinstance(frame.payload, Packet)
    return frame.payload.target
