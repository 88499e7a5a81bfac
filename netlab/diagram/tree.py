"""Turns a connected piece of a graph into a tree grown from its centre, and measures the room that it takes.

Downwards (TB) the root stands on top. Sideways (LR) it stands in the middle, its branches shared out to the left and
to the right. `along` is the direction of growth, `across` the other one; sizes are points.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from netlab.diagram.blocks import PADDING, Block
from netlab.diagram.elements import natural
from netlab.diagram.graph import Graph

Way = Literal["TB", "LR"]
Side = Literal["before", "after"]

#: Space between neighbours, and between ranks.
BESIDE, BETWEEN = 16, 40
#: What lines around and inside a box add to its text.
BORDER = 4
#: What a machine's frame adds on each side of its parts.
MARGIN = 12


class Tree:
    """A piece in shape; read only once grown. `rank` counts from the root, to the left below zero."""

    def __init__(self, graph: Graph, piece: Sequence[str], way: Way) -> None:
        self.graph, self.way = graph, way
        self.root = graph.centre(piece)
        self.rank, self.children = self._ranks()
        #: The parts, depth first: what stands next to each other follows each other. `at` numbers them.
        self.order = self._order()
        self.at = {name: number for number, name in enumerate(self.order)}
        #: How much room each part takes across, with all that hangs on it.
        self.extent = self._extents()
        self.across = self.extent[self.root]
        self.along = self._length()

    def side(self, name: str, other: str) -> Side:
        """Tell on which side of a part the cable to another leaves."""
        ahead = (self.rank[name], self.at[name]) <= (self.rank[other], self.at[other])
        return "after" if ahead else "before"

    def room(self, parent: str, child: str) -> float:
        """Say how much of its parent's edge a child takes, with the space to its neighbour."""
        framed = self.graph.parts[parent].frame != self.graph.parts[child].frame
        return self.extent[child] + BESIDE + (2 * MARGIN if framed else 0)

    def own(self, name: str) -> int:
        """Give the size of a part alone, across."""
        slots = max(sum(across(block, self.way) for block in blocks) for blocks in self._written(name).values())
        part = self.graph.parts[name]
        return max(across(part.middle, self.way) + (2 * PADDING if part.kind == "bridge" else 0), slots) + BORDER

    def depths(self, name: str) -> tuple[int, int]:
        """Give the sizes of a part along: of its deepest slot, and of its middle."""
        part = self.graph.parts[name]
        return max((along(block, self.way) for _, block in part.slots), default=0), along(part.middle, self.way)

    def _ranks(self) -> tuple[dict[str, int], dict[str, list[str]]]:
        left = _left(self.graph, self.root) if self.way == "LR" else frozenset[str]()
        rank, children, queue = {self.root: 0}, dict[str, list[str]](), [self.root]
        for name in queue:
            children[name] = _leaves_first(self.graph, (other for other in self.graph.near[name] if other not in rank))
            rank.update((other, rank[name] + (-1 if other in left else 1)) for other in children[name])
            queue += children[name]
        return rank, children

    def _order(self) -> tuple[str, ...]:
        found, stack = list[str](), [self.root]
        while stack:
            found.append(stack.pop())
            stack += reversed(self.children[found[-1]])
        return tuple(found)

    def _written(self, name: str) -> dict[Side, list[Block]]:
        """Give what is written on each side of a part, where its cables leave."""
        blocks = dict(self.graph.parts[name].slots)
        found: dict[Side, list[Block]] = {"before": [], "after": []}
        for _, device, other in self.graph.ends.get(name, ()):
            if device:
                found[self.side(name, other)].append(blocks[device])
        return found

    def _extents(self) -> dict[str, float]:
        self.extent = {}
        # Children come after their parents, depth first, so this goes from the leaves inwards.
        for name in reversed(self.order):
            hanging: dict[Side, float] = defaultdict(float)
            for child in self.children[name]:
                hanging[self.side(name, child)] += self.room(name, child)
            # A bridge is as long as all that hangs on it with the gaps, of which there is one fewer than neighbours.
            spare = 0 if self.graph.parts[name].kind == "bridge" else BESIDE
            self.extent[name] = max(self.own(name), max(hanging.values(), default=0) - spare)
        return self.extent

    def _length(self) -> float:
        deep: dict[int, float] = defaultdict(float)
        for name in self.order:
            slots, middle = self.depths(name)
            facing = sum(1 for blocks in self._written(name).values() if blocks)
            deep[self.rank[name]] = max(deep[self.rank[name]], middle + slots * facing)
        return sum(deep.values()) + BETWEEN * (len(deep) - 1)


def across(block: Block, way: Way) -> int:
    """Give a block's size across the direction of growth."""
    return block.width if way == "TB" else block.height


def along(block: Block, way: Way) -> int:
    """Give a block's size in the direction of growth."""
    return block.height if way == "TB" else block.width


def _leaves_first(graph: Graph, names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (len(graph.near[name]) > 1, natural(name)))


def _left(graph: Graph, root: str) -> frozenset[str]:
    """Share out what hangs on the root: the first half, by the number of parts, goes to the left."""
    branches: list[list[str]] = []
    seen: set[str] = set()
    for name in _leaves_first(graph, graph.near[root]):
        if name not in seen:
            branches.append(graph.reach(name, (root,)))
            seen.update(branches[-1])
    found: list[str] = []
    for branch in branches[:-1]:
        if found and len(found) + len(branch) / 2 > len(seen) / 2:
            break
        found += branch
    return frozenset(found)
