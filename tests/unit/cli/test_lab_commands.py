"""apply, confirm, destroy, status, drift: words, documents, exit codes, and what they hand to netlab.app."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click import unstyle

from netlab.app.results import Applied, Destroyed, Drift, Outcome
from netlab.cli.render_status import advice_text, lab_text, labs_text
from netlab.errors import Problem, UsageError
from netlab.plan import Plan
from tests.unit.cli.conftest import Run, Stand, document_of
from tests.unit.cli.samples import APPLIED, BAD, DESTROYED, DRIFT, FILE, GOOD, PLAN, STATUS, WARNING, checking

REFUSED = Problem("refused", "could not create bridge host:br0: no such kind", fix="netlab doctor")


@pytest.fixture
def proof(stand: Stand) -> None:
    """Have applied labs pass their checks and be drawn."""
    stand("check", checking(GOOD))
    stand("picture", "/run/netlab/bridge3.svg")


@pytest.mark.usefixtures("proof")
def test_apply_says_what_it_did_proves_it_and_draws_it(run: Run, stand: Stand) -> None:
    stand("apply", replace(APPLIED, warnings=(WARNING,)))
    result = run("apply", "x.yml")
    assert (result.exit_code, result.stderr) == (0, f"{WARNING}\n")
    assert result.stdout == (
        "bridge3: applied in 0.21 s (+2 ~1 ±1 -1)\n"
        "✓ ping ns0 -> ns1  0.01 s\n"
        "✓ ping ns0 -> ns1  0.01 s\n"
        "bridge3: all 2 checks passed\n"
        "bridge3: picture in /run/netlab/bridge3.svg\n"
    )


@pytest.mark.usefixtures("proof")
def test_an_applied_lab_whose_checks_fail_is_told_by_the_exit_code(run: Run, stand: Stand) -> None:
    stand("apply", APPLIED)
    stand("check", checking(BAD))
    result = run("apply", "x.yml")
    assert result.exit_code == 4
    assert "bridge3: 1 of 2 checks failed\n" in result.stdout


def test_the_proof_and_the_picture_can_be_left_out(run: Run, stand: Stand) -> None:
    stand("apply", APPLIED)
    stand("check", AssertionError("it checked"))
    stand("picture", AssertionError("it drew"))
    assert run("apply", "--no-check", "--no-picture", "x.yml").exit_code == 0
    assert run("apply", "--json", "x.yml").exit_code == 0
    stand("picture", None)
    assert run("apply", "--no-check", "x.yml").stdout == "bridge3: applied in 0.21 s (+2 ~1 ±1 -1)\n"


def test_apply_with_nothing_to_do(run: Run, stand: Stand) -> None:
    stand("apply", Applied("bridge3", "applied", True, Plan(), 0.004))
    result = run("apply", "x.yml")
    assert (result.stdout, result.stderr) == ("bridge3: applied in a sandbox in 0.004 s (nothing to do)\n", "")


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("undone", "not applied; undone: nothing of this apply is left"),
        ("kept", "failed half-way; kept as it is, as asked"),
        ("partial", "not applied, and not all of it could be undone"),
    ],
)
def test_an_apply_that_fails_says_why_and_what_is_left(run: Run, stand: Stand, outcome: Outcome, words: str) -> None:
    stand("apply", Applied("bridge3", outcome, False, PLAN, 0.1, (REFUSED,)))
    result = run("apply", "x.yml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no such kind\n  fix: netlab doctor\n" in result.stderr
    assert f"bridge3: {words}\n" in result.stderr
    found = run("apply", "--json", "x.yml")
    assert found.exit_code == 1
    assert document_of(found)["result"]["outcome"] == outcome
    assert document_of(found)["problems"][0]["code"] == "refused"


def test_an_apply_that_is_interrupted_ends_as_interrupted(run: Run, stand: Stand) -> None:
    stand("apply", Applied("bridge3", "undone", False, PLAN, 0.1, (Problem("interrupted", "interrupted"),)))
    assert run("apply", "x.yml").exit_code == 130


@pytest.mark.usefixtures("proof")
def test_an_apply_to_be_confirmed_says_until_when(run: Run, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)
    stand("apply", replace(APPLIED, confirm_until=1060.0))
    assert run("apply", "x.yml").stderr == "  undone in 60 s unless: netlab confirm bridge3\n"


@pytest.mark.usefixtures("proof")
def test_apply_hands_its_options_on_and_logs_steps_when_asked(run: Run, stand: Stand) -> None:
    seen: dict[str, Any] = {}

    def apply(path: str, **options: Any) -> Applied:
        options.pop("on_event")("create netns ns0")
        seen.update(options, path=path)
        return APPLIED

    stand("apply", apply)
    options = ["--sandbox", "--on-error", "keep", "--confirm", "60", "--wait", "3"]
    assert "create netns ns0\n" in run("apply", "-v", *options, "x.yml").stderr
    assert seen == {"path": "x.yml", "sandbox": True, "on_error": "keep", "confirm": 60.0, "wait": 3.0}
    assert "create netns" not in run("apply", "x.yml").stderr
    assert seen == {"path": "x.yml", "sandbox": None, "on_error": "undo", "confirm": None, "wait": 10.0}


@pytest.mark.parametrize(
    "wrong", [("--confirm", "0"), ("--wait", "-1"), ("--on-error", "dance"), ("--confirm", "soon")]
)
def test_options_of_apply_that_make_no_sense(run: Run, wrong: tuple[str, str]) -> None:
    result = run("apply", *wrong, "x.yml")
    assert result.exit_code == 2
    assert wrong[0] in result.stderr


def test_confirm(run: Run, stand: Stand) -> None:
    seen: list[str] = []
    stand("confirm", seen.append)
    assert run("confirm", "bridge3").stdout == "bridge3: confirmed, it stays\n"
    assert document_of(run("confirm", "--json", "bridge3"))["result"] == {"confirmed": True}
    assert seen == ["bridge3", "bridge3"]
    assert run("confirm").exit_code == 2


def test_destroy_says_what_it_took_and_what_it_left(run: Run, stand: Stand) -> None:
    stand("destroy", DESTROYED)
    result = run("destroy", "bridge3")
    assert result.stdout.startswith("bridge3: destroyed in ")
    assert result.stdout.endswith(" (its sandbox, 3 namespaces, 1 device)\n")
    assert result.stderr == "note: net.ipv4.ip_forward stays 1: Docker relies on it\n"
    assert document_of(run("destroy", "--json"))["result"]["notes"] == list(DESTROYED.notes)


def test_destroying_what_is_gone_is_fine(run: Run, stand: Stand) -> None:
    stand("destroy", Destroyed("bridge3", existed=False))
    result = run("destroy", "bridge3")
    assert (result.exit_code, result.stdout) == (0, "bridge3: nothing to destroy\n")


@pytest.mark.parametrize(("target", "lab"), [("bridge3", "bridge3"), ("a/bridge3", None), ("bridge3.yaml", None)])
def test_the_document_of_a_failure_names_the_lab_where_the_line_does(
    run: Run, stand: Stand, target: str, lab: str | None
) -> None:
    for name in ("destroy", "check"):
        stand(name, UsageError("no"))
        assert document_of(run(name, "--json", target))["lab"] == lab


def test_status_lists_labs_in_plain_columns(run: Run, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0 + 7300)
    stand("status", (replace(STATUS, confirm_until=None), replace(STATUS, lab="b", state="gone", confirm_until=None)))
    result = run("status")
    assert result.stdout == (
        "LAB      STATE  WHERE    NODES  AGE  FILE\n"
        f"bridge3  up     sandbox  3      2 h  /somewhere/{FILE}\n"
        f"b        gone   sandbox  3      2 h  /somewhere/{FILE}\n"
    )
    assert result.stderr.startswith(
        f"b is gone, its namespaces have ended: netlab apply /somewhere/{FILE} makes it again"
    )


def test_status_of_one_lab_shows_its_nodes(run: Run, stand: Stand) -> None:
    stand("status", lambda lab: (STATUS,))
    lines = run("status", "bridge3").stdout.splitlines()
    assert lines[0] == "bridge3: up"
    assert lines[5:] == [
        "NODE  DEVICE  ADDRESSES    LINK        GATEWAY",
        "ns0   eth0    10.0.0.2/24  no carrier  10.0.0.1",
        "      eth1    -            down",
        "",
        "programs",
        "  ns0: sleep 9",
    ]


def test_status_without_a_lab_says_how_to_get_one(run: Run, stand: Stand) -> None:
    stand("status", ())
    result = run("status")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "netlab apply FILE" in result.stderr
    assert document_of(run("status", "--json"))["result"] == {"labs": []}


def test_a_terminal_gets_a_table_that_fits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("TERM", "xterm")
    text = labs_text([STATUS], 1060.0, rich=True)
    assert "\x1b[32mup" in text
    assert max(map(len, unstyle(text).splitlines())) <= 50
    assert "─" in lab_text(STATUS, 1060.0, rich=True)


def test_advice_is_given_for_all_that_is_not_simply_up() -> None:
    quiet = replace(STATUS, confirm_until=None)
    assert advice_text([quiet], 0.0) == ""
    for state in ("gone", "interrupted", "orphaned"):
        assert "netlab destroy bridge3" in advice_text([replace(quiet, state=state)], 0.0)
    assert unstyle(advice_text([STATUS], 1000.0)) == "bridge3 is undone in 60 s unless: netlab confirm bridge3"
    assert "what was to undo it has ended" in advice_text([replace(STATUS, guard=None)], 1000.0)


def test_drift_is_told_by_words_and_exit_code(run: Run, stand: Stand) -> None:
    stand("drift", DRIFT)
    result = run("drift", "bridge3")
    assert result.exit_code == 3
    assert result.stdout.startswith("bridge3 is not as it was applied; to repair it:\n")
    assert result.stdout.endswith("Drift: 2 changed, 1 too much.\n")
    as_json = run("drift", "--json")
    assert as_json.exit_code == 3
    assert len(document_of(as_json)["result"]["changes"]) == 3
    stand("drift", Drift("bridge3", ()))
    result = run("drift")
    assert (result.exit_code, result.stdout) == (0, "No drift: bridge3 is as it was applied.\n")


def test_a_file_is_shown_as_one_types_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    below = replace(STATUS, file=f"{tmp_path}/a/lab.yml")
    assert " a/lab.yml" in labs_text([below], 0.0, rich=False)
