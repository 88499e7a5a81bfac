"""What a fact is: a frozen, comparable value that says one thing about a network.

Facts hold configuration, never state. A fact has

    key       its identity; two facts with one key are two versions of the same thing
    provides  resources that exist because of it
    needs     resources that must exist before it (and that take it along when they go)
    claims    exclusive resources: an old claimant goes before a new one comes
    live      the fields that can be changed in place

A field that is None is unset and not compared. Facts know nothing of files, planners or kernels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

Key = tuple[str, ...]
#: A thing that exists: ("netns", node) or ("device", node, device).
Resource = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OnLink:
    """The need of a gateway: any connected prefix of `node` (on `device`, if given) that holds `address`."""

    node: str
    address: str
    device: str | None = None


Need = Resource | OnLink


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs: its dotted name, its value before and its value after."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Fact:
    """The base of all facts; a subclass names its family, its place in the order, and its live fields."""

    family: ClassVar[str] = ""
    #: Facts of a lower rank come first where nothing else decides.
    rank: ClassVar[int] = 0
    live: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        raise AssertionError(f"{type(self).__name__} has no key")

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that the fact stands in."""
        return (self.key[1],)

    def provides(self) -> tuple[Resource, ...]:
        return ()

    def needs(self) -> tuple[Need, ...]:
        return ()

    def claims(self) -> tuple[Resource, ...]:
        return ()

    def connects(self) -> tuple[tuple[str, str, str], ...]:
        """Give the prefixes that become on-link by this fact, as (node, device, network)."""
        return ()

    def differences(self, have: Fact) -> tuple[Difference, ...]:
        """Give the fields in which `have` is not what this fact asks for; unset fields are not compared."""
        return tuple(compare("", self, have))

    def label(self) -> str:
        """Say in a few words which thing this is, as a person would."""
        return " ".join(self.key)


def compare(prefix: str, want: Any, have: Any) -> Iterator[Difference]:
    """Give the fields of two values of one class that differ, going into nested values."""
    for field in fields(want):
        a, b = getattr(want, field.name), getattr(have, field.name)
        if a is None or a == b:
            continue
        name = prefix + field.name
        if hasattr(a, "__dataclass_fields__") and type(a) is type(b):
            yield from compare(f"{name}.", a, b)
        else:
            yield Difference(name, b, a)


#: A set of facts, in a stable order.
Facts = Mapping[Key, Fact]


def facts_of(facts: Iterable[Fact]) -> dict[Key, Fact]:
    """Turn facts into a mapping by key; two different facts with one key are a fault of netlab's."""
    found: dict[Key, Fact] = {}
    for fact in facts:
        key = fact.key
        assert key not in found or found[key] == fact, f"two facts with one key: {found[key]} and {fact}"
        found[key] = fact
    return found
