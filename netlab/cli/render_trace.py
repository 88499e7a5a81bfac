"""A trace -> text: the way there and the way back, node by node, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from click import style

from netlab.cli.call import nearby
from netlab.simulator.trace import TAKEN_IN, LegTrace, Trace
from netlab.simulator.verdicts import Verdict

if TYPE_CHECKING:
    from netlab.app.tracing import Traced
    from netlab.facts import Key
    from netlab.simulator.walk import Step

#: Steps by what they are: those that say where it is, those that change it.
_HUES = {"translated": "magenta", "encapsulated": "cyan", "decapsulated": "cyan", "tagged": "cyan", "loop": "red"}
#: Words beyond this width push their place in the file to the right instead of all the others'.
_WIDEST = 84


def trace_text(found: Traced) -> str:
    """Turn a trace into text."""
    trace = found.trace
    address = trace.question.destination
    shown = address if found.target == address else f"{found.target} ({address})"
    live = ", as it is in the kernel" if found.live else ""
    head = f"{style(f'{trace.question.words()} {trace.source} -> {shown}', bold=True)} in {found.lab}{live}"
    lines = [head]
    for leg in _telling(trace):
        lines += ["", *_leg_lines(found, leg)]
    return "\n".join([*lines, "", *_summary(found)])


def _telling(trace: Trace) -> Iterator[LegTrace]:
    """Give the legs worth telling: not that the sender's own kernel tells it what its end says already."""
    for leg in trace.legs:
        own = leg.packet.message == "error" and leg.node == trace.source == leg.end.node
        if not own:
            yield leg


def _leg_lines(found: Traced, leg: LegTrace) -> Iterator[str]:
    """Turn a leg into lines: the node where it is new, what happens there, and the line of the file behind it."""
    yield style(_title(found.trace, leg), underline=True)
    steps = _once_round(leg.steps) if leg.end.verdict is Verdict.LOOP else leg.steps
    rows = [(step.node, step.words, _HUES.get(step.what), _place(found, step.key)) for step in steps]
    left = max(len(node) for node in (leg.end.node, *(row[0] for row in rows)))
    right = min(max((len(row[1]) for row in rows), default=0), _WIDEST)
    last = None
    for node, words, hue, place in rows:
        shown = style(words, fg=hue) if hue else words
        yield _line("" if node == last else node, left, " ", f"{shown}{' ' * (right - len(words))}", place)
        last = node
    well = leg.end.verdict is Verdict.DELIVERED
    mark = style("✓", fg="green") if well else style("✗", fg="red", bold=True)
    words = leg.end.words if well else f"{leg.end.verdict}: {leg.end.words}"
    place = "" if well else _place(found, leg.end.key)
    yield _line("" if leg.end.node == last else leg.end.node, left, mark, words.ljust(right), place)


def _once_round(steps: Sequence[Step]) -> Sequence[Step]:
    """Leave out what happens again each time that a packet goes round."""
    again = next((number for number, step in enumerate(steps) if step.what == "loop"), len(steps))
    return steps[: again + 1]


def _title(trace: Trace, leg: LegTrace) -> str:
    if leg.reason is None:
        return "there"
    does = "tells" if leg.packet.message == "error" else "answers"
    return f"{leg.node} {does} {trace.legs[leg.reason].node}"


def _place(found: Traced, key: Key | None) -> str:
    """Give the line of the file behind a fact."""
    span = found.place(key)
    return f"{os.path.basename(span.file)}:{span.line}" if span is not None else ""


def _line(node: str, width: int, mark: str, words: str, place: str) -> str:
    line = f"  {style(node, bold=True) if node else ''}{' ' * (width - len(node))} {mark} {words}"
    return f"{line}  {style(place, dim=True)}" if place else line.rstrip()


def _summary(found: Traced) -> Iterator[str]:
    trace, end = found.trace, found.trace.deciding.end
    if trace.ok:
        told = {"reply": "it is answered", "open": "the connection opens"}[trace.answer]
        expected = f", in some {trace.delay / 1000:g} ms" if trace.delay else ""
        share = f", {trace.share * 100:g}% of the time" if trace.share < 1 else ""
        yield f"{style('✓', fg='green')} {told}{expected}{share}"
        return
    way = "" if trace.deciding.reason is None else "on the way back: "
    yield f"{style('✗', fg='red', bold=True)} {style(end.verdict, fg='red')}: {way}{end.words}"
    yield f"    {style('hears', dim=True)}    {_heard(trace)}"
    place = found.place(end.key)
    if place is not None:
        yield f"    {style('look at', dim=True)}  {nearby(str(place))}"
    if found.mend is not None:
        yield f"    {style('fix', dim=True)}      {found.mend}"


def _heard(trace: Trace) -> str:
    """Say what the sender hears of it: an answer, an ICMP error and whose, what its own kernel says, or nothing."""
    for leg in trace.legs[1:]:
        if trace.answer in ("error", "refused") and leg.end.node == trace.source and leg.end.verdict in TAKEN_IN:
            return f"{leg.packet.words()}, from {leg.node}" + (" itself" if leg.node == trace.source else "")
    if trace.answer == "error" and trace.errno is not None:
        return f"{os.strerror(trace.errno).lower()}, at once"
    return "nothing"
