"""Rules to nftables' JSON and back (libnftables-json(5)). Pure.

What is written is what nft gives back, so a rule compares equal to itself; what it adds of its own (counters, handles)
is left out. A rule of another form is kept as its JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

from netlab.facts import Rule
from netlab.facts.rules import Ports

Json = dict[str, Any]

_VERDICTS = ("accept", "drop", "reject", "masquerade", "snat", "dnat")


def expression(rule: Rule) -> list[Json]:
    """Turn a rule into the list of statements that nft takes."""
    assert rule.other is None, "somebody else's rule is never written"
    found: list[Json] = []
    if rule.translated:
        found.append(_match({"ct": {"key": "status"}}, "dnat", "in"))
    if rule.states:
        states = list(rule.states)
        found.append(_match({"ct": {"key": "state"}}, states if len(states) > 1 else states[0], "in"))
    for key, name in (("iifname", rule.iif), ("oifname", rule.oif)):
        if name is not None:
            found.append(_match({"meta": {"key": key}}, name.removeprefix("!"), "!=" if name[0] == "!" else "=="))
    for field, address in (("saddr", rule.source), ("daddr", rule.destination)):
        if address is not None:
            found.append(_match(_payload(_family(address), field), _address(address)))
    if rule.local:
        found.append(_match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"))
    if rule.protocol is not None and rule.ports:
        found.append(_match(_payload(rule.protocol, "dport"), _ports(rule.ports)))
    elif rule.protocol is not None:
        found.append(_match({"meta": {"key": "l4proto"}}, rule.protocol))
    return [*found, _verdict(rule)]


def _match(left: Json, right: Any, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def _payload(protocol: str, field: str) -> Json:
    return {"payload": {"protocol": protocol, "field": field}}


def _family(address: str) -> str:
    return "ip6" if ":" in address else "ip"


def _address(text: str) -> Any:
    network = ip_network(text)
    alone = str(network.network_address)
    return (
        alone if network.prefixlen == network.max_prefixlen else {"prefix": {"addr": alone, "len": network.prefixlen}}
    )


def _range(low: int, high: int) -> Any:
    return low if low == high else {"range": [low, high]}


def _ports(ports: Ports) -> Any:
    found = [_range(*pair) for pair in ports]
    return found[0] if len(found) == 1 else {"set": found}


def _verdict(rule: Rule) -> Json:
    if rule.to is None:
        return {rule.verdict: None}
    to: Json = {"family": _family(rule.to), "addr": rule.to}
    if rule.to_ports is not None:
        to["port"] = _range(*rule.to_ports)
    return {rule.verdict: to}


def rule_of(statements: Sequence[Json]) -> Rule:
    """Turn what nft gives back into the rule."""
    plain = [one for one in statements if "counter" not in one]
    with suppress(KeyError, TypeError, ValueError, IndexError, AttributeError):
        found: dict[str, Any] = {}
        for one in plain[:-1]:
            _read_match(one["match"], found)
        rule = Rule(**_read_verdict(plain[-1]), **found)
        # Only what would be written so is ours; anything else keeps its own words.
        if plain in (expression(rule), _given_back(rule)):
            return rule
    return Rule("other", other=json.dumps(plain, sort_keys=True, separators=(",", ":")))


def _given_back(rule: Rule) -> list[Json]:
    """Give what nft says of a rule of netlab's: what it rejects with goes by the IP version that it is of."""
    found = expression(rule)
    if rule.verdict == "reject":
        address = rule.source or rule.destination
        kind = "icmpx" if address is None else "icmpv6" if ":" in address else "icmp"
        found[-1] = {"reject": {"type": kind, "expr": "port-unreachable"}}
    return found


def _read_match(match: Mapping[str, Any], found: dict[str, Any]) -> None:
    left, right, op = match["left"], match["right"], match["op"]
    ((kind, told),) = left.items()
    key = told.get("key")
    if kind == "ct" and key == "status" and right == "dnat":
        found["translated"] = True
    elif kind == "ct" and key == "state":
        found["states"] = tuple(right) if isinstance(right, list) else (right,)
    elif kind == "meta" and key in ("iifname", "oifname"):
        found[key[:3]] = f"!{_name(right)}" if op == "!=" else _name(right)
    elif kind == "meta" and key == "l4proto":
        found["protocol"] = _name(right)
    elif kind == "fib":
        found["local"] = True
    elif kind == "payload" and told["field"] in ("saddr", "daddr"):
        name = "source" if told["field"] == "saddr" else "destination"
        found[name] = _name(right) if isinstance(right, str) else f"{right['prefix']['addr']}/{right['prefix']['len']}"
    elif kind == "payload" and (told["protocol"], told["field"]) in (("tcp", "dport"), ("udp", "dport")):
        many = right["set"] if isinstance(right, dict) and "set" in right else [right]
        found["protocol"], found["ports"] = told["protocol"], tuple(map(_read_range, many))
    else:
        raise ValueError(f"no match of netlab's: {match}")


def _name(value: Any) -> str:
    """Give one plain name; sets, and names that stand for many, are no match of netlab's."""
    if not isinstance(value, str) or value.startswith("@") or value.endswith("*"):
        raise ValueError(f"no name of netlab's: {value}")
    return value


def _read_range(value: Any) -> tuple[int, int]:
    if isinstance(value, dict):
        low, high = value["range"]
        return int(low), int(high)
    return int(value), int(value)


def _read_verdict(statement: Json) -> dict[str, Any]:
    ((verdict, to),) = statement.items()
    if verdict not in _VERDICTS:
        raise ValueError(f"no verdict of netlab's: {verdict}")
    if verdict in ("accept", "drop", "reject") or to is None:
        return {"verdict": verdict}
    found = {"verdict": verdict, "to": to["addr"]}
    if "port" in to:
        found["to_ports"] = _read_range(to["port"])
    return found
