"""The vocabulary: everything that can be said about a network, as frozen values.

`FAMILIES` names them all; `to_json` and `from_json` turn a fact into a plain dict and back.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from netlab.facts.devices import Device, Forwarding, Member
from netlab.facts.fact import Difference, Fact, Facts, Key, Need, OnLink, Resource, compare, facts_of
from netlab.facts.firewall import Chain
from netlab.facts.impairment import Impairment
from netlab.facts.links import Bridge, End, External, Namespace, Port, Stray, Veth, veth
from netlab.facts.policy import Neighbour, PolicyRule
from netlab.facts.programs import Program
from netlab.facts.routing import MAIN_TABLE, PROTOCOL, Address, Route, network_of
from netlab.facts.rules import Rule, rule_from_json, rule_to_json
from netlab.facts.settings import DeviceSettings, Settings

FAMILIES: dict[str, type[Fact]] = {
    cls.family: cls
    for cls in (
        Namespace,
        Settings,
        Chain,
        Bridge,
        Veth,
        Device,
        Stray,
        External,
        Port,
        Member,
        Forwarding,
        Impairment,
        Address,
        DeviceSettings,
        Route,
        PolicyRule,
        Neighbour,
        Program,
    )
}

# Looked up once: dataclasses.asdict copies deeply, and a large lab has tens of thousands of facts.
_NAMES = {cls: tuple(field.name for field in fields(cls)) for cls in FAMILIES.values()}
_END_NAMES = tuple(field.name for field in fields(End))

__all__ = [
    "FAMILIES",
    "MAIN_TABLE",
    "PROTOCOL",
    "Address",
    "Bridge",
    "Chain",
    "Device",
    "DeviceSettings",
    "Difference",
    "End",
    "External",
    "Fact",
    "Facts",
    "Forwarding",
    "Impairment",
    "Key",
    "Member",
    "Namespace",
    "Need",
    "Neighbour",
    "OnLink",
    "PolicyRule",
    "Port",
    "Program",
    "Resource",
    "Route",
    "Rule",
    "Settings",
    "Stray",
    "Veth",
    "compare",
    "facts_of",
    "from_json",
    "network_of",
    "to_json",
    "veth",
]


def to_json(fact: Fact) -> dict[str, Any]:
    """Turn a fact into a dict of plain values, unset fields left out.

    >>> to_json(Address("ns0", "eth0", "10.0.0.1/24"))
    {'fact': 'address', 'node': 'ns0', 'device': 'eth0', 'address': '10.0.0.1/24'}
    """
    found: dict[str, Any] = {"fact": fact.family}
    for name in _NAMES[type(fact)]:
        value = getattr(fact, name)
        if value is not None:
            if type(value) is End:
                value = _end_to_json(value)
            elif name == "rules":
                value = [rule_to_json(rule) for rule in value]
            found[name] = value
    return found


def _end_to_json(end: End) -> dict[str, Any]:
    return {name: value for name in _END_NAMES if (value := getattr(end, name)) is not None}


def from_json(value: dict[str, Any]) -> Fact:
    """Turn what `to_json` gave back into the fact; raise KeyError or TypeError where it is none."""
    rest = dict(value)
    cls = FAMILIES[rest.pop("fact")]
    if cls is Veth:
        return Veth(End(**rest["a"]), End(**rest["b"]))
    if cls is Chain:
        rest["rules"] = tuple(map(rule_from_json, rest["rules"]))
    for rows in ("values", "options", "hops"):
        if rows in rest:
            rest[rows] = tuple(tuple(row) for row in rest[rows])
    if "vlans" in rest:
        rest["vlans"] = tuple(rest["vlans"])
    return cls(**rest)
