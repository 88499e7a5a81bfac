"""A network -> classes of nodes that nothing tells apart but their names, addresses and MACs.

Two nodes of a class can change places, each with all that it has and the port that it is plugged into, and the network
is the same: so a packet from one to a third ends as one from the other does. A class is all nodes of one *signature*:
everything of a node that a packet can depend on, with what is its own (names, addresses, MACs) replaced by its place.
What a signature cannot say makes a node a class of its own: an address that another node mentions (`mentions`) or has
too, a MAC that is known somewhere, a device that its neighbour names, bridges in a loop (`loops`). When in doubt, a
node stands alone: that costs time, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import fields

from netlab.facts import Chain, Impairment, Port
from netlab.facts.other_rules import OtherRule
from netlab.names import HOST
from netlab.simulator.ears import is_own, speaks_for_others
from netlab.simulator.loops import looped_bridges
from netlab.simulator.mentions import Mentions
from netlab.simulator.network import Choice, Entry, Network, Nic, Node
from netlab.simulator.packet import is_loopback, number_of

#: A setting of one device, and the names that stand for all of them.
_OF_DEVICE = re.compile(r"(net\.ipv[46]\.\w+)\.(.+)\.(\w+)")
_NO_DEVICES = ("all", "default", "lo")
#: Fields that say whose a fact is, not what it says.
_WHOSE = ("node", "device", "bridge")
#: Kinds of devices that lead out of the lab, or of which more nodes than one may be at the other end.
_STRANGE = frozenset({"external", "vxlan"})


def classes_of(network: Network) -> tuple[tuple[str, ...], ...]:
    """Give the classes, each by its nodes, in the order of the network."""
    sight = _Sight(network)
    found: dict[Hashable, list[str]] = {}
    for node in network.nodes.values():
        sign = None if sight.stands_alone(node) else _Signature(sight, node).whole()
        found.setdefault(("alone", node.name) if sign is None else sign, []).append(node.name)
    return tuple(map(tuple, found.values()))


class _Sight:
    """What of a network cannot be seen from one node of it, looked up once."""

    def __init__(self, network: Network) -> None:
        self.mentions = Mentions(network)
        self.looped = looped_bridges(network)
        #: How many devices have an address, and which nodes a MAC; lo's are everybody's.
        self.holders: dict[str, int] = {}
        self.owners: dict[str, set[Node]] = {}
        #: Devices that routes lead out of, and names that rules and neighbours of a node mention.
        self.used: set[Nic] = set()
        self.named: dict[Node, frozenset[str]] = {}
        self.proxies = {node for node in network.nodes.values() if speaks_for_others(node)}
        self._settings: dict[Node, dict[str, list[tuple[str, str, str]]]] = {}
        self._places: dict[Nic, dict[Nic, int]] = {}
        for node in network.nodes.values():
            self.named[node] = frozenset(_names_in(node))
            for nic in node.devices.values():
                if nic.kind != "lo":
                    self.owners.setdefault(nic.mac, set()).add(node)
                for address, _ in nic.addresses:
                    self.holders[address] = self.holders.get(address, 0) + 1
            for table in node.tables.values():
                self.used.update(_led_out_of(node, table.entries()))

    def stands_alone(self, node: Node) -> bool:
        """Tell whether a node is like no other, whatever it looks like."""
        if node.name == HOST or self.mentions.mixed or node in self.proxies or _has_others_rules(node):
            return True
        return any(self._is_odd(nic) for nic in node.devices.values() if nic.kind != "lo") or any(
            self.holders[address] > 1
            for nic in node.devices.values()
            for address, _ in nic.addresses
            if not is_loopback(address)
        )

    def _is_odd(self, nic: Nic) -> bool:
        if nic.kind in _STRANGE or (nic.kind == "bridge" and bool(nic.options.get("stp"))) or nic in self.looped:
            return True
        if nic.mac in self.mentions.macs or len(self.owners[nic.mac]) > 1:
            return True
        far = nic.peer
        return nic.kind == "veth" and far is not None and far.node is not nic.node and not self._is_plain_port(far)

    def _is_plain_port(self, far: Nic) -> bool:
        """Tell whether a device of another node is a port of a bridge and nothing else."""
        bridge = far.master
        if bridge is None or bridge.kind != "bridge" or bridge in self.looped or far.uppers or far.addresses:
            return False
        if far.mac in self.mentions.macs or len(self.owners[far.mac]) > 1 or far in self.used:
            return False
        return far.name not in self.named[far.node] and sum(far.mac == one.mac for one in _of(far.node, bridge)) == 1

    def settings_of(self, nic: Nic) -> tuple[tuple[str, str, str], ...]:
        """Give what is set of a device alone: the table, the setting, its value."""
        node = nic.node
        if node not in self._settings:
            by_device = self._settings[node] = {}
            for name, value in node.settings.items():
                if (found := _OF_DEVICE.fullmatch(name)) is not None:
                    by_device.setdefault(found[2], []).append((found[1], found[3], value))
        return tuple(sorted(self._settings[node].get(nic.name, ())))

    def place_of(self, port: Nic) -> int:
        """Give how many ports that somebody may answer for others behind come before a port: those are asked first."""
        bridge = port.master
        assert bridge is not None
        if not self.proxies:
            return 0
        if bridge not in self._places:
            places, before = self._places.setdefault(bridge, {}), 0
            for one in bridge.members:
                places[one] = before
                before += self._leads_to_proxies(one)
        return self._places[bridge][port]

    def _leads_to_proxies(self, port: Nic) -> bool:
        far = port.peer
        return port.kind != "veth" or far is None or far.node in self.proxies or far.master is not None


def _of(node: Node, bridge: Nic) -> Iterable[Nic]:
    """Give the devices of a node whose MACs a bridge looks at."""
    assert bridge.node is node
    return (bridge, *bridge.members)


def _has_others_rules(node: Node) -> bool:
    """Tell whether somebody's own rules look at what a node carries: at more than a signature says."""
    every = (rule for chains in node.chains.values() for chain in chains for rule in chain.rules)
    return any(isinstance(rule, OtherRule) for rule in every)


def _names_in(node: Node) -> Iterable[str]:
    for chains in node.chains.values():
        for rule in (rule for chain in chains for rule in chain.rules):
            yield from (name.removeprefix("!") for name in (rule.iif, rule.oif) if name is not None)
    for choices in node.choices.values():
        for fact in (choice.fact for choice in choices if choice.fact is not None):
            yield from (name for name in (fact.iif, fact.oif) if name is not None)
    yield from (device for device, _ in node.neighbours)
    for nic in node.devices.values():
        yield from (str(value) for name, value in nic.options.items() if name in ("over", "primary"))


def _led_out_of(node: Node, entries: Iterable[Entry]) -> Iterable[Nic]:
    """Give the devices that routes lead out of, but for what each device has by itself: its link-local address."""
    for entry in entries:
        for hop in entry.hops:
            own = is_own(node, entry) and entry.to == f"{hop.nic.link_local}/128"
            if not own:
                yield hop.nic


class _Signature:
    """One node, as anybody sees it who knows neither its name nor its addresses."""

    def __init__(self, sight: _Sight, node: Node) -> None:
        self._sight = sight
        self._node = node
        self._devices = list(node.devices.values())
        self._indices = {nic: number for number, nic in enumerate(self._devices)}
        self._names = {nic.name: number for nic, number in self._indices.items()}
        self._own: dict[str, tuple[str, int, int]] = {}
        for number, nic in enumerate(self._devices):
            for place, (address, _) in enumerate(nic.addresses):
                self._own.setdefault(address, ("address", number, place))
            if nic.link_local is not None:
                self._own.setdefault(nic.link_local, ("link", number, 0))

    def whole(self) -> Hashable:
        """Give all of it."""
        node = self._node
        return (
            tuple(map(self._device, self._devices)),
            tuple(sorted(self._setting(name, value) for name, value in node.settings.items())),
            tuple(
                (key, tuple(map(self._route, table.entries())))
                for key, table in sorted(node.tables.items(), key=lambda one: one[0])
            ),
            tuple((version, tuple(map(self._choice, choices))) for version, choices in node.choices.items()),
            tuple(sorted((str(self._named(name)), *told, mac) for (name, *told), (mac, _) in node.neighbours.items())),
            tuple((hook, tuple(map(self._chain, chains))) for hook, chains in sorted(node.chains.items())),
            tuple((self._mine(address), self._at(nic)) for address, nic in node.addresses.items()),
            tuple((address, tuple(map(self._at, nics))) for address, nics in node.anycast.items()),
        )

    # -- devices

    def _device(self, nic: Nic) -> Hashable:
        return (
            (nic.kind, nic.mtu, nic.up, nic.filtering, self._plug(nic), _port_of(nic), _said(nic.impairment)),
            (self._at(nic.lower), self._at(nic.master)),
            tuple(map(self._at, nic.uppers)),
            tuple(map(self._at, nic.members)),
            tuple(sorted(self._names.get(name, -1) for name in nic.closed)),
            tuple((name, self._option(name, value)) for name, value in sorted(nic.options.items())),
            tuple((mac, *hosts) for mac, hosts in sorted(nic.remotes.items())),
            tuple(self._held(address, length) for address, length in nic.addresses),
            self._mac(nic),
        )

    def _at(self, nic: Nic | None) -> int | None:
        return None if nic is None else self._indices[nic]

    def _option(self, name: str, value: int | str) -> Hashable:
        return self._names.get(str(value), value) if name in ("over", "primary") else value

    def _held(self, address: str, length: int) -> Hashable:
        """Say of an address what others see of it: its subnet, and the longest prefix that anybody mentions."""
        if is_loopback(address):
            return address, length
        six = ":" in address
        bits = 128 if six else 32
        number = number_of(address)
        subnet = number >> (bits - length) if length < bits else None
        return six, length, subnet, self._sight.mentions.longest(address), number & self._sight.mentions.mask

    def _mac(self, nic: Nic) -> Hashable:
        """Say which devices of the node share a MAC, and what there is to say of it."""
        first = next(number for number, other in enumerate(self._devices) if other.mac == nic.mac)
        return first, nic.mac[1] in "13579bdf", self._link_local(nic)

    def _plug(self, nic: Nic) -> Hashable:
        """Say where the other end of a cable is: in the node itself, or a port of a bridge of another."""
        far = nic.peer
        if far is None:
            return None
        if far.node is self._node:
            return self._at(far)
        bridge = far.master
        assert bridge is not None
        others = [one for one in self._devices if one.peer is not None and one.peer.master is bridge]
        order = sum(bridge.members.index(one.peer) < bridge.members.index(far) for one in others if one.peer) if (
            len(others) > 1
        ) else 0  # fmt: skip
        return (
            (bridge.node.name, bridge.name, order, self._sight.place_of(far), far.name in bridge.closed),
            (far.mtu, far.up, _port_of(far), _said(far.impairment), self._sight.settings_of(far)),
            tuple(sorted(far.options.items())),
            self._link_local(far),
        )

    def _link_local(self, nic: Nic) -> Hashable:
        own = nic.link_local
        return self._sight.mentions.longest(own) if own is not None else None

    # -- what else it has

    def _mine(self, address: str) -> Hashable:
        return self._own.get(address, address)

    def _named(self, name: str) -> Hashable:
        """Give a name of a device by its place; one that is not there stays what it is."""
        bare = name.removeprefix("!")
        return (name[: -len(bare)], self._names[bare]) if bare in self._names else name

    def _setting(self, name: str, value: str) -> tuple[str, str, str]:
        found = _OF_DEVICE.fullmatch(name)
        if found is None or found[2] in _NO_DEVICES or found[2] not in self._names:
            return name, "", value
        return f"{found[1]}.{found[3]}", f"{self._names[found[2]]:05}", value

    def _route(self, entry: Entry) -> Hashable:
        to: Hashable = self._mine(entry.to.partition("/")[0]) if is_own(self._node, entry) else entry.to
        hops = tuple((hop.via, self._at(hop.nic), hop.weight) for hop in entry.hops)
        source = None if entry.source is None else self._mine(entry.source)
        return to, entry.length, entry.kind, entry.table, hops, entry.metric, source, entry.mtu

    def _choice(self, choice: Choice) -> Hashable:
        fact = choice.fact
        said = None if fact is None else (fact.source, fact.to, fact.mark, *(
            None if name is None else self._named(name) for name in (fact.iif, fact.oif)
        ))  # fmt: skip
        return choice.priority, choice.action, choice.table, choice.of_vrf, said

    def _chain(self, chain: Chain) -> Hashable:
        rules = tuple(
            tuple(
                value if name not in ("iif", "oif") or value is None else self._named(value)
                for name, value in ((field.name, getattr(rule, field.name)) for field in fields(rule))
            )
            for rule in chain.rules
        )
        return chain.name, chain.kind, chain.priority, chain.policy, chain.version, rules


def _port_of(nic: Nic) -> Hashable:
    return _said(nic.port)


def _said(fact: Port | Impairment | None) -> Hashable:
    """Give what a fact says, whosever it is."""
    if fact is None:
        return None
    return tuple(getattr(fact, field.name) for field in fields(fact) if field.name not in _WHOSE)
