"""Rules of somebody's own, as far as netlab understands them: it follows them, and never writes them.

They look at more than netlab's own do, and jump from chain to chain (nft(8)).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netlab.facts.rules import Rule

#: A name, an address or prefix; a range of numbers, both ends in it.
Value = str | tuple[int, int]
#: Conditions whose values are addresses, and names of devices, where `*` at the end stands for any more letters.
OF_ADDRESSES = ("ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr")
OF_DEVICES = ("iifname", "oifname")
#: What a rule rejects with unless it says otherwise: type and code of the ICMP error, of IPv4 and of IPv6.
REJECTS = ((3, 3), (1, 4))
#: What stands for TCP's reset among them.
RESETS = (0, 0)


@dataclass(frozen=True, slots=True)
class Condition:
    """What a packet has to be: its `field`, by nft's name, is one of `values`, or is there and none of them."""

    field: str
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class OtherRule(Rule):
    """A rule in nft's own `words`; it looks at `conditions` alone, and matches nothing where `other` is set.

    Its verdict may also be redirect, return, jump or goto; `body` is the chain that it jumps or goes to. `rejects` is
    what it rejects with, as in REJECTS.
    """

    words: str = ""
    conditions: tuple[Condition, ...] = ()
    body: tuple[Rule, ...] = ()
    rejects: tuple[tuple[int, int], tuple[int, int]] = REJECTS

    def __str__(self) -> str:
        return self.words


def every_rule(rules: Iterable[Rule]) -> Iterator[Rule]:
    """Give rules and those of all chains that they lead to, each once."""
    waiting, seen = list(rules)[::-1], set()
    while waiting:
        rule = waiting.pop()
        if id(rule) in seen:
            continue
        seen.add(id(rule))
        yield rule
        if isinstance(rule, OtherRule):
            waiting += reversed(rule.body)
