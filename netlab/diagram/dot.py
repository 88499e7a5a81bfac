"""Turns a scene into DOT, the language of Graphviz: boxes are HTML-like tables, cables run from cell to cell.

The output holds no time, no hash and no order but that of names and cables: the same bytes for the same scene.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from netlab.diagram.blocks import SMALL, Text
from netlab.diagram.elements import GLYPHS, Scene
from netlab.diagram.layout import Sketch, arrange
from netlab.diagram.palette import ACTIONS, DEAD, FONT, INK, SOFT
from netlab.diagram.parts import Frame, Parts, Wire, parts
from netlab.diagram.tables import colours, port, quoted, row, table, text
from netlab.diagram.tree import BESIDE, BETWEEN, MARGIN, Way

#: So many checks are listed under the drawing.
MOST_CHECKS = 8
#: How the links inside a node look.
_LINKS = {
    "routing": f'color="{SOFT}", style="dotted", tooltip="forwarding"',
    "tie": f'color="{SOFT}", penwidth="1", tooltip="stands on"',
    "near": 'style="invis", weight="1"',
}


def to_dot(scene: Scene) -> str:
    """Turn a scene into DOT text for the program `dot`; stable byte for byte."""
    source = parts(scene)
    sketch = arrange(source)
    lines = [
        f"graph {quoted(scene.name)} {{",
        f'  graph [bgcolor="white", fontname={quoted(FONT)}, labeljust="l", labelloc="b", nodesep="{BESIDE / 72:.3f}",',
        f'         pad="0.15", splines="polyline", rankdir="{sketch.way}", ranksep="{BETWEEN / 72:.3f}",',
        f"         tooltip={quoted(_summary(scene))}]",
        f'  node [fontname={quoted(FONT)}, margin="0", shape="plain"]',
        f'  edge [color="{INK}", fontname={quoted(FONT)}, penwidth="1.2", weight="8"]',
        f"  label=<{_caption(scene)}>",
        *_frames(source, sketch, None, "  "),
        *(_wire(wire, sketch.way) for wire in sketch.wires),
        *(f'  {quoted(a)} -- {quoted(b)} [style="invis", weight="1"]' for a, b in sketch.follows),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _frames(source: Parts, sketch: Sketch, parent: str | None, indent: str) -> Iterator[str]:
    """Write the frames that stand in `parent`, each with its parts and the frames inside it."""
    filled = {one.part.frame for one in sketch.places} | {frame.parent for frame in source.frames}
    below = _worded_below(source, sketch)
    for frame in (frame for frame in source.frames if frame.parent == parent):
        yield f"{indent}subgraph {quoted('cluster ' + frame.node)} {{"
        yield f"{indent}  {_frame(frame, below=frame.node in below)}"
        for place in (place for place in sketch.places if place.part.frame == frame.node):
            label = f"label=<{table(place, sketch.way)}>, tooltip={quoted(place.part.tooltip)}"
            yield f"{indent}  {quoted(place.part.id)} [{label}]"
        if frame.node not in filled:
            # dot leaves out a frame around nothing.
            yield f'{indent}  {quoted(frame.node)} [label="", shape="box", style="invis"]'
        yield from _frames(source, sketch, frame.node, indent + "  ")
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
    ink, fill = colours(frame.kind, frame.action)
    style = "rounded,filled,dashed" if frame.action == "delete" else "rounded,filled"
    edge = "b" if below else "t"
    return (
        f'graph [color="{ink}", fillcolor="{fill}", label=<{text(frame.title.texts, "LEFT")}>, labelloc="{edge}",'
        f' margin="{MARGIN}", style="{style}", tooltip={quoted(frame.node)}]'
    )


def _wire(wire: Wire, way: Way) -> str:
    out, into = ("s", "n") if way == "TB" else ("e", "w")
    if wire.a[0] == wire.b[0]:
        into = out
    ends = (_end(wire.a, out), _end(wire.b, into))
    return f"  {ends[0]} -- {ends[1]} [{_look(wire)}]"


def _end(end: tuple[str, str], compass: str) -> str:
    part, device = end
    return f"{quoted(part)}:{quoted(port(device))}:{compass}" if device else f"{quoted(part)}:{compass}"


def _look(wire: Wire) -> str:
    cable = wire.cable
    if cable is None:
        return _LINKS[wire.link]
    known = [f'color="{ACTIONS[cable.action].ink}"'] if cable.action else [f'color="{DEAD}"'] if cable.dead else []
    known += ['penwidth="3"'] if cable.count > 1 else []
    if cable.tunnel:
        name = Text(cable.tunnel, SMALL, colour=ACTIONS[cable.action].ink if cable.action else SOFT)
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
    shown = scene.checks if len(scene.checks) <= MOST_CHECKS else scene.checks[: MOST_CHECKS - 1]
    left = len(scene.checks) - len(shown)
    checks = [f"check: {check}" for check in shown] + ([f"… and {left} more checks"] if left else [])
    rows += [row(legend)] if legend else []
    rows += [row([Text(check, SMALL, colour=SOFT)]) for check in checks]
    return "".join(f'{one}<BR ALIGN="LEFT"/>' for one in rows)


def _summary(scene: Scene) -> str:
    return f"Network {scene.name}: {scene.counts}" if scene.counts else f"Network {scene.name}"
