"""Turns a scene into a Mermaid flowchart, which GitHub, GitLab and many wikis draw by themselves.

Mermaid lays out and sets type itself, so only what is drawn is said: machines as subgraphs, boxes and bridges as
nodes, both names of a cable on its line. Names of ours are identifiers only after their odd characters are spelt out,
and text is quoted with `#...;` codes (https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from netlab.diagram.blocks import Block, Text
from netlab.diagram.elements import GLYPHS, Scene
from netlab.diagram.layout import arrange
from netlab.diagram.palette import ACTIONS, DEAD, INK, KINDS, SOFT
from netlab.diagram.parts import Frame, Part, Parts, Wire, parts
from netlab.diagram.tables import printable

#: What a plan's colours mean.
_LEGEND = {"create": "created", "update": "changed", "delete": "deleted"}
#: How the links inside a node are drawn; the last one is not.
_LINKS = {"routing": "-.-", "tie": "---", "near": "~~~"}
#: The brackets that give a node its shape.
_SHAPES = {"box": ("(", ")"), "bridge": ("[", "]"), "device": ("([", "])"), "routing": ("([", "])")}


def to_mermaid(scene: Scene) -> str:
    """Turn a scene into Mermaid text; stable byte for byte."""
    source = parts(scene)
    sketch = arrange(source)
    slots = {part.id: dict(part.slots) for part in source.parts}
    body = [
        "---",
        f"title: {_front(scene)}",
        "---",
        f"flowchart {sketch.way}",
        *_frames(source, None, "  "),
        *(_wire(wire, slots) for wire in sketch.wires),
        *_legend(scene),
        *_styles(scene, source, sketch.wires),
    ]
    return "\n".join(body) + "\n"


def _front(scene: Scene) -> str:
    # The title stands in YAML: a double-quoted string, of which JSON's is a part.
    return json.dumps(printable(f"{scene.name}: {scene.counts}" if scene.counts else scene.name), ensure_ascii=False)


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


def _wire(wire: Wire, slots: Mapping[str, Mapping[str, Block]]) -> str:
    a, b = _id(wire.a[0]), _id(wire.b[0])
    if wire.cable is None:
        return f"  {a} {_LINKS[wire.link]} {b}"
    if wire.cable.tunnel:
        return f'  {a} -.-|"{_escaped(wire.cable.tunnel)}"| {b}' if wire.cable.a.device else f"  {a} -.- {b}"
    names = [_words(slots[part][device].texts[0]) for part, device in (wire.a, wire.b) if device]
    line = "-.-" if wire.cable.dead else "===" if wire.cable.count > 1 else "---"
    return f'  {a} {line}|"{_escaped(" — ".join(names))}"| {b}' if names else f"  {a} {line} {b}"


def _legend(scene: Scene) -> Iterator[str]:
    if scene.planned:
        for action, words in _LEGEND.items():
            yield f'  legend-{action}["{GLYPHS[action]} {words}"]:::{action}'


def _styles(scene: Scene, source: Parts, wires: Sequence[Wire]) -> Iterator[str]:
    """Write the classes that are used, who belongs to them, and the colours of single cables."""
    named: dict[str, list[str]] = {action: [] for action in (_LEGEND if scene.planned else ())}
    for frame in source.frames:
        named.setdefault(frame.action or frame.kind, []).append(_frame_id(frame))
    for part in source.parts:
        named.setdefault(part.action or part.kind, []).append(_id(part.id))
    for kind, names in sorted(named.items()):
        ink, fill = ACTIONS.get(kind) or KINDS[kind]
        yield f"  classDef {kind} fill:{fill},stroke:{ink},color:{INK}"
        yield from [f"  class {','.join(names)} {kind}"] if names else []
    for number, wire in enumerate(wires):
        cable = wire.cable
        ends = SOFT if cable is None else ACTIONS[cable.action].ink if cable.action else DEAD if cable.dead else None
        yield from [f"  linkStyle {number} stroke:{ends}"] if ends else []


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
