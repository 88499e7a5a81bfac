"""Lays a packet's way over the parts of a scene.

From device to device a packet takes a wire that is drawn: a cable, the thin line between a device and what it stands
on, or inside a machine the dotted ones by its forwarding. Where none is drawn (into a tunnel, and out of it again) it
takes one of its own. Each way over a wire is a lane; cables' lanes are numbered in the order in which they are taken.
What happens on the way is said where it happens, and all that is not on it fades.
"""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count

from netlab.diagram.blocks import SMALL, Block, Text
from netlab.diagram.elements import Scene
from netlab.diagram.layout import Sketch, arrange
from netlab.diagram.palette import FAINT, SOFT, STOP_GLYPHS, STOPS, WAYS
from netlab.diagram.parts import End, Frame, Lane, Look, Part, Parts, Wire, hub_id, part_id, parts
from netlab.diagram.ways import Hop, Leg, Stop, Way

#: Longer remarks are broken into several lines, in the box of a single device even earlier.
_WIDEST, _SLIM = 38, 24
_LOOKS: tuple[Look, Look] = ("there", "back")


def laid(scene: Scene) -> tuple[Parts, Sketch]:
    """Take a scene apart, lay the way over it that it may have, and lay it out: the same way as without."""
    plain = parts(scene)
    sketch = arrange(plain)
    if scene.way is None:
        return plain, sketch
    source = _Tracks(plain, scene.way).parts()
    return source, arrange(source, sketch.way)


@dataclass(frozen=True, slots=True)
class _Step:
    """From one end to another by the wire of that number, or by none that is drawn."""

    start: End
    end: End
    wire: int | None


class _Tracks:
    """What a way passes: collected once, then only read."""

    def __init__(self, source: Parts, way: Way) -> None:
        self.source, self.way = source, way
        self.known = {part.id: part for part in source.parts}
        bridges = [part for part in source.parts if part.kind == "bridge"]
        self.spots = {(part.frame, device): (part.id, device) for part in bridges for device, _ in part.slots}
        self.cables: dict[frozenset[End], int] = {}
        self.links: dict[str, dict[frozenset[str], int]] = {"routing": {}, "tie": {}}
        for number, wire in enumerate(source.wires):
            if wire.link in self.links:
                self.links[wire.link][frozenset((wire.a[0], wire.b[0]))] = number
            elif wire.cable is not None and not wire.cable.tunnel:
                self.cables[frozenset((wire.a, wire.b))] = number
        #: By wire, its lanes; wires that are not drawn otherwise; ends that are passed, and what is said at parts.
        self.lanes: dict[int, list[Lane]] = defaultdict(list)
        self.jumps: dict[frozenset[str], list[Lane]] = defaultdict(list)
        self.passed: dict[str, set[str]] = defaultdict(set)
        self.first: dict[str, bool] = {}
        self.remarks: dict[str, list[Text]] = defaultdict(list)
        numbers = count(1)
        for back, leg in enumerate(way.legs):
            self._follow(leg, numbers, back=bool(back))

    # -- following

    def _follow(self, leg: Leg, numbers: Iterator[int], *, back: bool) -> None:
        here: tuple[Hop, End] | None = None
        for hop in leg.hops:
            spot = self._spot(hop.node, hop.device)
            if spot is None:
                continue
            if here is not None:
                for step in self._between(here, (hop, spot)):
                    self._take(step, numbers, back=back)
            self._pass(spot, back=back)
            here = hop, spot
        inside = self._inside(leg.stop.node, leg.stop.device, here)
        if here is not None:
            for step in self._last(here, leg.stop, (inside, "")):
                self._take(step, numbers, back=back)
        own = self._spot(leg.stop.node, leg.stop.device) if leg.stop.device is not None else None
        self._pass(own or (inside, ""), back=back)
        self._say(leg, back=back, inside=inside)

    def _spot(self, node: str, device: str) -> End | None:
        """Find where a device is drawn; None for `lo`, and for what is not drawn at all."""
        if node in self.known:
            return node, device if any(device == name for name, _ in self.known[node].slots) else ""
        own = part_id(node, device)
        return (own, "") if own in self.known else self.spots.get((node, device))

    def _inside(self, node: str, device: str | None, here: tuple[Hop, End] | None) -> str:
        """Name the part, or else the frame, in which something happens to a node's packet."""
        if device is not None:
            spot = self._spot(node, device)
            if spot is not None:
                return spot[0]
        if node not in self.known and hub_id(node) in self.known:
            return hub_id(node)
        return here[1][0] if here is not None and here[0].node == node else node

    def _between(self, here: tuple[Hop, End], there: tuple[Hop, End]) -> list[_Step]:
        """Give the wires from one device to the next."""
        (last, start), (hop, end) = here, there
        cable = self.cables.get(frozenset((start, end)))
        if cable is not None and last.leaves and not hop.leaves:
            return [_Step(start, end, cable)]
        if not last.leaves and hop.leaves and not start[1] and not end[1]:
            routed = self._by("routing", start, end)
            if routed:
                return routed
        if start[0] == end[0]:
            return []
        return self._by("tie", start, end) or [_Step(start, end, None)]

    def _last(self, here: tuple[Hop, End], stop: Stop, end: End) -> list[_Step]:
        """Give the wires to where the way ends, past the last device that it went through."""
        if end[0] == here[1][0]:
            return []
        if end[0] == hub_id(stop.node):
            return self._by("routing", here[1], end)
        spot = self._spot(stop.node, stop.device) if stop.device is not None else None
        if spot is None:
            return []
        hop = Hop(stop.node, stop.device or "", leaves=stop.node == here[0].node)
        return [step for step in self._between(here, (hop, spot)) if step.wire is not None]

    def _by(self, link: str, start: End, end: End) -> list[_Step]:
        """Give the way between two parts over one or two links of a kind; the two may be the same."""
        links = self.links[link]
        direct = links.get(frozenset((start[0], end[0])))
        if direct is not None:
            return [_Step((start[0], ""), (end[0], ""), direct)]
        for pair, number in links.items():
            over = next(iter(pair - {start[0]})) if start[0] in pair else ""
            second = links.get(frozenset((over, end[0])))
            if second is not None:
                return [_Step((start[0], ""), (over, ""), number), _Step((over, ""), (end[0], ""), second)]
        return []

    def _take(self, step: _Step, numbers: Iterator[int], *, back: bool) -> None:
        for end in (step.start, step.end):
            self._pass(end, back=back)
        taken = self.lanes[step.wire] if step.wire is not None else self.jumps[frozenset((step.start[0], step.end[0]))]
        if any((lane.start, lane.back) == (step.start, back) for lane in taken):
            return  # it goes round
        numbered = step.wire is None or self.source.wires[step.wire].cable is not None
        taken.append(Lane(step.start, step.end, next(numbers) if numbered else None, back))

    def _pass(self, end: End, *, back: bool) -> None:
        self.passed[end[0]].add(end[1])
        self.first.setdefault(end[0], back)

    def _say(self, leg: Leg, *, back: bool, inside: str) -> None:
        """Say at its parts what happens to a packet, and how it ends."""
        ink = WAYS[back].ink
        for note in leg.notes:
            part = self._inside(note.node, note.device, None)
            self._pass((part, ""), back=back)
            self.remarks[part] += [Text(line, SMALL, colour=ink) for line in self._broken(note.words, part)]
        stop = leg.stop
        colour = STOPS.get(stop.mark, ink)
        self.remarks[inside].append(Text(f"{STOP_GLYPHS[stop.mark]} {stop.verdict}", SMALL, bold=True, colour=colour))
        self.remarks[inside] += [Text(line, SMALL, colour=colour) for line in self._broken(stop.words, inside)]
        self.remarks[inside] += [Text(stop.place, SMALL, colour=SOFT)] if stop.place else []

    def _broken(self, words: str, name: str) -> list[str]:
        """Break words into lines that do not widen a part much."""
        slim = name in self.known and self.known[name].kind == "device"
        return textwrap.wrap(words, _SLIM if slim else _WIDEST)

    # -- what is drawn

    def parts(self) -> Parts:
        """Give the parts with the way on them."""
        lit, shared = self._lit(), self._shared()
        return Parts(
            tuple(self._frame(frame, faint=frame.node not in lit) for frame in self.source.frames),
            tuple(self._part(part, faint=part.id not in (*self.passed, *shared)) for part in self.source.parts),
            tuple(self._wire(number, wire, shared) for number, wire in enumerate(self.source.wires)),
            tuple(Wire(lanes[0].start, lanes[0].end, link="jump", lanes=tuple(lanes)) for lanes in self.jumps.values()),
        )

    def _lit(self) -> set[str]:
        """Name the frames in which, or at which, something happens, and those around them."""
        parents = {frame.node: frame.parent for frame in self.source.frames}
        around = [self.known[name].frame if name in self.known else name for name in self.passed]
        for node in around:
            parent = parents.get(node)
            around += [parent] if parent is not None else []
        return set(around)

    def _shared(self) -> set[str]:
        """Name the networks of tunnels through which the way leads: two of those that share one are passed."""
        passed: Counter[str] = Counter()
        for wire in self.source.wires:
            if _is_tunnel(wire):
                passed.update(a for a, b in (_ids(wire), _ids(wire)[::-1]) if b in self.passed)
        return {name for name, number in passed.items() if number > 1 and self.known[name].kind == "routing"}

    def _frame(self, frame: Frame, *, faint: bool) -> Frame:
        if faint:
            return replace(frame, title=_faded(frame.title), look="faint")
        return replace(frame, title=_more(frame.title, self.remarks.get(frame.node, ())))

    def _part(self, part: Part, *, faint: bool) -> Part:
        mine = self.passed.get(part.id, set())
        slots = tuple((name, block if name in mine else _faded(block)) for name, block in part.slots)
        if faint:
            return replace(part, middle=_faded(part.middle), slots=slots, look="faint")
        middle = _more(part.middle, self.remarks.get(part.id, ()))
        return replace(part, middle=middle, slots=slots, look=_LOOKS[self.first.get(part.id, False)])

    def _wire(self, number: int, wire: Wire, shared: Container[str]) -> Wire:
        if number in self.lanes:
            return replace(wire, lanes=tuple(self.lanes[number]))
        led = _is_tunnel(wire) and all(name in self.passed or name in shared for name in _ids(wire))
        return wire if led else replace(wire, look="faint")


def _is_tunnel(wire: Wire) -> bool:
    return wire.cable is not None and bool(wire.cable.tunnel)


def _ids(wire: Wire) -> tuple[str, str]:
    return wire.a[0], wire.b[0]


def _faded(block: Block) -> Block:
    texts = tuple(replace(text, colour=FAINT.ink) for text in block.texts)
    return Block(texts, tuple(_faded(card) for card in block.cards))


def _more(block: Block, remarks: Iterable[Text]) -> Block:
    return replace(block, texts=(*block.texts, *remarks))
