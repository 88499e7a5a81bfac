"""The files of kernel settings, opened fast however many namespaces there are.

/proc/sys/net has one directory entry of each name for every namespace that was ever looked at, all in one hash chain,
and each comparison takes a global lock (fs/proc/proc_sysctl.c, proc_sys_compare): looking up `ipv4` in the thousandth
namespace passes a thousand others, three times. A proc file system of one's own, mounted nowhere, has a cache of its
own; it is made anew before its chains grow. Where that is not allowed, as in containers with a masked /proc, the
machine's is used.
"""

from __future__ import annotations

import os

from netlab.namespaces.syscalls import new_proc

ROOT = "/proc/sys/"
#: Lookups before the cache is made anew: making one costs as much as walking a chain of about as many.
_LOOKUPS = 64


class SettingsTree:
    """/proc/sys for one thread: each lookup is in the network namespace that the thread is in."""

    def __init__(self) -> None:
        self._root: int | None = None
        self._left = 0
        self._own = True

    def open(self, path: str, flags: int) -> int:
        """Open a file or directory below /proc/sys; raises OSError."""
        if self._left == 0:
            self._renew()
        self._left -= 1
        return os.open(path, flags | os.O_CLOEXEC, dir_fd=self._root)

    def close(self) -> None:
        if self._root is not None:
            os.close(self._root)
        self._root, self._left = None, 0

    def _renew(self) -> None:
        self.close()
        self._left = _LOOKUPS
        if self._own:
            try:
                proc = new_proc()
            except OSError:
                self._own = False
            else:
                try:
                    self._root = os.open("sys", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=proc)
                finally:
                    os.close(proc)
                return
        self._root = os.open(ROOT, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
