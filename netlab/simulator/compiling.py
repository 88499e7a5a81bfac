"""Facts -> a Network: what the kernel would keep of them, and what it makes by itself.

Sources: net/core/fib_rules.c and ip-rule(8) (the rules of every namespace), drivers/net/vrf.c.
"""

from __future__ import annotations

from ipaddress import ip_network

from netlab.facts import (
    Address,
    Bridge,
    Chain,
    Device,
    DeviceSettings,
    End,
    External,
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
    Stray,
    Veth,
)
from netlab.facts.routing import MAIN_TABLE
from netlab.simulator.network import (
    BUDGET_OF_DEVICE,
    DEFAULT_TABLE,
    LOCAL_TABLE,
    Choice,
    Entry,
    Hop,
    Network,
    Nic,
    Node,
)
from netlab.simulator.own_routes import route_address, route_link_local
from netlab.simulator.packet import BITS, Version, number_of
from netlab.simulator.spanning_tree import close_ports

#: Metric of routes of IPv6 that say none (IP6_RT_PRIO_USER).
_USER6 = 1024
#: What stands for the MAC of a device of which none is said: it begins so, and is nobody else's.
_UNSAID = "0e-"
#: Where the rule of VRFs stands (net/core: l3mdev, drivers/net/vrf.c).
_VRF_RULE = 1000


def network_of(facts: Facts) -> Network:
    """Turn facts, wanted or read, into the network that they describe; what the kernel would refuse is left out."""
    compiler = _Compiler()
    for fact in sorted(facts.values(), key=lambda one: _ORDER.get(type(one), len(_ORDER))):
        compiler.take(fact)
    compiler.finish([fact for fact in facts.values() if isinstance(fact, Route)])
    return compiler.network


#: Devices before what is said of them; devices that stand on others are joined to those in the end.
_ORDER: dict[type[Fact], int] = {
    kind: number
    for number, kinds in enumerate(
        (
            (Namespace,),
            (Settings, Chain),
            (Bridge,),
            (Veth, Device, Stray, External),
            (Port, Member, Forwarding, Impairment, Address, DeviceSettings, Neighbour, PolicyRule),
        )
    )
    for kind in kinds
}


#: In which order a new node's devices are made.
_MADE = {"lo": 0, "bridge": 1, "veth": 2}


class _Compiler:
    def __init__(self) -> None:
        self.network = Network()
        #: Addresses in the order in which they are given to devices: of two equal routes the first made is taken.
        self._given: list[tuple[Nic, str, int]] = []

    def node(self, name: str) -> Node:
        """Give a node, made the first time that it is asked for: the real machine is no fact."""
        found = self.network.nodes.get(name)
        if found is None:
            found = self.network.nodes[name] = Node(name)
            lo = found.devices["lo"] = Nic(found, "lo", "lo", "00:00:00:00:00:00", ("netns", name), 65536)
            lo.addresses += [("127.0.0.1", 8), ("::1", 128)]
            found.choices = {4: _own_choices(4), 6: _own_choices(6)}
        return found

    def take(self, fact: Fact) -> None:
        """Take in one fact; routes come last, by `finish`."""
        match fact:
            case Namespace():
                self.node(fact.node).devices["lo"].up = fact.up
            case Settings() | DeviceSettings():
                self.node(fact.node).settings.update(dict(fact.values))
            case Chain():
                self.node(fact.node).hook(fact)
            case Veth():
                self._pair(fact)
            case Bridge() | Device() | Stray() | External():
                self._device(fact)
            case Port() | Member():
                self._join(fact)
            case Address():
                self._address(fact)
            case _:
                self._say(fact)

    def _add(self, nic: Nic) -> Nic:
        nic.node.devices[nic.name] = nic
        return nic

    def _pair(self, pair: Veth) -> None:
        a, b = (self._add(self._end(end, pair)) for end in (pair.a, pair.b))
        a.peer, b.peer = b, a

    def _end(self, end: End, pair: Veth) -> Nic:
        mac = end.mac or f"{_UNSAID}{end.node}-{end.name}"
        return Nic(self.node(end.node), end.name, "veth", mac, pair.key, end.mtu or 1500, end.up)

    def _device(self, fact: Bridge | Device | Stray | External) -> None:
        mac, mtu, up, kind = f"{_UNSAID}{fact.key[1]}-{fact.name}", 1500, True, "external"
        if isinstance(fact, (Bridge, Device)):
            mac, mtu, up = fact.mac or mac, fact.mtu or mtu, fact.up
        if not isinstance(fact, External):
            kind = "bridge" if isinstance(fact, Bridge) else fact.kind
        nic = self._add(Nic(self.node(fact.key[1]), fact.name, kind, mac, fact.key, mtu, up))
        if isinstance(fact, Bridge):
            nic.filtering = bool(fact.vlan_filtering)
            nic.options = {
                "stp": int(bool(fact.stp)),
                "priority": 0x8000 if fact.priority is None else fact.priority,
                "ageing": 1 if fact.ageing_time is None else fact.ageing_time,
            }
        elif isinstance(fact, Device):
            nic.options = {**dict(fact.options), **({} if fact.over is None else {"over": fact.over})}

    def _join(self, fact: Port | Member) -> None:
        node = self.node(fact.node)
        nic = node.devices.get(fact.device)
        master = node.devices.get(fact.bridge if isinstance(fact, Port) else fact.master)
        if nic is None or master is None:
            return
        nic.master = master
        master.members.append(nic)
        if isinstance(fact, Port):
            nic.port = fact
        elif master.kind == "bond":
            nic.mac = master.mac

    def _address(self, fact: Address) -> None:
        node = self.node(fact.node)
        nic = node.devices.get(fact.device)
        if nic is not None:
            address, _, length = fact.address.partition("/")
            nic.addresses.append((address, int(length)))
            self._given.append((nic, address, int(length)))

    def _say(self, fact: Fact) -> None:
        match fact:
            case Forwarding():
                nic = self.node(fact.node).devices.get(fact.device)
                if nic is not None:
                    nic.remotes.setdefault(fact.mac, []).append(fact.to)
            case Impairment():
                nic = self.node(fact.node).devices.get(fact.device)
                if nic is not None:
                    nic.impairment = fact
            case Neighbour():
                self.node(fact.node).neighbours[fact.device, fact.address] = (fact.mac, fact.key)
            case PolicyRule() if fact.other is None:
                choices = self.node(fact.node).choices[6 if fact.version == 6 else 4]
                choices.append(Choice(fact.priority, fact.action, fact.table, fact))
                choices.sort(key=lambda one: one.priority)

    # -- what the kernel makes by itself

    def finish(self, routes: list[Route]) -> None:
        """Join devices to those below, give every address its routes, and take in the routes of the lab."""
        for node in self.network.nodes.values():
            # Bridges are made first, then cables, then what stands on others.
            node.devices = dict(sorted(node.devices.items(), key=lambda one: _MADE.get(one[1].kind, len(_MADE))))
            made = {nic: number for number, nic in enumerate(node.devices.values())}
            for nic in node.devices.values():
                self._stand(nic)
                # A port joins as it is made: the kernel floods by that order.
                nic.members.sort(key=made.__getitem__)
            if any(nic.kind == "vrf" for nic in node.devices.values()):
                for choices in node.choices.values():
                    choices.append(Choice(_VRF_RULE, "table", 0, of_vrf=True))
                    choices.sort(key=lambda one: one.priority)
            lo = node.devices["lo"]
            for address, length in lo.addresses[:2] if lo.up else ():
                route_address(lo, address, length)  # its own come when it is set up
        for nic, address, length in self._given:
            route_address(nic, address, length)
        for node in self.network.nodes.values():
            for nic in node.devices.values():
                route_link_local(nic)
        self.network.budget += BUDGET_OF_DEVICE * sum(len(node.devices) for node in self.network.nodes.values())
        close_ports(self.network)
        # A gateway that only another route leads to comes after that one.
        for route in sorted(routes, key=lambda one: bool(one.gateways)):
            self._route(route)

    def _stand(self, nic: Nic) -> None:
        below = nic.node.devices.get(str(nic.options.get("over", "")))
        if below is None:
            return
        nic.lower = below
        below.uppers.append(nic)
        if nic.mac.startswith(_UNSAID) or nic.kind == "ipvlan":
            nic.mac = below.mac

    def _route(self, route: Route) -> None:
        node = self.node(route.node)
        version: Version = 6 if route.version == 6 else 4
        network = ip_network(route.to)
        hops: list[Hop] = []
        if route.kind == "unicast":
            said = route.hops or ((route.via, route.device or "", 1),)
            for via, device, weight in said:
                nic = node.devices.get(device) if device else _device_to(node, version, via)
                if nic is not None and nic.up:
                    hops.append(Hop(via, nic, weight))
            if not hops:
                return
        metric = route.metric or (_USER6 if version == 6 else 0)
        entry = Entry(
            route.to,
            network.prefixlen,
            route.kind,
            route.table,
            tuple(hops),
            metric,
            route.source,
            route.mtu,
            route.key,
        )
        node.table(version, route.table).add(entry, int(network.network_address), BITS[version])


def _own_choices(version: Version) -> list[Choice]:
    """Give the rules that every namespace has from birth (fib_default_rules_init, fib6_rules_net_init)."""
    found = [Choice(0, "table", LOCAL_TABLE), Choice(32766, "table", MAIN_TABLE)]
    return found + ([Choice(32767, "table", DEFAULT_TABLE)] if version == 4 else [])


def _device_to(node: Node, version: Version, via: str | None) -> Nic | None:
    """Find the device that a gateway is on."""
    if via is None:
        return None
    for entry in node.table(version).matches(number_of(via), BITS[version]):
        if entry.kind == "unicast" and entry.hops and entry.hops[0].via is None:
            return entry.hops[0].nic
    return None
