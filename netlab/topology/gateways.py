"""Gateways: from an address or a node's name to the device that it is reached by, or to why the kernel takes it not.

an address of the node's own               IPv6 and `onlink` refuse it; IPv4 takes all behind it for on-link ever after
the broadcast address of a subnet          IPv4 refuses it                    fib_semantics.c fib_check_nh_gw
on the link of no device                   refused, but for `onlink`          the same; ipv6/route.c ip6_route_check_nh
IPv6, behind a gateway or a dead end       refused                            ip6_route_check_nh
IPv6, `onlink` by another than its device  refused                            ip6_route_check_nh_onlink
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple

from netlab.facts import MAIN_TABLE, Route
from netlab.kinds.vrf import VrfSection
from netlab.source import Path, quote
from netlab.topology.draft import Device, Draft, NodeDraft
from netlab.topology.ip import BITS, Ip, literal, of_text, text_of

#: The metrics that the kernel gives to IPv6 routes that name none, and to those of addresses (IP6_RT_PRIO_*).
IPV6_METRIC = 1024
_OF_ADDRESS = 256


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


class _Asked(NamedTuple):
    """An IPv6 gateway that a route names, to be looked up once all routes are known."""

    value: int
    #: Where it is looked up, one after the other until it is found on a link.
    tables: tuple[int, ...]
    path: Path
    #: The device of an `onlink` route.
    device: Device | None = None


class _Found(NamedTuple):
    """What an IPv6 address is found by in a table: a route or, where there is none, an address of a device."""

    rank: tuple[int, int]
    devices: tuple[str, ...]
    ip: Ip
    route: Route | None = None
    path: Path = ()

    @property
    def is_dead_end(self) -> bool:
        return self.devices in ((), ("lo",))

    @property
    def is_on_link(self) -> bool:
        return not self.is_dead_end and (self.route is None or not self.route.gateways)


class Gateways:
    """The gateways of one node."""

    def __init__(self, draft: Draft, node: NodeDraft, everywhere: dict[tuple[int, int], Device]) -> None:
        self.draft, self.node, self.everywhere = draft, node, everywhere
        self._asked: list[_Asked] = []

    def of_first_bridge(self) -> list[tuple[int, int]]:
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

    def named(self, text: str, path: Path) -> tuple[int, int] | None:
        """Turn what names a gateway, an address or a node, into a number."""
        found = literal(text)
        if found is not None:
            return None if self._is_special(found, path) else found
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

    def hop(
        self, gateway: tuple[int, int], device: Device | None, path: Path, table: int = MAIN_TABLE
    ) -> Device | None:
        """Give the device by which a gateway is reached, or say why it is not."""
        version, value = gateway
        text = text_of(version, value)
        if gateway in self.node.own:
            self._tell_own(gateway, path)
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
        if self._is_broadcast(gateway, table_of(found), path):
            return None
        if gateway not in self.everywhere:
            what = f"no device of the lab has the gateway's address {text}"
            self.draft.warn("gateway-unknown", what, path, self._way_out(version))
        if version == 6:
            # By its device the kernel gets to a VRF's table, too.
            self._asked.append(_Asked(value, (table, table_of(found), MAIN_TABLE), path))
        return found

    def hop_onlink(self, gateway: tuple[int, int], device: Device, path: Path) -> Device | None:
        """Give the device of a route whose gateway is on its link whatever the subnets say, or say why it is not."""
        table = table_of(device)
        beside = (one for one in self.node.devices.values() if table_of(one) == table)
        if any((ip.version, ip.value) == gateway for one in beside for ip, _ in one.addresses):
            self._tell_own(gateway, path)
            return None
        if self._is_broadcast(gateway, table, path):
            return None
        if gateway[0] == 6:
            self._asked.append(_Asked(gateway[1], (table,), path, device))
        return device

    def find_hidden(self) -> None:
        """Tell of IPv6 gateways that another route leads elsewhere: the kernel looks one up like any address.

        It does so when a route is added or changed, not later. So a route might be added before the one that leads its
        gateway away; but it could never be changed, nor mended, while that stands.
        """
        if not self._may_hide():
            return
        known: dict[tuple[int, tuple[int, ...], Device | None], _Found | None] = {}
        for asked in self._asked:
            key = (asked.value, asked.tables, asked.device)
            if key not in known:
                known[key] = self._hiding(*key)
            found = known[key]
            if found is None:
                continue
            if asked.device is None or found.is_dead_end:
                self._tell_hidden(text_of(6, asked.value), found, asked.path)
            else:
                what = f"the gateway {text_of(6, asked.value)} is on the link of {found.devices[0]}"
                fix = f"write dev: {found.devices[0]}"
                self.draft.tell("gateway-onlink", f"{what}: IPv6 takes no other device for it", asked.path, fix)

    def _may_hide(self) -> bool:
        """Tell whether anything but default routes is there, behind which no address of a subnet is: a short cut."""
        if any(asked.device is not None for asked in self._asked):
            return True
        of_lo = self.node.devices["lo"].addresses if self._asked else ()
        own = any(ip.version == 6 and not ip.is_single for ip, _ in of_lo)
        return own or any(route.version == 6 and not route.to.endswith("/0") for route, _ in self.node.routes)

    def _hiding(self, value: int, tables: tuple[int, ...], device: Device | None) -> _Found | None:
        """Give what an address is found by instead of a link, or of that very device."""
        if device is not None:
            found = self._look_up(value, tables[0])
            elsewhere = found is not None and found.ip.prefix > 0 and found.devices[:1] != (device.name,)
            return found if elsewhere else None
        worst: _Found | None = None
        for one in dict.fromkeys(tables):
            found = self._look_up(value, one)
            if found is not None and found.is_on_link:
                return None
            worst = found or worst
        return worst

    def _look_up(self, value: int, table: int) -> _Found | None:
        """Look an IPv6 address up in a table, by longest prefix and lowest metric."""
        found = (one for one in self._entries(table) if one.ip.holds(6, value))
        return max(found, key=lambda one: one.rank, default=None)

    def _entries(self, table: int) -> Iterator[_Found]:
        for device in self.node.devices.values():
            if device.up and table_of(device) == table:
                for ip, path in device.addresses:
                    yield _Found((ip.prefix, -_OF_ADDRESS), (device.name,), ip, path=path)
        for route, path in self.node.routes:
            if route.version == 6 and route.table == table:
                ip = of_text(route.to)
                yield _Found((ip.prefix, -(route.metric or IPV6_METRIC)), route.devices, ip, route, path)

    def _tell_hidden(self, text: str, found: _Found, path: Path) -> None:
        route, place = found.route, self.draft.place(found.path)
        if route is None:
            what = f"{self.node.name} takes {found.ip.network} for its own, by the address of lo at {place}"
            fix = f"write {found.ip.host}/{BITS[6]} there"
        elif route.gateways:
            what = f"the route to {route.to} at {place} leads there via {' and '.join(route.gateways)}"
            fix = "remove that route: IPv6 takes no gateway behind another"
        else:
            what, fix = f"the route to {route.to} at {place} is a dead end, {route.kind}", "remove that route"
        self.draft.tell("gateway-hidden", f"the gateway {text} is not on the link: {what}", path, fix)

    def _tell_own(self, gateway: tuple[int, int], path: Path) -> None:
        what = f"the gateway {text_of(*gateway)} is {self.node.name}'s own address"
        fix = self._way_out(gateway[0]) or "name the router's address, not the node's own"
        self.draft.tell("gateway-own", what, path, fix)

    def _is_special(self, gateway: tuple[int, int], path: Path) -> bool:
        """Tell of an address that stands for nobody, for many or for every node itself."""
        address = ip_address(text_of(*gateway))
        sorts = {
            "a multicast address": address.is_multicast,
            "the unspecified address": address.is_unspecified,
            "every node's own address": address.is_loopback,
            "everybody's address": str(address) == "255.255.255.255",
        }
        sort = next((words for words, fits in sorts.items() if fits), None)
        if sort is not None:
            fix = self._way_out(gateway[0]) or "name the router's address"
            self.draft.tell("gateway", f"{address} is {sort}: it cannot be a gateway", path, fix)
        return sort is not None

    def _is_broadcast(self, gateway: tuple[int, int], table: int, path: Path) -> bool:
        """Tell of the broadcast address of a subnet of the node; the address of the subnet itself is taken."""
        version, value = gateway
        if version == 6:
            return False
        for device in self.node.devices.values():
            for ip, _ in device.addresses if device.up and table_of(device) == table else ():
                if ip.version == 4 and ip.prefix < 31 and value == ip.base | (1 << BITS[4] - ip.prefix) - 1:
                    what = f"the gateway {text_of(*gateway)} is the broadcast address of {ip.network}, a subnet of "
                    fix = self._way_out(4, device) or "name the router's address"
                    self.draft.tell("gateway-broadcast", what + str(device), path, fix)
                    return True
        return False

    def _way_out(self, version: int | None, by: Device | None = None) -> str | None:
        """Suggest a gateway: the address of a bridge that the node is on, or of the other end of a cable."""
        for device in self.node.devices.values() if by is None else (by,):
            other = device.on or device.peer
            for ip, _ in other.addresses if other is not None and other.node != self.node.name else ():
                same = version is None or ip.version == version
                if same and on_link(self.node, ip.version, ip.value, device) is not None:
                    return f"write {ip.host}, the address of {other}"
        return None
