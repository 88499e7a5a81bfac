"""Samples of each round -> figures -> a Markdown table or a JSON document.

A ratio is taken within a round, against the floor of the same round, and the median of the rounds is reported: the
machine may be busier in one round than in the next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from benchmarks.contestants import Sample
from benchmarks.networks import Network

FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Result:
    """One network: each contestant's samples, by round (None where it did not take part in that round)."""

    network: Network
    rounds: Mapping[str, Sequence[Sample | None]]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the rounds of one contestant come to: seconds as (median, least, most), ratios as medians."""

    rounds: int
    up: tuple[float, float, float]
    down: tuple[float, float, float]
    again: tuple[float, float, float] | None
    up_to_floor: float | None
    down_to_floor: float | None
    again_to_up: float | None
    memory: int


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Give median, least and most."""
    return median(values), min(values), max(values)


def figures(result: Result, key: str) -> Figures | None:
    """Sum up one contestant on one network; None when it never took part."""
    samples = [sample for sample in result.rounds.get(key, ()) if sample]
    if not samples:
        return None
    pairs = [
        (sample, floor)
        for sample, floor in zip(result.rounds[key], result.rounds.get(FLOOR, ()), strict=False)
        if sample and floor
    ]
    again = [(sample.again, sample.up) for sample in samples if sample.again is not None]
    return Figures(
        rounds=len(samples),
        up=spread([sample.up for sample in samples]),
        down=spread([sample.down for sample in samples]),
        again=spread([seconds for seconds, _ in again]) if again else None,
        up_to_floor=median(sample.up / floor.up for sample, floor in pairs) if pairs else None,
        down_to_floor=median(sample.down / floor.down for sample, floor in pairs) if pairs else None,
        again_to_up=median(seconds / up for seconds, up in again) if again else None,
        memory=max(sample.memory for sample in samples),
    )


def _seconds(values: tuple[float, float, float]) -> str:
    return f"{values[0]:.2f} ({values[1]:.2f}-{values[2]:.2f})"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def markdown(
    results: Sequence[Result],
    names: Mapping[str, str],
    lacking: Mapping[str, str],
    commands: Mapping[str, Sequence[float]],
    own_memory: int,
) -> str:
    """Draw the tables: one for the networks, one for the small commands, then who was missing and why."""
    lines = [
        "| nodes | | up, s | to floor | again, s | to up | down, s | to floor | peak MB | rounds |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for result in results:
        for key, name in names.items():
            if not (found := figures(result, key)):
                continue
            small = found.memory <= own_memory * 1.05
            memory = f"< {own_memory / 1024:.0f}" if small else f"{found.memory / 1024:.0f}"
            cells = [
                result.network.title,
                name,
                _seconds(found.up),
                _ratio(found.up_to_floor),
                _seconds(found.again) if found.again else "",
                _ratio(found.again_to_up),
                _seconds(found.down),
                _ratio(found.down_to_floor),
                memory,
                str(found.rounds),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    if commands:
        lines += ["", "| command | ms |", "|---|--:|"]
        for title, took in commands.items():
            middle, least, most = (1000 * value for value in spread(took))
            lines.append(f"| `{title}` | {middle:.0f} ({least:.0f}-{most:.0f}) |")
    if lacking:
        lines += ["", *(f"Not measured: {names[key]}: {reason}." for key, reason in lacking.items())]
    return "\n".join(lines)


def document(
    results: Sequence[Result],
    lacking: Mapping[str, str],
    commands: Mapping[str, Sequence[float]],
    machine: Mapping[str, str | int],
) -> dict[str, object]:
    """Give the same as a JSON document, with every sample."""
    networks = []
    for result in results:
        contestants = {}
        for key, samples in result.rounds.items():
            found = figures(result, key)
            contestants[key] = {
                "figures": asdict(found) if found else None,
                "samples": [asdict(sample) if sample else None for sample in samples],
            }
        networks.append({**asdict(result.network), "contestants": contestants})
    return {
        "version": 1,
        "kind": "benchmark",
        "machine": dict(machine),
        "networks": networks,
        "commands": {title: list(took) for title, took in commands.items()},
        "lacking": dict(lacking),
    }
