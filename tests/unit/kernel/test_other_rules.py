"""Everybody's tables of nftables -> chains that the simulator can look through."""

from __future__ import annotations

from typing import Any

from netlab.facts import Chain, Rule
from netlab.kernel.other_rules import other_chains

Json = dict[str, Any]


def chain(table: str, name: str, family: str = "ip", **said: Any) -> Json:
    return {"chain": {"family": family, "table": table, "name": name, "handle": 1, **said}}


def rule(table: str, name: str, *statements: Json, family: str = "ip") -> Json:
    return {"rule": {"family": family, "table": table, "chain": name, "handle": 1, "expr": list(statements)}}


def match(left: Json, right: Any) -> Json:
    return {"match": {"op": "==", "left": left, "right": right}}


SOURCE = match({"payload": {"protocol": "ip", "field": "saddr"}}, "10.0.0.1")
UDP = match({"payload": {"protocol": "ip", "field": "protocol"}}, "udp")
COUNT: Json = {"counter": {"packets": 0, "bytes": 0}}
DROP: Json = {"drop": None}
HOOKED: Json = {"type": "filter", "hook": "forward", "prio": -5, "policy": "drop"}


def rules(*body: Json, **more: tuple[Json, ...]) -> tuple[Rule, ...]:
    """Give the rules of a chain with this body, and of others that it can jump to."""
    told = [chain("t", "main", **HOOKED), *(chain("t", name) for name in more)]
    told += [*body] + [one for bodies in more.values() for one in bodies]
    (found,) = other_chains("r", told, "netlab-lab")
    return found.rules


def test_a_base_chain_is_named_by_its_family_and_table() -> None:
    told = [
        chain("filter", "FORWARD", **HOOKED),
        chain("filter", "plain"),
        rule("filter", "FORWARD", SOURCE, COUNT, DROP),
    ]
    assert other_chains("r", told, "netlab-lab") == [
        Chain("r", "ip filter FORWARD", "filter", "forward", -5, "drop", (Rule("drop", source="10.0.0.1"),), 4)
    ]


def test_the_labs_own_table_and_what_looks_at_no_ip_are_left_out() -> None:
    told = [
        chain("netlab-lab", "filter-forward", family="inet", **HOOKED),
        chain("t", "c", family="bridge", **HOOKED),
        chain("netlab-other", "c", family="inet", **HOOKED),
        chain("six", "c", family="ip6", **HOOKED),
    ]
    assert [(one.name, one.version) for one in other_chains("r", told, "netlab-lab")] == [
        ("inet netlab-other c", None),
        ("ip6 six c", 6),
    ]


def test_the_same_is_said_in_several_ways() -> None:
    assert rules(rule("t", "main", UDP, SOURCE, DROP)) == (Rule("drop", source="10.0.0.1", protocol="udp"),)
    to: Json = {"dnat": {"addr": "10.0.0.2", "port": 80}}
    assert rules(rule("t", "main", to)) == (Rule("dnat", to="10.0.0.2", to_ports=(80, 80)),)
    assert rules(rule("t", "main", SOURCE, COUNT)) == (), "it only counts"
    (other,) = rules(rule("t", "main", {"reject": {"type": "tcp reset"}}))
    assert other.other is not None


def test_jumps_are_written_out() -> None:
    inner = (rule("t", "inner", UDP, DROP), rule("t", "inner", {"return": None}), rule("t", "inner", DROP))
    jumping = rule("t", "main", SOURCE, {"jump": {"target": "inner"}})
    accepting = rule("t", "main", {"accept": None})
    expected = Rule("drop", source="10.0.0.1", protocol="udp")
    assert rules(jumping, accepting, inner=inner) == (expected, Rule("accept"))
    gone = rule("t", "main", {"goto": {"target": "inner"}})
    assert rules(gone, accepting, inner=inner) == (Rule("drop", protocol="udp"),), "from there nobody comes back"


def test_what_cannot_be_said_is_kept_in_its_own_words() -> None:
    twice = rule("t", "inner", SOURCE, DROP)
    found = rules(rule("t", "main", SOURCE, {"jump": {"target": "inner"}}), inner=(twice,))
    assert [one.other is not None for one in found] == [True]
    round_and_round = rules(rule("t", "main", {"jump": {"target": "main"}}))
    assert [one.other is not None for one in round_and_round] == [True]


def test_what_netlab_would_say_of_too_many_packets_it_does_not_say() -> None:
    """Some go to another chain, and behind it to the policy; TCP of IPv4 alone, in a chain of both versions."""
    some = rule("t", "main", SOURCE, {"goto": {"target": "inner"}})
    (found,) = rules(some, inner=(rule("t", "inner", DROP),))
    assert found.other is not None
    both = [chain("t", "main", family="inet", **HOOKED), rule("t", "main", UDP, DROP, family="inet")]
    assert other_chains("r", both, "netlab-lab")[0].rules[0].other is not None
    icmp = match({"payload": {"protocol": "ip", "field": "protocol"}}, "icmp")
    both[1] = rule("t", "main", icmp, DROP, family="inet")
    assert other_chains("r", both, "netlab-lab")[0].rules == (Rule("drop", protocol="icmp"),)
