"""What a check came to in the simulator, or in both worlds: verdicts that say more than a live one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from netlab.app.documents import span_to_json
from netlab.errors import Span
from netlab.probe import Verdict
from netlab.simulator.verdicts import Verdict as Ending


@dataclass(frozen=True, slots=True)
class Simulated(Verdict):
    """What a check came to in the simulator. `observations` are those that a live probe would be expected to make."""

    #: How the packet's way, or that of its answer, ended (docs/simulator.md); None where nothing was routed (arp).
    ending: Ending | None = None
    #: The line of the file that asked for the fact that ended it.
    place: Span | None = None
    #: What happened to the packet and to its answers, in order, in words.
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared(Verdict):
    """What a check came to in the kernel, and beside it what it came to in the simulator."""

    simulated: Simulated

    @property
    def agrees(self) -> bool:
        """Whether both came to the same: the outcome, and whether the check holds by it."""
        return (self.outcome, self.ok) == (self.simulated.outcome, self.simulated.ok)


def simulated_verdict(verdict: Verdict, **more: Any) -> Simulated:
    """Turn a judged verdict into a simulated one; `more` are fields that it gets, or gets anew."""
    return Simulated(**{**_fields(verdict), **more})


def compare(live: Verdict, simulated: Simulated) -> Compared:
    """Put a live verdict beside the simulated one of the same check."""
    return Compared(**_fields(live), simulated=simulated)


def agree(verdict: Verdict) -> bool:
    """Tell whether nothing speaks against a verdict: the simulator came to the same, or was not asked."""
    return not isinstance(verdict, Compared) or verdict.agrees


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """Give the JSON form of a verdict, live, simulated or both."""
    check = verdict.check
    simulated = verdict.simulated if isinstance(verdict, Compared) else verdict
    return {
        "name": check.name,
        "kind": check.kind,
        "from": check.source,
        "to": check.target,
        "address": check.address,
        "port": check.port,
        "expect": check.expect,
        "between": list(check.between) if check.between is not None else None,
        "measured": verdict.measured,
        "ok": verdict.ok,
        "sent": verdict.sent,
        "outcome": verdict.outcome,
        "received": verdict.received,
        "hint": verdict.hint,
        "seconds": round(verdict.elapsed, 4),
        "origin": span_to_json(check.span),
        "simulated": _simulated_to_json(simulated) if isinstance(simulated, Simulated) else None,
        "agree": verdict.agrees if isinstance(verdict, Compared) else None,
    }


def _simulated_to_json(found: Simulated) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "outcome": found.outcome,
        "measured": found.measured,
        "received": found.received,
        "hint": found.hint,
        "verdict": found.ending.value if found.ending is not None else None,
        "origin": span_to_json(found.place),
        "steps": list(found.steps),
    }


def _fields(verdict: Verdict) -> dict[str, Any]:
    return {field.name: getattr(verdict, field.name) for field in fields(Verdict)}
