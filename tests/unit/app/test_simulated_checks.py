"""Checks in the simulator: every kind, what it may expect, why it fails, and all shipped topologies."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab.app.simulated_checks import simulate_checks
from netlab.simulator.verdicts import Verdict
from netlab.topology import read
from tests.unit.app.simulating import LAB, one, run

FILES = sorted((Path(__file__).parents[3] / "topologies").rglob("*.yml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_check_of_an_example_holds_in_the_simulator(file: Path) -> None:
    lab = read(file.read_bytes(), str(file))
    found = simulate_checks(lab.checks, lab.facts, lab.origin)
    assert lab.checks
    assert [verdict.check for verdict in found] == list(lab.checks)
    assert all(verdict.ok for verdict in found), [f"{v.check.name}: {v.received}: {v.hint}" for v in found if not v.ok]


#: What a ping, a connection and a datagram to an address come to, and how the packet ends.
OUTCOMES = [
    ("b", "reply", "open", "reply", Verdict.DELIVERED),
    ("fd00:2::2", "reply", "open", "reply", Verdict.DELIVERED),
    ("10.1.0.2", "reply", "open", "reply", Verdict.DELIVERED),
    ("10.1.0.77", "unreachable", "unreachable", "unreachable", Verdict.NO_NEIGHBOUR),
    ("10.2.0.77", "unreachable", "unreachable", "unreachable", Verdict.NO_NEIGHBOUR),
    ("203.0.113.9", "no-route", "no-route", "no-route", Verdict.NO_ROUTE),
    ("192.0.2.1", "unreachable", "unreachable", "unreachable", Verdict.UNREACHABLE),
    ("192.0.2.17", "unreachable", "filtered", "unreachable", Verdict.PROHIBITED),
    ("192.0.2.33", "timeout", "filtered", "timeout", Verdict.BLACKHOLE),
    ("198.51.100.1", "unreachable", "unreachable", "unreachable", Verdict.UNREACHABLE),
    ("198.51.100.17", "unreachable", "filtered", "unreachable", Verdict.PROHIBITED),
    ("198.51.100.33", "timeout", "filtered", "timeout", Verdict.BLACKHOLE),
    ("10.5.0.1", "timeout", "filtered", "timeout", Verdict.NOT_FORWARDED),
    ("10.1.0.255", "unreachable", "no-route", "unreachable", Verdict.BROADCAST),
]


@pytest.mark.parametrize(("to", "ping", "tcp", "udp", "ending"), OUTCOMES, ids=[row[0] for row in OUTCOMES])
def test_what_becomes_of_a_packet(to: str, ping: str, tcp: str, udp: str, ending: Verdict) -> None:
    end = f"[{to}]" if ":" in to else to
    found = run(
        f'ping: {{from: a, to: "{to}"}}', f'tcp: {{from: a, to: "{end}:80"}}', f'udp: {{from: a, to: "{end}:53"}}'
    )
    assert [verdict.outcome for verdict in found] == [ping, tcp, udp]
    assert [verdict.ending for verdict in found] == [ending] * 3
    assert [verdict.ok for verdict in found] == [ping == "reply"] * 3


@pytest.mark.parametrize(
    ("check", "ok", "outcome"),
    [
        ("ping: {from: a, to: 10.2.0.77, expect: unreachable, by: r}", True, "unreachable"),
        ("ping: {from: a, to: 10.2.0.77, expect: unreachable, by: b}", False, "unreachable"),
        ("ping: {from: a, to: 10.1.0.77, expect: unreachable, by: a}", True, "unreachable"),
        ("ping: {from: a, to: 192.0.2.1, expect: unreachable, by: a}", True, "unreachable"),
        ("ping: {from: a, to: 203.0.113.9, expect: no-route, by: r}", True, "no-route"),
        ('ping: {from: b, to: "r:eth1", by: r}', True, "reply"),
        ('tcp: {from: a, to: "b:80", expect: refused}', True, "refused"),
        ('tcp: {from: a, to: "b:7", expect: filtered}', True, "filtered"),
        ('tcp: {from: a, to: "b:8", expect: refused, by: a}', True, "refused"),
        ('tcp: {from: a, to: "b:9", expect: filtered}', True, "filtered"),
        ('tcp: {from: a, to: "b:10", expect: refused, by: r}', True, "refused"),
        ('tcp: {from: a, to: "b:10", expect: refused, by: b}', False, "refused"),
        ('udp: {from: a, to: "b:53", expect: refused, by: b}', True, "refused"),
        ('udp: {from: a, to: "b:53", expect: timeout}', False, "refused"),
        ('udp: {from: a, to: "b:7", expect: timeout}', True, "timeout"),
        ('udp: {from: a, to: "b:10", expect: refused, by: r}', True, "refused"),
        ('udp: {from: a, to: "b:53", send: ping, reply: pong, within: 5s}', True, "reply"),
        ("ping: {from: a, to: b, expect: timeout}", False, "reply"),
        ("ping: {from: a, to: b, for: 3s}", True, "reply"),
    ],
)
def test_an_expectation_holds_or_not_and_who_must_have_said_so(check: str, ok: bool, outcome: str) -> None:
    found = one(check)
    assert (found.ok, found.outcome) == (ok, outcome), found.received
    assert (found.hint is None) == ok


def test_a_ttl_that_ends_in_a_loop() -> None:
    loop = LAB.replace("{to: 10.5.0.0/24, via: 10.1.0.2}", "{to: 10.5.0.0/24, via: 10.2.0.2}").replace(
        "  b:\n", "  b:\n    forwarding: true\n"
    )
    found = one("ping: {from: a, to: 10.5.0.1, expect: ttl-exceeded}", lab=loop)
    assert (found.ok, found.ending) == (True, Verdict.LOOP)


def test_a_farther_router_finds_out_too_late_for_who_waits_for_silence() -> None:
    """It takes 3 s, and silence is waited for 1 s; unless the sender itself asks for that neighbour."""
    far, near = run(
        "ping: {from: a, to: 10.2.0.77, expect: timeout}", "ping: {from: a, to: 10.1.0.77, expect: timeout}"
    )
    assert (far.ok, far.outcome) == (True, "timeout")
    assert (near.ok, near.outcome) == (False, "unreachable")


def test_arp() -> None:
    there, missing, quiet, dark = run(
        "arp: a -> 10.1.0.1",
        "arp: a -> 10.1.0.77",
        "arp: {from: a, to: 10.1.0.77, expect: timeout}",
        "arp: {from: a, to: 10.9.0.2, dev: dark}",
    )
    assert (there.ok, there.received.startswith("10.1.0.1 is at ")) == (True, True)
    assert (missing.ok, missing.outcome) == (False, "timeout")
    assert missing.hint == "nobody on eth0 of a says that it has 10.1.0.77"
    assert quiet.ok
    assert (dark.ok, dark.outcome, dark.hint) == (False, "impossible", "dark of a is down")


def test_arp_asks_past_known_neighbours_and_by_the_device_named() -> None:
    lab = """
name: arp
netns:
  a:
    interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24}}
    neighbours: [{address: 10.0.0.9, mac: "02:00:00:00:00:09"}]
  b:
    interfaces: {eth0: {address: 10.0.0.2/24}}
    dummies: {d0: 192.0.2.1/32}
checks:
"""
    known, other = run(
        "arp: {from: a, to: 10.0.0.9, expect: timeout}", "arp: {from: a, to: 192.0.2.1, dev: eth0}", lab=lab
    )
    assert known.ok, known.received
    assert other.ok, other.received


# -- who listens


PROGRAMS = """
name: programs
netns:
  a:
    interfaces: {eth0: {peer: "p:eth0", address: 10.0.0.1/24}}
    gateway: 10.0.0.2
  p:
    interfaces: {eth0: {address: 10.0.0.2/24}, eth1: {address: 10.1.0.1/24}, lo: {address: 192.0.2.1/32}}
    forwarding: true
    nat: [{publish: {port: 8080, to: "q:80"}}]
    run: [sleep 1000]
  q:
    interfaces: {eth0: {peer: "p:eth1", address: 10.1.0.2/24}}
    gateway: 10.1.0.1
    run: [sleep 1000]
checks:
"""


def test_programs_are_taken_to_do_what_checks_expect_of_their_ports() -> None:
    found = run(
        "tcp: a -> 10.0.0.2:80",
        'tcp: {from: a, to: "10.0.0.2:81", expect: refused}',
        'udp: {from: a, to: "10.0.0.2:53", reply: pong}',
        'udp: {from: a, to: "10.0.0.2:54", expect: timeout}',
        'udp: {from: a, to: "10.0.0.2:55", expect: refused}',
        # Published: it is the program behind it that listens.
        "tcp: a -> 10.0.0.2:8080",
        lab=PROGRAMS,
    )
    assert [verdict.ok for verdict in found] == [True] * 6, [verdict.received for verdict in found]


def test_checks_that_expect_two_things_of_a_program_do_not_both_hold() -> None:
    found = run(
        "tcp: a -> 10.0.0.2:80",
        'tcp: {from: a, to: "10.0.0.2:80", expect: refused}',
        "udp: a -> 10.0.0.2:53",
        'udp: {from: a, to: "10.0.0.2:53", expect: timeout}',
        lab=PROGRAMS,
    )
    assert [(verdict.ok, verdict.outcome) for verdict in found] == [
        (True, "open"), (False, "open"), (True, "reply"), (False, "reply"),
    ]  # fmt: skip
    assert "should not" in str(found[1].hint)


def test_a_listener_is_there_for_its_own_check_alone() -> None:
    found = run("tcp: a -> 10.2.0.2:80", 'tcp: {from: a, to: "10.2.0.2:80", expect: refused}')
    assert [verdict.ok for verdict in found] == [True, True]


def test_a_program_is_taken_to_listen_at_the_address_that_was_asked_and_no_other() -> None:
    found = run("tcp: a -> 10.0.0.2:80", 'tcp: {from: a, to: "192.0.2.1:80", expect: refused}', lab=PROGRAMS)
    assert [verdict.ok for verdict in found] == [True, True]


def test_on_the_real_machine_no_listener_is_started() -> None:
    """What its own programs do nobody knows: they are taken to do what is expected."""
    lab = read("name: m\nbridges: {br0: 10.0.0.0/24}\nnetns: {a: br0}\nchecks: [{tcp: 'a -> 10.0.0.1:22'}]\n", "m.yml")
    (found,) = simulate_checks(lab.checks, lab.facts, lab.origin, machine=True)
    assert found.ok


# -- why


def test_a_failure_says_where_the_packet_ended_why_and_what_mends_it() -> None:
    closed = LAB.replace("  r:\n    forwarding: true\n", "  r:\n")
    there = one("ping: a -> 10.2.0.2", lab=closed)
    assert there.hint == "r is not 10.2.0.2, and does not forward (not-forwarded): add forwarding: true to the node"
    assert there.place is not None
    assert LAB.splitlines()[there.place.line - 1].strip() == "r:"
    assert (there.sent, there.received) == (
        "1 echo request from a (10.1.0.2) on eth0 to 10.2.0.2",
        "nothing came back",
    )
    lost = LAB.replace('    gateway: [10.2.0.1, "fd00:2::1"]\n', "")
    back = one("tcp: a -> 10.2.0.2:80", lab=lost)
    assert (back.outcome, back.ending) == ("filtered", Verdict.NO_ROUTE)
    assert str(back.hint).startswith("the answer: b has no route to 10.1.0.2 (no-route): ")
    dropped = one("tcp: a -> 10.2.0.2:9")
    assert dropped.ending is Verdict.FILTERED
    assert dropped.place is not None
    assert "forward: {drop:" in LAB.splitlines()[dropped.place.line - 1]


def test_the_way_is_told_step_by_step() -> None:
    found = one("ping: a -> 10.2.0.2")
    nodes = [step.partition(": ")[0] for step in found.steps]
    assert list(dict.fromkeys(nodes)) == ["a", "r", "b"]
    assert nodes[-1] == "a"


def test_a_check_from_a_node_that_is_not_there_fails() -> None:
    lab = read(LAB.replace(" IMPAIR", "") + "  - ping: a -> 10.2.0.2\n", "lab.yml")
    without = {key: fact for key, fact in lab.facts.items() if "a" not in fact.nodes}
    (found,) = simulate_checks(lab.checks, without, lab.origin)
    assert (found.ok, found.received) == (False, "there is no node a")
