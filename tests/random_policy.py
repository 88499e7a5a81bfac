"""Random policy rules, neighbours and impairments for the random labs of tests/strategies.py: few, to collide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from netlab.facts import Address, Fact, Impairment, Neighbour, PolicyRule

#: None says by which table a gateway is looked for: the kernel asks the rules for that too (fib_check_nh).
RULES = (
    {"source": "10.0.0.0/16", "table": 100},
    {"to": "203.0.113.0/24", "action": "blackhole"},
    {"iif": "e0", "mark": "0x1/0xff", "table": 254},
    {"oif": "e1", "mark": "0x7", "action": "prohibit"},
    {"source": "10.7.0.0/16", "table": 100000},
)


def random_policy(rng: Random, node: str, held: Iterable[Address]) -> list[Fact]:
    """Draw the rules of a node that holds these addresses, and the neighbours on their devices."""
    found: list[Fact] = [_rule(rng, node) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
    for address in held:
        if address.device != "lo" and rng.random() < 0.3:
            found.append(_neighbour(rng, address))
        if address.device != "lo" and rng.random() < 0.2:
            found.append(_impairment(rng, node, address.device))
    return found


def _rule(rng: Random, node: str) -> PolicyRule:
    rule = PolicyRule(node, 4, rng.choice((100, 200)))
    return (
        replace(rule, **rng.choice(RULES))
        if rng.random() < 0.7
        else replace(rule, version=6, source="fd77::/64", table=100)
    )


def _neighbour(rng: Random, address: Address) -> Neighbour:
    base = address.address.partition("/")[0].rpartition(":" if address.version == 6 else ".")[0]
    other = f"{base}{':' if address.version == 6 else '.'}{rng.randint(10, 12)}"
    return Neighbour(address.node, address.device, other, f"02:00:00:00:01:0{rng.randint(1, 3)}")


def _impairment(rng: Random, node: str, device: str) -> Impairment:
    return Impairment(node, device, rate=rng.choice(("1gbit", "2gbit", "500mbit")))


def changed_policy(facts: Iterable[Fact], rng: Random) -> list[Fact]:
    """Change some of them: other rules, other MACs, other rates."""
    return [_changed(rng, fact) if rng.random() < 0.5 else fact for fact in facts]


def _changed(rng: Random, fact: Fact) -> Fact:
    if isinstance(fact, PolicyRule):
        return _rule(rng, fact.node)
    if isinstance(fact, Neighbour):
        return replace(fact, mac=f"02:00:00:00:01:0{rng.randint(1, 3)}")
    return _impairment(rng, fact.node, fact.device) if isinstance(fact, Impairment) else fact
