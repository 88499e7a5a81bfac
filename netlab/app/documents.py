"""The one JSON document that a command prints, and the values that stand in many of them.

Every command that has a result prints `{version, kind, lab, result, problems}`, on failure too; the shape of `result`
for each kind stands in docs/json.md. `version` goes up when a field changes its meaning or goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netlab.errors import Problem, Span
from netlab.facts import Difference, Fact, Key, to_json
from netlab.plan import Change, Step

#: The version of all JSON documents.
VERSION = 1


def fact_to_json(fact: Fact | None) -> dict[str, Any] | None:
    return None if fact is None else to_json(fact)


def span_to_json(span: Span | None) -> dict[str, Any] | None:
    return None if span is None else {"file": span.file, "line": span.line, "column": span.column}


def difference_to_json(difference: Difference) -> dict[str, Any]:
    return {"field": difference.field, "before": difference.before, "after": difference.after}


def change_to_json(change: Change, origin: Mapping[Key, Span]) -> dict[str, Any]:
    """Turn a change into plain values: action, label, before, after, a reason for each field, the line of the file."""
    return {
        "action": change.action.value,
        "fact": change.fact.label(),
        "before": fact_to_json(change.before),
        "after": fact_to_json(change.after),
        "fields": [difference_to_json(difference) for difference in change.differences],
        "reason": change.reason,
        "origin": span_to_json(origin.get(change.fact.key)),
    }


def step_to_json(step: Step) -> dict[str, Any]:
    return {"action": step.action.value, "fact": step.fact.label()}


def problem_to_json(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "severity": problem.severity,
        "what": problem.what,
        "fix": problem.fix,
        "origin": span_to_json(problem.span),
    }


def document(kind: str, lab: str | None, result: Any, problems: Sequence[Problem] = ()) -> dict[str, Any]:
    """Give the one document that a command prints with --json; `result` is None on failure."""
    return {
        "version": VERSION,
        "kind": kind,
        "lab": lab,
        "result": result,
        "problems": [problem_to_json(problem) for problem in problems],
    }
