"""The family of chains: what a node filters and translates, in the order in which it looks.

A chain hooks into a packet's way (nft(8)); its rules are values that say what they match and what becomes of it. What
netlab cannot say itself, somebody's own rule, is kept as nftables tells it (`other`), and is drift.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from netlab.facts.fact import Difference, Fact, Key, Need

Ports = tuple[tuple[int, int], ...]
#: Packets that belong to something that was let through before (nf_conntrack states).
ESTABLISHED = ("established", "related")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; unset fields match everything. Addresses are `A` or `A/n`; ports are ranges, sorted and apart.

    `verdict` is accept, drop, reject, masquerade, snat or dnat; the last two have `to`, and dnat perhaps `to_ports`.
    """

    verdict: str
    #: Names of devices that a packet comes in and goes out by; a `!` before one means any other.
    iif: str | None = None
    oif: str | None = None
    source: str | None = None
    destination: str | None = None
    #: Whether the destination is any address of the node itself.
    local: bool = False
    #: Whether the packet's destination has been translated.
    translated: bool = False
    states: tuple[str, ...] = ()
    protocol: str | None = None
    ports: Ports = ()
    to: str | None = None
    to_ports: tuple[int, int] | None = None
    other: str | None = None

    def __str__(self) -> str:
        from netlab.facts.rule_text import rule_text

        return rule_text(self)


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


_DEFAULTS = {field.name: field.default for field in fields(Rule) if field.name != "verdict"}


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """Turn a rule into plain values, unset fields left out."""
    found: dict[str, Any] = {"verdict": rule.verdict}
    for name, default in _DEFAULTS.items():
        value = getattr(rule, name)
        if value != default:
            found[name] = value
    return found


def rule_from_json(value: dict[str, Any]) -> Rule:
    """Turn what `rule_to_json` gave back into the rule; raise TypeError where it is none."""
    rest = dict(value)
    if "states" in rest:
        rest["states"] = tuple(rest["states"])
    if "ports" in rest:
        rest["ports"] = tuple((low, high) for low, high in rest["ports"])
    if "to_ports" in rest:
        low, high = rest["to_ports"]
        rest["to_ports"] = (low, high)
    return Rule(**rest)


def rule_key(chain: Chain, rule: Rule) -> Key:
    """Name one rule of a chain, by its words: where the file asks for it is known by that name."""
    return (*chain.key, str(rule))
