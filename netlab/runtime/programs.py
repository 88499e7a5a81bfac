"""The door of programs: what a plain node runs (`run:`) turned into processes, and processes found again as facts.

A program is a session of its own in its node's network namespace: a shell that waits for another shell, which runs the
command. The first one's environment is the mark, `NETLAB_PROGRAM=LAB/NODE` and `NETLAB_COMMAND`; it waits, and so keeps
the mark where the program itself writes its title over its environment (as nginx and sshd do). Marks are compared
whole, and suffice without the store.

A program that has ended is absent: nobody starts it again but the next apply. On the machine only this user's
processes are looked at; in a sandbox everything is the lab's. Other sandboxes' processes never count.
"""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NoReturn

from netlab.facts import Facts, Key, Program, facts_of
from netlab.names import HOST
from netlab.namespaces import is_namespace, namespace_inode, namespace_path, open_namespace, own_namespace
from netlab.namespaces.detaching import become, close_descriptors, forget_signals, silence_streams
from netlab.namespaces.processes import Process, await_ends, namespace_of, open_process, pids, process_of, reap, send
from netlab.namespaces.syscalls import CLONE_NEWNET, setns
from netlab.plan.steps import Action, Reading, Scope, Step, StepRefused

#: The marks in a program's environment: whose it is, what it runs, where its output goes.
_MARK, _COMMAND, _LOG = "NETLAB_PROGRAM", "NETLAB_COMMAND", "NETLAB_LOG"
_SHELL: Final = "/bin/sh"
#: What the program ends with is the last line of its log: nobody else hears of it.
_WAIT: Final = f'{_SHELL} -c "${_COMMAND}"; code=$?; echo "netlab: ended, exit code $code"; exit "$code"'
#: Seconds within which a program that cannot work ends, as a rule: no such command, a port that is taken.
_FAILING = 0.1
#: How much of the end of a log is told, in bytes and lines.
_TOLD, _LINES = 2000, 5
#: Seconds that a program has to obey SIGTERM, and that the kernel has to end it by SIGKILL.
_GRACE, _KILLING = 2.0, 3.0


@dataclass(frozen=True, slots=True)
class _Marked:
    """A process that carries the marks of a lab's program."""

    process: Process
    node: str
    command: str
    log: str

    @property
    def program(self) -> Program:
        return Program(self.node, self.command)


def log_path(directory: Path, node: str, command: str) -> Path:
    """Give the file that a program's output is appended to, the same each time that it is started.

    >>> log_path(Path("/run/log"), "ns0", "sleep 9").as_posix()
    '/run/log/ns0-5e2fe3cd.log'
    """
    return directory / f"{node}-{hashlib.blake2b(command.encode(), digest_size=4).hexdigest()}.log"


def _environment_of(pid: int) -> dict[str, str]:
    """Give the netlab marks in a process's environment; of a process that is gone or not ours to see, none."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            raw = file.read()
    except OSError:
        return {}
    if f"{_MARK}=".encode() not in raw:
        return {}
    pairs = (os.fsdecode(entry).partition("=") for entry in raw.split(b"\0"))
    return {name: value for name, _, value in pairs if name in (_MARK, _COMMAND, _LOG)}


def _marked(lab: str, everyone: bool) -> Iterator[_Marked]:
    """Find the processes of this pid namespace that are marked for a lab; of other users only if `everyone`."""
    here, user = os.stat("/proc/self/ns/pid").st_ino, os.geteuid()
    for pid in pids():
        marks = _environment_of(pid)
        owner, _, node = marks.get(_MARK, "").partition("/")
        if owner != lab or not node or namespace_of(pid, "pid") != here:
            continue
        process = process_of(pid)
        if process is not None and process.alive and (everyone or _user_of(pid) == user):
            yield _Marked(process, node, marks.get(_COMMAND, ""), marks.get(_LOG, ""))


def _user_of(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def _end(find: Callable[[], Iterator[_Marked]]) -> tuple[Process, ...]:
    """End the processes found, with all of their sessions: SIGTERM, and SIGKILL for what has not ended by then.

    Give those that still run, which only a process stuck in the kernel does.
    """
    known: dict[int, Process] = {}
    try:
        deadline = time.monotonic() + _GRACE + _KILLING
        number, patience = signal.SIGTERM, _GRACE
        while True:
            # A session's number is not used again while a process of it lives, so it holds as long as we know one.
            sessions = {process.session for process in known.values()} | {one.process.session for one in find()}
            _open_members(sessions, known)
            if not known or time.monotonic() > deadline:
                return tuple(known.values())
            for fd in known:
                send(fd, number)
            left = await_ends(known, min(deadline, time.monotonic() + patience))
            for fd in [fd for fd in known if fd not in left]:
                os.close(fd)
                del known[fd]
            # What is left, and what was forked meanwhile, is not asked again.
            number, patience = signal.SIGKILL, _KILLING
    finally:
        for fd in known:
            os.close(fd)


def _open_members(sessions: Collection[int], known: dict[int, Process]) -> None:
    """Open the living members of some sessions that are not open yet, but never one of the caller's own session."""
    own = process_of(int(os.readlink("/proc/self")))
    # 0 is every session whose leader is outside of this pid namespace.
    wanted = set(sessions) - {0, own.session if own is not None else 0}
    have = {process.pid for process in known.values()}
    for pid in pids() if wanted else ():
        process = process_of(pid)
        if process is None or not process.alive or process.session not in wanted or pid in have:
            continue
        fd = open_process(process)
        if fd is not None:
            known[fd] = process


def end_all(lab: str, everyone: bool = False) -> None:
    """End every process that is marked as a lab's program, in whichever node; raise OSError where one stays.

    For destroy on the machine; in a sandbox they end with its holder. `everyone`: other users' processes too.
    """
    left = _end(lambda: _marked(lab, everyone))
    if left:
        raise OSError(errno.EBUSY, f"process {left[0].pid} of lab {lab} does not end")


class ProgramDoor:
    """The door that keeps the family of programs: it starts, finds and ends what a lab's nodes run.

    `machine`: the lab's host is the machine itself. Output goes to files in `log_directory`, which is made when the
    first program is started.
    """

    def __init__(self, lab: str, machine: bool, log_directory: Path) -> None:
        self._lab, self._machine, self._log_directory = lab, machine, log_directory
        #: Where the output of those that this door has started goes.
        self._started: dict[Key, Path] = {}
        #: When the last of them is taken for one that has not failed at once.
        self._trusted = 0.0

    @property
    def families(self) -> frozenset[str]:
        return frozenset({Program.family})

    def read(self, scope: Scope, changed: Collection[str] | None = None) -> Reading:
        """Read the programs that run now, each in its node's present namespace, with its pid and log as observed.

        Of those that this door started and that run no more, the log and the end of it are observed: one that fails at
        once is given the time to.
        """
        found = self._find()
        if self._outlive([found[key].process for key in self._started if key in found]):
            found = self._find()
        observed: dict[tuple[str, ...], dict[str, Any]] = {
            key: {"pid": one.process.pid, "log": one.log} for key, one in found.items()
        }
        for key in self._started.keys() - found.keys():
            observed[key] = {"log": str(self._started[key]), "said": _end_of(self._started[key])}
        return Reading(facts_of(one.program for _, one in sorted(found.items())), observed=observed)

    def _outlive(self, processes: Sequence[Process]) -> bool:
        """Tell whether any of these ends before those started last are to be trusted."""
        opened = {fd for process in processes if (fd := open_process(process)) is not None}
        try:
            return len(opened) < len(processes) or len(await_ends(opened, self._trusted)) < len(opened)
        finally:
            for fd in opened:
                os.close(fd)

    def _find(self) -> dict[Key, _Marked]:
        inodes: dict[str, int | None] = {}
        found: dict[Key, _Marked] = {}
        for one in self._marked():
            if one.node not in inodes:
                inodes[one.node] = self._inode(one.node)
            leads = one.process.session == one.process.pid
            inside = namespace_of(one.process.pid, "net") == inodes[one.node]
            key = one.program.key
            # A program that made a session more (a daemon) counts by its oldest.
            if leads and inside and (key not in found or one.process.start_time < found[key].process.start_time):
                found[key] = one
        return found

    def prepare(self, want: Facts, have: Facts) -> None:
        """Do nothing: a program is started in no time."""

    def do(self, steps: Sequence[Step]) -> None:
        """Start and end programs in order; those that end together share one wait."""
        for action, group in groupby(steps, key=lambda step: step.action):
            assert action in (Action.CREATE, Action.DELETE), f"a program cannot be changed by {action}"
            together = tuple(group)
            # What carries the mark where nothing is known to run was left in a namespace that is gone.
            self._end(together)
            for step in together if action is Action.CREATE else ():
                self._start(step)

    def close(self) -> None:
        """Do nothing: no descriptor outlives a step."""

    def _marked(self) -> Iterator[_Marked]:
        return _marked(self._lab, everyone=not self._machine)

    def _inode(self, node: str) -> int | None:
        if node == HOST:
            return own_namespace()
        path = namespace_path(self._lab, node)
        return namespace_inode(path) if is_namespace(path) else None

    def _end(self, steps: Sequence[Step]) -> None:
        keys = {step.fact.key for step in steps}
        left = _end(lambda: (one for one in self._marked() if one.program.key in keys))
        if left:
            raise StepRefused(steps[0], errno.EBUSY, f"process {left[0].pid} does not end")
        for key in keys:
            self._started.pop(key, None)

    def _start(self, step: Step) -> None:
        program = step.fact
        assert isinstance(program, Program)
        log = log_path(self._log_directory, program.node, program.command)
        marks = {_MARK: f"{self._lab}/{program.node}", _COMMAND: program.command, _LOG: str(log)}
        opened: list[int] = []
        try:
            self._log_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            opened.append(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            if program.node != HOST:
                opened.append(open_namespace(self._lab, program.node))
            _spawn(opened[0], opened[1] if len(opened) > 1 else None, marks)
            self._started[program.key] = log
            self._trusted = time.monotonic() + _FAILING
        except OSError as error:
            raise StepRefused(step, error.errno or errno.EIO, str(error)) from error
        finally:
            for fd in opened:
                os.close(fd)


def _end_of(log: Path) -> tuple[str, ...]:
    """Give the last lines of a log."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TOLD))
            return tuple(file.read().decode(errors="replace").splitlines()[-_LINES:])
    except OSError:
        return ()


def _spawn(log: int, namespace: int | None, marks: dict[str, str]) -> None:
    """Start the program that the marks name, as nobody's child; raise OSError where it cannot be."""
    reading, writing = os.pipe()
    # An interrupt waits until the program bears its marks: an undo would not find it before.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        child = os.fork()
        if child == 0:
            _lead(log, namespace, marks, writing)
        os.close(writing)
        with open(reading, "rb") as file:
            failure = file.read()  # ends when the exec closes the other end
        reap(child)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if failure:
        raise OSError(int(failure), os.strerror(int(failure)), _SHELL)


def _lead(log: int, namespace: int | None, marks: dict[str, str], writing: int) -> NoReturn:
    try:
        if os.fork() == 0:  # whose parent ends, so that the first process of the pid namespace reaps it
            os.setsid()
            if namespace is not None:
                setns(namespace, CLONE_NEWNET)
            silence_streams(log)
            close_descriptors(but=(writing,))
            forget_signals()
            become([_SHELL, "-c", _WAIT, f"netlab:{marks[_MARK]}"], os.environ | marks)
    except OSError as error:
        os.write(writing, b"%d" % (error.errno or errno.EIO))
    finally:
        os._exit(0)
