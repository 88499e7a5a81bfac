"""A path -> the right to act alone, held by one process until it lets go or dies.

The lock is flock's (flock(2)) on a file that names its holder. Three traps:

    the file may be unlinked while we wait    after locking, look whether the path still leads to what was locked
    exec passes descriptors on                O_CLOEXEC
    fork passes them on too, and an flock lives as long as any copy is open    the child closes its copy at once
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from netlab.errors import Busy

#: flock(2) cannot wait for a limited time; a signal or a thread would disturb the caller. So it is tried this often.
_INTERVAL = 0.02
_LONGEST_COMMAND = 200


class Lock:
    """A context: on entering, the lock is ours or Busy is raised after `wait` seconds; on leaving, it is free.

    `make` makes the directory of the file; `leave`, called while the lock is still held, cleans up around it. `window`
    gives the context of waiting: what Ctrl-C may stop, where it is kept elsewhere.
    """

    def __init__(
        self,
        path: Path,
        what: str,
        wait: float,
        make: Callable[[], object],
        leave: Callable[[], object],
        window: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> None:
        self._path, self._what, self._wait, self._make, self._leave = path, what, wait, make, leave
        self._window = window
        self._descriptor: int | None = None

    def __enter__(self) -> Lock:
        deadline = time.monotonic() + self._wait
        while (descriptor := self._try()) is None:
            if time.monotonic() >= deadline:
                raise Busy(f"{self._what} is locked by {holder(self._path)}")
            with self._window():
                time.sleep(_INTERVAL)
        self._descriptor = descriptor
        me = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _close_copy(me()))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "command": _command()}).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is None:
            return
        self._leave()
        descriptor, self._descriptor = self._descriptor, None
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def _try(self) -> int | None:
        """Give the descriptor of the locked file, or None where another holds it."""
        while True:
            self._make()
            try:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                descriptor = os.open(self._path, flags, 0o600)
            except FileNotFoundError:
                continue  # the last holder removed the directory between our two calls
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(self._path)):
                    return descriptor
            os.close(descriptor)

    def close_copy(self) -> None:
        """Close a forked child's copy of the descriptor, which leaves the parent's lock as it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _close_copy(lock: Lock | None) -> None:
    if lock is not None:
        lock.close_copy()


def is_held(path: Path) -> bool:
    """Tell whether a process holds the lock now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def holder(path: Path) -> str:
    """Say who holds a lock, from what the holder wrote into the file: its pid and command."""
    try:
        found = json.loads(path.read_bytes())
        return f"process {int(found['pid'])} ({found['command']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _command() -> str:
    """Give our own command line, as it was typed but for the quotes."""
    words = Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    return b" ".join(words).decode(errors="replace")[:_LONGEST_COMMAND]
