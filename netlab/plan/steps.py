"""What a plan is made of, and the protocol of the doors that carry it out.

A Change says what becomes of one fact and why; a Step is one thing to do, in order. A door keeps some families of
facts: it reads what is there and does steps. Doors never decide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from netlab.facts import Difference, Fact, Facts, Key


class Action(StrEnum):
    """What becomes of a fact; `glyph` is how plans print it."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"

    @property
    def glyph(self) -> str:
        return {"create": "+", "update": "~", "replace": "±", "delete": "-"}[self.value]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one fact: before, after, the fields that differ, and the reason in words."""

    action: Action
    before: Fact | None
    after: Fact | None
    differences: tuple[Difference, ...] = ()
    reason: str = ""

    @property
    def fact(self) -> Fact:
        found = self.after or self.before
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: create `fact`, delete `fact`, or update `before` into `fact` in place."""

    action: Action
    fact: Fact
    before: Fact | None = None
    differences: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        return f"{self.action} {self.fact.label()}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes, sorted for reading, and steps, sorted for doing. An empty plan has neither."""

    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)

    def nodes(self) -> frozenset[str]:
        """Give the nodes in which anything changes, or may change along with it."""
        found = (fact for step in self.steps for fact in (step.fact, step.before) if fact is not None)
        of_changes = (fact for change in self.changes for fact in (change.before, change.after) if fact is not None)
        return frozenset(node for fact in (*found, *of_changes) for node in fact.nodes)


@dataclass(frozen=True, slots=True)
class Scope:
    """What to read: a lab by name, its nodes as last known, and the names of the settings to look at, by node.

    `nodes` None: whatever the marks say. `machine` True: `host` is the real machine, where only marked things are
    ours.
    """

    lab: str
    machine: bool
    nodes: frozenset[str] | None = None
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Names of settings of devices, by node: to be given whatever their value.
    device_settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Names of settings of devices that are no longer wanted: to be given where they are not the node's default.
    former_device_settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Nodes whose filters and translations are to be given; None: of all, once the lab has any.
    chains: frozenset[str] | None = frozenset()
    #: Devices of the machine that the lab uses: to be given where they are there.
    externals: frozenset[str] = frozenset()
    #: Whether to give observations too.
    observe: bool = False
    #: Whether what is found is to be simulated: then what others filter and translate in the lab's nodes is given, too,
    #: which is never planned, and addresses in the order in which the kernel goes by them.
    simulated: bool = False
    #: On the real machine: keys of the lab's routes, which may go through no device of its own, and names of devices
    #: that netlab, killed, may have left there without a mark.
    routes: frozenset[Key] = frozenset()
    unmarked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a door found: facts of the lab, things that stand in the way but are not ours, and observations.

    `foreign` maps a resource such as ("device", "host", "br0") or ("netns", node) to words that name its owner.
    `observed` holds state, never planned: by ("device", node, name), a dict of carrier, ifindex, counters and so on; of
    what is to be simulated, by ("listeners", node), who listens there.
    """

    facts: Facts
    foreign: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    observed: Mapping[tuple[str, ...], Mapping[str, Any]] = field(default_factory=dict)


class StepRefused(Exception):
    """A door's word that a step failed: the step, the errno, and the door's own text if it has any."""

    def __init__(self, step: Step, number: int, text: str = "") -> None:
        self.step, self.number, self.text = step, number, text
        super().__init__(f"{step}: errno {number} {text}".rstrip())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.step, self.number, self.text)


class Door(Protocol):
    """One way to reach the machine: it keeps families of facts, reads them, and does batches of steps."""

    @property
    def families(self) -> frozenset[str]:
        """The families of facts that this door keeps."""
        ...

    def read(self, scope: Scope, changed: Collection[str] | None = None) -> Reading:
        """Read everything of the scope that is there now.

        `changed`: all that may differ from what this door read last, by the same scope, is in these nodes; a door may
        then look at no others.
        """
        ...

    def prepare(self, want: Facts, have: Facts) -> None:
        """Begin, while the plan is made, what takes long and leaves no trace if `do` is never called."""
        ...

    def do(self, steps: Sequence[Step]) -> None:
        """Do the steps in order; raise StepRefused at the first that fails (later ones may have been done)."""
        ...

    def close(self) -> None:
        """Let go of sockets and descriptors; namespaces live on while a socket in them is open."""
        ...


__all__ = [
    "Action",
    "Change",
    "Door",
    "Key",
    "Plan",
    "Reading",
    "Scope",
    "Step",
    "StepRefused",
]
