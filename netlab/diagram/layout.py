"""Turns parts into a sketch: which way it grows, who stands where, and on which side each cable leaves.

A graph drawer left to itself makes a strip of forty nodes. So the shape is decided here, and dot only sets it:

- Each connected piece grows from its centre, downwards or sideways (tree says how). A chain goes sideways as long as
  the page is wide enough; else the way that fits the page, and of two that do, the better shaped.
- Cables leave a part on the side of their other end, in the order in which the other ends stand: none cross.
- A bridge is as long as what hangs on it, so that its cables are straight.
- Pieces that do not hang together fill rows (columns, where they grow sideways).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from netlab.diagram.graph import Graph
from netlab.diagram.parts import Part, Parts, Wire
from netlab.diagram.tree import BESIDE, BETWEEN, Side, Tree, Way

#: The page that a drawing should fit, in points; a chain may be wider than that.
PAGE_WIDTH, PAGE_HEIGHT, CHAIN_WIDTH = 1200, 800, 1500
#: The shape that a drawing should have, width to height; downwards is what people expect, and may be so much off.
SHAPE, DOWNWARDS = 1.4, 0.4
#: Neighbours are made equally deep, unless one is more than so many times as deep as another.
UNLIKE = 1.4


@dataclass(frozen=True, slots=True)
class Slot:
    """Room for one device at the edge of a part, `span` points along that edge (0: as much as its text needs).

    Without a device it is a gap.
    """

    device: str
    span: int


@dataclass(frozen=True, slots=True)
class Place:
    """A part in its place: what is plugged in before it (above, or to the left) and after it.

    `across` is how much room it takes beside its neighbours (0: as much as its slots do); `slots` and `middle` are how
    deep its two parts are at least in the direction of growth, so that neighbours look alike.
    """

    part: Part
    before: tuple[Slot, ...]
    after: tuple[Slot, ...]
    across: int
    slots: int
    middle: int


@dataclass(frozen=True, slots=True)
class Sketch:
    """Parts in the order in which they are set; wires turned so that each leads onwards; what stands behind
    what in a later row.
    """

    way: Way
    places: tuple[Place, ...]
    wires: tuple[Wire, ...]
    follows: tuple[tuple[str, str], ...]


def arrange(source: Parts, way: Way | None = None) -> Sketch:
    """Lay out parts, the one way or the other where that is said; the same parts always give the same sketch."""
    graph = Graph(source)
    pieces = graph.pieces()
    if way is not None:
        return _Layout(graph, pieces, way).sketch()
    down, sideways = _Layout(graph, pieces, "TB"), _Layout(graph, pieces, "LR")
    if graph.is_chain() and sideways.excess(CHAIN_WIDTH) <= 1:
        return sideways.sketch()
    oversize = down.excess(PAGE_WIDTH), sideways.excess(PAGE_WIDTH)
    if max(oversize) <= 1:
        better = down.unshapeliness() - DOWNWARDS <= sideways.unshapeliness()
    else:
        better = oversize[0] <= oversize[1]
    return (down if better else sideways).sketch()


class _Layout:
    """All pieces grown one way, in rows; read only."""

    def __init__(self, graph: Graph, pieces: Sequence[Sequence[str]], way: Way) -> None:
        self.graph, self.way = graph, way
        self.trees = [Tree(graph, piece, way) for piece in pieces]
        self.rows = self._rows()
        across = max((_across(row) for row in self.rows), default=0.0)
        along = sum(max(tree.along for tree in row) + BETWEEN for row in self.rows)
        self.width: float
        self.height: float
        self.width, self.height = (across, along) if way == "TB" else (along, across)

    def excess(self, page_width: float) -> float:
        """Say how many times too large for the page it is, in whichever direction is worse."""
        return max(self.width / page_width, self.height / PAGE_HEIGHT)

    def unshapeliness(self) -> float:
        """Say how far off the usual shape of a picture it is; 0 is right, a strip is as bad as a tower."""
        return abs(math.log(max(self.width, 1) / max(self.height, 1) / SHAPE))

    def sketch(self) -> Sketch:
        """Put every part in its place."""
        side = {name: tree.side for tree in self.trees for name in tree.order}
        wires = tuple(
            wire if side[wire.a[0]](wire.a[0], wire.b[0]) == "after" else replace(wire, a=wire.b, b=wire.a)
            for wire in self.graph.wires
        )
        depths = self._depths()
        # Within a frame dot sets pieces that do not hang together from right to left.
        trees = self.trees[::-1] if self.way == "TB" else self.trees
        places = tuple(self._place(tree, name, depths[name]) for tree in trees for name in tree.order)
        return Sketch(self.way, places, wires, tuple(self._following()))

    def _rows(self) -> list[list[Tree]]:
        """Break pieces into rows that fill a page of the usual shape."""
        area = sum((tree.across + BESIDE) * (tree.along + BETWEEN) for tree in self.trees)
        shape, page = (SHAPE, PAGE_WIDTH) if self.way == "TB" else (1 / SHAPE, PAGE_HEIGHT)
        limit = max(page, math.sqrt(area * shape))
        whole = _across(self.trees)
        even = whole / max(math.ceil(whole / limit), 1)
        rows: list[list[Tree]] = []
        for tree in self.trees:
            if not rows or _across(rows[-1]) + _across([tree]) / 2 > even:
                rows.append([])
            rows[-1].append(tree)
        return rows

    def _place(self, tree: Tree, name: str, depth: tuple[int, int]) -> Place:
        part = self.graph.parts[name]
        found: dict[Side, list[Slot]] = {"before": [], "after": []}
        ends = sorted(
            (tree.at[other], number, device, other) for number, device, other in self.graph.ends.get(name, ())
        )
        for other, cables in groupby(ends, key=lambda end: end[3]):
            devices = [device for _, _, device, _ in cables if device]
            found[tree.side(name, other)] += _slots(tree, name, other, devices)
        across = 0 if part.kind == "bridge" else tree.own(name)
        return Place(part, tuple(found["before"]), tuple(found["after"]), across, *depth)

    def _depths(self) -> dict[str, tuple[int, int]]:
        """Make the like of one rank equally deep, in all pieces, so that their names stand in line."""
        ranks: dict[tuple[str, int], dict[str, tuple[int, int]]] = defaultdict(dict)
        for tree in self.trees:
            for name in tree.order:
                ranks[self.graph.parts[name].kind, tree.rank[name]][name] = tree.depths(name)
        found: dict[str, tuple[int, int]] = {}
        for rank in ranks.values():
            columns = list(zip(*rank.values(), strict=True))
            even = [max(column) if max(column) <= UNLIKE * min(column) else 0 for column in columns]
            found.update(dict.fromkeys(rank, (even[0], even[1])))
        return found

    def _following(self) -> list[tuple[str, str]]:
        """Tie each piece of a row to one of the row before: behind the part in the middle of its deepest rank."""
        found = []
        for row, later in pairwise(self.rows):
            for number, tree in enumerate(later):
                before = row[min(number, len(row) - 1)]
                most = max(before.rank.values())
                deepest = [name for name in before.order if before.rank[name] == most]
                found.append((deepest[len(deepest) // 2], min(tree.order, key=tree.rank.__getitem__)))
        return found


def _slots(tree: Tree, name: str, other: str, devices: Sequence[str]) -> list[Slot]:
    """Give the slots of a part for its cables to another; those of a bridge lie opposite the other's."""
    if tree.graph.parts[name].kind != "bridge" or not devices:
        return [Slot(device, 0) for device in devices]
    if other not in tree.children[name]:
        facing = name in tree.children[other] and tree.graph.parts[other].kind == "bridge"
        return [Slot(device, round(tree.extent[name] / len(devices)) if facing else 0) for device in devices]
    if len(devices) == 1:
        return [Slot(devices[0], round(tree.room(name, other)))]
    gap = Slot("", round((tree.room(name, other) - tree.extent[other]) / 2))
    return [gap, *(Slot(device, round(tree.extent[other] / len(devices))) for device in devices), gap]


def _across(row: Sequence[Tree]) -> float:
    return sum(tree.across + BESIDE for tree in row)
