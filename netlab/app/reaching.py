"""`reach`: who reaches whom in a lab, what keeps the others apart, and what another file opens and closes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netlab.app.documents import span_to_json
from netlab.app.simulated import subject_of
from netlab.app.world import World
from netlab.errors import Problem, Span, UsageError
from netlab.facts import Key
from netlab.simulator.compiling import network_of
from netlab.simulator.packet import Version
from netlab.simulator.ranges import in_ranges
from netlab.simulator.reach import Kind, Outcome, Reach
from netlab.simulator.reach import reach as reached
from netlab.simulator.verdicts import MEANINGS, Verdict
from netlab.simulator.views import Change, Changes, Reason, View, changes_between, views_of

#: What mends it that the one is answered by a third.
_APART = "give each node an address of its own"


@dataclass(frozen=True, slots=True)
class Against:
    """The lab that another is held against, as it was asked for, where it asks for things, and the changes."""

    target: str
    lab: str
    origin: Mapping[Key, Span]
    changes: Changes


@dataclass(frozen=True, slots=True)
class Reached:
    """Who reaches whom in a lab: `live`, in what is there now. `kind` is icmp, tcp or udp."""

    lab: str
    kind: Kind
    port: int
    live: bool
    found: Reach
    views: tuple[View, ...]
    origin: Mapping[Key, Span]
    against: Against | None = None
    #: What of the network could not be read.
    warnings: tuple[Problem, ...] = ()

    @property
    def silent(self) -> tuple[str, ...]:
        """The nodes that no other could reach, or be reached by: those that have no address, or are alone with one."""
        shown = {name for view in self.views for group in view.groups for name in group}
        return tuple(name for name in self.found.numbers if name not in shown)

    def between(self, source: str, target: str, version: Version = 4) -> Outcome | None:
        """Give what becomes of packets from a node to another; None where one has no address of that IP version.

        Of nodes that are alike one pair is walked: it is that pair's addresses that the outcome tells. Raises
        UsageError for names that are not there.
        """
        for name in (source, target):
            if name not in self.found.numbers:
                raise UsageError(f"{self.lab} has no node {name!r}")
        return self.found.between(source, target, version)

    def place(self, outcome: Outcome) -> Span | None:
        """Give where the file asks for what an outcome comes of."""
        return place_of(self.origin, outcome)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "port": self.port or None,
            "live": self.live,
            "silent": list(self.silent),
            "versions": [self._view_to_json(view) for view in self.views],
            "against": None if self.against is None else self._against_to_json(self.against),
        }

    def _view_to_json(self, view: View) -> dict[str, Any]:
        return {
            "version": view.version,
            "pairs": view.pairs,
            "reaching": view.reaching,
            "groups": [{"name": ", ".join(in_ranges(group)), "nodes": list(group)} for group in view.groups],
            "matrix": [list(row) for row in view.matrix],
            "reasons": [self._reason_to_json(reason) for reason in view.reasons],
        }

    def _reason_to_json(self, reason: Reason) -> dict[str, Any]:
        said = outcome_to_json(reason.outcome, self.origin)
        return {"pairs": reason.pairs, "from": reason.source, "to": reason.target, **said}

    def _against_to_json(self, against: Against) -> dict[str, Any]:
        changes = against.changes
        return {
            "target": against.target,
            "lab": against.lab,
            "added": list(changes.added),
            "removed": list(changes.removed),
            "opened": [self._change_to_json(way, against.origin) for way in changes.ways if way.opens],
            "closed": [self._change_to_json(way, self.origin) for way in changes.ways if not way.opens],
        }

    def _change_to_json(self, way: Change, origin: Mapping[Key, Span]) -> dict[str, Any]:
        return {
            "version": way.version,
            "pairs": way.pairs,
            "parts": [
                {"sources": list(part.sources), "targets": list(part.targets), "pairs": part.pairs}
                for part in way.parts
            ],
            "reason": None if way.outcome is None else {
                "from": way.source, "to": way.target, **outcome_to_json(way.outcome, origin)
            },
        }  # fmt: skip


def reach(
    target: str | None = None,
    *,
    kind: Kind = "icmp",
    port: int = 0,
    live: bool = False,
    against: str | None = None,
    world: World | None = None,
) -> Reached:
    """Say who reaches whom: in the network that a FILE asks for, in what was applied to a LAB, or (`live`) is there.

    `against`: another FILE or LAB; what the first opens and closes beside it is told too. Nothing is sent, nothing
    need be applied. Raises UsageError and FileError as every command does.
    """
    subject = subject_of(target, live=live, world=world)
    found = reached(network_of(subject.facts), kind, port)
    held = None
    if against is not None:
        other = subject_of(against, world=world)
        before = reached(network_of(other.facts), kind, port)
        held = Against(against, other.lab, other.origin, changes_between(before, found))
    return Reached(subject.lab, kind, port, live, found, views_of(found), subject.origin, held, subject.unread)


def place_of(origin: Mapping[Key, Span], outcome: Outcome) -> Span | None:
    """Give where a file asks for the fact behind an end, or where there is none, for the node that it is at."""
    end = outcome.end
    keys = (end.key, ("settings", end.node), ("netns", end.node))
    return next((origin[key] for key in keys if key is not None and key in origin), None)


def mend_of(outcome: Outcome) -> str | None:
    """Say what would mend it."""
    return _APART if outcome.end.verdict is Verdict.DELIVERED else MEANINGS[outcome.end.verdict].mend


def outcome_to_json(outcome: Outcome, origin: Mapping[Key, Span]) -> dict[str, Any]:
    end = outcome.end
    return {
        "address": outcome.address,
        "back": outcome.back,
        "verdict": end.verdict.value,
        "node": end.node,
        "device": end.device,
        "why": end.words,
        "mend": mend_of(outcome),
        "fact": list(end.key or ()),
        "origin": span_to_json(place_of(origin, outcome)),
    }
