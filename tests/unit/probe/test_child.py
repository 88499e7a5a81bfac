"""When an attempt asks."""

from __future__ import annotations

from itertools import pairwise

import pytest

from netlab.probe.child import schedule
from netlab.probe.outcome import PATIENCE, patience
from netlab.topology.lab import Check
from tests.unit.probe.test_outcome import check


@pytest.mark.parametrize(
    ("asked", "times"),
    [
        (check(), (0.0, 0.3, 0.6, 1.6, 2.6)),
        (check("udp", "refused"), (0.0, 0.3, 0.6, 1.6, 2.6)),
        (check(expect="timeout"), (0.0, 0.3, 0.6)),
        (check("arp", "timeout"), (0.0, 0.3, 0.6)),
        (check("tcp"), (0.0,)),
        (check("tcp", within=5.0), (0.0,)),
    ],
)
def test_schedule(asked: Check, times: tuple[float, ...]) -> None:
    assert schedule(asked, lasting=False) == times
    assert times[-1] < patience(asked, [])


def test_every_request_counts_while_it_must_hold() -> None:
    assert schedule(check(lasting=3.0), lasting=True) == (0.0,)


def test_asking_goes_on_within_a_time() -> None:
    times = schedule(check(within=5.0), lasting=False)
    assert all(later - earlier == pytest.approx(0.3) for earlier, later in pairwise(times))
    assert PATIENCE - 0.3 <= times[-1] < PATIENCE
