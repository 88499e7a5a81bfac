"""From steps to a networkx graph of what must come before what, and to one order.

Hard rules are edges: what provides comes before what needs it; an old claimant goes before a new one comes; a
replaced fact is deleted before it is created. A preference orders the rest: make before break, so deletions come
only when nothing else is ready, containers before what they hold (which then is gone already). Members alone leave at
once: a device must be out of a VRF or a bond before it gets the MTU, the addresses and the routes that it has outside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from netlab.facts import MAIN_TABLE, OnLink, Resource, Route
from netlab.plan.steps import Action, Step

if TYPE_CHECKING:
    from networkx import DiGraph


#: When members leave: before devices are changed.
_LEAVING = 2


@lru_cache(maxsize=65536)
def _network(text: str) -> tuple[int, int, int]:
    network = ip_network(text)
    return network.version, network.prefixlen, int(network.network_address)


@lru_cache(maxsize=65536)
def _address(text: str) -> tuple[int, int, int]:
    address = ip_address(text)
    return address.version, int(address), address.max_prefixlen


class _OnLinkIndex:
    """Which step makes which prefix on-link, by node; a question costs one look-up per prefix length in use."""

    def __init__(self) -> None:
        self._by_prefix: dict[tuple[str, int, int, int], list[tuple[str, int]]] = defaultdict(list)
        self._lengths: dict[tuple[str, int], set[int]] = defaultdict(set)

    def add(self, node: str, device: str, network: str, index: int) -> None:
        version, length, base = _network(network)
        self._by_prefix[node, version, length, base].append((device, index))
        self._lengths[node, version].add(length)

    def find(self, need: OnLink) -> Iterator[int]:
        version, number, longest = _address(need.address)
        for length in self._lengths.get((need.node, version), ()):
            base = number >> (longest - length) << (longest - length)
            for device, index in self._by_prefix.get((need.node, version, length, base), ()):
                if need.device in (None, device):
                    yield index


def step_graph(steps: Sequence[Step]) -> DiGraph[int]:
    """Turn steps into a graph: nodes are indices of steps, an edge a -> b says that a comes before b."""
    from networkx import DiGraph

    graph: DiGraph[int] = DiGraph()
    graph.add_nodes_from(range(len(steps)))
    graph.add_edges_from(edges(steps))
    return graph


def edges(steps: Sequence[Step]) -> Iterator[tuple[int, int]]:
    """Give the pairs (earlier, later) that the hard rules demand.

    An address that leaves goes before it becomes somebody's gateway: IPv6 refuses a gateway that is our own, and IPv4
    takes it, but treats everything behind it as on-link ever after. A prefix that leaves goes before a route calls its
    gateway on-link, for IPv6 refuses one that is on-link elsewhere. A route that leaves goes before a gateway that it
    led away is named: the kernel looks gateways up like any address (fib_check_nh_gw, ip6_route_check_nh).
    """
    providers: dict[Resource, int] = {}
    on_link = _OnLinkIndex()
    leaving: dict[Resource, list[int]] = defaultdict(list)
    off_link = _OnLinkIndex()
    away = _OnLinkIndex()
    for index, step in enumerate(steps):
        if step.action is Action.DELETE:
            for claim in (*step.fact.claims(), *step.fact.provides(), ("key", *step.fact.key)):
                leaving[claim].append(index)
            for node, device, network in step.fact.connects():
                off_link.add(node, device, network, index)
            if isinstance(step.fact, Route) and _leads_away(step.fact):
                away.add(step.fact.node, "", step.fact.to, index)
            continue
        for resource in step.fact.provides():
            providers[resource] = index
        for node, device, network in step.fact.connects():
            on_link.add(node, device, network, index)
    for index, step in enumerate(steps):
        if step.action is Action.DELETE:
            continue
        for need in step.fact.needs():
            if isinstance(need, OnLink):
                yield from ((other, index) for other in on_link.find(need) if other != index)
            elif need in providers:
                yield providers[need], index
        if leaving:
            if isinstance(step.fact, Route) and step.fact.via is not None:
                yield from ((other, index) for other in leaving.get(("local", step.fact.node, step.fact.via), ()))
                yield from ((other, index) for other in away.find(OnLink(step.fact.node, step.fact.via)))
                if step.fact.onlink:
                    found = off_link.find(OnLink(step.fact.node, step.fact.via))
                    yield from ((other, index) for other in found)
            for claim in (*step.fact.claims(), ("key", *step.fact.key)):
                yield from ((other, index) for other in leaving.get(claim, ()))


def _leads_away(route: Route) -> bool:
    """Tell whether what a route covers is not on the link; a default route is the last that the kernel looks at."""
    return route.table == MAIN_TABLE and not route.to.endswith("/0") and (route.via is not None or route.device is None)


def order(steps: Sequence[Step]) -> list[Step]:
    """Give the steps in an order that keeps the hard rules, and the preference where they leave a choice."""
    from networkx import lexicographical_topological_sort

    def preference(index: int) -> tuple[int, int, int]:
        step = steps[index]
        rank = step.fact.rank
        if step.action is Action.DELETE and step.fact.family == "member":
            return 0, _LEAVING, index
        if step.action is Action.DELETE:
            # Programs hold their namespace open: they end before anything else is deleted.
            return 1, -1 if step.fact.family == "program" else rank, index
        return 0, rank, index

    return [steps[index] for index in lexicographical_topological_sort(step_graph(steps), key=preference)]
