"""What the store remembers of a lab, for whoever is about to read it and change it: apply, plan, and the guard's undo.

A killed apply was making what no record names: the journal says what, until somebody finishes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from netlab.app.targets import Found
from netlab.app.traces import asked_in, initial_in, traces_in
from netlab.app.transaction import earlier, scope_of, with_initial
from netlab.app.world import World
from netlab.facts import Facts
from netlab.plan import Door, Scope


@dataclass(frozen=True, slots=True)
class Past:
    """What was applied, and what applies were making that were killed; what settings were before netlab wrote them.

    `cut_short` is the journal of an apply, undo or destroy that was killed. `known` has a set of facts for each that
    may be in the kernel, the applied ones first.
    """

    found: Found
    applied: Facts
    cut_short: Mapping[str, Any] | None
    known: tuple[Facts, ...]
    initial: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, world: World, found: Found) -> Past:
        """Read the store; of a lab whose sandbox has ended, nothing is left that was applied."""
        record, cut_short = None if found.gone else found.record, world.store.pending(found.lab)
        applied = {} if record is None else record.applied()
        initial = earlier({} if record is None else record.initial, initial_in(cut_short))
        return cls(found, applied, cut_short, (applied, *asked_in(cut_short)), initial)

    @property
    def certain(self) -> bool:
        """Whether this is all that may be there: the record is not lost, and nothing was cut short."""
        return self.found.record is not None and self.cut_short is None

    def complete(self, want: Facts) -> Facts:
        """Have what is no longer asked for go back to what it was before netlab changed it."""
        for facts in self.known:
            want = with_initial(want, facts, self.initial)
        return want

    def scope(self, world: World, machine: bool, want: Facts) -> Scope:
        """Give what to read before a change: what is wanted, what was applied, and what a killed apply was making.

        Devices without a mark may be those that another netlab makes just now: then none is ours.
        """
        scope = scope_of(self.found.lab, machine, want, *self.known)
        if not self.certain:
            scope = replace(scope, chains=None)
        if not machine:
            return scope
        left = traces_in(self.cut_short)
        busy = world.store.others_busy(self.found.lab)
        unmarked = frozenset() if busy else scope.unmarked | left.devices
        return replace(scope, routes=scope.routes | left.routes, unmarked=unmarked)

    def doors(self, world: World, machine: bool, want: Facts) -> tuple[Door, ...]:
        """Open the lab's doors; that of programs only where there are, were, or may be any."""
        lost = not self.certain and (machine or self.found.sandbox is not None)
        programs = lost or any(fact.family == "program" for facts in (want, *self.known) for fact in facts.values())
        return world.doors(self.found.lab, machine, world.logs / self.found.lab, programs)
