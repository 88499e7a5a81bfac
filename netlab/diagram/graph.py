"""Turns parts and wires into a graph: its connected pieces, their centres, and whether it is a chain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from netlab.diagram.elements import natural
from netlab.diagram.parts import Part, Parts


class Graph:
    """Parts by name, and who is wired to whom; read only."""

    def __init__(self, source: Parts) -> None:
        self.parts: dict[str, Part] = {part.id: part for part in source.parts}
        self.wires = source.wires
        #: Pairs of parts with a tunnel between them, or of which one stands on, or merely near, the other.
        self._aside = {
            frozenset((wire.a[0], wire.b[0]))
            for wire in source.wires
            if wire.link in ("tie", "near") or (wire.cable and wire.cable.tunnel)
        }
        #: Neighbours of each part, with the number of wires to each.
        self.near: dict[str, dict[str, int]] = {name: {} for name in self.parts}
        #: What stands on a part, and what it stands on.
        self._tied: dict[str, set[str]] = defaultdict(set)
        #: Of each part: the numbers of its wires, the device each ends at ("" for the part itself), the other part.
        self.ends: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
        for number, wire in enumerate(source.wires):
            for (name, device), (other, _) in ((wire.a, wire.b), (wire.b, wire.a)):
                self.ends[name].append((number, device, other))
                if wire.link == "tie":
                    self._tied[name].add(other)
                if name != other:
                    self.near[name][other] = self.near[name].get(other, 0) + 1

    def pieces(self) -> list[list[str]]:
        """Give the connected pieces, in the order of their centres: bridges before others, as a person counts."""
        found: list[list[str]] = []
        seen: set[str] = set()
        for name in sorted(self.parts, key=lambda one: (self.parts[one].kind != "bridge", natural(one))):
            if name not in seen:
                found.append(self.reach(name, ()))
                seen.update(found[-1])
        return found

    def reach(self, start: str, without: Iterable[str]) -> list[str]:
        """Give what hangs together with `start` when some parts are taken away, nearest first."""
        seen, found = {start, *without}, [start]
        for name in found:
            fresh = [other for other in self.near[name] if other not in seen]
            seen.update(fresh)
            found += fresh
        return found

    def centre(self, piece: Sequence[str]) -> str:
        """Take leaves away, round by round; of what is left last, take a bridge with many cables. Ties do not count."""
        left = {name: sum(other not in self._tied[name] for other in self.near[name]) for name in piece}
        leaves = [name for name, degree in left.items() if degree <= 1]
        while len(left) > max(2, len(leaves)) and leaves:
            fresh = []
            for name in leaves:
                del left[name]
                for other in self.near[name]:
                    if other in left and other not in self._tied[name]:
                        left[other] -= 1
                        fresh += [other] if left[other] == 1 else []
            leaves = [name for name in fresh if name in left]
        return min(left, key=lambda one: (self.parts[one].kind != "bridge", -len(self.near[one]), natural(one)))

    def is_chain(self) -> bool:
        """Tell whether, leaves and tunnels aside, everything is in one row of two or more (or is two parts)."""
        near = {
            name: [other for other in others if frozenset((name, other)) not in self._aside]
            for name, others in self.near.items()
        }
        inner = [name for name, others in near.items() if len(others) > 1]
        if len(inner) < 2:
            return not inner and any(near.values())
        rows = [sum(len(near[other]) > 1 for other in near[name]) for name in inner]
        return all(degree <= 2 for degree in rows) and sum(rows) == 2 * (len(inner) - 1)
