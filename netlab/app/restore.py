"""A lab brought back to an earlier record of it: the same transaction, with that record's facts as what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netlab.app.host_settings import HostSettings
from netlab.app.past import Past
from netlab.app.targets import look_up
from netlab.app.transaction import Attempt, carry_out
from netlab.app.world import World
from netlab.errors import Disagreement
from netlab.plan import Plan, Reading
from netlab.store.records import from_json


def restore(world: World, lab: str, previous: Mapping[str, Any]) -> None:
    """Bring a lab, locked, back to `previous`; raises Disagreement, with what is left to do, where that fails."""
    before = from_json(dict(previous))
    found = look_up(world, lab)
    past = Past.of(world, found)
    want = past.complete(before.applied())
    settings = HostSettings(world.store, lab, want if found.machine else {})
    scope = past.scope(world, found.machine, want)

    def ready(made: Plan, reading: Reading) -> None:
        settings.join(made, reading)

    def work() -> Attempt:
        doors = past.doors(world, found.machine, want)
        try:
            return carry_out(want, doors, scope, origin={}, ready=ready)
        finally:
            for door in doors:
                door.close()

    # Where the sandbox has ended there is nothing to undo: the lab is gone, and stays so until it is applied again.
    if not found.gone:
        attempt = found.run(work)
        if attempt.outcome != "applied":
            raise Disagreement("; ".join(problem.what for problem in attempt.problems))
    world.store.save(before)
    world.store.end(lab)
    if found.machine:
        settings.leave_others()
