"""Programs started for a person or for netlab itself: in the foreground inside a namespace, or detached for good."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

from netlab.errors import Unavailable
from netlab.namespaces.processes import Process, process_of
from netlab.namespaces.syscalls import CLONE_NEWNET, setns

#: As shells say it (POSIX, XCU 2.8.2).
NOT_FOUND, NOT_EXECUTABLE = 127, 126
#: Seconds within which a module of ours is up.
_STARTING = 30.0


def run_foreground(namespace: int, argv: Sequence[str], marks: Mapping[str, str]) -> int:
    """Run a program in a network namespace with our own terminal and files; give its exit code as shells do.

    That is 128 and the signal's number for a program that a signal ended, 127 where there is none, 126 where it may not
    be run. Ctrl-C is the program's: it is in our process group, and we wait for it.
    """
    # Only a main thread hears signals, and may say what becomes of them.
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None

    def enter() -> None:
        setns(namespace, CLONE_NEWNET)
        if main:
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
        if main:
            signal.signal(signal.SIGINT, before)
    return 128 - code if code < 0 else code


def start_detached(module: str, arguments: Sequence[str], hears: int) -> Process:
    """Start a Python module of ours as nobody's child, in a session of its own; it outlives us and our terminal.

    The module must call `detach` once it is ready. Its stdin is `hears`, the end of a pipe. Raise Unavailable where it
    cannot be started.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            stdin=hears,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            timeout=_STARTING,
            check=True,
        )
        process = process_of(int(done.stdout))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        fix = f"look for what keeps {sys.executable} from running"
        raise Unavailable(f"{module} cannot be started: {error}", fix) from error
    if process is None:
        raise Unavailable(f"{module} ended at once", "look for what killed it: dmesg")
    return process


def detach() -> None:
    """Have whoever started this process go on, told the pid of a child that goes on in its place."""
    pid = os.fork()
    if pid:
        os.write(1, b"%d" % pid)
        os._exit(0)
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, 1)
    os.close(null)
