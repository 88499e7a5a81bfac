"""Packets that leave a node: its own, and those that it hands on once they have been routed.

Sources: net/ipv4/ip_output.c, net/ipv4/route.c (ip_route_output_key_hash_rcu), net/ipv6/ip6_output.c; the order of
hooks in include/uapi/linux/netfilter.h.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from typing import Final

from netlab.facts import Chain, Rule
from netlab.facts.rule_text import rule_text
from netlab.simulator import errors, neighbours
from netlab.simulator.fib import Asked, Way, choose_source, look_up, select_address, source_for
from netlab.simulator.filters import Hook, Judgement, Tracked, pass_chains
from netlab.simulator.network import Hop, Nic, Node
from netlab.simulator.packet import BROADCAST, Frame, Packet, group_mac, is_loopback, is_multicast, number_of
from netlab.simulator.unanswered import why_unanswered
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import Walk

#: What a route that ends a packet, or none at all, is to a packet, and what its sender's socket is told.
ENDS: Final[dict[str, tuple[Verdict, int]]] = {
    "none": (Verdict.NO_ROUTE, errno.ENETUNREACH),
    "blackhole": (Verdict.BLACKHOLE, errno.EINVAL),
    "unreachable": (Verdict.UNREACHABLE, errno.EHOSTUNREACH),
    "prohibit": (Verdict.PROHIBITED, errno.EACCES),
    "broadcast": (Verdict.BROADCAST, errno.EACCES),
}
#: Everybody on the link, whatever route leads there (__mkroute_output).
_EVERYBODY: Final = "255.255.255.255"
#: What no program sends.
_OWN_ANSWERS: Final = frozenset({"echo-reply", "rst", "syn-ack", "error"})
#: The least MTU of IPv6 (RFC 8200, section 5), and the sizes of the headers of fragments.
_LEAST6, _FRAGMENT6 = 1280, 48


@dataclass(frozen=True, slots=True)
class Passage:
    """A packet on its way out of a node: where to, what connection it is of, and where it came in."""

    packet: Packet
    way: Way
    tracked: Tracked | None
    into: Nic | None
    leg: int


def send(
    walk: Walk,
    node: Node,
    packet: Packet,
    leg: int,
    out: Nic | None = None,
    tracked: Tracked | None = None,
    rather: Nic | None = None,
) -> None:
    """Send a packet of the node's own; an empty source is chosen.

    `out`: the device that the sender is bound to; `rather`: one that it prefers where routes are equal.
    """
    found = _route_own(walk, node, packet, leg, out, rather)
    if found is None:
        return
    packet, way = found
    if not walk.asking and leg < len(walk.legs) and packet.message != "carried":
        walk.legs[leg].packet = packet
    nic = _device_of(node, way, out)
    if _stays_inside(walk, node, packet, nic, leg) or _is_too_big(walk, node, packet, way, nic, leg):
        return
    walk.tell(leg, "sent", nic, node, f"sends {packet}", None)
    tell_route(walk, node, way, packet, leg)
    if node.tracks and tracked is None:
        tracked = walk.of_node(node).find(packet)

    anew: Packet | None = None

    def reroute(changed: Packet) -> bool:
        nonlocal way, anew
        anew, way = changed, look_up(node, Asked(packet.version, changed.destination, changed.source, None, out))
        if way.kind in ENDS:
            end_by_route(walk, node, changed, way, leg)
            return False
        return not _stays_inside(walk, node, changed, _device_of(node, way, out), leg)

    # The chains go by the device that it was to leave by at first, wherever a translation leads it.
    hook = Hook("output", None, nic, reroute=reroute)
    judgement = pass_chains(node, walk.of_node(node), tracked, packet, hook)
    goes = allowed(walk, node, judgement, None, nic, leg, tracked)
    if anew is not None:
        tell_route(walk, node, way, anew, leg)
    if goes:
        leave(walk, node, Passage(judgement.packet, way, tracked, None, leg), out)


def _route_own(
    walk: Walk, node: Node, packet: Packet, leg: int, out: Nic | None, rather: Nic | None
) -> tuple[Packet, Way] | None:
    """Give a packet of the node's own its source and its way; None where it ends for want of either."""
    version = packet.version
    if number_of(packet.destination) == 0:
        # The unspecified address is the node itself (ip_route_output_key_hash_rcu, ip6_datagram_connect).
        packet = replace(packet, destination="127.0.0.1" if version == 4 else "::1")
    way = _first_way(node, packet, out, rather)
    ruled = out is None and any(choice.fact is not None for choice in node.choices[version])
    if way.kind in ENDS and version == 6 and ruled and not packet.source:
        # What failed without a source is forgotten, and looked up with one (ip6_dst_lookup_tail).
        packet = replace(packet, source=choose_source(node, node.devices["lo"], packet.destination) or "")
        way = look_up(node, Asked(version, packet.destination, packet.source or None))
    if way.kind not in ENDS and not packet.source:
        source = source_for(node, way, packet.destination, version)
        if source is None:
            _end_without_source(walk, node, packet, leg)
            return None
        packet = replace(packet, source=source)
        if ruled and packet.message != "error":
            # A connected socket looks again, with its source: rules may send that elsewhere (ip_route_connect).
            way = look_up(node, Asked(version, packet.destination, source))
    if way.kind not in ENDS:
        return packet, way
    if version == 6 and not any(nic.up and nic.speaks(6) for nic in node.devices.values()):
        _end_without_source(walk, node, packet, leg)
    else:
        end_by_route(walk, node, packet, way, leg)
    return None


def _first_way(node: Node, packet: Packet, out: Nic | None, rather: Nic | None) -> Way:
    """Look a packet of the node's own up as it is, groups and everybody included."""
    if is_multicast(packet.destination) and out is not None:
        return Way("unicast", None, Hop(None, out))
    way = look_up(node, Asked(packet.version, packet.destination, packet.source or None, None, out, rather))
    to_all = way.kind == "broadcast" or (packet.destination == _EVERYBODY and way.kind == "unicast")
    if not to_all:
        return way
    # Neither a tunnel nor the kernel's own answers need a program's leave (SO_BROADCAST).
    leave_given = packet.carried is not None or packet.message in _OWN_ANSWERS
    return Way("to all" if leave_given else "broadcast", way.entry, way.hop, way.choice)


def _end_without_source(walk: Walk, node: Node, packet: Packet, leg: int) -> None:
    words = f"{node.name} has no IPv{packet.version} address to send from"
    walk.end(leg, Verdict.NO_SOURCE, None, node, words, ("netns", node.name), errno.EADDRNOTAVAIL, packet)


def _stays_inside(walk: Walk, node: Node, packet: Packet, nic: Nic, leg: int) -> bool:
    """Tell whether a packet from 127.0.0.0/8 would leave the node, which it may by `route_localnet` only."""
    if packet.version == 6 or not is_loopback(packet.source) or nic.kind == "lo" or node.setting(nic, "route_localnet"):
        return False
    words = f"{packet.source} may not leave {node.name} by {nic.name}"
    walk.end(leg, Verdict.MARTIAN, nic, node, words, ("settings", node.name), errno.EINVAL, packet)
    return True


def _device_of(node: Node, way: Way, out: Nic | None = None) -> Nic:
    if way.kind == "local":
        return node.devices["lo"]
    if way.hop is not None:
        return way.hop.nic
    assert out is not None, "only what is bound to a device has no route"
    return out


def tell_route(walk: Walk, node: Node, way: Way, packet: Packet, leg: int) -> None:
    """Tell which route was chosen."""
    if not walk.tells or way.entry is None:
        return
    entry = way.entry
    hop = "" if way.hop is None or way.hop.via is None else f" via {way.hop.via}"
    device = "to itself" if entry.kind == "local" else f"dev {way.hop.nic.name}" if way.hop is not None else entry.kind
    table = {254: "main", 255: "local"}.get(entry.table, str(entry.table))
    rule = way.choice.fact if way.choice is not None else None
    said = "" if rule is None else f" by rule {rule.priority}"
    words = f"routes {packet.destination} by {entry.to}{hop} {device}, table {table}{said}"
    walk.tell(leg, "route", way.hop.nic if way.hop is not None else None, node, words, entry.key)


def end_by_route(walk: Walk, node: Node, packet: Packet, way: Way, leg: int, *, own: bool = True) -> None:
    """End a packet that no route takes on; of a node's `own` its sender is told at once."""
    verdict, number = ENDS[way.kind]
    if packet.version == 6 and way.kind == "broadcast":
        verdict, number = ENDS["none"]
    if verdict is Verdict.UNREACHABLE and way.entry is None:
        number = errno.ENETUNREACH  # a rule says less than a route: fib4_rule_action
    key = way.entry.key if way.entry is not None else None
    if key is None and way.choice is not None and way.choice.fact is not None:
        key = way.choice.fact.key
    if verdict is Verdict.NO_ROUTE:
        words, key = f"{node.name} has no route to {packet.destination}", ("netns", node.name)
    elif verdict is Verdict.BROADCAST:
        words = f"{packet.destination} is everybody's address, not one node's"
    else:
        said = f"the {way.kind} route {way.entry.to}" if way.entry is not None else f"a policy rule, {way.kind},"
        words = f"{said} of {node.name} takes {packet.destination}"
    walk.end(leg, verdict, None, node, words, key, number if own else None, packet)


def allowed(
    walk: Walk, node: Node, found: Judgement, into: Nic | None, out: Nic | None, leg: int, tracked: Tracked | None
) -> bool:
    """Tell of translations, and whether a packet goes on; what is rejected is answered."""
    for chain, rule, words in found.translations:
        key = chain.key if chain is not None else None
        said = f" by {rule_text(rule)}" if rule is not None and walk.tells else ""
        walk.tell(leg, "translated", into or out, node, f"translates: {words}{said}", key)
    if found.verdict in ("accept", "ended"):
        return found.verdict == "accept"
    words = _blamed(node, found.chain, found.rule)
    key = found.chain.key if found.chain is not None else None
    number = errno.EPERM if into is None else None
    verdict = Verdict.REJECTED if found.verdict == "reject" else Verdict.FILTERED
    walk.end(leg, verdict, into or out, node, words, key, number, found.packet)
    # Of a fragment of IPv6 nobody can tell whether it is sound, and so nobody is told (reject6_csum_ok).
    if found.verdict == "reject" and (found.packet.version == 4 or not found.packet.piece or node.tracks):
        code = (3, 3) if found.packet.version == 4 else (1, 4)
        errors.report(walk, node, found.packet, code, leg, into, tracked)
    return False


def _blamed(node: Node, chain: Chain | None, rule: Rule | None) -> str:
    name = chain.name if chain is not None else "?"
    if rule is not None:
        return f"{node.name}: chain {name}: {rule_text(rule)}"
    return f"{node.name}: chain {name}: policy {chain.policy if chain is not None else '?'}"


def leave(walk: Walk, node: Node, passage: Passage, out: Nic | None = None) -> None:
    """Let a routed packet out: translated, of a size that fits, to its next hop's MAC."""
    packet, way, leg = passage.packet, passage.way, passage.leg
    nic = _device_of(node, way, out)
    near = way.hop.via if way.hop is not None and way.hop.via is not None else packet.destination

    def masquerade() -> str | None:
        if packet.version == 6:
            return source_for(node, way, packet.destination, 6) if way.hop is not None else None
        return select_address(node, nic, near)

    hook = Hook("postrouting", passage.into, nic, masquerade)
    judgement = pass_chains(node, walk.of_node(node), passage.tracked, packet, hook)
    if not allowed(walk, node, judgement, passage.into, nic, leg, passage.tracked):
        return
    walk.of_node(node).confirm(passage.tracked)
    packet = judgement.packet
    if nic.kind == "lo":
        # What goes by `lo` keeps its connection (nf_conntrack_in: previously seen).
        walk.post(walk.layers.receive, walk, nic, Frame(nic.mac, nic.mac, packet, tracked=passage.tracked), leg)
        return
    fitting = _fit(walk, node, packet, way, nic, leg, passage)
    if fitting is not None:
        _to_neighbour(walk, node, fitting, nic, near, passage)


def mtu_of(way: Way, nic: Nic) -> int:
    """Give the MTU of a way: the route's own, else the device's."""
    return way.entry.mtu if way.entry is not None and way.entry.mtu is not None else nic.mtu


def _fit(walk: Walk, node: Node, packet: Packet, way: Way, nic: Nic, leg: int, passage: Passage) -> Packet | None:
    """Take a packet apart that is too big for its way, if it may be; a router has asked before (see forwarding)."""
    mtu = mtu_of(way, nic)
    # What connection tracking has put together is taken apart again as it was (frag_max_size).
    if packet.largest <= mtu:
        return packet
    if packet.dont_fragment and passage.into is None and _is_too_big(walk, node, packet, way, nic, leg):
        # Found out this late, where a translation has led it elsewhere, it is told by ICMP besides (ip_fragment).
        errors.report(
            walk, node, packet, (3, 4) if packet.version == 4 else (2, 0), leg, None, passage.tracked, mtu=mtu
        )
        return None
    head, size = (20, mtu) if packet.version == 4 else (_FRAGMENT6, max(mtu, _LEAST6))
    piece = (size - head) // 8 * 8 + head
    walk.tell(leg, "fragmented", nic, node, f"takes it apart: the MTU of {nic.name} is {mtu}", nic.key)
    return replace(packet, piece=piece)


def _is_too_big(walk: Walk, node: Node, packet: Packet, way: Way, nic: Nic, leg: int) -> bool:
    """End a packet of the node's own that does not fit, and must not be taken apart: its sender is told at once."""
    mtu = mtu_of(way, nic)
    if not packet.dont_fragment or packet.largest <= mtu:
        return False
    end_too_big(walk, packet, way, nic, mtu, leg, errno.EMSGSIZE)
    return True


def end_too_big(walk: Walk, packet: Packet, way: Way, nic: Nic, mtu: int, leg: int, number: int | None = None) -> None:
    """End a packet that does not fit its way and must not be taken apart."""
    whose, key = f"{nic}", nic.key
    if way.entry is not None and way.entry.mtu is not None:
        whose, key = f"the route {way.entry.to} of {nic.node.name}", way.entry.key
    words = f"{packet.largest} bytes are more than the MTU of {whose}, {mtu}, and it must not be taken apart"
    walk.end(leg, Verdict.TOO_BIG, nic, nic.node, words, key, number, packet)


def _to_neighbour(walk: Walk, node: Node, packet: Packet, nic: Nic, near: str, passage: Passage) -> None:
    leg = passage.leg
    if passage.way.kind == "to all":
        walk.layers.transmit(walk, nic, Frame(nic.mac, BROADCAST, packet), leg)
        return
    if is_multicast(near):
        walk.layers.transmit(walk, nic, Frame(nic.mac, group_mac(near), packet), leg)
        return
    mac = neighbours.find(walk, nic, near, packet.source, leg)
    if mac is not None:
        walk.tell(leg, "leaves", nic, node, f"sends it out by {nic.name}", nic.key)
        walk.layers.transmit(walk, nic, Frame(nic.mac, mac, packet), leg)
        return
    why, key = why_unanswered(walk.network, nic, near, walk.noted if walk.tells else None)
    walk.end(leg, Verdict.NO_NEIGHBOUR, nic, node, why, key, None, packet)
    code = (3, 1) if packet.version == 4 else (1, 3)
    errors.report(walk, node, packet, code, leg, passage.into, passage.tracked)
