"""`drift --watch`: the kernel's notifications -> what has drifted since, and what is as applied again.

A notification only says when to look: the whole drift is then read and planned as `drift` does, and compared with what
it was. While another netlab is at work on the lab, nothing is looked at: half of an apply is no drift.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from netlab.app.documents import change_to_json
from netlab.app.look import recorded
from netlab.app.targets import Found, lab_of, labs_by_marks, look_up
from netlab.app.transaction import read, scope_of
from netlab.app.world import World
from netlab.errors import FileError, Span, Unavailable
from netlab.facts import Facts, Key
from netlab.kernel.listening import Interest, listen, listen_to_programs
from netlab.kernel.notifications import QUIET, Notifications
from netlab.kernel.places import allow_descriptors
from netlab.namespaces.processes import open_process
from netlab.namespaces.sandbox import holder_of
from netlab.plan import Change, Reading
from netlab.plan import plan as planned_of
from netlab.store import Record

#: Seconds after which a lab that another netlab is at work on is looked at again, should nothing tell of its end.
_BUSY = 1.0
#: How often a reading that something changed under is begun anew.
_TRIES = 5

End = Literal["destroyed", "gone", "time", "interrupted"]


@dataclass(frozen=True, slots=True)
class DriftChange:
    """How a lab's drift has changed: what differs from what was applied and did not, or did otherwise, before; and
    what was said to differ, and is as applied again. `at` is in seconds since 1970.
    """

    lab: str
    at: float
    drifted: tuple[Change, ...]
    restored: tuple[Change, ...]
    origin: Mapping[Key, Span] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "changes": [change_to_json(change, self.origin) for change in self.drifted],
            "at": round(self.at, 3),
            "restored": [change.fact.label() for change in self.restored],
        }


@dataclass(frozen=True, slots=True)
class Watched:
    """Why a watch has ended: the lab was `destroyed`, or is `gone` with its sandbox; its `time` was up; Ctrl-C."""

    lab: str
    end: End


def compare_drift(before: Sequence[Change], now: Sequence[Change]) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Give what is new of a drift, or differs otherwise than before, and what has gone of it."""
    was = {change.fact.key: change for change in before}
    keys = {change.fact.key for change in now}
    drifted = tuple(change for change in now if was.get(change.fact.key) != change)
    return drifted, tuple(change for change in before if change.fact.key not in keys)


def watch(
    lab: str | None = None,
    *,
    on_drift: Callable[[DriftChange], object],
    seconds: float | None = None,
    world: World | None = None,
) -> Watched:
    """Tell a lab's drift, empty or not, and then every change of it as it happens, until the lab is gone.

    Ends after `seconds`, and at Ctrl-C. `on_drift` is called in the calling process. Raises UsageError where the lab is
    not up, or its record is lost.
    """
    world = world or World.here()
    found, _ = recorded(world, lab)
    until = None if seconds is None else time.monotonic() + seconds
    with Notifications(found.lab) as notifications:
        watching = _Watching(world, found, notifications, on_drift)
        with suppress(KeyboardInterrupt):
            return Watched(found.lab, watching.run(until))
    return Watched(found.lab, "interrupted")


class _Watching:
    """One watch: the lab as it was found last, and its drift as it was told last."""

    def __init__(
        self, world: World, found: Found, notifications: Notifications, tell: Callable[[DriftChange], object]
    ) -> None:
        self._world, self._found, self._notifications, self._tell = world, found, notifications, tell
        self._told: tuple[Change, ...] | None = None
        self._record: Record | None = None
        self._applied: Facts = {}
        self._origin: Mapping[Key, Span] = {}

    def run(self, until: float | None) -> End:
        self._follow_holder()
        while True:
            took, busy = QUIET, self._is_busy()
            if not busy:
                end = self._ended()
                if end is not None:
                    return end
                started = time.monotonic()
                busy = not self._look()
                took = time.monotonic() - started
            limits = [limit for limit in (until, time.monotonic() + _BUSY if busy else None) if limit is not None]
            # What takes long to read is read the less often.
            self._notifications.wait(min(limits, default=None), max(QUIET, took))
            if until is not None and time.monotonic() >= until:
                return "time"

    def _is_busy(self) -> bool:
        self._notifications.follow_store(self._world.store.where(self._found.lab))
        return self._world.store.busy(self._found.lab)

    def _ended(self) -> End | None:
        """Find the lab anew, and say whether it is there no more."""
        found = look_up(self._world, self._found.lab)
        if found.record is None:
            if found.sandbox is not None or found.lab in labs_by_marks(self._world):
                recorded(self._world, found.lab)  # which says what to do about a store that is lost
            return "destroyed"
        if found.gone:
            return "gone"
        another = found.sandbox != self._found.sandbox
        self._found = found
        if another:
            self._notifications.reset()
            self._follow_holder()
        if found.record != self._record:
            self._record, self._applied, self._origin = found.record, found.record.applied(), {}
        return None

    def _follow_holder(self) -> None:
        process = holder_of(self._found.sandbox) if self._found.sandbox is not None else None
        fd = open_process(process) if process is not None else None
        if fd is not None:
            self._notifications.follow(("holder",), fd)

    def _look(self) -> bool:
        """Read the lab and tell how its drift has changed; False where another netlab has begun to work on it."""
        for turn in range(_TRIES):
            try:
                now = planned_of(self._applied, self._read().facts).changes
            except (OSError, Unavailable):
                # A namespace went while it was read; or the whole lab goes.
                if self._is_busy() or look_up(self._world, self._found.lab) != self._found:
                    return False
                if turn == _TRIES - 1:
                    raise
            else:
                break
        if self._is_busy():
            return False
        before = self._told
        drifted, restored = compare_drift(before or (), now)
        self._told = now
        if before is None or drifted or restored:
            self._tell(DriftChange(self._found.lab, self._world.clock(), drifted, restored, self._lines()))
        return True

    def _lines(self) -> Mapping[Key, Span]:
        if not self._origin and self._record is not None:
            with suppress(FileError):
                self._origin = lab_of(self._record).origin
        return self._origin

    def _read(self) -> Reading:
        """Listen to what is there, and read it then: what changes after the reading is told."""
        found, world, applied, channel = self._found, self._world, self._applied, self._notifications.channel
        nodes = [fact.key[1] for fact in applied.values() if fact.family == "netns"]
        chains = {fact.nodes[0] for fact in applied.values() if fact.family == "chain"}
        programs = any(fact.family == "program" for fact in applied.values())
        interest = Interest(found.lab, nodes, chains, self._notifications.known)
        scope = scope_of(found.lab, found.machine, applied)
        allow_descriptors(len(nodes))

        def look() -> Reading:
            listen(channel, interest)
            doors = world.doors(found.lab, found.machine, world.logs / found.lab, programs)
            try:
                reading = read(doors, scope)
            finally:
                for door in doors:
                    door.close()
            if programs:
                pids = [seen["pid"] for key, seen in reading.observed.items() if key[0] == "program" and "pid" in seen]
                listen_to_programs(channel, interest, map(int, map(str, pids)))
            return reading

        try:
            return found.run(look)
        finally:
            self._notifications.take()
