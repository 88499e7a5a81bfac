"""Commands that look and change nothing: validate, status, drift."""

from __future__ import annotations

import os
from collections.abc import Mapping

from netlab.app.confirming import guard_of
from netlab.app.results import DeviceState, Drift, LabState, LabStatus, NodeState, Validation
from netlab.app.targets import Found, existing, is_file, lab_of, labs_by_marks, look_up, name_of
from netlab.app.transaction import read, scope_of
from netlab.app.wanted import parse_file
from netlab.app.world import World
from netlab.errors import FileError, UsageError
from netlab.facts import Address, Facts, Program, Route
from netlab.names import HOST
from netlab.namespaces.nodes import open_namespace
from netlab.namespaces.sandbox import find_sandboxes
from netlab.plan import Reading
from netlab.plan import plan as planned_of
from netlab.store import Record


def validate(path: str) -> Validation:
    """Check a file without touching anything; raises FileError with every problem of the first stage that has any."""
    _, topology = parse_file(path)
    from netlab.topology import resolve

    lab = resolve(topology, sandboxed=True)
    return Validation(lab.name, len(lab.nodes), len(lab.facts), len(lab.checks), lab.warnings)


def reading_of(world: World, found: Found, *sets: Facts, observe: bool = False, simulated: bool = False) -> Reading:
    """Read a lab that is up, in its sandbox or on the machine."""
    scope = scope_of(found.lab, found.machine, *sets, observe=observe, simulated=simulated)
    programs = any(fact.family == "program" for facts in sets for fact in facts.values())

    def look() -> Reading:
        doors = world.doors(found.lab, found.machine, world.logs / found.lab, programs)
        try:
            return read(doors, scope)
        finally:
            for door in doors:
                door.close()

    return found.run(look)


def status(target: str | None = None, *, world: World | None = None) -> tuple[LabStatus, ...]:
    """Say which labs there are, in the store and on the machine; of one asked for, all that is in it.

    Raises UsageError where the LAB, or that of the FILE, is not up.
    """
    world = world or World.here()
    sandboxes = dict(find_sandboxes())
    on_machine = labs_by_marks(world)
    names = sorted({*world.store.labs(), *sandboxes, *on_machine})
    if target is None:
        return tuple(_status(world, name, on_machine, whole=False) for name in names)
    lab = name_of(world, target)
    if lab not in names:
        fix = f"netlab apply {target}" if is_file(target) else "netlab status lists those that are"
        raise UsageError(f"no lab {lab!r} is up\n  fix: {fix}")
    return (_status(world, lab, on_machine, whole=True),)


def _status(world: World, lab: str, on_machine: Mapping[str, int], whole: bool) -> LabStatus:
    found = look_up(world, lab)
    record = found.record
    state: LabState = "up"
    if record is None:
        state = "orphaned"
    elif found.gone or (found.machine and lab not in on_machine and leaves_marks(record)):
        state = "gone"
    if world.store.pending(lab) is not None:
        state = "changing" if world.store.busy(lab) else "interrupted"
    nodes: tuple[NodeState, ...] = ()
    count = on_machine.get(lab, 0)
    if record is not None:
        count = sum(1 for value in record.facts if value.get("fact") == "netns" and value.get("node") != HOST)
    if whole and state != "gone" and not found.gone:
        applied = record.applied() if record is not None else {}
        nodes = _node_states(reading_of(world, found, applied, observe=True), applied)
        count = sum(1 for node in nodes if node.name != HOST)
    until = record.confirm["until"] if record is not None and record.confirm is not None else None
    guard = guard_of(record)
    return LabStatus(
        lab,
        state,
        not found.machine,
        record.file if record is not None else None,
        record.applied_at if record is not None else None,
        count,
        nodes,
        until,
        found.sandbox.pid if found.sandbox is not None else None,
        guard.pid if guard is not None else None,
    )


def leaves_marks(record: Record) -> bool:
    """Tell whether a lab has anything on the machine that bears its mark: one that only sets settings has not."""
    return any(value.get("fact") in ("netns", "bridge", "veth") for value in record.facts)


def _node_states(reading: Reading, applied: Facts) -> tuple[NodeState, ...]:
    addresses: dict[tuple[str, str], list[str]] = {}
    gateways: dict[str, list[str]] = {}
    programs: dict[str, list[str]] = {}
    ended: dict[str, list[str]] = {}
    devices: dict[str, list[DeviceState]] = {}
    nodes = dict.fromkeys(fact.key[1] for fact in reading.facts.values() if fact.family == "netns")
    for fact in reading.facts.values():
        if isinstance(fact, Address):
            addresses.setdefault((fact.node, fact.device), []).append(fact.address)
        elif isinstance(fact, Route) and fact.to in ("0.0.0.0/0", "::/0"):
            gateways.setdefault(fact.node, []).extend(fact.gateways)
        elif isinstance(fact, Program):
            programs.setdefault(fact.node, []).append(fact.command)
    for key, fact in applied.items():
        if isinstance(fact, Program) and key not in reading.facts:
            ended.setdefault(fact.node, []).append(fact.command)
    for resource, seen in reading.observed.items():
        if resource[0] == "device" and resource[2] != "lo":
            node, name = resource[1], resource[2]
            held = tuple(addresses.get((node, name), ()))
            devices.setdefault(node, []).append(DeviceState(name, held, bool(seen["up"]), bool(seen["carrier"])))
    return tuple(
        NodeState(
            name=n,
            devices=tuple(devices.get(n, ())),
            gateways=tuple(gateways.get(n, ())),
            programs=tuple(programs.get(n, ())),
            ended=tuple(ended.get(n, ())),
        )
        for n in dict.fromkeys((*nodes, *devices))
    )


def recorded(world: World, lab: str | None) -> tuple[Found, Record]:
    """Give a lab that is up, and what was applied; raises UsageError where it is not up, or its record is lost."""
    found = existing(world, lab)
    if found.record is None:
        fix = f"netlab apply its file again, or netlab destroy {found.lab}"
        raise UsageError(f"the store has lost what was applied to {found.lab!r}\n  fix: {fix}")
    return found, found.record


def drift(lab: str | None = None, *, world: World | None = None) -> Drift:
    """Say how a lab differs from what was applied; raises UsageError where it is not up, or its record is lost."""
    world = world or World.here()
    found, record = recorded(world, lab)
    applied = record.applied()
    left = planned_of(applied, reading_of(world, found, applied).facts)
    try:
        origin = lab_of(record).origin if left else {}
    except FileError:
        origin = {}
    return Drift(found.lab, left.changes, origin)


def open_node(lab: str, node: str) -> int:
    """Open a node's namespace, from inside the lab's sandbox; raises UsageError where there is no such node."""
    if node == HOST:
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return open_namespace(lab, node)
    except FileNotFoundError:
        raise UsageError(f"lab {lab!r} has no node {node!r}\n  fix: netlab status {lab} lists its nodes") from None
