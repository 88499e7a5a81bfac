"""The colours of a drawing: light fills, dark ink, one accent for what is switched; told apart in grey, too."""

from __future__ import annotations

from typing import NamedTuple

#: Every viewer has one of these, and they are of one width.
FONT = "Helvetica,Arial,Liberation Sans,sans-serif"


class Colours(NamedTuple):
    """The line and text colour of something, and what it is filled with."""

    ink: str
    fill: str


INK = "#1f2328"
SOFT = "#57606a"
DEAD = "#8c959f"

#: What each kind of frame and part looks like.
KINDS = {
    "host": Colours("#8c959f", "#f3f5f7"),
    "machine": Colours("#6e7781", "#fbfcfd"),
    "box": Colours("#424a53", "#ffffff"),
    "device": Colours("#424a53", "#ffffff"),
    "bridge": Colours("#2f6db5", "#dbe8f6"),
    "routing": Colours("#6e7781", "#eceff2"),
}

#: What a plan does, told by colour here and by glyph in the text.
ACTIONS = {
    "create": Colours("#1a7f37", "#e3f4e7"),
    "update": Colours("#9a6700", "#fff3d1"),
    "replace": Colours("#9a6700", "#fff3d1"),
    "delete": Colours("#b3261e", "#fbe7e5"),
}

#: A packet's way there, and the way back; how it ends; and all that is not on it.
WAYS = (Colours("#6639ba", "#6639ba"), Colours("#0f766e", "#ffffff"))
STOPS = {"tick": "#1a7f37", "cross": "#b3261e"}
STOP_GLYPHS = {"tick": "✓", "cross": "✗", "told": "←"}
FAINT = Colours("#a8b1ba", "#ffffff")
FAINT_LINE = "#d0d7de"
