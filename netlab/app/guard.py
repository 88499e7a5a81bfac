"""The guard of `apply --confirm`: a detached process that undoes the apply unless it is confirmed in time.

It survives the terminal. `confirm` ends it; should it be killed, nothing is undone, and `status` says so.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netlab.app.world import World
from netlab.errors import NetlabError, UsageError
from netlab.namespaces.processes import open_process, process_of, send
from netlab.namespaces.programs import start_detached
from netlab.store import Record

#: Seconds that the guard waits for an apply that is under way.
_PATIENCE = 60.0


def start_guard(lab: str, seconds: float) -> dict[str, Any]:
    """Start the guard of a lab; give its pid and start time."""
    process = start_detached("netlab.app.guard", [lab, str(seconds)])
    return {"pid": process.pid, "start_time": process.start_time}


def cancel(record: Record | None) -> bool:
    """End the guard that a record names; tell whether there was one."""
    if record is None or record.confirm is None:
        return False
    process = process_of(int(record.confirm["pid"]))
    if process is not None and process.start_time == record.confirm["start_time"]:
        descriptor = open_process(process)
        if descriptor is not None:
            try:
                send(descriptor, signal.SIGTERM)
            finally:
                os.close(descriptor)
    return True


def confirm(lab: str, *, wait: float = 10.0, world: World | None = None) -> None:
    """Keep what `apply --confirm` made; raises UsageError where nothing waits for it."""
    world = world or World.here()
    with world.store.lock(lab, wait=wait):
        record = world.store.record(lab)
        if record is None:
            raise UsageError(f"no lab {lab!r} is up")
        if not cancel(record):
            raise UsageError(f"lab {lab!r} does not wait for a confirmation")
        world.store.save(replace(record, confirm=None))


def undo(lab: str, world: World) -> None:
    """Bring a lab back to what it was before the apply that was not confirmed."""
    from netlab.app.destroying import destroy
    from netlab.app.restore import restore

    with world.store.lock(lab, wait=_PATIENCE):
        record = world.store.record(lab)
        if record is None or record.confirm is None or record.confirm["pid"] != os.getpid():
            return
        previous: Mapping[str, Any] | None = record.confirm["previous"]
        # From here on it is too late to confirm.
        world.store.save(replace(record, confirm=None))
    if previous is None:
        destroy(lab, world=world)
    else:
        restore(world, record, previous)


def main(arguments: list[str]) -> int:
    """Wait until the deadline or SIGTERM, then undo, or not."""
    lab, seconds = arguments[0], float(arguments[1])
    deadline = time.monotonic() + seconds
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    while (left := deadline - time.monotonic()) > 0:
        if signal.sigtimedwait({signal.SIGTERM}, left) is not None:
            return 0
    try:
        undo(lab, World.here())
    except NetlabError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
