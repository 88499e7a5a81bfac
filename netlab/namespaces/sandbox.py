"""Sandboxes: namespaces of a lab's own, held by one small process, made, found again, checked and ended.

A sandbox is net, mount and pid namespaces (and a user namespace, where there is no root) of a holder. What proves that
a process is a lab's holder: its pid with its start time, or, without the store, the alias of `lo` in its network
namespace (`netlab:LAB/host`) and its user. Its command line only says where to look.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Final

from netlab.errors import Busy, Unavailable
from netlab.names import HOST, parse_mark
from netlab.namespaces.holder import KEEP, WORD
from netlab.namespaces.lacks import explain, read_limits
from netlab.namespaces.loopback import loopback_alias
from netlab.namespaces.making import become_holder
from netlab.namespaces.nodes import own_namespace
from netlab.namespaces.processes import (
    Process,
    await_ends,
    fork,
    namespace_of,
    open_process,
    pids,
    process_of,
    reap,
    send,
)
from netlab.namespaces.syscalls import CLONE_NEWNET, CLONE_NEWUSER, setns

#: Where the word stands in a holder's command line: after the interpreter, -I, -S and the file.
_WORD_AT: Final = 4
#: Seconds within which a sandbox is made; it takes 20 ms on an idle machine.
_MAKING: Final = 10.0
#: Seconds within which a holder whose maker was killed has kept or ended itself, and how often it is looked at.
_CHOOSING: Final = 1.0
_MOMENT: Final = 0.002


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox by its holder: pid, start time in ticks since boot, and the inodes of its namespaces.

    `user` is None where the sandbox lives in its maker's own user namespace, as root's does.
    """

    pid: int
    start_time: int
    net: int
    mount: int
    pid_namespace: int
    user: int | None = None

    def to_json(self) -> dict[str, int | None]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Sandbox:
        """Turn what `to_json` gave back into a Sandbox; raise KeyError where a field is missing."""
        user = document["user"]
        pid, start_time, net, mount, pid_namespace = (
            int(document[name]) for name in ("pid", "start_time", "net", "mount", "pid_namespace")
        )
        return cls(pid, start_time, net, mount, pid_namespace, None if user is None else int(user))


def _sandbox_of(process: Process) -> Sandbox | None:
    """Give the sandbox that a process would be the holder of, or None where it is gone or not ours to see."""
    net, mount, pid_namespace, user = (namespace_of(process.pid, kind) for kind in ("net", "mnt", "pid", "user"))
    if net is None or mount is None or pid_namespace is None or user is None:
        return None
    own = os.stat("/proc/self/ns/user").st_ino
    return Sandbox(process.pid, process.start_time, net, mount, pid_namespace, None if user == own else user)


def _named(sandbox: Sandbox) -> Process | None:
    """Give the process that has the holder's pid and start time, if it lives."""
    process = process_of(sandbox.pid)
    return process if process is not None and process.alive and process.start_time == sandbox.start_time else None


def holder_of(sandbox: Sandbox) -> Process | None:
    """Give the holder's process, or None where it has ended, whoever has its pid now."""
    process = _named(sandbox)
    same = (
        namespace_of(sandbox.pid, "net") == sandbox.net
        and namespace_of(sandbox.pid, "mnt") == sandbox.mount
        and namespace_of(sandbox.pid, "pid") == sandbox.pid_namespace
        and (sandbox.user is None or namespace_of(sandbox.pid, "user") == sandbox.user)
    )
    return process if same else None


def is_alive(sandbox: Sandbox) -> bool:
    """Tell whether the sandbox is there: its holder runs, and is the same process in the same namespaces."""
    return holder_of(sandbox) is not None


def end_sandbox(sandbox: Sandbox, timeout: float = 20.0) -> None:
    """End a sandbox with everything that runs in it; one that is gone already is a success.

    Processes of other sessions that had entered its network namespace keep that alive: they are waited for, and where
    they stay for `timeout` seconds, Busy names them.
    """
    deadline = time.monotonic() + timeout
    # A holder that is about to end shows no namespaces any more, and is to be waited for: pid and start time must do.
    holder = _named(sandbox) if namespace_of(sandbox.pid, "net") in (None, sandbox.net) else None
    fd = open_process(holder) if holder is not None else None
    if holder is None or fd is None:
        return
    inside = {fd: holder}
    try:
        # Looked up while the holder lives: the inode of a namespace that has gone may be another one's.
        for pid in pids():
            process = process_of(pid) if namespace_of(pid, "net") == sandbox.net else None
            if process is not None and process.pid not in (holder.pid, os.getpid()):
                other = open_process(process)
                if other is not None:
                    inside[other] = process
        send(fd, signal.SIGKILL)
        left = await_ends(inside, deadline)
        if left:
            names = ", ".join(str(inside[one].pid) for one in sorted(left))
            raise Busy(f"the sandbox lives on: process {names} is inside it and does not end")
    finally:
        for one in inside:
            os.close(one)


def _marked_lab(sandbox: Sandbox) -> str | None:
    """Give the lab that `lo` in a sandbox is marked for, read by a child that enters its network namespace.

    The child enters neither its mounts nor its pids: nothing of what another user's process may have laid out there is
    used, should root look.
    """
    reading, writing = os.pipe()
    child = fork()
    if child == 0:
        try:
            user, net = (os.open(f"/proc/{sandbox.pid}/ns/{kind}", os.O_RDONLY) for kind in ("user", "net"))
            try:
                setns(net, CLONE_NEWNET)
            except PermissionError:
                setns(user, CLONE_NEWUSER)  # the right to enter comes from the user namespace that owns it
                setns(net, CLONE_NEWNET)
            os.write(writing, loopback_alias().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        alias = file.read().decode("utf-8", "replace")
    reap(child)
    found = parse_mark(alias)
    return found[0] if found is not None and found[1] == HOST else None


def _claimed_lab(pid: int, machine: int) -> str | None:
    """Give the lab of a machine (its network namespace's inode) that a process says it is the holder of."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return None
    if len(words) <= _WORD_AT + 2 or words[_WORD_AT] != WORD.encode() or words[_WORD_AT + 2] != b"%d" % machine:
        return None
    return words[_WORD_AT + 1].decode("utf-8", "replace")


def _is_kept(sandbox: Sandbox) -> bool:
    """Tell whether a holder was told to outlive its maker; where its maker has just been killed, wait for its choice.

    It closes the pipe when it has heard the word, and ends when the pipe ends without it.
    """
    holder = _named(sandbox)
    fd = open_process(holder) if holder is not None else None
    if fd is None:
        return False
    try:
        with open(f"/proc/{sandbox.pid}/cmdline", "rb") as file:
            pipe = file.read().split(b"\0")[_WORD_AT + 3].decode()
        deadline = time.monotonic() + _CHOOSING
        while os.path.lexists(f"/proc/{sandbox.pid}/fd/{pipe}"):
            if not await_ends([fd], time.monotonic() + _MOMENT) or time.monotonic() > deadline:
                return False  # it has ended; or its maker is at work, and it is nobody's lab yet
        return bool(await_ends([fd], 0.0))
    except (OSError, IndexError, UnicodeDecodeError):
        return False
    finally:
        os.close(fd)


def _is_ours(pid: int, everybody: bool) -> bool:
    user = os.geteuid()
    with suppress(OSError):
        return os.stat(f"/proc/{pid}").st_uid == user or (everybody and user == 0)
    return False


def find_sandboxes(everybody: bool = False) -> tuple[tuple[str, Sandbox], ...]:
    """Find the sandboxes of this user's labs on this machine without the store, as (lab, sandbox) in order.

    `everybody`: root finds those of all users. A lab's name is its user's own, so nobody means another's by it.
    """
    found = []
    machine = own_namespace()
    for pid in pids():
        lab = _claimed_lab(pid, machine)
        if lab is None or not _is_ours(pid, everybody):
            continue
        process = process_of(pid)
        sandbox = _sandbox_of(process) if process is not None and process.alive else None
        if sandbox is not None and _marked_lab(sandbox) == lab and _is_kept(sandbox):
            found.append((lab, sandbox))
    return tuple(sorted(found, key=lambda pair: (pair[0], pair[1].pid)))


class PendingSandbox:
    """A sandbox that ends by itself, with its maker, until `keep` is called: call it once the store names it.

    Leaving the `with` block without `keep` ends it.
    """

    def __init__(self, sandbox: Sandbox, pipe: int) -> None:
        self.sandbox = sandbox
        self._pipe: int | None = pipe

    def __enter__(self) -> PendingSandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            try:
                end_sandbox(self.sandbox)
            finally:
                os.close(pipe)

    def keep(self) -> None:
        """Let the sandbox outlive its maker; raise Unavailable where its holder has ended meanwhile."""
        assert self._pipe is not None, "the sandbox is kept already"
        pipe, self._pipe = self._pipe, None
        try:
            os.write(pipe, KEEP)
        except BrokenPipeError:
            raise _ended_early() from None
        finally:
            os.close(pipe)


def _ended_early() -> Unavailable:
    return Unavailable("the sandbox ended while it was being made", "look for what killed its holder: dmesg")


def make_sandbox(lab: str) -> PendingSandbox:
    """Make a sandbox for a lab and give it, to be kept or left; raise Unavailable where the machine forbids it.

    Call it as a context manager, in a process whose other threads hold no locks: it forks.
    """
    status, status_end = os.pipe()
    keep_end, keep = os.pipe()
    try:
        child = fork()
        if child == 0:
            become_holder(lab, status_end, keep_end)
        os.close(status_end)
        os.close(keep_end)
        try:
            report = _read_report(status, time.monotonic() + _MAKING)
        except BaseException:
            os.kill(child, signal.SIGKILL)
            raise
        finally:
            os.close(status)
            reap(child)
        process = process_of(_holder_in(report))
        sandbox = _sandbox_of(process) if process is not None else None
        if sandbox is None:
            raise _ended_early()
    except BaseException:
        os.close(keep)  # a holder that is there already ends by this
        raise
    return PendingSandbox(sandbox, keep)


def _read_report(status: int, deadline: float) -> str:
    """Read what the maker's children say, to the end of the pipe; raise Unavailable at the deadline."""
    poll = select.poll()
    poll.register(status, select.POLLIN)
    report = b""
    while True:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise explain(f"not done within {_MAKING:g} s", errno.ETIMEDOUT, read_limits())
        part = os.read(status, 4096)
        if not part:
            return report.decode()
        report += part


def _holder_in(report: str) -> int:
    """Give the holder's pid from a report; raise Unavailable, explained, where a step failed."""
    pid, ready = None, False
    for line in report.splitlines():
        word, _, rest = line.partition(" ")
        if word == "failed":
            number, _, step = rest.partition(" ")
            raise explain(step, int(number), read_limits())
        if word == "pid":
            pid = int(rest)
        ready = ready or word == "ready"
    if pid is None or not ready:
        raise _ended_early()
    return pid
