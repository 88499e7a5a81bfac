"""Checks and open nodes become verdicts: which probe runs when, and what is done with its answer.

One check at a time from a node, and few at a time in all. A tcp or udp check that starts a listener has its port for
itself: a neighbouring check for `refused` on the same port must not find it. Verdicts are given in file order.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from netlab.errors import Unavailable
from netlab.names import HOST
from netlab.probe.events import LONGEST_MESSAGE, decode
from netlab.probe.judge import Verdict, judge, unprobed
from netlab.probe.listener import NEEDS
from netlab.probe.measure import longest, slowest_answer
from netlab.probe.outcome import PATIENCE
from netlab.topology.lab import Check

#: How many checks run at the same time. They wait more than they work.
AT_ONCE = 8
#: Seconds that a probe may take beyond its own deadlines before it is given up.
GRACE = 60.0

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from netlab.probe.server import main
main(int(sys.argv[2]), int(sys.argv[3]))
"""


def needs_listener(check: Check, programs: frozenset[str], machine: bool) -> bool:
    """Say whether a check starts a listener: one that needs an answer, in a plain node that runs nothing itself."""
    node = check.target_node
    if node is None or node in programs or (machine and node == HOST):
        return False
    return (check.kind, check.expect) in NEEDS


def conflict(a: Check, b: Check, listening: bool) -> bool:
    """Say whether two checks must not run at the same time; `listening`: one of them starts a listener."""
    return a.source == b.source or (listening and (a.kind, a.port) == (b.kind, b.port))


def run_checks(
    checks: Sequence[Check],
    nodes: Mapping[str, int],
    *,
    on_verdict: Callable[[Verdict], None] | None = None,
    programs: frozenset[str] = frozenset(),
    machine: bool = False,
) -> tuple[Verdict, ...]:
    """Run checks live and give their verdicts in file order; `on_verdict` is called in that order, as they come.

    `nodes` maps names to descriptors open on their network namespaces. `programs` are the nodes whose listeners are
    the user's. `machine`: `host` is the real machine, where no listener is started. The calling process must hold
    CAP_SYS_ADMIN over the namespaces (and CAP_NET_RAW in them). Raises Unavailable where no probe can be started.
    """
    if not checks:
        return ()
    with _Server() as server:
        listening = frozenset(n for n, check in enumerate(checks) if needs_listener(check, programs, machine))
        return _Run(checks, nodes, listening, server).all(on_verdict)


class _Server:
    """The process of server.py, and the socket to it."""

    def __init__(self) -> None:
        self.door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.errors = os.memfd_create("netlab-probe-errors")
        root = str(Path(__file__).resolve().parents[2])
        path = [one for one in sys.path if one]
        path = path if root in path else [root, *path]
        # Isolated, and given this process's own path: no environment variable, site file or folder adds to it.
        command = [sys.executable, "-I", "-S", "-c", _START, json.dumps(path)]
        with theirs:
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(os.getpid())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                cwd="/",
            )

    def __enter__(self) -> _Server:
        return self

    def __exit__(self, *_raised: object) -> None:
        # The closed socket is the order to end; its children die with it in any case.
        self.door.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.errors)

    def complaint(self) -> str:
        """Give the last line that the process wrote to stderr."""
        lines = os.pread(self.errors, 65536, 0).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def ask(self, number: int, check: Check, fds: Sequence[int]) -> bool:
        """Send a request, False if it is too long; raises Unavailable where the process is gone."""
        message = json.dumps({"id": number, "check": asdict(check)}, ensure_ascii=False).encode()
        if len(message) > LONGEST_MESSAGE:
            return False
        try:
            socket.send_fds(self.door, [message], fds)
        except OSError as error:
            raise self._gone() from error
        return True

    def answer(self, timeout: float) -> Mapping[str, Any] | None:
        """Wait for an answer, at most `timeout` seconds; None if none came. Raises Unavailable as above."""
        self.door.settimeout(max(timeout, 0.001))
        try:
            message = self.door.recv(LONGEST_MESSAGE)
        except TimeoutError:
            return None
        except OSError as error:
            raise self._gone() from error
        if not message:
            raise self._gone()
        found: Mapping[str, Any] = json.loads(message)
        return found

    def _gone(self) -> Unavailable:
        return Unavailable(
            f"the probes' process ended: {self.complaint()}", "see what this machine can do: netlab doctor"
        )


class _Run:
    """One run of checks: what waits, what is under way and until when, what is done."""

    def __init__(
        self, checks: Sequence[Check], nodes: Mapping[str, int], listening: frozenset[int], server: _Server
    ) -> None:
        self.checks, self.nodes, self.listening, self.server = checks, nodes, listening, server
        self.waiting = list(range(len(checks)))
        self.deadlines: dict[int, float] = {}
        self.done: dict[int, Verdict] = {}

    def all(self, on_verdict: Callable[[Verdict], None] | None) -> tuple[Verdict, ...]:
        """Run until every check has its verdict."""
        told = 0
        while len(self.done) < len(self.checks):
            self._start_what_may()
            if self.deadlines:
                self._take(self.server.answer(min(self.deadlines.values()) - time.monotonic()))
            while told in self.done:
                if on_verdict is not None:
                    on_verdict(self.done[told])
                told += 1
        return tuple(self.done[number] for number in range(len(self.checks)))

    def _start_what_may(self) -> None:
        for number in list(self.waiting):
            if len(self.deadlines) >= AT_ONCE:
                return
            if not any(self._conflict(number, other) for other in self.deadlines):
                self.waiting.remove(number)
                self._start(number)

    def _conflict(self, a: int, b: int) -> bool:
        return conflict(self.checks[a], self.checks[b], a in self.listening or b in self.listening)

    def _start(self, number: int) -> None:
        check = self.checks[number]
        names = [check.source]
        if number in self.listening and check.target_node is not None:
            names.append(check.target_node)
        missing = [name for name in names if name not in self.nodes]
        if missing:
            self.done[number] = unprobed(check, f"{missing[0]} is not up")
            return
        if not self.server.ask(number, check, [self.nodes[name] for name in names]):
            self.done[number] = unprobed(check, "it is too long to be sent")
            return
        measuring = longest(check, max(PATIENCE, slowest_answer(check)))
        self.deadlines[number] = time.monotonic() + (check.within or 0) + (check.lasting or 0) + measuring + GRACE

    def _take(self, answer: Mapping[str, Any] | None) -> None:
        """Judge an answer; without one, give up what is overdue."""
        if answer is None:
            overdue = [number for number, deadline in self.deadlines.items() if deadline <= time.monotonic()]
            for number in overdue:
                del self.deadlines[number]
                self.done[number] = unprobed(self.checks[number], "the probe did not end in time")
            return
        number = answer["id"]
        if self.deadlines.pop(number, None) is None:
            return
        check = self.checks[number]
        if "fault" in answer:
            self.done[number] = unprobed(check, f"the probe could not run: {answer['fault']}")
        else:
            events = tuple(decode(event) for event in answer["events"])
            self.done[number] = judge(check, events, answer["elapsed"])
