"""Random labs that a file could mean, for the real kernel: what a fake takes, but no machine does, is not drawn."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from netlab.facts import Bridge, Facts, Port
from tests.capabilities import lacking
from tests.other_devices import EVERY_KIND
from tests.strategies import edited, random_lab

#: Kinds that some kernels lack; every other has a stand-in, or is there.
_PERHAPS = frozenset({"vlan", "ipvlan", "bond", "vrf", "tun"})


def kinds_here() -> list[str]:
    """Give the kinds of devices that this kernel makes, by a stand-in perhaps."""
    lacks = lacking(_PERHAPS)
    return [kind for kind in EVERY_KIND if kind not in lacks]


def stand_ins_here() -> dict[str, str]:
    """Give what stands in for what this kernel lacks, as commands are told."""
    lacks = lacking(frozenset({"dummy", "netem"}))
    return {name: other for name, other in (("dummy", "ifb"), ("netem", "tbf")) if name in lacks}


def real_lab(rng: Random, machine: bool, before: Facts | None = None) -> Facts:
    """Draw a lab, or an edit of one.

    A sandbox keeps its host, which ends only with it; `lo` of the machine itself has no address of a lab's.
    """
    kinds = kinds_here()
    while True:
        lab = random_lab(rng, machine, kinds) if before is None else edited(before, rng, machine, kinds)
        if not any(key[:3] == ("address", "host", "lo") for key in lab) if machine else ("netns", "host") in lab:
            return _calmed(lab)


def _calmed(lab: Facts) -> Facts:
    """Have bridges say whether they speak STP, as those of a file do; those with ports do.

    Frames that circle in a loop take the whole machine's time, and other tests' packets.
    """
    plugged = {("bridge", fact.node, fact.bridge) for fact in lab.values() if isinstance(fact, Port)}
    return {
        key: replace(fact, stp=bool(fact.stp) or key in plugged) if isinstance(fact, Bridge) else fact
        for key, fact in lab.items()
    }
