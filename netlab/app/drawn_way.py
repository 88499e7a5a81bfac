"""A trace -> the way that a drawing shows: the drawer knows nothing of the simulator, nor the simulator of drawings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from netlab.diagram.ways import Hop, Leg, Note, Stop, Way
from netlab.simulator.trace import TAKEN_IN
from netlab.simulator.verdicts import Verdict

if TYPE_CHECKING:
    from netlab.app.tracing import Traced
    from netlab.simulator.trace import LegTrace, Trace
    from netlab.simulator.walk import End, Step

#: What changes a packet, or surprises: all else can be seen. What a node translates is said where its routes are.
_TOLD: Final = frozenset({"encapsulated", "decapsulated", "tagged", "fragmented", "flooded", "loop"})
_ANSWERS: Final = {
    "reply": "it is answered",
    "open": "the connection opens",
    "refused": "it is refused",
    "error": "the sender is told so",
    "silence": "the sender hears nothing",
}


def way_of(found: Traced) -> Way:
    """Turn a trace into a way: the packet's, and that of the answer which decides."""
    trace = found.trace
    address = trace.question.destination
    shown = address if found.target == address else f"{found.target} ({address})"
    live = ", as it is in the kernel" if found.live else ""
    back = _back(trace)
    return Way(
        title=f"{trace.question.words()} {trace.source} → {shown}{live}",
        there=_leg(found, trace.legs[0], _stop(found, trace.legs[0].end)),
        back=_leg(found, back, _stop_back(found, back)) if back is not None else None,
        outcome=_outcome(trace),
        well=trace.ok,
        mend=found.mend or "",
    )


def _back(trace: Trace) -> LegTrace | None:
    """Choose what comes back: what decides, or else the first answer that does not stay in the sender's own kernel."""
    if trace.deciding.number:
        return trace.deciding
    answers = (leg for leg in trace.legs if leg.reason == 0)
    return next((leg for leg in answers if not leg.node == trace.source == leg.end.node), None)


def _outcome(trace: Trace) -> str:
    end = trace.deciding.end
    answer = _ANSWERS[trace.answer]
    if trace.ok:
        return answer
    return f"{end.verdict}: {'on the way back: ' if trace.deciding.number else ''}{end.words}; {answer}"


def _leg(found: Traced, leg: LegTrace, stop: Stop) -> Leg:
    hops = tuple(Hop(one.node, one.device, one.leaves) for one in leg.crossed)
    return Leg(leg.words.replace("->", "→"), hops, stop, tuple(_notes(leg.steps)))


def _notes(steps: tuple[Step, ...]) -> Iterator[Note]:
    for step in steps:
        if step.what == "translated":
            # By which rule stands beside it.
            yield Note(step.node, None, step.words.removeprefix("translates: ").partition(" by ")[0])
        elif step.what in _TOLD:
            yield Note(step.node, step.device, step.words.removeprefix(f"{step.device} "))


def _stop_back(found: Traced, leg: LegTrace) -> Stop:
    """Say how an answer ends: it is welcome, or it tells that something is wrong; or it is lost itself."""
    end = leg.end
    if end.verdict in TAKEN_IN and end.node == found.trace.source:
        return Stop(end.node, end.device, "tick" if found.trace.ok else "told", leg.packet.words().replace("->", "→"))
    return _stop(found, end)


def _stop(found: Traced, end: End) -> Stop:
    if end.verdict is Verdict.DELIVERED:
        return Stop(end.node, end.device, "tick", "delivered")
    span = found.place(end.key)
    place = f"{os.path.basename(span.file)}:{span.line}" if span is not None else ""
    words = end.words.removeprefix(f"{end.node}: ")
    return Stop(end.node, _where(found, end), "cross", end.verdict, words, place)


def _where(found: Traced, end: End) -> str | None:
    """Name the device at which a packet ends; None where it was between two, past the choice of its route."""
    if end.verdict not in (Verdict.FILTERED, Verdict.REJECTED):
        return end.device
    here = [step.what for step in found.trace.legs[end.leg].steps if step.node == end.node]
    return None if "route" in here[-2:] or "forwarded" in here[-2:] else end.device
