"""The family of chains: what a node filters and translates, in the order in which it looks.

A chain hooks into a packet's way (nft(8)), and looks at it by its rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netlab.facts.fact import Difference, Fact, Key, Need
from netlab.facts.rules import Rule


@dataclass(frozen=True, slots=True)
class Chain(Fact):
    """A base chain: `kind` is nat or filter, `hook` where it looks, at which `priority`; `policy` accept or drop.

    `version` is the only IP version that it looks at, None where it looks at both, as all of netlab's own do.
    """

    family: ClassVar[str] = "chain"
    rank: ClassVar[int] = 2
    live: ClassVar[frozenset[str]] = frozenset({"policy", "rules"})

    node: str
    name: str
    kind: str
    hook: str
    priority: int
    policy: str = "accept"
    rules: tuple[Rule, ...] = ()
    version: int | None = None

    @property
    def key(self) -> Key:
        return ("chain", self.node, self.name)

    def needs(self) -> tuple[Need, ...]:
        return (("netns", self.node),)

    def differences(self, have: Fact) -> tuple[Difference, ...]:
        """Give the fields that differ; rules as text, those that are on one side only."""
        assert isinstance(have, Chain)
        found = [
            Difference(name, getattr(have, name), getattr(self, name))
            for name in ("kind", "hook", "priority", "policy")
            if getattr(have, name) != getattr(self, name)
        ]
        if have.rules != self.rules:
            gone = [rule for rule in have.rules if rule not in self.rules]
            new = [rule for rule in self.rules if rule not in have.rules]
            if not gone and not new:
                gone, new = list(have.rules), list(self.rules)
            found.append(Difference("rules", "; ".join(map(str, gone)) or None, "; ".join(map(str, new)) or None))
        return tuple(found)

    def label(self) -> str:
        return f"chain {self.name} of {self.node}"


def rule_key(chain: Chain, rule: Rule) -> Key:
    """Name one rule of a chain, by its words: where the file asks for it is known by that name."""
    return (*chain.key, str(rule))
