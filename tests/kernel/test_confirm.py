"""`apply --confirm`: undone at a deadline unless it is confirmed, whatever happens to whoever applied."""

from __future__ import annotations

import os
import pty
import signal
import sys
import time
from dataclasses import replace
from typing import Any

import pytest

from netlab import app
from netlab.app import transaction
from netlab.app.confirming import cancel
from netlab.app.guard import undo
from netlab.app.results import LabStatus
from netlab.app.world import World
from netlab.errors import Disagreement, UsageError
from netlab.namespaces.processes import await_ends, reap
from tests.kernel.killing import PATIENCE, killed_at, machine, stop_at, write
from tests.kernel.made_up_machine import PROJECT, User, on_made_up_machine

pytestmark = pytest.mark.kernel

LAB = "promise"
FIRST = "name: promise\nbridges: {br0: 10.0.0.254/24}\nnetns: {a: br0, b: br0}\n"
SECOND = """
name: promise
bridges: {br0: 10.0.0.253/24}
netns: {a: br0, c: {bridge: br0, sysctls: {net.ipv4.ip_default_ttl: 9}}}
"""
THIRD = "name: promise\nnetns: {a: {}}\n"
#: Seconds; no test lets so many go by.
LONG = 600.0

anywhere = pytest.mark.parametrize(("user", "sandbox"), [("root", False), ("root", True), ("user", True)])


def status() -> LabStatus:
    (found,) = app.status(LAB)
    return found


def guard() -> int:
    pid = status().guard
    assert pid is not None
    return pid


def await_guard(pid: int) -> None:
    """Wait until a guard has ended; it undoes before it ends."""
    fd = os.pidfd_open(pid)
    assert not await_ends([fd], time.monotonic() + PATIENCE), "the guard does not end"
    os.close(fd)


def without_times(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is another each time: indices of devices, and a file whose writer was killed."""
    found["files"] = [name for name in found["files"] if not name.endswith(".new")]  # half written, and nobody reads it
    for link in found["links"]:
        for name in ("ifindex", "link_index", "link"):
            link.pop(name, None)
    return found


@anywhere
def test_undone_at_the_deadline_to_nothing(user: User, sandbox: bool) -> None:
    def body() -> None:
        before = machine()
        asked = time.time()
        done = app.apply(write("a.yml", FIRST), sandbox=sandbox, confirm=1.0)
        assert done.outcome == "applied"
        assert done.confirm_until is not None
        assert asked + 1.0 <= done.confirm_until <= time.time() + 1.0
        assert status().confirm_until == done.confirm_until
        await_guard(guard())
        assert time.time() >= done.confirm_until
        assert app.status() == ()
        assert machine() == before

    on_made_up_machine(body, user)


@anywhere
def test_undone_at_the_deadline_to_what_was(user: User, sandbox: bool) -> None:
    def body() -> None:
        first, second = write("a.yml", FIRST), write("b.yml", SECOND)
        empty = machine()
        app.apply(first, sandbox=sandbox)
        before, was = without_times(machine()), status()
        plan = app.plan(second)
        app.apply(second, confirm=1.0)
        assert not app.plan(second).pending
        await_guard(guard())
        assert without_times(machine()) == before
        assert status() == was
        assert not app.plan(first).pending
        assert app.plan(second) == plan
        with pytest.raises(UsageError, match="does not wait for a confirmation"):
            app.confirm(LAB)
        app.destroy(LAB)
        assert machine() == empty

    on_made_up_machine(body, user)


@anywhere
def test_confirmed_it_stays(user: User, sandbox: bool) -> None:
    def body() -> None:
        path = write("a.yml", FIRST)
        empty = machine()
        with pytest.raises(UsageError, match="no lab 'promise' is up"):
            app.confirm(LAB)
        app.apply(path, sandbox=sandbox, confirm=LONG)
        pid = guard()
        app.confirm(LAB)
        await_guard(pid)
        assert (status().state, status().confirm_until, status().guard) == ("up", None, None)
        assert not app.plan(path).pending
        with pytest.raises(UsageError, match="does not wait for a confirmation\n  fix: netlab status promise"):
            app.confirm(LAB)
        app.destroy(LAB)
        assert machine() == empty

    on_made_up_machine(body, user)


def test_it_survives_the_terminal() -> None:
    def body() -> None:
        path = write("a.yml", FIRST)
        before = machine()
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(PROJECT)
            os.execv(sys.executable, [sys.executable, "-m", "netlab", "apply", path, "--confirm", "1", "--sandbox"])
        # The terminal goes when it has been said that the lab waits; SIGHUP reaches the session.
        said = b""
        while b"netlab confirm promise" not in said:
            said += os.read(terminal, 4096)
        pid = guard()
        os.close(terminal)
        reap(child)
        assert os.getsid(pid) != os.getsid(0)
        await_guard(pid)
        assert app.status() == ()
        assert machine() == before

    on_made_up_machine(body)


@pytest.mark.parametrize("sandbox", [False, True], ids=["machine", "sandbox"])
@pytest.mark.parametrize("edit", [False, True], ids=["new", "edit"])
@pytest.mark.slow
def test_an_apply_that_is_killed_is_undone_at_once(sandbox: bool, edit: bool) -> None:
    def body() -> None:
        first, second = write("a.yml", FIRST), write("b.yml", SECOND)
        empty = machine()
        if edit:
            app.apply(first, sandbox=sandbox)
        before = without_times(machine())
        deed, killed = 0, True
        while killed:
            killed = killed_at(deed, lambda: app.apply(second, sandbox=sandbox, confirm=LONG))
            if not killed:
                break
            await_nobody()
            assert without_times(machine()) == before, deed
            assert [one.state for one in app.status()] == ["up"] * edit, deed
            assert not edit or not app.plan(first).pending
            deed += 1 + edit
        assert deed > 6
        assert status().guard is not None
        app.destroy(LAB)
        assert machine() == empty

    on_made_up_machine(body, timeout=240)


def await_nobody() -> None:
    """Wait until no guard is left, for those that the store does not name (yet)."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read()
            if b"netlab.app.guard" in words:
                await_guard(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            continue


def disagree(*_: object, **__: object) -> None:
    raise Disagreement("for the sake of the test")


def test_an_apply_that_fails_leaves_no_guard() -> None:
    def body() -> None:
        first, second = write("a.yml", FIRST), write("b.yml", SECOND)
        before = machine()
        verify, transaction._verify = transaction._verify, disagree
        assert app.apply(second, sandbox=True, confirm=LONG).outcome == "undone"
        await_nobody()
        assert machine() == before
        # The guard of an earlier apply goes on waiting.
        transaction._verify = verify
        app.apply(first, sandbox=True, confirm=LONG)
        pid = guard()
        transaction._verify = disagree
        assert app.apply(second, confirm=LONG).outcome == "undone"
        assert guard() == pid
        app.destroy(LAB)
        await_guard(pid)
        assert machine() == before

    on_made_up_machine(body)


@anywhere
def test_killed_guard_is_told(user: User, sandbox: bool) -> None:
    def body() -> None:
        path = write("a.yml", FIRST)
        empty = machine()
        app.apply(path, sandbox=sandbox, confirm=LONG)
        pid = guard()
        os.kill(pid, signal.SIGKILL)
        await_guard(pid)
        assert status().confirm_until is not None
        assert status().guard is None
        assert status().state == "up"
        app.confirm(LAB)
        assert status().confirm_until is None
        app.destroy(LAB)
        assert machine() == empty

    on_made_up_machine(body, user)


def test_applied_again_while_it_waits() -> None:
    def body() -> None:
        first, second, third = (write(f"{n}.yml", text) for n, text in enumerate((FIRST, SECOND, THIRD)))
        empty = machine()
        app.apply(first, sandbox=True)
        app.apply(second, confirm=LONG)
        waits = guard()
        # Unconfirmed upon unconfirmed: what it goes back to is what was last confirmed.
        app.apply(third, confirm=0.5)
        await_guard(waits)
        await_guard(guard())
        assert not app.plan(first).pending
        assert status().confirm_until is None
        # An apply without a question settles it.
        app.apply(second, confirm=LONG)
        waits = guard()
        app.apply(third)
        await_guard(waits)
        assert (status().guard, status().confirm_until) == (None, None)
        assert not app.plan(third).pending
        app.destroy(LAB)
        assert machine() == empty

    on_made_up_machine(body)


def test_never_confirmed_at_all_it_goes() -> None:
    def body() -> None:
        first, second = write("a.yml", FIRST), write("b.yml", SECOND)
        empty = machine()
        app.apply(first, sandbox=True, confirm=LONG)
        app.apply(second, confirm=0.5)
        await_guard(guard())
        assert app.status() == ()
        await_nobody()
        assert machine() == empty

    on_made_up_machine(body)


def test_destroyed_while_it_waits() -> None:
    def body() -> None:
        path = write("a.yml", FIRST)
        empty = machine()
        app.apply(path, confirm=LONG)
        pid = guard()
        app.destroy(LAB)
        await_guard(pid)
        assert machine() == empty

    on_made_up_machine(body)


def test_the_deadline_waits_for_whoever_acts_on_the_lab() -> None:
    def body() -> None:
        first, second = write("a.yml", FIRST), write("b.yml", SECOND)
        empty = machine()
        app.apply(first, sandbox=True, confirm=0.3)
        waits = guard()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            stop_at(2, lambda: os.write(writing, b"x"))
            app.apply(second)
            os._exit(1)
        assert os.read(reading, 1) == b"x"
        fd = os.pidfd_open(waits)
        assert await_ends([fd], time.monotonic() + 1.0), "it waits for the lock"
        os.close(fd)
        os.kill(child, signal.SIGKILL)
        reap(child)
        await_guard(waits)
        assert app.status() == ()
        assert machine() == empty

    on_made_up_machine(body)


def test_gone_while_it_waits() -> None:
    def body() -> None:
        first, second = write("a.yml", FIRST), write("b.yml", SECOND)
        empty = machine()
        app.apply(first, sandbox=True)
        app.apply(second, confirm=0.5)
        waits, holder = guard(), status().holder
        assert holder is not None
        os.kill(holder, signal.SIGKILL)
        await_guard(waits)
        assert (status().state, status().confirm_until) == ("gone", None)
        assert app.apply(first).outcome == "applied"
        assert not app.plan(first).pending
        app.destroy(LAB)
        assert machine() == empty

    on_made_up_machine(body)


def test_a_guard_killed_while_it_undoes_is_told_and_the_rest_is_done() -> None:
    def body() -> None:
        first, second = write("a.yml", FIRST), write("b.yml", SECOND)
        empty = machine()
        # Before deed 2 the undo has not begun: the journal that says so is deed 1.
        for deed in range(2, 10, 2):
            app.apply(first, sandbox=True)
            app.apply(second, confirm=LONG)
            act_as_guard(deed)
            assert status().state == "interrupted"
            with pytest.raises(UsageError, match="was cut short"):
                app.confirm(LAB)
            if deed % 4 == 2:
                assert app.apply(first).outcome == "applied"
                assert not app.plan(first).pending
                assert status().confirm_until is None
            app.destroy(LAB)
            assert machine() == empty

    on_made_up_machine(body)


def act_as_guard(deed: int) -> None:
    """Have a child be the guard of the lab, and kill it at a deed of its undoing."""
    store = World.here().store
    record = store.record(LAB)
    assert record is not None
    assert record.confirm is not None
    cancel(record)

    def be_the_guard() -> None:
        assert record.confirm is not None
        store.save(replace(record, confirm={**record.confirm, "pid": os.getpid()}))
        undo(LAB, World.here())

    assert killed_at(deed, be_the_guard)
