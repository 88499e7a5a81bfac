"""`gc` removes what dead labs left, and nothing of those that live or may: looked at by what the machine has then."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netlab import app
from netlab.app.collecting import Collected
from netlab.names import GROUP, mark
from netlab.namespaces.processes import await_ends
from netlab.store import Store
from tests.kernel.killing import PATIENCE, ip, kill_points, killed_at, trees, write
from tests.kernel.killing import machine as machine_now
from tests.kernel.made_up_machine import User, on_made_up_machine

pytestmark = pytest.mark.kernel

#: Labs live on in all of these tests: what ends beside them has this many seconds.
machine = functools.partial(machine_now, patience=1.0)

LAB = """
name: dead
host: {forwarding: true}
bridges: {br0: 10.0.0.254/24}
netns: {a: br0, b: br0}
"""
OTHER = """
name: alive
bridges: {br1: 10.0.1.254/24}
netns: {a: {bridge: br1, run: [sleep 1000]}}
"""

anywhere = pytest.mark.parametrize(("user", "sandbox"), [("root", False), ("root", True), ("user", True)])


def kinds(found: Collected) -> tuple[list[tuple[str, str | None]], list[tuple[str, str | None]]]:
    """Give (kind, lab) of what was removed, and of what was left."""
    gone, kept = found.removed, found.left
    return [(one.kind, one.lab) for one in gone], [(one.kind, one.lab) for one in kept]


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, timeout=PATIENCE)


def end_holder(lab: str) -> None:
    """Kill what holds a sandbox, and wait for its end."""
    holder = app.status(lab)[0].holder
    assert holder is not None
    descriptor = os.pidfd_open(holder)
    os.kill(holder, signal.SIGKILL)
    assert not await_ends([descriptor], time.monotonic() + PATIENCE)
    os.close(descriptor)


@anywhere
def test_where_all_is_well_nothing_is_found(user: User, sandbox: bool) -> None:
    def body() -> None:
        assert app.gc() == Collected(False, (), ())
        app.apply(write("lab.yml", LAB), sandbox=sandbox)
        app.apply(write("other.yml", OTHER), sandbox=sandbox)
        before = machine()
        assert app.gc() == Collected(False, (), ())
        assert machine() == before
        app.destroy("dead")
        app.destroy("alive")

    on_made_up_machine(body, user)


@pytest.mark.parametrize("user", ["root", "user"])
def test_the_record_of_a_sandbox_that_has_ended(user: User) -> None:
    def body() -> None:
        empty = machine()
        app.apply(write("other.yml", OTHER), sandbox=True)
        before = machine()
        app.apply(write("lab.yml", LAB), sandbox=True)
        end_holder("dead")
        after = machine()
        assert kinds(app.gc(dry_run=True)) == ([("gone", "dead")], [])
        assert machine() == after
        assert kinds(app.gc()) == ([("gone", "dead")], [])
        assert machine() == before
        assert [(one.lab, one.state) for one in app.status()] == [("alive", "up")]
        app.destroy("alive")
        assert machine() == empty

    on_made_up_machine(body, user)


def test_a_lab_on_the_machine_that_somebody_took_apart() -> None:
    def body() -> None:
        before = machine()
        app.apply(write("lab.yml", LAB))
        for node in ("a", "b"):
            run("ip", "netns", "delete", f"dead-{node}")
        run("ip", "link", "delete", "br0")
        for link in [link["ifname"] for link in ip("link") if link.get("group", "") == str(GROUP)]:
            subprocess.run(["ip", "link", "delete", link], check=False, capture_output=True, timeout=PATIENCE)
        assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == "1\n"
        assert kinds(app.gc()) == ([("gone", "dead")], [])
        assert machine() == before  # what it had set of the machine is as before, too

    on_made_up_machine(body)


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_store_is_lost(dry_run: bool) -> None:
    def body() -> None:
        run("ip", "link", "add", "foreign", "type", "bridge")
        run("ip", "netns", "add", "dead-foreign")
        run("nft", "add", "table", "inet", "netlab_foreign")
        before = machine()
        app.apply(write("lab.yml", LAB.replace("host: {forwarding: true}\n", "")))
        whole = machine()
        shutil.rmtree(Store.locate())
        found = app.gc(dry_run=dry_run)
        assert kinds(found) == ([("orphaned", "dead")], [])
        assert found.removed[0].what == "2 namespaces, 3 devices"
        assert {**machine(), "files": []} == {**(whole if dry_run else before), "files": []}
        if dry_run:
            app.destroy("dead")
        run("ip", "netns", "delete", "dead-foreign")
        run("nft", "delete", "table", "inet", "netlab_foreign")

    on_made_up_machine(body)


def test_what_may_live_though_the_store_does_not_know_it_is_left() -> None:
    def body() -> None:
        empty = machine()
        app.apply(write("lab.yml", LAB), sandbox=True)  # in a sandbox that goes on
        app.apply(write("other.yml", OTHER))  # with a program that runs in it
        shutil.rmtree(Store.locate())
        before = machine()
        found = app.gc()
        assert kinds(found) == ([], [("orphaned", "alive"), ("orphaned", "dead")])
        assert [one.fix for one in found.left] == [
            "netlab apply FILE, or netlab destroy alive",
            "netlab apply FILE, or netlab destroy dead",
        ]
        assert "lives in it" in str(found.left[0].reason)
        assert "its sandbox lives" in str(found.left[1].reason)
        assert machine() == before
        app.destroy("alive")
        app.destroy("dead")
        assert machine() == empty

    on_made_up_machine(body)


def test_another_stores_lab_is_left() -> None:
    def body() -> None:
        plain = write("lab.yml", LAB.replace("host: {forwarding: true}\n", ""))
        empty = machine()
        app.apply(plain)
        # As with another $XDG_RUNTIME_DIR, or where /run is not to be written to.
        other = Path(os.environ["XDG_RUNTIME_DIR"], "netlab")
        shutil.move(Store.locate(), other)
        before = machine()
        found = app.gc()
        assert kinds(found) == ([], [("orphaned", "dead")])
        assert found.left[0].reason == f"another store, {other}, knows it"
        assert machine() == before
        # As in a mount namespace with a /run of its own: where the lab is from, a shell goes on in the other.
        shutil.move(other, Store.locate())
        before = machine()
        script = (
            "mount -n -t tmpfs t /run; mkdir /run/netns; "
            f"cd {Path(__file__).parents[2]}; exec {sys.executable} -m netlab gc"
        )
        said = subprocess.run(
            ["unshare", "-m", "sh", "-ec", script], capture_output=True, text=True, check=True, timeout=PATIENCE
        )
        assert said.stdout == "nothing to remove\n"
        assert "left dead: another store" in said.stderr
        assert machine() == before
        app.destroy("dead")
        assert machine() == empty

    on_made_up_machine(body)


def test_a_netlab_in_another_run_sees_by_its_devices_that_a_lab_lives() -> None:
    def body() -> None:
        app.apply(write("lab.yml", LAB))
        before = machine()
        # Nobody's mounts but its own can be seen: a container in the same network.
        script = (
            "mount -n -t tmpfs t /run; mount -n -t proc p /proc; mkdir /run/netns; "
            f"cd {Path(__file__).parents[2]}; exec {sys.executable} -m netlab gc"
        )
        said = subprocess.run(
            ["unshare", "-mpf", "sh", "-ec", script], capture_output=True, text=True, check=True, timeout=PATIENCE
        )
        assert said.stdout == "nothing to remove\n"
        assert "left dead: its node " in said.stderr
        assert machine() == before
        app.destroy("dead")

    on_made_up_machine(body)


@pytest.mark.parametrize("sandbox", [False, True], ids=["machine", "sandbox"])
def test_an_apply_that_was_killed_is_left_while_anything_of_it_is_there(sandbox: bool) -> None:
    def body() -> None:
        path = write("lab.yml", LAB)
        empty = machine()
        app.apply(write("other.yml", OTHER), sandbox=sandbox)
        before = machine()
        ends = set()
        for deed in kill_points(lambda: app.apply(path, sandbox=sandbox), 0, 7):
            found = app.gc()
            removed, left = kinds(found)
            ends.add("removed" if removed else "left" if left else "nothing")
            if left:
                assert ("interrupted", "dead") in left, (deed, found)
                app.destroy("dead")
            else:
                assert not removed or removed[0][1] == "dead", (deed, found)
                assert [one.lab for one in app.status()] == ["alive"] or app.destroy("dead").existed, deed
            assert machine() == before, deed
        assert {"removed", "left"} <= ends
        app.destroy("dead")
        assert app.gc() == Collected(False, (), ())
        app.destroy("alive")
        assert machine() == empty

    on_made_up_machine(body, timeout=240)


def test_what_a_kill_left_half_made_without_the_store() -> None:
    def body() -> None:
        before = machine()
        run("ip", "link", "add", "half", "group", str(GROUP), "type", "bridge")
        Path("/run/netns/dead-a").write_text(mark("dead", "a"))
        Path("/run/netns/foreign").write_text("")
        found = app.gc()
        assert kinds(found) == ([("orphaned", "dead"), ("half-made", None)], [])
        Path("/run/netns/foreign").unlink()
        assert machine() == before

    on_made_up_machine(body)


def test_half_made_devices_are_left_while_a_netlab_is_at_work_or_a_lab_was_cut_short() -> None:
    def body() -> None:
        path = write("lab.yml", LAB)
        run("ip", "link", "add", "half", "group", str(GROUP), "type", "bridge")
        store = Store(Store.locate(), Store.machine_here())
        with store.lock("dead"):
            assert kinds(app.gc()) == ([], [("busy", "dead"), ("half-made", None)])
        assert killed_at(10, lambda: app.apply(path))
        assert kinds(app.gc()) == ([], [("interrupted", "dead"), ("half-made", None)])
        app.destroy("dead")
        assert kinds(app.gc()) == ([("half-made", None)], [])
        assert [link["ifname"] for link in ip("link")] == ["lo"]

    on_made_up_machine(body)


@pytest.mark.parametrize("user", ["root", "user"])
def test_files_of_labs_that_are_not_there(user: User) -> None:
    def body() -> None:
        os.umask(0o077)
        app.apply(write("other.yml", OTHER), sandbox=True)
        before = machine()
        here = Store.locate() / str(Store.machine_here())
        for path in ("dead/lock", "dead/record.json.lost", "dead/journal.json.new", ".files/dead/dead.svg"):
            (here / path).parent.mkdir(exist_ok=True, parents=True)
            (here / path).write_text("{")
        foreign = Store.locate() / "4711" / "dead"
        foreign.mkdir(parents=True)  # of another machine that shares this /run
        (foreign / "lock").touch()
        assert kinds(app.gc()) == ([("files", "dead")], [])
        assert [path for path in trees(str(Store.locate())) if "dead" in path] == [str(foreign), str(foreign / "lock")]
        shutil.rmtree(foreign.parent)
        assert machine() == before
        app.destroy("alive")

    on_made_up_machine(body, user)


def test_settings_of_labs_that_are_not_there_are_as_before() -> None:
    def body() -> None:
        before = machine()
        path = write("lab.yml", LAB)
        app.apply(path)
        here = Store.locate() / str(Store.machine_here())
        ledger = (here / ".ledger" / "ledger.json").read_bytes()
        app.destroy("dead")
        os.umask(0o077)
        (here / ".ledger").mkdir(parents=True)
        (here / ".ledger" / "ledger.json").write_bytes(ledger)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        assert kinds(app.gc()) == ([("files", "dead")], [])
        assert machine() == before

    on_made_up_machine(body)
