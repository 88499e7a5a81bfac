"""What a file is once read: plain values, each with its place, and problems that point at them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from netlab.errors import Problem, Severity, Span

Path = tuple[str | int, ...]

#: Lines are shown under a problem up to this many characters.
WIDEST = 160

LINE_BREAK = re.compile("\r\n|\n|\r")
# What YAML 1.2 calls non-printable, and its former line breaks, which would put every later column in doubt.
FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True, eq=False)
class Node:
    """A value with its place: lines and columns count from 1; `size` counts the values in it, aliases followed."""

    value: Any
    line: int
    column: int
    end_line: int
    end_column: int
    size: int = 1
    #: The text of a plain scalar, as written.
    text: str | None = None
    #: For mappings: key -> (key node, value node); for sequences: the items.
    entries: dict[str, tuple[Node, Node]] | None = None
    items: list[Node] | None = None
    #: A mapping or sequence in block style begins on the line of its first entry, not on its key's.
    block: bool = False


def quote(text: object, longest: int = 60) -> str:
    """Give a text of the user's in quotes, on one line and not too long.

    >>> quote("a" * 100)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'"
    """
    shown = str(text)
    return repr(shown if len(shown) <= longest else shown[:longest] + "...")


@dataclass(frozen=True)
class Document:
    """A YAML file as plain values (`value`), and the places of all of them."""

    file: str
    text: str = field(repr=False)
    root: Node = field(repr=False)

    @property
    def value(self) -> Any:
        """The whole file: dicts, lists, str, int, float, bool and None."""
        return self.root.value

    @cached_property
    def lines(self) -> tuple[str, ...]:
        return tuple(LINE_BREAK.split(self.text))

    def span(self, path: Path, key: bool = False) -> Span:
        """Give the place of the value at `path`, or of its key.

        Parts of the path that the file does not have are passed over: a path into the full form of a section finds
        its place in the short form too. What stands in block style is shown by its key.
        """
        node, label = self._find(path)
        if label is not None and (key or node.block):
            node = label
        end = node.end_column if node.end_line == node.line else len(self.lines[node.line - 1].rstrip()) + 1
        return Span(self.file, node.line, node.column, max(end, node.column + 1))

    def has(self, path: Path) -> bool:
        """Tell whether the file itself has exactly this path."""
        node = self.root
        for part in path:
            if isinstance(part, str) and node.entries is not None and part in node.entries:
                node = node.entries[part][1]
            elif isinstance(part, int) and node.items is not None and part < len(node.items):
                node = node.items[part]
            else:
                return False
        return True

    def written(self, path: Path) -> str | None:
        """Give the text of a plain scalar as it stands in the file (`0123`, where the value is 123)."""
        return self._find(path)[0].text

    def problem(
        self,
        code: str,
        what: str,
        path: Path,
        fix: str | None = None,
        severity: Severity = "error",
        key: bool = False,
    ) -> Problem:
        """Make a Problem that points at the value (or key) at `path`."""
        span = self.span(path, key)
        return Problem(code, what, span, fix, severity, shown_line(self.lines, span))

    def _find(self, path: Path) -> tuple[Node, Node | None]:
        node, label = self.root, None
        for part in path:
            if node.entries is not None and isinstance(part, str) and part in node.entries:
                label, node = node.entries[part]
            elif node.items is not None and isinstance(part, int) and part < len(node.items):
                label, node = None, node.items[part]
        return node, label


def shown_line(lines: tuple[str, ...], span: Span) -> str | None:
    """Give the text of a line as shown over a caret: no control characters, and not too long."""
    if span.column > WIDEST or span.line > len(lines):
        return None
    line = FORBIDDEN.sub("?", lines[span.line - 1].replace("\t", " ")).rstrip()
    return line if len(line) <= WIDEST else line[:WIDEST] + "..."


def kind_of(value: Any) -> str:
    """Name the kind of a plain value, as YAML does.

    >>> kind_of([])
    'sequence'
    """
    names = {dict: "mapping", list: "sequence", str: "text", bool: "truth value", int: "number", float: "number"}
    return names.get(type(value), "null")
