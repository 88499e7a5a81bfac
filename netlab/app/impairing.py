"""`impair`: a device of a lab that is up made worse, or better, by hand; the file and what was applied stay."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_core import PydanticCustomError

from netlab.app.enter import split_place
from netlab.app.look import reading_of
from netlab.app.results import Impaired
from netlab.app.targets import Found, existing
from netlab.app.world import World
from netlab.errors import Obstructed, Problem, Unavailable, UsageError
from netlab.facts import Facts, Impairment
from netlab.facts.impairment import PROPERTIES
from netlab.kernel.capability import has_netem
from netlab.kernel.explain import explain
from netlab.kinds.impair import READ
from netlab.plan import Action, Step, StepRefused

_PLACE = "NODE:DEV, or LAB/NODE:DEV; netlab status LAB lists them"


def impair(
    place: str, wishes: Mapping[str, str] | None = None, *, clear: bool = False, world: World | None = None
) -> Impaired:
    """Set properties of what leaves by `[LAB/]NODE:DEV`, as `impair` in a file does; `drift` shows it.

    Properties that are not named stay; an empty value takes one away, `clear` all. Without wishes nothing is changed.
    Raises UsageError, Busy, Obstructed where the kernel refuses, or Unavailable where it has no netem.
    """
    world = world or World.here()
    where, colon, device = place.partition(":")
    if not colon or not device:
        raise UsageError(f"{place!r} names no device\n  fix: {_PLACE}")
    lab, node = split_place(where)
    found = existing(world, lab)
    values = _read(wishes or {})
    with world.store.lock(found.lab, wait=10.0):
        before = _now(world, found, node, device)
        base = Impairment(node, device) if clear else before
        wanted = {**_properties(base), **values}
        after = Impairment(node, device, **{name: value for name, value in wanted.items() if value is not None})
        if after != before:
            _check(after)
            _do(world, found, before, after)
    return Impaired(found.lab, node, device, _properties(before), _properties(after))


def _read(wishes: Mapping[str, str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name, value in wishes.items():
        if name not in PROPERTIES:
            raise UsageError(f"nothing is called {name!r}\n  fix: one of {', '.join(PROPERTIES)}")
        try:
            found[name] = READ[name](value) if value else None
        except PydanticCustomError as error:
            raise UsageError(f"{name}: {error}\n  fix: {(error.context or {})['fix']}") from error
    return found


def _now(world: World, found: Found, node: str, device: str) -> Impairment:
    """Read the device's impairment, an empty one where there is none; raises UsageError where there is no device."""
    applied: Facts = found.record.applied() if found.record is not None else {}
    reading = reading_of(world, found, applied, observe=True)
    if ("device", node, device) not in reading.observed:
        raise UsageError(f"lab {found.lab!r} has no device {node}:{device}\n  fix: {_PLACE}")
    have = reading.facts.get(("impairment", node, device))
    return have if isinstance(have, Impairment) else Impairment(node, device)


def _check(after: Impairment) -> None:
    for name in ("jitter", "reorder"):
        if getattr(after, name) is not None and after.delay is None:
            raise UsageError(f"{name} needs a delay\n  fix: add delay=20ms, or take {name} away too: {name}=")
    if not after.slows_only and not has_netem():
        what = "this kernel can only slow devices down (rate), not delay or lose packets (CONFIG_NET_SCH_NETEM)"
        raise Unavailable(what, "use a kernel that has it; netlab doctor tells")


def _do(world: World, found: Found, before: Impairment, after: Impairment) -> None:
    action = Action.UPDATE if _properties(before) else Action.CREATE
    step = Step(action, after) if _properties(after) else Step(Action.DELETE, before)

    def change() -> None:
        doors = world.doors(found.lab, found.machine, world.logs / found.lab, False)
        try:
            door = next(door for door in doors if Impairment.family in door.families)
            door.do([step])
        except StepRefused as refused:
            meaning, fix = explain(refused.step, refused.number, refused.text)
            raise Obstructed([Problem("refused", f"{after.label()}: {meaning}", None, fix)]) from None
        finally:
            for door in doors:
                door.close()

    found.run(change)


def _properties(fact: Impairment) -> dict[str, str]:
    return {name: value for name in PROPERTIES if (value := getattr(fact, name)) is not None}
