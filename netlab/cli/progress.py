"""Work that takes longer than a second shows on a terminal that it goes on.

A child writes the line and erases it: the process at work needs no thread and no timer for it (threads would forbid
entering namespaces, timers would interrupt system calls).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from netlab.cli.call import Call

#: Seconds until anything is shown, and between two looks at the clock.
PATIENCE, TICK = 1.0, 0.5
#: Back to the line's start, and erase it (ECMA-48, EL).
ERASE = b"\r\x1b[K"


@contextmanager
def progress(call: Call, what: str) -> Iterator[None]:
    """Show `what` and the seconds gone by while the block runs, on a terminal's stderr, unless steps are logged."""
    if call.verbose or call.json or os.environ.get("TERM") == "dumb" or not sys.stderr.isatty():
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _tick(parent, what)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        yield
    finally:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)


def _tick(parent: int, what: str) -> NoReturn:
    """Write the line every so often, until SIGTERM, which is blocked, or the parent's end."""
    shown = False
    started = time.monotonic()
    try:
        wait = PATIENCE
        while signal.sigtimedwait({signal.SIGTERM}, wait) is None and os.getppid() == parent:
            os.write(2, ERASE + f"{what} ... {time.monotonic() - started:.0f} s".encode())
            shown, wait = True, TICK
    finally:
        if shown:
            os.write(2, ERASE)
        os._exit(0)
