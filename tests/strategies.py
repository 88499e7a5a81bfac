"""Random labs, as facts: small pools of names, addresses and MTUs, so that any two labs collide a lot.

A soup of facts is drawn freely, then `tidy` leaves out what no valid file could mean (a route without a way, IPv6 on
an MTU below 1280) and adds the settings that every node gets. `edited` makes the changes people make: swapped
nodes, moved addresses, other MTUs. All draw from a `Random`, which hypothesis can shrink and a loop can seed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from random import Random

from hypothesis import strategies as st

from netlab.facts import (
    MAIN_TABLE,
    Address,
    Bridge,
    Chain,
    Device,
    DeviceSettings,
    End,
    Fact,
    Facts,
    Forwarding,
    Impairment,
    Member,
    Namespace,
    Neighbour,
    PolicyRule,
    Port,
    Route,
    Settings,
    Veth,
    facts_of,
    veth,
)
from netlab.facts.links import PORT_SWITCHES
from netlab.names import HOST, derived_mac
from tests.other_devices import (
    EVERY_KIND,
    NAMES,
    Stacks,
    changed,
    random_devices,
    random_forwarding,
    swap_names,
)
from tests.random_chains import changed_chains, random_chains
from tests.random_policy import changed_policy, random_policy

NODES = ("n0", "n1", "n2", HOST)
DEVICES = ("e0", "e1", "e2")
BRIDGES = ("br0", "br1")
MTUS = (1500, 1500, 1500, 1400, 1280, 1279, 1000)
DESTINATIONS = ("0.0.0.0/0", "172.16.0.0/24", "172.16.1.0/24", "192.0.2.0/24", "::/0", "fd99::/64", "fd98::/64")
#: What stands in one node, in no order.
_IN_A_NODE = (Address, Route, DeviceSettings, PolicyRule, Neighbour, Impairment)
KINDS = ("blackhole", "unreachable", "prohibit")


def random_lab(rng: Random, machine: bool = False, kinds: Collection[str] = EVERY_KIND) -> Facts:
    """Draw a lab of these kinds of devices. On a real machine the host is no fact, and neither are its settings."""
    return tidy(_soup(rng, machine), rng, machine, kinds)


def edited(lab: Facts, rng: Random, machine: bool = False, kinds: Collection[str] = EVERY_KIND) -> Facts:
    """Change a lab in one to three of the ways in which people change files."""
    facts = list(lab.values())
    ways = (_swap_nodes, _swap_devices, _shuffle_addresses, _change_links, _change_others, _lose_some, _gain_some)
    for _ in range(rng.randint(1, 3)):
        facts = rng.choice(ways)(facts, rng, machine)
    return tidy(facts, rng, machine, kinds)


def pairs_of_labs(machine: bool = False) -> st.SearchStrategy[tuple[Facts, Facts]]:
    """The strategy of two labs of one name: the second is an edit of the first, or quite another."""

    def draw(rng: Random) -> tuple[Facts, Facts]:
        first = random_lab(rng, machine)
        return first, edited(first, rng, machine) if rng.random() < 0.6 else random_lab(rng, machine)

    return st.randoms(use_true_random=False).map(draw)


# -- drawing


def _soup(rng: Random, machine: bool) -> list[Fact]:
    nodes = [node for node in NODES if rng.random() < 0.75]
    found: list[Fact] = [Namespace(node, rng.random() < 0.95) for node in nodes if not (machine and node == HOST)]
    places = [(node, name) for node in nodes for name in DEVICES]
    rng.shuffle(places)
    for one, other in zip(places[::2], places[1::2], strict=False):
        if rng.random() < 0.75:
            found.append(veth(_end(rng, *one), _end(rng, *other)))
    found += [_bridge(rng, node, name) for node in nodes for name in BRIDGES if rng.random() < 0.35]
    for node in nodes:
        found += random_chains(rng, node)
        found += random_devices(rng, node)
        found += [_port(rng, node, device) for device in (*DEVICES, "d0", "d1") if rng.random() < 0.3]
        provided = [resource for fact in found for resource in fact.provides()]
        devices = [resource[2] for resource in provided if resource[:2] == ("device", node)] or ["lo"]
        held = [_address(rng, node, rng.choice(devices)) for _ in range(rng.choice((0, 1, 2, 3, 4, 6)))]
        found += held
        found += random_policy(rng, node, held)
        found += [_route(rng, node, held) for _ in range(rng.choice((0, 1, 2, 4, 6)))]
        if rng.random() < 0.3:
            found.append(_device_settings(rng, node, rng.choice((*DEVICES, *NAMES))))
    return found


def _end(rng: Random, node: str, name: str) -> End:
    return End(node, name, _mac(rng, node, name), rng.choice(MTUS), rng.random() < 0.9)


def _mac(rng: Random, node: str, name: str) -> str:
    return derived_mac("lab", node, name) if rng.random() < 0.8 else f"02:00:00:00:00:0{rng.randint(1, 9)}"


def _bridge(rng: Random, node: str, name: str) -> Bridge:
    stp = rng.choice((None, None, True, False))
    return Bridge(node, name, _mac(rng, node, name), rng.choice(MTUS), rng.random() < 0.9, stp)


def _port(rng: Random, node: str, device: str) -> Port:
    switches = {name: born != (rng.random() < 0.2) for name, born in PORT_SWITCHES.items()}
    return Port(node, device, rng.choice(BRIDGES), **switches, vlans=None)


def _address(rng: Random, node: str, device: str) -> Address:
    subnet, number = rng.randint(0, 2), rng.randint(1, 7)
    if device == "lo":
        # IPv4 takes a longer prefix on `lo` for the node's own, all of it.
        return Address(node, device, rng.choice((f"10.0.{subnet}.{number}/32", f"fd00:{subnet + 1}::{number}/128")))
    if rng.random() < 0.7:
        return Address(node, device, f"10.0.{subnet}.{number}/{rng.choice((24, 24, 24, 16, 32))}")
    return Address(node, device, f"fd00:{subnet + 1}::{number}/{rng.choice((64, 64, 128))}")


def _route(rng: Random, node: str, held: list[Address]) -> Route:
    """Draw a route of a node that holds these addresses; most have a gateway that is on-link by one of them."""
    table, metric = rng.choice((254, 254, 254, 100)), rng.choice((0, 0, 100))
    if not held or rng.random() < 0.2:
        return Route(node, rng.choice(DESTINATIONS), None, None, table, metric, rng.choice(KINDS))
    address = rng.choice(held)
    of_version = [other for other in held if other.version == address.version]
    to = rng.choice([to for to in DESTINATIONS if (":" in to) == (address.version == 6)])
    via = _gateway(rng, address) if rng.random() < 0.8 else None
    onlink = via is not None and rng.random() < 0.1
    device = address.device if via is None or onlink or rng.random() < 0.5 else None
    beside = [other for other in of_version if other.device not in (address.device, "lo")]
    if beside and address.device != "lo" and rng.random() < 0.3:
        ends = (address, rng.choice(beside))
        hops = sorted(((_gateway(rng, end), end.device, rng.choice((1, 2, 7))) for end in ends), key=repr)
        return Route(node, to, None, None, table, metric, hops=tuple(hops))
    source = rng.choice(of_version).address.partition("/")[0] if rng.random() < 0.3 else None
    return Route(node, to, via, device, table, metric, "unicast", source, onlink, rng.choice((None, None, 1400)))


def _gateway(rng: Random, address: Address) -> str:
    if rng.random() < 0.1:
        # On-link, if at all, by a route of its own.
        return "fd99::9" if address.version == 6 else "192.0.2.9"
    base = address.address.partition("/")[0].rpartition(":" if address.version == 6 else ".")[0]
    return f"{base}{':' if address.version == 6 else '.'}{rng.randint(1, 9)}"


def _device_settings(rng: Random, node: str, device: str) -> DeviceSettings:
    values = {
        f"net.ipv4.conf.{device}.forwarding": rng.choice("01"),
        f"net.ipv4.conf.{device}.rp_filter": rng.choice("12"),
        f"net.ipv6.conf.{device}.accept_ra": rng.choice("12"),
    }
    names = sorted(rng.sample(sorted(values), rng.randint(1, 3)))
    return DeviceSettings(node, device, tuple((name, values[name]) for name in names))


# -- editing


def _swap_nodes(facts: list[Fact], rng: Random, machine: bool) -> list[Fact]:
    one, other = rng.sample(NODES[:-1] if machine else NODES, 2)
    names = {one: other, other: one}
    return [_renamed(fact, names) for fact in facts if not isinstance(fact, Settings)]


def _renamed(fact: Fact, names: dict[str, str]) -> Fact:
    if isinstance(fact, Veth):
        ends = [replace(end, node=names.get(end.node, end.node)) for end in (fact.a, fact.b)]
        return veth(*ends)
    assert isinstance(fact, (Namespace, Chain, Bridge, Device, Port, Member, Forwarding, *_IN_A_NODE))
    return replace(fact, node=names.get(fact.node, fact.node))


def _swap_devices(facts: list[Fact], rng: Random, machine: bool) -> list[Fact]:
    one, other = rng.sample(sorted({*DEVICES, *BRIDGES, *NAMES}), 2)
    return swap_names(facts, rng.choice(NODES), one, other)


def _change_others(facts: list[Fact], rng: Random, machine: bool) -> list[Fact]:
    found: list[Fact] = []
    for fact in facts:
        if isinstance(fact, Device) and rng.random() < 0.6:
            fact = changed(rng, fact)
        elif isinstance(fact, Forwarding) and rng.random() < 0.4:
            fact = random_forwarding(rng, fact.node, fact.device)
        found.append(fact)
    return changed_policy(changed_chains(found, rng), rng)


def _shuffle_addresses(facts: list[Fact], rng: Random, machine: bool) -> list[Fact]:
    addresses = [fact for fact in facts if isinstance(fact, Address)]
    values = [fact.address for fact in addresses]
    rng.shuffle(values)
    moved = [
        replace(fact, address=value)
        for fact, value in zip(addresses, values, strict=True)
        if fact.device != "lo" or value.endswith(("/32", "/128"))
    ]
    return [fact for fact in facts if not isinstance(fact, Address)] + list(moved)


def _change_links(facts: list[Fact], rng: Random, machine: bool) -> list[Fact]:
    def end(one: End) -> End:
        return _end(rng, one.node, one.name) if rng.random() < 0.5 else one

    found: list[Fact] = []
    for fact in facts:
        if isinstance(fact, Veth):
            fact = Veth(end(fact.a), end(fact.b))
        elif isinstance(fact, Bridge) and rng.random() < 0.5:
            fact = _bridge(rng, fact.node, fact.name)
        elif isinstance(fact, Port) and rng.random() < 0.5:
            fact = _port(rng, fact.node, fact.device)
        elif isinstance(fact, DeviceSettings) and rng.random() < 0.5:
            fact = _device_settings(rng, fact.node, fact.device)
        elif isinstance(fact, Namespace) and rng.random() < 0.1:
            fact = replace(fact, up=not fact.up)
        found.append(fact)
    return found


def _lose_some(facts: list[Fact], rng: Random, machine: bool) -> list[Fact]:
    return [fact for fact in facts if rng.random() < 0.85]


def _gain_some(facts: list[Fact], rng: Random, machine: bool) -> list[Fact]:
    return facts + [fact for fact in _soup(rng, machine) if rng.random() < 0.4]


# -- what a valid file could mean


def tidy(facts: Iterable[Fact], rng: Random, machine: bool = False, kinds: Collection[str] = EVERY_KIND) -> Facts:
    """Leave out what cannot be, first come first served, and add each node's settings."""
    lab = _Valid(machine, kinds)
    drawn = list(facts)
    # Devices twice, for some stand on one that comes later.
    drawn += [fact for fact in drawn if isinstance(fact, Device)]
    for fact in sorted(drawn, key=lambda fact: (fact.rank, isinstance(fact, Device))):
        if fact.key not in lab.facts and lab.takes(fact):
            lab.facts[fact.key] = lab.located(fact)
    for node in lab.nodes():
        lab.facts["settings", node] = _settings(
            rng, node, any(_is_ipv6(f) for f in lab.facts.values() if node in f.nodes)
        )
    return facts_of(sorted(lab.facts.values(), key=lambda fact: fact.rank))


def _is_ipv6(fact: Fact) -> bool:
    if isinstance(fact, Device):
        return any(":" in str(value) for _, value in fact.options)
    return isinstance(fact, (Address, Route, Neighbour)) and fact.version == 6


def _settings(rng: Random, node: str, ipv6: bool) -> Settings:
    return Settings(
        node,
        (
            ("net.ipv4.ip_forward", rng.choice("01")),
            ("net.ipv4.conf.all.promote_secondaries", rng.choice("1110")),
            ("net.ipv6.conf.all.disable_ipv6", "0" if ipv6 else "1"),
        ),
    )


def _single(route: Route) -> list[Route]:
    """Give the ways of a route as routes of their own."""
    return [replace(route, via=via, device=device, hops=()) for via, device, _ in route.hops] or [route]


def _is_on_link(route: Route) -> bool:
    return route.kind == "unicast" and not route.gateways


class _Valid:
    """The valid facts so far."""

    def __init__(self, machine: bool, kinds: Collection[str]) -> None:
        self.facts: dict[tuple[str, ...], Fact] = {}
        self._machine, self._kinds = machine, kinds
        self._stacks = Stacks(self.facts, self._link)

    def nodes(self) -> list[str]:
        return [fact.node for fact in self.facts.values() if isinstance(fact, Namespace)]

    def takes(self, fact: Fact) -> bool:
        if isinstance(fact, Namespace):
            return True
        if isinstance(fact, Settings) or not all(self._has_node(node) for node in fact.nodes):
            return False
        taken = {claim for other in self.facts.values() for claim in other.claims() if claim[0] != "frames"}
        if taken & set(fact.claims()):
            return False
        if isinstance(fact, Device):
            return self._stacks.fits(fact, self._kinds)
        if isinstance(fact, Forwarding):
            return self._stacks.can_forward(fact)
        if isinstance(fact, Port):
            return self._stacks.can_plug(fact) and isinstance(self._link(fact.node, fact.bridge), Bridge)
        if isinstance(fact, Member):
            return self._stacks.can_join(fact)
        if isinstance(fact, (Address, Neighbour)) and self._stacks.is_bonded(fact.node, fact.device):
            return False
        if isinstance(fact, Address):
            return self._has_device(fact.node, fact.device) and (
                fact.version == 4 or self._ipv6(fact.node, fact.device)
            )
        if isinstance(fact, DeviceSettings):
            return self._has_device(fact.node, fact.device) and self._ipv6(fact.node, fact.device)
        if isinstance(fact, Neighbour):
            if self._stacks.has_no_frames(fact.node, fact.device):
                return False
            up = self._has_device(fact.node, fact.device) and self._up(fact.node, fact.device)
            return up and (fact.version == 4 or self._ipv6(fact.node, fact.device))
        if isinstance(fact, Impairment):
            return self._has_device(fact.node, fact.device)
        if isinstance(fact, PolicyRule):
            return not (self._machine and fact.node == HOST)
        return not isinstance(fact, Route) or self._takes_route(fact)

    def _has_node(self, node: str) -> bool:
        return ("netns", node) in self.facts or (self._machine and node == HOST)

    def _link(self, node: str, name: str) -> Bridge | End | Device | None:
        for fact in self.facts.values():
            if isinstance(fact, (Bridge, Veth, Device)):
                for link in (fact.a, fact.b) if isinstance(fact, Veth) else (fact,):
                    if (link.node, link.name) == (node, name):
                        return link
        return None

    def _has_device(self, node: str, name: str) -> bool:
        return name == "lo" or self._link(node, name) is not None

    def _up(self, node: str, name: str) -> bool:
        namespace = self.facts.get(("netns", node))
        if name == "lo":
            return not isinstance(namespace, Namespace) or namespace.up
        link = self._link(node, name)
        return link is not None and link.up

    def _ipv6(self, node: str, name: str) -> bool:
        link = self._link(node, name)
        return link is None or (link.mtu or 1500) >= 1280

    def _takes_route(self, route: Route) -> bool:
        if route.hops:
            return all(self._takes_route(one) for one in _single(route))
        if route.kind == "unicast" and route.via is None and route.device is None:
            return False
        own = {fact.address.partition("/")[0] for fact in self._addresses(route.node)}
        if (route.source is not None and route.source not in own) or route.via in own:
            return False
        if route.via is not None and route.device == "lo":
            return False
        if self._stacks.has_vrf(route.node) and (route.source is not None or (route.onlink and route.version == 6)):
            return False  # Which of them the kernel takes depends on the table.
        if route.device is not None and not (
            self._up(route.node, route.device) and (route.version == 4 or self._ipv6(route.node, route.device))
        ):
            return False
        if route.onlink and route.version == 4 and not self._has_local_table(route.node):
            return False
        if route.onlink and route.version == 6:
            ways = {device for _, device in self._ways(replace(route, device=None))}
            return ways <= {route.device} and not self._shadowed(route)
        fits = route.via is None or route.onlink or bool(self._ways(route))
        return fits and not self._shadowed(route)

    def _shadowed(self, route: Route) -> bool:
        """Tell whether this route, or one before it, leads a gateway away: it is looked up like any address."""
        routes = [fact for fact in self.facts.values() if isinstance(fact, Route) and fact.node == route.node]
        routes.append(route)
        away = [ip_network(one.to) for one in routes if one.table == MAIN_TABLE and not _is_on_link(one)]
        for one in (single for each in routes for single in _single(each)):
            if one.via is not None and (one.version == 6 or not one.onlink):
                close = max((length for length, _ in self._ways(one)), default=1)
                gateway = ip_address(one.via)
                if any(gateway in network and network.prefixlen >= close for network in away):
                    return True
        return False

    def _has_local_table(self, node: str) -> bool:
        """Tell whether a node has an IPv4 address: where none ever was, the kernel takes no gateway for one."""
        return (self._up(node, "lo") and ("netns", node) in self.facts) or any(
            fact.version == 4 for fact in self._addresses(node)
        )

    def located(self, fact: Fact) -> Fact:
        """Name the device of a gateway that two devices are equally close to, as a file would have to."""
        if not isinstance(fact, Route) or fact.via is None or fact.device is not None:
            return fact
        ways = self._ways(fact)
        closest = [device for length, device in ways if length == max(ways)[0]]
        told = len(set(closest)) > 1 or self._stacks.has_vrf(fact.node)
        return replace(fact, device=closest[0]) if told else fact

    def _addresses(self, node: str) -> Iterator[Address]:
        return (fact for fact in self.facts.values() if isinstance(fact, Address) and fact.node == node)

    def _ways(self, route: Route) -> list[tuple[int, str]]:
        """Give (prefix length, device) of every prefix that the gateway is on-link by."""
        ways = []
        for fact in self.facts.values():
            for node, device, network in fact.connects():
                found = node == route.node and route.device in (None, device) and self._up(node, device)
                if found and device != "lo" and route.via is not None and ip_address(route.via) in ip_network(network):
                    ways.append((ip_network(network).prefixlen, device))
        return ways
