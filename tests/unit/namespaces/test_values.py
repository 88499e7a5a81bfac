"""The values of namespaces that need no kernel: sandboxes as JSON, processes as text, errors that travel."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import Busy, Disagreement, FileError, NetlabError, Obstructed, Problem, Span, Unavailable
from netlab.facts import Namespace
from netlab.namespaces import Sandbox
from netlab.namespaces.processes import parse_stat
from netlab.plan.steps import Action, Step, StepRefused

numbers = st.integers(0, 2**63)
SPAN = Span("a.yml", 3, 5, 9)
PROBLEMS = [Problem("bad", "is bad", SPAN, "do better"), Problem("odd", "is odd", severity="warning")]


@given(st.builds(Sandbox, numbers, numbers, numbers, numbers, numbers, st.none() | numbers))
def test_a_sandbox_goes_through_json(sandbox: Sandbox) -> None:
    assert Sandbox.from_json(json.loads(json.dumps(sandbox.to_json()))) == sandbox


def test_an_incomplete_document_is_no_sandbox() -> None:
    with pytest.raises(KeyError):
        Sandbox.from_json({"pid": 1, "user": None})


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n\0")), numbers, numbers)
def test_a_process_is_read_whatever_its_name(name: str, pid: int, start: int) -> None:
    process = parse_stat(f"{pid} ({name}) Z 1 2 3 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {start} 0 0\n")
    assert (process.pid, process.state, process.group, process.session, process.start_time) == (pid, "Z", 2, 3, start)
    assert not process.alive


@pytest.mark.parametrize(
    "error",
    [
        NetlabError("plain"),
        FileError(PROBLEMS),
        Obstructed(PROBLEMS),
        Busy("locked"),
        Unavailable("no veth", "load it"),
        Disagreement("differs"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_the_way_out_of_a_sandbox(error: NetlabError) -> None:
    error.add_note("noted")
    same = pickle.loads(pickle.dumps(error))
    assert type(same) is type(error)
    assert (str(same), same.problems(), same.args) == (str(error), error.problems(), error.args)
    assert vars(same) == vars(error)


def test_a_doors_refusal_survives_it_too() -> None:
    same = pickle.loads(pickle.dumps(StepRefused(Step(Action.CREATE, Namespace("ns0")), 17, "text")))
    assert (same.step, same.number, same.text) == (Step(Action.CREATE, Namespace("ns0")), 17, "text")
