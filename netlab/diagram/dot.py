"""Turns a scene into DOT, the language of Graphviz: boxes are HTML-like tables, cables run from cell to cell.

The output holds no time, no hash and no order but that of names and cables: the same bytes for the same scene.
"""

from __future__ import annotations

import textwrap
from collections.abc import Container, Iterable, Iterator, Mapping

from netlab.diagram import ways as packet
from netlab.diagram.blocks import BODY, SMALL, Text
from netlab.diagram.elements import GLYPHS, Scene
from netlab.diagram.lanes import Berths, Edge, berths, edges
from netlab.diagram.layout import Sketch
from netlab.diagram.palette import ACTIONS, DEAD, FAINT, FAINT_LINE, FONT, INK, SOFT, STOP_GLYPHS, STOPS, WAYS
from netlab.diagram.parts import Frame, Lane, Parts, Wire
from netlab.diagram.tables import badge, berth, colours, port, quoted, row, table, text
from netlab.diagram.tracks import laid
from netlab.diagram.tree import BESIDE, BETWEEN, MARGIN, Way

#: So many checks are listed under the drawing; longer lines there are broken.
MOST_CHECKS, WIDEST = 8, 100
#: Space between ranks, where there are numbers on the wires; how far these stand from where a lane starts (in tens of
#: points): two lanes beside each other have theirs at different heights, one alone has it in the middle.
_ROOM, _NEAR, _MIDDLE = 52, 1.7, 2.6
#: The space for a jump, in multiples of that between neighbours: a number is wider than two lanes, these less high.
_JUMP = {"TB": 3, "LR": 2}
#: How the links inside a node look.
_LINKS = {
    "routing": f'color="{SOFT}", style="dotted", tooltip="forwarding"',
    "tie": f'color="{SOFT}", penwidth="1", tooltip="stands on"',
    "near": 'style="invis", weight="1"',
}


def to_dot(scene: Scene) -> str:
    """Turn a scene into DOT text for the program `dot`; stable byte for byte."""
    source, sketch = laid(scene)
    ends = berths(sketch)
    between = (BETWEEN if scene.way is None else _ROOM) / 72
    lines = [
        f"graph {quoted(scene.name)} {{",
        f'  graph [bgcolor="white", fontname={quoted(FONT)}, labeljust="l", labelloc="b", nodesep="{BESIDE / 72:.3f}",',
        f'         pad="0.15", splines="polyline", rankdir="{sketch.way}", ranksep="{between:.3f}",',
        f"         tooltip={quoted(_summary(scene))}]",
        f'  node [fontname={quoted(FONT)}, margin="0", shape="plain"]',
        f'  edge [color="{INK}", fontname={quoted(FONT)}, penwidth="1.2", weight="8"]',
        f"  label=<{_caption(scene)}>",
        *_frames(source, sketch, ends, None, "  "),
        *(line for wire in sketch.wires for line in _wire(wire, sketch.way, ends)),
        *(line for wire in source.jumps for line in _jump(wire, sketch.way)),
        *(f'  {quoted(a)} -- {quoted(b)} [style="invis", weight="1"]' for a, b in sketch.follows),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _frames(source: Parts, sketch: Sketch, ends: Berths, parent: str | None, indent: str) -> Iterator[str]:
    """Write the frames that stand in `parent`, each with its parts and the frames inside it."""
    filled = {one.part.frame for one in sketch.places} | {frame.parent for frame in source.frames}
    below = _worded_below(source, sketch)
    for frame in (frame for frame in source.frames if frame.parent == parent):
        yield f"{indent}subgraph {quoted('cluster ' + frame.node)} {{"
        yield f"{indent}  {_frame(frame, below=frame.node in below)}"
        for place in (place for place in sketch.places if place.part.frame == frame.node):
            label = f"label=<{table(place, sketch.way, ends.counts)}>, tooltip={quoted(place.part.tooltip)}"
            yield f"{indent}  {quoted(place.part.id)} [{label}]"
        if frame.node not in filled:
            # dot leaves out a frame around nothing.
            yield f'{indent}  {quoted(frame.node)} [label="", shape="box", style="invis"]'
        yield from _frames(source, sketch, ends, frame.node, indent + "  ")
        yield f"{indent}}}"


def _worded_below(source: Parts, sketch: Sketch) -> Container[str]:
    """Name the frames whose words stand at their lower edge: where cables come from above, and none leaves below."""
    parents = {frame.node: frame.parent for frame in source.frames}
    around = {place.part.id: set(_surrounding(place.part.frame, parents)) for place in sketch.places}
    entered, left = set[str](), set[str]()
    for wire in sketch.wires:
        a, b = around[wire.a[0]], around[wire.b[0]]
        entered |= b - a
        left |= a - b
    return entered - left if sketch.way == "TB" else ()


def _surrounding(node: str | None, parents: Mapping[str, str | None]) -> Iterator[str]:
    """Name a frame and those around it."""
    while node is not None:
        yield node
        node = parents.get(node)


def _frame(frame: Frame, *, below: bool) -> str:
    ink, fill = colours(frame.kind, frame.action, "faint" if frame.look == "faint" else "")
    style = "rounded,filled,dashed" if frame.action == "delete" else "rounded,filled"
    edge = "b" if below else "t"
    return (
        f'graph [color="{ink}", fillcolor="{fill}", label=<{text(frame.title.texts, "LEFT")}>, labelloc="{edge}",'
        f' margin="{MARGIN}", style="{style}", tooltip={quoted(frame.node)}]'
    )


def _wire(wire: Wire, way: Way, found: Berths) -> Iterator[str]:
    """Draw a wire once, or once for each lane of a packet's way."""
    near, far = edges(wire, way)
    if not wire.lanes:
        yield f"  {_end(near)} -- {_end(far)} [{_look(wire)}]"
    for lane in wire.lanes:
        a, b = (_end(edge, found.numbers.get((edge, lane))) for edge in (near, far))
        yield f"  {a} -- {b} [{_lane(lane, wire, _away(lane, wire))}]"


def _jump(wire: Wire, way: Way) -> Iterator[str]:
    """Draw what a packet takes that is no wire: it makes room for itself between two that stand beside each other.

    dot spreads several lines between such two over their whole width, unless there are others outside of them.
    """
    ends = " -- ".join(quoted(name) for name, _ in (wire.a, wire.b))
    room = f'constraint="false", minlen="{_JUMP[way]}"'
    outside = [f'  {ends} [{room}, style="invis"]'] * (2 if len(wire.lanes) > 1 else 0)
    yield from outside
    for lane in wire.lanes:
        yield f"  {ends} [{_lane(lane, wire, _NEAR)}, {room}]"
    yield from outside


def _end(edge: Edge, number: int | None = None) -> str:
    part, device, compass = edge
    if number is not None:
        return f"{quoted(part)}:{quoted(berth(edge, number))}:{compass}"
    return f"{quoted(part)}:{quoted(port(device))}:{compass}" if device else f"{quoted(part)}:{compass}"


def _away(lane: Lane, wire: Wire) -> float:
    """Say how far a lane's number stands from where the lane starts, so that those of lanes side by side have room."""
    if len(wire.lanes) == 1:
        return _MIDDLE
    earlier = wire.lanes[: wire.lanes.index(lane)]
    return _NEAR * (1 + sum(one.start == lane.start for one in earlier))


def _lane(lane: Lane, wire: Wire, away: float) -> str:
    """Say how a lane looks: an arrow to where it leads, its number near where it starts."""
    onwards = lane.start == wire.a
    known = ['arrowsize="0.7"', f'color="{WAYS[lane.back].ink}"', f'dir="{"forward" if onwards else "back"}"']
    known += ['penwidth="2"', *(['style="dashed"'] if lane.back else [])]
    if lane.number is not None:
        known += [f"{'taillabel' if onwards else 'headlabel'}=<{_badge(lane)}>", _beside(away, 0)]
    return ", ".join([*known, f"tooltip={quoted(_words(lane))}"])


def _badge(lane: Lane) -> str:
    return badge(lane.number or 0, back=lane.back)


def _beside(away: float, angle: int) -> str:
    """Say where the labels at a line's ends stand: how far from these, and at what angle to the line."""
    return f'labelangle="{angle}", labeldistance="{away}", labelfontname={quoted(FONT)}'


def _words(lane: Lane) -> str:
    ends = " → ".join(" ".join(filter(None, end)) for end in (lane.start, lane.end))
    return ends if lane.number is None else f"{lane.number}: {ends}"


def _look(wire: Wire) -> str:
    cable = wire.cable
    faint = wire.look == "faint"
    if cable is None:
        return _LINKS[wire.link].replace(SOFT, FAINT_LINE) if faint else _LINKS[wire.link]
    ink = FAINT_LINE if faint else ACTIONS[cable.action].ink if cable.action else DEAD if cable.dead else ""
    known = [f'color="{ink}"'] if ink else []
    known += ['penwidth="3"'] if cable.count > 1 else []
    if cable.tunnel:
        name = Text(cable.tunnel, SMALL, colour=FAINT.ink if faint else ink if cable.action else SOFT)
        # A network (its plug is no device) bears the name itself.
        known += [f"label=<{text((name,))}>"] if cable.a.device else []
        known += ['penwidth="1.6"', 'weight="1"']
    known += ['style="dashed"'] if cable.dead or cable.tunnel or cable.action == "delete" else []
    ends = " — ".join(f"{plug.node} {plug.device}" for plug in (cable.a, cable.b))
    return ", ".join([*known, f"tooltip={quoted(ends if cable.count == 1 else f'{cable.count} cables')}"])


def _caption(scene: Scene) -> str:
    """Set the words under the drawing: what it shows, what its colours mean, what is checked."""
    rows = [row([Text(scene.name, 11, bold=True, aside=scene.counts)])]
    legend = []
    if scene.planned:
        words = {"create": "created", "update": "changed", "replace": "made anew", "delete": "deleted"}
        legend += [Text(word, SMALL, colour=ACTIONS[one].ink, glyph=GLYPHS[one]) for one, word in words.items()]
    if any(cable.dead for cable in scene.cables):
        legend.append(Text("- - -  no carrier" if scene.live else "- - -  down", SMALL, colour=SOFT))
    if scene.way is not None:
        return _set([*rows, *([row(legend)] if legend else []), *_told(scene, scene.way)])
    shown = scene.checks if len(scene.checks) <= MOST_CHECKS else scene.checks[: MOST_CHECKS - 1]
    left = len(scene.checks) - len(shown)
    checks = [f"check: {check}" for check in shown] + ([f"… and {left} more checks"] if left else [])
    rows += [row(legend)] if legend else []
    rows += [row([Text(check, SMALL, colour=SOFT)]) for check in checks]
    return _set(rows)


def _told(scene: Scene, way: packet.Way) -> Iterator[str]:
    """Say what packet it is whose way is drawn, what its two colours are, and what came of it."""
    yield row([Text(way.title, BODY, bold=True)])
    for back, leg in enumerate(way.legs):
        line = "- - -" if back else "———"
        yield row([Text(f"{line}  {leg.words}", SMALL, colour=WAYS[back].ink)])
    mark = "tick" if way.well else "cross"
    for line in textwrap.wrap(f"{STOP_GLYPHS[mark]} {way.outcome}", WIDEST):
        yield row([Text(line, SMALL, bold=True, colour=STOPS[mark])])
    if way.mend:
        yield row([Text(f"fix: {way.mend}", SMALL, colour=SOFT)])


def _set(rows: Iterable[str]) -> str:
    return "".join(f'{one}<BR ALIGN="LEFT"/>' for one in rows)


def _summary(scene: Scene) -> str:
    told = f"; {scene.way.title}: {scene.way.outcome}" if scene.way is not None else ""
    return (f"Network {scene.name}: {scene.counts}" if scene.counts else f"Network {scene.name}") + told
