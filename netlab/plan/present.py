"""The facts that are there while a plan is walked: indexed, and asked what they provide and what is on-link."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace

from netlab.facts import (
    Address,
    Bridge,
    Device,
    DeviceSettings,
    End,
    External,
    Fact,
    Facts,
    Forwarding,
    Impairment,
    Key,
    Member,
    Namespace,
    Need,
    Neighbour,
    OnLink,
    Port,
    Resource,
    Route,
    Stray,
    Veth,
)
from netlab.plan.on_link import OnLinkIndex


def located(facts: Facts) -> Facts:
    """Give wanted facts with each gateway's device filled in, where one device has the closest prefix that holds it.

    The kernel finds the device when the route is made, perhaps by an address that is about to leave; so a plan says it.
    """
    lost = [r for r in facts.values() if isinstance(r, Route) and r.via and r.device is None and not r.onlink]
    if not lost:
        return facts
    nodes = {route.node for route in lost}
    present = Present({key: fact for key, fact in facts.items() if nodes.intersection(fact.nodes)})
    return {**facts, **{route.key: present.resolved(route) for route in lost}}


class Present:
    """The facts that are there while a plan is walked, indexed by node and by device; changes step by step."""

    def __init__(self, facts: Facts) -> None:
        self.facts: dict[Key, Fact] = {}
        self._by_node: dict[str, dict[Key, None]] = defaultdict(dict)
        self._by_device: dict[tuple[str, str], dict[Key, None]] = defaultdict(dict)
        self._provided: Counter[Resource] = Counter()
        #: The routes that prefer a source address, by node and address.
        self._preferring: dict[tuple[str, str], dict[Key, None]] = defaultdict(dict)
        #: What is on-link, of the nodes that were asked about.
        self._on_link: OnLinkIndex[Key] = OnLinkIndex()
        self._asked: set[str] = set()
        for fact in facts.values():
            self._add(fact)

    def _add(self, fact: Fact) -> None:
        key = fact.key
        self.facts[key] = fact
        self._provided.update(fact.provides())
        for node in fact.nodes:
            self._by_node[node][key] = None
        for device in devices_of(fact):
            self._by_device[device][key] = None
        if isinstance(fact, Route) and fact.source is not None:
            self._preferring[fact.node, fact.source][key] = None
        for connection in self._connections(fact):
            self._on_link.add(*connection, key)

    def _remove(self, key: Key) -> None:
        fact = self.facts[key]
        self._leave(fact)
        del self.facts[key]
        for node in fact.nodes:
            self._by_node[node].pop(key, None)

    def _change(self, fact: Fact) -> None:
        """Put a fact in the place of the one with its key."""
        self._leave(self.facts[fact.key])
        self._add(fact)

    def _leave(self, fact: Fact) -> None:
        """Take a fact out of what its fields decide; its key tells the nodes."""
        self._provided.subtract(fact.provides())
        for device in devices_of(fact):
            self._by_device[device].pop(fact.key, None)
        if isinstance(fact, Route) and fact.source is not None:
            self._preferring[fact.node, fact.source].pop(fact.key, None)
        for connection in self._connections(fact):
            self._on_link.remove(*connection, fact.key)

    def _connections(self, fact: Fact) -> list[tuple[str, str, str]]:
        """Give what a fact makes on-link in the nodes that were asked about."""
        return [one for one in fact.connects() if one[0] in self._asked] if self._asked else []

    def meets(self, need: Need) -> bool:
        """Tell whether a need is met now."""
        if not isinstance(need, OnLink):
            return self._provided[need] > 0
        return any(self._ways(need))

    def _ways(self, need: OnLink) -> Iterator[tuple[int, str]]:
        """Give (prefix length, device) of each connected prefix that holds the address."""
        if need.node not in self._asked:
            self._asked.add(need.node)
            for key in self._by_node[need.node]:
                for connection in self._connections(self.facts[key]):
                    self._on_link.add(*connection, key)
        for length, device, _ in self._on_link.find(need):
            if self._is_up(need.node, device):
                yield length, device

    def _is_up(self, node: str, device: str) -> bool:
        if device == "lo":
            namespace = self.facts.get(("netns", node))
            return not isinstance(namespace, Namespace) or namespace.up
        facts = (self.facts[key] for key in self._by_device[node, device])
        links = (link for fact in facts for link in links_of(fact) if (link.node, link.name) == (node, device))
        return all(link.up for link in links)

    def resolved(self, route: Route) -> Route:
        """Give a route by a gateway alone the device that the kernel will find for it; not where two are as close."""
        if route.device is not None or route.via is None:
            return route
        ways = sorted(self._ways(OnLink(route.node, route.via)), reverse=True)
        closest = {device for length, device in ways if length == ways[0][0]}
        return replace(route, device=closest.pop()) if len(closest) == 1 else route


def devices_of(fact: Fact) -> tuple[tuple[str, str], ...]:
    """Give the devices that a fact makes or hangs on."""
    if isinstance(fact, Veth):
        return ((fact.a.node, fact.a.name), (fact.b.node, fact.b.name))
    if isinstance(fact, (Bridge, Stray, External)):
        return ((fact.node, fact.name),)
    if isinstance(fact, Device):
        return ((fact.node, fact.name), *([] if fact.over is None else [(fact.node, fact.over)]))
    if isinstance(fact, Port):
        return ((fact.node, fact.device), (fact.node, fact.bridge))
    if isinstance(fact, Member):
        return ((fact.node, fact.device), (fact.node, fact.master))
    if isinstance(fact, (Address, DeviceSettings, Forwarding, Impairment, Neighbour)):
        return ((fact.node, fact.device),)
    if isinstance(fact, Route):
        return tuple((fact.node, device) for device in fact.devices)
    return ()


def links_of(fact: Fact | None) -> tuple[Bridge | End | Device, ...]:
    """Give the devices that a fact configures."""
    if isinstance(fact, Veth):
        return (fact.a, fact.b)
    return (fact,) if isinstance(fact, (Bridge, Device)) else ()


def bare(address: Address) -> str:
    return address.address.partition("/")[0]
