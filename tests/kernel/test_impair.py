"""Impairments on the real kernel: slowed natively, delayed and lost where the kernel has netem; by file and by hand."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from netlab import app
from netlab.errors import Obstructed, Unavailable, UsageError
from netlab.facts import Difference
from tests.capabilities import lacking
from tests.kernel.stage import Stage, made_up, told
from tests.kernel.traffic import echo

pytestmark = pytest.mark.kernel

LAB = """
name: wire
netns:
  a: {interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24 IMPAIR}}}
  b: {interfaces: {eth0: {address: 10.0.0.2/24}}}
"""
#: Sends many datagrams of 1,000 bytes and says how many seconds they took to leave: the socket holds what is queued.
SEND = """
import socket, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
    start = time.monotonic()
    for _ in range(int(sys.argv[1])):
        sock.sendto(bytes(1000), ("10.0.0.2", 9))
    print(time.monotonic() - start)
"""


def lab(impair: str = "") -> str:
    return LAB.replace("IMPAIR", f", impair: {{{impair}}}" if impair else "")


def qdisc(stage: Stage, node: str) -> dict[str, Any]:
    """Give the queueing discipline of eth0, by tc."""
    found = json.loads(stage.run(node, "tc", "-j", "qdisc", "show", "dev", "eth0"))
    return dict(found[0]) if found else {"kind": "noqueue"}


def seconds_to_send(stage: Stage, count: int) -> float:
    return float(stage.run("a", sys.executable, "-c", SEND, str(count)))


@made_up
def test_a_rate_slows_down_what_leaves(stage: Stage) -> None:
    stage.apply(lab())
    assert qdisc(stage, "a")["kind"] == "noqueue"
    done = stage.apply(lab("rate: 1mbit"))
    assert told(done.plan) == ["+ impairment of a:eth0"]
    # 60,000 bytes and their heads at 125,000 a second, less a bucket of 3,200 and what the socket holds.
    assert seconds_to_send(stage, 60) > 0.35
    assert qdisc(stage, "a")["kind"] in ("tbf", "netem")
    devices = stage.devices()
    done = stage.apply(lab("rate: 8mbit"))
    assert told(done.plan) == ["~ impairment of a:eth0"]
    assert stage.devices() == devices
    stage.apply(lab())
    assert qdisc(stage, "a")["kind"] == "noqueue"


@made_up
def test_by_hand_it_changes_and_drift_shows_it_and_apply_takes_it_back(stage: Stage) -> None:
    stage.apply(lab("rate: 10mbit"))
    assert app.impair("a:eth0").after == {"rate": "10mbit"}
    found = app.impair("wire/a:eth0", {"rate": "5mbit"})
    assert (found.before, found.after) == ({"rate": "10mbit"}, {"rate": "5mbit"})
    app.impair("b:eth0", {"rate": "1gbit"})
    drift = app.drift("wire")
    assert [f"{c.action.glyph} {c.fact.label()}" for c in drift.changes] == [
        "~ impairment of a:eth0",
        "- impairment of b:eth0",
    ]
    assert [d for c in drift.changes for d in c.differences] == [Difference("rate", "5mbit", "10mbit")]
    stage.apply(lab("rate: 10mbit"))
    assert not app.drift("wire").changes
    assert app.impair("a:eth0", clear=True).after == {}
    assert qdisc(stage, "a")["kind"] == "noqueue"
    assert app.impair("a:eth0", {"rate": ""}).after == {}
    stage.apply(lab("rate: 10mbit"))


@made_up
def test_a_strangers_qdisc_is_drift_whatever_its_device(stage: Stage) -> None:
    stage.apply(lab("rate: 10mbit"))
    stage.sh("a", "tc qdisc replace dev eth0 root tbf rate 3mbit burst 10kb latency 50ms")
    stage.sh("b", "tc qdisc replace dev eth0 root tbf rate 3mbit burst 10kb latency 50ms")
    done = stage.apply(lab("rate: 10mbit"))
    assert told(done.plan) == ["~ impairment of a:eth0", "- impairment of b:eth0"]
    stage.sh("a", "tc qdisc delete dev eth0 root")
    assert told(stage.apply(lab("rate: 10mbit")).plan) == ["+ impairment of a:eth0"]


@made_up
def test_wrong_wishes_are_refused_with_a_way_out(stage: Stage) -> None:
    stage.apply(lab())
    for place, wishes, words in (
        ("a", {"rate": "1mbit"}, "names no device"),
        ("a:eth7", {"rate": "1mbit"}, "has no device a:eth7"),
        ("c:eth0", {"rate": "1mbit"}, "has no device c:eth0"),
        ("a:eth0", {"speed": "1mbit"}, "nothing is called 'speed'"),
        ("a:eth0", {"rate": "fast"}, "'fast' is no rate"),
        ("a:eth0", {"jitter": "1ms"}, "jitter needs a delay"),
        ("x/a:eth0", {"rate": "1mbit"}, "no lab 'x' is up"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            app.impair(place, wishes)
        assert "fix: " in str(caught.value)
    assert qdisc(stage, "a")["kind"] == "noqueue"


@made_up
def test_a_kernel_without_netem_says_so_before_anything_is_done(stage: Stage) -> None:
    if not lacking(frozenset({"netem"})):
        stage.apply(lab("delay: 20ms"))
        return
    with pytest.raises(Obstructed, match="can only slow devices down"):
        stage.try_to_apply(lab("delay: 20ms"))
    assert app.status() == ()
    stage.apply(lab())
    with pytest.raises(Unavailable, match="can only slow devices down"):
        app.impair("a:eth0", {"delay": "20ms"})


@pytest.mark.needs("netem")
@made_up
def test_packets_are_late_and_lost(stage: Stage) -> None:
    stage.apply(lab())
    assert echo(stage, "a", "10.0.0.2") is not None
    stage.apply(lab("delay: 300ms"))
    late = echo(stage, "a", "10.0.0.2")
    assert late is not None
    assert late >= 0.3
    stage.apply(lab("loss: 100%"))
    assert echo(stage, "a", "10.0.0.2") is None
    stage.apply(lab())
    assert echo(stage, "a", "10.0.0.2") is not None


@pytest.mark.needs("netem")
@made_up
def test_every_property_is_read_back_and_changed_in_place(stage: Stage) -> None:
    every = "delay: 20ms, jitter: 2ms, loss: 1%, duplicate: 2%, reorder: 3%, corrupt: 4%, rate: 80mbit"
    stage.apply(lab(every))
    options = qdisc(stage, "a")["options"]
    assert options["delay"] == {"delay": 0.02, "jitter": 0.002, "correlation": 0}
    assert options["loss-random"] == {"loss": 0.01, "correlation": 0}
    assert options["duplicate"] == {"duplicate": 0.02, "correlation": 0}
    assert options["reorder"] == {"reorder": 0.03, "correlation": 0}
    assert options["corrupt"] == {"corrupt": 0.04, "correlation": 0}
    assert options["rate"]["rate"] == 10_000_000
    devices = stage.devices()
    done = stage.apply(lab(every.replace("loss: 1%, ", "").replace("20ms", "1s")))
    assert told(done.plan) == ["~ impairment of a:eth0"]
    assert stage.devices() == devices
    assert "loss-random" not in qdisc(stage, "a")["options"]
    stage.apply(lab("delay: 1s"))
    assert set(qdisc(stage, "a")["options"]) & {"jitter", "duplicate", "reorder", "corrupt", "rate"} == set()
    stage.sh("a", "tc qdisc delete dev eth0 root; tc qdisc add dev eth0 root netem delay 7ms")
    found = app.impair("a:eth0", {"loss": "0.5%"})
    assert (found.before, found.after) == ({"delay": "7ms"}, {"delay": "7ms", "loss": "0.5%"})
    assert len(app.drift("wire").changes) == 1
