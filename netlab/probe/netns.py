"""The three system calls that a probe needs and Python 3.11 lacks: setns, unshare and PR_SET_PDEATHSIG, by ctypes."""

from __future__ import annotations

import ctypes
import os
import signal

_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def enter(fd: int) -> None:
    """Move the calling thread into the network namespace that `fd` is open on (setns(2)); OSError if it may not."""
    _call("setns", fd, _CLONE_NEWNET)


def enter_an_empty_one() -> None:
    """Move the calling thread into a new network namespace with nothing in it (unshare(2)); OSError if it may not."""
    _call("unshare", _CLONE_NEWNET)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent thread ends; `parent` is the pid that it should still have."""
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have gone before the call.
    if os.getppid() != parent:
        os._exit(1)
