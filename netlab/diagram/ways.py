"""A packet's way, as a drawing takes it: plain values, which know nothing of how the way was found.

The drawer lays it over the parts of a scene (see tracks): wires get lanes with numbers, what is not on it fades.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: How a way ends: delivered, lost; or come back with something else than was hoped for.
Mark = Literal["tick", "cross", "told"]


@dataclass(frozen=True, slots=True)
class Hop:
    """A device that the packet goes through: it leaves the node by it, or comes in."""

    node: str
    device: str
    leaves: bool


@dataclass(frozen=True, slots=True)
class Note:
    """What happens to the packet at a device, or in the node itself: "172.17.0.2 becomes 192.168.0.8"."""

    node: str
    device: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Where it ends: at a device, or in the node itself; how, in a word and in more, and where the file says so."""

    node: str
    device: str | None
    mark: Mark
    verdict: str
    words: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Leg:
    """The way of one packet, which `words` describe."""

    words: str
    hops: tuple[Hop, ...]
    stop: Stop
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """A packet's way there, and that of what comes back; what came of it, in words, and what would mend it."""

    title: str
    there: Leg
    back: Leg | None
    outcome: str
    well: bool
    mend: str = ""

    @property
    def legs(self) -> tuple[Leg, ...]:
        return (self.there,) if self.back is None else (self.there, self.back)

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes that it leads through."""
        return frozenset(node for leg in self.legs for node in (leg.stop.node, *(hop.node for hop in leg.hops)))
