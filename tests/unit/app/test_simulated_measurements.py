"""What is measured in the simulator, how long is waited there, and what is too big to be sent at once."""

from __future__ import annotations

import pytest

from netlab.simulator.verdicts import Verdict
from tests.unit.app.simulating import LAB, one, run


def measured(kind: str, low: str, high: str, to: str = "10.2.0.2") -> str:
    return f'{kind}: {{from: a, to: "{to}", between: [{low}, {high}]}}'


def test_a_latency_is_the_sum_of_the_delays_there_and_back() -> None:
    found = one(measured("latency", "38ms", "60ms", "fd00:2::2"), impair="delay: 40ms, jitter: 5ms")
    assert (found.ok, found.measured) == (True, 0.04)
    # The question for a neighbour is delayed too, but not what is measured.
    both = one(
        measured("latency", "40ms", "40ms", "10.0.0.2"),
        lab="""
name: both
netns:
  a: {interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24, impair: {delay: 20ms}}}}
  b: {interfaces: {eth0: {address: 10.0.0.2/24, impair: {delay: 20ms}}}}
checks:
""",
    )
    assert (both.ok, both.measured) == (True, 0.04)


def test_a_slow_wire_takes_its_time_for_each_byte_where_it_is_netem_s() -> None:
    # 36 bytes of a probe and 14 of Ethernet: 400 bits.
    assert one(measured("latency", "50ms", "50ms"), impair="delay: 10ms, rate: 10kbit").ok
    assert one(measured("latency", "0ms", "0ms"), impair="rate: 10kbit").ok, "a bucket lets a burst pass at once"


def test_a_latency_beside_its_bounds_fails_and_names_what_impairs_it() -> None:
    found = one(measured("latency", "1ms", "5ms"), impair="delay: 40ms")
    assert (found.ok, found.outcome) == (False, "above")
    assert found.hint == "a: eth0 impairs it: delay 40ms"
    assert found.place is not None
    assert found.place.line == LAB[: LAB.index("eth0:")].count("\n") + 1
    none = one(measured("latency", "1ms", "5ms"))
    assert (none.outcome, none.hint) == ("below", "nothing on the way is impaired")


def test_a_loss_is_what_the_shares_of_both_ways_leave() -> None:
    wire = """
name: wire
netns:
  a: {interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24, impair: {loss: 1%}}}}
  b: {interfaces: {eth0: {address: 10.0.0.2/24, impair: {loss: 1%}}}}
checks:
"""
    inside, above = run(
        measured("loss", "1.99%", "1.99%", "10.0.0.2"), measured("loss", "0%", "1.5%", "10.0.0.2"), lab=wire
    )
    assert (inside.ok, inside.received) == (True, "3.98 of 200 lost (1.99%)")
    assert (above.outcome, above.hint) == ("above", "a: eth0 impairs it: loss 1%; b: eth0 impairs it: loss 1%")
    assert one(measured("loss", "10%", "10%"), impair="corrupt: 10%").ok


def test_where_nothing_can_be_measured_the_ping_says_why() -> None:
    latency, loss, silence = run(
        measured("latency", "0ms", "1s", "203.0.113.9"),
        measured("loss", "0%", "100%", "203.0.113.9"),
        measured("loss", "100%", "100%", "192.0.2.33"),
    )
    assert [(one.ok, one.outcome, one.measured) for one in (latency, loss)] == [(False, "no-route", None)] * 2
    assert latency.hint == (
        "r has no route to 203.0.113.9 (no-route): give the node a gateway, or a route to the destination"
    )
    assert (silence.ok, silence.measured) == (True, 1.0)


def test_what_comes_later_than_is_waited_for_is_not_heard() -> None:
    found = one("ping: {from: a, to: 10.2.0.2}", impair="delay: 4s")
    assert (found.ok, found.outcome, found.hint) == (False, "timeout", "the answer takes 4000 ms")
    assert one("ping: {from: a, to: 10.2.0.2, expect: timeout}", impair="delay: 2s").ok
    assert one("ping: {from: a, to: 10.2.0.2}", impair="delay: 2s").ok


# -- sizes


@pytest.mark.parametrize("to", ["10.2.0.2", "[fd00:2::2]"])
def test_a_datagram_that_is_too_big_for_the_way_is_sent_again_in_pieces(to: str) -> None:
    send = "x" * 1400
    reply, silence = run(
        f'udp: {{from: a, to: "{to}:9000", send: {send}, reply: y}}',
        f'udp: {{from: a, to: "{to}:9000", send: {send}, expect: timeout}}',
    )
    assert reply.ok, reply.received
    assert (silence.outcome, silence.ending) == ("impossible", Verdict.TOO_BIG)


def test_a_datagram_that_nothing_holds_is_not_sent() -> None:
    found = one(f'udp: {{from: a, to: "10.2.0.2:9000", send: {"x" * 65508}}}')
    assert (found.outcome, found.received) == (
        "impossible",
        "the kernel of a would not send it: Message too long (EMSGSIZE)",
    )
    assert one(f'udp: {{from: a, to: "10.2.0.2:9000", send: {"x" * 3000}}}').ok
