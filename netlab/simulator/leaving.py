"""Packets that have been routed, on their way out: past the chains, of a size that fits, to the next hop's MAC.

Sources: net/ipv4/ip_output.c, net/ipv6/ip6_output.c, net/ipv4/ip_fragment.c; the order of hooks in
include/uapi/linux/netfilter.h.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace

from netlab.facts import Chain, Key, Rule
from netlab.facts.firewall import rule_key
from netlab.facts.other_rules import REJECTS, RESETS, OtherRule
from netlab.simulator import errors, neighbours
from netlab.simulator.connections import Tracked
from netlab.simulator.fib import OWN, Way, choose_source, select_address
from netlab.simulator.filters import Judgement, pass_chains
from netlab.simulator.matching import Hook
from netlab.simulator.network import Nic, Node
from netlab.simulator.packet import BROADCAST, Frame, Packet, group_mac, is_multicast
from netlab.simulator.unanswered import why_unanswered
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import Walk

#: The least MTU of IPv6 (RFC 8200, section 5), and the sizes of the headers of fragments.
_LEAST6, _FRAGMENT6, _HEADER6 = 1280, 48, 40


@dataclass(frozen=True, slots=True)
class Passage:
    """A packet on its way out of a node: where to, what connection it is of, and where it came in."""

    packet: Packet
    way: Way
    tracked: Tracked | None
    into: Nic | None
    leg: int
    #: The size of the largest piece of it that nothing holds up: of its end at the device the socket is told.
    waits: int = 0


def device_of(node: Node, way: Way, out: Nic | None = None) -> Nic:
    """Give the device that a way leads to: `out` where a sender is bound to one and has no route."""
    if way.kind in OWN:
        # What a VRF sends to itself goes by the VRF (ip_route_output_key_hash_rcu, ip6_rt_get_dev_rcu).
        return (way.hop.nic.vrf if way.hop is not None else None) or node.devices["lo"]
    if way.hop is not None:
        return way.hop.nic
    assert out is not None, "only what is bound to a device has no route"
    return out


def allowed(
    walk: Walk, node: Node, found: Judgement, into: Nic | None, out: Nic | None, leg: int, tracked: Tracked | None
) -> bool:
    """Tell of translations, and whether a packet goes on; what is rejected is answered."""
    for chain, rule, words in found.translations:
        key = _key_of(chain, rule)
        said = f" by {rule}" if rule is not None and walk.tells else ""
        walk.tell(leg, "translated", into or out, node, f"translates: {words}{said}", key)
    for chain, rule in found.accepts if walk.tells else ():
        words = f"passes chain {chain.name}: {rule}"
        walk.tell(leg, "accepted", into or out, node, words, rule_key(chain, rule))
    if found.verdict in ("accept", "ended"):
        return found.verdict == "accept"
    words = _blamed(node, found.chain, found.rule)
    key = _key_of(found.chain, found.rule)
    number = errno.EPERM if into is None and (out is None or out.kind != "vrf") else None
    verdict = Verdict.REJECTED if found.verdict == "reject" else Verdict.FILTERED
    walk.end(leg, verdict, into or out, node, words, key, number, found.packet)
    # Of a fragment alone nobody can tell whether it is sound: nobody is told (nf_send_unreach, nf_send_unreach6).
    if found.verdict == "reject" and (not found.packet.piece or found.packet.checked):
        tracked = None if found.early else tracked
        of4, of6 = found.rule.rejects if isinstance(found.rule, OtherRule) else REJECTS
        code = of4 if found.packet.version == 4 else of6
        if code == RESETS:
            errors.reset(walk, node, found.packet, leg, into, tracked)
        else:
            routed = found.chain is None or found.chain.hook != "prerouting"
            errors.report(walk, node, found.packet, code, leg, into, tracked, routed=routed)
    return False


def _key_of(chain: Chain | None, rule: Rule | None) -> Key | None:
    """Give what is behind a judgement: a rule, or a chain whose policy it was."""
    if chain is None:
        return None
    return chain.key if rule is None else rule_key(chain, rule)


def _blamed(node: Node, chain: Chain | None, rule: Rule | None) -> str:
    name = chain.name if chain is not None else "?"
    if rule is not None:
        return f"{node.name}: chain {name}: {rule}"
    return f"{node.name}: chain {name}: policy {chain.policy if chain is not None else '?'}"


def leave(walk: Walk, node: Node, passage: Passage, out: Nic | None = None) -> None:
    """Let a routed packet out: translated, of a size that fits, to its next hop's MAC."""
    packet, way, leg = passage.packet, passage.way, passage.leg
    nic = device_of(node, way, out)
    near = way.hop.via if way.hop is not None and way.hop.via is not None else packet.destination

    def masquerade() -> str | None:
        if packet.version == 6:
            return choose_source(node, nic, packet.destination)
        return select_address(node, nic, near)

    hook = Hook("postrouting", passage.into, nic, masquerade)
    judgement = pass_chains(node, walk.of_node(node), passage.tracked, packet, hook)
    if not allowed(walk, node, judgement, passage.into, nic, leg, passage.tracked):
        return
    walk.of_node(node).confirm(passage.tracked)
    packet = judgement.packet
    if way.kind in OWN:
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
    if packet.dont_fragment and passage.into is None and is_too_big(walk, node, packet, way, nic, leg):
        # Found out this late, where a translation has led it elsewhere, it is told by ICMP besides (ip_fragment).
        errors.report(
            walk, node, packet, (3, 4) if packet.version == 4 else (2, 0), leg, None, passage.tracked, mtu=mtu
        )
        return None
    if packet.version == 6 and passage.into is not None and not (packet.piece and node.tracks):
        mtu = max(mtu, _LEAST6)
        if packet.largest <= mtu:
            return packet
        end_too_big(walk, packet, way, nic, mtu, leg)
        errors.report(walk, node, packet, (2, 0), leg, passage.into, passage.tracked, mtu=mtu)
        return None
    head, size = (20, mtu) if packet.version == 4 else (_FRAGMENT6, max(mtu, _LEAST6))
    piece = (size - head) // 8 * 8 + head
    walk.tell(leg, "fragmented", nic, node, f"takes it apart: the MTU of {nic.name} is {mtu}", nic.key)
    return replace(packet.settled(), piece=piece)


def _second(packet: Packet) -> int:
    """Give the size of a packet's second fragment: only the first waits for the neighbour (IPv6)."""
    rest = packet.size - (packet.piece - _FRAGMENT6) - _HEADER6 if packet.piece else 0
    return min(packet.piece, rest + _FRAGMENT6) if rest > 0 else 0


def is_too_big(walk: Walk, node: Node, packet: Packet, way: Way, nic: Nic, leg: int) -> bool:
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
        walk.layers.transmit(walk, nic, Frame(nic.mac, BROADCAST, packet, passage=passage), leg)
        return
    if is_multicast(near):
        walk.layers.transmit(walk, nic, Frame(nic.mac, group_mac(near), packet, passage=passage), leg)
        return
    if packet.version == 6 and passage.into is None and (packet.message == "echo" or not packet.offloaded):
        known = neighbours.is_known(walk, nic, near)
        passage = replace(passage, waits=packet.largest if known else _second(packet))
    mac = neighbours.find(walk, nic, near, packet.source, leg)
    if mac is not None:
        walk.tell(leg, "leaves", nic, node, f"sends it out by {nic.name}", nic.key)
        walk.layers.transmit(walk, nic, Frame(nic.mac, mac, packet, passage=passage), leg)
        return
    why, key = why_unanswered(walk.network, nic, near, walk.noted if walk.tells else None)
    walk.end(leg, Verdict.NO_NEIGHBOUR, nic, node, why, key, None, packet)
    code = (3, 1) if packet.version == 4 else (1, 3)
    # Of IPv6 it is still at the device that it came in by, if it did.
    at = nic if packet.version == 4 or passage.into is None else None
    errors.report(walk, node, packet, code, leg, passage.into, passage.tracked, at=at)
