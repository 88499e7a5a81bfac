"""`destroy`: a lab gone, by name or file, with or without the store. Reads no insides and imports nothing heavy."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from netlab.app.confirming import cancel
from netlab.app.host_settings import settle
from netlab.app.results import Destroyed
from netlab.app.targets import name_of, sandbox_named
from netlab.app.traces import Traces, traces_in, traces_of
from netlab.app.world import World
from netlab.errors import Unavailable
from netlab.facts import Facts, facts_of, from_json
from netlab.names import HOST
from netlab.namespaces.sandbox import Sandbox, end_sandbox, find_sandboxes, is_alive
from netlab.store import Record


def destroy(target: str | None = None, *, wait: float = 10.0, world: World | None = None) -> Destroyed:
    """Take a lab off the machine with everything of it; nothing to take is success.

    Raises UsageError (no such file, no lab named), Busy, or Unavailable where the kernel refuses.
    """
    world = world or World.here()
    lab = name_of(world, target)
    with world.store.lock(lab, wait=wait):
        return take_down(world, lab)


def take_down(world: World, lab: str) -> Destroyed:
    """Destroy a lab, locked: in sandboxes and on the machine, by what the store says and by what bears its marks."""
    record = world.store.record(lab)
    journal = world.store.pending(lab) or {}
    cancel(record)
    if record is not None or journal:
        world.store.begin(lab, {**journal, "verb": "destroy"})
    sandboxes = _sandboxes(lab, record.sandbox if record else None, journal.get("sandbox"))
    for sandbox in sandboxes:
        end_sandbox(sandbox)
    namespaces = devices = 0
    notes: tuple[str, ...] = ()
    if world.privileged:
        # A lab that lives in a sandbox now may have left something here when an apply to the machine was killed.
        namespaces, devices = _off_the_machine(world, lab, record, journal)
        notes = settle(world.store, lab)
    world.forget(lab)
    existed = bool(sandboxes or namespaces or devices or record is not None)
    return Destroyed(lab, existed, bool(sandboxes), namespaces, devices, notes)


def _sandboxes(lab: str, *named: object) -> list[Sandbox]:
    """Find the lab's sandboxes: those that the store names, and any that it has lost."""
    found: dict[tuple[int, int], Sandbox] = {}
    for sandbox in map(sandbox_named, named):
        if sandbox is not None and is_alive(sandbox):
            found[sandbox.pid, sandbox.start_time] = sandbox
    for name, sandbox in find_sandboxes():
        if name == lab:
            found[sandbox.pid, sandbox.start_time] = sandbox
    return list(found.values())


def _off_the_machine(world: World, lab: str, record: Record | None, journal: Mapping[str, Any]) -> tuple[int, int]:
    from netlab.kernel.teardown import tear_down
    from netlab.runtime import end_all

    traces = _traces(record, journal)
    # A device without a mark may be one that another netlab makes just now.
    devices = frozenset() if traces is None or world.store.others_busy(lab) else traces.devices
    try:
        end_all(lab)
        # Without a record, a route without a device tells nobody's name: it is this lab's only if there is no other.
        others = set(world.store.labs()) - {lab}
        routes = frozenset() if traces is None and others else None if traces is None else traces.routes
        removed = tear_down(lab, devices, routes)
    except OSError as error:
        what = f"the kernel refused: {error.strerror}"
        raise Unavailable(what, f"netlab destroy {lab} again: what is left is found by its marks") from error
    return removed.namespaces, removed.devices


def _traces(record: Record | None, journal: Mapping[str, Any]) -> Traces | None:
    """Give what the lab has, or was getting, on the machine itself without its mark; None where that is lost."""
    if record is None and not journal:
        return None
    applied: Facts = {}
    if record is not None and record.sandbox is None:
        values = (value for value in record.facts if value.get("node") == HOST)
        with contextlib.suppress(KeyError, TypeError, ValueError):  # of another version: its marks must do
            applied = facts_of(from_json(dict(value)) for value in values)
    return traces_in(journal) | traces_of(applied)
