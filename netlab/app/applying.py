"""`apply` and `plan`: a file becomes a network, or the list of what that would take."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Literal

from netlab.app.confirming import start_guard
from netlab.app.host_settings import HostSettings
from netlab.app.interrupts import Interrupts
from netlab.app.remembering import begin, last_confirmed, leave_as_before, note_initial, remember
from netlab.app.results import Applied, Planned
from netlab.app.transaction import Attempt, carry_out, obstructions, read
from netlab.app.wanted import Wanted, parse_file, wanted_of
from netlab.app.world import World
from netlab.errors import Busy, NetlabError, Obstructed, Problem, Span, Unavailable
from netlab.facts import Device
from netlab.names import HOST
from netlab.namespaces.inside import run_inside
from netlab.namespaces.sandbox import Sandbox, end_sandbox, make_sandbox
from netlab.plan import Door, Plan, Reading
from netlab.plan import plan as planned_of


@contextlib.contextmanager
def _doors(world: World, wanted: Wanted) -> Iterator[tuple[Door, ...]]:
    doors = wanted.past.doors(world, wanted.machine, wanted.want)
    try:
        yield doors
    finally:
        for door in doors:
            door.close()


def plan(path: str, *, sandbox: bool | None = None, world: World | None = None) -> Planned:
    """Say what an apply of a file would do; nothing is changed. Raises Obstructed where it could not even begin."""
    world = world or World.here()
    text, topology = parse_file(path)
    wanted = wanted_of(world, path, text, topology, sandbox)
    if wanted.sandboxed and wanted.found.sandbox is None:
        made = planned_of(wanted.want, {})
    else:
        assert wanted.sandboxed == (wanted.found.sandbox is not None), "it is looked for where it is"
        made = run_inside(wanted.found.sandbox, lambda: _look(world, wanted))
    warnings = (*wanted.lab.warnings, *_obstacles(wanted))
    return Planned(wanted.lab.name, wanted.sandboxed, made, wanted.lab.origin, warnings)


def _look(world: World, wanted: Wanted) -> Plan:
    with _doors(world, wanted) as doors:
        have = read(doors, wanted.past.scope(world, wanted.machine, wanted.want))
    made = planned_of(wanted.want, have.facts)
    problems = obstructions(made.steps, have.foreign, wanted.lab.origin)
    if wanted.machine:
        problems += HostSettings(world.store, wanted.lab.name, wanted.want).conflicts()
    if problems:
        raise Obstructed(problems)
    return made


def _obstacles(wanted: Wanted) -> tuple[Problem, ...]:
    """Warn of what will drop the lab's packets: rules of the real machine, a neighbour table that is too small."""
    from netlab.kernel.machine import neighbour_limit, obstacles, overlaps

    found = neighbour_limit(sum(fact.family == "address" for fact in wanted.want.values()))
    if wanted.machine:
        bridges = any(fact.family == "bridge" and fact.nodes[0] == HOST for fact in wanted.want.values())
        found += obstacles(bridges, forwards=("settings", HOST) in wanted.want)
        found += overlaps(_host_networks(wanted))
    return found + _stood_in(wanted)


def _stood_in(wanted: Wanted) -> tuple[Problem, ...]:
    """Tell which devices are made of another kind, because this kernel lacks theirs."""
    devices = [fact for fact in wanted.want.values() if isinstance(fact, Device)]
    if not devices:
        return ()
    from netlab.kernel.capability import stand_ins

    found = stand_ins(devices)
    first = {fact.kind: wanted.lab.origin.get(fact.key) for fact in reversed(devices)}
    return tuple(
        Problem(
            "stand-in",
            f"this kernel has no {kind}: {name} stands in, which does the same",
            first[kind],
            None,
            "warning",
        )
        for kind, name in found.items()
    )


def _host_networks(wanted: Wanted) -> dict[str, Span | None]:
    """Give the networks that the lab puts on the machine itself, and where the file asks for them."""
    return {
        network: wanted.lab.origin.get(key)
        for key, fact in wanted.want.items()
        for node, _, network in fact.connects()
        if node == HOST
    }


def apply(
    path: str,
    *,
    sandbox: bool | None = None,
    on_error: Literal["undo", "keep"] = "undo",
    confirm: float | None = None,
    wait: float = 10.0,
    on_event: Callable[[str], None] | None = None,
    world: World | None = None,
) -> Applied:
    """Bring the machine to what a file says, as a transaction; read back, and undone if anything fails.

    `confirm`: seconds until it is undone unless `confirm` is called. `wait`: seconds to wait for another process that
    holds the lab's lock. Raises FileError, UsageError, Obstructed, Busy or Unavailable before anything is done; what
    goes wrong later is in the result.
    """
    world = world or World.here()
    started = time.monotonic()
    text, topology = parse_file(path)
    with Interrupts() as interrupts, ExitStack() as stack:
        stack.enter_context(world.store.lock(topology.name, wait=wait, window=interrupts.window))
        with interrupts.window():
            wanted = wanted_of(world, path, text, topology, sandbox)
        guard = stack.enter_context(start_guard(topology.name)) if confirm is not None else None
        until = world.clock() + (confirm or 0.0)
        promise = guard.promise(until, last_confirmed(wanted)) if guard is not None else None
        attempt, where = _carry_out(world, wanted, promise, interrupts, on_error == "keep", on_event)
        warnings = [*wanted.lab.warnings, *_obstacles(wanted)]
        if attempt.outcome in ("applied", "kept"):
            until = world.clock() + (confirm or 0.0)
            remember(world, wanted, attempt, where, None if promise is None else {**promise, "until": until})
            if guard is not None and not guard.arm(confirm or 0.0):
                warnings.append(_unguarded(topology.name))
        elif attempt.outcome == "undone":
            leave_as_before(world, wanted)
    seconds = time.monotonic() - started
    waits = guard is not None and attempt.outcome in ("applied", "kept")
    return Applied(
        wanted.lab.name,
        attempt.outcome,
        wanted.sandboxed,
        attempt.plan,
        seconds,
        attempt.problems,
        tuple(warnings),
        until if waits else None,
        len(wanted.lab.checks),
    )


def _unguarded(lab: str) -> Problem:
    what = "the guard that was to undo this has ended: it stays, whether it is confirmed or not"
    return Problem("unguarded", what, fix=f"netlab confirm {lab}, or netlab destroy {lab}", severity="warning")


#: What is raised before the first step only: a door's later refusals are in the attempt.
_NOT_BEGUN = (Obstructed, Unavailable, Busy, OSError, KeyboardInterrupt)


def _carry_out(
    world: World,
    wanted: Wanted,
    promise: Mapping[str, Any] | None,
    interrupts: Interrupts,
    keep: bool,
    tell: Callable[[str], None] | None,
) -> tuple[Attempt, Sandbox | None]:
    """Do it inside the lab's sandbox, made for the purpose if need be, or right here."""
    scope = wanted.past.scope(world, wanted.machine, wanted.want)
    settings = HostSettings(world.store, wanted.lab.name, wanted.want if wanted.machine else {})

    def ready(made: Plan, before: Reading) -> None:
        settings.join(made, before)
        note_initial(world, wanted, made)

    def work() -> Attempt:
        with _doors(world, wanted) as doors:
            return carry_out(
                wanted.want,
                doors,
                scope,
                origin=wanted.lab.origin,
                keep=keep,
                ready=ready,
                tell=tell,
                window=interrupts.window,
            )

    with ExitStack() as stack:
        sandbox, pending = wanted.found.sandbox, None
        if wanted.sandboxed and sandbox is None:
            pending = stack.enter_context(make_sandbox(wanted.lab.name))
            sandbox = pending.sandbox
        assert wanted.sandboxed == (sandbox is not None), "what was meant for a sandbox must never reach the machine"
        try:
            begin(world, wanted, sandbox, promise)
            if pending is not None:
                # From here on the store names it: the holder may outlive us.
                pending.keep()
            attempt = run_inside(sandbox, work)
        except (NetlabError, *_NOT_BEGUN) as error:
            if pending is not None:
                end_sandbox(pending.sandbox)
            # Where the process in the lab's own sandbox was killed, nobody knows how far it came: the journal stays.
            if pending is not None or isinstance(error, _NOT_BEGUN):
                leave_as_before(world, wanted)
            raise
        if attempt.outcome in ("undone", "partial") and pending is not None:
            end_sandbox(pending.sandbox)
            attempt = replace(attempt, outcome="undone")
        return attempt, sandbox
