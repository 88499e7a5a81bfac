"""Random chains of rules, for the random labs of tests/strategies.py: few names and rules, so that any two collide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from netlab.facts import Chain, Fact, Rule
from netlab.facts.rules import ESTABLISHED

#: What a chain of each name hooks into: kind, hook, and priorities, of which a chain keeps the one it is made with.
CHAINS = {
    "nat-prerouting": ("nat", "prerouting", (-100,)),
    "nat-postrouting": ("nat", "postrouting", (100, 90)),
    "filter-forward": ("filter", "forward", (0, 10)),
}
RULES = {
    "nat-prerouting": (
        Rule("dnat", protocol="tcp", ports=((8080, 8080),), local=True, to="10.0.0.9", to_ports=(80, 80)),
        Rule("dnat", destination="192.0.2.1", protocol="udp", ports=((53, 53),), to="10.0.0.9"),
        Rule("dnat", iif="e0", protocol="tcp", ports=((80, 89), (443, 443)), to="fd00::9"),
    ),
    "nat-postrouting": (
        Rule("masquerade", oif="e0", source="10.0.0.0/24"),
        Rule("masquerade", oif="!lo"),
        Rule("snat", source="10.0.0.7", to="192.0.2.1"),
    ),
    "filter-forward": (
        Rule("accept", states=ESTABLISHED),
        Rule("accept", iif="br0", oif="!br0", source="10.0.0.0/24"),
        Rule("drop", destination="10.0.1.0/24", protocol="tcp", ports=((22, 22),)),
        Rule("reject", source="fd00:1::/64"),
        Rule("accept", protocol="icmp"),
    ),
}


def random_chains(rng: Random, node: str) -> list[Fact]:
    """Draw what a node filters and translates; most do not."""
    return [_chain(rng, node, name) for name in CHAINS if rng.random() < 0.2]


def _chain(rng: Random, node: str, name: str) -> Chain:
    kind, hook, priorities = CHAINS[name]
    rules = tuple(rng.choices(RULES[name], k=rng.choice((0, 1, 2, 3))))
    policy = rng.choice(("accept", "drop")) if kind == "filter" else "accept"
    return Chain(node, name, kind, hook, rng.choice(priorities), policy, rules)


def changed_chains(facts: Iterable[Fact], rng: Random) -> list[Fact]:
    """Change some of the chains: other rules, one lost, the same in another order, another policy or priority."""
    return [_changed(rng, fact) if isinstance(fact, Chain) and rng.random() < 0.7 else fact for fact in facts]


def _changed(rng: Random, fact: Chain) -> Chain:
    rules = list(fact.rules)
    rng.shuffle(rules)
    return rng.choice(
        (_chain(rng, fact.node, fact.name), replace(fact, rules=fact.rules[1:]), replace(fact, rules=tuple(rules)))
    )
