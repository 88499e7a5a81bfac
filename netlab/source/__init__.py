"""Turns the text of a YAML file into plain values, each with its place (file, line, column).

Rules:

- YAML 1.2, core schema: `on`, `off` and `02:42:ac:11:00:01` are text; `true`, `12`, `0x10` and `1.5` are not.
- Keys of mappings are text, as written. A key may stand once in its mapping.
- Aliases are followed, within bounds, so that a small file cannot become a huge value.
- Whatever the bytes are, the outcome is a Document or a FileError with a place.

This package knows nothing of networks.
"""

from __future__ import annotations

from netlab.errors import FileError, Problem, Span
from netlab.source.document import FORBIDDEN, LINE_BREAK, Document, Path, kind_of, quote, shown_line
from netlab.source.reader import Reader

#: The largest file, in bytes. A file of this size takes a few seconds to parse.
LARGEST = 1 << 20

__all__ = ["LARGEST", "Document", "Path", "kind_of", "load", "quote"]


def load(text: bytes | str, file: str) -> Document:
    """Read a YAML file of one document that is a mapping; raise FileError with the place of what is wrong."""
    decoded = _decode(text, file)
    reader = Reader(decoded, file)
    root = reader.compose()
    document = Document(file, decoded, root)
    if not isinstance(root.value, dict):
        found = "is empty" if root.value is None else f"is a {kind_of(root.value)}, not a mapping"
        raise FileError(
            [Problem("not-a-mapping", f"the file {found}", Span(file, 1, 1), "begin with: name: my-lab")]
            if root.value is None
            else [document.problem("not-a-mapping", f"the file {found}", (), "begin with: name: my-lab")]
        )
    if reader.problems:
        raise FileError(sorted(reader.problems, key=lambda p: (p.span.line, p.span.column) if p.span else (0, 0)))
    return document


def _decode(text: bytes | str, file: str) -> str:
    """Turn bytes into text, or say where they are none."""
    start = Span(file, 1, 1)
    if len(text) > LARGEST:
        what = f"the file is too large: {len(text):,} bytes; the limit is {LARGEST:,}"
        raise FileError([Problem("too-large", what, start, "write many like nodes as a range: ns{0..99}: br0")])
    if isinstance(text, bytes):
        try:
            decoded = text.decode("utf-8")
        except UnicodeDecodeError as error:
            before = text[: error.start].decode("utf-8")
            what = f"the file is not text in UTF-8: byte 0x{text[error.start]:02x}"
            raise FileError([_at(before, file, "not-utf-8", what, "save it as UTF-8")]) from None
    else:
        decoded = text
    decoded = decoded.removeprefix("\ufeff")
    if wrong := FORBIDDEN.search(decoded):
        what = f"the character U+{ord(wrong[0]):04X} may not stand in a YAML file"
        raise FileError([_at(decoded[: wrong.start()], file, "character", what, "remove it", decoded)])
    return decoded


def _at(before: str, file: str, code: str, what: str, fix: str, text: str | None = None) -> Problem:
    """Make a Problem that points just behind the text `before`."""
    lines = LINE_BREAK.split(before)
    span = Span(file, len(lines), len(lines[-1]) + 1, len(lines[-1]) + 2)
    return Problem(code, what, span, fix, "error", shown_line(tuple(LINE_BREAK.split(text or before)), span))
