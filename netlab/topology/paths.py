"""Where packets would go, by the routes of the file alone: enough to choose addresses and to warn, no simulation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from netlab import names
from netlab.facts import MAIN_TABLE
from netlab.topology.draft import Device, Draft, NodeDraft
from netlab.topology.ip import Ip, literal, of_text
from netlab.topology.segments import Segments
from netlab.topology.settings import forwards

_MOST_HOPS = 32
Number = tuple[int, int]

_network = lru_cache(maxsize=65536)(of_text)


def is_loopback(number: Number) -> bool:
    """Tell whether an address is every node's own: 127.0.0.0/8, ::1."""
    version, value = number
    return value >> 24 == 127 if version == 4 else value == 1


class Hop(NamedTuple):
    """The next step of a packet: by which device, to which neighbour (None: nowhere, by a dead-end route)."""

    device: str | None
    neighbour: Number | None


def next_hop(node: NodeDraft, to: Number) -> Hop | None:
    """Look an address up in a node's main table, by longest prefix and lowest metric; None where no route holds it."""
    best: tuple[tuple[int, int], Hop] | None = None
    for ip, device in node.connected:
        if device.up and ip.holds(*to):
            rank = (ip.prefix, 0)
            if best is None or rank > best[0]:
                best = rank, Hop(device.name, to)
    for route, _ in node.routes:
        if route.table != MAIN_TABLE:
            continue
        network = _network(route.to)
        rank = (network.prefix, -route.metric)
        if network.holds(*to) and (best is None or rank > best[0]):
            # Of several ways the first stands for all.
            gateway = next(iter(route.gateways), None)
            via = literal(gateway) if gateway is not None else to
            best = rank, Hop(next(iter(route.devices), None), via if route.kind == "unicast" else None)
    return best[1] if best else None


class Paths:
    """Finds who holds an address, and which nodes a packet goes through."""

    def __init__(self, draft: Draft, segments: Segments) -> None:
        self.draft, self.segments = draft, segments
        self.holders: dict[Number, list[Device]] = {}
        for node in draft.nodes.values():
            for device in node.devices.values():
                for ip, _ in device.addresses:
                    self.holders.setdefault((ip.version, ip.value), []).append(device)

    def is_machine(self, node: NodeDraft) -> bool:
        """Whether a node is the real machine, whose routes and settings the file does not tell."""
        return node.name == names.HOST and not self.draft.sandboxed

    def holder(self, number: Number, beside: Device | None = None) -> Device | None:
        """Give the device that holds an address, the one on the link of `beside` first."""
        found = self.holders.get(number, [])
        if beside is not None and len(found) > 1:
            link = self.segments.of(beside)
            return next((one for one in found if self.segments.of(one) is link), found[0])
        return found[0] if found else None

    def best_address(self, source: NodeDraft, addresses: list[Ip]) -> Ip | None:
        """Choose which address of a node another one would use: on its link, else routed, else of a version it has."""
        versions = {ip.version for ip in source.addresses()}
        ranked: list[tuple[int, Ip]] = []
        for ip in addresses:
            number = (ip.version, ip.value)
            if number in source.own or any(one.holds(*number) for one, _ in source.connected):
                return ip
            ranked.append((0 if next_hop(source, number) is not None else 1 if ip.version in versions else 2, ip))
        return min(ranked, key=lambda one: one[0])[1] if ranked else None

    def fault(self, source: NodeDraft, to: Number) -> tuple[str, str, NodeDraft] | None:
        """Say why a packet would not arrive: ("no-route" or "forwarding-off", words, node); None where it would.

        Where the file does not tell (the real machine, addresses outside of the lab), None too.
        """
        if is_loopback(to):
            return None
        for node, hop in self._way(source, to):
            if self.is_machine(node) and (hop is None or node.forwarding is None):
                return None
            if node is not source and not forwards(node, to[0]):
                return "forwarding-off", f"forwarding of IPv{to[0]} is off in {node.name}", node
            if hop is None:
                return "no-route", f"{node.name} has no route to it", node
        return None

    def hides(self, source: NodeDraft, to: Number) -> bool:
        """Tell whether a node on the way gives packets another source address, to which the answers go."""
        return any(asked.chain.hook == "postrouting" for node, _ in self._way(source, to) for asked in node.chains)

    def _way(self, source: NodeDraft, to: Number) -> Iterator[tuple[NodeDraft, Hop | None]]:
        """Give the nodes that a packet goes through, and how it leaves each, as far as the file tells."""
        node = source
        for _ in range(_MOST_HOPS):
            if to in node.own:
                return
            hop = next_hop(node, to)
            yield node, hop
            if hop is None or hop.neighbour is None or hop.device is None:
                return
            found = self.holder(hop.neighbour, node.devices.get(hop.device))
            if found is None:
                return
            node = self.draft.nodes[found.node]
