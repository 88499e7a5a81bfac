"""A command -> how long it ran and how much memory its largest process held.

Every command is bounded in time and leaves its output in a file, so that nothing it starts can hold up the measurement.
"""

import os
import resource
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_RTMGRP_LINK = 1


class Failed(Exception):
    """A command failed, ran out of time, or left something behind."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one command took: wall-clock seconds, the largest process's peak in kB, and what it printed."""

    seconds: float
    memory: int
    output: str


def own_memory() -> int:
    """Give this process's own peak in kB.

    A child counts its parent's memory until it becomes another program (Linux, exec_mmap), so no figure below is known.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run(command: Sequence[str | os.PathLike[str]], seconds: float = 600) -> Run:
    """Run a command to its end; raise Failed when it fails or is not done in time."""
    words = " ".join(str(word) for word in command)
    with tempfile.TemporaryFile() as out:
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        handle = os.pidfd_open(process.pid)
        try:
            late = not select.select([handle], [], [], seconds)[0]
        finally:
            os.close(handle)
        if late:
            process.kill()
        _, status, usage = os.wait4(process.pid, 0)
        took = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        output = out.read().decode(errors="replace")
    if late:
        raise Failed(f"{words}: not done in {seconds:.0f} s")
    if process.returncode:
        raise Failed(f"{words}: exit status {process.returncode}\n{output[-2000:]}")
    return Run(took, usage.ru_maxrss, output)


def await_clean(seconds: float = 60) -> float:
    """Wait until the kernel has taken all devices but lo, and give the seconds that took; nothing may be left."""
    start = time.monotonic()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as changes:
        changes.bind((0, _RTMGRP_LINK))
        changes.setblocking(False)
        while left := sorted({name for _, name in socket.if_nameindex()} - {"lo"}):
            remaining = start + seconds - time.monotonic()
            if remaining < 0 or not select.select([changes], [], [], remaining)[0]:
                raise Failed(f"left behind: {len(left)} devices, {', '.join(left[:5])}")
            _drain(changes)
    names = Path("/run/netns")
    if names.is_dir() and (left := sorted(os.listdir(names))):
        raise Failed(f"left behind: {len(left)} namespaces, {', '.join(left[:5])}")
    return time.monotonic() - start


def _drain(changes: socket.socket) -> None:
    while True:
        try:
            changes.recv(65536)
        except BlockingIOError:
            return
        except OSError:  # ENOBUFS: more changes than the socket holds; the devices are listed afresh anyway
            continue
