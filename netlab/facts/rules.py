"""The rules of chains: values that say what they match and what becomes of it, in words and in JSON.

What netlab cannot say itself, somebody's own rule, is kept as nftables tells it (`other`), and is drift.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

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
        return rule_text(self)


def rule_text(rule: Rule) -> str:
    """Give the words of a rule; of one that netlab cannot say, what nftables told of it.

    >>> rule_text(Rule("dnat", local=True, protocol="tcp", ports=((8080, 8080),), to="10.0.0.1", to_ports=(80, 80)))
    'fib daddr type local tcp dport 8080 dnat ip to 10.0.0.1:80'
    >>> rule_text(Rule("masquerade", oif="eth0", source="10.0.0.0/24"))
    'oifname "eth0" ip saddr 10.0.0.0/24 masquerade'
    """
    if rule.other is not None:
        return rule.other
    words = ["ct status dnat"] if rule.translated else []
    if rule.states:
        words.append(f"ct state {','.join(rule.states)}")
    for key, name in (("iifname", rule.iif), ("oifname", rule.oif)):
        if name is not None:
            words.append(f'{key} != "{name[1:]}"' if name.startswith("!") else f'{key} "{name}"')
    for field, address in (("saddr", rule.source), ("daddr", rule.destination)):
        if address is not None:
            words.append(f"{version(address)} {field} {address}")
    if rule.local:
        words.append("fib daddr type local")
    if rule.protocol is not None:
        words.append(f"{rule.protocol} dport {_ports(rule.ports)}" if rule.ports else f"meta l4proto {rule.protocol}")
    return " ".join([*words, _verdict(rule)])


def version(address: str) -> str:
    """Name the protocol of an address as nftables does."""
    return "ip6" if ":" in address else "ip"


def _ports(ports: Ports) -> str:
    texts = [str(low) if low == high else f"{low}-{high}" for low, high in ports]
    return texts[0] if len(texts) == 1 else f"{{ {', '.join(texts)} }}"


def _verdict(rule: Rule) -> str:
    if rule.to is None:
        return rule.verdict
    to = rule.to
    if rule.to_ports is not None:
        to = f"[{to}]" if ":" in to else to
        to += f":{_ports((rule.to_ports,))}"
    return f"{rule.verdict} {version(rule.to)} to {to}"


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
