"""One random lab: applied in a sandbox, probed for real, and compared with what the simulator says.

A disagreement is probed again before it is believed: the kernel tells errors sparingly, and a machine may be too busy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from netlab import app
from netlab.app.simulated import subject_of
from netlab.app.targets import look_up
from netlab.app.world import World
from netlab.facts import Facts
from netlab.namespaces.inside import run_inside
from netlab.simulator.compiling import network_of
from netlab.simulator.network import Network
from netlab.topology import read
from netlab.topology.lab import Lab
from tests.conformance.agreement import Disagreement, comparable, disagreements, predict, predict_races
from tests.conformance.forget import forget
from tests.conformance.hurry import hurry
from tests.conformance.labs import OTHERS, USUAL, random_topology
from tests.conformance.labs_probes import Listener, random_probes
from tests.conformance.labs_rulesets import random_rulesets
from tests.conformance.observe import observe
from tests.conformance.probe_packets import Observation, Probe
from tests.conformance.rulesets import load

#: Seconds after the last probe until everything has been told, neighbours that do not answer among it.
PATIENCE = 0.8
#: The same for what is probed again: one probe of each node at a time, as a router tells a sender of a missing route
#: once a second (net/ipv4/route.c, ip_error); the last time each alone.
AGAIN = 1.2
#: How often a disagreement must show to be believed.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class LabRun:
    """What became of one lab: how many probes, which disagree even when probed again, how many only at first."""

    seed: int
    text: str
    probes: int
    disagreements: tuple[Disagreement, ...]
    passing: int = 0
    #: How many agree only if, of several answers for one address, another comes first.
    raced: int = 0
    #: Words of a lab that could not be applied.
    fault: str | None = None
    listeners: frozenset[Listener] = frozenset()
    #: What others have put into nodes of it.
    rulesets: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Tally:
    """What became of many labs."""

    labs: int = 0
    probes: int = 0
    passing: int = 0
    raced: int = 0
    disagreeing: list[tuple[LabRun, Disagreement]] = field(default_factory=list)
    faults: list[LabRun] = field(default_factory=list)

    def add(self, run: LabRun) -> None:
        self.labs += 1
        self.probes += run.probes
        self.passing += run.passing
        self.raced += run.raced
        self.disagreeing += [(run, one) for one in run.disagreements]
        if run.fault is not None:
            self.faults.append(run)

    @property
    def rate(self) -> float:
        """The share of probes on which simulator and kernel agree."""
        return 1 - len(self.disagreeing) / self.probes if self.probes else 1.0

    def words(self) -> str:
        """Say it in a line."""
        agree = self.probes - len(self.disagreeing)
        rate = f"{self.rate:.3%}" if self.disagreeing else "100 %"
        faults = f", {len(self.faults)} labs could not be run" if self.faults else ""
        again = f", {self.passing} of them only when asked again" if self.passing else ""
        raced = f", {self.raced} where another's answer came first" if self.raced else ""
        return f"{agree} of {self.probes} packets in {self.labs} labs agree ({rate}){again}{raced}{faults}"


def run_lab(seed: int, count: int, folder: Path, features: Collection[str] = USUAL) -> LabRun:
    """Run one lab of so many probes; to be called on a made-up machine."""
    rng = Random(seed)
    text = random_topology(rng, features)
    lab = read(text.encode(), f"lab-{seed}.yml")
    probes, listeners = random_probes(rng, lab, count)
    drawn = random_rulesets(rng, lab) if OTHERS in features else {}
    return run_text(text, probes, listeners, folder, seed, drawn)


def run_text(
    text: str,
    probes: Sequence[Probe],
    listeners: frozenset[Listener],
    folder: Path,
    seed: int = 0,
    drawn: Mapping[str, Sequence[str]] | None = None,
) -> LabRun:
    """Apply a lab, load what of `drawn` nft takes, probe it, compare, and take it down."""
    file = folder / f"lab-{seed}.yml"
    file.write_text(text)
    lab = read(text.encode(), str(file))
    applied = app.apply(str(file), sandbox=True)
    if applied.outcome != "applied":
        return LabRun(seed, text, 0, (), fault="; ".join(problem.what for problem in applied.problems))
    try:
        rulesets = _load(lab, drawn) if drawn else ()
        network = network_of(_as_read(lab) if rulesets else lab.facts)
        left, at_first = _compare(lab, network, probes, listeners)
        found = [one for one in left if not _another_came_first(network, one, listeners)]
        passing, raced = at_first - len(left), len(left) - len(found)
        return LabRun(seed, text, len(probes), tuple(found), passing, raced, listeners=listeners, rulesets=rulesets)
    finally:
        app.destroy(lab.name)


def _load(lab: Lab, drawn: Mapping[str, Sequence[str]]) -> tuple[tuple[str, str], ...]:
    sandbox, nodes = look_up(World.here(), lab.name).sandbox, list(lab.nodes)
    return run_inside(sandbox, lambda: load(lab.name, nodes, drawn))


def _as_read(lab: Lab) -> Facts:
    """Give what is there, as `--live` reads it; raises ValueError where it does not understand all of it."""
    subject = subject_of(lab.name, live=True)
    if subject.unread:
        raise ValueError("; ".join(problem.what for problem in subject.unread))
    return subject.facts


def _another_came_first(network: Network, one: Disagreement, listeners: frozenset[Listener]) -> bool:
    """Tell whether the kernel does what it would if, of several answers for one address, another came first."""
    return any(not disagreements([other], [one.observed]) for other in predict_races(network, one.probe, listeners))


def _compare(
    lab: Lab, network: Network, probes: Sequence[Probe], listeners: frozenset[Listener]
) -> tuple[list[Disagreement], int]:
    """Give what disagrees to the last, and how many did at first."""
    predicted = {probe.number: predict(network, probe, listeners) for probe in probes}
    sandbox = look_up(World.here(), lab.name).sandbox
    nodes = list(lab.nodes)

    def seen(look: Callable[[], tuple[Observation, ...]]) -> list[Observation]:
        return [comparable(network, one) for one in run_inside(sandbox, look)]

    def first() -> tuple[Observation, ...]:
        hurry(lab.name, nodes)
        return observe(lab.name, nodes, probes, listeners, patience=PATIENCE)

    left = disagreements([predicted[probe.number] for probe in probes], seen(first))
    at_first = len(left)
    for number in range(_TRIES - 1):
        still: list[Disagreement] = []
        asked = [one.probe for one in left]
        # In the end each alone: even one that another node sends may teach a third what it would not know else.
        for few in _one_of_each(asked) if number < _TRIES - 2 else [[probe] for probe in asked]:

            def again(few: Sequence[Probe] = few) -> tuple[Observation, ...]:
                forget(lab.name, nodes)
                return observe(lab.name, nodes, few, listeners, patience=AGAIN, pace=20.0)

            still += disagreements([predicted[probe.number] for probe in few], seen(again))
        left = still
    return left, at_first


def _one_of_each(probes: Sequence[Probe]) -> list[list[Probe]]:
    """Sort probes into rounds in which no node sends twice."""
    rounds: list[list[Probe]] = []
    for probe in probes:
        fitting = (one for one in rounds if all(other.source != probe.source for other in one))
        found = next(fitting, None)
        if found is None:
            rounds.append([probe])
        else:
            found.append(probe)
    return rounds
