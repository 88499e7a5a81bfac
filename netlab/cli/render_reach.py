"""Who reaches whom -> text: a matrix where it can be read, and in words what keeps the others apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_lowercase
from typing import TYPE_CHECKING

from click import style

from netlab.app.reaching import mend_of, place_of
from netlab.cli.call import nearby
from netlab.cli.tables import Cell, columns
from netlab.simulator.ranges import in_ranges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netlab.app.reaching import Against, Reached
    from netlab.errors import Span
    from netlab.facts import Key
    from netlab.simulator.reach import Outcome
    from netlab.simulator.views import Change, Reason, View

#: A matrix of more rows, and more reasons or changes than this, are for programs.
_ROWS, _REASONS = 16, 20
#: How many parts of one change are told.
_PARTS = 4
#: How long the name of a group may be.
_WIDEST = 44


def reach_text(found: Reached) -> str:
    """Turn who reaches whom into text."""
    lines: list[str] = []
    for view in found.views:
        lines += [*([""] if lines else []), *_view_lines(found, view)]
    if not found.views:
        lines.append(f"{style(found.lab, bold=True)}: there are no two nodes with addresses")
    elif found.silent:
        lines += ["", style(f"left out, without an address that others could know: {_named(found.silent)}", dim=True)]
    return "\n".join(lines)


def _view_lines(found: Reached, view: View) -> Iterator[str]:
    how = _how(found, view.version)
    yield f"{_share(found, view)} {how}{', as it is in the kernel' if found.live else ''}"
    if not view.reasons:
        return
    yield ""
    if len(view.groups) > _ROWS:
        yield style(f"({len(view.groups)} groups of nodes: --json has the matrix of who reaches whom)", dim=True)
    else:
        yield columns(list(_matrix(view)), gap="  ")
    yield ""
    for number, reason in enumerate(view.reasons[:_REASONS]):
        yield from _reason_lines(found.origin, _mark(number), reason)
    if len(view.reasons) > _REASONS:
        yield style(f"and {len(view.reasons) - _REASONS} reasons more: --json has them all", dim=True)


def _share(found: Reached, view: View) -> str:
    name = style(found.lab, bold=True)
    if view.reaching == view.pairs:
        nodes = sum(map(len, view.groups))
        return f"{name}: {style('everybody reaches everybody', fg='green')}, {nodes} nodes,"
    return f"{name}: {style(f'{view.reaching:,} of {view.pairs:,} pairs', fg='yellow')} reach each other"


def _how(found: Reached, version: int) -> str:
    return f"by {'ping' if found.kind == 'icmp' else f'{found.kind} {found.port}'} (IPv{version})"


def _matrix(view: View) -> Iterator[Sequence[Cell]]:
    """Give the rows of the matrix: from the group of the row to that of the column of the same number."""
    yield ["", "from \\ to", *(str(number) for number in range(1, len(view.groups) + 1))]
    for number, (group, row) in enumerate(zip(view.groups, view.matrix, strict=True), 1):
        yield [str(number), _named(group), *map(_cell, row)]


def _cell(said: int | bool | None) -> Cell:
    if said is None:
        return "·"
    return ("✓", "green") if said is True else (_mark(said), "red")


def _mark(number: int) -> str:
    """Give the letter of a reason.

    >>> _mark(0), _mark(27)
    ('a', 'b1')
    """
    round_, place = divmod(number, 26)
    return ascii_lowercase[place] + (str(round_) if round_ else "")


def _named(names: Sequence[str]) -> str:
    """Name nodes in so many words as can be read.

    >>> _named(["a1", "a2", "a3", "gw"])
    'a{1..3}, gw'
    """
    words = in_ranges(names)
    text = ", ".join(words)
    if len(text) <= _WIDEST:
        return text
    shown = words[:1]
    while len(", ".join([*shown, words[len(shown)]])) <= _WIDEST:
        shown.append(words[len(shown)])
    return f"{', '.join(shown)} … ({len(names)} nodes)"


def _counted(count: int) -> str:
    return f"{count:,} pair{'' if count == 1 else 's'}"


def _reason_lines(origin: Mapping[Key, Span], mark: str, reason: Reason) -> Iterator[str]:
    yield f"{style(mark, fg='red', bold=True)}  {_said(reason.outcome)}  {_counted(reason.pairs)}"
    yield from _behind(origin, reason.outcome, f"{reason.source} -> {reason.target}")


def _said(outcome: Outcome) -> str:
    """Say how it ends: the verdict, on the way there or back, and in words."""
    way = "on the way back: " if outcome.back else ""
    return f"{style(outcome.end.verdict.value, fg='red')}: {way}{outcome.end.words}"


def _behind(origin: Mapping[Key, Span], outcome: Outcome, example: str, mends: bool = True) -> Iterator[str]:
    place = place_of(origin, outcome)
    at = f"  {nearby(str(place))}" if place is not None else ""
    yield f"   {style('for example', dim=True)} {example} ({outcome.address}){style(at, dim=True)}"
    mend = mend_of(outcome)
    if mend is not None and mends:
        yield f"   {style('fix', dim=True)} {mend}"


# -- against another


def against_text(found: Reached, against: Against) -> str:
    """Turn what a lab opens and closes beside another into text."""
    changes = against.changes
    lines = [
        f"{style(word, fg=hue)} {_named(names)}"
        for word, hue, names in (("new node", "green", changes.added), ("node gone", "red", changes.removed))
        if names
    ]
    for way in changes.ways[:_REASONS]:
        lines += _change_lines(found, against, way)
    if len(changes.ways) > _REASONS:
        lines.append(style(f"and {len(changes.ways) - _REASONS} changes more: --json has them all", dim=True))
    opened, closed = (sum(way.pairs for way in changes.ways if way.opens is opens) for opens in (True, False))
    how = "ping" if found.kind == "icmp" else f"{found.kind} {found.port}"
    head = f"{style(found.lab, bold=True)} against {against.target}, by {how}:"
    if not opened and not closed:
        return "\n".join([f"{head} nothing opens, nothing closes", *lines])
    return "\n".join([f"{head} {_counted(opened)} opened, {_counted(closed)} closed", *lines])


def _change_lines(found: Reached, against: Against, way: Change) -> Iterator[str]:
    mark = style("+", fg="green", bold=True) if way.opens else style("-", fg="red", bold=True)
    version = f"  IPv{way.version}" if len(found.views) > 1 or way.version == 6 else ""
    for part in way.parts[:_PARTS]:
        yield f"{mark}  {_named(part.sources)} -> {_named(part.targets)}  {_counted(part.pairs)}{version}"
    if len(way.parts) > _PARTS:
        yield f"{mark}  and more: {_counted(way.pairs)} in all{version}"
    when = "was " if way.opens else ""
    if way.outcome is None:
        yield f"   {when}out of the question: one of the two has no IPv{way.version} address there"
        return
    yield f"   {when}{_said(way.outcome)}"
    origin, example = against.origin if way.opens else found.origin, f"{way.source} -> {way.target}"
    yield from _behind(origin, way.outcome, example, mends=not way.opens)
