"""Who reaches whom -> what there is to say of it: groups of nodes, a matrix of those, the reasons that keep them apart;
and of two such, what one opens and closes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from netlab.simulator.matrix import matrix_of, merged
from netlab.simulator.packet import Version
from netlab.simulator.reach import Cell, Outcome, Reach
from netlab.simulator.verdicts import Verdict

#: Verdicts whose words name the rule: each rule is a reason of its own.
_BY_RULE = frozenset({Verdict.FILTERED, Verdict.REJECTED})


@dataclass(frozen=True, slots=True)
class Reason:
    """What keeps so many pairs apart, and the first of them as an example."""

    outcome: Outcome
    source: str
    target: str
    pairs: int


@dataclass(frozen=True, slots=True)
class View:
    """Who reaches whom by one IP version. In the matrix, from row to column: True where they do, None where there is no
    such pair, else the number of the reason.
    """

    version: Version
    groups: tuple[tuple[str, ...], ...]
    matrix: tuple[tuple[int | bool | None, ...], ...]
    reasons: tuple[Reason, ...]
    pairs: int
    reaching: int


def views_of(found: Reach) -> tuple[View, ...]:
    """Give the views of a lab: one for each IP version by which any two nodes could reach each other."""
    versions: tuple[Version, ...] = (4, 6)
    return tuple(_view(found, version) for version in versions if any(cell[0] == version for cell in found.cells))


def _view(found: Reach, version: Version) -> View:
    present = sorted({number for cell in found.cells if cell[0] == version for number in cell[1:]})
    sizes = [len(found.classes[number]) for number in present]

    def label(i: int, j: int) -> Hashable:
        cell = (version, present[i], present[j])
        outcome = found.cells.get(cell)
        return None if outcome is None else outcome.reaches or why(found, cell)

    groups = merged(sizes, label)
    reasons = _reasons(found, version)
    numbers: dict[Hashable, int] = {one: number for number, one in enumerate(reasons)}
    matrix = tuple(
        tuple(said if said is None or said is True else numbers[said] for said in row)
        for row in matrix_of(groups, sizes, label)
    )
    cells = [cell for cell in found.cells if cell[0] == version]
    return View(
        version,
        tuple(tuple(name for i in group for name in found.classes[present[i]]) for group in groups),
        matrix,
        tuple(reasons.values()),
        sum(map(found.pairs, cells)),
        sum(found.pairs(cell) for cell in cells if found.cells[cell].reaches),
    )


def _reasons(found: Reach, version: Version) -> dict[Hashable, Reason]:
    """Give what keeps pairs apart, what keeps most apart first."""
    reasons: dict[Hashable, Reason] = {}
    for cell, outcome in found.cells.items():
        if cell[0] == version and not outcome.reaches:
            one, pairs = why(found, cell), found.pairs(cell)
            known = reasons.get(one)
            if known is None:
                reasons[one] = Reason(outcome, *found.example(cell), pairs)
            else:
                reasons[one] = Reason(known.outcome, known.source, known.target, known.pairs + pairs)
    return dict(sorted(reasons.items(), key=lambda one: -one[1].pairs))


def why(found: Reach, cell: Cell) -> Hashable:
    """Say what keeps a pair of classes apart, so that what is the same reason is equal.

    What ends at a node that has its like, as sender or as target, is one reason for all senders, or targets; what ends
    at any other is so by the fact behind it.
    """
    outcome, (source, target) = found.cells[cell], found.example(cell)
    end = outcome.end
    rule = end.words.removeprefix(f"{end.node}: ") if end.verdict in _BY_RULE else ""
    number = found.numbers.get(end.node)
    if end.node in (source, target) and number is not None and len(found.classes[number]) > 1:
        family = end.key[0] if end.key is not None else None
        return end.verdict, outcome.back, "source" if end.node == source else "target", family, rule
    return end.verdict, outcome.back, number, end.key, rule


# -- two of them


@dataclass(frozen=True, slots=True)
class Oblong:
    """All pairs of nodes from some to some."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    pairs: int


@dataclass(frozen=True, slots=True)
class Change:
    """Pairs of nodes between which a way opens, or closes, for one reason, and the first of them as an example.

    `outcome` is what kept them apart before, or does now; None where one had, or has, no address of that version.
    """

    version: Version
    opens: bool
    outcome: Outcome | None
    source: str
    target: str
    parts: tuple[Oblong, ...]

    @property
    def pairs(self) -> int:
        return sum(part.pairs for part in self.parts)


@dataclass(frozen=True, slots=True)
class Changes:
    """What becomes different from one lab to another; of nodes that are in both, who reaches whom."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    ways: tuple[Change, ...]


def changes_between(before: Reach, after: Reach) -> Changes:
    """Say what opens and closes between two labs, nodes matched by name."""
    added = tuple(name for name in after.numbers if name not in before.numbers)
    removed = tuple(name for name in before.numbers if name not in after.numbers)
    joint: dict[tuple[int, int], list[str]] = {}
    for name, number in after.numbers.items():
        if name in before.numbers:
            joint.setdefault((before.numbers[name], number), []).append(name)
    versions: tuple[Version, ...] = (4, 6)
    ways = [way for version in versions for way in _ways(before, after, joint, version)]
    return Changes(added, removed, tuple(sorted(ways, key=lambda way: (way.version, not way.opens, -way.pairs))))


def _ways(before: Reach, after: Reach, joint: dict[tuple[int, int], list[str]], version: Version) -> Iterator[Change]:
    classes, members = list(joint), list(joint.values())
    sizes = list(map(len, members))

    def cells(i: int, j: int) -> tuple[Cell, Cell]:
        return (version, classes[i][0], classes[j][0]), (version, classes[i][1], classes[j][1])

    def label(i: int, j: int) -> Hashable:
        """Give None where all is as it was, else whether it opens, and the reason that is the other side of it."""
        was, now = cells(i, j)
        reached, reaches = _reached(before, was), _reached(after, now)
        if reached == reaches or (i == j and sizes[i] == 1):
            return None
        found, cell = (before, was) if reaches else (after, now)
        return reaches, why(found, cell) if cell in found.cells else None

    groups = merged(sizes, label)
    for said, oblongs in _oblongs(matrix_of(groups, sizes, label)).items():
        parts: list[Oblong] = []
        examples: list[tuple[int, int]] = []
        for rows, columns in oblongs:
            of_rows, of_columns = ([i for one in part for i in groups[one]] for part in (rows, columns))
            examples.append(next((i, j) for i in of_rows for j in of_columns if i != j or sizes[i] > 1))
            sources, targets = (tuple(name for i in part for name in members[i]) for part in (of_rows, of_columns))
            parts.append(Oblong(sources, targets, len(sources) * len(targets) - len({*sources} & {*targets})))
        assert isinstance(said, tuple)
        opens, (i, j) = said[0], examples[0]
        was, now = cells(i, j)
        outcome = before.cells.get(was) if opens else after.cells.get(now)
        yield Change(version, opens, outcome, members[i][0], members[j][int(i == j)], tuple(parts))


def _reached(found: Reach, cell: Cell) -> bool:
    outcome = found.cells.get(cell)
    return outcome is not None and outcome.reaches


def _oblongs(matrix: Sequence[Sequence[Hashable]]) -> dict[Hashable, list[tuple[list[int], tuple[int, ...]]]]:
    """Turn a matrix into oblongs by label: rows that have a label in the same columns are one."""
    found: dict[Hashable, dict[tuple[int, ...], list[int]]] = {}
    for number, row in enumerate(matrix):
        columns: dict[Hashable, list[int]] = {}
        for column, said in enumerate(row):
            if said is not None:
                columns.setdefault(said, []).append(column)
        for said, places in columns.items():
            found.setdefault(said, {}).setdefault(tuple(places), []).append(number)
    return {said: [(rows, places) for places, rows in by_places.items()] for said, by_places in found.items()}
