"""`apply --confirm` and `confirm`: a guard that is started, told, and ended by who confirms in time.

What it may undo is a promise, in the store's journal and then in the lab's record: which guard, until when, and what
the lab was when it was last confirmed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from netlab.app.world import World
from netlab.errors import UsageError
from netlab.namespaces.processes import Process, open_process, process_of, send
from netlab.store import Record


@dataclass(slots=True)
class Guard:
    """A guard that has been started; a context: left without `arm`, the guard learns that there was no success."""

    process: Process
    _pipe: int | None

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    def promise(self, until: float, previous: Mapping[str, Any] | None) -> dict[str, Any]:
        """Give what the store is to remember."""
        named = {"pid": self.process.pid, "start_time": self.process.start_time}
        return {**named, "until": until, "previous": previous}

    def arm(self, seconds: float) -> bool:
        """Have it undo after so long; tell whether it was there to hear that."""
        assert self._pipe is not None, "a guard is armed once"
        try:
            os.write(self._pipe, f"{seconds}".encode())
        except BrokenPipeError:
            return False
        finally:
            self.__exit__()
        return True


def start_guard(lab: str) -> Guard:
    """Start the guard of a lab; raises Unavailable."""
    from netlab.namespaces.programs import start_detached

    hears, says = os.pipe()
    try:
        return Guard(start_detached("netlab.app.guard", [lab], hears), says)
    except BaseException:
        os.close(says)
        raise
    finally:
        os.close(hears)


def guard_of(record: Record | None) -> Process | None:
    """Give the guard that waits for a lab's confirmation, if it lives."""
    if record is None or record.confirm is None:
        return None
    process = process_of(record.confirm["pid"])
    named = process is not None and process.alive and process.start_time == record.confirm["start_time"]
    return process if named else None


def cancel(record: Record | None) -> None:
    """End the guard that a record names, but for the one that asks; call it while the lab is locked."""
    process = guard_of(record)
    descriptor = open_process(process) if process is not None and process.pid != os.getpid() else None
    if descriptor is not None:
        try:
            send(descriptor, signal.SIGTERM)
        finally:
            os.close(descriptor)


def confirm(lab: str, *, wait: float = 10.0, world: World | None = None) -> None:
    """Keep what `apply --confirm` made; raises UsageError where nothing waits for it."""
    world = world or World.here()
    with world.store.lock(lab, wait=wait):
        record = world.store.record(lab)
        if world.store.pending(lab) is not None:
            raise UsageError(
                f"an apply, or the undoing of one, was cut short in lab {lab!r}\n  fix: netlab apply FILE, or "
                f"netlab destroy {lab}"
            )
        if record is None:
            raise UsageError(f"no lab {lab!r} is up")
        if record.confirm is None:
            raise UsageError(f"lab {lab!r} does not wait for a confirmation\n  fix: netlab status {lab}")
        cancel(record)
        world.store.save(replace(record, confirm=None))
