"""The guard of `apply --confirm`: a detached process that undoes the apply unless it is confirmed in time.

It is there before the apply begins, and knows by a pipe what became of it:

    the pipe says a number of seconds     the apply is done; it is undone after so long, unless the guard is ended
    the pipe ends without a word          the apply failed, or was killed: undone at once if the store says so

It survives the terminal; should it be killed, nothing is undone, and `status` says so. See confirming for who starts
and ends it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

from netlab.app.destroying import take_down
from netlab.app.restore import restore
from netlab.app.world import World
from netlab.errors import NetlabError
from netlab.namespaces.programs import detach

#: Seconds that the guard waits for an apply that is under way.
_PATIENCE = 60.0


def undo(lab: str, world: World) -> None:
    """Bring a lab back to what it was when it was last confirmed, if it is ours to do.

    The journal says so until it is done: killed, the next apply or destroy begins from what is there.
    """
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
