"""What nftables tells of everybody's tables (libnftables-json(5)) -> the base chains among them. Pure.

iptables' own tables are among them where iptables is iptables-nft. A rule that is not understood keeps its words, and
matches nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from itertools import chain as joined
from itertools import product
from typing import Any, Final

from netlab.facts import Chain, Rule
from netlab.facts.other_rules import REJECTS, RESETS, Condition, OtherRule
from netlab.kernel.other_matches import ICMP6_CODES, ICMP_CODES, Sets, conditions_of, elements_of
from netlab.kernel.rules import Json, rule_of

#: The families whose chains look at IP packets, and the version that each looks at; where they do.
_VERSIONS: Final[Mapping[str, int | None]] = {"inet": None, "ip": 4, "ip6": 6}
_HOOKS: Final = frozenset({"prerouting", "input", "forward", "output", "postrouting"})
#: How deep chains may jump (NFT_JUMP_STACK_SIZE).
_DEEPEST: Final = 16
#: Statements that change nothing about where a packet goes. That limits are never reached is the simulator's own rule.
_IDLE: Final = ("counter", "log", "limit", "continue")
#: What `reject with icmpx` says in either version (nft(8)).
_ICMPX: Final = {
    "no-route": ((3, 0), (1, 0)),
    "port-unreachable": ((3, 3), (1, 4)),
    "host-unreachable": ((3, 1), (1, 3)),
    "admin-prohibited": ((3, 13), (1, 1)),
}
_TABLE, _CHAIN = re.compile(r"table (\S+) (\S+) \{"), re.compile(r"\tchain (\S+) \{")
_HANDLE = re.compile(r"(.*) # handle (\d+)", re.DOTALL)

#: A chain, by its family, table and name.
_Name = tuple[str, str, str]


def other_chains(
    node: str, told: Sequence[Json], text: str, own: str, versions: Mapping[tuple[str, str, int], int]
) -> list[Chain]:
    """Turn a ruleset, told as JSON and as text with handles, into its base chains that look at IP packets.

    Chains of the table `own` are known by their bare names, and netlab's own rules in it are read as such. `versions`:
    which version rules look at that end connections, by family, table and handle, as nft does not tell it.
    """
    return list(_Ruleset(told, text, own, versions).base_chains(node))


def resets(one: Json) -> bool:
    """Tell whether something of a ruleset is a rule that ends connections by TCP's reset."""
    statements = one.get("rule", {}).get("expr", ())
    return any((statement.get("reject") or {}).get("type") == "tcp reset" for statement in statements)


class _Ruleset:
    """Everybody's tables."""

    def __init__(self, told: Sequence[Json], text: str, own: str, versions: Mapping[tuple[str, str, int], int]) -> None:
        self._own, self._versions = ("inet", own), versions
        self._chains = [one["chain"] for one in told if "chain" in one]
        self._words = dict(_words(text))
        self._bodies: dict[_Name, list[Json]] = {}
        self._sets: dict[tuple[str, str], dict[str, Sequence[Any]]] = {}
        self._read: dict[_Name, tuple[Rule, ...]] = {}
        for rule in (one["rule"] for one in told if "rule" in one):
            self._bodies.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule)
        for named in (one[kind] for one in told for kind in ("set", "map") if kind in one):
            if all("counter" in one for one in named.get("stmt", ())):  # others let some of its elements pass only
                self._sets.setdefault((named["family"], named["table"]), {})[named["name"]] = named.get("elem", [])

    def base_chains(self, node: str) -> Iterator[Chain]:
        for chain in (one for one in self._chains if "hook" in one):
            family, table, name, hook = chain["family"], chain["table"], chain["name"], chain["hook"]
            ours, policy = (family, table) == self._own, str(chain.get("policy", "accept"))
            where = (family, table, name)
            if family in _VERSIONS and hook in _HOOKS:
                rules = self._rules(where, 0)
            else:
                hook, rules = f"{family} {hook}", tuple(self._beyond_ip(where, policy))
            label, kind = name if ours else " ".join(where), str(chain.get("type", "filter"))
            yield Chain(node, label, kind, hook, int(chain.get("prio", 0)), policy, rules, _VERSIONS.get(family))

    def _rules(self, where: _Name, depth: int) -> tuple[Rule, ...]:
        """Give the rules of a chain; those of a chain that is jumped to say its name."""
        if where not in self._read:
            inside = f"{where[2]}: " if depth else ""
            found = (self._rule(rule, where, inside, depth) for rule in self._bodies.get(where, ()))
            self._read[where] = tuple(joined.from_iterable(found))
        return self._read[where]

    def _rule(self, rule: Json, where: _Name, inside: str, depth: int) -> Iterable[Rule]:
        if where[:2] == self._own and not inside:
            ours = rule_of(rule["expr"])
            if ours.other is None:
                return [ours]
        words = inside + self._words_of(rule)
        with suppress(ValueError, KeyError, TypeError, IndexError, AttributeError):
            version = self._versions.get((*where[:2], rule["handle"]))
            way = [] if version is None else [Condition("meta nfproto", (f"ipv{version}",))]
            return list(self._understood(rule["expr"], where, words, depth, way))
        return [OtherRule("other", other=words, words=words)]

    def _beyond_ip(self, where: _Name, policy: str) -> Iterator[Rule]:
        """Give the rules of a chain that looks at frames: none is understood, and some do nothing."""
        acting = (rule for rule in self._bodies.get(where, ()) if not all(map(_does_nothing, rule["expr"])))
        words = [self._words_of(rule) for rule in acting] + (["policy drop"] if policy == "drop" else [])
        yield from (OtherRule("other", other=one, words=one) for one in words)

    def _words_of(self, rule: Json) -> str:
        found = self._words.get((rule["family"], rule["table"], rule["handle"]))
        return found or json.dumps(rule["expr"], sort_keys=True, separators=(",", ":"))

    def _understood(
        self, statements: Sequence[Json], where: _Name, words: str, depth: int, way: list[Condition]
    ) -> Iterator[Rule]:
        """Give the rules that a rule stands for: several where it looks things up in a map."""
        sets = self._sets.get(where[:2], {})
        ways = [way]
        for statement in statements:
            ((kind, told),) = statement.items()
            if kind == "match":
                ways = [before + new for before, new in product(ways, conditions_of(told, sets))]
            elif kind == "limit" and told.get("inv"):
                return
            elif kind == "vmap":
                if statement is not statements[-1]:
                    raise ValueError("what is behind a map is for those that it sends on")
                for (more, verdict), way in product(elements_of(told["key"], told["data"], sets), ways):
                    yield from self._decided(verdict, where, words, [*way, *more], depth)
                return
            elif not _does_nothing(statement):
                for way in ways:
                    yield from self._decided(statement, where, words, way, depth)
                return

    def _decided(
        self, statement: Json, where: _Name, words: str, way: Sequence[Condition], depth: int
    ) -> Iterator[OtherRule]:
        ((verdict, told),) = statement.items()
        conditions = tuple(way)
        if any(one.field.startswith("th ") for one in way) and not any(map(_has_ports, way)):
            raise ValueError("ports of any protocol are bytes of some")
        if verdict in ("accept", "drop", "return"):
            yield OtherRule(verdict, words=words, conditions=conditions)
        elif verdict in ("jump", "goto"):
            if depth >= _DEEPEST:
                raise ValueError("chains jump too deep")
            body = self._rules((*where[:2], told["target"]), depth + 1)
            yield OtherRule(verdict, words=words, conditions=conditions, body=body)
        elif verdict == "reject":
            of_kind, rejects = _rejects(told or {})
            yield OtherRule(verdict, words=words, conditions=(*conditions, *of_kind), rejects=rejects)
        elif verdict in ("masquerade", "redirect", "snat", "dnat"):
            for more, to, ports in _translations(verdict, told or {}, self._sets.get(where[:2], {})):
                yield OtherRule(verdict, words=words, conditions=(*conditions, *more), to=to, to_ports=ports)
        elif verdict != "continue":
            raise ValueError(f"{verdict} is not known")


def _does_nothing(statement: Json) -> bool:
    """Tell whether a statement changes nothing about where a packet goes."""
    if "mangle" in statement:
        key = statement["mangle"]["key"]
        # How much TCP sends at once is beyond its handshake.
        return bool(key in ({"meta": {"key": "nftrace"}}, {"tcp option": {"name": "maxseg", "field": "size"}}))
    if "xt" in statement:
        return bool((statement["xt"] or {}).get("name") == "comment")
    return "match" in statement or any(word in statement for word in _IDLE)


def _has_ports(condition: Condition) -> bool:
    """Tell whether a condition lets protocols with ports alone through."""
    of_protocol = condition.field in ("meta l4proto", "ip protocol", "ip6 nexthdr")
    return of_protocol and not condition.negated and set(condition.values) <= {"tcp", "udp"}


def _rejects(told: Json) -> tuple[list[Condition], tuple[tuple[int, int], tuple[int, int]]]:
    """Give what is rejected with, by version; and what that is for alone, which nft does not say again."""
    kind, code = told.get("type"), told.get("expr", "port-unreachable")
    if kind == "tcp reset":
        return [Condition("meta l4proto", ("tcp",))], (RESETS, RESETS)
    if kind == "icmp":
        return [Condition("meta nfproto", ("ipv4",))], ((3, ICMP_CODES[code]), REJECTS[1])
    if kind == "icmpv6":
        return [Condition("meta nfproto", ("ipv6",))], (REJECTS[0], (1, ICMP6_CODES[code]))
    return [], _ICMPX[code] if kind == "icmpx" else REJECTS


def _translations(
    verdict: str, told: Json, sets: Sets
) -> Iterator[tuple[list[Condition], str | None, tuple[int, int] | None]]:
    """Give where a rule translates to: address and ports, and of what is looked up in a map by which conditions."""
    port, to = told.get("port"), told.get("addr")
    if (port is not None and verdict in ("masquerade", "snat")) or (to is None and verdict in ("snat", "dnat")):
        raise ValueError(f"{verdict} of ports alone is not known")
    ports = None
    if port is not None:
        low, high = port["range"] if isinstance(port, dict) else (port, port)
        ports = int(low), int(high)
        if low != high and told.get("flags"):
            raise ValueError("which of several ports is not known")
    if isinstance(to, dict):
        for conditions, value in elements_of(to["map"]["key"], to["map"]["data"], sets):
            yield conditions, str(ip_address(value)), ports
        return
    yield [], to, ports


def _words(text: str) -> Iterator[tuple[tuple[str, str, int], str]]:
    """Give each rule's own words, by family, table and handle, of what `nft -a -s list ruleset` says."""
    table, in_chain, said = ("", ""), False, ""
    for line in text.splitlines():
        if (found := _TABLE.match(line)) is not None:
            table = found[1], found[2]
        elif _CHAIN.match(line) is not None:
            in_chain, said = True, ""
        elif line.rstrip() == "\t}":
            in_chain = False
        elif in_chain and not (not said and line.startswith(("\t\ttype ", "\t\tcomment "))):
            # Long sets go over several lines.
            said = f"{said} {line.strip()}".strip()
            if (ended := _HANDLE.fullmatch(said)) is not None:
                yield (*table, int(ended[2])), ended[1]
                said = ""
