"""Random rulesets of nftables for the nodes of a lab, as others might write them: what netlab itself never says.

They speak of the lab's own addresses, ports and devices, so that most match something. nft refuses a few of them: of
each node several are drawn, of which the first that it takes is meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_interface
from random import Random
from typing import Final

from netlab.facts import Address
from netlab.simulator.compiling import network_of
from netlab.topology.lab import Lab

#: How many are drawn of each node, and in how many of the nodes.
_DRAWN, _SHARE = 4, 0.4
_PORTS: Final = ("22", "53", "80", "443", "5005", "8005", "123", "53-80", "80-8080", "20000-65535")
_ICMP: Final = ("echo-request", "echo-reply", "destination-unreachable", "time-exceeded", "parameter-problem")
_ICMP6: Final = ("echo-request", "echo-reply", "destination-unreachable", "nd-neighbor-solicit", "nd-neighbor-advert")
_STATES: Final = ("new", "established", "related", "invalid", "untracked")
_FLAGS: Final = ("syn", "ack", "rst", "fin")
#: What keys may be compared with, beside addresses and devices.
_KEYS: Final[Mapping[str, Sequence[str]]] = {
    "tcp dport": _PORTS,
    "tcp sport": _PORTS,
    "udp dport": _PORTS,
    "udp sport": _PORTS,
    "meta l4proto { tcp, udp } th dport": _PORTS,
    "meta l4proto": ("tcp", "udp", "icmp", "ipv6-icmp"),
    "ip protocol": ("tcp", "udp", "icmp"),
    "meta nfproto": ("ipv4", "ipv6"),
    "icmp type": _ICMP,
    "icmpv6 type": _ICMP6,
    "ct state": _STATES,
    "ct direction": ("original", "reply"),
    "ct status": ("seen-reply", "snat", "dnat"),
    "ip ttl": ("62", "63", "64", "1-63"),
    "ip6 hoplimit": ("62", "63", "64", "1-63"),
    "meta length": ("40", "60", "80-100", "1000-65535"),
    "meta protocol": ("ip", "ip6"),
    "fib daddr type": ("local",),
    "tcp flags": _FLAGS,
}
#: Of these a rule may have one: two of them may say what cannot be.
_OF_PROTOCOL: Final = ("tcp ", "udp ", "icmp ", "icmpv6 ", "meta l4proto", "ip protocol")
_OF_VERSION: Final = ("ip ", "ip6 ", "icmp ", "icmpv6 ", "meta nfproto", "meta protocol")
#: Keys of devices by the hooks that know them.
_BY_DEVICE: Final[Mapping[str, Sequence[str]]] = {
    "prerouting": ("iifname",),
    "input": ("iifname",),
    "forward": ("iifname", "oifname"),
    "output": ("oifname",),
    "postrouting": ("oifname",),
}
_REJECTS: Final = {
    "inet": ("reject", "reject with icmpx admin-prohibited", "reject with icmpx no-route"),
    "ip": ("reject", "reject with icmp host-prohibited", "reject with icmp net-unreachable"),
    "ip6": ("reject", "reject with icmpv6 admin-prohibited", "reject with icmpv6 no-route"),
}
_RESET: Final = "meta l4proto tcp reject with tcp reset"


@dataclass(frozen=True, slots=True)
class _Words:
    """What the rules of a node may speak of: addresses and networks by version, its own addresses, its devices."""

    known: Mapping[str, Sequence[str]]
    four: Sequence[str]
    own: Sequence[str]
    devices: Sequence[str]

    def of(self, key: str) -> Sequence[str]:
        """Give what a key may be compared with."""
        return self.devices if key in ("iifname", "oifname") else self.known.get(key) or _KEYS[key]


def random_rulesets(rng: Random, lab: Lab) -> dict[str, tuple[str, ...]]:
    """Draw rulesets for some nodes of a lab, several for each."""
    nodes = [node for node in lab.nodes if rng.random() < _SHARE] or [rng.choice(lab.nodes)]
    found = {}
    for node in nodes:
        words = _words(lab, node)
        found[node] = tuple(_ruleset(rng, words) for _ in range(_DRAWN))
    return found


def _words(lab: Lab, node: str) -> _Words:
    held = [(fact.node, ip_interface(fact.address)) for fact in lab.facts.values() if isinstance(fact, Address)]
    known: dict[str, Sequence[str]] = {}
    for version, keys in ((4, ("ip saddr", "ip daddr")), (6, ("ip6 saddr", "ip6 daddr"))):
        addresses = list(dict.fromkeys(one for _, one in held if one.version == version))
        texts = [*(str(one.ip) for one in addresses), *(str(one.network) for one in addresses)]
        known |= dict.fromkeys(keys, texts or ["192.0.2.1" if version == 4 else "2001:db8::1"])
    four = [str(one.ip) for _, one in held if one.version == 4] or ["192.0.2.1"]
    own = [str(one.ip) for holder, one in held if holder == node and one.version == 4]
    devices = network_of(lab.facts).nodes[node].devices
    return _Words(known, four, own, [f'"{name}"' for name in (*devices, "eth*")])


def _ruleset(rng: Random, words: _Words) -> str:
    """Draw one to three tables, as nft(8) reads them."""
    tables = [_filters(rng, words, number) for number in range(rng.choice((1, 1, 2)))]
    if rng.random() < 0.4:
        tables.insert(rng.randrange(len(tables) + 1), _translations(rng, words))
    return "".join(tables)


def _filters(rng: Random, words: _Words, number: int) -> str:
    family = rng.choice(("inet", "inet", "inet", "ip", "ip6"))
    sub = rng.random() < 0.4
    chains = [_chain("sub", "", _rules(rng, words, "forward", family, sub=False))] if sub else []
    for hook in rng.sample(sorted(_BY_DEVICE), k=rng.choice((1, 1, 1, 2, 3))):
        priority = rng.choice((-400, -300, -150, 0, 0, 0, 10))
        policy = rng.choice(("accept", "accept", "accept", "accept", "drop"))
        head = f"type filter hook {hook} priority {priority}; policy {policy};"
        chains.append(_chain(f"c{hook}", head, _rules(rng, words, hook, family, sub)))
    return f"table {family} t{number} {{\n{''.join(chains)}}}\n"


def _translations(rng: Random, words: _Words) -> str:
    chains = []
    for hook in rng.sample(("prerouting", "postrouting", "output", "input"), k=rng.choice((1, 1, 2))):
        count = rng.choice((1, 2))
        rules = [" ".join((*_matches(rng, words, hook, "ip"), _translation(rng, words, hook))) for _ in range(count)]
        head = f"type nat hook {hook} priority {rng.choice((-100, 0, 100))}; policy accept;"
        chains.append(_chain(f"n{hook}", head, rules))
    return f"table ip n {{\n{''.join(chains)}}}\n"


def _translation(rng: Random, words: _Words, hook: str) -> str:
    to = rng.choice(words.four)
    if hook in ("postrouting", "input"):
        own = rng.choice(words.own or [to])
        known = [f"snat to {own}", "accept"] + (["masquerade"] if hook == "postrouting" else [])
        return rng.choice(known)
    by_map = f"dnat to tcp dport map {{ 80 : {to}, 443 : {rng.choice(words.four)} }}"
    to_port = f"meta l4proto tcp dnat to {to}:{rng.choice((80, 443))}"
    return rng.choice((f"dnat to {to}", to_port, "meta l4proto { tcp, udp } redirect to :80", "redirect", by_map))


def _chain(name: str, head: str, rules: Sequence[str]) -> str:
    lines = "\n".join(rules)
    return f"chain {name} {{\n{head}\n{lines}\n}}\n"


def _rules(rng: Random, words: _Words, hook: str, family: str, sub: bool) -> list[str]:
    return [_rule(rng, words, hook, family, sub) for _ in range(rng.choice((1, 2, 2, 3, 4)))]


def _rule(rng: Random, words: _Words, hook: str, family: str, sub: bool) -> str:
    if rng.random() < 0.1:
        return _by_map(rng, words, hook, sub)
    found = _matches(rng, words, hook, family)
    if rng.random() < 0.1:
        found.append("counter")
    verdicts = ["accept", "accept", "drop", "return"]
    verdicts += ["jump sub", "goto sub"] if sub else []
    protocol = any(one.startswith(_OF_PROTOCOL) for one in found)
    rejects = _REJECTS[family] if protocol else (*_REJECTS[family], _RESET)
    verdicts += [rng.choice(rejects)] if hook in ("input", "forward", "output") else []
    return " ".join((*found, rng.choice(verdicts)))


def _by_map(rng: Random, words: _Words, hook: str, sub: bool) -> str:
    key = rng.choice(("tcp dport", "udp dport", "ct state", _BY_DEVICE[hook][0], "meta l4proto"))
    values = [value for value in words.of(key) if not set("-*") & set(value)]
    verdicts = ("accept", "drop", "return", *(("jump sub",) if sub else ()))
    some = rng.sample(values, k=min(2, len(values)))
    return f"{key} vmap {{ {', '.join(f'{value} : {rng.choice(verdicts)}' for value in some)} }}"


def _matches(rng: Random, words: _Words, hook: str, family: str) -> list[str]:
    """Draw matches that may stand together: of one version, and of one protocol above it."""
    version = {"ip": "ip", "ip6": "ip6"}.get(family) or rng.choice(("ip", "ip", "ip6"))
    other, above = "ip6 " if version == "ip" else "ip ", "icmpv6 " if version == "ip" else "icmp "
    keys = [key for key in (*words.known, *_KEYS) if not key.startswith((other, above))]
    keys += [*_BY_DEVICE[hook]] * 3
    if family != "inet":
        keys.remove("meta nfproto")
    chosen: list[str] = []
    for key in rng.sample(keys, k=rng.choice((0, 1, 1, 1, 2))):
        clashes = any(key.startswith(kind) and any(one.startswith(kind) for one in chosen) for kind in _CLASHING)
        if not clashes:
            chosen.append(key)
    if not chosen and version == "ip" and rng.random() < 0.3:
        return [_together(rng, words, rng.choice(("tcp dport", "udp dport")))]
    return [_match(rng, words, key) for key in chosen]


_CLASHING: Final = (_OF_PROTOCOL, _OF_VERSION, ("iifname",), ("oifname",), ("ct state",))


def _together(rng: Random, words: _Words, other: str) -> str:
    one = rng.choice(("ip saddr", "ip daddr"))
    pairs = [f"{_single(rng, words, one)} . {_single(rng, words, other)}" for _ in range(2)]
    return f"{one} . {other} {{ {', '.join(dict.fromkeys(pairs))} }}"


def _match(rng: Random, words: _Words, key: str) -> str:
    values = words.of(key)
    value = rng.choice(values)
    if key in ("tcp flags", "ct status"):
        one, other = rng.sample(_FLAGS, k=2)
        return (
            f"tcp flags & ({one} | {other}) == {one}" if key == "tcp flags" and rng.random() < 0.6 else f"{key} {value}"
        )
    if rng.random() < 0.25:
        return f"{key} != {value}"
    apart = [one for one in values if not set("-/*") & set(one) or one.startswith(("nd-", "echo-", "ipv6-"))]
    if rng.random() < 0.3 and len(apart) > 2:
        return f"{key} {rng.choice(('', '!= '))}{{ {', '.join(rng.sample(apart, k=2))} }}"
    return f"{key} {value}"


def _single(rng: Random, words: _Words, key: str) -> str:
    return rng.choice([value for value in words.of(key) if not set("-/") & set(value)])
