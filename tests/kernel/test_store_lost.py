"""The store deleted or garbled: marks alone suffice to destroy a lab, and to take it up again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from netlab import app
from netlab.errors import NetlabError, UsageError
from netlab.store import Store
from tests.kernel.killing import machine, write
from tests.kernel.made_up_machine import User, on_made_up_machine

pytestmark = pytest.mark.kernel

LAB = "lost"
TEXT = """
name: lost
bridges: {br0: 10.0.0.254/24}
routes: [{to: 192.0.2.0/24, blackhole: true}]
netns: {a: br0, b: br0}
checks: [{ping: a -> b}]
"""
OTHER = """
name: lost-and-found
bridges: {br1: 10.0.1.254/24}
netns: {a: br1}
"""

anywhere = pytest.mark.parametrize(("user", "sandbox"), [("root", False), ("root", True), ("user", True)])


def store() -> Path:
    return Store.locate()


@anywhere
def test_destroy_takes_all_of_the_lab_and_nothing_else(user: User, sandbox: bool) -> None:
    def body() -> None:
        lost, other = write("lost.yml", TEXT), write("other.yml", OTHER)
        empty = machine()
        app.apply(other, sandbox=sandbox)
        before = machine()
        app.apply(lost, sandbox=sandbox)
        kept = {path: path.read_bytes() for path in store().rglob("*") if path.is_file() and "found" in str(path)}
        shutil.rmtree(store())
        assert {status.lab: status.state for status in app.status()} == {LAB: "orphaned", "lost-and-found": "orphaned"}
        (status,) = app.status(LAB)
        assert [node.name for node in status.nodes if node.name != "host"] == ["a", "b"]
        assert (status.node_count, status.sandboxed, status.file) == (2, sandbox, None)
        assert app.execute("lost/a", ["true"]) == 0
        with pytest.raises(UsageError, match="the store has lost"):
            app.drift(LAB)
        with pytest.raises(UsageError, match="the store has lost"):
            app.check(LAB)
        assert app.check(lost).ok
        destroyed = app.destroy(LAB)
        assert destroyed.existed
        assert destroyed.sandbox is sandbox
        left = machine()
        if not sandbox:
            # The route bears netlab's mark, but no lab's: while another lab is up, it may be that one's.
            assert [route for route in left["routes"] if route not in before["routes"]] == [
                {"type": "blackhole", "dst": "192.0.2.0/24", "protocol": "110", "flags": []}
            ]
            left["routes"] = before["routes"]
        os.umask(0o077)
        for path, content in kept.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        assert {**left, "files": []} == {**before, "files": []}
        assert not app.plan(other).pending
        if not sandbox:
            shutil.rmtree(store())
        app.destroy("lost-and-found")
        assert machine() == empty

    on_made_up_machine(body, user)


@anywhere
def test_apply_takes_the_lab_up_again(user: User, sandbox: bool) -> None:
    def body() -> None:
        path = write("lost.yml", TEXT)
        empty = machine()
        app.apply(path, sandbox=sandbox)
        before = machine()
        shutil.rmtree(store())
        assert not app.plan(path).pending
        done = app.apply(path)
        assert (done.outcome, len(done.plan.steps), done.sandboxed) == ("applied", 0, sandbox)
        assert machine() == before
        assert [status.state for status in app.status()] == ["up"]
        assert app.drift(LAB).changes == ()
        shutil.rmtree(store())
        fewer = write("lost.yml", TEXT.replace(", b: br0", "").replace("checks: [{ping: a -> b}]", ""))
        assert app.apply(fewer).outcome == "applied"
        assert not app.plan(fewer).pending
        app.destroy()
        assert machine() == empty

    on_made_up_machine(body, user)


@anywhere
def test_programs_come_and_go_without_the_store(user: User, sandbox: bool) -> None:
    def body() -> None:
        plain = TEXT.replace("b: br0", "b: {bridge: br0}")
        runs = write("runs.yml", TEXT.replace("b: br0", "b: {bridge: br0, run: [sleep 999]}"))
        rests = write("rests.yml", plain)
        empty = machine()
        app.apply(rests, sandbox=sandbox)
        shutil.rmtree(store())
        assert app.apply(runs).outcome == "applied"
        assert [node.programs for node in app.status(LAB)[0].nodes if node.programs] == [("sleep 999",)]
        shutil.rmtree(store())
        assert "sleep 999" in str(app.plan(rests).plan.changes)
        assert app.apply(rests).outcome == "applied"
        assert not [words for words in command_lines() if b"sleep\0999" in words]
        app.destroy()
        assert machine() == empty

    on_made_up_machine(body, user)


def command_lines() -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes())
    return found


def spoilt(record: Path) -> Iterator[bytes]:
    """Give records as no netlab writes them."""
    whole = record.read_bytes()
    yield b""
    yield whole[: len(whole) // 2]
    yield os.urandom(500)
    yield b"[" * 100_000
    yield b"null"
    yield b'{"version": 1}'
    value = json.loads(whole)
    for turn, name in enumerate(value):
        for wrong in (None, 7, "x", [1], {"a": 1})[turn % 2 :: 2]:
            yield json.dumps({**value, name: wrong}).encode()


COMMANDS = (
    lambda path: app.status(),
    lambda path: app.status(LAB),
    lambda path: app.plan(path),
    lambda path: app.drift(LAB),
    lambda path: app.check(LAB),
    lambda path: app.execute(f"{LAB}/a", ["true"]),
    lambda path: app.diagram(LAB, format="dot", live=True),
    lambda path: app.confirm(LAB),
)


@pytest.mark.parametrize(("name", "sandbox"), [("record.json", False), ("record.json", True), ("journal.json", False)])
def test_a_garbled_file_of_the_store_is_no_traceback(sandbox: bool, name: str) -> None:
    def body() -> None:
        os.umask(0o077)
        path = write("lost.yml", TEXT)
        empty = machine()
        app.apply(path, sandbox=sandbox)
        (record,) = store().rglob("record.json")
        whole = record.read_bytes()
        for turn, text in enumerate(list(spoilt(record))):
            for command in COMMANDS:
                record.parent.mkdir(parents=True, exist_ok=True)
                record.write_bytes(whole)
                record.with_name(name).write_bytes(text)
                try:
                    command(path)
                except NetlabError:
                    pass
                except BaseException as error:
                    raise AssertionError(f"{name} was {text[:2000]!r}") from error
            if turn % 4:
                continue
            record.parent.mkdir(parents=True, exist_ok=True)
            record.with_name(name).write_bytes(text)
            assert app.destroy(LAB).existed, text
            assert machine() == empty, text
            assert app.apply(path, sandbox=sandbox).outcome == "applied"
            (record,) = store().rglob("record.json")
        record.parent.mkdir(parents=True, exist_ok=True)
        record.with_name(name).write_bytes(b"{")
        assert app.apply(path).outcome == "applied"
        assert app.drift(LAB).changes == ()
        app.destroy()
        assert machine() == empty

    on_made_up_machine(body, timeout=240)


def test_a_garbled_ledger_is_no_traceback() -> None:
    def body() -> None:
        path = write("lost.yml", TEXT.replace("bridges:", "host: {forwarding: true}\nbridges:"))
        app.apply(path)
        (ledger,) = store().rglob("ledger.json")
        whole = ledger.read_text()
        value = json.loads(whole)
        entry = {"before": "0", "ours": [], "labs": ["lost"]}
        for text in ("", whole[:30], "[]", '{"version": 1}', json.dumps({**value, "settings": {"a": entry}})):
            ledger.write_text(text)
            app.status()
            app.plan(path)
            assert app.apply(path).outcome == "applied"
            app.destroy()
            assert not store().exists()
            app.apply(path)
        app.destroy()

    on_made_up_machine(body)


def test_what_is_no_lab_in_the_store_is_passed_over() -> None:
    def body() -> None:
        path = write("lost.yml", TEXT)
        app.apply(path)
        (record,) = store().rglob("record.json")
        odd = record.parent.with_name("a b")
        odd.mkdir()
        (odd / "record.json").write_text("{}")
        (record.parent.with_name("empty")).mkdir()
        (record.parent.with_name("file")).write_text("")
        assert [status.lab for status in app.status()] == [LAB]
        app.destroy()

    on_made_up_machine(body)
