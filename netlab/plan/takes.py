"""What a step takes along: the facts that the kernel drops with it, as pure rules over a set of facts.

    step                            takes                                             source
    ------------------------------  ------------------------------------------------  ------------------------
    delete a namespace              all in it, whole veth pairs, what hangs on them   default_device_exit
    delete a device                 its ports, addresses, routes, settings            unregister_netdevice
    delete a bridge                 the ports in it (the devices stay)                net/bridge/br_if.c br_dev_delete
    delete the last IPv4 address    all IPv4 routes through the device                fib_frontend.c fib_disable_ip
    delete a primary IPv4 address   its secondaries, unless promote_secondaries       devinet.c __inet_del_ifa
    delete an address               routes that prefer it as their source             fib_semantics.c fib_sync_down_addr
    set a device down               routes through it, its IPv6 addresses             fib_frontend.c, addrconf_ifdown
    set an MTU below 1280           all IPv6 of the device                            addrconf.c addrconf_notify
    write disable_ipv6              all IPv6 of the node                              addrconf.c addrconf_disable_ipv6

Programs are not the kernel's: they are ended by steps of their own. Which addresses are primary follows from the
order of the facts: the kernel lists primaries first and in the order in which they came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from netlab.facts import (
    Address,
    Bridge,
    DeviceSettings,
    End,
    Fact,
    Facts,
    Key,
    Namespace,
    Port,
    Program,
    Route,
    Settings,
    Stray,
    Veth,
    network_of,
)
from netlab.plan.steps import Action, Step

#: IPV6_MIN_MTU (include/uapi/linux/ipv6.h).
IPV6_MIN_MTU = 1280


class Present:
    """The facts that are there while a plan is walked, indexed by node and by device; changes step by step."""

    def __init__(self, facts: Facts) -> None:
        self.facts: dict[Key, Fact] = {}
        self._by_node: dict[str, dict[Key, None]] = defaultdict(dict)
        self._by_device: dict[tuple[str, str], dict[Key, None]] = defaultdict(dict)
        for fact in facts.values():
            self._add(fact)

    def _add(self, fact: Fact) -> None:
        key = fact.key
        self.facts[key] = fact
        for node in fact.nodes:
            self._by_node[node][key] = None
        for device in _devices(fact):
            self._by_device[device][key] = None

    def _remove(self, key: Key) -> None:
        fact = self.facts.pop(key)
        for node in fact.nodes:
            self._by_node[node].pop(key, None)
        for device in _devices(fact):
            self._by_device[device].pop(key, None)

    def do(self, step: Step) -> list[Fact]:
        """Carry out a step on the model; give what it takes along, the fact of the step itself not among it."""
        key = step.fact.key
        taken: list[Fact] = []
        if step.action is Action.CREATE:
            self._add(step.fact)
        elif step.action is Action.DELETE:
            fact = self.facts[key]
            self._remove(key)
            self._take(self._with(fact), taken)
        else:
            before = self.facts[key]
            # In place: the fact keeps its place in the order of addresses.
            for device in _devices(before):
                self._by_device[device].pop(key, None)
            self._add(step.fact)
            self._take(self._with_update(before, step.fact), taken)
        return taken

    def _take(self, keys: Iterator[Key], taken: list[Fact]) -> None:
        queue = list(keys)
        while queue:
            key = queue.pop()
            fact = self.facts.get(key)
            if fact is None:
                continue
            self._remove(key)
            taken.append(fact)
            queue.extend(self._with(fact))

    def _with(self, fact: Fact) -> Iterator[Key]:
        """Give the keys of what goes when a fact has gone."""
        if isinstance(fact, Namespace):
            for key in list(self._by_node[fact.node]):
                if not isinstance(self.facts[key], Program):
                    yield key
        elif isinstance(fact, (Bridge, Veth, Stray)):
            for _, node, name in fact.provides():
                yield from list(self._by_device[node, name])
        elif isinstance(fact, Address):
            yield from self._with_address(fact)

    def _with_address(self, fact: Address) -> Iterator[Key]:
        alone = fact.address.partition("/")[0]
        same_device = [self.facts[key] for key in self._by_device[fact.node, fact.device]]
        same_family = [a for a in same_device if isinstance(a, Address) and a.version == fact.version]
        for key in list(self._by_node[fact.node]):
            route = self.facts[key]
            if isinstance(route, Route) and route.source == alone:
                yield key
        if fact.version == 6:
            return
        if not same_family:
            yield from (r.key for r in same_device if isinstance(r, Route) and r.version == 4)
        elif not self._promotes(fact.node):
            # Every other address of the subnet came later, or it would have been the primary itself.
            yield from (a.key for a in same_family if network_of(a.address) == network_of(fact.address))

    def _promotes(self, node: str) -> bool:
        settings = self.facts.get(("settings", node))
        values = dict(settings.values) if isinstance(settings, Settings) else {}
        return values.get("net.ipv4.conf.all.promote_secondaries") == "1"

    def _with_update(self, before: Fact, after: Fact) -> Iterator[Key]:
        if isinstance(before, Settings) and isinstance(after, Settings):
            name = "net.ipv6.conf.all.disable_ipv6"
            if dict(after.values).get(name) == "1" and dict(before.values).get(name) != "1":
                yield from self._ipv6(list(self._by_node[after.node]))
            return
        for (was, now), (node, device) in zip(_link_pairs(before, after), _devices(after), strict=False):
            held = list(self._by_device[node, device])
            if was.up and not now.up:
                yield from self._ipv6(held)
                yield from (k for k in held if isinstance(self.facts[k], Route))
            if now.mtu is not None and now.mtu < IPV6_MIN_MTU and (was.mtu is None or was.mtu >= IPV6_MIN_MTU):
                yield from self._ipv6(held)

    def _ipv6(self, keys: list[Key]) -> Iterator[Key]:
        for key in keys:
            fact = self.facts.get(key)
            if isinstance(fact, (Address, Route)) and fact.version == 6:
                yield key


def _devices(fact: Fact) -> tuple[tuple[str, str], ...]:
    """Give the devices that a fact makes or hangs on."""
    if isinstance(fact, Veth):
        return ((fact.a.node, fact.a.name), (fact.b.node, fact.b.name))
    if isinstance(fact, (Bridge, Stray)):
        return ((fact.node, fact.name),)
    if isinstance(fact, Port):
        return ((fact.node, fact.device), (fact.node, fact.bridge))
    if isinstance(fact, (Address, DeviceSettings)):
        return ((fact.node, fact.device),)
    if isinstance(fact, Route) and fact.device is not None:
        return ((fact.node, fact.device),)
    return ()


def _link_pairs(before: Fact, after: Fact) -> tuple[tuple[Bridge | End, Bridge | End], ...]:
    if isinstance(before, Veth) and isinstance(after, Veth):
        return ((before.a, after.a), (before.b, after.b))
    if isinstance(before, Bridge) and isinstance(after, Bridge):
        return ((before, after),)
    return ()
