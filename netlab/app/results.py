"""What the public functions give back: frozen values, and their JSON form.

Every command that has a result prints it in a document (see documents); its shape for each kind is in docs/json.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from netlab.app.documents import change_to_json, step_to_json
from netlab.errors import Problem, Span
from netlab.facts import Key
from netlab.plan import Change, Plan

if TYPE_CHECKING:
    from netlab.probe import Verdict

Outcome = Literal["applied", "undone", "kept", "partial"]
#: Where checks are run: in the kernel, in the simulator, or in both.
CheckMode = Literal["live", "simulate", "both"]


@dataclass(frozen=True, slots=True)
class Validation:
    """A file that is right: its lab, how much is in it, and warnings."""

    lab: str
    nodes: int
    facts: int
    checks: int
    warnings: tuple[Problem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"nodes": self.nodes, "facts": self.facts, "checks": self.checks}


@dataclass(frozen=True, slots=True)
class Planned:
    """What an apply would do, field by field, and where in the file each was asked for."""

    lab: str
    sandboxed: bool
    plan: Plan
    origin: Mapping[Key, Span] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()

    @property
    def pending(self) -> bool:
        return bool(self.plan)

    def to_json(self) -> dict[str, Any]:
        return {
            "sandboxed": self.sandboxed,
            "changes": [change_to_json(change, self.origin) for change in self.plan.changes],
            "steps": [step_to_json(step) for step in self.plan.steps],
        }


@dataclass(frozen=True, slots=True)
class Applied:
    """How an apply ended: `applied`, or after a failure `undone`, `kept` (as asked) or `partial` (undo failed too)."""

    lab: str
    outcome: Outcome
    sandboxed: bool
    plan: Plan
    seconds: float
    #: What went wrong, where the outcome is not `applied`.
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    #: Seconds since 1970 at which it is undone unless confirmed.
    confirm_until: float | None = None
    #: How many checks the file has.
    checks: int = 0

    def to_json(self) -> dict[str, Any]:
        counts: dict[str, int] = {}
        for change in self.plan.changes:
            counts[change.action] = counts.get(change.action, 0) + 1
        return {
            "outcome": self.outcome,
            "sandboxed": self.sandboxed,
            "changes": counts,
            "steps": len(self.plan.steps),
            "seconds": round(self.seconds, 4),
            "confirm_until": self.confirm_until,
            "checks": self.checks,
        }


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What a destroy took: a sandbox whole, or namespaces and devices of the machine; and what it left, and why."""

    lab: str
    existed: bool
    sandbox: bool = False
    namespaces: int = 0
    devices: int = 0
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        del found["lab"]
        return {**found, "notes": list(self.notes)}


LabState = Literal["up", "gone", "changing", "interrupted", "orphaned"]


@dataclass(frozen=True, slots=True)
class DeviceState:
    """A device as it is now."""

    name: str
    addresses: tuple[str, ...]
    up: bool
    carrier: bool


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node as it is now: its devices, its default gateways, the programs that run in it and those that have ended."""

    name: str
    devices: tuple[DeviceState, ...]
    gateways: tuple[str, ...]
    programs: tuple[str, ...]
    ended: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LabStatus:
    """A lab as it is now.

    `up`; `gone`: the store knows it, but its sandbox has ended; `changing`: an apply or destroy is under way;
    `interrupted`: one was cut short; `orphaned`: it is there, but the store knows nothing of it. `nodes` is filled in
    for a lab asked for by name.
    """

    lab: str
    state: LabState
    sandboxed: bool
    file: str | None
    applied_at: float | None
    node_count: int
    nodes: tuple[NodeState, ...] = ()
    confirm_until: float | None = None
    holder: int | None = None
    #: The process that undoes what is not confirmed; None beside a `confirm_until` where it was killed.
    guard: int | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Drift:
    """How a lab differs from what was applied: the changes that would repair it."""

    lab: str
    changes: tuple[Change, ...]
    origin: Mapping[Key, Span] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"changes": [change_to_json(change, self.origin) for change in self.changes]}


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdicts of a lab's checks, in file order: netlab.app.comparing's where the simulator was asked."""

    lab: str
    verdicts: tuple[Verdict, ...]
    warnings: tuple[Problem, ...] = ()
    mode: CheckMode = "live"
    #: Where kernel and simulator disagree: whether the lab is no longer as it was applied; else None.
    drifted: bool | None = None

    @property
    def disagreements(self) -> tuple[Verdict, ...]:
        """The verdicts that the simulator does not share."""
        if self.mode != "both":
            return ()
        from netlab.app.comparing import agree

        return tuple(verdict for verdict in self.verdicts if not agree(verdict))

    @property
    def ok(self) -> bool:
        return all(verdict.ok for verdict in self.verdicts) and not self.disagreements

    def to_json(self) -> dict[str, Any]:
        from netlab.app.comparing import verdict_to_json

        return {
            "ok": self.ok,
            "mode": self.mode,
            "drifted": self.drifted,
            "checks": [verdict_to_json(verdict) for verdict in self.verdicts],
        }


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing that netlab can use: whether it is here, what for, and how to get it."""

    name: str
    present: bool
    purpose: str
    fix: str | None = None
    #: Whether a lab cannot do without it (else something is only poorer).
    required: bool = False


@dataclass(frozen=True, slots=True)
class Examined:
    """What this machine can do; `lacking` names what the given file needs and the machine has not."""

    capabilities: tuple[Capability, ...]
    lacking: tuple[str, ...] = ()
    #: Things on this machine that will get in the way of a lab outside a sandbox.
    obstacles: tuple[Problem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"capabilities": [asdict(c) for c in self.capabilities], "lacking": list(self.lacking)}


@dataclass(frozen=True, slots=True)
class Impaired:
    """What leaves by a device: the properties of its impairment as they were, and as they are."""

    lab: str
    node: str
    device: str
    before: Mapping[str, str]
    after: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        return {"node": self.node, "device": self.device, "before": dict(self.before), "after": dict(self.after)}


@dataclass(frozen=True, slots=True)
class Example:
    """A topology file that ships with netlab: its name, what it teaches, its text."""

    name: str
    teaches: str
    text: str
