"""What of a lab on the real machine bears no mark of its own: told by names, which the journal keeps until all is done.

routes     bear netlab's protocol, but no lab's name; most go through a device of the lab, which tells
devices    bear a mark, but not yet when netlab is killed between their birth and it
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from netlab.facts import Fact, Facts, Key, Settings, facts_of, from_json, to_json
from netlab.facts.settings import BASELINE
from netlab.names import HOST


@dataclass(frozen=True, slots=True)
class Traces:
    """Names of devices that stand on the host alone, and keys of the routes there."""

    devices: frozenset[str] = frozenset()
    routes: frozenset[Key] = frozenset()

    def __or__(self, other: Traces) -> Traces:
        return Traces(self.devices | other.devices, self.routes | other.routes)

    def to_json(self) -> dict[str, Any]:
        return {"devices": sorted(self.devices), "routes": sorted(map(list, self.routes))}


def traces_of(*sets: Facts) -> Traces:
    """Give the traces that sets of facts would leave."""
    facts: list[Fact] = [fact for facts in sets for fact in facts.values() if set(fact.nodes) == {HOST}]
    devices = (name for fact in facts for kind, _, *rest in fact.claims() if kind == "name" for name in rest)
    return Traces(frozenset(devices), frozenset(fact.key for fact in facts if fact.family == "route"))


def asked_of(facts: Facts) -> list[dict[str, Any]]:
    """Give those facts, as JSON, that another file would not think of: it names neither them nor their fields."""
    return [to_json(fact) for fact in facts.values() if _is_unlike_others(fact)]


def _is_unlike_others(fact: Fact) -> bool:
    if isinstance(fact, Settings):
        return any(name not in BASELINE for name, _ in fact.values)
    return fact.family in ("bridge", "device-settings", "program")


def asked_in(journal: Mapping[str, Any] | None) -> tuple[Facts, ...]:
    """Give the facts that killed applies were making, a set for each; what makes no sense is left out."""
    found: list[Facts] = []
    generations = (journal or {}).get("asked")
    for values in generations if isinstance(generations, list) else []:
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            found.append(facts_of(from_json(dict(value)) for value in values))
    return tuple(found)


def initial_in(journal: Mapping[str, Any] | None) -> dict[str, dict[str, str]]:
    """Give what settings were before a killed apply wrote them, by node."""
    found = (journal or {}).get("initial")
    if not isinstance(found, dict):
        return {}
    return {str(node): dict(values) for node, values in found.items() if isinstance(values, dict)}


def traces_in(journal: Mapping[str, Any] | None) -> Traces:
    """Give the traces that a journal names; what makes no sense names none."""
    found = (journal or {}).get("traces")
    if not isinstance(found, Mapping):
        return Traces()
    devices, routes = (
        value if isinstance(value, list) else [] for value in (found.get("devices"), found.get("routes"))
    )
    keys = (tuple(map(str, key)) for key in routes if isinstance(key, list))
    return Traces(frozenset(map(str, devices)), frozenset(keys))
