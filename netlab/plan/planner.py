"""From the facts that we want and the facts that we have to changes and ordered steps.

The planner walks its own steps over a model of what is there (takes.py): what a step takes along and is still wanted
is made again, what is gone already is not deleted twice. It knows nothing of files, doors or kernels.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.facts import External, Fact, Facts, Key
from netlab.plan.order import order
from netlab.plan.present import Present, located
from netlab.plan.steps import Action, Change, Plan, Step
from netlab.plan.takes import Effects

#: A round restores what the round before it took; rounds beyond a few mean that a rule contradicts itself.
ROUNDS = 8


def plan(want: Facts, have: Facts) -> Plan:
    """Turn two sets of facts into the plan that leads from `have` to `want`; empty where they agree."""
    want = located(want)
    changes = list(difference(want, have))
    if not changes:
        return Plan()
    if not have and not any(fact.family == "member" for fact in want.values()):
        # Nothing is there that a step could take along, and none changes what another has made.
        return Plan(_told(changes), tuple(order([Step(Action.CREATE, c.fact) for c in changes])))
    walk = _Walk(want, have)
    left = changes
    for _ in range(ROUNDS):
        for step in order(list(_steps(left))):
            walk.go(step)
        left = list(difference(want, walk.present.facts))
        if not left:
            break
        for change in left:
            # What was altered by the way; what was taken is told with its reason already.
            walk.told.setdefault(change.fact.key, change)
    else:
        raise AssertionError(f"the plan does not converge: {[c.fact.label() for c in left]}")
    known = {change.fact.key for change in changes}
    return Plan(_told([*changes, *(c for key, c in walk.told.items() if key not in known)]), tuple(walk.steps))


def difference(want: Facts, have: Facts) -> Iterator[Change]:
    """Give what becomes of each fact: wanted facts in their own order, then those that go.

    A device of the machine that is no longer asked for stays as it is.
    """
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
        if key not in want and not isinstance(fact, External):
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


class _Walk:
    """Steps done on a model of what is there, and what they took that is wanted."""

    def __init__(self, want: Facts, have: Facts) -> None:
        self.present = Effects(have)
        self.steps: list[Step] = []
        #: What becomes of facts that nothing was to become of, but for other steps.
        self.told: dict[Key, Change] = {}
        self._want = want
        self._wanted: Present | None = None

    def go(self, step: Step) -> None:
        """Do a step on the model; not if an earlier one has taken its fact, or (yet) what it needs."""
        key = step.fact.key
        if key not in self.present.facts and step.action is Action.DELETE:
            return
        if step.action is not Action.DELETE and self._too_early(step.fact):
            return
        if key not in self.present.facts and step.action is Action.UPDATE:
            step = Step(Action.CREATE, step.fact)
        for fact in self.present.do(step):
            wanted = self._want.get(fact.key)
            if wanted is not None:
                reason = f"it goes with {step.fact.label()} and is made again"
                self.told[fact.key] = Change(Action.REPLACE, fact, wanted, reason=reason)
        self.steps.append(step)

    def _too_early(self, fact: Fact) -> bool:
        """Tell whether a fact needs what was taken and will be made again in the next round."""
        if not self.told:
            return False
        missing = [need for need in fact.needs() if not self.present.meets(need)]
        if missing and self._wanted is None:
            self._wanted = Present(self._want)
        return any(self._wanted is not None and self._wanted.meets(need) for need in missing)


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
