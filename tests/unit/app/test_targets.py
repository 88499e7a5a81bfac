"""What a command line names, against a store: files, labs, and stores that make no sense."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from netlab.app.targets import Found, existing, is_file, look_up, name_of, only_lab, read_text, sandbox_named
from netlab.app.world import World
from netlab.errors import FileError, UsageError
from netlab.plan import Door
from netlab.store import Record, Store

TEXT = "name: demo\nnetns: {a: {}}\n"
#: No process has this pid.
GONE = {"pid": 2**22 + 1, "start_time": 1, "net": 1, "mount": 1, "pid_namespace": 1, "user": None}


def no_doors(lab: str, machine: bool, logs: Path, programs: bool) -> tuple[Door, ...]:
    raise AssertionError("nothing is to be touched")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(Store(tmp_path / "netlab", 1), tmp_path / "logs", privileged=False, doors=no_doors)


def save(world: World, path: Path, lab: str = "demo", text: str = TEXT) -> Record:
    record = Record(lab, str(path), text, [], 0.0, sandbox=GONE)
    world.store.save(record)
    return record


def test_a_file_is_told_from_a_lab() -> None:
    assert [is_file(word) for word in ("a.yml", "a.yaml", "./a", "/a", "a", "a.b", "a-yml")] == [True] * 4 + [False] * 3


def test_a_file_that_cannot_be_read_is_told_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file .*\n  fix: netlab examples"):
        read_text(str(tmp_path / "none.yml"))
    with pytest.raises(UsageError, match="Is a directory"):
        read_text(str(tmp_path))
    with pytest.raises(UsageError, match="cannot be the name of a file"):
        read_text("a\0b.yml")


def test_the_lab_of_a_file(world: World, tmp_path: Path) -> None:
    path = tmp_path / "demo.yml"
    path.write_text(TEXT)
    assert name_of(world, str(path)) == "demo"
    save(world, path)
    assert name_of(world, str(path)) == "demo"
    # The file was renamed inside since: it is what it says now, not what was applied from it.
    path.write_text(TEXT.replace("demo", "other"))
    assert name_of(world, str(path)) == "other"
    path.write_text("rubbish: [")
    assert name_of(world, str(path)) == "demo", "what was applied from it"
    path.unlink()
    assert name_of(world, str(path)) == "demo", "it need not be there any more"
    save(world, path, "second")
    with pytest.raises(UsageError, match="there is no file"):
        name_of(world, str(path))
    path.write_text("rubbish: [")
    with pytest.raises(FileError):
        name_of(world, str(path))


def test_the_only_lab(world: World, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no lab is up\n  fix: netlab apply FILE"):
        only_lab(world)
    save(world, tmp_path / "a.yml")
    assert only_lab(world) == name_of(world, None) == "demo"
    save(world, tmp_path / "b.yml", "second")
    with pytest.raises(UsageError, match="2 labs are up: say which of demo, second"):
        only_lab(world)


def test_a_lab_whose_sandbox_has_ended_is_gone(world: World, tmp_path: Path) -> None:
    record = save(world, tmp_path / "a.yml")
    found = look_up(world, "demo")
    assert (found.record, found.sandbox, found.gone, found.machine) == (record, None, True, False)
    with pytest.raises(UsageError, match=r"'demo' is gone: its sandbox has ended\n  fix: netlab apply .*a\.yml"):
        existing(world, "demo")
    with pytest.raises(UsageError, match="no lab 'other' is up; these are: demo\n  fix: netlab apply FILE"):
        existing(world, "other")


def test_what_is_meant_for_a_sandbox_is_never_done_here(world: World, tmp_path: Path) -> None:
    save(world, tmp_path / "a.yml")
    with pytest.raises(AssertionError, match="never done to the machine"):
        look_up(world, "demo").run(lambda: None)
    assert Found("demo", None, None).run(lambda: 7) == 7


@pytest.mark.parametrize("value", [None, 7, [], {}, {**GONE, "pid": "x"}, {**GONE, "net": None}, {"pid": 1}])
def test_a_sandbox_without_sense_is_none(world: World, tmp_path: Path, value: object) -> None:
    assert sandbox_named(value) is None
    if isinstance(value, dict):
        world.store.save(replace(save(world, tmp_path / "a.yml"), sandbox=value))
        assert look_up(world, "demo").gone
