"""Packets that come to a node: believed or not, for itself or to be handed on, and what it answers.

Sources: net/ipv4/ip_input.c, net/ipv4/route.c (ip_route_input_slow), net/ipv4/ip_forward.c, net/ipv4/icmp.c,
net/ipv6/ip6_input.c, ip6_output.c (ip6_forward), route.c (ip6_pkt_drop).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from netlab.simulator import errors, output, tunnels
from netlab.simulator.connections import Tracked
from netlab.simulator.fib import OWN, Asked, Way, doubt_source, is_martian, look_up
from netlab.simulator.filters import pass_chains
from netlab.simulator.leaving import Passage, allowed, end_too_big, leave, mtu_of
from netlab.simulator.matching import Hook
from netlab.simulator.network import Nic, Node
from netlab.simulator.packet import DATAGRAM_SIZE, RST_SIZE, SYN_ACK_SIZE, Frame, Packet, is_link_local, is_multicast
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import Walk

#: The type and code that a router tells a sender with, by the kind of the route that it has none by.
_CODES4: Final = {"none": (3, 0), "unreachable": (3, 1), "prohibit": (3, 13)}
_CODES6: Final = {"none": (1, 0), "unreachable": (1, 0), "prohibit": (1, 1)}
_LEAST6: Final = 1280
#: Whose address it is, by the kind of the route; and what is not answered there.
_WHOSE: Final = {"broadcast": "everybody's", "anycast": "its own, as every router's of the subnet"}
_UNANSWERED: Final = {"broadcast": "nothing that is sent to everybody", "anycast": "nothing that is sent to any router"}
_NO_PINGS: Final = "no pings (icmp_echo_ignore_all)"


def take_packet(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    """Take in a packet by a device: translated, believed, and then delivered or handed on."""
    node, packet = nic.node, frame.payload
    assert isinstance(packet, Packet)
    version = packet.version
    if packet.carried is None:
        walk.arrivals.append((leg, nic, packet))
    if not nic.speaks(version):
        walk.end(leg, Verdict.NO_IPV6, nic, node, f"IPv6 is off on {nic}", nic.key, None, packet)
        return
    _tell_round(walk, nic, packet, leg)
    walk.tell(leg, "arrives", nic, node, f"comes in by {nic.name}", nic.key)
    tracked: Tracked | None = frame.tracked
    if not frame.looked_at:
        if node.tracks:
            tracked = tracked or walk.of_node(node).find(packet)
            packet = replace(packet, checked=True)  # fragments are put together first (nf_defrag_ipv4.c)
        # A VRF has it looked at once more, as its own (vrf_rcv_nfhook).
        for by in dict.fromkeys((nic, nic.vrf or nic)):
            hook = Hook("prerouting", by, None, known=frame.tracked is not None or by is not nic)
            judgement = pass_chains(node, walk.of_node(node), tracked, packet, hook)
            if not allowed(walk, node, judgement, by, None, leg, tracked):
                return
            packet = judgement.packet
    # IPv4 goes on by the device that it came in by, IPv6 by its VRF (ip_rcv_finish, ip6_route_input).
    into = nic if version == 4 else nic.vrf or nic
    if version == 4 and is_martian(node, into, packet.source, packet.destination):
        words = f"{node.name} takes nothing from {packet.source} to {packet.destination} by {nic}"
        walk.end(leg, Verdict.MARTIAN, nic, node, words, nic.key, None, packet)
        return
    if frame.passage is not None:
        _go_its_way(walk, nic, packet, frame.passage, tracked, leg)
        return
    # Of equal routes IPv6 prefers that by which the packet came in (ip6_pol_route_input).
    rather = into if version == 6 else None
    way = look_up(node, Asked(version, packet.destination, packet.source, into=into, rather=rather))
    if is_multicast(packet.destination):
        _take_group(walk, nic, packet, leg)
    elif way.kind in (*OWN, "broadcast"):
        if packet.message in ("syn", "datagram") and frame.is_group and not frame.for_host:
            # Of a frame for everybody TCP takes nothing, and nobody is told of anything (tcp_v4_rcv, icmp_send).
            way = Way("broadcast", way.entry, way.hop, way.choice)
        if nic.kind in ("lo", "vrf") or _is_believed(walk, nic, packet, None, leg):
            _deliver(walk, nic, packet, way, tracked, leg)
    else:
        _hand_on(walk, nic, packet, way, tracked, leg)


def _tell_round(walk: Walk, nic: Nic, packet: Packet, leg: int) -> None:
    """Tell of a packet that its TTL will end: it came by here before, and nothing has changed but that."""
    if not walk.tells or walk.asking:
        return
    key = leg, nic, replace(packet, ttl=0)
    if walk.rounds.setdefault(key, packet.ttl) > packet.ttl:
        walk.rounds[key] = 0
        walk.tell(leg, "loop", nic, nic.node, f"comes by {nic.name} again: it goes round", nic.key)


def _is_believed(walk: Walk, nic: Nic, packet: Packet, out: Nic | None, leg: int) -> bool:
    """Tell whether a source is believed (IPv4)."""
    if packet.version == 6:
        return True
    node = nic.node
    doubt = doubt_source(node, nic, packet.source, packet.destination, out)
    if doubt is None:
        return True
    verdict = Verdict.MARTIAN if doubt == "martian" else Verdict.RP_FILTER
    whose = ", an address of its own," if packet.source in node.addresses else ""
    words = f"{node.name} does not believe that {packet.source}{whose} comes by {nic.name}"
    walk.end(leg, verdict, nic, node, words, ("settings", node.name), None, packet)
    return False


# -- handing on


def _go_its_way(walk: Walk, nic: Nic, packet: Packet, passage: Passage, tracked: Tracked | None, leg: int) -> None:
    """Send what is made of a packet that this node has sent on by the way of that one, wherever it should go.

    Only what has no way yet is given one (ip_rcv_finish_core, skb_valid_dst). That of the node's own takes nothing in
    (dst_discard).
    """
    if passage.into is None:
        words = f"{nic.node.name} takes nothing in that still has the way of what it has sent itself (dst_discard)"
        walk.end(leg, Verdict.KERNEL_FAULT, nic, nic.node, words, nic.key, None, packet)
    else:
        _forward(walk, nic, packet, passage.way, tracked, leg)


def _hand_on(walk: Walk, nic: Nic, packet: Packet, way: Way, tracked: Tracked | None, leg: int) -> None:
    node, version = nic.node, packet.version
    forwards = node.forwards(version, nic)
    if way.kind in output.ENDS:
        # An IPv6 host says so even where it does not forward (ip6_pkt_discard); one of IPv4 is silent (ip_error).
        verdict = output.ENDS[way.kind][0] if forwards or version == 6 else Verdict.NOT_FORWARDED
        kind = "none" if way.kind == "unreachable" and way.entry is None else way.kind  # a rule: fib4_rule_action
        code = (_CODES4 if version == 4 else _CODES6).get(kind)
        if verdict is Verdict.NOT_FORWARDED:
            _stop(walk, nic, packet, leg)
        else:
            output.end_by_route(walk, node, packet, way, leg, own=False)
        if code is not None and (forwards or version == 6):
            errors.report(walk, node, packet, code, leg, nic, tracked)
        return
    if not forwards:
        _stop(walk, nic, packet, leg)
        return
    assert way.hop is not None
    if version == 6 or _is_believed(walk, nic, packet, way.hop.nic, leg):
        _forward(walk, nic, packet, way, tracked, leg)


def _forward(walk: Walk, nic: Nic, packet: Packet, way: Way, tracked: Tracked | None, leg: int) -> None:
    """Hand a packet on by the way that was found for it."""
    node, version = nic.node, packet.version
    assert way.hop is not None
    out = way.hop.nic
    if packet.ttl <= 1:
        words = f"its TTL ends at {node.name}"
        walk.end(leg, Verdict.TTL_EXCEEDED, nic, node, words, ("settings", node.name), None, packet)
        errors.report(walk, node, packet, (11, 0) if version == 4 else (3, 0), leg, nic, tracked)
        return
    if version == 6 and is_link_local(packet.source):
        walk.end(leg, Verdict.NO_ROUTE, nic, node, f"{packet.source} is of the link only", None, None, packet)
        errors.report(walk, node, packet, (1, 2), leg, nic, tracked)
        return
    output.tell_route(walk, node, way, packet, leg)
    if _is_too_big(walk, nic, packet, way, tracked, leg):
        return
    passed = replace(packet, ttl=packet.ttl - 1)
    judgement = pass_chains(node, walk.of_node(node), tracked, passed, Hook("forward", nic.vrf or nic, out))
    if not allowed(walk, node, judgement, nic, out, leg, tracked):
        return
    walk.tell(leg, "forwarded", out, node, f"forwards it, TTL {passed.ttl}", ("settings", node.name))
    leave(walk, node, Passage(passed, way, tracked, nic, leg))


def _stop(walk: Walk, nic: Nic, packet: Packet, leg: int) -> None:
    node = nic.node
    words = f"{node.name} is not {packet.destination}, and does not forward"
    walk.end(leg, Verdict.NOT_FORWARDED, nic, node, words, ("settings", node.name), None, packet)


def _is_too_big(walk: Walk, nic: Nic, packet: Packet, way: Way, tracked: Tracked | None, leg: int) -> bool:
    """End a packet that does not fit and must not be taken apart; its sender is told the MTU."""
    node = nic.node
    assert way.hop is not None
    # Of a route's own MTU IPv6 finds out when it lets a packet out (ip6_dst_mtu_maybe_forward; see leaving).
    mtu = mtu_of(way, way.hop.nic) if packet.version == 4 else max(way.hop.nic.mtu, _LEAST6)
    size = packet.largest
    if size <= mtu or (packet.version == 4 and not packet.dont_fragment):
        return False
    end_too_big(walk, packet, way if packet.version == 4 else replace(way, entry=None), way.hop.nic, mtu, leg)
    errors.report(walk, node, packet, (3, 4) if packet.version == 4 else (2, 0), leg, nic, tracked, mtu=mtu)
    return True


# -- delivering


def _take_group(walk: Walk, nic: Nic, packet: Packet, leg: int) -> None:
    """Take in what is for a group, if a VXLAN of the node is in it."""
    groups = {str(one.options.get("group")) for one in nic.node.devices.values() if one.kind == "vxlan"}
    if packet.message == "carried" and packet.destination in groups:
        tunnels.decapsulate(walk, nic.node, packet, leg)


def _deliver(walk: Walk, nic: Nic, packet: Packet, way: Way, tracked: Tracked | None, leg: int) -> None:
    """Hand a packet to the node itself, past its input chains."""
    node = nic.node
    # IPv4 is put together before the chains see it, IPv6 behind them.
    packet = replace(packet, piece=0) if packet.version == 4 else packet
    judgement = pass_chains(node, walk.of_node(node), tracked, packet, Hook("input", nic.vrf or nic, None))
    if not allowed(walk, node, judgement, nic, None, leg, tracked):
        return
    walk.of_node(node).confirm(tracked)
    packet = replace(judgement.packet, piece=0)
    if packet.message == "carried":
        if packet.spoilt:
            words = f"a translation has spoilt the UDP checksum of the tunnel's packet, which {node.name} drops"
            by = (step.key for step in reversed(walk.steps) if step.leg == leg and step.what == "translated")
            walk.end(leg, Verdict.KERNEL_FAULT, nic, node, words, next(by, nic.key), None, packet)
            return
        if not tunnels.decapsulate(walk, node, packet, leg):
            words = f"{node.name} has no VXLAN {packet.vni} at port {packet.dport}"
            walk.end(leg, Verdict.NO_LISTENER, nic, node, words, None, None, packet)
        return
    whose = _WHOSE.get(way.kind, "its own")
    walk.tell(leg, "delivered", nic, node, f"{packet.destination} is {whose}", way.entry.key if way.entry else None)
    if leg > 0:
        walk.end(leg, Verdict.DELIVERED, nic, node, f"delivered to {node.name}", None, None, packet)
        return
    _answer(walk, nic, packet, way, tracked, leg)


def _answer(walk: Walk, nic: Nic, packet: Packet, way: Way, tracked: Tracked | None, leg: int) -> None:
    node = nic.node
    verdict, reply, code = _reaction(walk, nic, packet, way.kind)
    words, key = f"delivered to {node.name}", None
    if verdict is Verdict.NO_LISTENER:
        words = f"nobody listens at {packet.protocol} port {packet.dport} of {node.name}"
        key = ("netns", node.name)
    elif verdict is Verdict.IGNORED:
        words, key = f"{node.name} answers {_UNANSWERED.get(way.kind, _NO_PINGS)}", ("settings", node.name)
    walk.end(leg, verdict, nic, node, words, key, None, packet)
    if code is not None:
        errors.report(walk, node, packet, code, leg, nic, tracked)
    if reply is not None:
        answer = walk.new_leg(reply, node, leg)
        out, rather = nic.vrf, None
        if reply.message == "echo-reply" and reply.version == 6:
            # It leaves by where the echo came from, if it may; of a VRF by who has the address (icmp6_dev).
            rather = way.hop.nic if out is not None and way.hop is not None else nic
            out = rather.vrf
        walk.post(walk.layers.send, walk, node, reply, answer, out, rather)


def _reaction(walk: Walk, nic: Nic, packet: Packet, kind: str) -> tuple[Verdict, Packet | None, tuple[int, int] | None]:
    """Say what a node makes of a packet that it has taken in: the verdict, its answer, or the error that it tells.

    `kind` is that of the route: whether the destination is the node's, everybody's, or every router's.
    """
    node, to_all = nic.node, kind == "broadcast"
    back = Packet(
        source=packet.destination,
        destination=packet.source,
        protocol=packet.protocol,
        message=packet.message,
        sport=packet.dport,
        dport=packet.sport,
        ttl=node.ttl(packet.version),
        size=packet.size,
    )
    if packet.message == "echo":
        if _is_quiet(node, packet, kind):
            return Verdict.IGNORED, None, None
        reply = replace(back, message="echo-reply", source=back.source if kind == "local" else "")
        return Verdict.DELIVERED, reply, None
    # Programs that are not bound to a VRF hear nothing of it, unless they are told to (inet_sk_bound_dev_eq).
    hears = nic.vrf is None or node.switch(f"net.ipv4.{packet.protocol}_l3mdev_accept") > 0
    listens = hears and (node.name, packet.protocol, packet.dport) in walk.listeners
    if packet.message == "syn":
        if kind != "local":
            return Verdict.IGNORED, None, None
        if listens:
            # One that offers nothing is answered with the size of segments alone (tcp_synack_options).
            bare = packet.size == RST_SIZE[packet.version]
            size = packet.size + 4 if bare else SYN_ACK_SIZE[packet.version]
            return Verdict.DELIVERED, replace(back, message="syn-ack", size=size, offloaded=True), None
        return Verdict.NO_LISTENER, replace(back, message="rst", size=RST_SIZE[packet.version]), None
    if packet.message == "datagram":
        if listens:
            # What a program answers is its own affair: something short.
            back = replace(back, size=DATAGRAM_SIZE + (20 if packet.version == 6 else 0), offloaded=True)
            return Verdict.DELIVERED, replace(back, source="") if to_all else back, None
        code = None if to_all else (3, 3) if packet.version == 4 else (1, 4)
        return Verdict.NO_LISTENER, None, code
    return Verdict.DELIVERED, None, None


def _is_quiet(node: Node, packet: Packet, kind: str) -> bool:
    """Tell whether a node is told not to answer a ping."""
    if packet.version == 4:
        to_all = kind == "broadcast" and node.settings.get("net.ipv4.icmp_echo_ignore_broadcasts", "1") != "0"
        return to_all or node.switch("net.ipv4.icmp_echo_ignore_all") > 0
    to_any = kind == "anycast" and node.switch("net.ipv6.icmp.echo_ignore_anycast") > 0
    return to_any or node.switch("net.ipv6.icmp.echo_ignore_all") > 0
