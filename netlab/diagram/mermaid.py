"""Turns a scene into a Mermaid flowchart, which GitHub, GitLab and many wikis draw by themselves.

Mermaid lays out and sets type itself, so only what is drawn is said: machines as subgraphs, boxes and bridges as
nodes, both names of a cable on its line. Names of ours are identifiers only after their odd characters are spelt out,
and text is quoted with `#...;` codes (https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from netlab.diagram.blocks import Block, Text
from netlab.diagram.elements import GLYPHS, Scene
from netlab.diagram.palette import ACTIONS, DEAD, FAINT, FAINT_LINE, INK, KINDS, SOFT, WAYS
from netlab.diagram.parts import End, Frame, Part, Parts, Wire
from netlab.diagram.tables import printable
from netlab.diagram.tracks import laid

#: What a plan's colours mean.
_LEGEND = {"create": "created", "update": "changed", "delete": "deleted"}
#: How the links inside a node are drawn; the last one is not.
_LINKS = {"routing": "-.-", "tie": "---", "near": "~~~"}
#: What is on a packet's way, and what is not; these classes come after those of the kinds.
_LOOKS = {
    "there": f"stroke:{WAYS[0].ink},stroke-width:3px",
    "back": f"stroke:{WAYS[1].ink},stroke-width:3px",
    "faint": f"fill:{FAINT.fill},stroke:{FAINT_LINE},color:{FAINT.ink}",
}
#: The brackets that give a node its shape.
_SHAPES = {"box": ("(", ")"), "bridge": ("[", "]"), "device": ("([", "])"), "routing": ("([", "])")}


def to_mermaid(scene: Scene) -> str:
    """Turn a scene into Mermaid text; stable byte for byte."""
    source, sketch = laid(scene)
    slots = {part.id: dict(part.slots) for part in source.parts}
    links = [link for wire in (*sketch.wires, *source.jumps) for link in _links(wire, slots)]
    body = [
        "---",
        f"title: {_front(scene)}",
        "---",
        f"flowchart {sketch.way}",
        *_frames(source, None, "  "),
        *(f"  {link}" for link, _ in links),
        *_legend(scene),
        *_styles(scene, source, [colour for _, colour in links]),
    ]
    return "\n".join(body) + "\n"


def _front(scene: Scene) -> str:
    # The title stands in YAML: a double-quoted string, of which JSON's is a part.
    words = f"{scene.name}: {scene.counts}" if scene.counts else scene.name
    words += f"; {scene.way.title}: {scene.way.outcome}" if scene.way is not None else ""
    return json.dumps(printable(words), ensure_ascii=False)


def _frames(source: Parts, parent: str | None, indent: str) -> Iterator[str]:
    for frame in (frame for frame in source.frames if frame.parent == parent):
        yield f'{indent}subgraph {_frame_id(frame)}["{_label(frame.title.texts)}"]'
        for part in (part for part in source.parts if part.frame == frame.node):
            left, right = _SHAPES[part.kind]
            yield f'{indent}  {_id(part.id)}{left}"{_label(_lines(part))}"{right}'
        yield from _frames(source, frame.node, indent + "  ")
        yield f"{indent}end"


def _lines(part: Part) -> Sequence[Text]:
    """Give a box's text: its middle, then each device with its addresses (a bridge's ports stand on the cables)."""
    devices = [block for _, block in part.slots] if part.kind == "box" else []
    found = (*part.middle.cards, *devices)
    return (*part.middle.texts, *(Text(" ".join(_words(line) for line in block.texts)) for block in found))


def _links(wire: Wire, slots: Mapping[str, Mapping[str, Block]]) -> Iterator[tuple[str, str | None]]:
    """Give the links that a wire is drawn with, and their colours: one, or one for each lane of a packet's way."""
    names = _names((wire.a, wire.b), slots) if wire.cable is not None and not wire.cable.tunnel else ""
    if not wire.lanes:
        cable, line = wire.cable, _LINKS.get(wire.link, "---")
        if cable is not None:
            line = "-.-" if cable.dead or cable.tunnel else "===" if cable.count > 1 else "---"
            names = cable.tunnel if cable.tunnel and cable.a.device else names
        yield _link(wire.a, line, names, wire.b), _colour(wire)
    for lane in wire.lanes:
        names = _names((lane.start, lane.end), slots) if wire.cable is not None else ""
        label = ": ".join(filter(None, (str(lane.number or ""), names)))
        yield _link(lane.start, "-.->" if lane.back else "==>", label, lane.end), WAYS[lane.back].ink


def _link(a: End, line: str, label: str, b: End) -> str:
    return f'{_id(a[0])} {line}|"{_escaped(label)}"| {_id(b[0])}' if label else f"{_id(a[0])} {line} {_id(b[0])}"


def _names(ends: Sequence[End], slots: Mapping[str, Mapping[str, Block]]) -> str:
    return " — ".join(_words(slots[part][device].texts[0]) for part, device in ends if device)


def _colour(wire: Wire) -> str | None:
    cable = wire.cable
    if wire.look == "faint":
        return FAINT_LINE
    return SOFT if cable is None else ACTIONS[cable.action].ink if cable.action else DEAD if cable.dead else None


def _legend(scene: Scene) -> Iterator[str]:
    if scene.planned:
        for action, words in _LEGEND.items():
            yield f'  legend-{action}["{GLYPHS[action]} {words}"]:::{action}'


def _styles(scene: Scene, source: Parts, colours: Sequence[str | None]) -> Iterator[str]:
    """Write the classes that are used, who belongs to them, and the colours of single links."""
    named: dict[str, list[str]] = {action: [] for action in (_LEGEND if scene.planned else ())}
    looks: dict[str, list[str]] = defaultdict(list)
    things: list[tuple[Frame | Part, str]] = [(frame, _frame_id(frame)) for frame in source.frames]
    for thing, name in (*things, *((part, _id(part.id)) for part in source.parts)):
        named.setdefault(thing.action or thing.kind, []).append(name)
        if thing.look:
            looks[thing.look].append(name)
    for kind, names in sorted(named.items()):
        ink, fill = ACTIONS.get(kind) or KINDS[kind]
        yield f"  classDef {kind} fill:{fill},stroke:{ink},color:{INK}"
        yield from [f"  class {','.join(names)} {kind}"] if names else []
    for look, names in sorted(looks.items()):
        yield f"  classDef {look} {_LOOKS[look]}"
        yield f"  class {','.join(names)} {look}"
    for number, colour in enumerate(colours):
        yield from [f"  linkStyle {number} stroke:{colour}"] if colour else []


def _frame_id(frame: Frame) -> str:
    return _id(frame.node, "m")


def _id(name: str, kind: str = "n") -> str:
    """Turn a name into an identifier; different names never become one, and none is a keyword of Mermaid's.

    >>> _id("host:br0"), _id("end"), _id("a_b")
    ('n_host_3a_br0', 'n_end', 'n_a_5f_b')
    """
    return f"{kind}_" + re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found.group()):x}_", name)


def _label(texts: Sequence[Text]) -> str:
    return "<br/>".join(_escaped(_words(text)) for text in texts)


def _words(text: Text) -> str:
    words = f"{text.glyph} {text.text}" if text.glyph else text.text
    return f"{words} ({text.aside})" if text.aside else words


def _escaped(words: str) -> str:
    """Write text so that Mermaid takes none of it for its own syntax, for HTML, for Markdown or for mathematics.

    >>> _escaped('$ echo "<b>"')
    '#36; echo #34;#60;b#62;#34;'
    """
    return re.sub(r"[^\w .,:/()=~@…—−±-]", lambda found: f"#{ord(found.group())};", printable(words))
