"""The transaction: plan, do, read back, and undo where anything fails. Knows facts and doors, no files and no store.

Undo is a plan like any other: from what is there now to what was there before.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from netlab.app.results import Outcome
from netlab.app.traces import Traces, traces_of
from netlab.errors import Disagreement, Obstructed, Problem, Span
from netlab.facts import Bridge, DeviceSettings, Fact, Facts, Key, Settings, Stray
from netlab.facts.links import BRIDGE_DEFAULTS
from netlab.facts.settings import BASELINE
from netlab.kernel.explain import describe, explain
from netlab.names import HOST
from netlab.plan import Action, Door, Plan, Reading, Scope, Step, StepRefused, plan

#: How many differences a message names.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Attempt:
    """How carrying out a plan ended, and the values that settings had before they were first written."""

    outcome: Outcome
    plan: Plan
    problems: tuple[Problem, ...] = ()
    initial: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def scope_of(lab: str, machine: bool, *sets: Facts, observe: bool = False, simulated: bool = False) -> Scope:
    """Give what to read for these sets of facts, what is wanted first: nodes and settings that any of them names."""
    nodes: dict[str, None] = {}
    settings: dict[str, tuple[str, ...]] = {}
    names: dict[int, tuple[str, ...]] = {}
    for facts in sets:
        for fact in facts.values():
            if fact.family == "netns":
                nodes[fact.key[1]] = None
            elif isinstance(fact, Settings):
                # Thousands of nodes share one tuple of values: its names are taken once.
                found = names.get(id(fact.values))
                if found is None:
                    found = names[id(fact.values)] = tuple(name for name, _ in fact.values)
                known = settings.get(fact.node)
                if known is None or known is found:
                    settings[fact.node] = found
                else:
                    settings[fact.node] = tuple(dict.fromkeys((*known, *found)))
    if machine and sets and ("settings", HOST) not in sets[0]:
        settings.pop(HOST, None)  # the ledger's to restore, not the plan's
    chains = frozenset(fact.nodes[0] for facts in sets for fact in facts.values() if fact.family == "chain")
    externals = frozenset(fact.key[2] for facts in sets for fact in facts.values() if fact.family == "external")
    wanted, former = _device_settings(sets[:1]), _device_settings(sets[1:])
    traces = traces_of(*sets) if machine else Traces()
    unmarked, routes = traces.devices, traces.routes
    return Scope(
        lab,
        machine,
        frozenset(nodes),
        settings,
        wanted,
        former,
        chains=chains,
        externals=externals,
        observe=observe,
        simulated=simulated,
        routes=routes,
        unmarked=unmarked,
    )


def _device_settings(sets: Sequence[Facts]) -> dict[str, tuple[str, ...]]:
    """Give the names of the settings of devices, by node."""
    found: dict[str, tuple[str, ...]] = {}
    for facts in sets:
        for fact in facts.values():
            if isinstance(fact, DeviceSettings):
                found[fact.node] = (*found.get(fact.node, ()), *(name for name, _ in fact.values))
    return found


def read(doors: Sequence[Door], scope: Scope, changed: Collection[str] | None = None) -> Reading:
    """Read all doors as one; `changed` as a door's `read` has it."""
    if len(doors) == 1:
        return doors[0].read(scope, changed)
    facts: dict[Key, Fact] = {}
    foreign: dict[tuple[str, ...], str] = {}
    observed: dict[tuple[str, ...], Mapping[str, object]] = {}
    for door in doors:
        found = door.read(scope, changed)
        facts.update(found.facts)
        foreign.update(found.foreign)
        observed.update(found.observed)
    return Reading(facts, foreign, observed)


def do(doors: Sequence[Door], steps: Sequence[Step], tell: Callable[[str], None] | None = None) -> None:
    """Do steps in order, each run of steps by the door that keeps their facts; raises StepRefused."""
    by_family = {family: door for door in doors for family in door.families}
    for door, run in groupby(steps, key=lambda step: by_family[step.fact.family]):
        batch = list(run)
        if tell is not None:
            for step in batch:
                tell(str(step))
        door.do(batch)


def obstructions(
    steps: Sequence[Step], foreign: Mapping[tuple[str, ...], str], origin: Mapping[Key, Span]
) -> list[Problem]:
    """Give what stands in the way of steps and is not ours: names and addresses that are taken."""
    problems = []
    for step in steps if foreign else ():
        if step.action is not Action.CREATE:
            continue
        for claim in (*step.fact.claims(), step.fact.key):
            resource = ("device", *claim[1:]) if claim[0] == "name" else claim
            if claim[0] == "address" and (step.fact.nodes[0] != "host" or claim == step.fact.key):
                continue
            if resource in foreign:
                what = f"cannot make {step.fact.label()}: {foreign[resource]}"
                fix = "give it another name, remove what is there, or apply with --sandbox"
                problems.append(Problem("obstructed", what, origin.get(step.fact.key), fix))
    return problems


def carry_out(
    want: Facts,
    doors: Sequence[Door],
    scope: Scope,
    *,
    origin: Mapping[Key, Span],
    keep: bool = False,
    ready: Callable[[Plan, Reading], None] = lambda plan, before: None,
    tell: Callable[[str], None] | None = None,
    window: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Attempt:
    """Bring what is there to what is wanted, or back to what it was; raises Obstructed before anything is done.

    `ready` is called with the plan and what was read, after the last look and before the first step. `window` gives
    the context of what Ctrl-C may stop.
    """
    with window():
        before = read(doors, scope)
        for door in doors:
            door.prepare(want, before.facts)
        wanted = plan(want, before.facts)
        if found := obstructions(wanted.steps, before.foreign, origin):
            raise Obstructed(found)
    ready(wanted, before)
    if not wanted:
        return Attempt("applied", wanted)
    try:
        with window():
            do(doors, wanted.steps, tell)
            _verify(want, doors, scope, wanted.nodes(), origin)
        return Attempt("applied", wanted, initial=initial_of(wanted, doors))
    except (StepRefused, Disagreement, OSError, KeyboardInterrupt) as error:
        problems = _told(error, origin)
        if keep:
            return Attempt("kept", wanted, problems, initial_of(wanted, doors))
        with _uninterrupted():
            outcome, more = _undo(before.facts, doors, scope)
        return Attempt(outcome, wanted, (*problems, *more))


class _Unlike(Disagreement):
    """What was read back is not what was asked for, in problems."""

    def __init__(self, found: Sequence[Problem]) -> None:
        self._found = tuple(found)
        super().__init__("; ".join(problem.what for problem in found))

    def problems(self) -> tuple[Problem, ...]:
        return self._found


def _verify(
    want: Facts, doors: Sequence[Door], scope: Scope, changed: Collection[str], origin: Mapping[Key, Span]
) -> None:
    """Raise Disagreement where what is wanted is not there, looked at in the nodes that steps can have changed."""
    found = read(doors, scope, changed)
    left = plan(want, found.facts)
    ended = [change for change in left.changes if "said" in found.observed.get(change.fact.key, {})]
    if ended:
        raise _Unlike([_ended(change.fact, found.observed[change.fact.key], origin) for change in ended])
    if left:
        what = f"read back, the machine is not as asked: {_differences(left)}"
        fix = "something else changes this network, or the kernel lacks a feature: see netlab doctor"
        raise _Unlike([Problem("disagreement", what, fix=fix)])


def _ended(program: Fact, seen: Mapping[str, Any], origin: Mapping[Key, Span]) -> Problem:
    """Say that a program does not run, with the end of what it wrote."""
    said = "".join(f"\n    {line}" for line in seen["said"])
    what = f"{program.label()} has ended at once{', and said:' if said else ''}{said}"
    return Problem("ended", what, origin.get(program.key), "a program of a node has to stay in the foreground")


def _differences(left: Plan) -> str:
    found = []
    for change in left.changes[:_NAMED]:
        fields = ", ".join(f"{d.field} is {d.before}, not {d.after}" for d in change.differences)
        missing = {"create": "is missing", "delete": "should not be there"}.get(change.action, "differs")
        found.append(f"{change.fact.label()}: {fields or missing}")
    more = len(left.changes) - _NAMED
    return "; ".join(found) + (f"; and {more} more" if more > 0 else "")


def _undo(before: Facts, doors: Sequence[Door], scope: Scope) -> tuple[Outcome, tuple[Problem, ...]]:
    try:
        now = read(doors, scope).facts
        # Nobody makes a stray device again: one that is gone stays so.
        before = {key: fact for key, fact in before.items() if not isinstance(fact, Stray) or key in now}
        do(doors, plan(before, now).steps)
        left = plan(before, read(doors, scope).facts)
    except (StepRefused, OSError) as error:
        return "partial", tuple(replace(p, what=f"while undoing: {p.what}") for p in _told(error, {}))
    if left:
        return "partial", (Problem("partial", f"undone but for this: {_differences(left)}"),)
    return "undone", ()


def _told(error: BaseException, origin: Mapping[Key, Span]) -> tuple[Problem, ...]:
    """Turn what stopped the work into problems."""
    if isinstance(error, StepRefused):
        meaning, fix = explain(error.step, error.number, error.text)
        what = f"could not {describe(error.step)}: {meaning}"
        return (Problem("refused", what, origin.get(error.step.fact.key), fix),)
    if isinstance(error, Disagreement):
        return error.problems()
    if isinstance(error, KeyboardInterrupt):
        return (Problem("interrupted", "interrupted"),)
    return (Problem("refused", str(error)),)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let nothing but SIGKILL stop what runs in the block: an undo that is cut short helps nobody."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def initial_of(done: Plan, doors: Sequence[Door]) -> dict[str, dict[str, str]]:
    """Give what settings were before this plan first wrote them, by node; of new nodes, once a door has made them."""
    born: Mapping[str, str] = {}
    for door in doors:
        born = getattr(door, "born", born)
    found: dict[str, dict[str, str]] = {}
    for change in done.changes:
        fact = change.after
        if not isinstance(fact, Settings):
            continue
        if change.action is Action.CREATE:
            values = {name: born[name] for name, _ in fact.values if name in born}
        else:
            values = {d.field: d.before for d in change.differences if d.before is not None}
        custom = {name: value for name, value in values.items() if name not in BASELINE}
        if custom:
            found[fact.node] = custom
    return found


def earlier(*known: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Join values that settings had before netlab wrote them, by node; what is known first is the earliest."""
    found: dict[str, dict[str, str]] = {}
    for values in reversed(known):
        for node, settings in values.items():
            found[node] = {**found.get(node, {}), **settings}
    return found


def with_initial(want: Facts, applied: Facts, initial: Mapping[str, Mapping[str, str]]) -> Facts:
    """Have what the file no longer names go back to what it was before netlab changed it: settings, bridge options."""
    changed: dict[Key, Fact] = {}
    for key, before in applied.items():
        now = want.get(key)
        if isinstance(before, Bridge) and isinstance(now, Bridge):
            unsaid = {name: value for name, value in BRIDGE_DEFAULTS.items() if getattr(now, name) is None}
            back: dict[str, Any] = {name: value for name, value in unsaid.items() if getattr(before, name) is not None}
            if back:
                changed[key] = replace(now, **back)
            continue
        if not isinstance(before, Settings) or not isinstance(now, Settings) or before.values == now.values:
            continue
        named = {name for name, _ in now.values}
        known = initial.get(now.node, {})
        restored = tuple((name, known[name]) for name, _ in before.values if name not in named and name in known)
        if restored:
            changed[key] = Settings(now.node, (*now.values, *restored))
    return {**want, **changed} if changed else want
