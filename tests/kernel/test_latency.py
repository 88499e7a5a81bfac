"""Round trips and losses, measured on the real kernel: on a cable, behind a filter, and where it is impaired."""

from __future__ import annotations

from typing import Any

import pytest

from netlab import app
from netlab.probe import Verdict
from tests.kernel.stage import Stage, made_up

pytestmark = pytest.mark.kernel

LAB = """
name: wire
netns:
  a: {interfaces: {eth0: {peer: "b:eth0", addresses: [10.0.0.1/24, "fd00::1/64"] IMPAIR}}}
  b: {interfaces: {eth0: {addresses: [10.0.0.2/24, "fd00::2/64"]}}}
checks:
"""


def lab(*checks: str, impair: str = "") -> str:
    text = LAB.replace(" IMPAIR", f", impair: {{{impair}}}" if impair else "")
    return text + "\n".join(f"  - {check}" for check in checks) + "\n"


def run(stage: Stage, *checks: str, impair: str = "") -> tuple[Verdict, ...]:
    """Apply the lab and check it."""
    stage.apply(lab(*checks, impair=impair))
    return app.check(str(stage.file)).verdicts


def only(verdicts: tuple[Verdict, ...]) -> Verdict:
    (found,) = verdicts
    return found


def drop(stage: Stage, node: str, rule: str, hook: str = "input") -> None:
    """Have a filter of the user's own drop packets in a node."""
    stage.sh(node, f"nft 'add table inet t; add chain inet t c {{ type filter hook {hook} priority 0; }}'")
    stage.sh(node, f"nft 'add rule inet t c {rule} drop'")


def latency(low: str, high: str, to: str = "b", **more: Any) -> str:
    rest = "".join(f", {name}: {value}" for name, value in more.items())
    return f'latency: {{from: a, to: "{to}", between: [{low}, {high}]{rest}}}'


def loss(low: str, high: str, to: str = "b", **more: Any) -> str:
    return latency(low, high, to, **more).replace("latency", "loss", 1)


@made_up
def test_a_cable_is_quick_and_loses_nothing(stage: Stage) -> None:
    found = run(
        stage, latency("0us", "1s"), latency("0us", "1s", "fd00::2"), loss("0%", "0%"), loss("0%", "0%", "fd00::2")
    )
    assert [verdict.ok for verdict in found] == [True] * 4, [verdict.received for verdict in found]
    for verdict in found[:2]:
        assert verdict.measured is not None
        assert 0 < verdict.measured < 1
        assert "of 5 round trips" in verdict.received
        # The ping before them waited for a neighbour; they did not.
        assert len(verdict.observations[-1].took or ()) == 5
    for verdict in found[2:]:
        assert (verdict.measured, verdict.received) == (0.0, "0 of 200 lost (0%)")
        assert verdict.sent.startswith("200 echo requests from a (")
        assert verdict.elapsed >= 199 * 0.002


@made_up
def test_what_is_too_quick_fails_and_says_what_was_measured(stage: Stage) -> None:
    found = only(run(stage, latency("200ms", "1s", count=3)))
    assert (found.ok, found.outcome) == (False, "below")
    assert found.received.startswith("median ")
    assert found.received.endswith("wanted 200ms to 1s")
    assert "of 3 round trips" in found.received


@made_up
def test_half_of_all_is_lost_in_a_filter(stage: Stage) -> None:
    stage.apply(lab())
    drop(stage, "b", "icmp type echo-request numgen random mod 2 == 0")
    few, half, counted = run(stage, loss("0%", "1%"), loss("20%", "80%"), loss("100%", "100%", count=10))
    assert (few.ok, few.outcome) == (False, "above")
    assert few.measured is not None
    assert 0.2 < few.measured < 0.8
    assert few.received == f"{round(few.measured * 200)} of 200 lost ({few.measured * 100:.4g}%), wanted 0% to 1%"
    assert half.ok, half.received
    assert (counted.ok, counted.outcome) == (False, "below")


@made_up
def test_everything_is_lost(stage: Stage) -> None:
    stage.apply(lab())
    drop(stage, "b", "icmp type echo-request")
    none, all_of_it, silence = run(
        stage, loss("0%", "6%", count=20), loss("100%", "100%", count=20), latency("0s", "1s")
    )
    assert (none.ok, none.outcome, none.measured) == (False, "above", 1.0)
    assert none.received == "20 of 20 lost (100%), wanted 0% to 6%"
    assert none.hint is not None
    assert "does a filter there drop it?" in none.hint
    assert all_of_it.ok, all_of_it.received
    assert (silence.ok, silence.outcome, silence.measured) == (False, "timeout", None)
    assert silence.received == "nothing came back"
    assert silence.hint == none.hint


@made_up
def test_what_the_sender_s_own_filter_drops_is_lost_and_told(stage: Stage) -> None:
    stage.apply(lab())
    drop(stage, "a", "icmp type echo-request", "output")
    found = only(run(stage, loss("0%", "0%", count=10)))
    assert (found.ok, found.measured, found.hint) == (False, 1.0, "a's own output filter drops it")


@made_up
def test_where_nothing_can_be_measured_the_ping_before_says_why(stage: Stage) -> None:
    nowhere = [latency("0s", "1s", "203.0.113.9"), loss("0%", "100%", "203.0.113.9", count=10)]
    absent = [latency("0s", "1s", "10.0.0.77"), loss("0%", "100%", "10.0.0.77", count=10)]
    found = run(stage, *nowhere, *absent)
    outcomes = ["no-route", "no-route", "unreachable", "unreachable"]
    assert [(verdict.ok, verdict.outcome, verdict.measured) for verdict in found] == [
        (False, outcome, None) for outcome in outcomes
    ]
    assert "a has no route to 203.0.113.9" in str(found[0].hint)
    assert "nobody answered ARP for 10.0.0.77" in str(found[2].hint)


@made_up
def test_within_tries_until_it_holds(stage: Stage) -> None:
    # The first 20 echoes, of 36 bytes each, are lost: those of the ping before, and some of the first try.
    stage.apply(lab())
    stage.sh("b", "nft 'add table inet t; add quota inet t q { until 720 bytes }'")
    stage.sh("b", "nft 'add chain inet t c { type filter hook input priority 0; }'")
    stage.sh("b", "nft 'add rule inet t c icmp type echo-request quota name \"q\" drop'")
    found = only(run(stage, loss("0%", "0%", count=60, within="15s")))
    assert found.ok, found.received
    assert found.received.startswith("0 of 60 lost (0%) (2 attempts in ")
    # Of many attempts the first is kept, too.
    lost = [event.lost for event in found.observations if event.what == "measured"]
    assert lost[0] not in (0, 60)
    assert lost[1:] == [0]


@pytest.mark.needs("netem")
@made_up
def test_an_impaired_wire_is_as_slow_and_lossy_as_it_is_told_to_be(stage: Stage) -> None:
    found = only(run(stage, latency("100ms", "400ms"), impair="delay: 100ms"))
    assert found.ok, found.received
    found = only(run(stage, loss("10%", "60%"), impair="loss: 30%"))
    assert found.ok, found.received
