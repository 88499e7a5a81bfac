"""Samples of each round -> figures -> a Markdown table or a JSON document.

A ratio is taken within a round, against the floor of the same round, and the median of the rounds is reported: the
machine may be busier in one round than in the next.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median

from benchmarks.alone import Planning, Rules, Simulating
from benchmarks.contestants import Sample
from benchmarks.networks import Network

FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Result:
    """One network: each contestant's samples, by round (None where it did not take part in that round)."""

    network: Network
    rounds: Mapping[str, Sequence[Sample | None]]


@dataclass(frozen=True, slots=True)
class Alone:
    """What netlab did alone, by round: for so many rules, for labs of so many nodes, and by small command."""

    rules: Mapping[int, Sequence[Rules]] = field(default_factory=dict)
    plans: Mapping[int, Sequence[Planning]] = field(default_factory=dict)
    simulations: Mapping[int, Sequence[Simulating]] = field(default_factory=dict)
    commands: Mapping[str, Sequence[float]] = field(default_factory=dict)


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
    edit: tuple[float, float, float] | None
    edit_to_up: float | None
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
    edit = [(sample.edit, sample.up) for sample in samples if sample.edit is not None]
    return Figures(
        rounds=len(samples),
        up=spread([sample.up for sample in samples]),
        down=spread([sample.down for sample in samples]),
        again=spread([seconds for seconds, _ in again]) if again else None,
        up_to_floor=median(sample.up / floor.up for sample, floor in pairs) if pairs else None,
        down_to_floor=median(sample.down / floor.down for sample, floor in pairs) if pairs else None,
        again_to_up=median(seconds / up for seconds, up in again) if again else None,
        edit=spread([seconds for seconds, _ in edit]) if edit else None,
        edit_to_up=median(seconds / up for seconds, up in edit) if edit else None,
        memory=max(sample.memory for sample in samples),
    )


def _seconds(values: tuple[float, float, float]) -> str:
    return f"{values[0]:.2f} ({values[1]:.2f}-{values[2]:.2f})"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def markdown(
    results: Sequence[Result],
    alone: Alone,
    names: Mapping[str, str],
    lacking: Mapping[str, str],
    own_memory: int,
) -> str:
    """Draw the tables: one for the networks, those of netlab alone, then who was missing and why."""
    lines = [
        "| nodes | | up, s | to floor | again, s | to up | edit, s | to up | down, s | to floor | peak MB | rounds |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for result in results:
        for key, name in names.items():
            if not (found := figures(result, key)):
                continue
            cells = [
                result.network.title,
                name,
                _seconds(found.up),
                _ratio(found.up_to_floor),
                _seconds(found.again) if found.again else "",
                _ratio(found.again_to_up),
                _seconds(found.edit) if found.edit else "",
                _ratio(found.edit_to_up),
                _seconds(found.down),
                _ratio(found.down_to_floor),
                _megabytes(found.memory, own_memory),
                str(found.rounds),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    tables = (
        _rules_table(alone.rules),
        _plans_table(alone.plans, own_memory),
        _simulations_table(alone.simulations, own_memory),
        _commands_table(alone.commands),
    )
    for table in tables:
        lines += ["", *table] if table else []
    if lacking:
        lines += ["", *(f"Not measured: {names[key]}: {reason}." for key, reason in lacking.items())]
    return "\n".join(lines)


def _megabytes(memory: int, own_memory: int) -> str:
    return f"< {own_memory / 1024:.0f}" if memory <= own_memory * 1.05 else f"{memory / 1024:.0f}"


def _rules_table(by_count: Mapping[int, Sequence[Rules]]) -> list[str]:
    lines = [
        "| rules | without, s | all, s | transactions | one changed, s | transactions | `nft -f`, s |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for count, rounds in by_count.items():
        cells = [
            str(count),
            _seconds(spread([one.without for one in rounds])),
            _seconds(spread([one.all for one in rounds])),
            _numbers(one.transactions for one in rounds),
            _seconds(spread([one.edit for one in rounds])),
            _numbers(one.edit_transactions for one in rounds),
            _seconds(spread([one.nft for one in rounds])),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines if by_count else []


def _numbers(values: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(set(values))))


def _plans_table(by_nodes: Mapping[int, Sequence[Planning]], own_memory: int) -> list[str]:
    lines = [
        "| nodes | validate, s | ms a node | plan --json, s | ms a node | peak MB |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for nodes, rounds in by_nodes.items():
        validate, plan = spread([one.validate for one in rounds]), spread([one.plan for one in rounds])
        memory = _megabytes(max(one.memory for one in rounds), own_memory)
        per_node = [f"{1000 * values[0] / nodes:.2f}" for values in (validate, plan)]
        cells = [str(nodes), _seconds(validate), per_node[0], _seconds(plan), per_node[1], memory]
        lines.append(f"| {' | '.join(cells)} |")
    return lines if by_nodes else []


def _simulations_table(by_nodes: Mapping[int, Sequence[Simulating]], own_memory: int) -> list[str]:
    lines = [
        "| nodes | reach, s | ms a node | peak MB | trace, s | peak MB |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for nodes, rounds in by_nodes.items():
        reach, trace = spread([one.reach for one in rounds]), spread([one.trace for one in rounds])
        cells = [
            str(nodes),
            _seconds(reach),
            f"{1000 * reach[0] / nodes:.2f}",
            _megabytes(max(one.reach_memory for one in rounds), own_memory),
            _seconds(trace),
            _megabytes(max(one.trace_memory for one in rounds), own_memory),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines if by_nodes else []


def _commands_table(commands: Mapping[str, Sequence[float]]) -> list[str]:
    lines = ["| command | ms |", "|---|--:|"]
    for title, took in commands.items():
        middle, least, most = (1000 * value for value in spread(took))
        lines.append(f"| `{title}` | {middle:.0f} ({least:.0f}-{most:.0f}) |")
    return lines if commands else []


def document(
    results: Sequence[Result],
    alone: Alone,
    lacking: Mapping[str, str],
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
        "rules": [{"rules": count, "samples": [asdict(one) for one in of]} for count, of in alone.rules.items()],
        "plans": [{"nodes": count, "samples": [asdict(one) for one in of]} for count, of in alone.plans.items()],
        "simulations": [
            {"nodes": count, "samples": [asdict(one) for one in of]} for count, of in alone.simulations.items()
        ],
        "commands": {title: list(took) for title, took in alone.commands.items()},
        "lacking": dict(lacking),
    }
