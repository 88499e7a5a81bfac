"""Devices on other devices: VXLANs, macvlans, ipvlans.

Sources: drivers/net/vxlan/vxlan_core.c (vxlan_xmit, vxlan_rcv; RFC 7348), drivers/net/macvlan.c
(macvlan_queue_xmit, macvlan_handle_frame), drivers/net/ipvlan.
"""

from __future__ import annotations

from dataclasses import replace

from netlab.facts.devices import EVERYBODY, PASSTHRU
from netlab.simulator import links
from netlab.simulator.fib import Asked, look_up
from netlab.simulator.network import Nic, Node
from netlab.simulator.packet import ETHERNET, Frame, Packet, Told
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import Walk

#: Modes of a macvlan (netlab/kinds/macvlan.py) and of an ipvlan (netlab/kinds/ipvlan.py).
_BRIDGE, _IPVLAN_L2 = 4, 0
#: UDP and VXLAN headers, and IP's.
_VXLAN, _IP4, _IP6 = 16, 20, 40


# -- VXLANs


def encapsulate(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    """Send a frame to every host that it is for, in UDP."""
    learned = walk.hosts.get(nic, {}).get(frame.destination)
    known = [learned] if learned is not None and not frame.is_group else nic.remotes.get(frame.destination, [])
    group = nic.options.get("group")
    hosts = known or [*nic.remotes.get(EVERYBODY, []), *([str(group)] if group is not None else [])]
    if not hosts:
        words = f"{nic} knows no host for {frame.destination}"
        walk.end(leg, Verdict.NOWHERE, nic, nic.node, words, nic.key)
        return
    vni, port = int(nic.options.get("id", 0)), int(nic.options.get("port", 4789))
    for host in hosts:
        if _leads_back(nic, host):
            words = f"{nic.node.name} reaches {host} by {nic.name} itself"
            walk.end(leg, Verdict.LOOP, nic, nic.node, words, nic.key)
            continue
        size = frame.length + ETHERNET + _VXLAN + (_IP6 if ":" in host else _IP4)
        source = str(nic.options.get("local", ""))
        packet = Packet(source, host, "udp", "carried", 49152, port, size=size, carried=frame, vni=vni)
        walk.tell(leg, "encapsulated", nic, nic.node, f"{nic.name} carries it to {host}, VXLAN {vni}", nic.key)
        walk.layers.send(walk, nic.node, packet, leg, nic.lower)


def _leads_back(nic: Nic, host: str) -> bool:
    """Tell whether what a VXLAN carries would be carried by itself (vxlan_xmit_one: a circular route)."""
    source = nic.options.get("local")
    way = look_up(
        nic.node, Asked(6 if ":" in host else 4, host, None if source is None else str(source), None, nic.lower)
    )
    return way.hop is not None and way.hop.nic is nic


def decapsulate(walk: Walk, node: Node, packet: Packet, leg: int) -> bool:
    """Take the frame out of a packet, if the node has a VXLAN of its number and port."""
    assert packet.carried is not None
    for nic in node.devices.values():
        own = (nic.options.get("id"), nic.options.get("port"))
        if nic.kind != "vxlan" or not nic.up or own != (packet.vni, packet.dport):
            continue
        local = nic.options.get("local")
        if local is not None and (":" in str(local)) != (packet.version == 6):
            continue
        if nic.options.get("learning"):
            walk.hosts.setdefault(nic, {})[packet.carried.source] = packet.source
        walk.tell(leg, "decapsulated", nic, node, f"{nic.name} takes it out of VXLAN {packet.vni}", nic.key)
        walk.post(links.receive, walk, nic, packet.carried, leg)
        return True
    return False


# -- macvlans


def leave_macvlan(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    """Let a frame leave by a macvlan: to its siblings where they see each other, and out of the device below."""
    below = nic.lower
    if below is None:
        return
    if not below.up:
        walk.end(leg, Verdict.NO_CARRIER, nic, nic.node, f"{below}, below {nic}, is down", nic.key)
        return
    if nic.options.get("mode") == _BRIDGE:
        siblings = [other for other in _macvlans(below) if other is not nic and other.options.get("mode") == _BRIDGE]
        for other in siblings:
            if frame.is_group or frame.destination == other.mac:
                walk.tell(
                    leg, "bridged", nic, nic.node, f"{nic.name} hands it to {other.name} on the same device", nic.key
                )
                walk.post(links.receive, walk, other, frame, leg)
                if not frame.is_group:
                    return
    links.transmit(walk, below, frame, leg)


def enter_macvlan(walk: Walk, below: Nic, frame: Frame, leg: int) -> None:
    """Hand a frame that comes to a device with macvlans to those that it is for; what is for none, to the device."""
    macvlans = _macvlans(below)
    only = next((nic for nic in macvlans if nic.options.get("mode") == PASSTHRU), None)
    if only is not None and not frame.is_group:
        # It takes everything for its own (pkt_type); a bridge or bond above looks at the MAC itself.
        own = frame if only.master is not None else replace(frame, destination=only.mac)
        walk.post(links.receive, walk, only, own, leg)
        return
    if frame.is_group:
        links.take(walk, below, frame, leg)  # the others get their copies later (macvlan_process_broadcast)
        for nic in macvlans:
            if nic.mac != frame.source:
                walk.post(links.receive, walk, nic, frame, leg)
        return
    for nic in macvlans:
        if nic.mac == frame.destination:
            walk.post(links.receive, walk, nic, frame, leg)
            return
    links.take(walk, below, frame, leg)


def _macvlans(below: Nic) -> list[Nic]:
    return [nic for nic in below.uppers if nic.kind == "macvlan" and nic.up]


# -- ipvlans


def leave_ipvlan(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    """Let a packet leave by an ipvlan: to the sibling that has its destination, else out of the device below."""
    below = nic.lower
    if below is None:
        return
    for other in _ipvlans(below):
        if other is not nic and _is_for(other, frame):
            walk.tell(leg, "bridged", nic, nic.node, f"{nic.name} hands it to {other.name} on the same device", nic.key)
            walk.post(_enter, walk, other, replace(frame, destination=other.mac), leg)
            return
    links.transmit(walk, below, frame, leg)


def enter_ipvlan(walk: Walk, below: Nic, frame: Frame, leg: int) -> None:
    """Hand what comes to a device with ipvlans to the one that has its destination; the rest, to the device."""
    for nic in _ipvlans(below):
        if _is_for(nic, frame):
            walk.post(_enter, walk, nic, frame, leg)
            return
    links.take(walk, below, frame, leg)


def _enter(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    if walk.tells and not walk.asking:
        walk.crossed.append((leg, nic, False))
    links.take(walk, nic, frame, leg)


def _ipvlans(below: Nic) -> list[Nic]:
    return [nic for nic in below.uppers if nic.kind == "ipvlan" and nic.up]


def _is_for(nic: Nic, frame: Frame) -> bool:
    payload = frame.payload
    if isinstance(payload, Packet):
        return nic.holds(payload.destination)
    return nic.holds(payload.asker if isinstance(payload, Told) else payload.target)
