"""Turns YAML text into nodes: ruamel.yaml's parser gives events, which a loop puts together.

A loop and not a recursion, so that deep nesting meets a limit and not the interpreter's stack. Duplicate keys are
collected; any other fault ends the reading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netlab.errors import FileError, Problem, Span
from netlab.source.document import LINE_BREAK, Node, kind_of, quote, shown_line

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How deep mappings and sequences may nest; the language needs 8.
DEEPEST = 40
#: How many values a file may come to once its aliases are followed.
MOST_VALUES = 200_000

_INTEGER = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# Escapes in double quotes can make what no name, command or datagram can carry.
_UNSPEAKABLE = re.compile("[\0\ud800-\udfff]")
_BARE_RANGE = re.compile(r"[{\[,].*[A-Za-z0-9_.-]\{[0-9]+\.\.")
# Longer numbers mean nothing in a topology, and Python refuses to read them.
_LONGEST_NUMBER = 40


@dataclass(slots=True)
class _Open:
    """A mapping or sequence whose end has not been read yet."""

    node: Node
    anchor: str | None
    label: Node | None = None
    #: A key that is no scalar, or stands twice: its value is read and dropped.
    dropped: bool = False


class Reader:
    """Puts the parser's events together into nodes. Duplicate keys are collected; other faults end the reading."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file = text, file
        self.lines = tuple(LINE_BREAK.split(text))
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node | None] = {}
        self.open: list[_Open] = []
        self.roots: list[Node] = []

    def compose(self) -> Node:
        """Read the whole text into the node of its one document."""
        try:
            for event in self._events():
                self._take(event)
        except RecursionError:
            raise FileError([Problem("too-deep", "the file nests too deep", Span(self.file, 1, 1))]) from None
        return self.roots[0] if self.roots else Node(None, 1, 1, 1, 2)

    def _events(self) -> Iterator[Any]:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            yield from YAML(typ="safe", pure=True).parse(self.text)
        except MarkedYAMLError as error:
            raise FileError([self._syntax(error)]) from None
        except (YAMLError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            # ruamel.yaml meets some malformed directives, tags and escapes with exceptions of Python's own.
            what = f"not valid YAML: {' '.join(str(error).split())}"
            raise FileError([Problem("yaml", what, Span(self.file, 1, 1))]) from None

    def _syntax(self, error: Any) -> Problem:
        """Put a fault of syntax in words."""
        mark = error.problem_mark or error.context_mark
        if mark is None:
            return Problem("yaml", f"not valid YAML: {error.problem or error.context}", Span(self.file, 1, 1))
        line, column = min(mark.line, len(self.lines) - 1), mark.column
        span = Span(self.file, line + 1, column + 1, column + 2)
        shown = shown_line(self.lines, span)
        if self.lines[line][column : column + 1] == "\t" or "'\\t'" in (error.problem or ""):
            return Problem("tab", "a tab stands where YAML wants spaces", span, "indent with spaces", "error", shown)
        what = (error.problem or error.context).replace("<stream end>", "the end of the file")
        what = what.replace("'the end of the file'", "the end of the file").splitlines()[0]
        if error.context and error.context_mark is not None and error.problem:
            where = error.context_mark
            what += f" ({error.context.splitlines()[0]} that begins at {where.line + 1}:{where.column + 1})"
        return Problem("yaml", f"not valid YAML: {what}", span, self._fix(error, line), "error", shown)

    def _fix(self, error: Any, line: int) -> str | None:
        """Suggest what to type for the two faults that everybody makes inside {} and []."""
        if _BARE_RANGE.search(self.lines[line]):
            return 'inside {} and [], put quotes around a name with {..}: "ns{0..9}"'
        if error.context_mark is not None and (error.problem or "").startswith("expected ',' or"):
            closing = error.problem[len("expected ',' or ") :][:3]
            return f"close what begins at {error.context_mark.line + 1}:{error.context_mark.column + 1} with {closing}"
        return None

    def _fail(self, code: str, what: str, node: Node, fix: str | None = None) -> FileError:
        return FileError([self._problem(code, what, node, fix)])

    def _problem(self, code: str, what: str, node: Node, fix: str | None = None) -> Problem:
        end = node.end_column if node.end_line == node.line else node.column + 1
        span = Span(self.file, node.line, node.column, max(end, node.column + 1))
        return Problem(code, what, span, fix, "error", shown_line(self.lines, span))

    def _take(self, event: Any) -> None:
        name = type(event).__name__
        if name == "ScalarEvent":
            node = self._scalar(event)
            if event.anchor is not None:
                self.anchors[event.anchor] = node
            self._put(node)
        elif name in ("MappingStartEvent", "SequenceStartEvent"):
            self._begin(event, name == "MappingStartEvent")
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            done = self.open.pop()
            if not done.node.block:
                done.node.end_line, done.node.end_column = event.end_mark.line + 1, event.end_mark.column + 1
            if done.anchor is not None:
                self.anchors[done.anchor] = done.node
            self._put(done.node)
        elif name == "AliasEvent":
            self._put(self._alias(event))
        elif name == "DocumentStartEvent":
            self.anchors = {}
            if self.roots:
                raise self._fail("documents", "a second document begins here", _place(event), "keep one lab in a file")

    def _begin(self, event: Any, mapping: bool) -> None:
        node = _place(event)
        self._refuse_tag(event, node)
        if len(self.open) >= DEEPEST:
            raise self._fail("too-deep", f"the file nests deeper than {DEEPEST} levels", node)
        node.block = not event.flow_style
        node.end_line, node.end_column = node.line, len(self.lines[node.line - 1].rstrip()) + 1
        if mapping:
            node.value, node.entries = {}, {}
        else:
            node.value, node.items = [], []
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.open.append(_Open(node, event.anchor))

    def _alias(self, event: Any) -> Node:
        place = _place(event)
        target = self.anchors.get(event.anchor)
        if event.anchor not in self.anchors:
            raise self._fail("alias", f"no anchor &{event.anchor} stands before this alias", place)
        if target is None:
            raise self._fail("alias", f"the alias *{event.anchor} stands inside of what it names", place)
        place.value, place.size, place.text = target.value, target.size, target.text
        if place.size + sum(opened.node.size for opened in self.open) > MOST_VALUES:
            raise self._fail("too-large", f"with its aliases the file has more than {MOST_VALUES:,} values", place)
        return place

    def _put(self, node: Node) -> None:
        """Hand a finished node to the collection that it stands in."""
        if not self.open:
            self.roots.append(node)
            return
        parent = self.open[-1]
        parent.node.size += node.size
        if parent.node.items is not None:
            parent.node.items.append(node)
            parent.node.value.append(node.value)
        elif parent.label is None:
            self._put_key(parent, node)
        else:
            assert parent.node.entries is not None
            label, parent.label = parent.label, None
            if not parent.dropped:
                parent.node.entries[label.value] = (label, node)
                parent.node.value[label.value] = node.value
            parent.dropped = False

    def _put_key(self, parent: _Open, node: Node) -> None:
        assert parent.node.entries is not None
        if node.entries is not None or node.items is not None or isinstance(node.value, dict | list):
            what = f"a key must be text, not a {kind_of(node.value)}"
            raise self._fail("key", what, node, "put quotes around a name that has {, [ or : in it")
        node.value = node.text if node.text is not None else node.value
        if node.value in parent.node.entries:
            first = parent.node.entries[node.value][0]
            what = f"the key {quote(node.value)} stands twice, at {first.line}:{first.column} and here"
            self.problems.append(self._problem("duplicate-key", what, node, "remove one, or join them"))
            parent.dropped = True
        if node.value == "<<":
            self.problems.append(
                self._problem("unknown-key", "merge keys (<<) are not YAML 1.2", node, "write the keys out")
            )
            parent.dropped = True
        parent.label = node

    def _scalar(self, event: Any) -> Node:
        node = _place(event)
        self._refuse_tag(event, node)
        text = event.value
        if wrong := _UNSPEAKABLE.search(text):
            raise self._fail(
                "character", f"the character U+{ord(wrong[0]):04X} may not stand in a text", node, "remove it"
            )
        if event.style is not None or event.tag is not None:
            node.value = text
            return node
        node.text = text
        if text in _WORDS:
            node.value = _WORDS[text]
        elif _INTEGER.match(text):
            self._refuse_long(text, node)
            node.value = int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        elif _FLOAT.match(text):
            self._refuse_long(text, node)
            node.value = float(text)
        else:
            node.value = text
        return node

    def _refuse_long(self, text: str, node: Node) -> None:
        if len(text) > _LONGEST_NUMBER:
            raise self._fail("number", f"a number of {len(text)} digits", node, "put quotes around it if it is text")

    def _refuse_tag(self, event: Any, node: Node) -> None:
        if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            raise self._fail("tag", f"the tag {quote(tag)} means nothing here", node, "remove it")


def _place(event: Any) -> Node:
    """Make a node without a value where an event stands."""
    start, end = event.start_mark, event.end_mark
    return Node(None, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
