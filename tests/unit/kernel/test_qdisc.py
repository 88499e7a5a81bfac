"""Impairments to queueing disciplines and back: what the kernel is told is what it would tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from netlab.facts import Impairment
from netlab.facts.impairment import bits_of, burst_of, microseconds_of
from netlab.kernel.qdisc import impairment, new_qdisc
from netlab.kinds.impair import read_rate, read_share, read_time
from tests.unit.kernel.test_codec import by_pyroute2

times = st.integers(1, 3_600_000_000).map(lambda number: read_time(f"{number}us"))
shares = st.integers(1, 100_000).map(lambda number: read_share(f"{number / 1000:.3f}%"))
rates = st.integers(1, 0xFFFFFFFF).map(lambda number: read_rate(f"{number * 8}bit"))


@st.composite
def impairments(draw: st.DrawFn) -> Impairment:
    names = draw(st.sets(st.sampled_from(["jitter", "loss", "duplicate", "reorder", "corrupt", "rate"])))
    values = {name: draw(times if name == "jitter" else rates if name == "rate" else shares) for name in names}
    if names & {"jitter", "reorder"} or not names or draw(st.booleans()):
        values["delay"] = draw(times)
    return Impairment("", "", **values)


@given(impairments())
def test_netem_as_it_is_told_reads_as_it_was_meant(fact: Impairment) -> None:
    _, _, body = new_qdisc(fact, 7, netem=True)
    assert impairment(body, 0, len(body)) == (7, fact)


@given(rates)
def test_tbf_as_it_is_told_reads_as_it_was_meant(rate: str) -> None:
    fact = Impairment("", "", rate=rate)
    _, _, body = new_qdisc(fact, 7, netem=False)
    assert impairment(body, 0, len(body)) == (7, fact)
    assert burst_of(bits_of(rate)) >= 3200


def test_another_library_reads_the_same() -> None:
    fact = Impairment("a", "eth0", "20ms", "1500us", "1%", "2%", "3%", "4%", "8mbit")
    kind, flags, body = new_qdisc(fact, 7, netem=True)
    found = by_pyroute2(tcmsg, (kind, flags, body))
    told = dict(found["attrs"])
    assert (found["index"], told["TCA_KIND"]) == (7, "netem")
    options = told["TCA_OPTIONS"]
    assert options["loss"] == round(0xFFFFFFFF / 100)
    assert (options["duplicate"], options["gap"], options["limit"]) == (round(0xFFFFFFFF / 50), 1, 1000)
    inner = dict(options["attrs"])
    assert inner["TCA_NETEM_REORDER"]["prob_reorder"] == round(0xFFFFFFFF * 0.03)
    assert inner["TCA_NETEM_CORRUPT"]["prob_corrupt"] == round(0xFFFFFFFF * 0.04)
    assert inner["TCA_NETEM_RATE"]["rate"] == 1_000_000


def test_a_qdisc_that_is_no_impairment_is_none() -> None:
    _, _, body = new_qdisc(Impairment("", "", delay="1ms"), 7, netem=True)
    other = body.replace(b"netem\0", b"cake_\0")
    assert impairment(other, 0, len(other)) is None
    below = bytearray(body)
    below[12:16] = (1).to_bytes(4, "little")
    assert impairment(bytes(below), 0, len(below)) is None, "one that hangs on another"


def test_what_differs_is_named() -> None:
    want = Impairment("a", "eth0", delay="20ms", loss="1%")
    have = replace(want, delay=None, rate="8bit")
    assert [str(d.field) for d in want.differences(have)] == ["delay", "rate"]
    assert want.words() == ["delay", "20ms", "loss", "1%"]
    assert replace(want, jitter="1ms").words() == ["delay", "20ms", "1ms", "loss", "1%"]


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (read_time, {"20ms": "20ms", "0.5s": "500ms", "1500us": "1500us", "1h": None, "0.0000001s": None}, "20 min"),
        (read_share, {"1%": "1%", "0.25%": "0.25%", "100%": "100%", "33.3333333%": "33.333%", "100.1%": None}, "1"),
        (read_rate, {"10mbit": "10mbit", "1.5Mbit": "1500kbit", "1gbit": "1gbit", "1bit": None, "99gbit": None}, "1"),
    ],
)
def test_values_have_one_form(read: object, good: dict[str, str | None], bad: str) -> None:
    assert callable(read)
    for text, form in {**good, bad: None}.items():
        if form is not None:
            assert read(text) == form
            assert read(form) == form
        else:
            with pytest.raises(PydanticCustomError) as caught:
                read(text)
            assert caught.value.context is not None
            assert caught.value.context["fix"]


def test_times_are_read_back() -> None:
    assert [microseconds_of(text) for text in ("20ms", "7us", "2s")] == [20_000, 7, 2_000_000]
