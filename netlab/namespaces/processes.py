"""Processes as /proc shows them, turned into values; ending and awaiting them by descriptors that cannot be mistaken.

A pid is a name that is used again; a process is a pid and its start time. A descriptor (pidfd) holds on to one
process: whoever checks the start time after opening one holds the right process.

The numbers in /proc are those of the pid namespace that it was mounted in. Where a sandbox could not mount a /proc of
its own (masked containers), they are not the numbers that kill(2) takes; `open_process` translates.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """One process of /proc: its numbers there, its state letter, and its start in ticks since boot."""

    pid: int
    state: str
    group: int
    session: int
    start_time: int

    @property
    def alive(self) -> bool:
        """Whether it still runs: a zombie has ended, and only waits for its parent to notice."""
        return self.state not in "ZX"


def parse_stat(text: str) -> Process:
    """Turn the line of /proc/PID/stat into a Process; the name in parentheses may itself hold any character.

    >>> parse_stat("7 (a) b) S 1 6 5 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4711 0")
    Process(pid=7, state='S', group=6, session=5, start_time=4711)
    """
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Process(int(head.split(" ", 1)[0]), fields[0], int(fields[2]), int(fields[3]), int(fields[19]))


def process_of(pid: int) -> Process | None:
    """Give the process that has a pid now, or None."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return parse_stat(file.read())
    except (FileNotFoundError, ProcessLookupError):
        return None


def pids() -> Iterator[int]:
    """Give the pids in /proc now, in rising order; they may be gone by the time they are looked at."""
    yield from sorted(int(name) for name in os.listdir("/proc") if name.isascii() and name.isdecimal())


def namespace_of(pid: int, kind: str) -> int | None:
    """Give the inode of a process's namespace (`kind` as in /proc/PID/ns); None where it is gone or not ours to see."""
    try:
        return os.stat(f"/proc/{pid}/ns/{kind}").st_ino
    except OSError:
        return None


def _numbers(pid: int | str) -> list[int]:
    """Give a process's pid in each pid namespace from that of /proc inwards (`NSpid` in proc_pid_status(5))."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("NSpid:"):
                return [int(number) for number in line.split()[1:]]
    return []


def open_process(process: Process) -> int | None:
    """Open a pidfd on a process that /proc shows; None where it has ended or cannot be reached from here."""
    try:
        depth = len(_numbers("self"))
        numbers = _numbers(process.pid) if depth > 1 else [process.pid]
        if len(numbers) < depth:
            return None
        fd = os.pidfd_open(numbers[max(depth, 1) - 1])
    except (FileNotFoundError, ProcessLookupError):
        return None
    now = process_of(process.pid)
    if now is None or not now.alive or now.start_time != process.start_time:
        os.close(fd)
        return None
    return fd


def send(pidfd: int, number: int) -> None:
    """Send a signal to the process behind a descriptor; one that has ended is no error."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, number)


def await_ends(pidfds: Iterable[int], deadline: float) -> frozenset[int]:
    """Wait until the processes behind the descriptors have ended, or until a deadline; give those that still run.

    `deadline` is of time.monotonic().
    """
    left = set(pidfds)
    poll = select.poll()
    for fd in left:
        poll.register(fd, select.POLLIN)
    while left:
        # The last look costs no time: what has ended by then is not among those that still run.
        rest = max(0.0, deadline - time.monotonic())
        for fd, _ in poll.poll(rest * 1000):
            poll.unregister(fd)
            left.discard(fd)
        if not rest:
            break
    return frozenset(left)


def fork() -> int:
    """Fork a child that ignores Ctrl-C from its first instruction on: its maker hears of it, and stops the child.

    An exception of a signal's handler must never be raised in the child, which would go on as its maker.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return child


def reap(child: int) -> int:
    """Wait for a child and give its exit code, a signal as a negative one.

    0 where SIGCHLD is ignored, so that the kernel keeps none.
    """
    try:
        _, status = os.waitpid(child, 0)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status)
