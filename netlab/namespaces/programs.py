"""Programs started for a person or for netlab itself: in the foreground inside a namespace, or detached for good."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from netlab.namespaces.processes import Process, process_of
from netlab.namespaces.syscalls import CLONE_NEWNET, setns

#: As shells say it (POSIX, XCU 2.8.2).
NOT_FOUND, NOT_EXECUTABLE = 127, 126


def run_foreground(namespace: int, argv: Sequence[str], marks: Mapping[str, str]) -> int:
    """Run a program in a network namespace with our own terminal and files; give its exit code as shells do.

    That is 128 and the signal's number for a program that a signal ended, 127 where there is none, 126 where it may not
    be run. Ctrl-C is the program's: it is in our process group, and we wait for it.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)

    def enter() -> None:
        setns(namespace, CLONE_NEWNET)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    try:
        child = subprocess.Popen(list(argv), env={**os.environ, **marks}, preexec_fn=enter)
        code = child.wait()
    except FileNotFoundError:
        os.write(2, f"netlab: {argv[0]}: no such program\n".encode())
        return NOT_FOUND
    except PermissionError:
        os.write(2, f"netlab: {argv[0]}: may not be run\n".encode())
        return NOT_EXECUTABLE
    finally:
        signal.signal(signal.SIGINT, before)
    return 128 - code if code < 0 else code


def start_detached(module: str, arguments: Sequence[str]) -> Process:
    """Start a Python module of ours in a session of its own, without streams; it outlives us and our terminal."""
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    process = process_of(child.pid)
    assert process is not None, "a child that nobody has waited for is there"
    child.returncode = 0  # it outlives us by design: no warning that it still runs
    return process
