"""`drift --watch` hears of what somebody changes by hand, and of its repair, from the kernel's notifications."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import Any

import pytest

from netlab import app
from netlab.app.watching import DriftChange
from netlab.errors import UsageError
from netlab.names import far_end_name
from tests.kernel.made_up_machine import PROJECT
from tests.kernel.stage import Stage, made_up, until

pytestmark = pytest.mark.kernel

TEXT = """
name: watched
bridges: {lan: 10.0.0.254/24}
netns:
  a:
    interfaces: {eth0: {bridge: lan, impair: {rate: 10mbit}}}
    routes: [{to: 192.0.2.0/24, via: 10.0.0.254}]
    firewall: {input: {policy: drop, accept: [{established: true}]}}
  b: {bridge: lan, run: [sleep 1000]}
"""
#: Seconds within which what happens is told.
SOON = 30.0


class Watch:
    """A running `netlab drift --watch --json`, and what it has printed."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-m", "netlab", "drift", "watched", "--watch", "--json", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=PROJECT)
        self._rest = b""

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        said = self.process.communicate()[1]
        if error is not None:
            sys.stderr.write(f"drift --watch said: {said.decode()}\n")

    def line(self) -> dict[str, Any]:
        """Wait for the next document; give its result."""
        assert self.process.stdout is not None
        descriptor, deadline = self.process.stdout.fileno(), time.monotonic() + SOON
        while b"\n" not in self._rest:
            ready = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, "nothing is told"
            part = os.read(descriptor, 1 << 16)
            assert part, "it has ended"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        found = json.loads(line)
        assert (found["version"], found["kind"], found["lab"], found["problems"]) == (1, "drift", "watched", [])
        return dict(found["result"])

    def drifted(self, wanted: str) -> set[str]:
        """Wait until a fact is told to differ; give all that was told with it."""
        told: set[str] = set()
        while wanted not in told:
            told |= {change["fact"] for change in self.line()["changes"]}
        return told

    def restored(self, wanted: set[str]) -> set[str]:
        """Wait until all of these are told to be as applied again; give what was told."""
        told: set[str] = set()
        while not wanted <= told:
            result = self.line()
            assert result["changes"] == [], "half of an apply is no drift"
            told |= set(result["restored"])
        return told

    def end(self) -> tuple[int, str]:
        """Wait for its end; give its exit code and what it said."""
        said = self.process.communicate(timeout=SOON)[1].decode()
        return self.process.returncode, said


#: What is typed where, and what differs by it: each is told of by another sort of notification.
CHANGES = (
    ("a", "ip address add 10.9.0.1/24 dev eth0", "address 10.9.0.1/24 on a:eth0"),
    ("a", "ip route del 192.0.2.0/24", "route 192.0.2.0/24 via 10.0.0.254 in a"),
    ("host", "ip link set lan mtu 1400", "bridge host:lan"),
    ("a", "tc qdisc change dev eth0 root tbf rate 5mbit burst 32k latency 400ms", "impairment of a:eth0"),
    ("a", "nft add rule inet netlab-watched filter-input tcp dport 9 drop", "chain filter-input of a"),
    ("a", "ip rule add priority 9 from 10.0.0.9 lookup 9", "rule 9: from 10.0.0.9/32 lookup 9 in a"),
    (
        "a",
        "ip neigh replace 10.0.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent",
        "neighbour 10.0.0.77 on a:eth0",
    ),
    ("b", "sysctl -qw net.ipv4.ip_forward=1", "settings of b"),
    ("b", "pkill -KILL -x sleep", "program 'sleep 1000' in b"),
    ("b", "ip link set eth0 down", f"veth b:eth0 <-> host:{far_end_name('watched', 'b', 'eth0')}"),
    ("host", "ip link add stray type bridge", "bridge host:stray"),
)


@pytest.mark.parametrize("sandbox", [True, False], ids=["sandbox", "machine"])
@made_up
def test_each_sort_of_change_is_told_as_it_happens_and_so_is_its_repair(stage: Stage, sandbox: bool) -> None:
    stage.apply(TEXT)
    with Watch() as watch:
        assert watch.line()["changes"] == []
        told: set[str] = set()
        for node, typed, differs in CHANGES[: None if sandbox else -1]:
            stage.sh(node, typed)
            told |= watch.drifted(differs)
        assert app.apply(str(stage.file), sandbox=sandbox).outcome == "applied"
        assert watch.restored(told) == told
        watch.process.send_signal(signal.SIGINT)
        assert watch.end() == (0, "watching watched; Ctrl-C ends\n")


@made_up
def test_what_differs_already_is_told_first_and_each_line_points_into_the_file(stage: Stage) -> None:
    stage.apply(TEXT)
    stage.sh("a", "ip address add 10.9.0.1/24 dev eth0")
    with Watch() as watch:
        assert [change["fact"] for change in watch.line()["changes"]] == ["address 10.9.0.1/24 on a:eth0"]
        stage.sh("a", "ip route del 192.0.2.0/24")
        (route,) = watch.line()["changes"]
        assert (route["action"], route["origin"]["file"]) == ("create", str(stage.file))
        assert "192.0.2.0" in stage.file.read_text().splitlines()[route["origin"]["line"] - 1]
        stage.sh("a", "ip address del 10.9.0.1/24 dev eth0")
        result = watch.line()
        assert (result["changes"], result["restored"]) == ([], ["address 10.9.0.1/24 on a:eth0"])


@pytest.mark.parametrize("sandbox", [True, False], ids=["sandbox", "machine"])
@made_up
def test_a_namespace_that_is_deleted_goes_though_somebody_watches_and_is_watched_again(
    stage: Stage, sandbox: bool
) -> None:
    stage.apply(TEXT)
    with Watch() as watch:
        assert watch.line()["changes"] == []
        stage.sh("host", "ip netns delete watched-b")
        told = watch.drifted("netns b")
        # Nothing holds the namespace any more: its devices go, and are missed on the host.
        until(lambda: b"watched/b" not in stage.run("host", "ip", "link").encode())
        app.apply(str(stage.file), sandbox=sandbox)
        assert "netns b" in watch.restored(told | {"netns b"})
        stage.sh("b", "ip address add 10.9.0.1/24 dev eth0")
        watch.drifted("address 10.9.0.1/24 on b:eth0")


@pytest.mark.parametrize("sandbox", [True, False], ids=["sandbox", "machine"])
@made_up
def test_it_ends_with_the_lab(stage: Stage, sandbox: bool) -> None:
    stage.apply(TEXT)
    with Watch() as watch:
        watch.line()
        stage.destroy()
        assert watch.end() == (0, "watching watched; Ctrl-C ends\nwatched has been destroyed\n")


@made_up
def test_it_ends_with_the_sandbox(stage: Stage) -> None:
    stage.apply(TEXT)
    with Watch() as watch:
        watch.line()
        holder = app.status("watched")[0].holder
        assert holder is not None
        os.kill(holder, signal.SIGKILL)
        assert watch.end() == (0, "watching watched; Ctrl-C ends\nwatched is gone: its sandbox has ended\n")


@made_up
def test_another_file_applied_is_no_drift(stage: Stage) -> None:
    stage.apply(TEXT)
    with Watch() as watch:
        watch.line()
        other = TEXT.replace("b: {bridge: lan, run: [sleep 1000]}", "c: lan")
        stage.apply(other)
        stage.sh("c", "ip address add 10.9.0.1/24 dev eth0")
        (change,) = watch.line()["changes"]
        assert change["fact"] == "address 10.9.0.1/24 on c:eth0"


@made_up
def test_from_python_it_calls_back_in_the_calling_process_and_ends_in_time(stage: Stage) -> None:
    stage.apply(TEXT)
    stage.sh("a", "ip route del 192.0.2.0/24")
    seen: list[DriftChange] = []
    open_before = os.listdir("/proc/self/fd")
    assert app.watch("watched", on_drift=seen.append, seconds=0.2).end == "time"
    assert os.listdir("/proc/self/fd") == open_before
    assert [change.fact.label() for change in seen[0].drifted] == ["route 192.0.2.0/24 via 10.0.0.254 in a"]
    assert len(seen) == 1
    with pytest.raises(UsageError, match="no lab 'other' is up"):
        app.watch("other", on_drift=seen.append)


@made_up
def test_what_comes_too_fast_to_be_heard_is_read_all_the_same(stage: Stage) -> None:
    stage.apply(TEXT)
    with Watch() as watch:
        assert watch.line()["changes"] == []
        lines = [f"address add 10.{50 + n // 250}.{n % 250}.1/32 dev eth0" for n in range(3000)]
        stage.run("a", "sh", "-c", "printf '%s\n' \"$@\" | ip -batch -", "sh", *lines)
        told: set[str] = set()
        while len(told) < len(lines):
            told |= {change["fact"] for change in watch.line()["changes"]}
        assert told == {f"address 10.{50 + n // 250}.{n % 250}.1/32 on a:eth0" for n in range(3000)}
