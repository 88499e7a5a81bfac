"""Turns lines of type into blocks whose size on paper is known before anything is drawn.

Sizes are points. Widths are those of Helvetica, which Arial and Liberation Sans share; they are estimates that leave a
little room, so that what is laid out here is not wider when dot sets it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from netlab.diagram.elements import GLYPHS, Line
from netlab.diagram.palette import ACTIONS, INK, SOFT

#: Type sizes: the name of a box, of a device and its addresses, and small type.
NAME, BODY, SMALL = 12, 10, 9
#: Empty space on each side of a block.
PADDING = 4
#: What the line around a box within a box takes, and the space outside it, on both sides together.
CARD = 2 * PADDING + 2
#: Height of a line, as a multiple of its type size (Graphviz' own LINESPACING).
LEADING = 1.2
#: Longer lines are cut: a program's command line can be of any length.
LONGEST = 44

#: Widths of Helvetica in 1/1000 of the type size (Adobe's font metrics); anything else counts as a wide letter.
_WIDTHS = {
    **dict.fromkeys("0123456789abdeghnopqu_L?$#", 556),
    **dict.fromkeys("ckvxyzsJ", 500),
    **dict.fromkeys("ABEKPSVXY&", 667),
    **dict.fromkeys("CDHNRUGOQ", 750),
    **dict.fromkeys("FTZ+<=>~±−", 611),
    **dict.fromkeys("mMWw%@", 889),
    **dict.fromkeys("…—", 1000),
    **dict.fromkeys("fIt !,./:;[]\\|'", 280),
    **dict.fromkeys("ijl", 222),
    **dict.fromkeys('r-()`"{}*^', 360),
}


@dataclass(frozen=True, slots=True)
class Text:
    """One line as it is set: its size, weight, colour, and whether it is struck out."""

    text: str
    size: int = BODY
    bold: bool = False
    colour: str = INK
    struck: bool = False
    #: More text on the same line, smaller and softer.
    aside: str = ""
    #: What a plan does to it, before the text: "+".
    glyph: str = ""

    @property
    def width(self) -> float:
        beside = width("  " + self.aside, SMALL) if self.aside else 0
        return width(f"{self.glyph} {self.text}" if self.glyph else self.text, self.size, self.bold) + beside


@dataclass(frozen=True, slots=True)
class Block:
    """Lines under each other, with padding around them; under these, boxes within the box, one below the other."""

    texts: tuple[Text, ...]
    cards: tuple[Block, ...] = ()

    @property
    def width(self) -> int:
        widest = round(max((text.width for text in self.texts), default=0) * 1.03 + 2) + 2 * PADDING
        return max([widest, *(card.width + CARD for card in self.cards)])

    @property
    def height(self) -> int:
        cards = sum(card.height + CARD for card in self.cards)
        return math.ceil(sum(text.size * LEADING for text in self.texts)) + 2 * PADDING + cards


def width(text: str, size: int, bold: bool = False) -> float:
    """Estimate how wide a text is set, in points.

    >>> round(width("eth0", 10))
    19
    """
    return sum(_WIDTHS.get(letter, 750) for letter in text) * size / 1000 * (1.08 if bold else 1)


def lines(found: Iterable[Line], within: str | None, size: int = BODY, colour: str = INK) -> tuple[Text, ...]:
    """Set lines in type; one that a plan treats otherwise than the thing `within` which it stands is marked."""
    return tuple(heading(line.text, line.action, within, size=size, colour=colour) for line in found)


def heading(
    text: str,
    action: str | None,
    within: str | None = None,
    *,
    size: int = BODY,
    bold: bool = False,
    colour: str = INK,
    aside: str = "",
) -> Text:
    """Set one line, with the glyph and the colour of what a plan does to it."""
    short = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    if action is None or action == within:
        return Text(short, size, bold, colour, aside=aside)
    return Text(short, size, bold, ACTIONS[action].ink, action == "delete", aside, GLYPHS[action])


def shortened(found: Sequence[Line], most: int, noun: str) -> tuple[Line, ...]:
    """Give the first lines, and how many more there are.

    >>> [line.text for line in shortened([Line("a"), Line("b"), Line("c")], 2, "route")]
    ['a', '… 2 more routes']
    """
    if len(found) <= most:
        return tuple(found)
    # What a plan changes is what the reader is looking for.
    first = sorted(found, key=lambda line: line.action is None)[: most - 1]
    return (*(line for line in found if line in first), Line(f"… {len(found) - most + 1} more {noun}s"))


def small(found: Iterable[Line], within: str | None) -> tuple[Text, ...]:
    """Set lines in small type."""
    return lines(found, within, SMALL, SOFT)
