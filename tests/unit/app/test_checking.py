"""Where the checks of a lab are run, and what is made of two worlds that disagree. Nothing is applied or probed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netlab import app
from netlab.app import checking
from netlab.app.comparing import Compared, Simulated, compare
from netlab.app.results import Drift
from netlab.app.world import World
from netlab.errors import FileError, UsageError
from netlab.facts import to_json
from netlab.plan import Door
from netlab.probe import Verdict
from netlab.store import Record, Store
from netlab.topology import read

TEXT = """
name: demo
bridges: {br0: 10.0.0.0/24}
netns: {a: br0, b: br0}
checks:
  - ping: a -> b
  - ping: a -> 10.0.0.1
  - ping: {from: a, to: 10.0.0.99, expect: unreachable}
"""


def no_doors(lab: str, machine: bool, logs: Path, programs: bool) -> tuple[Door, ...]:
    raise AssertionError("nothing is to be touched")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(Store(tmp_path / "netlab", 1), tmp_path / "logs", privileged=False, doors=no_doors)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "demo.yml"
    path.write_text(TEXT)
    return str(path)


def applied(world: World, file: str, text: str = TEXT) -> None:
    """Have the store say that the file was applied to the machine itself: no process stands for that."""
    lab = read(text, file)
    facts: list[dict[str, Any]] = [to_json(fact) for fact in lab.facts.values()]
    world.store.save(Record("demo", file, text, facts, 0.0, allocated=dict(lab.allocated)))


Probe = Callable[[Sequence[Verdict]], None]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Callable[[Iterable[dict[str, str]]], list[int]]:
    """Give a function that plays the kernel: each run of the probes comes to what is expected, but for what is given.

    That is, for each run, outcomes by the address that is asked. It gives a list of how many checks each run had.
    """

    def play(runs: Iterable[dict[str, str]]) -> list[int]:
        left, counts = list(runs), []

        def probe(lab: Any, found: Any, on_verdict: Callable[[Verdict], None] | None) -> tuple[Verdict, ...]:
            others = left.pop(0)
            counts.append(len(lab.checks))
            verdicts = []
            for check in lab.checks:
                outcome = others.get(check.address, check.expect)
                verdicts.append(Verdict(check, outcome == check.expect, outcome, "a packet", "something", None, 0.5))
                if on_verdict is not None:
                    on_verdict(verdicts[-1])
            return tuple(verdicts)

        monkeypatch.setattr(checking, "_probe", probe)
        return counts

    return play


def test_a_file_that_is_not_applied_is_simulated_and_one_that_is_probed(world: World, file: str, kernel: Any) -> None:
    found = app.check(file, world=world)
    assert (found.mode, found.ok, found.lab, len(found.verdicts)) == ("simulate", True, "demo", 3)
    assert all(isinstance(verdict, Simulated) for verdict in found.verdicts)
    applied(world, file)
    assert kernel([{}]) == []
    found = app.check(file, world=world)
    assert (found.mode, found.ok) == ("live", True)
    assert not any(isinstance(verdict, Simulated | Compared) for verdict in found.verdicts)


def test_a_lab_by_name_is_probed_or_missed(world: World) -> None:
    with pytest.raises(UsageError, match="no lab 'demo' is up"):
        app.check("demo", world=world)
    with pytest.raises(UsageError, match="no lab 'demo' is up"):
        app.check("demo", mode="simulate", world=world)


def test_live_and_both_need_a_lab_that_is_applied(world: World, file: str) -> None:
    for mode in ("live", "both"):
        with pytest.raises(UsageError, match=r"no lab 'demo' is up\n  fix: netlab apply"):
            app.check(file, mode=mode, world=world)


def test_a_sandbox_that_has_ended_is_missed_not_simulated(world: World, file: str) -> None:
    gone = {"pid": 2**22 + 1, "start_time": 1, "net": 1, "mount": 1, "pid_namespace": 1, "user": None}
    world.store.save(Record("demo", file, TEXT, [], 0.0, sandbox=gone))
    with pytest.raises(UsageError, match="is gone: its sandbox has ended"):
        app.check(file, world=world)
    assert app.check(file, mode="simulate", world=world).ok


def test_a_file_is_simulated_as_it_is_and_a_lab_as_it_was_applied(world: World, file: str) -> None:
    applied(world, file)
    Path(file).write_text(TEXT.replace("b: br0}", "b: {interfaces: {eth0: {bridge: br0, up: false}}}}"))
    assert app.check("demo", mode="simulate", world=world).ok
    found = app.check(file, mode="simulate", world=world)
    assert [verdict.ok for verdict in found.verdicts] == [False, True, True]


def test_an_applied_lab_keeps_its_addresses_where_its_file_is_simulated(world: World, file: str) -> None:
    applied(world, file)
    Path(file).write_text(TEXT.replace("{a: br0,", "{new: br0, a: br0,"))
    found = app.check(file, mode="simulate", world=world)
    assert found.verdicts[0].check.address == "10.0.0.3"


def test_warnings_and_faults_of_the_file_are_told(world: World, file: str) -> None:
    Path(file).write_text(TEXT + "  - ping: a -> 203.0.113.9\n")
    found = app.check(file, world=world)
    assert [problem.severity for problem in found.warnings] == ["warning"]
    assert [verdict.ok for verdict in found.verdicts] == [True, True, True, False]
    Path(file).write_text(TEXT.replace("a -> b", "a -> c"))
    with pytest.raises(FileError, match="there is no node 'c'"):
        app.check(file, world=world)


def test_verdicts_are_told_as_they_come(world: World, file: str) -> None:
    told: list[Verdict] = []
    found = app.check(file, on_verdict=told.append, world=world)
    assert tuple(told) == found.verdicts


def test_both_agree(world: World, file: str, kernel: Any) -> None:
    applied(world, file)
    told: list[Verdict] = []
    counts = kernel([{}])
    found = app.check(file, mode="both", on_verdict=told.append, world=world)
    assert (found.ok, found.mode, found.drifted, found.disagreements) == (True, "both", None, ())
    assert (counts, tuple(told)) == ([3], found.verdicts)
    for verdict in found.verdicts:
        assert isinstance(verdict, Compared)
        assert verdict.agrees
        assert (verdict.elapsed, verdict.simulated.outcome) == (0.5, verdict.outcome)


@pytest.mark.parametrize("drifted", [False, True])
def test_a_disagreement_is_believed_the_second_time(
    world: World, file: str, kernel: Any, monkeypatch: pytest.MonkeyPatch, drifted: bool
) -> None:
    applied(world, file)
    counts = kernel([{"10.0.0.1": "timeout"}, {"10.0.0.1": "timeout"}])
    changes: tuple[Any, ...] = ("something",) if drifted else ()
    monkeypatch.setattr(checking, "drift", lambda lab, world: Drift(lab, changes))
    told: list[Verdict] = []
    found = app.check("demo", mode="both", on_verdict=told.append, world=world)
    assert (found.ok, found.drifted, counts) == (False, drifted, [3, 1])
    assert tuple(told) == found.verdicts
    (wrong,) = found.disagreements
    assert (wrong.check.address, wrong.ok, wrong.outcome) == ("10.0.0.1", False, "timeout")


def test_a_disagreement_that_is_gone_the_second_time_is_none(world: World, file: str, kernel: Any) -> None:
    applied(world, file)
    told: list[Verdict] = []
    counts = kernel([{"10.0.0.3": "unreachable", "10.0.0.99": "timeout"}, {}])
    found = app.check("demo", mode="both", on_verdict=told.append, world=world)
    assert (found.ok, found.drifted, counts) == (True, None, [3, 2])
    assert tuple(told) == found.verdicts


def test_a_check_that_both_find_to_fail_is_no_disagreement(world: World, file: str, kernel: Any) -> None:
    text = TEXT.replace(", expect: unreachable", "")
    Path(file).write_text(text)
    applied(world, file, text)
    kernel([{"10.0.0.99": "unreachable"}])
    found = app.check("demo", mode="both", world=world)
    assert (found.ok, found.disagreements, found.drifted) == (False, (), None)


def test_who_must_have_answered_is_part_of_agreeing(world: World, file: str, kernel: Any) -> None:
    text = TEXT.replace("expect: unreachable}", "expect: unreachable, by: b}")
    Path(file).write_text(text)
    applied(world, file, text)
    kernel([{}])
    found = app.check(file, mode="simulate", world=world)
    one = found.verdicts[2]
    assert (one.outcome, one.ok) == ("unreachable", False)
    assert isinstance(one, Simulated)
    assert not compare(replace(one, ok=True), one).agrees


def test_a_lab_without_checks(world: World, file: str, kernel: Any) -> None:
    text = TEXT.partition("checks:")[0]
    Path(file).write_text(text)
    assert app.check(file, world=world).verdicts == ()
    applied(world, file, text)
    assert app.check(file, mode="both", world=world).ok
