"""Golden cases: labs and probes on which simulator and kernel once disagreed, with what the kernel did."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.conformance.labs_probes import Listener
from tests.conformance.probe_packets import Answer, Arrival, Observation, Probe, Seen

CASES = Path(__file__).with_name("cases")


@dataclass(frozen=True, slots=True)
class Case:
    """A lab, who listens, and what the kernel made of some probes."""

    name: str
    text: str
    listeners: frozenset[Listener]
    observed: tuple[Observation, ...]


def saved(name: str, text: str, listeners: Iterable[Listener], observed: Iterable[Observation]) -> Path:
    """Write a case down; give its folder."""
    folder = CASES / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "topology.yml").write_text(text)
    values = {"listeners": sorted(map(list, listeners)), "observed": [_to_json(one) for one in observed]}
    (folder / "observed.json").write_text(json.dumps(values, indent=1) + "\n")
    return folder


def cases() -> list[str]:
    """Name all cases."""
    return sorted(folder.name for folder in CASES.iterdir() if (folder / "topology.yml").exists())


def case(name: str) -> Case:
    """Read a case."""
    folder = CASES / name
    values = json.loads((folder / "observed.json").read_text())
    listeners = frozenset((node, kind, port) for node, kind, port in values["listeners"])
    observed = tuple(_from_json(one) for one in values["observed"])
    return Case(name, (folder / "topology.yml").read_text(), listeners, observed)


def _to_json(one: Observation) -> dict[str, Any]:
    return {
        "probe": asdict(one.probe),
        "errno": one.errno,
        "answers": [asdict(answer) for answer in one.answers],
        "arrivals": sorted((asdict(arrival) for arrival in one.arrivals), key=str),
        "seen": sorted((asdict(seen) for seen in one.seen), key=str),
    }


def _from_json(value: dict[str, Any]) -> Observation:
    answers = [
        Answer(one["what"], one["source"], tuple(one["icmp"]) if one["icmp"] else None) for one in value["answers"]
    ]
    return Observation(
        Probe(**value["probe"]),
        value["errno"],
        tuple(answers),
        frozenset(Arrival(**one) for one in value["arrivals"]),
        frozenset(Seen(**one) for one in value["seen"]),
    )
