"""What a trace makes of a walk: which packet decides, what the sender is told, which address a name stands for."""

from __future__ import annotations

import pytest

from netlab.simulator.network import Network
from netlab.simulator.simulating import simulate
from netlab.simulator.targets import address_of, nearest_name
from netlab.simulator.trace import Question, end_of, trace
from netlab.simulator.verdicts import MEANINGS, Verdict
from tests.unit.simulator.networks import network, send

PAIR = """
  a: {interfaces: {eth0: {peer: "b:eth0", addresses: [10.0.0.1/24, "fd00::1/64"]}}A}
  b: {interfaces: {eth0: {addresses: [10.0.0.2/24, "fd00::2/64"]}}B}
"""


def pair(a: str = "", b: str = "") -> Network:
    return network(PAIR.replace("A}", f", {a}}}" if a else "}").replace("B}", f", {b}}}" if b else "}"))


@pytest.mark.parametrize("destination", ["10.0.0.2", "fd00::2"])
@pytest.mark.parametrize(
    ("asked", "listens", "answer", "messages"),
    [
        ({}, False, "reply", ["echo", "echo-reply"]),
        ({"kind": "tcp", "port": 80}, True, "open", ["syn", "syn-ack"]),
        ({"kind": "tcp", "port": 80}, False, "refused", ["syn", "rst"]),
        ({"kind": "udp", "port": 53}, True, "reply", ["datagram", "datagram"]),
        ({"kind": "udp", "port": 53}, False, "refused", ["datagram", "error"]),
    ],
)
def test_answers(destination: str, asked: dict[str, object], listens: bool, answer: str, messages: list[str]) -> None:
    listeners = [("b", str(asked["kind"]), int(str(asked["port"])))] if listens else []
    found = send(pair(), "a", destination, *listeners, **asked)
    assert (found.answer, [leg.packet.message for leg in found.legs]) == (answer, messages)
    assert found.ok is (answer in ("reply", "open"))
    assert found.verdict is (Verdict.DELIVERED if found.ok else Verdict.NO_LISTENER)


def test_a_listener_is_of_one_node_protocol_and_port() -> None:
    for other in (("a", "tcp", 80), ("b", "udp", 80), ("b", "tcp", 81)):
        assert send(pair(), "a", "10.0.0.2", other, kind="tcp", port=80).answer == "refused"


def test_a_lost_answer_decides() -> None:
    lossy = "firewall: {output: {drop: [{to: 10.0.0.1}]}}"
    for asked in ({}, {"kind": "tcp", "port": 80}, {"kind": "udp", "port": 53}):
        found = send(pair(b=lossy), "a", "10.0.0.2", **asked)
        assert (found.answer, found.verdict, found.deciding.number) == ("silence", Verdict.FILTERED, 1)


def test_one_that_is_told_not_to_answer_is_no_error() -> None:
    found = send(pair(b="sysctls: {net.ipv4.icmp_echo_ignore_all: 1}"), "a", "10.0.0.2")
    assert (found.answer, found.verdict, len(found.legs)) == ("silence", Verdict.IGNORED, 1)
    assert send(pair(b="sysctls: {net.ipv4.icmp_echo_ignore_all: 1}"), "a", "fd00::2").ok, "of IPv6 another one says"


def test_a_rejection_refuses_a_connection_and_is_an_error_to_a_ping() -> None:
    rejecting = pair(b="firewall: {input: {reject: [{from: 10.0.0.1}]}}")
    assert send(rejecting, "a", "10.0.0.2", kind="tcp", port=80).answer == "refused"
    assert send(rejecting, "a", "10.0.0.2").answer == "error"


@pytest.mark.parametrize(
    ("question", "size", "protocol"),
    [
        (Question("icmp", "10.0.0.2"), 84, "icmp"),
        (Question("icmp", "fd00::2"), 104, "ipv6-icmp"),
        (Question("tcp", "10.0.0.2", 80), 60, "tcp"),
        (Question("tcp", "fd00::2", 80), 80, "tcp"),
        (Question("udp", "10.0.0.2", 53), 34, "udp"),
        (Question("udp", "10.0.0.2", 53, size=900), 900, "udp"),
    ],
)
def test_what_is_sent(question: Question, size: int, protocol: str) -> None:
    packet = question.packet()
    assert (packet.size, packet.protocol, packet.dport, packet.ttl) == (size, protocol, question.port or 1, 0)
    assert question.words() == ("ping" if question.kind == "icmp" else f"{question.kind} {question.port}")


@pytest.mark.parametrize(
    ("destination", "setting"), [("10.0.0.2", "net.ipv4.ip_default_ttl"), ("fd00::2", "net.ipv6.conf.all.hop_limit")]
)
def test_the_ttl_is_its_nodes_own_unless_it_is_said(destination: str, setting: str) -> None:
    asking = pair(a=f"sysctls: {{{setting}: 7}}")
    assert send(asking, "a", destination).legs[0].packet.ttl == 7
    assert send(asking, "a", destination, ttl=9).legs[0].packet.ttl == 9
    assert send(pair(), "a", destination).legs[0].packet.ttl == 64


def test_of_the_copies_of_a_frame_the_one_that_says_most_ends_it() -> None:
    text = """
bridges: {lan: {address: none}}
netns:
  a:
    interfaces: {eth0: {bridge: lan, address: 10.0.0.1/24}}
    neighbours: [{address: 10.0.0.2, mac: "02:00:00:00:00:02"}]
  x: {interfaces: {eth0: {bridge: lan, address: 10.0.0.3/24}}}
  b: {interfaces: {eth0: {bridge: lan, address: 10.0.0.2/24, mac: "02:00:00:00:00:02"}}}
  y: {interfaces: {eth0: {bridge: lan, address: 10.0.0.4/24}}}
"""
    walk = simulate(network(text), "a", Question("icmp", "10.0.0.2").packet())
    ends = [end.verdict for end in walk.ends if end.leg == 0]
    assert sorted(ends) == [Verdict.DELIVERED, Verdict.NOT_TAKEN, Verdict.NOT_TAKEN]
    assert end_of(walk, 0).verdict is Verdict.DELIVERED


def test_what_becomes_of_the_one_that_takes_it_says_more_than_where_else_it_was_flooded_to() -> None:
    text = """
bridges: {lan: {address: none}}
netns:
  a:
    interfaces: {eth0: {bridge: lan, address: 10.0.0.1/24}}
    neighbours: [{address: 10.0.0.2, mac: "02:00:00:00:00:02"}]
  x: {interfaces: {eth0: {bridge: lan, address: 10.0.0.3/24}}}
  b:
    interfaces: {eth0: {bridge: lan, address: 10.0.0.2/24, mac: "02:00:00:00:00:02"}}
    firewall: {input: {drop: [{icmp: true}]}}
  y: {interfaces: {eth0: {bridge: lan, address: 10.0.0.4/24}}}
"""
    assert send(network(text), "a", "10.0.0.2").verdict is Verdict.FILTERED


def test_a_walk_tells_the_same_ends_whether_it_tells_steps_or_not() -> None:
    for destination in ("10.0.0.2", "10.0.0.9", "10.9.9.9", "fd00::2", "fd00::9"):
        packet = Question("icmp", destination).packet()
        told, quiet = simulate(pair(), "a", packet), simulate(pair(), "a", packet, tells=False)
        assert [(end.leg, end.verdict, end.node) for end in told.ends] == [
            (end.leg, end.verdict, end.node) for end in quiet.ends
        ]
        assert quiet.steps == []


def test_every_meaning_says_when_and_none_says_it_like_another() -> None:
    assert set(MEANINGS) == set(Verdict)
    assert len({meaning.condition for meaning in MEANINGS.values()}) == len(MEANINGS)


# -- names

NAMES = """
  a: {interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24}}}
  b:
    interfaces: {eth0: {addresses: ["fd00::2/64", 10.0.0.2/24]}, eth1: {peer: "c:eth0", address: 10.1.0.1/24}}
    dummies: {vip0: 192.0.2.1/32}
  c: {interfaces: {eth0: {address: 10.1.0.2/24}}}
  mute: {}
"""


@pytest.mark.parametrize(
    ("source", "target", "address"),
    [
        ("a", "b", "10.0.0.2"),  # the first that it has a route to
        ("c", "b", "10.1.0.1"),
        ("a", "b:eth1", "10.1.0.1"),  # of that device, route or not
        ("a", "b:vip0", "192.0.2.1"),
        ("a", "c", "10.1.0.2"),  # no route to any: its first
        ("b", "b", "fd00::2"),
        ("a", "10.9.9.9", "10.9.9.9"),
        ("a", "[fd00::9]", "fd00::9"),
        ("a", "FD00::0009", "fd00::9"),
        ("a", "mute", None),
        ("a", "b:eth9", None),
        ("a", "nobody", None),
        ("a", "10.0.0.300", None),
    ],
)
def test_what_a_name_stands_for(source: str, target: str, address: str | None) -> None:
    assert address_of(network(NAMES), source, target) == address


def test_nearest_names() -> None:
    found = network(PAIR.replace("  a:", "  web1:").replace("A}", "}").replace("B}", "}"))
    assert nearest_name(found, "web2") == "web1"
    assert nearest_name(found, "web2:eth0") == "web1"
    assert nearest_name(found, "qqq") is None
    assert trace(found, "b", Question("icmp", "10.0.0.1")).ok
