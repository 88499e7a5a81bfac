"""What echoes were measured becomes an amount and its place beside the bounds. Pure: no clock, no sockets.

    latency  the median, in seconds, of the round trips that came to an end: one that a busy machine holds up counts
             no more than any other
    loss     the share, from 0 to 1, of the echo requests to which no answer came

A measurement comes after a ping (`asked_first`), which is not counted: it finds out neighbours, and tells what is
wrong where nothing can be measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Final, Literal

from netlab.probe.events import Event
from netlab.topology.lab import Check

#: The kinds of check that measure.
MEASURED: Final = frozenset({"latency", "loss"})
#: Seconds between two echo requests of a loss: slower than sockets and queues fill up.
GAP: Final = 0.002
#: Seconds that an echo is waited for beyond what it may take.
MARGIN: Final = 1.0
#: How many times slower than GAP the sending may go, and seconds beside, before it is given up.
_SLOWER, _BESIDE = 10, 10.0

Place = Literal["below", "inside", "above"]


def asked_first(check: Check) -> Check:
    """Give what is asked before a measurement: a ping; of any other check, the check itself."""
    if check.between is None:
        return check
    # The bound of a latency stays, for it says how long an answer may take.
    return replace(check, kind="ping", expect="reply", between=check.between if check.kind == "latency" else None)


def round_trip(events: Sequence[Event]) -> float:
    """Give the seconds that the first answer to a ping took; 0 where none came."""
    left = {event.number: event.at for event in events if event.what == "sent"}
    return next((event.at - left.get(event.number, event.at) for event in events if event.what == "reply"), 0.0)


def slowest_answer(check: Check) -> float:
    """Give the seconds that an answer must be waited for because the check speaks of answers so slow."""
    return check.between[1] + MARGIN if check.between is not None and check.kind != "loss" else 0.0


def patience_for_echo(check: Check, slowest: float) -> float:
    """Give the seconds that an echo is waited for where the slowest so far took so many."""
    return max(slowest_answer(check), MARGIN + 2 * slowest)


def time_to_send(count: int) -> float:
    """Give the seconds that so many echo requests may take to leave."""
    return _BESIDE + count * GAP * _SLOWER


def longest(check: Check, first: float) -> float:
    """Give the seconds that a measurement may take in all, where an answer to the ping takes `first` at most."""
    if check.between is None or check.count is None:
        return 0.0
    one = patience_for_echo(check, first)
    return first + (check.count * one if check.kind == "latency" else time_to_send(check.count) + one)


def measurement(events: Sequence[Event]) -> Event | None:
    """Give the measurement among an attempt's events, if it came to one."""
    return next((event for event in events if event.what == "measured"), None)


def amount(check: Check, events: Sequence[Event]) -> float | None:
    """Give what an attempt measured: seconds, or a share; None where there was nothing to measure."""
    found = measurement(events)
    if check.between is None or found is None or not found.number:
        return None
    if check.kind == "loss":
        return (found.lost or 0) / found.number
    return median(found.took) if found.took else None


def place(measured: float, between: tuple[float, float]) -> Place:
    """Say where an amount lies; the bounds themselves are inside.

    >>> place(0.0, (0.0, 0.01)), place(0.02, (0.0, 0.01))
    ('inside', 'above')
    """
    return "below" if measured < between[0] else "above" if measured > between[1] else "inside"
