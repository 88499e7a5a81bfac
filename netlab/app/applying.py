"""`apply` and `plan`: a file becomes a network, or the list of what that would take."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from netlab.app.guard import cancel, start_guard
from netlab.app.host_settings import HostSettings
from netlab.app.results import Applied, Planned
from netlab.app.targets import Found, look_up, read_text
from netlab.app.transaction import Attempt, carry_out, obstructions, read, scope_of, with_initial
from netlab.app.world import World
from netlab.errors import NetlabError, Obstructed, Problem, Span, UsageError
from netlab.facts import Bridge, Facts, to_json
from netlab.names import HOST
from netlab.namespaces.inside import run_inside
from netlab.namespaces.sandbox import Sandbox, end_sandbox, make_sandbox
from netlab.plan import Door, Plan, Reading
from netlab.plan import plan as planned_of
from netlab.store import Record

if TYPE_CHECKING:
    from netlab.topology.lab import Lab
    from netlab.topology.spec import Topology


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file as asked for: its place and text, the lab it means, what is up under its name."""

    path: str
    text: str
    lab: Lab
    found: Found
    sandboxed: bool
    want: Facts
    applied: Facts

    @property
    def machine(self) -> bool:
        return not self.sandboxed

    @property
    def programs(self) -> bool:
        return any(fact.family == "program" for facts in (self.want, self.applied) for fact in facts.values())


def parse_file(path: str) -> tuple[str, Topology]:
    """Read and parse a file; raises UsageError or FileError."""
    raw = read_text(path)
    from netlab.source import load
    from netlab.topology import parse

    topology = parse(load(raw, path))
    return raw.decode(), topology


def _wanted(world: World, path: str, text: str, topology: Topology, sandbox: bool | None) -> _Wanted:
    from netlab.topology import resolve

    found = look_up(world, topology.name)
    record = found.record
    sandboxed = _sandboxed(world, topology, found, sandbox)
    held = record.allocated if record is not None else {}
    lab = resolve(topology, sandboxed=sandboxed, held=held)
    applied = {} if record is None or found.gone else record.applied()
    want = with_initial(lab.facts, applied, record.initial if record is not None else {})
    return _Wanted(os.path.abspath(path), text, lab, found, sandboxed, want, applied)


def _sandboxed(world: World, topology: Topology, found: Found, asked: bool | None) -> bool:
    """Decide where the lab's `host` is; raises UsageError where that contradicts where it is already."""
    if asked is False and not world.privileged:
        raise UsageError("only root can apply to the machine itself\n  fix: leave --no-sandbox out")
    default = not world.privileged or bool(topology.host.sandbox)
    up = found.sandbox is not None or (found.record is not None and not found.gone)
    if not up:
        return default if asked is None else asked
    now = found.sandbox is not None
    if asked is not None and asked != now:
        where = "in a sandbox" if now else "on the machine itself"
        raise UsageError(f"lab {found.lab!r} is up {where}\n  fix: netlab destroy {found.lab}, then apply")
    return now


@contextlib.contextmanager
def _doors(world: World, wanted: _Wanted) -> Iterator[tuple[Door, ...]]:
    doors = world.doors(wanted.lab.name, wanted.machine, world.logs / wanted.lab.name, wanted.programs)
    try:
        yield doors
    finally:
        for door in doors:
            door.close()


def plan(path: str, *, sandbox: bool | None = None, world: World | None = None) -> Planned:
    """Say what an apply of a file would do; nothing is changed. Raises Obstructed where it could not even begin."""
    world = world or World.here()
    text, topology = parse_file(path)
    wanted = _wanted(world, path, text, topology, sandbox)
    _require(wanted)
    if wanted.sandboxed and wanted.found.sandbox is None:
        made = planned_of(wanted.want, {})
    else:
        made = run_inside(wanted.found.sandbox, lambda: _look(world, wanted))
    warnings = (*wanted.lab.warnings, *_obstacles(wanted))
    return Planned(wanted.lab.name, wanted.sandboxed, made, wanted.lab.origin, warnings)


def _look(world: World, wanted: _Wanted) -> Plan:
    scope = scope_of(wanted.lab.name, wanted.machine, wanted.want, wanted.applied)
    with _doors(world, wanted) as doors:
        have = read(doors, scope)
    made = planned_of(wanted.want, have.facts)
    problems = obstructions(made.steps, have.foreign, wanted.lab.origin)
    if wanted.machine:
        problems += HostSettings(world.store, wanted.lab.name, wanted.want).conflicts()
    if problems:
        raise Obstructed(problems)
    return made


def _obstacles(wanted: _Wanted) -> tuple[Problem, ...]:
    """Warn of what will drop the lab's packets: rules of the real machine, a neighbour table that is too small."""
    from netlab.kernel.machine import neighbour_limit, obstacles, overlaps

    found = neighbour_limit(sum(fact.family == "address" for fact in wanted.want.values()))
    if wanted.machine:
        bridges = any(fact.family == "bridge" and fact.nodes[0] == HOST for fact in wanted.want.values())
        found += obstacles(bridges, forwards=("settings", HOST) in wanted.want)
        found += overlaps(_host_networks(wanted))
    return found


def _host_networks(wanted: _Wanted) -> dict[str, Span | None]:
    """Give the networks that the lab puts on the machine itself, and where the file asks for them."""
    return {
        network: wanted.lab.origin.get(key)
        for key, fact in wanted.want.items()
        for node, _, network in fact.connects()
        if node == HOST
    }


def _require(wanted: _Wanted) -> None:
    """Raise Obstructed where the kernel would take a wish and silently forget it."""
    asking = [fact for fact in wanted.want.values() if isinstance(fact, Bridge) and fact.vlan_filtering]
    if not asking:
        return
    from netlab.kernel.capability import abilities

    if not abilities().vlan_filtering:
        what = "this kernel's bridges have no VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING)"
        fix = "leave vlan_filtering out, or use a kernel that has it; netlab doctor tells"
        raise Obstructed([Problem("unavailable", what, wanted.lab.origin.get(fact.key), fix) for fact in asking])


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
    with world.store.lock(topology.name, wait=wait):
        wanted = _wanted(world, path, text, topology, sandbox)
        _require(wanted)
        attempt, sandbox_now = _carry_out(world, wanted, on_error == "keep", on_event)
        until = None
        if attempt.outcome in ("applied", "kept"):
            until = _remember(world, wanted, attempt, sandbox_now, confirm)
        elif attempt.outcome == "undone":
            _leave_as_before(world, wanted)
    return Applied(
        wanted.lab.name,
        attempt.outcome,
        wanted.sandboxed,
        attempt.plan,
        time.monotonic() - started,
        attempt.problems,
        (*wanted.lab.warnings, *_obstacles(wanted)),
        until,
    )


def _carry_out(
    world: World, wanted: _Wanted, keep: bool, tell: Callable[[str], None] | None
) -> tuple[Attempt, Sandbox | None]:
    """Do it inside the lab's sandbox, made for the purpose if need be, or right here."""
    name = wanted.lab.name
    scope = scope_of(name, wanted.machine, wanted.want, wanted.applied)
    settings = HostSettings(world.store, name, wanted.want if wanted.machine else {})

    def ready(made: Plan, before: Reading) -> None:
        if made:
            settings.join(before)

    def work() -> Attempt:
        with _doors(world, wanted) as doors:
            origin = wanted.lab.origin
            return carry_out(wanted.want, doors, scope, origin=origin, keep=keep, ready=ready, tell=tell)

    with ExitStack() as stack:
        sandbox = wanted.found.sandbox
        pending = None
        if wanted.sandboxed and sandbox is None:
            pending = stack.enter_context(make_sandbox(name))
            sandbox = pending.sandbox
        world.store.begin(name, _journal("apply", wanted, sandbox))
        if pending is not None:
            # From here on the store names it: the holder may outlive us.
            pending.keep()
        try:
            attempt = run_inside(sandbox, work)
        except NetlabError:
            _withdraw(world, wanted, sandbox)
            raise
        if attempt.outcome == "undone" and pending is not None:
            end_sandbox(pending.sandbox)
        return attempt, sandbox


def _journal(verb: str, wanted: _Wanted, sandbox: Sandbox | None) -> dict[str, Any]:
    return {
        "verb": verb,
        "file": wanted.path,
        "sandbox": None if sandbox is None else sandbox.to_json(),
        "pid": os.getpid(),
    }


def _withdraw(world: World, wanted: _Wanted, sandbox: Sandbox | None) -> None:
    """Nothing was done: leave no trace of having wanted to."""
    if sandbox is not None and wanted.found.sandbox is None:
        end_sandbox(sandbox)
    _leave_as_before(world, wanted)


def _leave_as_before(world: World, wanted: _Wanted) -> None:
    name = wanted.lab.name
    if wanted.machine:
        HostSettings(world.store, name, wanted.applied).leave_others()
    if wanted.found.record is None and wanted.found.sandbox is None:
        world.store.forget(name)
    else:
        world.store.end(name)


def _remember(
    world: World, wanted: _Wanted, attempt: Attempt, sandbox: Sandbox | None, confirm: float | None
) -> float | None:
    """Save what was applied; give the time until which it waits for a confirmation."""
    before = wanted.found.record
    cancel(before)
    initial: dict[str, Mapping[str, str]] = dict(before.initial) if before is not None and not wanted.found.gone else {}
    for node, values in attempt.initial.items():
        # What netlab itself wrote is not what to go back to.
        initial[node] = {**values, **initial.get(node, {})}
    nodes = set(wanted.lab.nodes)
    record = Record(
        lab=wanted.lab.name,
        file=wanted.path,
        text=wanted.text,
        facts=[to_json(fact) for fact in wanted.lab.facts.values()],
        applied_at=world.clock(),
        sandbox=None if sandbox is None else sandbox.to_json(),
        allocated=wanted.lab.allocated,
        initial={node: values for node, values in initial.items() if node in nodes},
    )
    world.store.save(record)
    world.store.end(wanted.lab.name)
    if wanted.machine:
        HostSettings(world.store, wanted.lab.name, wanted.want).leave_others()
    if confirm is None:
        return None
    until = world.clock() + confirm
    guard = start_guard(wanted.lab.name, confirm)
    previous = before.to_json() if before is not None and not wanted.found.gone else None
    world.store.save(replace(record, confirm={**guard, "until": until, "previous": previous}))
    return until
