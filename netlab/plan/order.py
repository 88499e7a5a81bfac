"""From steps to what must come before what, and to one order.

Hard rules are edges: what provides comes before what needs it; an old claimant goes before a new one comes; a
replaced fact is deleted before it is created. A preference orders the rest: make before break, so deletions come
only when nothing else is ready, containers before what they hold (which then is gone already). Members alone leave at
once: a device must be out of a VRF or a bond before it gets the MTU, the addresses and the routes that it has outside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from netlab.facts import MAIN_TABLE, OnLink, Resource, Route
from netlab.plan.on_link import OnLinkIndex
from netlab.plan.steps import Action, Step

if TYPE_CHECKING:
    from networkx import DiGraph

#: When members leave: before devices are changed.
_LEAVING = 2


def edges(steps: Sequence[Step]) -> Iterator[tuple[int, int]]:
    """Give the pairs (earlier, later) that the hard rules demand.

    An address that leaves goes before it becomes somebody's gateway: IPv6 refuses a gateway that is our own, and IPv4
    takes it, but treats everything behind it as on-link ever after. A prefix that leaves goes before a route calls its
    gateway on-link, for IPv6 refuses one that is on-link elsewhere. A route that leaves goes before a gateway that it
    led away is named: the kernel looks gateways up like any address (fib_check_nh_gw, ip6_route_check_nh).
    """
    providers: dict[Resource, int] = {}
    on_link = OnLinkIndex[int]()
    leaving: dict[Resource, list[int]] = defaultdict(list)
    off_link = OnLinkIndex[int]()
    away = OnLinkIndex[int]()
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
                yield from ((other, index) for _, _, other in on_link.find(need) if other != index)
            elif need in providers:
                yield providers[need], index
        if leaving:
            if isinstance(step.fact, Route):
                yield from ((other, index) for other in _before_gateways(step.fact, leaving, off_link, away))
            for claim in (*step.fact.claims(), ("key", *step.fact.key)):
                yield from ((other, index) for other in leaving.get(claim, ()))


def step_graph(steps: Sequence[Step]) -> DiGraph[int]:
    """Turn steps into a graph: nodes are indices of steps, an edge a -> b says that a comes before b."""
    from networkx import DiGraph

    graph: DiGraph[int] = DiGraph()
    graph.add_nodes_from(range(len(steps)))
    graph.add_edges_from(edges(steps))
    return graph


def _before_gateways(
    route: Route, leaving: Mapping[Resource, Sequence[int]], off_link: OnLinkIndex[int], away: OnLinkIndex[int]
) -> Iterator[int]:
    """Give what must leave before the gateways of a route are named."""
    for via in route.gateways:
        yield from leaving.get(("local", route.node, via), ())
        yield from (other for _, _, other in away.find(OnLink(route.node, via)))
        if route.onlink:
            yield from (other for _, _, other in off_link.find(OnLink(route.node, via)))


def _leads_away(route: Route) -> bool:
    """Tell whether what a route covers is not on the link; a default route is the last that the kernel looks at."""
    away = bool(route.gateways) or not route.devices
    return away and route.table == MAIN_TABLE and not route.to.endswith("/0")


def order(steps: Sequence[Step]) -> list[Step]:
    """Give the steps in an order that keeps the hard rules, and the preference where they leave a choice.

    A topological sort after Kahn, with a heap: of the steps that nothing holds back any more, the preferred one. It is
    what networkx calls lexicographical_topological_sort; to load networkx would take longer than most plans.
    """
    later: list[list[int]] = [[] for _ in steps]
    held_by = [0] * len(steps)
    for before, after in set(edges(steps)):
        later[before].append(after)
        held_by[after] += 1
    ready = [preference(step, index) for index, step in enumerate(steps) if not held_by[index]]
    heapify(ready)
    found: list[Step] = []
    while ready:
        index = heappop(ready)[-1]
        found.append(steps[index])
        for after in later[index]:
            held_by[after] -= 1
            if not held_by[after]:
                heappush(ready, preference(steps[after], after))
    assert len(found) == len(steps), f"what waits for what goes in a circle among {len(steps) - len(found)} steps"
    return found


def preference(step: Step, index: int) -> tuple[int, int, int]:
    """Give what orders a step among those that may come next, the least first; the last number is its own."""
    rank = step.fact.rank
    if step.action is Action.DELETE and step.fact.family == "member":
        return 0, _LEAVING, index
    if step.action is Action.DELETE:
        # Programs hold their namespace open: they end before anything else is deleted.
        return 1, -1 if step.fact.family == "program" else rank, index
    return 0, rank, index
