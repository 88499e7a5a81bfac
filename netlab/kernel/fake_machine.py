"""A Linux machine of the mind: namespaces, devices, addresses and routes in memory, with the kernel's habits.

The second opinion on what a step takes along: it shares no code with the planner's own rules (plan/takes.py), and its
habits were each tried on Linux 6.18 (tests/kernel holds the trials).

    this                                   does this
    -------------------------------------  -----------------------------------------------------------------------
    namespace or device deleted            peers of veths go too; ports, addresses, routes, settings go with a device
    bridge deleted                         its ports are free; the devices stay
    device deleted                         what stands on it goes too
    device up, down                        its VLANs too; nothing to macvlans, ipvlans, VXLANs
    ipvlan gets a mode                     all ipvlans of its device
    device gets a smaller MTU              its VLANs and macvlans too; ipvlans take any, and keep their IPv6
    device down                            its routes (all tables), its IPv6 addresses; IPv4 addresses stay; `lo`: also
                                           IPv6 blackholes, which lie on it. Routes that prefer its addresses stay
    device up                              prefixes are on-link again; routes do not come back
    peer down (no carrier)                 nothing
    MTU below 1280                         IPv6 addresses, routes and settings of the device; IPv6 cannot be added
    MTU changed                            `mtu` of the device's IPv6 routes that is as large or was the device's
    disable_ipv6 = 1 (all)                 IPv6 addresses and routes of the node; only blackholes can be added
    last IPv4 address of a device gone     all IPv4 routes through it, gateway or not, and its IPv4 neighbours
    any other IPv4 address gone            nothing on its device: routes by gateways in its prefix stay
    primary IPv4 address gone              its secondaries (same subnet and mask); with promote_secondaries the first of
                                           them becomes primary instead, last in the row of primaries
    IPv4 address gone from the whole node  routes of its device's table (main, or its VRF's) that prefer it as source
    IPv6 address deleted, by itself        routes that prefer it stay and forget their source
    IPv6 address gone with device or link  routes elsewhere that prefer it stay, source and all
    device plugged into a bridge, freed    nothing
    device put into a VRF, freed           it goes down and up, if up: IPv4 addresses stay, connected in the other
                                           table; all its routes and IPv6 go, even where it was down
    device put into a bond                 it goes down, then up, with the bond's MTU
    device freed from a bond               it is down, and has the MTU that it had
    bond's MTU changed                     its members' too
    device down, new MAC                   its neighbours, those known for good too; IPv6's with its IPv6
    ip_forward written                     `forwarding` of every device

Stricter than the kernel in one thing: IPv4 takes a gateway that is the node's own address, and treats what is behind it
as on-link ever after, even when the address has gone; here it is refused, as in IPv6, for no plan may ever do that.
What it does not know: a gateway shadowed by a longer route, or by a prefix on `lo`, all of which is local; link-local
addresses; multipath.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_interface, ip_network

from netlab.facts import MAIN_TABLE, Bridge, Chain, End, Impairment, Key, Member, PolicyRule, Port, Route, Stray
from netlab.facts import Device as OtherDevice
from netlab.facts.devices import PASSTHRU, TAKERS, TUN_OF_IP

IPV6_MIN_MTU = 1280
#: BR_MAX_PORTS less port 0 (net/bridge/br_private.h).
MOST_PORTS = 1023
#: IP6_RT_PRIO_USER and IP6_RT_PRIO_ADDRCONF (include/net/ip6_fib.h, net/ipv6/addrconf.c).
_IPV6_METRIC, _IPV6_CONNECTED = 1024, 256

RouteKey = tuple[int, str, int, int]


class Errno(Exception):
    """The kernel's no."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(errno.errorcode[number])


def version_of(address: str) -> int:
    return 6 if ":" in address else 4


def _bare(address: str) -> str:
    return address.partition("/")[0]


@dataclass
class Device:
    """One device. `link` is the configured part, None for `lo`; `addresses` are in the kernel's order."""

    link: Bridge | End | OtherDevice | Stray | None
    #: The other end of a veth: its node and name.
    peer: tuple[str, str] | None = None
    up: bool = True
    mtu: int = 65536
    port: Port | None = None
    member: Member | None = None
    #: What its MTU was before a bond gave it another.
    own_mtu: int = 0
    addresses: list[tuple[str, bool]] = field(default_factory=list)  # (A/n, secondary)
    settings: dict[str, str] = field(default_factory=dict)
    forwarding: list[tuple[str, str]] = field(default_factory=list)  # (MAC, host)
    impairment: Impairment | None = None
    neighbours: dict[str, str] = field(default_factory=dict)

    def held(self, version: int | None = None) -> list[str]:
        return [a for a, _ in self.addresses if version in (None, version_of(a))]


@dataclass
class Node:
    """One namespace: what `lo` is to it, its devices, its routes by the kernel's own key, its settings."""

    up: bool = True
    devices: dict[str, Device] = field(default_factory=dict)
    routes: dict[RouteKey, Route] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    chains: dict[str, Chain] = field(default_factory=dict)
    rules: dict[Key, PolicyRule] = field(default_factory=dict)

    def device(self, name: str) -> Device:
        if name not in self.devices:
            raise Errno(errno.ENODEV)
        return self.devices[name]

    @property
    def has_ipv6(self) -> bool:
        return self.settings.get("net.ipv6.conf.all.disable_ipv6") != "1"

    def holds(self, address: str) -> bool:
        return any(_bare(a) == address for device in self.devices.values() for a in device.held())

    def drop_routes(self, device: str, version: int | None = None, gone: bool = False) -> None:
        """Drop the routes by a device; of several ways all must have failed, or the device be gone for good."""
        for key, route in list(self.routes.items()):
            by_device = route.device == device or any(hop[1] == device for hop in route.hops)
            left = not gone and any(self._works(route.version, hop[1]) for hop in route.hops)
            if by_device and version in (None, route.version) and not left:
                del self.routes[key]

    def _works(self, version: int, device: str) -> bool:
        return self.devices[device].up and (version == 6 or bool(self.devices[device].held(4)))

    def connected(self) -> Iterator[tuple[str, str]]:
        """Give (device, network) of every prefix that is on-link now: not on `lo`, behind which there is nobody."""
        for name, device in self.devices.items():
            if device.up and name != "lo":
                yield from ((name, str(ip_interface(a).network)) for a in device.held())
        for route in self.routes.values():
            yield from ((device, network) for _, device, network in route.connects() if device != "lo")

    # -- links

    def set_up(self, name: str, up: bool) -> None:
        device = self.device(name)
        was, device.up = device.up, up
        if was and not up:
            self.drop_routes(name)
            self.drop_ipv6(name)
            device.neighbours = {}
        for other, link in self.above(name) if was != up else ():
            if link.kind == "vlan":
                self.devices[other].link = replace(link, up=up)
                self.set_up(other, up)

    def set_mac(self, name: str, mac: str | None) -> None:
        """Change the MAC, before the link is: whoever is known on the device is known no more."""
        device = self.device(name)
        before = device.link
        if mac is not None and not isinstance(before, Stray | None) and mac != before.mac:
            device.neighbours = {}

    def set_mtu(self, name: str, mtu: int) -> None:
        device = self.device(name)
        was, device.mtu = device.mtu, mtu
        for key, route in self.routes.items():
            if route.version == 6 and route.device == name and route.mtu is not None and was != mtu:
                self.routes[key] = replace(route, mtu=mtu) if route.mtu >= mtu or route.mtu == was else route
        bonded = [other for other, d in self.devices.items() if d.member is not None and d.member.master == name]
        for other in bonded if was != mtu else ():
            if isinstance(device.link, OtherDevice) and device.link.kind == "bond":
                self._set_link_mtu(other, mtu)
        for other, link in self.above(name) if was != mtu else ():
            if link.kind in ("vlan", "macvlan") and self.devices[other].mtu > mtu:
                self.devices[other].link = replace(link, mtu=mtu)
                self.set_mtu(other, mtu)
            elif link.kind == "ipvlan":
                self.devices[other].link, self.devices[other].mtu = replace(link, mtu=mtu), mtu
        if mtu < IPV6_MIN_MTU and was != mtu:
            self.drop_ipv6(name)
            device.settings = {n: v for n, v in device.settings.items() if not n.startswith("net.ipv6.")}

    def enslave(self, fact: Member) -> None:
        """Make a device a member; it is down by now, where its master takes nothing else."""
        device, master = self.device(fact.device), self.device(fact.master)
        if fact.device == "lo" or not isinstance(master.link, OtherDevice) or master.link.kind != fact.kind:
            raise Errno(errno.EINVAL)
        if isinstance(device.link, OtherDevice) and device.link.kind == "vrf":
            raise Errno(errno.EPERM if fact.kind == "bond" else errno.EINVAL)
        if device.port is not None or device.member is not None:
            raise Errno(errno.EBUSY)
        if fact.kind == "vrf":
            device.member = fact
            self._cycle(fact.device)
            return
        if self.is_above(fact.device, fact.master) or any(link.kind in TAKERS for _, link in self.above(fact.device)):
            raise Errno(errno.EBUSY)
        self._set_link_up(fact.device, False)
        device.member, device.own_mtu = fact, device.mtu
        self._set_link_mtu(fact.device, master.mtu)
        self._set_link_up(fact.device, True)

    def free(self, name: str, up: bool = False) -> None:
        """Make a device a member of nothing; `up`: the door sets what leaves a bond up again."""
        device = self.devices[name]
        was, device.member = device.member, None
        if was is not None and was.kind == "bond":
            self._set_link_up(name, False)
            self._set_link_mtu(name, device.own_mtu)
            self._set_link_up(name, up)
        elif was is not None:
            self._cycle(name)

    def _cycle(self, name: str) -> None:
        """Take a device down and up, as a VRF does with its members; its routes and IPv6 go in any case."""
        was = self.devices[name].up
        self.drop_routes(name)
        self.drop_ipv6(name)
        self._set_link_up(name, False)
        self._set_link_up(name, was)

    def _set_link_up(self, name: str, up: bool) -> None:
        device = self.devices[name]
        if device.link is not None and not isinstance(device.link, Stray):
            device.link = replace(device.link, up=up)
        self.set_up(name, up)

    def _set_link_mtu(self, name: str, mtu: int) -> None:
        device = self.devices[name]
        if device.link is not None and not isinstance(device.link, Stray):
            device.link = replace(device.link, mtu=mtu)
        self.set_mtu(name, mtu)

    def table_of(self, name: str) -> int:
        """Give the table that a device's connected routes are in."""
        member = self.devices[name].member
        link = self.devices[member.master if member is not None and member.kind == "vrf" else name].link
        options = dict(link.options) if isinstance(link, OtherDevice) else {}
        return int(options.get("table", MAIN_TABLE))

    def drop_ipv6(self, name: str) -> None:
        """Do what addrconf_ifdown does: addresses and routes go, routes elsewhere keep a source that is gone."""
        device = self.devices[name]
        device.addresses = [(a, secondary) for a, secondary in device.addresses if version_of(a) == 4]
        self.drop_routes(name, 6, gone=device.up)
        device.neighbours = {address: mac for address, mac in device.neighbours.items() if version_of(address) == 4}
        if name == "lo":
            for key, route in list(self.routes.items()):
                if route.version == 6 and route.kind != "unicast":
                    del self.routes[key]

    def above(self, name: str) -> list[tuple[str, OtherDevice]]:
        """Give the devices that stand on one."""
        links = [(other, device.link) for other, device in self.devices.items()]
        return [(other, link) for other, link in links if isinstance(link, OtherDevice) and link.over == name]

    def check_new(self, link: OtherDevice) -> None:
        """Refuse a device that cannot stand where it is to stand, or is one that is there already."""
        others = [d.link for d in self.devices.values() if isinstance(d.link, OtherDevice) and d.link.kind == link.kind]
        own = dict(link.options)
        if link.kind == "vxlan" and any(_number(other) == _number(link) for other in others):
            raise Errno(errno.EEXIST)
        if link.over is None:
            return
        below = self.device(link.over)
        if link.kind == "vxlan" and _number(link)[2] == 6 and not self.has_ipv6 and below.mtu >= IPV6_MIN_MTU:
            raise Errno(errno.EPERM)
        beside = [other for other in others if other.over == link.over]
        if isinstance(below.link, OtherDevice) and below.link.kind == "vrf" and link.kind != "vxlan":
            raise Errno(errno.EOPNOTSUPP if link.kind == "vlan" else errno.EINVAL)
        frameless = isinstance(below.link, OtherDevice) and ("mode", TUN_OF_IP) in below.link.options
        if frameless and isinstance(below.link, OtherDevice) and below.link.kind == "tun" and link.kind != "vxlan":
            raise Errno(errno.EINVAL)
        if link.kind in TAKERS:
            self._check_takers(link, below, beside)
        if link.kind == "vlan" and any(dict(other.options) == own for other in beside):
            raise Errno(errno.EEXIST)
        self.check_mtu(link, link.mtu or below.mtu, errno.EINVAL)
        if link.kind == "vlan" and link.up and not below.up:
            raise Errno(errno.ENETDOWN)

    def _check_takers(self, link: OtherDevice, below: Device, beside: list[OtherDevice]) -> None:
        """A device's frames are taken in by one: a bridge, a bond, macvlans, ipvlans."""
        takers = {one.kind for _, one in self.above(link.over or "") if one.kind in TAKERS}
        bonded = below.member is not None and below.member.kind == "bond"
        if below.port is not None or bonded or takers - {link.kind}:
            raise Errno(errno.EBUSY)
        modes = [dict(one.options).get("mode") for one in (link, *beside)]
        if link.kind == "macvlan" and beside and PASSTHRU in modes:
            raise Errno(errno.EINVAL)

    def share_mode(self, link: OtherDevice) -> None:
        """Give an ipvlan's mode to the others on its device: it is the device's."""
        for name, other in self.above(link.over) if link.kind == "ipvlan" and link.over is not None else ():
            if other.kind == "ipvlan":
                self.devices[name].link = replace(other, options=link.options)

    def check_mtu(self, link: OtherDevice, mtu: int, number: int) -> None:
        """Refuse an MTU that is more than the device below carries."""
        if link.over is not None and link.kind in ("vlan", "macvlan") and mtu > self.device(link.over).mtu:
            raise Errno(number)

    def is_above(self, name: str, other: str) -> bool:
        """Tell whether a device stands on another, by way of others or of a bridge's ports."""
        device = self.devices[name]
        beneath = [one for one, d in self.devices.items() if d.port is not None and d.port.bridge == name]
        beneath += [one for one, d in self.devices.items() if d.member is not None and d.member.master == name]
        if isinstance(device.link, OtherDevice) and device.link.over is not None:
            beneath.append(device.link.over)
        return other in beneath or any(self.is_above(one, other) for one in beneath)

    def add_forwarding(self, name: str, mac: str, to: str) -> None:
        """Add an entry; one that is there already is fine (vxlan_fdb_append)."""
        device = self.device(name)
        if isinstance(device.link, OtherDevice) and version_of(to) != _number(device.link)[2]:
            raise Errno(errno.EAFNOSUPPORT)
        if (mac, to) not in device.forwarding:
            device.forwarding.append((mac, to))

    def add_neighbour(self, name: str, address: str, mac: str) -> None:
        """Make a neighbour known; IPv6 has none on a device that is too small for it (ndisc_constructor)."""
        device = self.device(name)
        if version_of(address) == 6 and device.mtu < IPV6_MIN_MTU:
            raise Errno(errno.EINVAL)
        device.neighbours[address] = mac

    def delete_forwarding(self, name: str, mac: str, to: str) -> None:
        device = self.device(name)
        device.forwarding = [entry for entry in device.forwarding if entry != (mac, to)]

    def remove_device(self, name: str) -> None:
        for child, _ in self.above(name):
            if child in self.devices:
                self.remove_device(child)
        device = self.devices[name]
        self.drop_routes(name, gone=True)
        self.drop_ipv6(name)
        while device.addresses:
            self.delete_address(name, device.addresses[-1][0])
        for one, other in self.devices.items():
            if other.port is not None and other.port.bridge == name:
                other.port = None
            if other.member is not None and other.member.master == name:
                self.free(one)
        del self.devices[name]

    # -- addresses

    def add_address(self, name: str, address: str) -> None:
        device = self.device(name)
        version, bare = version_of(address), _bare(address)
        if version == 6:
            if not self.has_ipv6:
                raise Errno(errno.EACCES)
            if device.mtu < IPV6_MIN_MTU:
                raise Errno(errno.EINVAL)
            if bare in map(_bare, device.held(6)):
                raise Errno(errno.EEXIST)
            device.addresses.append((address, False))
            return
        if address in device.held(4):
            raise Errno(errno.EEXIST)
        network = ip_interface(address).network
        primaries = [a for a, secondary in device.addresses if not secondary and version_of(a) == 4]
        secondary = any(ip_interface(a).network == network for a in primaries)
        place = len(device.addresses) if secondary else len(primaries)
        device.addresses.sort(key=lambda found: version_of(found[0]))
        device.addresses.insert(place, (address, secondary))

    def delete_address(self, name: str, address: str) -> None:
        """Delete one address by itself; one that is not there is fine."""
        device = self.device(name)
        found = dict(device.addresses)
        if address not in found:
            return
        bare = _bare(address)
        if version_of(address) == 6:
            device.addresses.remove((address, False))
            if not self.holds(bare):
                for key, route in self.routes.items():
                    if route.source == bare:
                        self.routes[key] = replace(route, source=None)
            return
        if not found[address]:
            self._leave_secondaries(name, device, address)
        device.addresses = [entry for entry in device.addresses if entry[0] != address]
        self._forget_source(name, bare)
        if not device.held(4) and name != "lo":
            # `lo` has 127.0.0.1 besides, which is no fact.
            self.drop_routes(name, 4)
            device.neighbours = {a: mac for a, mac in device.neighbours.items() if version_of(a) == 6}

    def _leave_secondaries(self, name: str, device: Device, primary: str) -> None:
        network = ip_interface(primary).network
        followers = [a for a, secondary in device.addresses if secondary and ip_interface(a).network == network]
        if not followers:
            return
        if self.settings.get("net.ipv4.conf.all.promote_secondaries") == "1":
            device.addresses.remove((followers[0], True))
            place = sum(1 for a, secondary in device.addresses if version_of(a) == 4 and not secondary)
            device.addresses.insert(place, (followers[0], False))
            return
        device.addresses = [entry for entry in device.addresses if entry[0] not in followers]
        for follower in followers:
            self._forget_source(name, _bare(follower))

    def _forget_source(self, name: str, bare: str) -> None:
        if self.holds(bare):
            return
        for key, route in list(self.routes.items()):
            if route.source == bare and route.table == self.table_of(name):
                del self.routes[key]

    # -- routes

    def add_route(self, route: Route) -> None:
        resolved, key = self._resolve(route), route_key(route)
        if key in self.routes or key in self._connected_keys():
            raise Errno(errno.EEXIST)
        self.routes[key] = resolved

    def change_route(self, route: Route) -> None:
        resolved, key = self._resolve(route), route_key(route)
        if key not in self.routes:
            raise Errno(errno.ENOENT)
        self.routes[key] = resolved

    def delete_route(self, route: Route) -> None:
        self.routes.pop(route_key(route), None)

    def _connected_keys(self) -> set[RouteKey]:
        found: set[RouteKey] = set()
        for name, device in self.devices.items():
            for address in device.held() if device.up and name != "lo" else ():
                network = ip_interface(address).network
                metric = 0 if network.version == 4 else _IPV6_CONNECTED
                found.add((network.version, str(network), self.table_of(name), metric))
        return found

    def _resolve(self, route: Route) -> Route:
        """Give the route as the kernel holds it, with the device that its gateway is on."""
        if route.source is not None and not self.holds(route.source):
            raise Errno(errno.EINVAL)
        if route.kind != "unicast":
            return route
        for via, name, _ in route.hops:
            self._resolve(replace(route, via=via, device=name, hops=(), source=None))
        if route.hops:
            return route
        if route.device is not None:
            self._check_way_out(route, self.device(route.device))
        if (route.via is None or route.onlink) and route.device is None:
            raise Errno(errno.ENODEV)
        if route.via is None:
            return route
        if self.holds(route.via):
            raise Errno(errno.EINVAL)
        if route.onlink:
            # ip6_route_check_nh_onlink: the gateway may not be on-link elsewhere; a default route does not count.
            ways = [way for way in self._ways(route.via) if way[0] > 0]
            if route.version == 6 and ways and max(ways)[1] != route.device:
                raise Errno(errno.EINVAL)
            return route
        ways = [(length, name) for length, name in self._ways(route.via) if route.device in (None, name)]
        if not ways:
            raise Errno(errno.ENETUNREACH if route.version == 4 else errno.EHOSTUNREACH)
        return replace(route, device=max(ways, key=lambda way: way[0])[1])

    def _ways(self, gateway: str) -> list[tuple[int, str]]:
        """Give (prefix length, device) of each connected prefix that holds a gateway."""
        connected = [(ip_network(network), name) for name, network in self.connected()]
        return [(network.prefixlen, name) for network, name in connected if ip_address(gateway) in network]

    def _check_way_out(self, route: Route, device: Device) -> None:
        if not device.up:
            raise Errno(errno.ENETDOWN)
        if route.version == 6 and not self.has_ipv6:
            raise Errno(errno.EACCES)
        if route.version == 6 and device.mtu < IPV6_MIN_MTU:
            raise Errno(errno.ENODEV)

    # -- settings

    def write_settings(self, values: Mapping[str, str]) -> None:
        """Make the node's own settings these, and do what writing them does."""
        before, self.settings = self.settings, dict(values)
        if not self.has_ipv6:
            for name in self.devices:
                self.drop_ipv6(name)
        forward = "net.ipv4.ip_forward"
        if self.settings.get(forward) != before.get(forward):
            for name, device in self.devices.items():
                device.settings.pop(f"net.ipv4.conf.{name}.forwarding", None)

    def write_device_settings(self, name: str, values: Mapping[str, str]) -> None:
        """Make a device's own settings these; those of IPv6 have no file where it has no IPv6."""
        device = self.device(name)
        ipv6 = device.mtu >= IPV6_MIN_MTU
        device.settings = {n: v for n, v in values.items() if ipv6 or not n.startswith("net.ipv6.")}


def _number(link: OtherDevice) -> tuple[object, object, int]:
    """Give what two VXLANs of a namespace cannot share: the number, the port, whether they go over IPv6."""
    own = dict(link.options)
    return own.get("id"), own.get("port"), version_of(f"{own.get('local', '')}{own.get('group', '')}")


def route_key(route: Route) -> RouteKey:
    """Give the kernel's idea of which route it is: metric 0 is 1024 in IPv6."""
    metric = route.metric or (_IPV6_METRIC if route.version == 6 else 0)
    return (route.version, route.to, route.table, metric)
