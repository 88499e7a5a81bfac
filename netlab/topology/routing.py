"""Turns gateways and routes into facts, each with the device that it leaves by.

A gateway must be on the link of a device of the node: inside the subnet of one of its addresses, or inside a route
without a gateway (`to: A/n, dev: eth0`). The kernel refuses anything else with ENETUNREACH; here it is told before.
"""

from __future__ import annotations

from functools import cached_property

from netlab.facts import MAIN_TABLE, Route
from netlab.facts.routing import Hops
from netlab.source import Path, quote
from netlab.topology.draft import Device, Draft, NodeDraft, nearest
from netlab.topology.gateways import IPV6_METRIC, Gateways, table_of
from netlab.topology.ip import Ip, of_network, text_of
from netlab.topology.spec import HopSection, RouteSection

DEFAULTS = {4: "0.0.0.0/0", 6: "::/0"}


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


class _Router:
    """The routes of one node."""

    def __init__(self, draft: Draft, node: NodeDraft, everywhere: dict[tuple[int, int], Device]) -> None:
        self.draft, self.node = draft, node
        self.gateways = Gateways(draft, node, everywhere)
        self.seen: dict[tuple[str, int, int], Path] = {}

    def route(self) -> None:
        for section, path in self.node.parts:
            if section.gateway is not None:
                for number, text in enumerate(section.gateway):
                    self._gateway(text, (*path, "gateway", number))
            elif section.bridge:
                # The short form asks for the bridge's address, where the bridge has one.
                for address in self.gateways.of_first_bridge():
                    self._default(address, (*path, "bridge", 0))
            for number, one in enumerate(section.routes):
                self._route(one, (*path, "routes", number))
        self.gateways.find_hidden()

    def _gateway(self, text: str, path: Path) -> None:
        if text == "none":
            return
        if text == "auto":
            addresses = self.gateways.of_first_bridge()
            if not addresses and not self.node.doubtful:
                what = f"gateway: auto finds no bridge with an address that {self.node.name} is on the subnet of"
                self.draft.warn("gateway", what, path, "give the bridge an address, or name the gateway")
        else:
            one = self.gateways.named(text, path)
            addresses = [one] if one is not None else []
        for address in addresses:
            self._default(address, path)

    def _default(self, gateway: tuple[int, int], path: Path) -> None:
        device = self.gateways.hop(gateway, None, path)
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
            at = (*path, "via")
            if one.onlink and device is not None:
                device = self.gateways.hop_onlink(via, device, at)
            else:
                device = self.gateways.hop(via, device, at, one.table)
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
        via = self.gateways.named(one.via, (*path, "via")) if one.via is not None else None
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
            device = self.gateways.hop(via, device, (*at, "via"), one.table) if via is not None else device
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
        metric = 0 if version == 6 and one.metric == IPV6_METRIC else one.metric
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
        connected = self._connected.get((found.to, found.table)) if found.metric == 0 else None
        if connected is not None:
            same = found.device == connected and not found.gateways
            fix = "remove the route" if same else "give it a metric, or remove it"
            text = f"{found.to} is connected by {connected} already, by its address"
            self.draft.tell("duplicate-route", text, path, fix)
            return
        self.seen[key] = path
        self.node.routes.append((found, path))

    @cached_property
    def _connected(self) -> dict[tuple[str, int], str]:
        """The IPv4 networks that the kernel itself makes a route of metric 0 to, each with its table and device."""
        found: dict[tuple[str, int], str] = {}
        for device in self.node.devices.values():
            for ip, _ in device.addresses if device.up and device.kind != "lo" else ():
                if ip.version == 4 and not ip.is_single:
                    found.setdefault((str(ip.network), table_of(device)), device.name)
        return found
