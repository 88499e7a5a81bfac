"""A network -> who reaches whom: one walk for each pair of classes of nodes, not for each pair of nodes.

A node reaches another if a packet of its own comes to an address of the other's, and the answer comes back. Of several
addresses the first that is reached counts; where none is, the first one tells why. At the port that is asked for, and
wherever a translation leads from there, somebody is taken to listen: what is looked at is the network.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from netlab.simulator.alike import classes_of
from netlab.simulator.network import Network, Node
from netlab.simulator.packet import Version, is_link_local, is_loopback
from netlab.simulator.simulating import simulate
from netlab.simulator.trace import Question, end_of
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import End, Walk

Kind = Literal["icmp", "tcp", "udp"]
#: What an answer is, by what was asked.
_ANSWERS: Mapping[str, str] = {"icmp": "echo-reply", "tcp": "syn-ack", "udp": "datagram"}
#: A pair of classes, by number, and an IP version.
Cell = tuple[Version, int, int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of what one node sends to another: `end` is where it, or its answer (`back`), came to its end."""

    reaches: bool
    address: str
    back: bool
    end: End


@dataclass(frozen=True, slots=True)
class Reach:
    """Who reaches whom. A class with itself is any two of its nodes; nodes without an address are in no cell."""

    classes: tuple[tuple[str, ...], ...]
    cells: Mapping[Cell, Outcome]
    #: The class of each node.
    numbers: Mapping[str, int]

    def between(self, source: str, target: str, version: Version = 4) -> Outcome | None:
        """Give what becomes of packets from one node to another; None where one has no address of that version.

        What it tells is what becomes of those of the first two nodes that are like these.
        """
        if source == target:
            return None
        return self.cells.get((version, self.numbers[source], self.numbers[target]))

    def example(self, cell: Cell) -> tuple[str, str]:
        """Give the pair of nodes that was walked for a cell."""
        return _example(self.classes, cell[1], cell[2])

    def pairs(self, cell: Cell) -> int:
        """Give how many pairs of nodes a cell stands for."""
        _, i, j = cell
        return len(self.classes[i]) * (len(self.classes[j]) - (i == j))


def reach(network: Network, kind: Kind = "icmp", port: int = 0) -> Reach:
    """Find out who reaches whom by pings, or by TCP or UDP to a port."""
    return reach_between(network, classes_of(network), kind, port)


def reach_between(network: Network, classes: tuple[tuple[str, ...], ...], kind: Kind, port: int) -> Reach:
    """Find out who reaches whom, given classes of nodes that nothing tells apart."""
    held = [addresses_of(network.nodes[members[0]]) for members in classes]
    cells: dict[Cell, Outcome] = {}
    for i, sources in enumerate(classes):
        for j in range(len(classes)):
            if i == j and len(sources) == 1:
                continue
            source, target = _example(classes, i, j)
            targets = held[j] if i != j else addresses_of(network.nodes[target])
            for version in targets:
                if version in held[i]:
                    cells[version, i, j] = outcome_of(network, source, target, targets[version], kind, port)
    numbers = {name: number for number, members in enumerate(classes) for name in members}
    return Reach(classes, cells, numbers)


def _example(classes: tuple[tuple[str, ...], ...], i: int, j: int) -> tuple[str, str]:
    return classes[i][0], classes[j][int(i == j)]


def addresses_of(node: Node) -> dict[Version, list[str]]:
    """Give the addresses by which others can know a node, by version, in the order in which they were given."""
    found: dict[Version, list[str]] = {}
    for nic in node.devices.values():
        for address, _ in nic.addresses:
            if not is_loopback(address) and not is_link_local(address):
                found.setdefault(6 if ":" in address else 4, []).append(address)
    return found


def outcome_of(
    network: Network, source: str, target: str, addresses: list[str], kind: Kind = "icmp", port: int = 0
) -> Outcome:
    """Walk from one node to each address of another until one is reached."""
    first = None
    for address in addresses:
        found = _walked(network, source, target, address, kind, port, tells=False)
        if found.reaches:
            return found
        if first is None:
            first = found
    assert first is not None, f"{target} has no address"
    if first.end.verdict is Verdict.TTL_EXCEEDED:
        # Only a walk that tells knows a loop from a long way.
        return _walked(network, source, target, first.address, kind, port, tells=True)
    return first


class _Everywhere(Collection[tuple[str, str, int]]):
    """A listener at every port of every node."""

    def __contains__(self, one: object) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("listeners are everywhere")

    def __len__(self) -> int:
        raise AssertionError("listeners are everywhere")


def _walked(network: Network, source: str, target: str, address: str, kind: Kind, port: int, tells: bool) -> Outcome:
    packet = Question(kind, address, port).packet()
    walk = simulate(network, source, packet, listeners=_Everywhere(), tells=tells)
    end = end_of(walk, 0)
    if end.verdict is not Verdict.DELIVERED or not _came_to(walk, target, address):
        return Outcome(False, address, False, end)
    for number, leg in enumerate(walk.legs):
        if leg.reason == 0 and leg.packet.message == _ANSWERS[kind]:
            back = end_of(walk, number)
            came = back.verdict is Verdict.DELIVERED and back.node == source
            return Outcome(came, address, True, back)
    return Outcome(False, address, False, end)


def _came_to(walk: Walk, target: str, address: str) -> bool:
    """Tell whether a packet came to a node by an address of its own: it takes it in, or leads it on to another."""
    return any(
        leg == 0 and nic.node.name == target and packet.destination == address for leg, nic, packet in walk.arrivals
    )
