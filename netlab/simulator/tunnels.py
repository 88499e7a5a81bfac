"""Devices on other devices: VXLANs, macvlans, ipvlans.

Sources: drivers/net/vxlan/vxlan_core.c (vxlan_xmit, vxlan_rcv; RFC 7348), drivers/net/macvlan.c
(macvlan_queue_xmit, macvlan_handle_frame), drivers/net/ipvlan.
"""

from __future__ import annotations

from dataclasses import replace

from netlab.facts.devices import EVERYBODY, PASSTHRU
from netlab.simulator.fib import Asked, Way, look_up
from netlab.simulator.network import Nic, Node
from netlab.simulator.packet import (
    ETHERNET,
    QUOTED4,
    QUOTED6,
    Frame,
    IcmpError,
    Packet,
    Question,
    Told,
    is_link_local,
    link_local,
)
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import Walk

#: The mode of macvlans that see each other (netlab/kinds/macvlan.py).
_BRIDGE = 4
#: UDP and VXLAN headers, and IP's.
_VXLAN, _IP4, _IP6 = 16, 20, 40
#: How many tunnels a frame may be in: one that leads into itself by a bridge ends there (XMIT_RECURSION_LIMIT).
_DEEPEST = 4
#: The least that a tunnel tells anybody to keep to (net/ipv4/ip_tunnel_core.c).
_LEAST4, _LEAST6 = 576, 1280


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
        way = _way_to(nic, host)
        if (way.hop is not None and way.hop.nic is nic) or _depth(frame) >= _DEEPEST:
            words = f"{nic.node.name} reaches {host} by {nic.name} itself"
            walk.end(leg, Verdict.LOOP, nic, nic.node, words, nic.key)
            continue
        size = frame.length + ETHERNET + _VXLAN + (_IP6 if ":" in host else _IP4)
        if _tells_too_big(walk, nic, frame, way, size - frame.length, leg):
            continue
        packet = _carrying(frame, str(nic.options.get("local", "")), host, port, size, vni)
        walk.tell(leg, "encapsulated", nic, nic.node, f"{nic.name} carries it to {host}, VXLAN {vni}", nic.key)
        walk.layers.send(walk, nic.node, packet, leg, nic.lower)


def _carrying(frame: Frame, source: str, host: str, port: int, size: int, vni: int) -> Packet:
    """Make the packet that carries a frame; over IPv6 it is not taken apart (ip6_fragment, ignore_df)."""
    inner = frame.payload
    if isinstance(inner, Packet) and inner.carried is not None:
        inner = inner.settled()
    return Packet(
        source,
        host,
        "udp",
        "carried",
        49152,
        port,
        size=size,
        dont_fragment=":" in host,
        carried=replace(frame, payload=inner, passage=None),
        vni=vni,
        offloaded=isinstance(inner, Packet) and inner.offloaded,
    )


def _depth(frame: Frame) -> int:
    """Count the tunnels that a frame is in already."""
    payload, depth = frame.payload, 0
    while isinstance(payload, Packet) and payload.carried is not None:
        payload, depth = payload.carried.payload, depth + 1
    return depth


def _way_to(nic: Nic, host: str) -> Way:
    """Find the way to another host of a VXLAN; one that leads by the VXLAN itself goes round (vxlan_xmit_one)."""
    source = nic.options.get("local")
    return look_up(
        nic.node, Asked(6 if ":" in host else 4, host, None if source is None else str(source), None, nic.lower)
    )


def _tells_too_big(walk: Walk, nic: Nic, frame: Frame, way: Way, headers: int, leg: int) -> bool:
    """Answer what is too big for a VXLAN that is a bridge's port, in its destination's name (skb_tunnel_check_pmtu).

    Of what the node itself sends by a VXLAN only later packets are too big: the route has learned it then. Where it
    comes to be known of what its own node sent by the bridge, see `input.take_packet`.
    """
    packet = frame.payload
    if not isinstance(packet, Packet) or nic.master is None or nic.master.kind != "bridge" or way.hop is None:
        return False
    mtu = (way.entry.mtu if way.entry is not None and way.entry.mtu else way.hop.nic.mtu) - headers
    four = packet.version == 4
    if packet.largest <= mtu or packet.message == "error" or mtu < (_LEAST4 if four else _LEAST6):
        return False
    if four and (not packet.dont_fragment or packet.piece):
        return False
    words = f"{packet.largest} bytes are more than {nic} has room for, {mtu}"
    walk.end(leg, Verdict.TOO_BIG, nic, nic.node, words, nic.key, None, packet)
    number, code = (3, 4) if four else (2, 0)
    error = Packet(
        source=packet.destination,
        destination=packet.source,
        protocol="icmp" if four else "ipv6-icmp",
        message="error",
        size=min(packet.size + 28, QUOTED4) if four else min(packet.size + 48, QUOTED6),
        error=IcmpError(number, code, packet, mtu),
    )
    answer = walk.new_leg(error, nic.node, leg)
    # It is made of the packet itself, and goes on having the way of that (vxlan_encap_bypass).
    told = Frame(frame.destination, frame.source, error, passage=frame.passage)
    walk.post(walk.layers.receive, walk, nic, told, answer)
    return True


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
        walk.post(walk.layers.receive, walk, nic, packet.carried, leg)
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
                walk.post(walk.layers.receive, walk, other, replace(frame, passage=None), leg)
                if not frame.is_group:
                    return
    walk.layers.transmit(walk, below, frame, leg)


def enter_macvlan(walk: Walk, below: Nic, frame: Frame, leg: int) -> None:
    """Hand a frame that comes to a device with macvlans to those that it is for; what is for none, to the device."""
    macvlans = _macvlans(below)
    passing = (nic for nic in below.uppers if nic.kind == "macvlan" and nic.options.get("mode") == PASSTHRU)
    only = next(passing, None)
    if only is not None and not frame.is_group:
        # It takes everything for its own; a bridge or bond above looks at the MAC itself.
        walk.layers.receive(walk, only, replace(frame, for_host=True), leg)
        return
    if frame.is_group:
        walk.layers.take(walk, below, frame, leg)  # the others get their copies later (macvlan_process_broadcast)
        for nic in macvlans:
            if nic.mac != frame.source:
                walk.post(walk.layers.receive, walk, nic, frame, leg)
        return
    for nic in macvlans:
        if nic.mac == frame.destination:
            walk.layers.receive(walk, nic, frame, leg)  # at once (RX_HANDLER_ANOTHER)
            return
    walk.layers.take(walk, below, frame, leg)


def _macvlans(below: Nic) -> list[Nic]:
    return [nic for nic in below.uppers if nic.kind == "macvlan" and nic.up]


# -- ipvlans


def leave_ipvlan(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    """Let a frame leave by an ipvlan: to siblings, which have the same MAC, and out of the device below."""
    below = nic.lower
    if below is None:
        return
    kept = replace(frame, passage=None)
    if frame.is_group:
        for other in _ipvlans(below):
            if other is not nic and _listens(other, frame):
                walk.post(_enter, walk, other, kept, leg)
    elif frame.destination == nic.mac:
        # For a sibling, or else for the device below, which looks once more (ipvlan_xmit_mode_l2).
        other = _holder(below, frame) or below
        walk.tell(leg, "bridged", nic, nic.node, f"{nic.name} hands it to {other.name} on the same device", nic.key)
        walk.post(walk.layers.receive if other is below else _enter, walk, other, kept, leg)
        return
    walk.layers.transmit(walk, below, frame, leg)


def enter_ipvlan(walk: Walk, below: Nic, frame: Frame, leg: int) -> None:
    """Hand what comes to a device with ipvlans to the one that has its destination; the rest, to the device.

    What is for a group they all get, but later (ipvlan_multicast_enqueue).
    """
    if frame.is_group:
        walk.layers.take(walk, below, frame, leg)
        for nic in _ipvlans(below):
            if _listens(nic, frame):
                walk.post(_enter, walk, nic, frame, leg)
        return
    holder = _holder(below, frame)
    if holder is not None:
        _enter(walk, holder, frame, leg)
    else:
        walk.layers.take(walk, below, frame, leg)


def _enter(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    if isinstance(frame.payload, Packet) and frame.payload.carried is None:
        walk.seen.add((leg, nic))
    if walk.tells and not walk.asking:
        walk.crossed.append((leg, nic, False))
    walk.layers.take(walk, nic, frame, leg)


def _ipvlans(below: Nic) -> list[Nic]:
    return [nic for nic in below.uppers if nic.kind == "ipvlan" and nic.up]


def _listens(nic: Nic, frame: Frame) -> bool:
    """Tell whether an ipvlan takes what is for a group: what is for all, and for the groups of its own addresses."""
    payload = frame.payload
    return ":" not in payload.target or _holds(nic, payload.target) if isinstance(payload, Question) else True


def _holder(below: Nic, frame: Frame) -> Nic | None:
    """Give the ipvlan that a frame is for, by the address in it (ipvlan_addr_lookup)."""
    payload = frame.payload
    if isinstance(payload, Packet):
        address = payload.destination
    else:
        address = payload.asker if isinstance(payload, Told) else payload.target
    return next((nic for nic in _ipvlans(below) if _holds(nic, address)), None)


def _holds(nic: Nic, address: str) -> bool:
    return nic.holds(address) or (is_link_local(address) and address == link_local(nic.mac))
