"""What a node's chains do to a packet: let it pass or not, or translate it, and by which rule.

Sources: nft(8), net/netfilter/nf_tables_core.c (chains by priority; a drop ends everything, an accept only its chain),
nf_nat_core.c (the first packet of a connection decides).
"""

from __future__ import annotations

from dataclasses import dataclass

from netlab.facts import Chain, Rule
from netlab.simulator.connections import Choice, Connections, Tracked
from netlab.simulator.matching import OF_DESTINATION, OF_SOURCE, Hook, deciding
from netlab.simulator.network import Node
from netlab.simulator.packet import Packet
from netlab.simulator.translation import Translations, apply, choose


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


def pass_chains(node: Node, connections: Connections, tracked: Tracked | None, packet: Packet, hook: Hook) -> Judgement:
    """Have a packet looked at by the chains of a hook; translation stands among them by its priority."""
    chains = node.chains.get(hook.name, ())
    translations: Translations = []
    accepts: list[Choice] = []
    translated = tracked is None
    manipulates = hook.name in OF_DESTINATION or hook.name in OF_SOURCE
    at = -100 if hook.name in OF_DESTINATION else 100
    for chain in chains:
        if chain.version not in (None, packet.version):
            continue
        if not translated and manipulates and chain.kind != "nat" and chain.priority > at:
            before, translated = packet, True
            packet = apply(packet, tracked, hook, translations)
            if packet.destination != before.destination and not hook.reroute(packet):
                return Judgement(packet, "ended", translations=tuple(translations))
        if chain.kind == "nat":
            if tracked is not None and not tracked.connection.confirmed and not tracked.related:
                choose(node, connections, tracked, packet, chain, hook)
            continue
        verdict, rule = _filter(node, tracked, packet, chain, hook)
        if verdict != "accept":
            return Judgement(packet, verdict, chain, rule, tuple(translations), tuple(accepts))
        if rule is not None:
            accepts.append((chain, rule))
    if not translated and manipulates:
        before, packet = packet, apply(packet, tracked, hook, translations)
        if packet.destination != before.destination and not hook.reroute(packet):
            return Judgement(packet, "ended", translations=tuple(translations))
    return Judgement(packet, translations=tuple(translations), accepts=tuple(accepts))


def _filter(node: Node, tracked: Tracked | None, packet: Packet, chain: Chain, hook: Hook) -> tuple[str, Rule | None]:
    rule = deciding(node, tracked, packet, chain.rules, hook)
    return (chain.policy, None) if rule is None else (rule.verdict, rule)
