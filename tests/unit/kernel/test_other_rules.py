"""Everybody's tables of nftables -> chains that the simulator can look through."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from netlab.facts import Chain, Rule
from netlab.facts.other_rules import REJECTS, RESETS, Condition, OtherRule, every_rule
from netlab.kernel.other_matches import FIELDS, conditions_of
from netlab.kernel.other_rules import other_chains
from netlab.kernel.rules import rule_of
from netlab.simulator import conditions

Json = dict[str, Any]

#: What nft 1.0.6 tells of one ruleset, by `nft -a -s list ruleset` (it can be loaded again) and `nft -j list ruleset`.
RULESETS = Path(__file__).parent / "rulesets"


def chain(table: str, name: str, family: str = "ip", **said: Any) -> Json:
    return {"chain": {"family": family, "table": table, "name": name, "handle": 1, **said}}


def rule(table: str, name: str, *statements: Json, family: str = "ip") -> Json:
    return {"rule": {"family": family, "table": table, "chain": name, "handle": 1, "expr": list(statements)}}


def match(left: Json, right: Any, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def payload(protocol: str, field: str) -> Json:
    return {"payload": {"protocol": protocol, "field": field}}


def read(told: Sequence[Json], text: str = "", version: int | None = None) -> list[Chain]:
    """Read a ruleset; `version` is that of the rule of handle 1 in table `inet t`, where nft does not tell it."""
    return other_chains("r", told, text, "netlab-lab", {} if version is None else {("inet", "t", 1): version})


SOURCE = match(payload("ip", "saddr"), "10.0.0.1")
OF_SOURCE = Condition("ip saddr", ("10.0.0.1",))
DROP: Json = {"drop": None}
HOOKED: Json = {"type": "filter", "hook": "forward", "prio": -5, "policy": "drop"}
TEXT = """\
table ip t { # handle 1
\tchain main { # handle 1
\t\ttype filter hook forward priority -5; policy drop;
\t\tip saddr { 10.0.0.1,
\t\t\t   10.0.0.2 } drop # handle 1
\t}
}
"""


def rules(*body: Json, **more: tuple[Json, ...]) -> tuple[Rule, ...]:
    """Give the rules of a chain with this body, and of others that it can jump to."""
    told = [chain("t", "main", **HOOKED), *(chain("t", name) for name in more)]
    told += [*body] + [one for bodies in more.values() for one in bodies]
    (found,) = read(told)
    return found.rules


def test_a_base_chain_is_named_by_its_family_and_table_and_its_rules_have_nfts_words() -> None:
    told = [chain("t", "main", **HOOKED), chain("t", "plain"), rule("t", "main", SOURCE, DROP)]
    words = "ip saddr { 10.0.0.1, 10.0.0.2 } drop"
    expected = OtherRule("drop", words=words, conditions=(OF_SOURCE,))
    assert read(told, TEXT) == [Chain("r", "ip t main", "filter", "forward", -5, "drop", (expected,), 4)]
    assert str(expected) == words


def test_of_the_labs_own_table_its_own_rules_are_its_own_and_others_are_understood() -> None:
    own = rule("netlab-lab", "c", SOURCE, DROP, family="inet")
    other = rule("netlab-lab", "c", match(payload("icmp", "type"), "echo-request"), DROP, family="inet")
    told = [chain("netlab-lab", "c", family="inet", **HOOKED), own, other]
    (found,) = read(told)
    assert (found.name, found.version, found.rules[0]) == ("c", None, Rule("drop", source="10.0.0.1"))
    assert isinstance(found.rules[1], OtherRule)
    assert found.rules[1].conditions == (Condition("icmp type", ((8, 8),)),)


def test_what_looks_at_frames_is_not_understood_if_it_does_anything() -> None:
    told = [
        chain("b", "c", family="bridge", **HOOKED),
        rule("b", "c", SOURCE, {"counter": {}}, family="bridge"),
        rule("b", "c", SOURCE, DROP, family="bridge"),
        chain("i", "c", family="inet", **{**HOOKED, "hook": "ingress", "policy": "accept"}),
        rule("i", "c", {"accept": None}, family="inet"),
    ]
    frames, ingress = read(told)
    assert (frames.hook, [one.verdict for one in frames.rules]) == ("bridge forward", ["other", "other"])
    assert str(frames.rules[1]) == "policy drop"
    assert (ingress.hook, [one.verdict for one in ingress.rules]) == ("inet ingress", ["other"])


def test_jumps_lead_to_chains_which_are_named_in_their_rules() -> None:
    inner = (rule("t", "inner", SOURCE, {"return": None}), rule("t", "inner", DROP))
    jump, goto = rule("t", "main", SOURCE, {"jump": {"target": "inner"}}), rule("t", "main", {"goto": {"target": "no"}})
    found = rules(jump, goto, inner=inner)
    assert [one.verdict for one in found] == ["jump", "goto"]
    first, second = found
    assert isinstance(first, OtherRule)
    assert isinstance(second, OtherRule)
    assert (first.conditions, second.conditions, second.body) == ((OF_SOURCE,), (), ())
    assert [(one.verdict, str(one).partition(":")[0]) for one in first.body] == [("return", "inner"), ("drop", "inner")]
    assert [one.verdict for one in every_rule(found)] == ["jump", "return", "drop", "goto"]


def test_chains_that_jump_in_circles_end() -> None:
    found = rules(rule("t", "main", {"jump": {"target": "main"}}))
    assert [one.verdict for one in every_rule(found)][-1] == "other"


def recorded() -> list[Chain]:
    told = json.loads((RULESETS / "others.json").read_text())["nftables"]
    return read(told, (RULESETS / "others.txt").read_text())


def test_all_of_a_long_ruleset_is_understood_but_what_has_no_place_in_the_simulator() -> None:
    chains = recorded()
    assert [(one.name, one.kind, one.hook, one.priority) for one in chains] == [
        ("ip nat p", "nat", "postrouting", 100),
        ("ip nat pre", "nat", "prerouting", -100),
        ("inet f in", "filter", "input", 0),
        ("ip g f", "filter", "forward", 0),
        ("bridge b f", "filter", "bridge forward", 0),
    ]
    every = [one for found in chains for one in every_rule(found.rules)]
    assert [one.other for one in every if one.other is not None] == [
        "meta mark 0x00000001 accept",
        "meta mark set 0x00000005",
        "ether type arp drop",
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ('oifname "eth*" masquerade random', [("oifname", ("eth*",))]),
        ("ct state established,new accept", [("ct state", ("established", "new"))]),
        ("ct state != established drop", [("ct state", ("established",), True)]),
        ("ct status dnat accept", [("ct status", ("dnat",))]),
        (
            "ip saddr @blocked drop",
            [("ip saddr", ("10.0.0.0/24", "10.1.0.1/32", "10.1.0.2/31", "10.1.0.4/30", "10.9.0.1"))],
        ),
        ("ip saddr != 10.0.0.0/8 drop", [("ip saddr", ("10.0.0.0/8",), True)]),
        (
            "tcp dport { 80, 443, 1000-2000 } limit rate 10/second accept",
            [("tcp dport", ((80, 80), (443, 443), (1000, 2000)))],
        ),
        ("tcp flags syn drop", [("tcp flags", ("syn", "syn-ack"))]),
        ("tcp flags syn / syn,ack drop", [("tcp flags", ("syn",))]),
        ("meta l4proto { tcp, udp } th dport 53 accept", [("meta l4proto", ("tcp", "udp")), ("th dport", ((53, 53),))]),
        ("meta protocol ip accept", [("meta protocol", ("ip",))]),
        ("icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept", [("icmpv6 type", ((135, 135), (136, 136)))]),
        ("icmp code port-unreachable accept", [("icmp code", ((3, 3),))]),
        ('iifname != "lo" ip ttl < 5 drop', [("iifname", ("lo",), True), ("ip ttl", ((0, 4),))]),
        ('iif "lo" accept', [("iifname", ("lo",))]),
        ("meta length > 1000 drop", [("meta length", ((1001, 0xFFFF_FFFF),))]),
        ("fib daddr type != local drop", [("fib daddr type", ("local",), True)]),
        ("ct direction reply accept", [("ct direction", ("reply",))]),
        ('log prefix "x" drop', []),
    ],
)
def test_what_nft_tells_is_turned_into_conditions(words: str, expected: list[tuple[Any, ...]]) -> None:
    (found,) = [one for told in recorded() for one in every_rule(told.rules) if str(one) == words]
    assert isinstance(found, OtherRule)
    assert list(found.conditions) == [Condition(*one) for one in expected]


def test_what_is_looked_up_in_a_map_is_as_many_rules() -> None:
    every: dict[str, list[OtherRule]] = {}
    for one in (one for told in recorded() for one in every_rule(told.rules)):
        assert isinstance(one, OtherRule)
        every.setdefault(str(one), []).append(one)
    vmap = every["ct state vmap { invalid : drop, established : accept, related : accept }"]
    assert [(one.verdict, one.conditions[0].values) for one in vmap] == [
        ("drop", ("invalid",)),
        ("accept", ("established",)),
        ("accept", ("related",)),
    ]
    assert [one.verdict for one in every["tcp dport vmap @vm"]] == ["accept", "drop"]
    to = every["dnat to tcp dport map { 81 : 10.0.0.1, 82 : 10.0.0.2 }"]
    assert [(one.to, one.conditions[0].values) for one in to] == [("10.0.0.1", ((81, 81),)), ("10.0.0.2", ((82, 82),))]
    both = every["ip saddr . tcp dport { 10.0.0.1 . 80, 10.0.0.2 . 443 } accept"]
    assert [tuple(one.values for one in found.conditions) for found in both] == [
        (("10.0.0.1",), ((80, 80),)),
        (("10.0.0.2",), ((443, 443),)),
    ]


def test_how_it_rejects_and_redirects_is_kept() -> None:
    found = (one for told in recorded() for one in every_rule(told.rules))
    every = {str(one): one for one in found if isinstance(one, OtherRule)}
    assert {words: one.rejects for words, one in every.items() if one.verdict == "reject"} == {
        "udp dport != 53 reject with icmpx admin-prohibited": ((3, 13), (1, 1)),
        "meta l4proto tcp reject with tcp reset": (RESETS, RESETS),
        "reject": REJECTS,
        "reject with icmp host-prohibited": ((3, 10), (1, 4)),
    }
    assert (every["tcp dport 80 redirect to :8080"].verdict, every["tcp dport 80 redirect to :8080"].to_ports) == (
        "redirect",
        (8080, 8080),
    )


def test_a_rule_that_only_counts_or_is_for_too_much_at_once_is_none() -> None:
    counting = rule("t", "main", SOURCE, {"counter": {"packets": 0, "bytes": 0}})
    over = rule("t", "main", {"limit": {"rate": 1, "per": "second", "inv": True}}, DROP)
    tracing = rule("t", "main", {"mangle": {"key": {"meta": {"key": "nftrace"}}, "value": 1}})
    assert rules(counting, over, tracing) == ()
    (marking,) = rules(rule("t", "main", {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}))
    assert marking.other is not None


@pytest.mark.parametrize(
    "told",
    [
        match({"meta": {"key": "mark"}}, 1),
        match(payload("ether", "type"), "arp"),
        match(payload("ip", "saddr"), "@nowhere"),
        match({"ct": {"key": "status"}}, "confirmed", "in"),
        match({"ct": {"key": "status"}}, "dnat", "=="),
        match({"fib": {"result": "type", "flags": ["saddr"]}}, "local"),
        match({"fib": {"result": "type", "flags": ["daddr"]}}, "broadcast"),
        match({"&": [payload("ip", "saddr"), 255]}, 1),
        match(payload("icmp", "type"), "no-such-type"),
        match({"concat": [payload("ip", "saddr")]}, {"set": []}, "!="),
        match(payload("ip", "saddr"), "10.0.0.1", "<"),
    ],
)
def test_what_is_read_by_halves_is_not_read(told: Json) -> None:
    with pytest.raises((ValueError, KeyError)):
        conditions_of(told["match"], {})
    (found,) = rules(rule("t", "main", told, DROP))
    assert found.verdict == "other"


def test_all_that_is_read_can_be_looked_at() -> None:
    assert set(conditions._FIELDS) == FIELDS


TCP = match(payload("tcp", "dport"), 80)


@pytest.mark.parametrize(
    "told",
    [
        match({"meta": {"key": "iifname"}}, "eth*"),
        match({"meta": {"key": "iifname"}}, "@devices"),
        match({"meta": {"key": "iifname"}}, {"set": ["eth0", "eth1"]}),
        match({"meta": {"key": "l4proto"}}, {"set": ["tcp", "udp"]}),
        match({"&": [payload("tcp", "flags"), ["syn", "ack"]]}, "syn"),
        match({"concat": [payload("ip", "saddr"), payload("tcp", "dport")]}, {"set": [{"concat": ["10.0.0.1", 80]}]}),
        match(payload("th", "dport"), 53),
        match(payload("ip", "saddr"), "@some"),
    ],
)
def test_a_strange_rule_is_none_of_netlabs(told: Json) -> None:
    assert rule_of([told, DROP]).verdict == "other"


@pytest.mark.parametrize(
    ("rejects", "ours"),
    [
        (None, True),
        ({"type": "icmp", "expr": "port-unreachable"}, True),
        ({"type": "icmpx", "expr": "port-unreachable"}, False),
        ({"type": "icmp", "expr": "host-prohibited"}, False),
        ({"type": "tcp reset"}, False),
    ],
)
def test_netlab_rejects_in_one_way_only(rejects: Json | None, ours: bool) -> None:
    assert (rule_of([SOURCE, {"reject": rejects}]) == Rule("reject", source="10.0.0.1")) is ours


@pytest.mark.parametrize(
    ("rejects", "of_kind"),
    [
        ({"type": "tcp reset"}, Condition("meta l4proto", ("tcp",))),
        ({"type": "icmp", "expr": "host-prohibited"}, Condition("meta nfproto", ("ipv4",))),
        ({"type": "icmpv6", "expr": "no-route"}, Condition("meta nfproto", ("ipv6",))),
    ],
)
def test_what_is_rejected_so_is_of_one_kind_though_nft_does_not_say_it_again(rejects: Json, of_kind: Condition) -> None:
    (found,) = rules(rule("t", "main", {"reject": rejects}))
    assert isinstance(found, OtherRule)
    assert found.conditions == (of_kind,)


def test_which_version_a_rule_is_for_is_known_though_nft_does_not_say_it() -> None:
    reset = rule("t", "c", {"reject": {"type": "tcp reset"}}, family="inet")
    told = [chain("t", "c", family="inet", **HOOKED), reset]
    (found,) = read(told, version=6)[0].rules
    assert isinstance(found, OtherRule)
    assert found.conditions == (Condition("meta nfproto", ("ipv6",)), Condition("meta l4proto", ("tcp",)))


def test_all_others_of_a_map_are_none_of_those_that_it_names() -> None:
    data = {"set": [[80, {"accept": None}], ["*", {"drop": None}], [81, {"continue": None}]]}
    found = rules(rule("t", "main", {"vmap": {"key": payload("tcp", "dport"), "data": data}}))
    assert [(one.verdict, one.conditions) for one in found if isinstance(one, OtherRule)] == [
        ("accept", (Condition("tcp dport", ((80, 80),)),)),
        ("drop", (Condition("tcp dport", ((80, 80), (81, 81)), negated=True),)),
    ]
    (behind,) = rules(rule("t", "main", {"vmap": {"key": payload("tcp", "dport"), "data": data}}, DROP))
    assert behind.verdict == "other", "some of those in the map go on to the drop"


def test_all_others_of_a_set_are_all_there_are() -> None:
    (found,) = rules(rule("t", "main", match(payload("tcp", "dport"), {"set": [81, "*"]}), DROP))
    assert isinstance(found, OtherRule)
    assert found.conditions == (Condition("tcp dport", (), negated=True),)
    assert conditions_of(match(payload("tcp", "dport"), "@some", "!=")["match"], {"some": ["*"]}) == [
        [Condition("tcp dport", ())]
    ]


def test_ports_of_any_protocol_are_read_beside_one_that_has_some() -> None:
    ports = match(payload("th", "dport"), 53)
    of_udp, of_any = match({"meta": {"key": "l4proto"}}, "udp"), match({"meta": {"key": "l4proto"}}, "udp", "!=")
    assert [one.verdict for one in rules(rule("t", "main", of_udp, ports, DROP))] == ["drop"]
    assert [one.verdict for one in rules(rule("t", "main", ports, DROP))] == ["other"]
    assert [one.verdict for one in rules(rule("t", "main", of_any, ports, DROP))] == ["other"]


def test_a_set_whose_elements_pass_sometimes_is_not_read() -> None:
    asks = rule("t", "main", match(payload("ip", "saddr"), "@some"), DROP)
    for more, verdict in (({}, "drop"), ({"stmt": [{"counter": None}]}, "drop"), ({"stmt": [{"quota": {}}]}, "other")):
        named = {"set": {"family": "ip", "table": "t", "name": "some", "elem": ["10.0.0.1"], **more}}
        (found,) = read([chain("t", "main", **HOOKED), named, asks])
        assert [one.verdict for one in found.rules] == [verdict]
