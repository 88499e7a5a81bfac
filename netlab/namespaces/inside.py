"""Work inside a sandbox: a child enters its namespaces, calls a function there, and sends back what came of it.

    caller ─ fork ─ porter: enters the sandbox, forks, waits, ends
                      └─ worker: in the sandbox's pid namespace too; calls the function, answers by a pipe

The worker sees the sandbox's processes by the sandbox's numbers, as /proc in there does, and dies with the sandbox.
It dies with the caller as well, and is interrupted as the caller is: Ctrl-C reaches the whole process group by itself;
a signal for the caller alone is passed on. The caller then waits for the worker to clean up.

The porter outlives both: its child would fall to the init outside, and a container's init that buries nobody would
keep the sandbox from ending (a pid namespace ends when all of its dead are buried).
"""

from __future__ import annotations

import errno
import os
import select
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn, TypeVar

from netlab.errors import NetlabError, Unavailable
from netlab.namespaces.interrupts import PASSED_ON, merge, passing_on
from netlab.namespaces.processes import open_process, reap, send
from netlab.namespaces.sandbox import Sandbox, holder_of, is_alive
from netlab.namespaces.syscalls import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    die_with_parent,
    setns,
)

T = TypeVar("T")

#: Joined in this order: the user namespace gives the right to join the others.
_KINDS: Final = (("user", CLONE_NEWUSER), ("pid", CLONE_NEWPID), ("mnt", CLONE_NEWNS), ("net", CLONE_NEWNET))
_NUMBER: Final = struct.Struct("=i")


def _gone() -> Unavailable:
    return Unavailable("the lab's sandbox is gone: its holder has ended", "netlab apply makes it again")


def enter_sandbox(sandbox: Sandbox) -> None:
    """Move the calling process, single-threaded, into a sandbox's user, mount and network namespaces.

    Its children will be in the pid namespace as well. The working directory stays, where it exists in there. Raise
    Unavailable where the sandbox is gone or another user's, OSError where the kernel refuses.
    """
    threads = len(os.listdir("/proc/self/task"))
    assert threads == 1, f"only a single-threaded process may enter a sandbox, this one has {threads} threads"
    directory = os.getcwd()
    descriptors = _open_namespaces(sandbox)
    try:
        # Compared before the first step: in there /proc does not show this process. Joining one's own user namespace is
        # refused (EINVAL); joining another of one's own would change nothing.
        others = [
            (fd, flag)
            for fd, (kind, flag) in zip(descriptors, _KINDS, strict=True)
            if os.fstat(fd).st_ino != os.stat(f"/proc/self/ns/{kind}").st_ino
        ]
        for fd, flag in others:
            setns(fd, flag)
    finally:
        for fd in descriptors:
            os.close(fd)
    with suppress(OSError):
        os.chdir(directory)  # joining a mount namespace moves the process to its root


def _open_namespaces(sandbox: Sandbox) -> list[int]:
    """Open the namespaces of a sandbox's holder in the order of _KINDS, sure that they are the holder's."""
    holder = holder_of(sandbox)
    pidfd = open_process(holder) if holder is not None else None
    if pidfd is None:
        raise _gone()
    found: list[int] = []
    try:
        if os.stat(f"/proc/{sandbox.pid}").st_uid != os.geteuid():
            # What runs in there is another user's, down to the files that Python would import.
            raise Unavailable("the sandbox is another user's", "run netlab as that user")
        for kind, _ in _KINDS:
            found.append(os.open(f"/proc/{sandbox.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC))
        if not is_alive(sandbox):  # the pid may have become another process's while they were opened
            raise _gone()
    except BaseException as error:
        for fd in found:
            os.close(fd)
        if isinstance(error, FileNotFoundError | ProcessLookupError):
            raise _gone() from error
        raise
    finally:
        os.close(pidfd)
    return found


def run_inside(sandbox: Sandbox | None, function: Callable[[], T]) -> T:
    """Call `function` inside a sandbox and give what it returns, or raise what it raises; None: call it right here.

    What it returns or raises must survive pickling; `function` itself need not. It runs in a child that is forked from
    the calling thread alone, so no other thread may hold locks that it needs. Raise Unavailable where the sandbox is
    gone, NetlabError where the worker ends without an answer.
    """
    if sandbox is None:
        return function()
    import pickle

    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    caller = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        porter = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(reading)
        os.close(writing)
        raise
    if porter == 0:
        os.close(reading)
        _carry(sandbox, function, caller, writing, mask)
    os.close(writing)
    with passing_on(mask) as learn:
        try:
            answer = _read_answer(reading, porter, learn)
        finally:
            os.close(reading)
        code = reap(porter)
    if code or not answer:
        raise _no_answer(sandbox, code)
    fine, result = pickle.loads(answer)  # noqa: S301 -- written by a child of our own, into a pipe that only it holds
    if fine:
        return result  # type: ignore[no-any-return]
    raise result


def _read_answer(reading: int, porter: int, learn: Callable[[int], None]) -> bytes:
    """Read the worker's pid, tell it, and read the answer: to the end of the pipe, or of the porter.

    A process that the function left behind may hold the pipe open, so its end alone is not to be waited for.
    """
    os.set_blocking(reading, False)
    ended = os.pidfd_open(porter)
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    poll.register(ended, select.POLLIN)
    raw = bytearray()
    try:
        while reading in [fd for fd, _ in poll.poll()]:
            part = os.read(reading, 1 << 16)
            if not part:
                break
            if len(raw) < _NUMBER.size <= len(raw) + len(part):
                learn(_NUMBER.unpack_from(raw + part)[0])
            raw += part
    finally:
        os.close(ended)
    return bytes(raw[_NUMBER.size :])


def _no_answer(sandbox: Sandbox, code: int) -> NetlabError:
    if not is_alive(sandbox):
        return _gone()
    number = code - 128 if code > 128 else -code
    how = f"was killed by {signal.Signals(number).name}" if number > 0 else f"ended with exit code {code}"
    return NetlabError(f"the process inside the sandbox {how} before it was done")


def _carry(
    sandbox: Sandbox, function: Callable[[], Any], caller: int, writing: int, mask: set[int | signal.Signals]
) -> NoReturn:
    """Be the porter: enter, fork the worker, bury it, and end as it ended. Every signal stays blocked."""
    code = 1
    try:
        watched = os.pidfd_open(caller)
        if os.getppid() != caller:  # it has died, and its pid may be another's
            os._exit(1)
        enter_sandbox(sandbox)
        waiting, go = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.close(go)
            _work(function, waiting, writing, mask)
        os.close(waiting)
        os.write(writing, _NUMBER.pack(worker))
        os.write(go, b"g")
        os.close(writing)
        _outlast(worker, watched)
        code = reap(worker)
        code = 128 - code if code < 0 else code
    except BaseException as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM and not is_alive(sandbox):
            error = _gone()  # a pid namespace without its first process takes no more; fork(2)
        with suppress(BaseException):
            _write(writing, _NUMBER.pack(os.getpid()) + _pickled((False, error)))
            code = 0
    finally:
        os._exit(code)


def _outlast(worker: int, watched: int) -> None:
    """Wait until the worker ends, and kill it where the process behind `watched` ends first."""
    pidfd = os.pidfd_open(worker)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(watched, select.POLLIN)
    if pidfd not in [fd for fd, _ in poll.poll()]:
        send(pidfd, signal.SIGKILL)
    os.close(pidfd)


def _work(function: Callable[[], Any], waiting: int, writing: int, mask: set[int | signal.Signals]) -> NoReturn:
    """Be the worker: call the function, answer, end."""
    try:
        die_with_parent()
        if os.read(waiting, 1) != b"g":  # the porter has died before the kernel knew whom to tell
            os._exit(1)
        os.close(waiting)
        answer: tuple[bool, Any]
        try:
            for number in PASSED_ON:
                merge(number)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            answer = (True, function())
        except BaseException as error:
            answer = (False, error)
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        sys.stdout.flush()
        sys.stderr.flush()
        _write(writing, _pickled(answer))
    finally:
        os._exit(0)


def _pickled(answer: tuple[bool, Any]) -> bytes:
    """Turn an answer into bytes; one that cannot travel becomes a TypeError that says so."""
    import pickle
    from traceback import format_exception

    fine, result = answer
    if not fine and not isinstance(result, NetlabError | KeyboardInterrupt | SystemExit):
        result.add_note("".join(format_exception(result)).rstrip())
    try:
        raw = pickle.dumps(answer)
        if not fine:
            pickle.loads(raw)  # noqa: S301 -- our own bytes: an exception may pickle and yet not come back
    except Exception as error:
        raw = pickle.dumps((False, TypeError(f"cannot be sent out of a sandbox ({error}): {result!r}")))
    return raw


def _write(fd: int, raw: bytes) -> None:
    view = memoryview(raw)
    while view:
        view = view[os.write(fd, view) :]
