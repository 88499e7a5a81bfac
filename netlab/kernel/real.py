"""The real kernel behind the door's protocol: read by dumps, changed by batches of netlink messages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from netlab.facts import Facts, Namespace, Settings
from netlab.kernel.do import do_steps
from netlab.kernel.families import FAMILIES
from netlab.kernel.places import Places
from netlab.kernel.read import Reader
from netlab.names import HOST
from netlab.plan.steps import Reading, Scope, Step


class RealKernel:
    """The kernel as the calling process sees it: in a sandbox, `machine` is False and `host` is the sandbox's own."""

    families = FAMILIES

    def __init__(self, lab: str, machine: bool) -> None:
        self._places = Places(lab, machine)
        self._reader: Reader | None = None

    def read(self, scope: Scope, changed: Collection[str] | None = None) -> Reading:
        """Read the lab's namespaces, or again those that `changed`; raises OSError where the kernel refuses."""
        if self._reader is None or changed is None or self._reader.scope != scope:
            self._reader, changed = Reader(self._places, scope), None
        return self._reader.read(changed)

    def prepare(self, want: Facts, have: Facts) -> None:
        """Begin in the background what an apply will need, whatever the order: the namespaces that are not there.

        Nothing can be seen of it: without `do` they vanish. What an apply that was killed left of others vanishes now.
        """
        self._places.sweep()
        newborn = [
            fact.node
            for key, fact in want.items()
            if isinstance(fact, Namespace) and key not in have and fact.node != HOST
        ]
        settings = {f.node: f.values for key, f in want.items() if isinstance(f, Settings) and key not in have}
        self._places.expect(newborn, settings)

    def do(self, steps: Sequence[Step]) -> None:
        """Do steps; raises StepRefused."""
        do_steps(self._places, steps)

    @property
    def born(self) -> Mapping[str, str]:
        """What namespaces that this door made were born with, of the settings that were asked for."""
        return self._places.born

    def close(self) -> None:
        self._places.close()
