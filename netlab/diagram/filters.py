"""Turns chains and impairments into the few words that a network engineer would write beside a node or a wire.

What is translated is told rule by rule, as one says it (`8080/tcp → web:80`); of what is filtered only the policy and
the number of rules, which the plan's commands tell. Rules that merely serve a published port are not told: it is let
through, those beside its target are hidden, and 127.0.0.0/8 is guarded where it leads to others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_interface

from netlab.diagram.elements import Line, plural
from netlab.diagram.index import Index
from netlab.facts import Chain, Impairment, Key, Rule
from netlab.facts.other_rules import OtherRule

#: The order in which a packet meets the hooks.
_HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
#: Only a published port makes netlab speak of it.
_LOOPBACK = "127.0.0.0/8"
#: What is said after the share of packets that it happens to.
_SHARES = {"loss": "loss", "duplicate": "doubled", "reorder": "reordered", "corrupt": "corrupt"}


def filters(found: Index, node: str, acts: Mapping[Key, str]) -> tuple[Line, ...]:
    """Give the lines that say what a node translates and filters; `acts` is what a plan does to its chains."""
    chains = sorted(found.chains.get(node, ()), key=lambda chain: (chain.kind != "nat", _place(chain), chain.name))
    holders = _holders(found) if any(chain.kind == "nat" for chain in chains) else {}
    told: dict[str, Line] = {}
    for chain in chains:
        action = acts.get(chain.key)
        for text in _translated(chain, holders) if chain.kind == "nat" else _filtered(chain, action):
            told.setdefault(text, Line(text, action))
    return tuple(told.values())


def impairment(fact: Impairment) -> str:
    """Say what a device does to the packets that leave by it.

    >>> impairment(Impairment("a", "eth0", delay="20ms", jitter="5ms", loss="1%", rate="10mbit"))
    '20ms ±5ms, 1% loss, 10mbit'
    """
    words = [f"{fact.delay} ±{fact.jitter}" if fact.jitter else fact.delay] if fact.delay else []
    words += [f"{share} {word}" for name, word in _SHARES.items() if (share := getattr(fact, name))]
    words += [fact.rate] if fact.rate else []
    return ", ".join(words)


def _place(chain: Chain) -> tuple[int, int]:
    return (_HOOKS.index(chain.hook) if chain.hook in _HOOKS else len(_HOOKS)), chain.priority


def _holders(found: Index) -> Mapping[str, str]:
    """Name the nodes of addresses that only one node has."""
    holders: dict[str, set[str]] = {}
    for (node, _), addresses in found.addresses.items():
        for address in addresses:
            holders.setdefault(str(ip_interface(address.address).ip), set()).add(node)
    return {address: next(iter(nodes)) for address, nodes in holders.items() if len(nodes) == 1}


def _filtered(chain: Chain, action: str | None) -> Iterator[str]:
    """Say what becomes of packets by default, and how many rules say otherwise; that all pass goes without saying."""
    rules = [rule for rule in chain.rules if not _serves(rule)]
    served = len(rules) < len(chain.rules)
    if chain.policy != "accept" or rules or (action in ("update", "replace") and not served):
        yield f"{chain.hook}: {chain.policy}" + (f", {plural(len(rules), 'rule')}" if rules else "")


def _translated(chain: Chain, holders: Mapping[str, str]) -> Iterator[str]:
    for rule in chain.rules:
        if isinstance(rule, OtherRule):
            yield str(rule)
        elif rule.verdict == "dnat":
            yield _published(rule, holders)
        elif rule.other is not None or rule.verdict not in ("masquerade", "snat"):
            yield str(rule)
        elif not _serves(rule):
            yield _hidden(rule)


def _serves(rule: Rule) -> bool:
    """Tell whether a rule is there for the sake of a published port."""
    return rule.other is None and (rule.translated or _LOOPBACK in (rule.source, rule.destination))


def _hidden(rule: Rule) -> str:
    """Say whose packets get another source address.

    >>> _hidden(Rule("masquerade", source="10.0.0.0/24", oif="eth0")), _hidden(Rule("snat", oif="eth0", to="192.0.2.1"))
    ('masquerade 10.0.0.0/24 out eth0', 'snat → 192.0.2.1 out eth0')
    """
    words = [rule.verdict, *([rule.source] if rule.source else []), *([f"→ {rule.to}"] if rule.to else [])]
    if rule.oif:
        words.append(f"out any but {rule.oif[1:]}" if rule.oif.startswith("!") else f"out {rule.oif}")
    return " ".join(words)


def _published(rule: Rule, holders: Mapping[str, str]) -> str:
    """Say where a port leads to.

    >>> rule = Rule("dnat", local=True, protocol="tcp", ports=((8080, 8080),), to="10.0.0.2", to_ports=(80, 80))
    >>> _published(rule, {"10.0.0.2": "web"})
    '8080/tcp → web:80'
    """
    outer = ",".join(map(_range, rule.ports))
    at = f"{_host(rule.destination)}:" if rule.destination and outer else rule.destination or ""
    before = f"{at}{outer}" + (f"/{rule.protocol}" if rule.protocol else "")
    to = str(rule.to)
    return f"{before} → {holders.get(to) or _host(to)}:{_range(rule.to_ports) if rule.to_ports else outer}".rstrip(":")


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _range(ports: tuple[int, int]) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
