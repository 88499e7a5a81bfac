"""What an unconfirmed apply goes back to, and who is to see to it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from netlab.app.confirming import cancel, confirm, guard_of
from netlab.app.guard import undo
from netlab.app.past import Past
from netlab.app.remembering import last_confirmed
from netlab.app.targets import Found
from netlab.app.wanted import Wanted
from netlab.app.world import World
from netlab.errors import UsageError
from netlab.namespaces.processes import process_of
from netlab.plan import Door
from netlab.store import Record, Store
from netlab.topology import read

TEXT = "name: demo\nnetns: {a: {}}\n"
FIRST = Record("demo", "/first.yml", TEXT, [], 1.0)
SECOND = replace(FIRST, file="/second.yml", applied_at=2.0)


def promise(pid: int = 2**22 + 1, start_time: int = 1, previous: Record | None = None) -> dict[str, object]:
    before = None if previous is None else previous.to_json()
    return {"pid": pid, "start_time": start_time, "until": 9.0, "previous": before}


def own_promise(previous: Record | None = None) -> dict[str, object]:
    process = process_of(os.getpid())
    assert process is not None
    return promise(process.pid, process.start_time, previous)


def wanted(record: Record | None) -> Wanted:
    lab = read(TEXT.encode(), "/third.yml", sandboxed=False)
    past = Past(Found("demo", record, None), {}, None, ({},), {})
    return Wanted("/third.yml", TEXT, lab, past, False, lab.facts)


def no_doors(lab: str, machine: bool, logs: Path, programs: bool) -> tuple[Door, ...]:
    raise AssertionError("nothing is to be touched")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(Store(tmp_path / "netlab", 1), tmp_path / "logs", privileged=False, doors=no_doors)


def test_what_it_goes_back_to() -> None:
    assert last_confirmed(wanted(None)) is None
    assert last_confirmed(wanted(FIRST)) == FIRST.to_json()
    # What was never confirmed is nothing to go back to.
    assert last_confirmed(wanted(replace(SECOND, confirm=promise(previous=FIRST)))) == FIRST.to_json()
    assert last_confirmed(wanted(replace(SECOND, confirm=promise()))) is None
    # Nor is what has ended meanwhile.
    assert last_confirmed(wanted(replace(SECOND, sandbox={"pid": 2**22 + 1}))) is None


def test_a_guard_is_a_pid_and_a_start_time() -> None:
    own = own_promise()
    assert guard_of(None) is None
    assert guard_of(FIRST) is None
    assert guard_of(replace(FIRST, confirm=promise())) is None
    assert guard_of(replace(FIRST, confirm={**own, "start_time": 1})) is None
    found = guard_of(replace(FIRST, confirm=own))
    assert found is not None
    assert found.pid == os.getpid()
    cancel(replace(FIRST, confirm=own))  # which a guard that destroys the lab survives


def test_confirm_says_what_is_not_there_to_be_confirmed(world: World) -> None:
    with pytest.raises(UsageError, match="no lab 'demo' is up"):
        confirm("demo", world=world)
    world.store.save(FIRST)
    with pytest.raises(UsageError, match="does not wait for a confirmation"):
        confirm("demo", world=world)
    world.store.save(replace(FIRST, confirm=promise()))
    world.store.begin("demo", {"verb": "undo"})
    with pytest.raises(UsageError, match="cut short in lab 'demo'\n  fix: netlab apply FILE, or netlab destroy demo"):
        confirm("demo", world=world)
    world.store.end("demo")
    confirm("demo", world=world)
    assert world.store.record("demo") == FIRST


def test_nobody_undoes_what_is_not_promised_to_him(world: World) -> None:
    for record in (FIRST, replace(FIRST, confirm=promise(previous=SECOND))):
        world.store.save(record)
        undo("demo", world)
        assert world.store.record("demo") == record
        assert world.store.pending("demo") is None
    world.store.begin("demo", {"verb": "apply", "confirm": promise()})
    undo("demo", world)
    assert world.store.pending("demo") == {"verb": "apply", "confirm": promise()}


def test_where_the_sandbox_has_ended_only_the_record_goes_back(world: World) -> None:
    gone = {"pid": 2**22 + 1, "start_time": 1, "net": 1, "mount": 1, "pid_namespace": 1, "user": None}
    before = replace(FIRST, sandbox=gone)
    world.store.save(replace(SECOND, sandbox=gone, confirm=own_promise(before)))
    undo("demo", world)
    assert world.store.record("demo") == before
    assert world.store.pending("demo") is None
