"""The families of policy rules, which choose the routing table, and of neighbours, who are known without being asked.

Normal form: networks as in routes; a mark is `0x1` or, with a mask, `0x1/0xff`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netlab.facts.fact import Difference, Fact, Key, Need
from netlab.facts.routing import MAIN_TABLE

#: What becomes of packets besides being routed by a table, and FR_ACT_* (include/uapi/linux/fib_rules.h).
ACTIONS = {"table": 1, "blackhole": 6, "unreachable": 7, "prohibit": 8}


@dataclass(frozen=True, slots=True)
class PolicyRule(Fact):
    """A policy rule of a node: packets from, to, in by, out by, with a mark: by which table; lower priorities first.

    `other`: a rule of somebody else's that says more than that, as the kernel tells it; it is only ever deleted.
    """

    family: ClassVar[str] = "policy-rule"
    rank: ClassVar[int] = 6

    node: str
    version: int
    priority: int
    source: str | None = None
    to: str | None = None
    iif: str | None = None
    oif: str | None = None
    mark: str | None = None
    action: str = "table"
    table: int = 0
    other: str | None = None

    @property
    def key(self) -> Key:
        said = (self.source, self.to, self.iif, self.oif, self.mark, self.action, self.other)
        return (
            "policy-rule", self.node, str(self.version), str(self.priority), str(self.table), *(s or "" for s in said)
        )  # fmt: skip

    def needs(self) -> tuple[Need, ...]:
        return (("netns", self.node),)

    def label(self) -> str:
        return f"rule {self.priority}: {self.words()} in {self.node}"

    def words(self) -> str:
        """Say what the rule matches and does, as ip-rule(8) does."""
        if self.other is not None:
            return "something else"
        pairs = (("to", self.to), ("fwmark", self.mark), ("iif", self.iif), ("oif", self.oif))
        found = [f"from {self.source or 'all'}", *(f"{word} {value}" for word, value in pairs if value is not None)]
        return " ".join([*found, f"lookup {_table(self.table)}" if self.action == "table" else self.action])


def _table(number: int) -> str:
    return "main" if number == MAIN_TABLE else str(number)


@dataclass(frozen=True, slots=True)
class Neighbour(Fact):
    """A neighbour on a device whose link-layer address is known for good."""

    family: ClassVar[str] = "neighbour"
    rank: ClassVar[int] = 6
    live: ClassVar[frozenset[str]] = frozenset({"mac"})

    node: str
    device: str
    address: str
    mac: str

    @property
    def key(self) -> Key:
        return ("neighbour", self.node, self.device, self.address)

    @property
    def version(self) -> int:
        return 6 if ":" in self.address else 4

    def needs(self) -> tuple[Need, ...]:
        return (("device", self.node, self.device),)

    def differences(self, have: Fact) -> tuple[Difference, ...]:
        assert isinstance(have, Neighbour)
        return (Difference("mac", have.mac, self.mac),) if have.mac != self.mac else ()

    def label(self) -> str:
        return f"neighbour {self.address} on {self.node}:{self.device}"
