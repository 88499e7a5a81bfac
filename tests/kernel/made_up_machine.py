"""A made-up machine for tests: a function called in a child that has mounts, network, pids and /run of its own.

Nothing of it can reach the real machine, and all of it ends with the child. The function may be called as root or as
an ordinary user; the test fails with the function, or where it leaves a process behind. Works for root and, by a
user namespace, for everybody else.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NoReturn

from netlab.namespaces.processes import await_ends, open_process, pids, process_of, reap
from netlab.namespaces.syscalls import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    MS_BIND,
    MS_PRIVATE,
    MS_REC,
    die_with_parent,
    mount,
    own_proc_files,
    unshare,
)

User = Literal["root", "user"]
NOBODY = 65534
PROJECT = Path(__file__).resolve().parents[2]


def enter_user_namespace(number: int, flags: int = 0) -> None:
    """Move into a user namespace in which the present user has another number."""
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | flags)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{number} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{number} {group} 1")


def open_to_everybody() -> None:
    """Make Python and the project reachable for every user: cover closed directories, bind back what is needed."""
    paths = (sys.base_prefix, sys.prefix, str(PROJECT))
    held = {path: os.open(path, os.O_PATH) for path in paths}
    for path in paths:
        for parent in reversed(Path(path).parents):
            if parent.exists() and not parent.stat().st_mode & 1:
                mount("tmpfs", str(parent), "tmpfs", 0, "mode=755")
        if not Path(path).exists():
            Path(path).mkdir(parents=True)
            mount(f"/proc/self/fd/{held[path]}", path, "none", MS_BIND | MS_REC)
    for fd in held.values():
        os.close(fd)


def _become(user: User, real_root: bool) -> None:
    runtime = Path("/run/user/1000")
    runtime.mkdir(parents=True)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    if user == "user" and real_root:
        os.chown(runtime, NOBODY, NOBODY)
        open_to_everybody()
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        own_proc_files()
    elif user == "user":
        enter_user_namespace(1000)


def left_processes() -> list[str]:
    """Give the processes of the made-up machine other than its first, by pid and command line, in order."""
    found = [process for process in map(process_of, pids()) if process is not None and process.pid != 1]
    return [f"{one.pid} {Path(f'/proc/{one.pid}/cmdline').read_bytes()!r}" for one in found if one.alive]


def _assert_nobody_left() -> None:
    """Let those that are ending end; fail where anybody does not."""
    for process in map(process_of, pids()):
        fd = open_process(process) if process is not None and process.pid != 1 else None
        if fd is not None:
            await_ends([fd], time.monotonic() + 2.0)
            os.close(fd)
    assert left_processes() == []


def _first_process(user: User, registry: bool, function: Callable[[], None], real_root: bool) -> NoReturn:
    code = 1
    try:
        die_with_parent()
        mount("none", "/", "none", MS_REC | MS_PRIVATE)
        mount("proc", "/proc", "proc", 0)
        mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
        if registry:
            Path("/run/netns").mkdir()
        _become(user, real_root)
        function()
        _assert_nobody_left()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def on_made_up_machine(
    function: Callable[[], None], user: User = "root", registry: bool = True, timeout: float = 60.0
) -> None:
    """Call `function` on a made-up machine; `registry`: there is a /run/netns already."""
    real_root = os.geteuid() == 0
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            die_with_parent()
            flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID
            unshare(flags) if real_root else enter_user_namespace(0, flags)
            first = os.fork()
            if first == 0:
                _first_process(user, registry, function, real_root)
            code = reap(first)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    fd = os.pidfd_open(child)
    try:
        if await_ends([fd], time.monotonic() + timeout):
            os.kill(child, signal.SIGKILL)
            raise AssertionError(f"not done within {timeout} s")
    finally:
        os.close(fd)
        code = reap(child)
    assert code == 0, f"failed on the made-up machine (exit code {code}); its traceback is on stderr"
