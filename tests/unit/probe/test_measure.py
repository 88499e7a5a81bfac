"""What a measurement comes to, and what is said of it."""

from __future__ import annotations

import errno
import json
from dataclasses import asdict
from typing import Any

import pytest

from netlab.probe.events import Event, decode
from netlab.probe.judge import judge
from netlab.probe.measure import asked_first, longest, patience_for_echo, round_trip
from netlab.probe.outcome import PATIENCE, patience, settled
from netlab.probe.server import check_of
from netlab.topology.lab import Check
from tests.unit.probe.test_outcome import check, failed, icmp, reply, sent
from tests.unit.probe.test_words import OUT, ROUTE

ANSWERED = [ROUTE, sent(), OUT, reply()]


def latency(low: float = 0.038, high: float = 0.06, **more: Any) -> Check:
    return check("latency", between=(low, high), count=5, **more)


def loss(low: float = 0.01, high: float = 0.06, **more: Any) -> Check:
    return check("loss", between=(low, high), count=200, **more)


def took(*seconds: float, of: int | None = None) -> Event:
    total = of if of is not None else len(seconds)
    return Event(0.3, "measured", number=total, lost=total - len(seconds), took=seconds)


def lost(number: int, of: int = 200, refused: int | None = None) -> Event:
    return Event(0.8, "measured", number=of, lost=number, errno=refused)


@pytest.mark.parametrize(
    ("asked", "event", "outcome", "measured"),
    [
        (latency(), took(0.039, 0.04, 0.041), "inside", 0.04),
        (latency(), took(0.038, 0.038), "inside", 0.038),
        (latency(), took(0.06), "inside", 0.06),
        (latency(), took(0.04, 0.04, 5.0), "inside", 0.04),
        (latency(), took(0.0379), "below", 0.0379),
        (latency(), took(0.0601), "above", 0.0601),
        (latency(), took(0.02, 0.06), "inside", 0.04),
        (latency(), took(0.04, of=5), "inside", 0.04),
        (latency(), took(of=5), "timeout", None),
        (loss(), lost(2), "inside", 0.01),
        (loss(), lost(12), "inside", 0.06),
        (loss(), lost(13), "above", 0.065),
        (loss(), lost(0), "below", 0.0),
        (loss(0.0, 0.0), lost(0), "inside", 0.0),
        (loss(), lost(200), "above", 1.0),
        (loss(0.5, 1.0), lost(200), "inside", 1.0),
        (loss(), lost(0, of=0), "timeout", None),
    ],
)
def test_what_was_measured(asked: Check, event: Event, outcome: str, measured: float | None) -> None:
    verdict = judge(asked, [*ANSWERED, event], 1.0)
    assert (verdict.outcome, verdict.ok, verdict.measured) == (outcome, outcome == "inside", measured)


@pytest.mark.parametrize("asked", [latency(), loss(0.0, 1.0)], ids=["latency", "loss"])
@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ([failed(errno.ENETUNREACH)], "no-route"),
        ([sent(), icmp(3, 1)], "unreachable"),
        ([sent(), icmp(3, 13)], "unreachable"),
        ([sent(), icmp(11, 0)], "ttl-exceeded"),
        ([failed(errno.ENOBUFS)], "impossible"),
        ([sent(), reply("10.0.0.3")], "other-reply"),
    ],
)
def test_an_error_says_more_than_a_measurement_of_nothing(asked: Check, events: list[Event], outcome: str) -> None:
    more = [lost(200)] if asked.kind == "loss" else []
    verdict = judge(asked, [*events, *more], 1.0)
    assert (verdict.ok, verdict.outcome, verdict.measured) == (False, outcome, None)


def test_some_answers_weigh_more_than_an_error_to_the_ping() -> None:
    assert judge(loss(0.9, 1.0), [sent(), icmp(3, 1), lost(190)], 1.0).ok


def test_silence_fails_a_latency_and_is_the_loss_of_everything() -> None:
    assert judge(latency(), [ROUTE, sent(), OUT], 1.0).outcome == "timeout"
    assert judge(loss(0.9, 1.0), [ROUTE, sent(), OUT, lost(200)], 1.0).ok


@pytest.mark.parametrize(
    ("asked", "events", "sentence", "received"),
    [
        (
            latency(),
            [*ANSWERED, took(0.0612, 0.0608, 0.0701)],
            "3 echo requests from ns0 (10.0.0.1) on eth0 to 10.0.0.2, one after another",
            "median 61.2 ms of 3 round trips (60.8 ms to 70.1 ms), wanted 38ms to 60ms",
        ),
        (
            latency(),
            [*ANSWERED, took(0.04, of=2)],
            "2 echo requests from ns0 (10.0.0.1) on eth0 to 10.0.0.2, one after another",
            "median 40 ms of 1 round trip, 1 of 2 lost",
        ),
        (
            loss(),
            [*ANSWERED, lost(7)],
            "200 echo requests from ns0 (10.0.0.1) on eth0 to 10.0.0.2, at least 2 ms apart",
            "7 of 200 lost (3.5%)",
        ),
        (
            loss(0.0, 0.0055, within=2.0),
            [*ANSWERED, lost(2)],
            "200 echo requests from ns0 (10.0.0.1) on eth0 to 10.0.0.2, at least 2 ms apart",
            "2 of 200 lost (1%), wanted 0% to 0.55% (1 attempt in 1.0 s)",
        ),
        (
            latency(),
            [ROUTE, sent(), OUT],
            "1 echo request from ns0 (10.0.0.1) on eth0 to 10.0.0.2",
            "nothing came back",
        ),
    ],
)
def test_words(asked: Check, events: list[Event], sentence: str, received: str) -> None:
    verdict = judge(asked, events, 1.0)
    assert (verdict.sent, verdict.received) == (sentence, received)


@pytest.mark.parametrize(
    ("asked", "events", "part"),
    [
        (latency(), [ROUTE, sent(), OUT], "does a filter there drop it?"),
        (loss(), [ROUTE, sent(), OUT, lost(200)], "does a filter there drop it?"),
        (loss(), [*ANSWERED, lost(100, refused=errno.EPERM)], "ns0's own output filter drops it"),
        (loss(), [failed(errno.ENETUNREACH), lost(200, refused=errno.ENETUNREACH)], "ns0 has no route to 10.0.0.2"),
    ],
)
def test_hints(asked: Check, events: list[Event], part: str) -> None:
    assert part in str(judge(asked, events, 1.0).hint)


def test_where_the_observations_point_nowhere_there_is_no_hint() -> None:
    assert judge(latency(), [*ANSWERED, took(0.5)], 1.0).hint is None
    assert judge(loss(), [*ANSWERED, lost(100)], 1.0).hint is None


def test_a_ping_is_asked_first_and_waited_for_as_long_as_an_answer_may_take() -> None:
    first = asked_first(latency(5.0, 10.0))
    assert (first.kind, first.expect) == ("ping", "reply")
    assert settled(first, [sent(), reply()], 3)
    assert patience(first, []) == 11.0
    assert patience(asked_first(latency()), []) == patience(asked_first(loss(0.0, 1.0)), []) == PATIENCE
    assert asked_first(check()) == check()
    assert round_trip([sent(), sent(2), reply(number=2)]) == pytest.approx(0.1)
    assert round_trip([sent()]) == 0.0


def test_no_echo_is_given_up_before_it_is_too_slow() -> None:
    assert patience_for_echo(latency(0.0, 2.0), 0.001) == 3.0
    assert patience_for_echo(latency(0.0, 0.001), 2.0) == 5.0
    assert longest(check(), PATIENCE) == 0.0
    assert longest(latency(), PATIENCE) >= PATIENCE + 5 * patience_for_echo(latency(), PATIENCE)
    assert longest(loss(), PATIENCE) >= PATIENCE + 200 * 0.002 + patience_for_echo(loss(), PATIENCE)


def test_checks_and_measurements_cross_over_as_json() -> None:
    for asked in (latency(), loss(), check()):
        assert check_of(json.loads(json.dumps(asdict(asked)))) == asked
    event = took(0.04, 0.05)
    assert decode(json.loads(json.dumps(event.encode()))) == event
