"""ICMP errors: whom they go to, from which address, and when none is sent.

Sources: net/ipv4/icmp.c (icmp_send), net/ipv6/icmp.c (icmp6_send); RFC 1812, 4.3.2; RFC 4443, 2.4.
"""

from __future__ import annotations

from netlab.simulator.connections import Tracked
from netlab.simulator.fib import Asked, choose_source, look_up
from netlab.simulator.network import Nic, Node
from netlab.simulator.packet import QUOTED4, QUOTED6, RST_SIZE, IcmpError, Packet, is_multicast, number_of
from netlab.simulator.walk import Walk

#: Bytes of an error's own headers: IP's and ICMP's.
_HEAD4, _HEAD6 = 28, 48


def report(
    walk: Walk,
    node: Node,
    packet: Packet,
    code: tuple[int, int],
    reason: int,
    into: Nic | None,
    tracked: Tracked | None,
    *,
    mtu: int = 0,
    at: Nic | None = None,
    routed: bool = True,
) -> None:
    """Tell the sender of a packet, as a new leg, why it goes no further; nobody is told of an error's error.

    `at` is the device that it is at then, the one that it came in by unless said: its VRF is what the error goes by.
    `routed`: whether the node knows yet that the packet is for itself (else see nf_reject_fill_skb_dst).
    """
    if walk.asking or packet.message == "error" or packet.message == "carried" or not _may_be_told(node, packet):
        return
    number, sub = code
    six = packet.version == 6
    size = min(packet.size + (_HEAD6 if six else _HEAD4), QUOTED6 if six else QUOTED4)
    # What was for the node itself is answered from the address that it was sent to; else the route chooses.
    here = at or into
    source = packet.destination if (routed or six) and _is_own(node, packet, here) else ""
    if not source and six and into is not None and packet.source not in node.addresses:
        # Where no route prefers another, with an address of the device that it came in by (icmp6_send).
        way = look_up(node, Asked(6, packet.source, out=here.vrf if here is not None else None))
        preferred = way.entry.source if way.entry is not None else None
        source = preferred or choose_source(node, into, packet.source) or ""
    message = "ipv6-icmp" if six else "icmp"
    said = IcmpError(number, sub, packet, mtu)
    error = Packet(source, packet.source, message, "error", ttl=node.ttl(packet.version), size=size, error=said)
    _send(walk, node, error, reason, here, tracked)


def reset(walk: Walk, node: Node, packet: Packet, reason: int, into: Nic | None, tracked: Tracked | None) -> None:
    """End a TCP connection in the name of a packet's destination, as a filter does that rejects so.

    Source: net/ipv4/netfilter/nf_reject_ipv4.c (nf_send_reset), nf_reject_ipv6.c.
    """
    if walk.asking or packet.message == "rst" or not _may_be_told(node, packet):
        return
    size, ttl = RST_SIZE[packet.version], node.ttl(packet.version)
    source, destination, sport, dport = packet.ends
    answer = Packet(destination, source, packet.protocol, "rst", dport, sport, ttl=ttl, size=size)
    _send(walk, node, answer, reason, into, tracked)


def _send(walk: Walk, node: Node, told: Packet, reason: int, here: Nic | None, tracked: Tracked | None) -> None:
    """Send what belongs to the connection of the packet that it is about (nf_conntrack_attach)."""
    related = Tracked(tracked.connection, not tracked.answers, related=True) if tracked is not None else None
    leg = walk.new_leg(told, node, reason)
    vrf = here.vrf if here is not None else None
    walk.post(walk.layers.send_tracked, walk, node, told, leg, vrf, related)


def _is_own(node: Node, packet: Packet, here: Nic | None) -> bool:
    """Tell whether a packet is for an address of the node's: of IPv4 as it is routed, of IPv6 in one VRF with it."""
    address, vrf = packet.destination, here.vrf if here is not None else None
    if packet.version == 4:
        return look_up(node, Asked(4, address, packet.source, into=here)).kind == "local"
    holders = [node.addresses[address]] if address in node.addresses else node.anycast.get(address, [])
    return any(holder.vrf is vrf for holder in holders)


def _may_be_told(node: Node, packet: Packet) -> bool:
    if not packet.source or number_of(packet.source) == 0 or is_multicast(packet.source):
        return False
    if is_multicast(packet.destination):
        return False
    if packet.version == 4:
        way = look_up(node, Asked(4, packet.destination))
        return way.kind != "broadcast"
    return True
