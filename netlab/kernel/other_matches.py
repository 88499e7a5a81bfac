"""What a rule of somebody's own looks at, as nftables tells it (libnftables-json(5)) -> conditions. Pure.

What is not known here raises ValueError: a rule that is read by halves would be another rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, summarize_address_range
from typing import Any, Final

from netlab.facts.other_rules import OF_ADDRESSES, Condition, Value
from netlab.kernel.rules import Json

#: Elements of named sets and maps.
Sets = Mapping[str, Sequence[Any]]

#: Names of ICMP's types and codes (nft describe icmp type), and numbers of protocols (protocols(5)).
_ICMP_TYPES: Final = {
    "echo-reply": 0,
    "destination-unreachable": 3,
    "source-quench": 4,
    "redirect": 5,
    "echo-request": 8,
    "router-advertisement": 9,
    "router-solicitation": 10,
    "time-exceeded": 11,
    "parameter-problem": 12,
    "timestamp-request": 13,
    "timestamp-reply": 14,
    "info-request": 15,
    "info-reply": 16,
    "address-mask-request": 17,
    "address-mask-reply": 18,
}
_ICMP6_TYPES: Final = {
    "destination-unreachable": 1,
    "packet-too-big": 2,
    "time-exceeded": 3,
    "parameter-problem": 4,
    "echo-request": 128,
    "echo-reply": 129,
    "mld-listener-query": 130,
    "mld-listener-report": 131,
    "mld-listener-done": 132,
    "mld-listener-reduction": 132,
    "nd-router-solicit": 133,
    "nd-router-advert": 134,
    "nd-neighbor-solicit": 135,
    "nd-neighbor-advert": 136,
    "nd-redirect": 137,
    "router-renumbering": 138,
    "ind-neighbor-solicit": 141,
    "ind-neighbor-advert": 142,
    "mld2-listener-report": 143,
}
ICMP_CODES: Final = {
    "net-unreachable": 0,
    "host-unreachable": 1,
    "prot-unreachable": 2,
    "port-unreachable": 3,
    "frag-needed": 4,
    "net-prohibited": 9,
    "host-prohibited": 10,
    "admin-prohibited": 13,
}
ICMP6_CODES: Final = {
    "no-route": 0,
    "admin-prohibited": 1,
    "addr-unreachable": 3,
    "port-unreachable": 4,
    "policy-fail": 5,
    "reject-route": 6,
}
_PROTOCOLS: Final = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp"}

#: Fields whose values are numbers, and the names that some have.
_NUMBERS: Final[Mapping[str, Mapping[str, int]]] = {
    "ip ttl": {},
    "ip6 hoplimit": {},
    "ip length": {},
    "meta length": {},
    **{f"{protocol} {port}": {} for protocol in ("tcp", "udp", "th") for port in ("sport", "dport")},
    "icmp type": _ICMP_TYPES,
    "icmp code": ICMP_CODES,
    "icmpv6 type": _ICMP6_TYPES,
    "icmpv6 code": ICMP6_CODES,
}
#: Fields whose values are names, and the names that are understood; None: all.
_NAMES: Final[Mapping[str, frozenset[str] | None]] = {
    "ip protocol": None,
    "ip6 nexthdr": None,
    "meta l4proto": None,
    "meta nfproto": None,
    "meta protocol": None,
    "iifname": None,
    "oifname": None,
    "ct state": None,
    "ct status": frozenset({"snat", "dnat", "seen-reply"}),
    "ct direction": None,
    "fib daddr type": frozenset({"local"}),
}
#: All fields that are understood. Of tcp's flags the values are messages that have them.
FIELDS: Final = frozenset({*OF_ADDRESSES, *_NUMBERS, *_NAMES, "tcp flags"})
_ALL_FLAGS: Final = ("fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr")
_FLAGS: Final[Mapping[str, frozenset[str]]] = {
    "syn": frozenset({"syn"}),
    "syn-ack": frozenset({"syn", "ack"}),
    "rst": frozenset({"rst", "ack"}),
}
#: The element of a set or map that stands for all others.
_ALL: Final = "*"
_BY_INDEX: Final = {"iif": "iifname", "oif": "oifname"}
_HIGHEST: Final = 0xFFFF_FFFF


def conditions_of(match: Json, sets: Sets) -> list[list[Condition]]:
    """Turn a match into conditions; of several lists of them one has to hold."""
    left, right, op = match["left"], match["right"], match["op"]
    if "concat" in left:
        if op != "==":
            raise ValueError(f"fields together are not {op}")
        told = sets[right[1:]] if isinstance(right, str) else right.get("set", [right])
        return [equal(left, element) for element in told]
    if "&" in left or _field(left) == "tcp flags":
        return [[_flags(left, right, op)]]
    return [[_condition(_field(left), right, op, sets)]]


def equal(key: Json, value: Any) -> list[Condition]:
    """Turn a key of a map, and what it is there, into conditions."""
    if "concat" in key:
        return list(map(_equal, key["concat"], _bare(value)["concat"]))
    return [_equal(key, value)]


def elements_of(key: Json, told: Any, sets: Sets) -> list[tuple[list[Condition], Any]]:
    """Turn a map into conditions and what they lead to; what is there for all others (`*`) is for none of the rest."""
    elements = list(sets[told[1:]] if isinstance(told, str) else told["set"])
    named = [(one, to) for one, to in elements if _bare(one) != _ALL]
    found = [(equal(key, one), to) for one, to in named]
    if len(named) < len(elements):
        others = _condition(_field(key), {"set": [one for one, _ in named]}, "!=", {})
        found += [([others], to) for one, to in elements if _bare(one) == _ALL]
    return found


def _equal(left: Json, value: Any) -> Condition:
    return _condition(_field(left), value, "==", {})


def _field(left: Json) -> str:
    """Name what is looked at, as nft does."""
    ((kind, told),) = left.items()
    if kind == "payload" and told.keys() == {"protocol", "field"}:
        name = f"{told['protocol']} {told['field']}"
    elif kind == "meta":
        key = _BY_INDEX.get(told["key"], told["key"])
        name = key if key.endswith("ifname") else f"meta {key}"
    elif kind == "ct" and told.keys() == {"key"}:
        name = f"ct {told['key']}"
    elif kind == "fib" and told["flags"] in ("daddr", ["daddr"]):
        name = f"fib daddr {told['result']}"
    else:
        name = kind
    if name not in FIELDS:
        raise ValueError(f"{name} is not known")
    return name


def _condition(field: str, right: Any, op: str, sets: Sets) -> Condition:
    if op in ("<", "<=", ">", ">="):
        if field not in _NUMBERS or not isinstance(right, int):
            raise ValueError(f"{field} {op} is not known")
        low, high = (0, right - (op == "<")) if op[0] == "<" else (right + (op == ">"), _HIGHEST)
        return Condition(field, ((low, high),))
    if op not in ("==", "!=", "in") or (field == "ct status" and op != "in"):
        raise ValueError(f"{field} {op} is not known")
    values = _values(field, right, sets)
    if None in values:
        return Condition(field, (), op != "!=")  # any value there is
    return Condition(field, tuple(one for one in values if one is not None), op == "!=")


def _bare(told: Any) -> Any:
    """Give an element of a set without what else is said of it: a comment, its time to live."""
    return told["elem"]["val"] if isinstance(told, dict) and "elem" in told else told


def _values(field: str, told: Any, sets: Sets) -> list[Value | None]:
    """Give the values that are told of; None stands for any."""
    told = _bare(told)
    if told == _ALL:
        return [None]
    if isinstance(told, str) and told.startswith("@"):
        told = {"set": sets[told[1:]]}
    if isinstance(told, dict) and "set" in told:
        told = told["set"]
    if isinstance(told, list):
        return [value for one in told for value in _values(field, one, sets)]
    if field in OF_ADDRESSES:
        return list(_addresses(told))
    if field in _NUMBERS:
        low, high = told["range"] if isinstance(told, dict) else (told, told)
        names = _NUMBERS[field]
        return [(int(names.get(low, low)), int(names.get(high, high)))]
    name = _PROTOCOLS.get(told, str(told)) if isinstance(told, int) else told
    known = _NAMES[field]
    if not isinstance(name, str) or (known is not None and name not in known):
        raise ValueError(f"{field} {told} is not known")
    return [name]


def _addresses(told: Any) -> list[str]:
    if isinstance(told, str):
        return [str(ip_address(told))]
    if "prefix" in told:
        return [f"{told['prefix']['addr']}/{told['prefix']['len']}"]
    first, last = map(ip_address, told["range"])
    return list(map(str, summarize_address_range(first, last)))


def _flags(left: Json, right: Any, op: str) -> Condition:
    """Say which messages of TCP have the flags that are asked for."""
    left, mask = left.get("&", (left, None))
    if _field(left) != "tcp flags":
        raise ValueError("bits of other fields are not known")
    wanted, looked = _set_of(right), None if mask is None else _set_of(mask)
    fitting = []
    for message, flags in _FLAGS.items():
        seen = flags if looked is None else flags & looked
        fits = bool(seen & wanted) == (op == "in") if op in ("in", "!") else (seen == wanted) == (op == "==")
        if fits:
            fitting.append(message)
    if op not in ("==", "!=", "in", "!"):
        raise ValueError(f"flags {op} are not known")
    return Condition("tcp flags", tuple(fitting))


def _set_of(told: Any) -> frozenset[str]:
    """Give flags: one, several, or none, which is 0."""
    if told == 0:
        return frozenset()
    names = [told] if isinstance(told, str) else told["|"] if isinstance(told, dict) else told
    if not all(name in _ALL_FLAGS for name in names):
        raise ValueError(f"flags {told} are not known")
    return frozenset(names)
