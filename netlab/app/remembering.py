"""What an apply writes into the store: that it begins, what it made, or that nothing came of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from netlab.app.confirming import cancel
from netlab.app.host_settings import HostSettings
from netlab.app.traces import asked_of, initial_in, traces_in, traces_of
from netlab.app.transaction import Attempt, earlier, initial_of
from netlab.app.wanted import Wanted
from netlab.app.world import World
from netlab.facts import to_json
from netlab.names import HOST
from netlab.namespaces.sandbox import Sandbox
from netlab.plan import Plan
from netlab.store import Record


def begin(world: World, wanted: Wanted, sandbox: Sandbox | None, promise: Mapping[str, Any] | None) -> None:
    """Say that an apply is under way, with what destroy, the next apply or a guard needs to finish it."""
    traces = traces_in(wanted.past.cut_short)
    if wanted.machine:
        traces |= traces_of(wanted.want)
    journal = {
        "verb": "apply",
        "file": wanted.path,
        "sandbox": None if sandbox is None else sandbox.to_json(),
        "pid": os.getpid(),
        "traces": traces.to_json(),
        "confirm": promise,
        "asked": [*(asked_of(facts) for facts in wanted.past.known[1:]), asked_of(wanted.want)],
        "initial": initial_in(wanted.past.cut_short),
    }
    world.store.begin(wanted.lab.name, journal)


def note_initial(world: World, wanted: Wanted, made: Plan) -> None:
    """Write down, before the first step, what settings are that it changes: a kill must not make netlab forget."""
    initial = initial_of(made, ())
    journal = world.store.pending(wanted.lab.name) if initial else None
    if journal is not None:
        world.store.begin(wanted.lab.name, {**journal, "initial": earlier(initial_in(journal), initial)})


def leave_as_before(world: World, wanted: Wanted) -> None:
    """Nothing came of it: leave no trace of having wanted to. What an earlier apply left undone is still to be done."""
    name = wanted.lab.name
    if wanted.machine:
        settings = HostSettings(world.store, name, wanted.past.applied)
        settings.leave_others()
        settings.rejoin()
    if wanted.past.cut_short is not None:
        world.store.begin(name, wanted.past.cut_short)
    elif wanted.found.record is None and wanted.found.sandbox is None:
        world.forget(name)
    else:
        world.store.end(name)


def remember(
    world: World, wanted: Wanted, attempt: Attempt, sandbox: Sandbox | None, promise: Mapping[str, Any] | None
) -> None:
    """Save what was applied. Whoever waited for an earlier apply's confirmation need not any more."""
    before = wanted.found.record
    cancel(before)
    # What netlab itself wrote is not what to go back to.
    initial = earlier(wanted.past.initial, attempt.initial)
    # What the real machine's settings were before, the ledger knows: other labs may need them.
    nodes = set(wanted.lab.nodes) - ({HOST} if wanted.machine else set())
    record = Record(
        lab=wanted.lab.name,
        file=wanted.path,
        text=wanted.text,
        facts=[to_json(fact) for fact in wanted.lab.facts.values()],
        applied_at=world.clock(),
        sandbox=None if sandbox is None else sandbox.to_json(),
        allocated=wanted.lab.allocated,
        initial={node: values for node, values in initial.items() if node in nodes},
        confirm=promise,
    )
    world.store.save(record)
    world.store.end(wanted.lab.name)
    if wanted.machine:
        HostSettings(world.store, wanted.lab.name, wanted.want).leave_others()


def last_confirmed(wanted: Wanted) -> Mapping[str, Any] | None:
    """Give what an unconfirmed apply goes back to: the lab as it is recorded, or what that itself would go back to.

    None where there was no lab: it is destroyed.
    """
    record = wanted.found.record
    if record is None or wanted.found.gone:
        return None
    if record.confirm is not None:
        previous: Mapping[str, Any] | None = record.confirm["previous"]
        return previous
    return record.to_json()
