"""What rules of somebody's own look at, chain after chain, and how they reject and redirect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netlab.facts import Chain, Rule
from netlab.facts.other_rules import RESETS, Condition, OtherRule
from netlab.simulator.alike import classes_of
from netlab.simulator.conditions import Sight, holds
from netlab.simulator.connections import Connections
from netlab.simulator.matching import Hook, deciding
from netlab.simulator.network import Network
from netlab.simulator.packet import IcmpError, Packet
from netlab.simulator.trace import Trace
from netlab.simulator.verdicts import Verdict
from tests.unit.simulator.networks import errors_told, network, send, told

LAB = """
  a: {interfaces: {eth0: {peer: "r:eth0", addresses: [10.0.0.2/24, "fd00::2/64"]}}, gateway: [10.0.0.1, "fd00::1"]}
  r:
    forwarding: true
    interfaces:
      eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}
      eth1: {peer: "b:eth0", addresses: [10.1.0.1/24, "fd00:1::1/64"]}
  b: {interfaces: {eth0: {addresses: [10.1.0.2/24, "fd00:1::2/64"]}}, gateway: [10.1.0.1, "fd00:1::1"]}
"""
ECHO = Packet("10.0.0.2", "10.1.0.2", "icmp", "echo", 1, 1, ttl=3, size=84)
ECHO6 = Packet("fd00::2", "fd00:1::2", "ipv6-icmp", "echo", 1, 1)
SYN = Packet("10.0.0.2", "10.1.0.2", "tcp", "syn", 49152, 80)
UDP = Packet("10.0.0.2", "10.1.0.2", "udp", "datagram", 49152, 53)
TOO_LATE = Packet("10.9.0.1", "10.0.0.2", "icmp", "error", error=IcmpError(11, 0, ECHO))


def rule(verdict: str, *conditions: Condition, **said: Any) -> OtherRule:
    return OtherRule(verdict, words=said.pop("words", verdict), conditions=conditions, **said)


def lab(*rules: Rule, hook: str = "forward", kind: str = "filter", policy: str = "accept") -> Network:
    """Give the network with a chain of somebody's own at its router."""
    return network(LAB, Chain("r", "ip mine c", kind, hook, 0, policy, rules))


def looks(field: str, *values: str | tuple[int, int], packet: Packet = ECHO, negated: bool = False) -> bool:
    node = network(LAB).nodes["r"]
    tracked = Connections().find(packet) if packet.message != "solicitation" else None
    into, out = node.devices["eth0"], node.devices["eth1"]
    return holds(Sight(node, tracked, packet, into, out), Condition(field, values, negated))


@pytest.mark.parametrize(
    ("field", "packet", "fits", "other"),
    [
        ("ip saddr", ECHO, "10.0.0.0/24", "10.1.0.0/24"),
        ("ip daddr", ECHO, "10.1.0.2", "10.1.0.3"),
        ("ip6 saddr", ECHO6, "fd00::/64", "fd00:1::/64"),
        ("ip6 daddr", ECHO6, "fd00:1::2", "fd00:1::3"),
        ("ip protocol", ECHO, "icmp", "tcp"),
        ("ip6 nexthdr", ECHO6, "ipv6-icmp", "icmp"),
        ("ip ttl", ECHO, (1, 3), (4, 9)),
        ("ip6 hoplimit", ECHO6, (64, 64), (1, 63)),
        ("ip length", ECHO, (84, 84), (85, 90)),
        ("meta length", ECHO6, (84, 84), (85, 90)),
        ("meta l4proto", UDP, "udp", "tcp"),
        ("meta nfproto", ECHO6, "ipv6", "ipv4"),
        ("meta protocol", ECHO, "ip", "ip6"),
        ("iifname", ECHO, "eth*", "lo"),
        ("oifname", ECHO, "eth1", "eth0"),
        ("tcp sport", SYN, (49152, 49152), (1, 2)),
        ("tcp dport", SYN, (80, 90), (81, 90)),
        ("udp sport", UDP, (49152, 49152), (1, 2)),
        ("udp dport", UDP, (53, 53), (54, 54)),
        ("th sport", UDP, (49152, 49152), (1, 2)),
        ("th dport", SYN, (80, 80), (81, 81)),
        ("tcp flags", SYN, "syn", "syn-ack"),
        ("icmp type", ECHO, (8, 8), (0, 0)),
        ("icmp type", TOO_LATE, (11, 11), (8, 8)),
        ("icmp code", ECHO, (0, 0), (1, 1)),
        ("icmp code", replace(TOO_LATE, error=IcmpError(3, 4, ECHO)), (4, 4), (0, 0)),
        ("icmpv6 type", ECHO6, (128, 128), (8, 8)),
        ("icmpv6 type", replace(ECHO6, message="advertisement"), (136, 136), (135, 135)),
        ("icmpv6 code", ECHO6, (0, 0), (1, 1)),
        ("ct state", SYN, "new", "established"),
        ("ct state", replace(ECHO, message="echo-reply"), "invalid", "established"),
        ("ct state", replace(ECHO6, message="solicitation"), "untracked", "invalid"),
        ("ct direction", SYN, "original", "reply"),
        ("fib daddr type", replace(ECHO, destination="10.1.0.1"), "local", "else"),
        ("fib daddr type", ECHO, "else", "local"),
    ],
)
def test_a_field_is_looked_at(
    field: str, packet: Packet, fits: str | tuple[int, int], other: str | tuple[int, int]
) -> None:
    assert looks(field, fits, packet=packet)
    assert not looks(field, other, packet=packet)
    assert looks(field, other, fits, packet=packet)
    assert looks(field, other, packet=packet, negated=True)
    assert not looks(field, fits, packet=packet, negated=True)


@pytest.mark.parametrize(
    ("field", "packet"),
    [
        ("ip saddr", ECHO6),
        ("ip6 saddr", ECHO),
        ("tcp dport", UDP),
        ("udp dport", ECHO),
        ("th dport", ECHO),
        ("tcp flags", UDP),
        ("icmp type", SYN),
        ("icmp type", ECHO6),
        ("icmpv6 type", ECHO),
        ("ct direction", replace(ECHO, message="echo-reply")),
    ],
)
def test_a_field_that_is_not_there_ends_the_rule_whatever_is_asked_of_it(field: str, packet: Packet) -> None:
    assert not looks(field, packet=packet)
    assert not looks(field, packet=packet, negated=True)


def test_what_was_translated_has_a_status() -> None:
    node, connections = network(LAB).nodes["r"], Connections()
    tracked = connections.find(SYN)
    assert tracked is not None
    condition = Condition("ct status", ("dnat",))
    assert not holds(Sight(node, tracked, SYN, None, None), condition)
    tracked.connection.translated_destination = True
    assert holds(Sight(node, tracked, SYN, None, None), condition)
    assert not holds(Sight(node, None, SYN, None, None), condition)


PINGS = Condition("icmp type", ((8, 8),))


def decided(*rules: Rule) -> str | None:
    node = network(LAB).nodes["r"]
    found = deciding(node, None, ECHO, rules, Hook("forward", node.devices["eth0"], node.devices["eth1"]))
    return None if found is None else str(found)


def test_chains_lead_to_chains_and_back() -> None:
    """A jump comes back, a goto does not, and what returns goes back to whoever has jumped."""
    drop, accept, back = rule("drop"), rule("accept"), rule("return", PINGS)
    never = rule("drop", Condition("udp dport", ((1, 1),)))
    assert decided(rule("jump", body=(never,)), accept) == "accept"
    assert decided(rule("jump", body=(back, drop)), accept) == "accept"
    assert decided(rule("jump", body=(never, drop)), accept) == "drop"
    assert decided(rule("goto", body=(never,)), accept) is None
    assert decided(rule("goto", never.conditions[0], body=(drop,)), accept) == "accept"
    assert decided(rule("jump", body=(rule("goto", body=(never,)), drop)), accept) == "accept"
    assert decided(back, drop) is None
    assert decided(rule("jump", body=(rule("jump", body=(drop,)),)), accept) == "drop"


def test_a_drop_is_told_in_the_rules_own_words() -> None:
    words = "pings: icmp type echo-request drop"
    found = send(lab(rule("jump", body=(rule("drop", PINGS, words=words),))), "a", "10.1.0.2")
    assert (found.verdict, found.deciding.end.words) == (Verdict.FILTERED, f"r: chain ip mine c: {words}")
    assert send(lab(rule("drop", PINGS)), "a", "10.1.0.2", kind="udp", port=53).answer == "refused"


def rejected(rejects: tuple[tuple[int, int], tuple[int, int]], destination: str, **asked: Any) -> Trace:
    return send(lab(rule("reject", rejects=rejects)), "a", destination, **asked)


def test_it_rejects_as_it_is_told() -> None:
    found = rejected(((3, 10), (1, 1)), "10.1.0.2")
    assert (found.verdict, found.answer) == (Verdict.REJECTED, "error")
    assert errors_told(found) == [("r", "10.0.0.1", "10.0.0.2", (3, 10))]
    assert errors_told(rejected(((3, 10), (1, 1)), "fd00:1::2")) == [("r", "fd00::1", "fd00::2", (1, 1))]


@pytest.mark.parametrize(
    ("hook", "destination", "source"),
    [
        ("input", "10.1.0.1", "10.1.0.1"),
        ("prerouting", "10.1.0.1", "10.0.0.1"),
        ("input", "fd00:1::1", "fd00:1::1"),
        ("prerouting", "fd00:1::1", "fd00:1::1"),
    ],
)
def test_before_it_is_routed_ipv4_does_not_know_what_is_its_own(hook: str, destination: str, source: str) -> None:
    rejects = rule("reject", Condition("meta l4proto", ("udp",)))
    (error,) = errors_told(send(lab(rejects, hook=hook), "a", destination, kind="udp", port=53))
    assert error[1] == source


@pytest.mark.parametrize("destination", ["10.1.0.2", "fd00:1::2"])
@pytest.mark.parametrize("tracks", [False, True])
def test_a_connection_is_reset_in_the_name_of_its_destination(destination: str, tracks: bool) -> None:
    rules = (rule("accept", Condition("ct state", ("established",))),) if tracks else ()
    resets = rule("reject", rejects=(RESETS, RESETS))
    found = send(lab(*rules, resets), "a", destination, ("b", "tcp", 80), kind="tcp", port=80)
    assert (found.verdict, found.answer) == (Verdict.REJECTED, "refused")
    reset = found.legs[1]
    assert (reset.node, reset.packet.source, reset.packet.message, reset.packet.sport) == ("r", destination, "rst", 80)


def test_a_reset_is_translated_back_and_is_related() -> None:
    only = rule("accept", Condition("ct state", ("related",)))
    facts = [
        Chain("r", "nat", "nat", "prerouting", -100, "accept", (Rule("dnat", source="10.0.0.2", to="10.1.0.2"),)),
        Chain("r", "forward", "filter", "forward", 0, "accept", (rule("reject", rejects=(RESETS, RESETS)),)),
        Chain("r", "out", "filter", "output", 0, "drop", (only,)),
    ]
    found = send(network(LAB, *facts), "a", "192.0.2.1", kind="tcp", port=80)
    assert found.answer == "refused"
    assert found.legs[1].end.packet is not None
    assert found.legs[1].end.packet.source == "192.0.2.1"
    assert told(found.legs[1], "translated") == ["r: translates: 10.1.0.2 becomes 192.0.2.1 again"]


@pytest.mark.parametrize(
    ("source", "destination", "hook"),
    [("a", "10.1.0.2", "prerouting"), ("a", "fd00:1::2", "prerouting"), ("r", "10.1.0.2", "output")],
)
def test_what_is_redirected_comes_to_the_node_itself(source: str, destination: str, hook: str) -> None:
    found = lab(rule("redirect", Condition("tcp dport", ((80, 80),)), to_ports=(8080, 8080)), hook=hook, kind="nat")
    opened = send(found, source, destination, ("r", "tcp", 8080), kind="tcp", port=80)
    assert (opened.answer, opened.legs[0].end.node) == ("open", "r")
    assert opened.legs[1].end.packet is not None
    assert (opened.legs[1].end.packet.source, opened.legs[1].end.packet.sport) == (destination, 80)


def test_who_has_rules_of_somebodys_own_is_like_no_other() -> None:
    plugs = (f"  h{host}: {{interfaces: {{eth0: {{bridge: br0, address: 10.0.0.{host}/24}}}}}}" for host in range(1, 6))
    text = "\n".join(["bridges: {br0: {}}", "netns:", *plugs])
    filters = Chain("h3", "ip t c", "filter", "input", 0, "accept", (rule("drop", Condition("iifname", ("e*",))),))
    of_one = Chain("h4", "f", "filter", "input", 0, "accept", (rule("drop", Condition("ip saddr", ("10.0.0.5",))),))
    assert ("h1", "h2", "h3", "h4", "h5") in classes_of(network(text))
    assert ("h1", "h2", "h4", "h5") in classes_of(network(text, filters))
    assert ("h1", "h2", "h3") in classes_of(network(text, of_one)), "h5 is mentioned, and unlike the others"


def with_chains(*chains: tuple[str, str, int, Rule]) -> Network:
    """Give the network with chains of the router: kind, hook, priority and the only rule of each, the oldest first."""
    made = (
        Chain("r", f"c{at}", kind, hook, order, "accept", (one,)) for at, (kind, hook, order, one) in enumerate(chains)
    )
    return network(LAB, *made)


def test_of_equal_priority_the_newest_chain_looks_first() -> None:
    older, newer = ("filter", "forward", 0, rule("drop")), ("filter", "forward", 0, rule("reject"))
    assert send(with_chains(older, newer), "a", "10.1.0.2").verdict is Verdict.REJECTED
    assert send(with_chains(newer, older), "a", "10.1.0.2").verdict is Verdict.FILTERED


@pytest.mark.parametrize("priority", [-300, 0, 50])
def test_translation_has_a_place_of_its_own(priority: int) -> None:
    to = ("nat", "prerouting", priority, Rule("dnat", destination="192.0.2.1", to="10.1.0.2"))
    for behind, reached in ((-101, True), (10, False)):
        drop = ("filter", "prerouting", behind, Rule("drop", destination="10.1.0.2"))
        assert send(with_chains(to, drop), "a", "192.0.2.1").ok is reached


def test_a_chain_that_translates_can_drop_what_begins_a_connection() -> None:
    to = ("nat", "prerouting", -100, Rule("dnat", destination="192.0.2.1", to="10.1.0.2"))
    drop = ("nat", "prerouting", -90, rule("drop"))
    found = with_chains(to, drop)
    assert send(found, "a", "192.0.2.1").ok, "what has been translated goes by no more of them"
    assert send(found, "a", "10.1.0.2").verdict is Verdict.FILTERED
    assert send(with_chains(drop), "a", "10.1.0.2").ok, "where nothing translates they are never asked"


NO_ADDRESS = """
  a:
    interfaces: {eth0: {peer: "r:eth0", address: 10.0.0.2/24}}
    routes: [{to: 10.1.0.0/24, dev: eth0}]
  r:
    forwarding: true
    sysctls: {net.ipv4.conf.eth0.proxy_arp: 1, net.ipv4.conf.all.rp_filter: 0, net.ipv4.conf.default.rp_filter: 0}
    interfaces: {eth0: {}, eth1: {peer: "b:eth0", address: 10.1.0.1/24}}
    routes: [{to: 10.0.0.0/24, dev: eth0}]
  b: {interfaces: {eth0: {address: 10.1.0.2/24}}, gateway: 10.1.0.1}
"""


def test_what_is_redirected_where_there_is_no_address_is_dropped() -> None:
    assert send(network(NO_ADDRESS), "a", "10.1.0.2").ok
    redirect = Chain("r", "n", "nat", "prerouting", -100, "accept", (rule("redirect"),))
    assert send(network(NO_ADDRESS, redirect), "a", "10.1.0.2").verdict is Verdict.FILTERED


@pytest.mark.parametrize(("priority", "states"), [(-300, {"invalid"}), (-150, {"new", "established"})])
def test_before_they_are_looked_up_packets_are_of_no_connection(priority: int, states: set[str]) -> None:
    for state in ("new", "established", "invalid", "untracked"):
        drop = ("filter", "prerouting", priority, rule("drop", Condition("ct state", (state,))))
        assert send(with_chains(drop), "a", "10.1.0.2").ok is (state not in states)


@pytest.mark.parametrize(("priority", "answer"), [(-300, "silence"), (-150, "refused")])
def test_what_is_told_of_a_packet_that_is_of_no_connection_yet_is_of_none(priority: int, answer: str) -> None:
    rejects = ("filter", "prerouting", priority, rule("reject", Condition("meta l4proto", ("udp",))))
    drops = ("filter", "output", 0, rule("drop", Condition("ct state", ("invalid",))))
    assert send(with_chains(rejects, drops), "a", "10.1.0.2", kind="udp", port=53).answer == answer


@pytest.mark.parametrize("state", ["related", "invalid"])
def test_what_a_node_tells_of_a_packet_comes_with_its_connection(state: str) -> None:
    rejects = ("filter", "forward", 0, rule("reject"))
    drops = ("filter", "output", -300, rule("drop", Condition("ct state", (state,))))
    found = send(with_chains(rejects, drops), "a", "10.1.0.2")
    assert found.answer == ("silence" if state == "related" else "error")


@pytest.mark.parametrize("priority", [-300, -150])
def test_what_a_node_sends_itself_comes_with_its_connection(priority: int) -> None:
    drops = ("filter", "prerouting", priority, rule("drop", Condition("ct state", ("new",))))
    assert send(with_chains(drops), "r", "10.1.0.1").verdict is Verdict.FILTERED


@pytest.mark.parametrize(("size", "dropped"), [(60, (60, 60)), (40, (44, 44))])
def test_a_syn_that_offers_nothing_is_answered_with_little(size: int, dropped: tuple[int, int]) -> None:
    drops = rule("drop", Condition("ct direction", ("reply",)), Condition("meta length", (dropped,)))
    found = send(lab(drops), "a", "10.1.0.2", ("b", "tcp", 80), kind="tcp", port=80, size=size)
    assert found.answer == "silence"
