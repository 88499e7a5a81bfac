"""What a node's chains do to a packet: let it pass or not, or translate it, and by which rule.

Sources: nft(8), net/netfilter/nf_tables_core.c (chains by priority; a drop ends everything, an accept only its chain),
nf_nat_core.c (the first packet of a connection decides).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from netlab.facts import Chain, Rule
from netlab.simulator.connections import Choice, Connections, Tracked
from netlab.simulator.matching import OF_DESTINATION, OF_SOURCE, Hook, deciding
from netlab.simulator.network import Node
from netlab.simulator.packet import Packet
from netlab.simulator.translation import Translations, apply, choose

#: The hooks at which addresses are translated, and where among their chains, whatever chain has asked for it
#: (NF_IP_PRI_NAT_DST, NF_IP_PRI_NAT_SRC); where connections are looked up (NF_IP_PRI_CONNTRACK).
_TRANSLATES: Final = {**dict.fromkeys(OF_DESTINATION, -100), **dict.fromkeys(OF_SOURCE, 100)}
_TRACKING, _TRACKS = ("prerouting", "output"), -200


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the chains of a hook made of a packet: the packet as it goes on, or `drop` or `reject` and by what.

    `ended`: it was routed anew, and no route took it on.
    """

    packet: Packet
    verdict: str = "accept"
    chain: Chain | None = None
    rule: Rule | None = None
    #: Words for every translation, and the rules that let it pass.
    translations: tuple[tuple[Chain | None, Rule | None, str], ...] = ()
    accepts: tuple[Choice, ...] = ()
    #: Whether that was before it was known what connection the packet belongs to.
    early: bool = False


def pass_chains(node: Node, connections: Connections, tracked: Tracked | None, packet: Packet, hook: Hook) -> Judgement:
    """Have a packet looked at by the chains of a hook; translation stands among them at a place of its own."""
    chains = [chain for chain in node.chains.get(hook.name, ()) if chain.version in (None, packet.version)]
    of_nat = [chain for chain in chains if chain.kind == "nat"]
    filters = [chain for chain in chains if chain.kind != "nat"]
    at = _TRANSLATES.get(hook.name)
    before = [chain for chain in filters if at is None or tracked is None or chain.priority <= at]
    found = _filtered(node, tracked, Judgement(packet), before, hook)
    if at is None or tracked is None or found.verdict != "accept":
        return found
    found = _translated(node, connections, tracked, found, of_nat, hook)
    if found.verdict != "accept":
        return found
    return _filtered(node, tracked, found, filters[len(before) :], hook)


def _filtered(node: Node, tracked: Tracked | None, found: Judgement, chains: Sequence[Chain], hook: Hook) -> Judgement:
    accepts = list(found.accepts)
    for chain in chains:
        early = chain.priority < _TRACKS and hook.name in _TRACKING and not hook.known
        known, where = (None, replace(hook, early=True)) if early else (tracked, hook)
        verdict, rule = _filter(node, known, found.packet, chain, where)
        if verdict == "accept" and found.packet.piece and not node.tracks:
            # Nobody has put it together: the first fragment has passed, and each of the others has to.
            verdict, later = _filter(node, known, found.packet, chain, replace(where, later=True))
            rule = rule if verdict == "accept" else later
        if verdict != "accept":
            return Judgement(found.packet, verdict, chain, rule, found.translations, tuple(accepts), early)
        if rule is not None:
            accepts.append((chain, rule))
    return replace(found, accepts=tuple(accepts))


def _translated(
    node: Node, connections: Connections, tracked: Tracked, found: Judgement, chains: Sequence[Chain], hook: Hook
) -> Judgement:
    """Translate a packet, as its connection's first one has chosen; those that choose may drop it, too."""
    translations: Translations = list(found.translations)
    if not tracked.connection.confirmed and not tracked.related:
        for chain in chains:
            verdict, rule = choose(node, connections, tracked, found.packet, chain, hook)
            if verdict != "accept":
                return replace(found, verdict=verdict, chain=chain, rule=rule)
    packet = apply(found.packet, tracked, hook, translations)
    told = replace(found, packet=packet, translations=tuple(translations))
    if packet.destination != found.packet.destination and not hook.reroute(packet):
        return replace(told, verdict="ended")
    return told


def _filter(node: Node, tracked: Tracked | None, packet: Packet, chain: Chain, hook: Hook) -> tuple[str, Rule | None]:
    rule = deciding(node, tracked, packet, chain.rules, hook)
    return (chain.policy, None) if rule is None else (rule.verdict, rule)
