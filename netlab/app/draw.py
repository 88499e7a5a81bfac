"""`diagram`: a file, a lab as applied, a lab as it is now, what an apply would change, or a packet's way, drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from netlab.app.applying import plan as plan_file
from netlab.app.look import reading_of
from netlab.app.targets import existing, is_file, lab_of
from netlab.app.wanted import parse_file
from netlab.app.world import World
from netlab.errors import Problem, Unavailable, UsageError
from netlab.facts import Facts, Key

if TYPE_CHECKING:
    from netlab.diagram import Way
    from netlab.topology.lab import Check, Lab

#: What a picture can be: the first two are text, the others are drawn by graphviz.
FORMATS = ("dot", "mermaid", "svg", "png", "pdf")


#: Labs of more nodes are not drawn unasked: it takes a second, and says less.
_MOST_NODES = 100


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is drawn."""

    name: str
    facts: Facts
    sandboxed: bool
    checks: tuple[Check, ...] = ()
    actions: Mapping[Key, str] | None = None
    live: Mapping[tuple[str, ...], Mapping[str, Any]] | None = None
    way: Way | None = None
    unread: tuple[Problem, ...] = ()


def diagram(
    target: str | None = None,
    *,
    format: str = "svg",
    live: bool = False,
    plan: bool = False,
    trace: tuple[str, str] | None = None,
    kind: str = "icmp",
    port: int = 0,
    sandbox: bool | None = None,
    world: World | None = None,
    warn: Callable[[Sequence[Problem]], None] = lambda problems: None,
) -> bytes:
    """Draw a FILE or a LAB: as asked for, as it is now (`live`), or with what an apply of the file changes (`plan`).

    `trace` names a source and a destination: the way of a packet between them is drawn (see app.trace for its `kind`
    and `port`), and `warn` is told of what could not be read. Raises UsageError for a format or a mixture that makes no
    sense, Unavailable where graphviz is missing.
    """
    if format not in FORMATS:
        raise UsageError(f"{format!r} is no format of a picture\n  fix: one of {', '.join(FORMATS)}")
    if live and plan:
        raise UsageError("--live shows what is there, --plan what would be: choose one")
    if plan and trace is not None:
        raise UsageError("--trace follows a packet through what is there or asked for, not through a change")
    if plan and (target is None or not is_file(target)):
        raise UsageError("--plan draws what an apply of a FILE would change\n  fix: name the file")
    if plan:
        assert target is not None
        subject = _planned(target, sandbox, world)
    elif trace is not None:
        subject = _traced(target, trace, kind, port, live, world)
        warn(subject.unread)
    elif live:
        subject = _live(target, world or World.here())
    else:
        subject = _asked(target, world)
    return _drawn(subject, format)


def picture(lab: str, *, world: World | None = None) -> str | None:
    """Draw a lab as applied into a file that goes with it; give the path.

    None for a lab of more than a hundred nodes, and where graphviz is missing: nobody has asked for it.
    """
    world = world or World.here()
    record = world.store.record(lab)
    if record is not None and sum(value.get("fact") == "netns" for value in record.facts) > _MOST_NODES:
        return None
    subject = _asked(lab, world)
    try:
        drawn = _drawn(subject, "svg")
    except Unavailable:
        return None
    path = world.logs / lab / f"{lab}.svg"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(drawn)
    return str(path)


def _drawn(subject: _Subject, format: str) -> bytes:
    from netlab.diagram import render, scene, to_dot, to_mermaid

    drawn = scene(
        subject.name,
        subject.facts,
        sandboxed=subject.sandboxed,
        checks=subject.checks,
        actions=subject.actions,
        live=subject.live,
        way=subject.way,
    )
    if format == "mermaid":
        return to_mermaid(drawn).encode()
    if format == "dot":
        return to_dot(drawn).encode()
    return render(to_dot(drawn), cast('Literal["svg", "png", "pdf"]', format))


def _asked(target: str | None, world: World | None) -> _Subject:
    if target is not None and is_file(target):
        _, topology = parse_file(target)
        from netlab.topology import resolve

        lab: Lab = resolve(topology, sandboxed=True)
        return _Subject(lab.name, lab.facts, sandboxed=False, checks=lab.checks)
    found = existing(world or World.here(), target)
    if found.record is None:
        raise UsageError(f"the store has lost the file of {found.lab!r}\n  fix: add --live, or name the file")
    lab = lab_of(found.record)
    return _Subject(lab.name, found.record.applied(), not found.machine, lab.checks)


def _live(target: str | None, world: World) -> _Subject:
    found = existing(world, target)
    applied = found.record.applied() if found.record is not None else {}
    reading = reading_of(world, found, applied, observe=True)
    return _Subject(found.lab, reading.facts, not found.machine, live=reading.observed)


def _traced(
    target: str | None, ends: tuple[str, str], kind: str, port: int, live: bool, world: World | None
) -> _Subject:
    from netlab.app.drawn_way import way_of
    from netlab.app.simulated import subject_of
    from netlab.app.tracing import trace_in

    found = subject_of(target, live=live, world=world)
    way = way_of(trace_in(found, *ends, kind=kind, port=port))
    of_file = target is not None and is_file(target) and not live
    return _Subject(found.lab, found.facts, sandboxed=not of_file and not found.machine, way=way, unread=found.unread)


def _planned(target: str, sandbox: bool | None, world: World | None) -> _Subject:
    planned = plan_file(target, sandbox=sandbox, world=world)
    _, topology = parse_file(target)
    from netlab.topology import resolve

    facts = dict(resolve(topology, sandboxed=planned.sandboxed).facts)
    actions: dict[Key, str] = {}
    for change in planned.plan.changes:
        key = change.fact.key
        actions[key] = change.action.value
        # What goes is drawn too, in the colour of what goes; what comes or stays is as planned.
        facts[key] = change.fact
    return _Subject(planned.lab, facts, planned.sandboxed, actions=actions)
