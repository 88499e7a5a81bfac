"""The ledger of host settings, against a machine that is a dict; killed between any two steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.errors import Obstructed
from netlab.store import Kept, Ledger, Restore, Store

NAME = "net.ipv4.ip_forward"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Store(tmp_path / "netlab", 1).ledger


class Machine:
    """Settings of a machine, and what a careful caller does with a ledger."""

    def __init__(self, ledger: Ledger, value: str = "0") -> None:
        self.ledger, self.value = ledger, value

    def need(self, lab: str, wanted: str = "1") -> None:
        self.ledger.join(lab, {NAME: (self.value, wanted)})
        self.value = wanted

    def leave(self, lab: str, **more: dict[str, str]) -> tuple[Restore | Kept, ...]:
        found = self.ledger.leave(lab, {NAME: self.value}, **more)
        for outcome in found:
            if isinstance(outcome, Restore):
                self.value = outcome.value
        self.ledger.settle([outcome.name for outcome in found])
        return found


def test_the_last_lab_restores_what_was_before_the_first(ledger: Ledger) -> None:
    machine = Machine(ledger)
    machine.need("a")
    machine.need("b")
    assert machine.leave("a") == ()
    assert machine.value == "1"
    assert machine.leave("b") == (Restore(NAME, "0"),)
    assert (machine.value, ledger.entries()) == ("0", {})


def test_what_was_right_already_is_not_restored(ledger: Ledger) -> None:
    machine = Machine(ledger, "1")
    machine.need("a")
    assert machine.leave("a") == ()
    assert (machine.value, ledger.entries()) == ("1", {})


def test_a_value_that_somebody_else_set_is_kept(ledger: Ledger) -> None:
    machine = Machine(ledger)
    machine.need("a")
    machine.value = "2"
    (kept,) = machine.leave("a")
    assert isinstance(kept, Kept)
    assert "somebody else has set it" in kept.reason
    assert (machine.value, ledger.entries()) == ("2", {})


def test_a_value_that_others_rely_on_is_kept(ledger: Ledger) -> None:
    machine = Machine(ledger)
    machine.need("a")
    (kept,) = machine.leave("a", relied_on={NAME: "bridge docker0"})
    assert kept == Kept(NAME, "1", "bridge docker0 has come to rely on it")
    assert (machine.value, ledger.entries()) == ("1", {})


def test_two_labs_that_want_different_values_are_a_conflict(ledger: Ledger) -> None:
    machine = Machine(ledger)
    machine.need("a")
    (problem,) = ledger.conflicts("b", {NAME: "0"})
    assert "lab a needs 1" in problem.what
    assert ledger.conflicts("b", {NAME: "1"}) == ledger.conflicts("a", {NAME: "0"}) == ()
    before = ledger.entries()
    with pytest.raises(Obstructed):
        machine.need("b", "0")
    assert ledger.entries() == before


def test_a_lab_may_change_its_mind_and_still_restores_the_first_value(ledger: Ledger) -> None:
    machine = Machine(ledger)
    machine.need("a", "1")
    machine.need("a", "2")
    assert machine.leave("a") == (Restore(NAME, "0"),)


def test_a_value_set_by_others_between_two_applies_is_what_to_go_back_to(ledger: Ledger) -> None:
    machine = Machine(ledger)
    machine.need("a", "1")
    machine.value = "7"
    machine.need("a", "1")
    assert machine.leave("a") == (Restore(NAME, "7"),)


def test_only_the_settings_named_are_left(ledger: Ledger) -> None:
    ledger.join("a", {NAME: ("0", "1"), "net.core.somaxconn": ("128", "4096")})
    found = ledger.leave("a", {NAME: "1", "net.core.somaxconn": "4096"}, names=["net.core.somaxconn"])
    assert found == (Restore("net.core.somaxconn", "128"),)
    ledger.settle(["net.core.somaxconn"])
    assert set(ledger.entries()) == {NAME}


def test_a_leaver_killed_before_it_restores_is_finished_by_the_next(ledger: Ledger) -> None:
    machine = Machine(ledger)
    machine.need("a")
    assert ledger.leave("a", {NAME: machine.value}) == (Restore(NAME, "0"),)
    # Killed here. Whoever leaves next, of whatever lab, is told to restore it.
    assert machine.leave("b") == (Restore(NAME, "0"),)
    assert (machine.value, ledger.entries()) == ("0", {})


def test_a_lab_that_joins_before_a_killed_leaver_is_finished_inherits_the_old_value(ledger: Ledger) -> None:
    machine = Machine(ledger)
    machine.need("a")
    ledger.leave("a", {NAME: machine.value})
    machine.need("b")
    ledger.settle([NAME])
    assert machine.leave("b") == (Restore(NAME, "0"),)


def test_a_lab_killed_before_it_wrote_the_setting_restores_nothing(ledger: Ledger) -> None:
    ledger.join("a", {NAME: ("0", "1")})
    assert ledger.leave("a", {NAME: "0"}) == ()
    assert ledger.entries() == {}


def test_a_lab_killed_before_it_wrote_its_second_value_restores_the_first(ledger: Ledger) -> None:
    machine = Machine(ledger)
    machine.need("a", "1")
    ledger.join("a", {NAME: (machine.value, "2")})
    machine.need("a", "2")
    assert machine.leave("a") == (Restore(NAME, "0"),)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1, "settings": {"x": {}}}', '{"version": 2}'])
def test_a_ledger_without_sense_counts_as_lost(tmp_path: Path, ledger: Ledger, text: str) -> None:
    machine = Machine(ledger)
    machine.need("a")
    (tmp_path / "netlab" / "1" / ".ledger" / "ledger.json").write_text(text)
    assert ledger.entries() == {}
    machine.need("a")
    assert machine.leave("a") == ()


MOVES = st.lists(st.tuples(st.sampled_from(["need", "leave", "killed join", "killed leave"]), st.sampled_from("abc")))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from("01"), MOVES)
def test_whoever_is_killed_where_in_the_end_the_machine_is_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, first: str, moves: list[tuple[str, str]]
) -> None:
    ledger = Store(tmp_path_factory.mktemp("store") / "netlab", 1).ledger
    machine = Machine(ledger, first)
    for move, lab in moves:
        if move == "need":
            machine.need(lab)
        elif move == "leave":
            machine.leave(lab)
        elif move == "killed join":
            ledger.join(lab, {NAME: (machine.value, "1")})
        else:
            ledger.leave(lab, {NAME: machine.value})
    for lab in "abc":
        machine.leave(lab)
    assert (machine.value, ledger.entries()) == (first, {})
