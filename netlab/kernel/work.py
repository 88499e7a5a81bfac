"""A batch of work over the places of a lab: what the doers of steps (do_*.py) share."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from netlab.facts import Address
from netlab.kernel import encode
from netlab.kernel.batch import Batch
from netlab.kernel.place import Place
from netlab.kernel.places import Places
from netlab.names import mark
from netlab.plan.steps import Action, Step

#: Failures that mean that what is to be deleted is gone already.
_GONE = {errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENXIO}


def forgives(step: Step, number: int) -> bool:
    """Tell whether a failure leaves things as the step wants them."""
    if step.action is Action.DELETE:
        return number in _GONE
    # An address that a deletion was expected to take, and did not, is there already.
    return number == errno.EEXIST and isinstance(step.fact, Address)


class Work:
    """One call of `do`: the places, the batch, and what was queued so far that later messages stand on."""

    def __init__(self, places: Places, chains: Sequence[Step]) -> None:
        self.places = places
        self.batch = Batch(forgives)
        #: Far ends of pairs on the real machine that are wide enough for IPv6.
        self.wide: set[tuple[str, str]] = set()
        #: How far a place's queue must come for a device to be there.
        self.made: dict[tuple[str, str], int] = {}
        #: The steps about chains, by node: all are one transaction, when the first has its turn.
        self.chains_of: dict[str, list[Step]] = {}
        for step in chains:
            self.chains_of.setdefault(step.fact.nodes[0], []).append(step)

    def index(self, place: Place, device: str) -> int:
        """Give the index of a device that is there or queued to be made."""
        if device not in place.indices:
            self.batch.flush(place, self.made.get((place.node, device), 0))
            if place.index(device) is None:
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), device)
        return place.indices[device]

    def own(self, place: Place, device: str) -> None:
        """Make a device where others' devices are before anything is done to it by name.

        Somebody else may have made one of that name since we looked; the rest of the batch would be done to theirs.
        """
        if self.places.marked(place.node):
            self.batch.flush(place, self.made[place.node, device])

    def mark(self, place: Place, step: Step, device: str) -> None:
        """Write on a device whose it is, where others' devices are."""
        if self.places.marked(place.node):
            alias = mark(self.places.lab, f"{place.node}/{device}")
            self.batch.message(place, step, encode.mark_link(device, alias))

    def delete_link(self, place: Place, step: Step, name: str) -> None:
        """Delete a device."""
        self.batch.message(place, step, encode.delete_link(name))
        place.indices.pop(name, None)
