"""A lab brought back to an earlier record of it: the same transaction, with that record's facts as what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netlab.app.host_settings import HostSettings
from netlab.app.targets import look_up
from netlab.app.transaction import Attempt, carry_out, scope_of, with_initial
from netlab.app.world import World
from netlab.errors import Disagreement
from netlab.namespaces.inside import run_inside
from netlab.plan import Plan, Reading
from netlab.store import Record
from netlab.store.records import from_json


def restore(world: World, now: Record, previous: Mapping[str, Any], *, wait: float = 60.0) -> None:
    """Bring a lab back to `previous`; raises Disagreement, with what is left to do, where that fails."""
    before = from_json(dict(previous))
    with world.store.lock(now.lab, wait=wait):
        found = look_up(world, now.lab)
        applied = now.applied()
        want = with_initial(before.applied(), applied, now.initial)
        scope = scope_of(now.lab, found.machine, want, applied)
        settings = HostSettings(world.store, now.lab, want if found.machine else {})

        def ready(made: Plan, reading: Reading) -> None:
            if made:
                settings.join(reading)

        def work() -> Attempt:
            programs = any(fact.family == "program" for fact in (*want.values(), *applied.values()))
            doors = world.doors(now.lab, found.machine, world.logs / now.lab, programs)
            try:
                return carry_out(want, doors, scope, origin={}, ready=ready)
            finally:
                for door in doors:
                    door.close()

        attempt = run_inside(found.sandbox, work)
        if attempt.outcome != "applied":
            raise Disagreement("; ".join(problem.what for problem in attempt.problems))
        world.store.save(before)
        if found.machine:
            settings.leave_others()
