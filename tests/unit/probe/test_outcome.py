"""The rules of judging, as tables of observations."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from netlab.errors import Span
from netlab.probe.events import Event, decode
from netlab.probe.judge import judge, unprobed
from netlab.probe.outcome import OUTCOME, PATIENCE, holds, last_attempt, outcome, patience, settled
from netlab.topology.checks_spec import EXPECTATIONS
from netlab.topology.lab import Check

SPAN = Span("lab.yml", 7, 5)
DEFAULT = {"ping": "reply", "tcp": "open", "udp": "reply", "arp": "reply", "latency": "inside", "loss": "inside"}


def check(kind: str = "ping", expect: str | None = None, address: str = "10.0.0.2", **more: Any) -> Check:
    port = 80 if kind in ("tcp", "udp") else None
    given = {"port": port, "expect": expect or DEFAULT[kind], "target_node": "ns1", **more}
    return Check(kind=kind, name="c", source="ns0", target="ns1", address=address, span=SPAN, **given)  # type: ignore[arg-type]


def sent(number: int = 1) -> Event:
    return Event(0.1, "sent", number=number)


def failed(number: int, request: int = 1) -> Event:
    return Event(0.1, "failed", number=request, errno=number)


def reply(source: str = "10.0.0.2", number: int = 1, text: str | None = None) -> Event:
    return Event(0.2, "reply", number=number, source=source, text=text)


def icmp(kind: int, code: int, source: str = "10.0.0.254", number: int | None = 1) -> Event:
    return Event(0.2, "icmp", number=number, source=source, icmp=(kind, code))


OPEN = Event(0.2, "open", number=1, source="10.0.0.2")
RST = Event(0.2, "failed", number=1, errno=errno.ECONNREFUSED, source="10.0.0.2")

CASES: list[tuple[str, list[Event], str]] = [
    ("ping", [sent(), reply()], "reply"),
    ("ping", [sent()], "timeout"),
    ("ping", [], "timeout"),
    ("ping", [sent(), sent(2), reply(number=2)], "reply"),
    ("ping", [sent(), reply("10.0.0.3")], "other-reply"),
    ("ping", [sent(), reply("10.0.0.3"), reply()], "reply"),
    ("ping", [sent(), icmp(3, 1), reply()], "reply"),
    ("ping", [sent(), icmp(3, 0)], "no-route"),
    ("ping", [sent(), icmp(3, 6)], "no-route"),
    ("ping", [sent(), icmp(3, 1)], "unreachable"),
    ("ping", [sent(), icmp(3, 3)], "unreachable"),
    ("ping", [sent(), icmp(3, 13)], "unreachable"),
    ("ping", [sent(), icmp(3, 12)], "unreachable"),
    ("ping", [sent(), icmp(11, 0)], "ttl-exceeded"),
    ("ping", [sent(), icmp(3, 4)], "impossible"),
    ("ping", [failed(errno.ENETUNREACH)], "no-route"),
    ("ping", [failed(errno.EHOSTUNREACH)], "unreachable"),
    ("ping", [failed(errno.EACCES)], "unreachable"),
    ("ping", [failed(errno.EPERM)], "timeout"),
    ("ping", [failed(errno.EINVAL)], "timeout"),
    ("ping", [failed(errno.ENOBUFS)], "impossible"),
    ("ping", [failed(errno.ENOBUFS), sent(2)], "timeout"),
    ("ping", [failed(errno.ENOBUFS), sent(2), reply(number=2)], "reply"),
    ("tcp", [sent(), failed(errno.EPROTO)], "impossible"),
    ("ping", [failed(errno.EPERM), sent(2), icmp(3, 1, number=2)], "unreachable"),
    ("tcp", [sent(), OPEN], "open"),
    ("tcp", [sent(), RST], "refused"),
    ("tcp", [sent(), icmp(3, 3, number=None), RST], "refused"),
    ("tcp", [sent()], "filtered"),
    ("tcp", [sent(), icmp(3, 13, number=None), failed(errno.EHOSTUNREACH)], "filtered"),
    ("tcp", [sent(), icmp(3, 9, number=None), failed(errno.ENETUNREACH)], "filtered"),
    ("tcp", [sent(), icmp(3, 0, number=None), failed(errno.ENETUNREACH)], "no-route"),
    ("tcp", [sent(), icmp(3, 1, number=None), failed(errno.EHOSTUNREACH)], "unreachable"),
    ("tcp", [sent(), icmp(11, 0, number=None), failed(errno.EHOSTUNREACH)], "ttl-exceeded"),
    ("tcp", [failed(errno.ENETUNREACH)], "no-route"),
    ("tcp", [failed(errno.EACCES)], "filtered"),
    ("tcp", [failed(errno.EINVAL)], "filtered"),
    ("tcp", [sent(), failed(errno.ETIMEDOUT)], "filtered"),
    ("tcp", [failed(errno.EADDRNOTAVAIL)], "impossible"),
    ("udp", [sent(), reply(text="x")], "reply"),
    ("udp", [sent()], "timeout"),
    ("udp", [sent(), icmp(3, 3, number=None)], "refused"),
    ("udp", [sent(), failed(errno.ECONNREFUSED)], "refused"),
    ("udp", [sent(), icmp(3, 13, number=None)], "unreachable"),
    ("udp", [sent(), icmp(3, 0, number=None)], "no-route"),
    ("udp", [failed(errno.EPERM)], "timeout"),
    ("udp", [failed(errno.ENETUNREACH)], "no-route"),
    ("arp", [sent(), reply(text="02:00:00:00:00:01")], "reply"),
    ("arp", [sent()], "timeout"),
    ("arp", [failed(errno.ENETDOWN)], "impossible"),
    ("arp", [failed(errno.ENETUNREACH)], "impossible"),
]


@pytest.mark.parametrize(("kind", "events", "name"), CASES)
def test_outcome(kind: str, events: list[Event], name: str) -> None:
    assert outcome(check(kind), events).name == name
    # What the sniffer saw explains, and decides nothing.
    seen = [
        Event(0.0, "route", device="eth0", source="10.0.0.1"),
        Event(0.1, "asked", device="eth0", source="10.0.0.1", target="10.0.0.2"),
        Event(0.1, "out", device="eth0", source="10.0.0.1", target="10.0.0.2", text="echo request"),
        Event(0.1, "in", device="eth0", source="10.0.0.2", target="10.0.0.1", text="echo reply"),
    ]
    assert outcome(check(kind), [*seen, *events]).name == name


@pytest.mark.parametrize(
    ("kind", "error", "name"),
    [
        ("ping", (1, 0), "no-route"),
        ("ping", (1, 1), "unreachable"),
        ("ping", (1, 3), "unreachable"),
        ("ping", (1, 4), "unreachable"),
        ("ping", (1, 9), "unreachable"),
        ("ping", (3, 0), "ttl-exceeded"),
        ("ping", (2, 0), "impossible"),
        ("tcp", (1, 1), "filtered"),
        ("tcp", (1, 4), "refused"),
        ("udp", (1, 4), "refused"),
        ("udp", (1, 3), "unreachable"),
    ],
)
def test_outcome_of_icmpv6(kind: str, error: tuple[int, int], name: str) -> None:
    asked = check(kind, address="fd00::2")
    assert outcome(asked, [sent(), icmp(*error, source="fd00::fe", number=None)]).name == name


def test_every_meaning_is_an_outcome_of_every_kind() -> None:
    assert set(OUTCOME) == set(EXPECTATIONS)


def test_an_address_is_the_same_however_it_is_written() -> None:
    assert outcome(check(address="FD00:0::2"), [sent(), reply("fd00::2")]).name == "reply"


def test_a_payload_must_be_the_one_that_is_expected() -> None:
    asked = check("udp", reply="pong")
    assert outcome(asked, [sent(), reply(text="ping")]).name == "other-reply"
    assert outcome(asked, [sent(), reply(text="ping"), reply(text="pong")]).name == "reply"
    assert outcome(check("udp", reply=""), [sent(), reply(text="")]).name == "reply"


@pytest.mark.parametrize(
    ("by", "addresses", "event", "held"),
    [
        (None, (), icmp(3, 0), True),
        ("r1", ("10.0.0.254", "10.1.0.1"), icmp(3, 0), True),
        ("r2", ("10.2.0.1",), icmp(3, 0), False),
        ("r2", (), icmp(3, 0), False),
        ("ns0", ("10.0.0.1",), failed(errno.ENETUNREACH), True),
        ("r1", ("10.0.0.254",), failed(errno.ENETUNREACH), False),
    ],
)
def test_by(by: str | None, addresses: tuple[str, ...], event: Event, held: bool) -> None:
    asked = check(expect="no-route", by=by, by_addresses=addresses)
    assert holds(asked, [sent(), event]) is held


def test_an_answer_of_the_right_one_among_others_suffices() -> None:
    asked = check(expect="unreachable", by="r1", by_addresses=("10.1.0.1",))
    assert holds(asked, [sent(), icmp(3, 1), sent(2), icmp(3, 1, "10.1.0.1", 2)])


def test_silence_is_nobody_s_answer() -> None:
    assert not holds(check(expect="timeout", by="r1", by_addresses=("10.0.0.254",)), [sent()])


@pytest.mark.parametrize(
    ("asked", "events", "over"),
    [
        (check(), [sent()], False),
        (check(), [sent(), reply()], True),
        (check(), [sent(), icmp(3, 1)], False),
        (check(), [icmp(3, 1), icmp(3, 1, number=2), icmp(3, 1, number=3)], True),
        (check(), [icmp(3, 1), icmp(3, 1), icmp(3, 1)], False),
        (check(expect="timeout"), [sent(), sent(2), sent(3)], False),
        (check(expect="timeout"), [sent(), reply()], True),
        (check(expect="timeout"), [failed(errno.EPERM), failed(errno.EPERM, 2)], False),
        (check(expect="unreachable"), [sent(), icmp(3, 1)], True),
        (check("udp"), [sent(), icmp(3, 3, number=None)], False),
        (check("udp", "refused"), [sent(), icmp(3, 3, number=None)], True),
    ],
)
def test_settled(asked: Check, events: list[Event], over: bool) -> None:
    assert settled(asked, events, 3) is over


def test_a_connection_is_over_at_its_first_end() -> None:
    for expect in ("open", "refused", "filtered"):
        assert settled(check("tcp", expect), [sent(), RST], 1)
        assert not settled(check("tcp", expect), [sent()], 1)


def test_patience() -> None:
    asked = Event(0.1, "asked", device="eth0", source="10.0.0.1", target="10.0.0.2")
    told = Event(0.2, "told", device="eth0", source="10.0.0.2", target="10.0.0.1")
    assert patience(check(expect="timeout"), [sent()]) == 1.0
    assert patience(check(expect="timeout"), [sent(), asked]) == PATIENCE
    assert patience(check(expect="timeout"), [sent(), asked, told]) == 1.0
    assert patience(check("tcp", "filtered"), [sent()]) == 1.0
    assert patience(check("arp", "timeout"), [sent(), asked]) == 1.0
    assert patience(check("arp"), [sent(), asked]) == PATIENCE
    assert patience(check(), [sent()]) == PATIENCE
    assert patience(check("tcp", within=9.0), [sent()]) < PATIENCE


def test_patience_heeds_the_neighbour_that_packets_go_to() -> None:
    route = Event(0.0, "route", device="eth0", source="10.0.0.1", gateway="10.0.0.254")
    other = Event(0.1, "asked", device="eth0", source="10.0.0.1", target="10.0.0.9")
    gateway = Event(0.1, "asked", device="eth0", source="10.0.0.1", target="10.0.0.254")
    asked = check(expect="timeout", address="203.0.113.1")
    assert patience(asked, [route, sent(), other]) == 1.0
    assert patience(asked, [route, sent(), gateway]) == PATIENCE


def test_patience_begins_when_the_gateway_has_answered() -> None:
    route = Event(2.0, "route", device="eth0", source="10.0.0.1", gateway="10.0.0.254")
    told = Event(3.25, "told", device="eth0", source="10.0.0.254", target="10.0.0.1")
    behind = check(expect="unreachable", address="203.0.113.1")
    assert patience(behind, [route, sent(), told]) == PATIENCE + 1.25
    assert patience(behind, [route, sent()]) == PATIENCE


def test_the_last_attempt_counts() -> None:
    first = [Event(0.1, "sent", number=1), Event(0.2, "reply", number=1, source="10.0.0.2")]
    second = [Event(0.5, "sent", attempt=2, number=1)]
    assert last_attempt([*first, *second]) == tuple(second)
    verdict = judge(check(lasting=3.0), [*first, *second], 4.0)
    assert (verdict.ok, verdict.outcome) == (False, "timeout")
    verdict = judge(check(within=3.0), [*second, Event(0.9, "reply", attempt=3, number=1, source="10.0.0.2")], 0.9)
    assert (verdict.ok, verdict.outcome) == (True, "reply")
    assert verdict.hint is None


def test_a_verdict_holds_what_was_observed() -> None:
    events = [sent(), reply()]
    verdict = judge(check(), events, 0.3)
    assert verdict.observations == tuple(events)
    assert verdict.elapsed == 0.3
    assert verdict.check.span == SPAN


def test_what_could_not_be_probed_fails() -> None:
    for expect in ("reply", "timeout"):
        verdict = unprobed(check(expect=expect), "ns0 is not up")
        assert (verdict.ok, verdict.outcome, verdict.received) == (False, "impossible", "ns0 is not up")


@pytest.mark.parametrize("event", [sent(), reply(text="x"), icmp(3, 1), failed(1), OPEN])
def test_events_cross_as_json(event: Event) -> None:
    assert decode(event.encode()) == event
