"""The guard of `apply --confirm`: a detached process that undoes the apply unless it is confirmed in time.

It is there before the apply begins, and knows by a pipe what became of it:

    the pipe says a number of seconds     the apply is done; it is undone after so long, unless the guard is ended
    the pipe ends without a word          the apply failed, or was killed: undone at once if the store says so

What it may undo is a promise, in the store's journal and then in the lab's record: which guard, until when, and what
the lab was when it was last confirmed. The guard survives the terminal; should it be killed, nothing is undone, and
`status` says so.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from netlab.app.world import World
from netlab.errors import NetlabError, UsageError
from netlab.namespaces.processes import Process, open_process, process_of, send
from netlab.store import Record

#: Seconds that the guard waits for an apply that is under way.
_PATIENCE = 60.0


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


def undo(lab: str, world: World) -> None:
    """Bring a lab back to what it was when it was last confirmed, if it is ours to do.

    The journal says so until it is done: killed, the next apply or destroy begins from what is there.
    """
    from netlab.app.destroying import take_down
    from netlab.app.restore import restore

    with world.store.lock(lab, wait=_PATIENCE):
        record, journal = world.store.record(lab), world.store.pending(lab)
        found = _promised(record.confirm if record is not None else None) or _promised((journal or {}).get("confirm"))
        if found is None:
            return
        world.store.begin(lab, {**(journal or {}), "verb": "undo", "confirm": found})
        if found["previous"] is None:
            take_down(world, lab)
        else:
            restore(world, lab, found["previous"])


def _promised(promise: Any) -> Mapping[str, Any] | None:
    """Give a promise that names this process."""
    return promise if isinstance(promise, Mapping) and promise.get("pid") == os.getpid() else None


def main(arguments: list[str]) -> int:
    """Wait until the deadline, then undo; SIGTERM ends the wait, and the guard."""
    from netlab.namespaces.programs import detach

    (lab,) = arguments
    detach()
    word = sys.stdin.buffer.read()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    deadline = time.monotonic() + (float(word) if word else 0.0)
    while (left := deadline - time.monotonic()) > 0:
        if signal.sigtimedwait({signal.SIGTERM}, left) is not None:
            return 0
    try:
        undo(lab, World.here())
    except NetlabError:
        return 1  # the journal stays, and `status` says that an undo was cut short
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
