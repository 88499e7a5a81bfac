"""From the facts that we want and the facts that we have to changes and ordered steps.

The planner walks its own steps over a model of what is there (takes.py): what a step takes along and is still wanted
is made again, what is gone already is not deleted twice. It knows nothing of files, doors or kernels.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.facts import Fact, Facts, Key
from netlab.plan.order import order
from netlab.plan.steps import Action, Change, Plan, Step
from netlab.plan.takes import Present

#: A round restores what the round before it took; rounds beyond a few mean that a rule contradicts itself.
ROUNDS = 8


def plan(want: Facts, have: Facts) -> Plan:
    """Turn two sets of facts into the plan that leads from `have` to `want`; empty where they agree."""
    changes = list(difference(want, have))
    if not changes:
        return Plan()
    if not have:
        return Plan(_told(changes), tuple(order([Step(Action.CREATE, c.fact) for c in changes])))
    steps: list[Step] = []
    present = Present(have)
    restored: dict[Key, Change] = {}
    left = changes
    for _ in range(ROUNDS):
        for step in order(list(_steps(left))):
            steps.extend(_walk(step, present, want, restored))
        left = list(difference(want, present.facts))
        if not left:
            break
    else:
        raise AssertionError(f"the plan does not converge: {[c.fact.label() for c in left]}")
    known = {change.fact.key for change in changes}
    return Plan(_told([*changes, *(c for key, c in restored.items() if key not in known)]), tuple(steps))


def difference(want: Facts, have: Facts) -> Iterator[Change]:
    """Give what becomes of each fact: wanted facts in their own order, then those that go."""
    for key, fact in want.items():
        before = have.get(key)
        if before is None:
            yield Change(Action.CREATE, None, fact, reason="it is not there")
        elif before is not fact and before != fact:
            differing = fact.differences(before)
            if not differing:
                continue
            fixed = [d.field for d in differing if not _live(fact, d.field)]
            if fixed:
                why = f"{', '.join(fixed)} cannot be changed in place"
                yield Change(Action.REPLACE, before, fact, differing, why)
            else:
                yield Change(Action.UPDATE, before, fact, differing, "it differs")
    for key, fact in have.items():
        if key not in want:
            yield Change(Action.DELETE, fact, None, reason="it is not wanted")


def _live(fact: Fact, field: str) -> bool:
    return fact.family in ("settings", "device-settings") or field in fact.live


def _steps(changes: list[Change]) -> Iterator[Step]:
    for change in changes:
        if change.action in (Action.DELETE, Action.REPLACE):
            assert change.before is not None
            yield Step(Action.DELETE, change.before)
        if change.action in (Action.CREATE, Action.REPLACE):
            assert change.after is not None
            yield Step(Action.CREATE, change.after)
        if change.action is Action.UPDATE:
            assert change.after is not None
            yield Step(Action.UPDATE, change.after, change.before, change.differences)


def _walk(step: Step, present: Present, want: Facts, restored: dict[Key, Change]) -> Iterator[Step]:
    """Do a step on the model and give it, or nothing where an earlier step has taken its fact already."""
    key = step.fact.key
    if key not in present.facts and step.action is Action.DELETE:
        return
    if key not in present.facts and step.action is Action.UPDATE:
        step = Step(Action.CREATE, step.fact)
    for fact in present.do(step):
        wanted = want.get(fact.key)
        if wanted is not None:
            reason = f"it goes with {step.fact.label()} and is made again"
            restored[fact.key] = Change(Action.REPLACE, fact, wanted, reason=reason)
    yield step


def _told(changes: list[Change]) -> tuple[Change, ...]:
    """Sort changes for reading, and say of nodes that come and go at once what a rename is."""
    nodes = [change for change in changes if change.fact.family == "netns"]
    if {change.action for change in nodes} >= {Action.CREATE, Action.DELETE}:
        note = "; a renamed node is a delete and a create"
        changes = [
            Change(c.action, c.before, c.after, c.differences, c.reason + note)
            if c.fact.family == "netns" and c.action in (Action.CREATE, Action.DELETE)
            else c
            for c in changes
        ]
    return tuple(changes)
