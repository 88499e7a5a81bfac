"""Turning a forked child into a process that owes nothing to its parent: no terminal, no streams, no descriptors."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Mapping, Sequence
from typing import NoReturn


def close_descriptors(but: Collection[int] = ()) -> None:
    """Close every descriptor above the three streams, except those given."""
    kept = sorted({2, *but})
    for low, high in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(low + 1, high)


def silence_streams(output: int | None = None) -> None:
    """Point the standard streams at /dev/null, or the two outgoing ones at the descriptor `output`."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(null if output is None else output, 1)
    os.dup2(null if output is None else output, 2)
    if null > 2:
        os.close(null)


def forget_signals() -> None:
    """Give every signal its default action and let all of them through: an exec keeps what is ignored or blocked."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) is not signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def leave_session() -> None:
    """Become the leader of a session without a terminal, in the root directory."""
    os.setsid()
    os.chdir("/")
    os.umask(0o022)


def become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace the calling process by a program, given by its path; raise OSError where it cannot be run."""
    os.execve(command[0], list(command), environment)  # noqa: S606 -- without a shell is how it is meant
