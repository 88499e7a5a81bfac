"""Signals that would interrupt a process while it waits for a worker, turned into signals for the worker.

Ctrl-C on a terminal reaches the whole foreground group, the worker too; `kill` and a test reach one process only. So a
signal is passed on unless it came from the terminal, and the worker takes two that come almost together for one.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM)
#: Seconds within which two signals are one: a group's, and the one passed on.
_SAME_SIGNAL: Final = 0.5


@contextmanager
def passing_on(mask: set[int | signal.Signals]) -> Iterator[Callable[[int], None]]:
    """While waiting: take the signals that would raise something here, and pass on what came for this process alone.

    Gives the function that learns the worker's pid. Python lets only the main thread handle signals; what is ignored
    or kills goes on to do so.
    """
    worker: list[int] = []
    waiting: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        if not worker:
            waiting.append(number)
        elif number != signal.SIGINT or not _in_foreground():
            with suppress(ProcessLookupError):
                os.kill(worker[0], number)

    def learn(pid: int) -> None:
        worker.append(pid)
        for number in waiting:
            pass_on(number, None)

    before = {}
    for number in PASSED_ON if threading.current_thread() is threading.main_thread() else ():
        if callable(signal.getsignal(number)):
            before[number] = signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        yield learn
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_foreground() -> bool:
    """Tell whether Ctrl-C on the terminal goes to this process's group, and so to the worker by itself."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def merge(number: int) -> None:
    """Have the handler of a signal called once for those that come almost together."""
    handler = signal.getsignal(number)
    last = [float("-inf")]

    def once(number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - last[0] >= _SAME_SIGNAL and callable(handler):
            last[0] = now
            handler(number, frame)

    if callable(handler):
        signal.signal(number, once)
