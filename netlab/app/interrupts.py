"""Ctrl-C, let through only where it may stop what is going on; elsewhere it is kept until there.

Python raises KeyboardInterrupt between any two instructions. Between a step and the note of it, that would leave a lab
of which nobody knows how far it came.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """A context in which SIGINT interrupts in `window` blocks only, and once at most.

    What came in between is raised at the next window, or else at the end. An interrupt that somebody has made another
    error of, as an import can that it came into, is one again when it leaves a window. Only a main thread hears of
    signals, and only one that is not to ignore them.
    """

    def __init__(self) -> None:
        self._open = self._waiting = self._raised = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGINT)):
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self._waiting and kind is None:
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._waiting = True
        if self._open:
            self._raised = True
            self._interrupt()

    def _interrupt(self) -> None:
        self._open = self._waiting = False
        raise KeyboardInterrupt

    @contextmanager
    def window(self) -> Iterator[None]:
        """Let an interrupt stop what is in the block."""
        if self._waiting:
            self._interrupt()
        self._open = True
        try:
            yield
        except Exception as error:
            if self._raised:
                raise KeyboardInterrupt from error
            raise
        finally:
            self._open = self._raised = False
