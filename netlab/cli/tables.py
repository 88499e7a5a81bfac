"""Rows -> a table: rich's on a terminal, plain columns in a pipe, where nothing is cut or wrapped."""

from __future__ import annotations

from collections.abc import Sequence

from click import style

#: A cell's text and its colour, if it has one.
Cell = str | tuple[str, str]


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]], *, rich: bool) -> str:
    """Turn rows of as many cells as the header has into a table; `rich` asks for one that fits a terminal."""
    return _rich(header, rows) if rich else columns([header, *rows])


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]


def columns(rows: Sequence[Sequence[Cell]], gap: str = "  ") -> str:
    """Turn rows into lines whose columns are aligned, without trailing blanks.

    >>> print(columns([["LAB", "STATE"], ["bridge3", "up"]]))
    LAB      STATE
    bridge3  up
    """
    widths = [max(map(len, map(_text, column))) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        *most, last = zip(row, widths, strict=True)
        lines.append(gap.join([*(_padded(cell, width) for cell, width in most), _padded(last[0], 0)]).rstrip())
    return "\n".join(lines)


def _padded(cell: Cell, width: int) -> str:
    text = _text(cell)
    blanks = " " * (width - len(text))
    return (text if isinstance(cell, str) else style(text, fg=cell[1])) + blanks


def _rich(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*header, box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for row in rows:
        drawn.add_row(*(Text(_text(cell), style="" if isinstance(cell, str) else cell[1]) for cell in row))
    console = Console(force_terminal=True, color_system="standard")
    with console.capture() as captured:
        console.print(drawn)
    lines = [line.rstrip() for line in captured.get().split("\n")]
    return "\n".join(line for line in lines if line)
