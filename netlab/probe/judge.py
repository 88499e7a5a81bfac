"""A check and the observations of its probe become a verdict. Pure: it reads no clock and touches no machine.

Whether the check holds is decided by outcome.py's tables; words.py says it in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netlab.probe import words
from netlab.probe.events import Event
from netlab.probe.outcome import Outcome, by_the_right_one, last_attempt, outcome
from netlab.topology.lab import Check


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check came to."""

    check: Check
    ok: bool
    #: What became of it: one of its kind's expectations, or what none of them names (docs/checks.md).
    outcome: str
    #: What was sent, from which address and device, to which.
    sent: str
    #: What came back, and from whom.
    received: str
    #: Where to look, where the observations point somewhere.
    hint: str | None
    #: Seconds that the whole check took.
    elapsed: float
    #: What the probe observed; of many attempts, the first and the last.
    observations: tuple[Event, ...] = ()
    #: What was measured: latency in seconds, loss as a share from 0 to 1; None where nothing was, or is to be.
    measured: float | None = None


def judge(check: Check, events: Sequence[Event], elapsed: float) -> Verdict:
    """Turn a check's observations, in order, and the seconds it took into its verdict; the last attempt counts."""
    last = last_attempt(events)
    found = outcome(check, last)
    ok = found.name == check.expect and by_the_right_one(check, found)
    return Verdict(
        check=check,
        ok=ok,
        outcome=found.name,
        sent=words.sent(check, last),
        received=words.received(check, last, found, elapsed),
        hint=None if ok else words.hint(check, events, last, found),
        elapsed=elapsed,
        observations=tuple(events),
        measured=found.measured,
    )


def unprobed(check: Check, why: str, elapsed: float = 0.0) -> Verdict:
    """Give the verdict of a check that could not be probed at all: it fails, and says why."""
    nothing = Outcome("impossible")
    return Verdict(check, False, nothing.name, "nothing", why, None, elapsed)
