"""Turns gateways and routes into facts, each with the device that it leaves by.

A gateway must be on the link of a device of the node: inside the subnet of one of its addresses, or inside a route
without a gateway (`to: A/n, dev: eth0`). The kernel refuses anything else with ENETUNREACH; here it is told before.
"""

from __future__ import annotations

from netlab.facts import MAIN_TABLE, Route
from netlab.facts.routing import Hops
from netlab.kinds.vrf import VrfSection
from netlab.source import Path, quote
from netlab.topology.draft import Device, Draft, NodeDraft, nearest
from netlab.topology.ip import Ip, literal, of_network, text_of
from netlab.topology.spec import HopSection, RouteSection

DEFAULTS = {4: "0.0.0.0/0", 6: "::/0"}
#: The metric that the kernel gives to IPv6 routes that name none (IP6_RT_PRIO_USER).
_IPV6_METRIC = 1024


def route(draft: Draft) -> None:
    """Fill the routes of all nodes."""
    everywhere = {
        (ip.version, ip.value): device
        for node in draft.nodes.values()
        for device in node.devices.values()
        for ip, _ in device.addresses
    }
    for node in draft.nodes.values():
        _connect(node)
        _Router(draft, node, everywhere).route()


def _connect(node: NodeDraft) -> None:
    """Note which networks are on the link of which device, and which addresses are the node's own."""
    for device in node.devices.values():
        for ip, _ in device.addresses:
            node.own.add((ip.version, ip.value))
            if device.kind != "lo":
                node.connected.append((ip, device))
    for section, _ in node.parts:
        for one in section.routes:
            leaves = node.devices.get(one.dev or "")
            if leaves is not None and one.via is None and one.to != "default":
                node.connected.append((of_network(one.to), leaves))


def on_link(
    node: NodeDraft, version: int, value: int, device: Device | None = None, table: int = MAIN_TABLE
) -> Device | None:
    """Give the device on whose link an address is: one of that table rather than another, by the longest prefix."""
    best: tuple[tuple[bool, int], Device] | None = None
    for ip, holder in node.connected:
        if (device is None or holder is device) and ip.holds(version, value):
            rank = (table_of(holder) == table, ip.prefix)
            if best is None or rank > best[0]:
                best = (rank, holder)
    return best[1] if best else None


def table_of(device: Device) -> int:
    """Give the table that a device's packets are routed by: the VRF's that it is in, else the main one."""
    vrf = device.vrf
    return vrf.section.table if vrf is not None and isinstance(vrf.section, VrfSection) else MAIN_TABLE


class _Router:
    """The routes of one node."""

    def __init__(self, draft: Draft, node: NodeDraft, everywhere: dict[tuple[int, int], Device]) -> None:
        self.draft, self.node, self.everywhere = draft, node, everywhere
        self.seen: dict[tuple[str, int, int], Path] = {}

    def route(self) -> None:
        for section, path in self.node.parts:
            if section.gateway is not None:
                for number, text in enumerate(section.gateway):
                    self._gateway(text, (*path, "gateway", number))
            elif section.bridge:
                # The short form asks for the bridge's address, where the bridge has one.
                for address in self._auto():
                    self._default(address, (*path, "bridge", 0))
            for number, one in enumerate(section.routes):
                self._route(one, (*path, "routes", number))

    def _auto(self) -> list[tuple[int, int]]:
        """Give the addresses of the first bridge that the node is on, at most one of each version."""
        device = next((one for one in self.node.devices.values() if one.on is not None), None)
        bridge = device.on if device is not None else None
        if bridge is None or bridge.node == self.node.name:
            return []
        found: dict[int, tuple[int, int]] = {}
        for ip, _ in bridge.addresses:
            if ip.version not in found and on_link(self.node, ip.version, ip.value, device) is not None:
                found[ip.version] = (ip.version, ip.value)
        return [found[version] for version in sorted(found)]

    def _gateway(self, text: str, path: Path) -> None:
        if text == "none":
            return
        if text == "auto":
            addresses = self._auto()
            if not addresses and not self.node.doubtful:
                what = f"gateway: auto finds no bridge with an address that {self.node.name} is on the subnet of"
                self.draft.warn("gateway", what, path, "give the bridge an address, or name the gateway")
        else:
            one = self._address_of(text, path)
            addresses = [one] if one is not None else []
        for address in addresses:
            self._default(address, path)

    def _address_of(self, text: str, path: Path) -> tuple[int, int] | None:
        """Turn what names a gateway, an address or a node, into a number."""
        found = literal(text)
        if found is not None:
            return found
        other = self.draft.nodes.get(text)
        if other is None:
            bare = text.partition("/")[0]
            near = bare if literal(bare) else self.draft.nearest_node(text, without=self.node.name)
            what = f"{quote(text)} is neither an address nor a node"
            self.draft.tell("gateway", what, path, f"write {near}" if near else "write an address: 10.0.0.254")
            return None
        for ip in other.addresses():
            if on_link(self.node, ip.version, ip.value) is not None:
                return ip.version, ip.value
        if self.node.doubtful or other.doubtful:
            return None
        what = f"{text} has no address on a subnet of {self.node.name}"
        self.draft.tell("gateway", what, path, self._way_out(None))
        return None

    def _default(self, gateway: tuple[int, int], path: Path) -> None:
        device = self._hop(gateway, None, path)
        if device is not None:
            self._warn_of_vrf(device, MAIN_TABLE, path)
            found = Route(self.node.name, DEFAULTS[gateway[0]], text_of(*gateway), device.name)
            self._add(found, path, "gateway")

    def _warn_of_vrf(self, device: Device, table: int, path: Path) -> None:
        """Warn of a route of the main table that leaves by a device of a VRF, whose packets never look there."""
        own = table_of(device)
        if table == MAIN_TABLE != own and device.kind != "vrf":
            what = f"the route leaves by {device}, which is in {device.vrf}, but packets of that look in table {own}"
            self.draft.warn("vrf", what, path, f"write it under routes, with table: {own}")

    def _hop(
        self, gateway: tuple[int, int], device: Device | None, path: Path, table: int = MAIN_TABLE
    ) -> Device | None:
        """Give the device by which a gateway is reached, or say why it is not."""
        version, value = gateway
        text = text_of(version, value)
        if gateway in self.node.own:
            what = f"the gateway {text} is {self.node.name}'s own address"
            fix = self._way_out(version) or "name the router's address, not the node's own"
            self.draft.tell("gateway-own", what, path, fix)
            return None
        if version == 6 and value >> 118 == 0x3FA:
            # A link-local gateway is on every link (RFC 4291, section 2.5.6): which one, only a node of one can tell.
            ways = [one for one in self.node.devices.values() if one.kind != "lo"]
            if device is not None or len(ways) == 1:
                return device or ways[0]
        found = on_link(self.node, version, value, device, table)
        if found is None and self.node.doubtful:
            return None
        if found is None:
            what = f"the gateway {text} is not on a subnet of {device if device is not None else self.node.name}"
            fix = self._way_out(version) or f"give {self.node.name} an address on the gateway's subnet"
            self.draft.tell("gateway-off-link", what, path, fix)
            return None
        if not found.up:
            what = f"the gateway {text} is reached by {found}, which is down"
            self.draft.tell("device-down", what, path, "remove up: false")
            return None
        if gateway not in self.everywhere:
            what = f"no device of the lab has the gateway's address {text}"
            self.draft.warn("gateway-unknown", what, path, self._way_out(version))
        return found

    def _way_out(self, version: int | None) -> str | None:
        """Suggest a gateway: the address of a bridge that the node is on, or of the other end of a cable."""
        for device in self.node.devices.values():
            other = device.on or device.peer
            for ip, _ in other.addresses if other is not None and other.node != self.node.name else ():
                same = version is None or ip.version == version
                if same and on_link(self.node, ip.version, ip.value, device) is not None:
                    return f"write {ip.host}, the address of {other}"
        return None

    def _route(self, one: RouteSection, path: Path) -> None:
        if one.hops:
            self._several(one, path)
            return
        way = self._way(one, path)
        if way is None:
            return
        via, device = way
        version = self._version(one, via, path)
        if version is None:
            return
        if via is not None:
            device = device if one.onlink else self._hop(via, device, (*path, "via"), one.table)
            if device is None:
                return
        self._finish(one, version, via, device, path)

    def _way(self, one: RouteSection | HopSection, path: Path) -> tuple[tuple[int, int] | None, Device | None] | None:
        """Give the gateway and the device that are named, perhaps neither; None where one is not there."""
        node = self.node
        device = node.devices.get(one.dev) if one.dev is not None else None
        if one.dev is not None and device is None:
            near = nearest(one.dev, list(node.devices))
            fix = f"write {near}" if near else f"devices of {node.name}: {', '.join(list(node.devices)[:8])}"
            self.draft.tell("unknown-device", f"{node.name} has no device {quote(one.dev)}", (*path, "dev"), fix)
            return None
        if device is not None and not device.up:
            self.draft.tell("device-down", f"the route leaves by {device}, which is down", (*path, "dev"))
            return None
        via = self._address_of(one.via, (*path, "via")) if one.via is not None else None
        return None if one.via is not None and via is None else (via, device)

    def _several(self, one: RouteSection, path: Path) -> None:
        """Give a route of several ways, each with its device."""
        found: list[tuple[str | None, str, int]] = []
        version: int | None = None
        for number, hop in enumerate(one.hops):
            at = (*path, "hops", number)
            way = self._way(hop, at)
            if way is None:
                return
            via, device = way
            one_version = self._version(one, via, path)
            if one_version is None:
                return
            if version is not None and via is not None and version != one_version:
                self.draft.tell("route", "the ways of a route are of one IP version", at, "make it two routes")
                return
            version = one_version
            device = self._hop(via, device, (*at, "via"), one.table) if via is not None else device
            if device is None:
                return
            found.append((text_of(*via) if via is not None else None, device.name, hop.weight))
        if len({hop[:2] for hop in found}) < len(found):
            what = "two ways of the route are the same"
            self.draft.tell("route", what, (*path, "hops"), "give one of them a larger weight", key=True)
            return
        self._finish(one, version or 4, None, None, path, tuple(sorted(found, key=repr)))

    def _finish(
        self,
        one: RouteSection,
        version: int,
        via: tuple[int, int] | None,
        device: Device | None,
        path: Path,
        hops: Hops = (),
    ) -> None:
        to = DEFAULTS[version] if one.to == "default" else str(of_network(one.to))
        metric = 0 if version == 6 and one.metric == _IPV6_METRIC else one.metric
        gateway = text_of(*via) if via is not None else None
        source = str(one.source) if one.source is not None else None
        if one.source is not None:
            own = self._sources(version, one.table)
            if int(one.source) not in [ip.value for ip in own]:
                what = f"{source} is no address of {self.node.name}, and cannot be the source of its packets"
                self.draft.tell("source", what, (*path, "source"), f"write {own[0].host}" if own else None)
                return
        leaves = device.name if device is not None else None
        if device is not None:
            self._warn_of_vrf(device, one.table, path)
        node = self.node.name
        found = Route(node, to, gateway, leaves, one.table, metric, one.kind, source, one.onlink, one.mtu, hops)
        self._add(found, path, "route")

    def _sources(self, version: int, table: int) -> list[Ip]:
        """Give the addresses that packets may have that are sent by a route of a table.

        Of VRFs, IPv4 takes addresses for the VRF's own routes only (net/ipv4/fib_semantics.c, fib_valid_prefsrc).
        """
        devices = self.node.devices.values()
        fit = [holder for holder in devices if version == 6 or table_of(holder) in (MAIN_TABLE, table)]
        return [ip for holder in fit for ip, _ in holder.addresses if ip.version == version]

    def _version(self, one: RouteSection, via: tuple[int, int] | None, path: Path) -> int | None:
        """Give the IP version of a route; all of its parts must be of one."""
        versions = {
            key: number
            for key, number in (
                ("to", one.to.version if one.to != "default" else None),
                ("via", via[0] if via is not None else None),
                ("source", one.source.version if one.source is not None else None),
            )
            if number is not None
        }
        if len(set(versions.values())) > 1:
            what = "a route is of IPv4 or of IPv6: " + ", ".join(f"{k} is of IPv{v}" for k, v in versions.items())
            self.draft.tell("route", what, path)
            return None
        return next(iter(versions.values()), 4)

    def _add(self, found: Route, path: Path, what: str) -> None:
        key = (found.to, found.table, found.metric)
        if key in self.seen:
            shown = "default route" if found.to in DEFAULTS.values() else f"route to {found.to}"
            place = self.draft.place(self.seen[key])
            text = f"{self.node.name} has another {shown}, at {place}"
            self.draft.tell("duplicate-route", text, path, "remove one, or give them different metrics")
            return
        if self._is_connected(found):
            text = f"{found.to} is on the link of {found.device} already, by its address"
            self.draft.tell("duplicate-route", text, path, "remove the route")
            return
        self.seen[key] = path
        self.node.routes.append((found, path))

    def _is_connected(self, found: Route) -> bool:
        """Whether the kernel makes this very route by itself, for an IPv4 address of the node."""
        if found.version != 4 or found.gateways or found.hops or found.metric != 0:
            return False
        devices = (device for device in self.node.devices.values() if table_of(device) == found.table)
        addresses = (ip for device in devices for ip, _ in device.addresses if ip.version == 4 and not ip.is_single)
        return any(str(ip.network) == found.to for ip in addresses)
