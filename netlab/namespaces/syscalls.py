"""The system calls that Python 3.11 has no name for: each takes plain values and raises OSError as `os` would.

ctypes lets other threads run during a call (it releases the interpreter's lock), so a thread may `unshare` or `setns`
its own network namespace while the rest of the process works. libc is opened at the first call, never at import.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ctypes

# include/uapi/linux/sched.h
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

# include/uapi/linux/mount.h
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
MS_SLAVE: Final = 0x80000
MS_SHARED: Final = 0x100000
MNT_DETACH: Final = 0x2

# include/uapi/linux/prctl.h
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4

# The same on every architecture (include/uapi/asm-generic/unistd.h); glibc has names for them from 2.36 on only.
_FSOPEN: Final = 430
_FSCONFIG: Final = 431
_FSMOUNT: Final = 432
# include/uapi/linux/mount.h: FSOPEN_CLOEXEC and FSMOUNT_CLOEXEC.
_CLOEXEC: Final = 1
_FSCONFIG_CMD_CREATE: Final = 6

_SFD_CLOEXEC: Final = 0o2000000
# include/uapi/linux/inotify.h
IN_CLOSE_WRITE: Final = 0x8
IN_MOVED_TO: Final = 0x80
IN_DELETE: Final = 0x200
IN_DELETE_SELF: Final = 0x400
_IN_NONBLOCK, _IN_CLOEXEC = 0o4000, 0o2000000
#: sizeof(sigset_t) of glibc and musl alike.
_SIGNAL_SET_BYTES: Final = 128


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    from ctypes import CDLL, c_char_p, c_int, c_ulong

    libc = CDLL(None, use_errno=True)
    libc.unshare.argtypes = [c_int]
    libc.setns.argtypes = [c_int, c_int]
    libc.mount.argtypes = [c_char_p, c_char_p, c_char_p, c_ulong, c_char_p]
    libc.umount2.argtypes = [c_char_p, c_int]
    libc.prctl.argtypes = [c_int, c_ulong, c_ulong, c_ulong, c_ulong]
    return libc


def _checked(result: int, name: str) -> int:
    if result < 0:
        from ctypes import get_errno

        number = get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def unshare(flags: int) -> None:
    """Move the calling thread into new namespaces of the kinds in `flags` (CLONE_NEW*)."""
    _checked(_libc().unshare(flags), "unshare")


def setns(fd: int, flags: int = 0) -> None:
    """Move the calling thread into the namespace that `fd` is open on; `flags` 0 takes any kind."""
    _checked(_libc().setns(fd, flags), "setns")


def mount(source: str, target: str, fstype: str, flags: int, data: str = "") -> None:
    """Mount `source` on `target`, or change how `target` is mounted already."""
    text: list[Any] = [os.fsencode(part) for part in (source, target, fstype, data)]
    _checked(_libc().mount(text[0], text[1], text[2], flags, text[3] or None), target)


def umount(target: str, flags: int = 0) -> None:
    """Take the topmost mount off `target`."""
    _checked(_libc().umount2(os.fsencode(target), flags), target)


def new_proc() -> int:
    """Give a descriptor of a proc file system of our own, mounted nowhere: fsopen(2), fsconfig(2), fsmount(2).

    Its root is /proc of the caller's pid namespace. Raise OSError where the kernel is older than 5.8, or forbids it.
    """
    libc = _libc()
    context = _checked(libc.syscall(_FSOPEN, b"proc", _CLOEXEC), "fsopen")
    try:
        _checked(libc.syscall(_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0), "fsconfig")
        return _checked(libc.syscall(_FSMOUNT, context, _CLOEXEC, 0), "fsmount")
    finally:
        os.close(context)


def die_with_parent() -> None:
    """Have the kernel send SIGKILL to the calling process when the thread that forked it ends.

    A fork, a change of user and a setuid program undo it; PR_SET_PDEATHSIG in prctl(2).
    """
    _checked(_libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def own_proc_files() -> None:
    """Make /proc/self belong to the caller's user again after a setuid without an exec; PR_SET_DUMPABLE in prctl(2)."""
    _checked(_libc().prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")


def signalfd(signals: Iterable[int]) -> int:
    """Give a descriptor that becomes readable when one of the (blocked) signals is pending."""
    from ctypes import create_string_buffer

    libc, wanted = _libc(), create_string_buffer(_SIGNAL_SET_BYTES)
    libc.sigemptyset(wanted)
    for number in signals:
        libc.sigaddset(wanted, number)
    return _checked(libc.signalfd(-1, wanted, _SFD_CLOEXEC), "signalfd")


def inotify() -> int:
    """Give a descriptor that tells, without blocking, of changes in the directories that `watch_directory` names."""
    return _checked(_libc().inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC), "inotify_init1")


def watch_directory(fd: int, path: str, events: int) -> None:
    """Have a descriptor of `inotify` tell of events (IN_*) in a directory; once more is no change."""
    _checked(_libc().inotify_add_watch(fd, os.fsencode(path), events), path)
