"""Killed by SIGKILL at any deed, in a sandbox or on the machine: the next apply or destroy finishes the job."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

from netlab import app
from netlab.app import transaction
from netlab.errors import Disagreement
from netlab.namespaces.processes import await_ends
from netlab.namespaces.sandbox import find_sandboxes
from tests.kernel.killing import DEEDS, PATIENCE, kill_points, killed_at, machine, write
from tests.kernel.made_up_machine import PROJECT, User, on_made_up_machine

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

LAB = "cut"
FIRST = """
name: cut
host: {forwarding: true}
bridges: {br0: 10.0.0.254/24}
routes: [{to: 192.0.2.0/24, blackhole: true}]
netns:
  a: {bridge: br0, run: [sleep 1000]}
  b: {bridge: br0, sysctls: {net.ipv4.ip_default_ttl: 33}}
"""
#: Another bridge, a node that goes, one that comes, a cable, a route that goes and one that comes.
SECOND = """
name: cut
bridges: {br0: 10.0.0.254/24, br1: {address: 10.0.1.254/24, mac: "02:00:00:00:00:99"}}
routes: [{to: 198.51.100.0/24, unreachable: true}]
veths: [[{name: left}, {name: right}]]
netns:
  b: {interfaces: {eth0: {bridge: br0, mtu: 1400}, eth1: {bridge: br1}}}
  c: br1
"""

where = pytest.mark.parametrize("sandbox", [False, True], ids=["machine", "sandbox"])
finish = pytest.mark.parametrize("mended", [True, False], ids=["apply", "destroy"])


def finish_and_look(before: object, path: str, sandbox: bool, mended: bool, deed: int) -> None:
    """Finish the job, and find nothing left of it."""
    if mended:
        done = app.apply(path, sandbox=sandbox)
        assert done.outcome == "applied", (deed, done.problems)
        left = app.plan(path, sandbox=sandbox).plan
        assert not left, (deed, [(change.action, change.fact.label()) for change in left.changes])
        assert [status.state for status in app.status()] == ["up"], deed
    app.destroy(LAB)
    assert app.status() == (), deed
    after = machine()
    assert after == before, deed


def every(mended: bool) -> tuple[int, int]:
    """Give the deeds to be killed at, as the first and the step: each is, and what finishes takes turns."""
    return int(mended), 2


@where
@finish
def test_an_apply(sandbox: bool, mended: bool) -> None:
    def body() -> None:
        path = write("first.yml", FIRST)
        before = machine()
        for deed in kill_points(lambda: app.apply(path, sandbox=sandbox), *every(mended)):
            finish_and_look(before, path, sandbox, mended, deed)
        finish_and_look(before, path, sandbox, mended, -1)

    on_made_up_machine(body, timeout=240)


@where
def test_an_apply_of_many_nodes(sandbox: bool) -> None:
    def body() -> None:
        # So many that children make the namespaces.
        path = write("many.yml", FIRST + "  c{0..11}: br0\n")
        before = machine()
        for deed in kill_points(lambda: app.apply(path, sandbox=sandbox), 0, 7):
            finish_and_look(before, path, sandbox, deed % 2 == 0, deed)
        finish_and_look(before, path, sandbox, False, -1)

    on_made_up_machine(body, timeout=240)


@where
@finish
def test_an_edit(sandbox: bool, mended: bool) -> None:
    def body() -> None:
        first, second = write("first.yml", FIRST), write("second.yml", SECOND)
        before = machine()

        def edit() -> None:
            app.apply(second, sandbox=sandbox)

        assert app.apply(first, sandbox=sandbox).outcome == "applied"
        for deed in kill_points(edit, *every(mended)):
            # Half of the time it is the earlier file that the lab is brought to.
            finish_and_look(before, (first, second)[deed // 2 % 2], sandbox, mended, deed)
            assert app.apply(first, sandbox=sandbox).outcome == "applied"
        finish_and_look(before, second, sandbox, mended, -1)

    on_made_up_machine(body, timeout=400)


@where
@finish
def test_a_destroy(sandbox: bool, mended: bool) -> None:
    def body() -> None:
        path = write("first.yml", FIRST)
        before = machine()
        assert app.apply(path, sandbox=sandbox).outcome == "applied"
        for deed in kill_points(lambda: app.destroy(LAB), *every(mended)):
            finish_and_look(before, path, sandbox, mended, deed)
            assert app.apply(path, sandbox=sandbox).outcome == "applied"
        finish_and_look(before, path, sandbox, False, -1)

    on_made_up_machine(body, timeout=240)


def disagree(*_: object, **__: object) -> None:
    raise Disagreement("for the sake of the test")


@where
@finish
def test_an_undo(sandbox: bool, mended: bool) -> None:
    def body() -> None:
        first, second = write("first.yml", FIRST), write("second.yml", SECOND)
        before = machine()

        def fail() -> None:
            transaction._verify = disagree
            assert app.apply(second, sandbox=sandbox).outcome == "undone"

        assert app.apply(first, sandbox=sandbox).outcome == "applied"
        for deed in kill_points(fail, *every(mended)):
            finish_and_look(before, (first, second)[deed // 2 % 2], sandbox, mended, deed)
            assert app.apply(first, sandbox=sandbox).outcome == "applied"
        assert not app.plan(first).pending, "the last one was undone to its end"
        finish_and_look(before, second, sandbox, mended, -1)

    on_made_up_machine(body, timeout=400)


def command(*words: str, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start the real command, as a user's shell would."""
    argv = [sys.executable, "-m", "netlab", *words]
    return subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=stderr)


def kill_after(seconds: float, words: Sequence[str]) -> None:
    child = command(*words)
    pidfd = os.pidfd_open(child.pid)
    try:
        await_ends([pidfd], time.monotonic() + seconds)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it was faster
    finally:
        os.close(pidfd)
        child.wait(PATIENCE)


@pytest.mark.parametrize(("user", "sandbox"), [("root", False), ("root", True), ("user", True)])
def test_the_command_at_any_moment(user: User, sandbox: bool) -> None:
    def body() -> None:
        first, second = write("first.yml", FIRST), write("second.yml", SECOND)
        option = ["--sandbox"] if sandbox else []
        before = machine()
        assert command("apply", first, *option).wait(PATIENCE) == 0  # which also warms the caches
        started = time.monotonic()
        assert command("apply", second, *option).wait(PATIENCE) == 0
        lasts = time.monotonic() - started
        rng = random.Random(7)
        for turn in range(12):
            words = (["apply", first, *option], ["apply", second, *option], ["destroy", LAB])[turn % 3]
            kill_after(rng.uniform(0.0, lasts), words)
            if turn % 4 == 3:
                finish_and_look(before, second, sandbox, turn % 8 == 3, turn)
        finish_and_look(before, first, sandbox, True, -1)

    on_made_up_machine(body, user, timeout=240)


@pytest.mark.parametrize(("user", "sandbox"), [("root", False), ("root", True), ("user", True)])
def test_an_interrupt_at_any_moment_undoes_all_of_it(user: User, sandbox: bool) -> None:
    def body() -> None:
        path = write("first.yml", FIRST)
        option = ["--sandbox"] if sandbox else []
        before = machine()
        started = time.monotonic()
        assert command("apply", path, *option).wait(PATIENCE) == 0
        lasts = time.monotonic() - started
        app.destroy(LAB)
        rng, codes = random.Random(11), []
        for turn in range(10):
            child = command("apply", path, *option, "--verbose", stderr=subprocess.PIPE)
            pidfd = os.pidfd_open(child.pid)
            await_ends([pidfd], time.monotonic() + rng.uniform(0.3, 1.0) * lasts)
            os.close(pidfd)
            child.send_signal(signal.SIGINT)
            said = child.communicate(timeout=PATIENCE)[1]
            codes.append(child.returncode)
            # The interpreter itself, while it starts or ends, just dies of it.
            assert codes[-1] in (0, 130, -signal.SIGINT), (codes, said)
            # The command proves what it has applied: interrupted then, the lab stays, whole.
            if app.status():
                assert [status.state for status in app.status()] == ["up"], (turn, codes[-1], said.decode())
                assert not app.plan(path, sandbox=sandbox).pending
                app.destroy(LAB)
            assert machine() == before, (turn, codes[-1], said.decode())
        assert set(codes) != {0}

    on_made_up_machine(body, user, timeout=240)


def test_before_the_store_names_the_sandbox() -> None:
    def body() -> None:
        path = write("first.yml", FIRST)
        before = machine()
        assert {"make_sandbox", "PendingSandbox.keep"} <= {name for _, name in DEEDS}
        # Deed 0 is the making of the sandbox, deed 1 the journal that names it, deed 2 the word that it may stay.
        for deed in (1, 2):
            assert killed_at(deed, lambda: app.apply(path, sandbox=True))
            assert find_sandboxes() == ()
            assert [status.state for status in app.status()] == ["interrupted"] * (deed - 1)
            assert app.destroy(LAB).sandbox is False
            assert machine() == before

    on_made_up_machine(body)


@pytest.mark.parametrize("user", ["root", "user"])
@finish
def test_a_killed_holder_is_a_lab_that_is_gone(user: User, mended: bool) -> None:
    def body() -> None:
        path = write("first.yml", FIRST)
        before = machine()
        app.apply(path, sandbox=True)
        ((_, sandbox),) = find_sandboxes()
        pidfd = os.pidfd_open(sandbox.pid)
        os.kill(sandbox.pid, signal.SIGKILL)
        assert not await_ends([pidfd], time.monotonic() + PATIENCE)
        os.close(pidfd)
        (status,) = app.status(LAB)
        assert (status.state, status.holder, status.node_count, status.nodes) == ("gone", None, 2, ())
        finish_and_look(before, path, True, mended, -1)

    on_made_up_machine(body, user)
