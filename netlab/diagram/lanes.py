"""Turns the lanes of a packet's way into the places at which they end, side by side.

A wire that is taken there and back has two lanes. So that they run beside each other, each ends at a berth of its own
where otherwise the wire's one end is: at the edge of a device, or of a whole part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from netlab.diagram.layout import Sketch
from netlab.diagram.parts import End, Lane, Wire
from netlab.diagram.tree import Way

#: An edge of a device, or ("") of a whole part: the part, the device, the point of the compass.
Edge = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Berths:
    """How many berths there are at an edge, where there are several; and the number of that of each end of a lane."""

    counts: Mapping[Edge, int]
    numbers: Mapping[tuple[Edge, Lane], int]


def edges(wire: Wire, way: Way) -> tuple[Edge, Edge]:
    """Give the edges at which a wire leaves its first end and comes to the other; of one part it is the same edge."""
    out, into = ("s", "n") if way == "TB" else ("e", "w")
    return (*wire.a, out), (*wire.b, out if wire.a[0] == wire.b[0] else into)


def berths(sketch: Sketch) -> Berths:
    """Share out edges to the lanes that end there, in the order in which these lead away."""
    at = {place.part.id: number for number, place in enumerate(sketch.places)}
    found: dict[Edge, list[tuple[End, Lane]]] = defaultdict(list)
    for wire in sketch.wires:
        near, far = edges(wire, sketch.way)
        for lane in wire.lanes:
            found[near].append((wire.b, lane))
            found[far].append((wire.a, lane))
    numbers: dict[tuple[Edge, Lane], int] = {}
    for edge, lanes in found.items():
        if len(lanes) > 1:
            ordered = sorted(lanes, key=lambda one: at[one[0][0]])  # stable: of one wire, in the order of its lanes
            numbers.update(((edge, lane), number) for number, (_, lane) in enumerate(ordered))
    return Berths({edge: len(lanes) for edge, lanes in found.items() if len(lanes) > 1}, numbers)
