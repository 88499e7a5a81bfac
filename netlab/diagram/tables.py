"""Turns a place (a part with its slots) and captions into Graphviz' HTML-like tables.

Text comes from files and machines: everything is escaped, and control characters, which XML forbids, are replaced.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

from netlab.diagram.blocks import PADDING, SMALL, Block, Text
from netlab.diagram.lanes import Edge
from netlab.diagram.layout import Place
from netlab.diagram.palette import ACTIONS, FAINT, FAINT_LINE, KINDS, SOFT, WAYS, Colours
from netlab.diagram.parts import Look
from netlab.diagram.tree import Side, Way

#: The inner and the outer edge of the devices before and after a part's middle.
_FACING = {
    ("TB", "before"): ("B", "T"),
    ("TB", "after"): ("T", "B"),
    ("LR", "before"): ("R", "L"),
    ("LR", "after"): ("L", "R"),
}
#: How thick the line around a box is; around one that a packet comes by.
LINE, THICK = 1, 2
#: Points between two lanes beside each other; how large the badge that bears a lane's number is at least.
_GAP, _BADGE = 10, 13
#: The point of the compass of each edge.
_COMPASS = {"T": "n", "B": "s", "L": "w", "R": "e"}
#: The line between a device and the box that it belongs to.
_RULE = "#d0d7de"


def colours(kind: str, action: str | None, look: Look = "") -> Colours:
    """Give the colours of a thing: those of its kind, unless a plan does something to it, or a packet's way."""
    if look == "faint":
        return Colours(FAINT_LINE, KINDS[kind].fill if kind in ("host", "machine") else FAINT.fill)
    found = ACTIONS.get(action or "", KINDS[kind])
    return Colours(WAYS[look == "back"].ink, found.fill) if look else found


def table(place: Place, way: Way, berths: Mapping[Edge, int]) -> str:
    """Turn a part into a table: its text in the middle, the devices that cables end at along the edges.

    `berths` says at which edges several lanes of a packet's way end.
    """
    part = place.part
    ink, fill = colours(part.kind, part.action, part.look)
    before, after = _slots(place, way, "before", berths), _slots(place, way, "after", berths)
    # The middle sets the size of the whole: cells beside it stretch with it, a table's own size would not stretch them.
    line = THICK if part.look in ("there", "back") else LINE
    across = max(place.across - 2 * line, 0)
    wide, high = (across, place.middle) if way == "TB" else (place.middle, across)
    roomy = 2 * PADDING if part.kind == "bridge" else PADDING
    size = "".join(f' {name}="{points}"' for name, points in (("HEIGHT", high), ("WIDTH", wide)) if points)
    middle = f'<TD CELLPADDING="{roomy}"{size}>{_with_cards(part.middle, ink)}</TD>'
    ends = [_berths((part.id, "", side), berths) for side in ("ns" if way == "TB" else "we")]
    outer = [f"<TD>{found}</TD>" if found else "" for found in ends]
    cells = [cell for cell in (outer[0], before, middle, after, outer[1]) if cell]
    body = f"<TR>{''.join(cells)}</TR>" if way == "LR" else "".join(f"<TR>{cell}</TR>" for cell in cells)
    styles = [*(["ROUNDED"] if part.kind != "bridge" else []), *(["DASHED"] if part.action == "delete" else [])]
    style = f' STYLE="{",".join(styles)}"' if styles else ""
    return (
        f'<TABLE BORDER="{line}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0" COLOR="{ink}" BGCOLOR="{fill}"{style}>'
        f"{body}</TABLE>"
    )


def _with_cards(block: Block, ink: str) -> str:
    """Set a block's lines, and under them the boxes inside it."""
    if not block.cards:
        return text(block.texts)
    cells = [f"<TD>{text(block.texts)}</TD>"]
    for card in block.cards:
        inner = f'<TR><TD CELLPADDING="{PADDING}">{text(card.texts)}</TD></TR>'
        style = f'BORDER="{LINE}" CELLBORDER="0" CELLSPACING="0" COLOR="{ink}" STYLE="ROUNDED"'
        cells.append(f'<TD CELLPADDING="{PADDING}"><TABLE {style}>{inner}</TABLE></TD>')
    rows = "".join(f"<TR>{cell}</TR>" for cell in cells)
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">{rows}</TABLE>'


def _slots(place: Place, way: Way, which: Side, berths: Mapping[Edge, int]) -> str:
    """Turn one side's slots into a cell that holds a table of them."""
    slots = place.before if which == "before" else place.after
    if not slots:
        return ""
    blocks = dict(place.part.slots)
    inner, outer = _FACING[way, which]
    box = place.part.kind == "box"
    rule = f' BORDER="1" COLOR="{_RULE}" SIDES="{inner}"' if box else ""
    # A bridge's ports stand at its edge, where the cable is; a box's devices in the middle of their cells.
    align = "" if box or way == "TB" else f' ALIGN="{"LEFT" if outer == "L" else "RIGHT"}"'
    cells = []
    for slot in slots:
        if not slot.device:
            cells.append(f'<TD {"WIDTH" if way == "TB" else "HEIGHT"}="{slot.span}"></TD>')
            continue
        block = blocks[slot.device]
        wide = max(block.width, slot.span if way == "TB" else place.slots)
        high = max(block.height, slot.span if way == "LR" else place.slots)
        size = f'HEIGHT="{high}" PORT={quoted(port(slot.device))} WIDTH="{wide}"'
        edge = (place.part.id, slot.device, _COMPASS[outer])
        if edge in berths:
            inner_cell = f'<TD{align} CELLPADDING="{PADDING}" {size}>{text(block.texts)}</TD>'
            cells.append(f"<TD>{_at_edge(inner_cell, edge, berths)}</TD>")
        else:
            cells.append(f'<TD{align} CELLPADDING="{PADDING}" {size}>{text(block.texts)}</TD>')
    rows = f"<TR>{''.join(cells)}</TR>" if way == "TB" else "".join(f"<TR>{cell}</TR>" for cell in cells)
    return f'<TD{rule}><TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">{rows}</TABLE></TD>'


def _at_edge(cell: str, edge: Edge, berths: Mapping[Edge, int]) -> str:
    """Put berths at the edge of a device's cell."""
    cells = [cell, f"<TD>{_berths(edge, berths)}</TD>"]
    if edge[2] in "nw":
        cells.reverse()
    rows = f"<TR>{''.join(cells)}</TR>" if edge[2] in "ew" else "".join(f"<TR>{one}</TR>" for one in cells)
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">{rows}</TABLE>'


def _berths(edge: Edge, berths: Mapping[Edge, int]) -> str:
    """Give the cells at an edge that several lanes end at; as small as can be, and never stretched."""
    number = berths.get(edge, 0)
    if not number:
        return ""
    upright = edge[2] in "ew"
    one, whole = (f'HEIGHT="{_GAP}" WIDTH="1"', f'HEIGHT="{number * _GAP}" WIDTH="1"')
    if not upright:
        one, whole = (f'HEIGHT="1" WIDTH="{_GAP}"', f'HEIGHT="1" WIDTH="{number * _GAP}"')
    cells = [f'<TD FIXEDSIZE="TRUE" {one} PORT={quoted(berth(edge, place))}></TD>' for place in range(number)]
    rows = "".join(f"<TR>{cell}</TR>" for cell in cells) if upright else f"<TR>{''.join(cells)}</TR>"
    side = {"n": 'VALIGN="TOP"', "s": 'VALIGN="BOTTOM"', "w": 'ALIGN="LEFT"', "e": 'ALIGN="RIGHT"'}[edge[2]]
    inside = 'BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="0" FIXEDSIZE="TRUE"'
    return f"<TABLE {inside} {side} {whole}>{rows}</TABLE>"


def berth(edge: Edge, number: int) -> str:
    """Name the cell of a berth; the names of devices have no slashes in them.

    >>> berth(("machine:br0", "veth0", "s"), 1)
    'd-veth0/s1'
    """
    return f"{port(edge[1])}/{edge[2]}{number}"


def badge(number: int, *, back: bool) -> str:
    """Set a lane's number: on a filled ground on the way there, on an empty one on the way back."""
    ink, fill = WAYS[back]
    inner = _line(Text(str(number), SMALL, bold=True, colour=ink if back else "#ffffff"))
    size = f'HEIGHT="{_BADGE}" WIDTH="{_BADGE}"'
    style = f'BGCOLOR="{fill}" BORDER="{LINE}" CELLBORDER="0" CELLPADDING="1" CELLSPACING="0" COLOR="{ink}"'
    return f'<TABLE {style} STYLE="ROUNDED"><TR><TD {size}>{inner}</TD></TR></TABLE>'


def port(device: str) -> str:
    """Name the cell of a device; no device's own name may be taken for a point of the compass.

    >>> port("e")
    'd-e'
    """
    return f"d-{device}"


def text(texts: Sequence[Text], align: str = "") -> str:
    """Set lines under each other."""
    end = f'<BR ALIGN="{align}"/>' if align else "<BR/>"
    return end.join(_line(one) for one in texts) + (end if align else "")


def row(texts: Sequence[Text]) -> str:
    """Set texts beside each other."""
    return "    ".join(_line(one) for one in texts)


def _line(one: Text) -> str:
    inner = escaped(one.text)
    inner = f"<S>{inner}</S>" if one.struck else inner
    inner = f"{one.glyph} {inner}" if one.glyph else inner
    inner = f"<B>{inner}</B>" if one.bold else inner
    found = f'<FONT POINT-SIZE="{one.size}" COLOR="{one.colour}">{inner}</FONT>'
    if one.aside:
        soft = FAINT.ink if one.colour == FAINT.ink else SOFT
        found += f'<FONT POINT-SIZE="{SMALL}" COLOR="{soft}">  {escaped(one.aside)}</FONT>'
    return found


def escaped(words: str) -> str:
    """Make text safe inside an HTML-like label; an empty one becomes a space, which the format demands.

    >>> escaped('a<b> & "c"')
    'a&lt;b&gt; &amp; &quot;c&quot;'
    """
    return html.escape(printable(words)) or " "


def quoted(words: str) -> str:
    r"""Quote a string for DOT; backslashes are doubled, for dot would read `\N` or `\n` in them.

    >>> print(quoted('say "hi" \\N'))
    "say \"hi\" \\N"
    """
    return '"' + printable(words).replace("\\", "\\\\").replace('"', '\\"') + '"'


def printable(words: str) -> str:
    r"""Replace what cannot be printed, line ends among it, and what XML 1.0 has no way to write.

    >>> printable("a\x00b\nc")
    'a�b c'
    """
    return re.sub(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "�", re.sub(r"\s", " ", words))
