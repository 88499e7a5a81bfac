"""What is there: dumps of every namespace of a lab, turned into facts.

In a namespace of our own everything configured is a fact, whoever made it. On the real machine only what bears our
marks is; everything else there is `foreign`: named, so that nothing of ours collides with it, and left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from socket import AF_INET, AF_INET6
from typing import Any

from netlab.facts import (
    PROTOCOL,
    Address,
    Bridge,
    DeviceSettings,
    End,
    External,
    Fact,
    Forwarding,
    Member,
    Namespace,
    Neighbour,
    Port,
    Settings,
    Stray,
    facts_of,
    veth,
)
from netlab.facts.devices import EVERYBODY, MASTERS
from netlab.facts.settings import BASELINE, Values
from netlab.kernel import codec, decode
from netlab.kernel.ahead import SettingsAhead, settings_ahead
from netlab.kernel.decode import LinkRecord, RouteRecord
from netlab.kernel.marks import is_bare, is_half_made, owner
from netlab.kernel.others import device, forwarding, forwarding_dump, group_of, over_of
from netlab.kernel.place import Place, born_setting, journey, read_settings, split_setting
from netlab.kernel.places import Places
from netlab.kernel.policy import neighbour, neighbour_dump, rule, rule_dump
from netlab.kernel.port_vlans import port_vlans, vlan_dump
from netlab.kernel.qdisc import impairment, qdisc_dump
from netlab.kernel.strays import FALLBACK, strays
from netlab.names import HOST, parse_mark, registered_name
from netlab.namespaces.nodes import namespace_path
from netlab.plan.steps import Reading, Scope

_OPERSTATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")


#: Everything of a namespace, in one question.
_ALL = (
    (codec.link_dump(), decode.link),
    (codec.address_dump(), decode.address),
    (codec.route_dump(AF_INET), decode.route),
    (codec.route_dump(AF_INET6), decode.route),
    (rule_dump(), rule),
    (neighbour_dump(), neighbour),
)


class _Node:
    """One namespace as dumped."""

    def __init__(self, place: Place, own: bool, scope: Scope) -> None:
        self.place, self.own, self.name = place, own, place.node
        self.links: list[LinkRecord]
        self.links, self.addresses, ipv4, ipv6, self.rules, self.neighbours = place.socket.dumps(_ALL)
        self.routes: list[RouteRecord] = ipv4 + ipv6
        self.by_index = {link.index: link for link in self.links}
        place.indices = {link.name: link.index for link in self.links}
        #: Indices of the devices that are ours.
        self.ours = {link.index for link in self.links if own or owner(link) == scope.lab}
        #: Whose the namespaces are that this one knows by an id: for one reading, as ids of the dead are given anew.
        self.beyond: dict[int, tuple[str, str] | None] = {}
        #: On the real machine, those that a netlab that was killed left without a mark.
        self.half_made = {
            link.index for link in self.links if not own and is_half_made(link, scope.lab, scope.unmarked)
        }

    @property
    def mark(self) -> tuple[str, str] | None:
        """Whose the namespace is, by its `lo`."""
        return parse_mark(self.by_index[1].alias)


class Reader:
    """One reading of a lab's namespaces."""

    def __init__(self, places: Places, scope: Scope) -> None:
        self._places, self._scope = places, scope
        self._foreign: dict[tuple[str, ...], str] = {}
        self._nodes: dict[str, _Node] = {}

    def read(self) -> Reading:
        places, scope = self._places, self._scope
        self._nodes[HOST] = _Node(places.get(HOST), places.own(HOST), scope)
        listed = places.listed()
        with settings_ahead(listed, scope.settings) as ahead:
            return self._read(listed, ahead)

    def _read(self, listed: Sequence[Place], ahead: SettingsAhead | None) -> Reading:
        places, scope = self._places, self._scope
        ours: set[str] = set()
        for place in listed:
            node = _Node(place, True, scope)
            if node.mark == (scope.lab, place.node):
                ours.add(place.node)
                self._nodes[place.node] = node
            else:
                self._note_taken(node)
                places.forget(place.node)
        for name in places.blocked:
            path = namespace_path(scope.lab, name)
            self._foreign["netns", name] = f"the file {path} exists: it is no namespace, and not this lab's"
        facts = facts_of(self._facts(ours, ahead))
        observed = dict(self._observed()) if scope.observe else {}
        return Reading(facts, self._foreign, observed)

    def _note_taken(self, node: _Node) -> None:
        found = node.mark
        words = f"node {found[1]!r} of lab {found[0]!r}" if found else "something that is not netlab's"
        name = registered_name(self._scope.lab, node.name)
        self._foreign["netns", node.name] = f"the namespace {name} exists: it is {words}"

    def _facts(self, ours: set[str], ahead: SettingsAhead | None) -> Iterator[Fact]:
        host = self._nodes[HOST]
        if not self._scope.machine and host.mark == (self._scope.lab, HOST):
            yield Namespace(HOST, host.by_index[1].up)
        for name in sorted(ours):
            yield Namespace(name, self._nodes[name].by_index[1].up)
        known = {} if ahead is None else ahead.values()
        with journey():
            settings = {name: found for name, node in self._nodes.items() if (found := self._settings(node, known))}
            of_devices = {name: self._device_settings(node, settings.get(name)) for name, node in self._nodes.items()}
        yield from settings.values()
        yield from self._chains()
        yield from self._bridges()
        yield from self._pairs()
        # Not the ends of pairs that lead into a namespace of ours: those are known, and need no mark.
        host.half_made -= host.ours
        yield from (Stray(HOST, host.by_index[i].name, host.by_index[i].kind) for i in sorted(host.half_made))
        for node in self._nodes.values():
            yield from self._ports(node)
            yield from self._forwarding(node)
            yield from self._impairments(node)
            yield from self._addresses(node)
        for node in self._nodes.values():
            yield from of_devices[node.name]
            yield from self._routes(node)
            yield from self._policy(node)
        self._note_foreign(host)

    def _settings(self, node: _Node, known: Mapping[str, Values]) -> Settings | None:
        names = self._scope.settings.get(node.name, ())
        if not names:
            return None
        written = node.place.written
        if written is not None and all(name in BASELINE and (name in written or _is_optional(name)) for name in names):
            # Made and written by this process a moment ago; what the devices were born with tells if it took.
            return Settings(node.name, tuple((name, written[name]) for name in names if name in written))
        if node.name in known:
            return Settings(node.name, known[node.name]) if known[node.name] else None
        node.place.visit()
        found = read_settings(node.place, names)
        return Settings(node.name, tuple(found.items())) if found else None

    def _device_settings(self, node: _Node, settings: Settings | None) -> list[DeviceSettings]:
        """Give settings of devices that are not their node's defaults, and those that are asked for; on a journey."""
        found: dict[str, dict[str, str]] = {}
        if node.own and settings is not None:
            found = dict(strays(node.place, node.links, settings))
        asked = self._scope.device_settings.get(node.name, ())
        names = dict.fromkeys((*asked, *self._scope.former_device_settings.get(node.name, ())))
        if names:
            node.place.visit()
        by_name = {link.name: link for link in node.links} if names else {}
        for name in names:
            device = split_setting(name)[1]
            if device not in by_name or by_name[device].index not in node.ours:
                continue
            value = read_settings(node.place, (name,)).get(name)
            if value is not None and (name in asked or value != born_setting(node.place, name)):
                found.setdefault(device, {})[name] = value
        return [DeviceSettings(node.name, device, tuple(values.items())) for device, values in found.items()]

    def _chains(self) -> Iterator[Fact]:
        asked = self._scope.chains
        if asked is None:
            # The machine alone tells of no lab; nor was anything made without the library.
            asked = frozenset(self._nodes) if len(self._nodes) > 1 and _has_library() else frozenset()
        nodes = [node for name, node in self._nodes.items() if name in asked]
        if nodes:
            from netlab.kernel.nftables import read_chains

            with journey():
                for node in nodes:
                    node.place.visit()
                    yield from read_chains(self._scope.lab, node.name)

    def _bridges(self) -> Iterator[Fact]:
        yield from (External(HOST, link.name) for link in self._nodes[HOST].links if self._is_external(link))
        for node in self._nodes.values():
            for link in node.links:
                if link.index not in node.ours or link.index == 1 or link.name in FALLBACK:
                    continue
                if link.kind == "bridge":
                    yield _bridge(node.name, link)
                elif link.kind != "veth":
                    yield self._other(node, link) or Stray(node.name, link.name, link.kind or "device")

    def _is_external(self, link: LinkRecord) -> bool:
        """Tell whether a device of the host is one that the lab uses and has not made."""
        host = self._nodes[HOST]
        return not host.own and link.name in self._scope.externals and link.index not in host.ours

    def _other(self, node: _Node, link: LinkRecord) -> Fact | None:
        """Give a device of another kind; None where a file cannot ask for it, or it stands on one of another node."""
        below = over_of(link)
        if below and (link.namespace_id is not None or below not in node.by_index):
            return None
        names = {one.index: one.name for one in node.links} if link.kind == "bond" else {}
        return device(node.name, link, node.by_index[below].name if below else None, names)

    def _forwarding(self, node: _Node) -> Iterator[Fact]:
        """Give where the node's VXLANs send frames, if it has any; not that a group gets what is for everybody."""
        tunnels = {link.index: link for link in node.links if link.kind == "vxlan" and link.index in node.ours}
        groups = {index: group_of(link) for index, link in tunnels.items()}
        for index, mac, to in node.place.socket.dump(forwarding_dump(), forwarding) if tunnels else ():
            if index in tunnels and (mac, to) != (EVERYBODY, groups[index]):
                yield Forwarding(node.name, tunnels[index].name, mac, to)

    def _impairments(self, node: _Node) -> Iterator[Fact]:
        if not any(link.impaired and link.index in node.ours for link in node.links):
            return
        for index, found in node.place.socket.dump(qdisc_dump(), impairment):
            if index in node.ours:
                yield replace(found, node=node.name, device=node.by_index[index].name)

    def _pairs(self) -> Iterator[Fact]:
        """Join the two ends of every veth pair: their indices name each other, in the namespaces that they say."""
        veths = [(node, link) for node in self._nodes.values() for link in node.links if link.kind == "veth"]
        done: set[tuple[str, int]] = set()
        for node, link in sorted(veths, key=lambda end: not end[0].own):
            if (node.name, link.index) in done:
                continue
            far = self._far_end(node, link)
            done.add((node.name, link.index))
            if far is not None:
                done.add((far[0].name, far[1].index))
                # A pair with one end in a namespace of ours is ours, and so is its other end.
                if link.index in node.ours or far[1].index in far[0].ours:
                    far[0].ours.add(far[1].index)
                    node.ours.add(link.index)
                    yield veth(_end(node, link), _end(*far))
            elif link.index in node.ours:
                yield Stray(node.name, link.name, "veth")

    def _far_end(self, node: _Node, link: LinkRecord) -> tuple[_Node, LinkRecord] | None:
        other = node if link.namespace_id is None else self._beyond(node, link.namespace_id)
        far = other.by_index.get(link.link) if other is not None else None
        if other is None or far is None or far.link != link.index or far.kind != "veth":
            return None
        return other, far

    def _beyond(self, node: _Node, namespace_id: int) -> _Node | None:
        """Find the node that another knows by a namespace id: its mark says which, but the real machine has none."""
        if namespace_id not in node.beyond:
            node.beyond[namespace_id] = node.place.mark_beyond(namespace_id)
        mark = node.beyond[namespace_id]
        if mark is not None and mark[0] == self._scope.lab:
            return self._nodes.get(mark[1])
        host = self._nodes[HOST]
        return host if node.place.namespace_id(host.place.fd) == namespace_id else None

    def _ports(self, node: _Node) -> Iterator[Fact]:
        filtering = {link.index for link in node.links if (link.bridge or {}).get("vlan_filtering")}
        vlans = dict(node.place.socket.dump(vlan_dump(), port_vlans)) if filtering else {}
        for link in node.links:
            master = node.by_index.get(link.master)
            ours = link.index in node.ours
            if master is not None and master.index in node.ours and node.name == HOST and self._is_external(link):
                ours = True
            if ours and master is not None and master.kind == "bridge":
                found = _port(node.name, link, master.name)
                yield replace(found, vlans=vlans.get(link.index, ())) if master.index in filtering else found
            elif ours and master is not None and master.kind in MASTERS:
                yield Member(node.name, link.name, master.name, master.kind)

    def _addresses(self, node: _Node) -> Iterator[Fact]:
        for index, text in node.addresses:
            if index in node.ours:
                yield Address(node.name, node.by_index[index].name, text)
            elif not node.own and index in node.by_index and index not in node.half_made:
                self._foreign["address", text.partition("/")[0]] = f"on {node.by_index[index].name} of this machine"

    def _routes(self, node: _Node) -> Iterator[Fact]:
        names = {index: link.name for index, link in node.by_index.items()}
        for route in node.routes:
            if node.own or (route.protocol == PROTOCOL and node.ours.issuperset(route.indices)):
                yield route.fact(node.name, names)
            elif self._scope.routes and (fact := route.fact(node.name, names)).key in self._scope.routes:
                # What goes through no device of ours is told from another lab's only by its being wanted.
                if route.protocol == PROTOCOL:
                    yield fact
                else:
                    self._foreign[fact.key] = f"a route to {fact.to} exists: not netlab's"

    def _policy(self, node: _Node) -> Iterator[Fact]:
        """Give the rules of a namespace of ours, and the neighbours on devices that are."""
        if node.own:
            yield from (replace(found, node=node.name) for found in node.rules)
        for index, address, mac in node.neighbours:
            if index in node.ours and index != 1:
                yield Neighbour(node.name, node.by_index[index].name, address, mac)

    def _note_foreign(self, host: _Node) -> None:
        if host.own:
            return
        for link in host.links:
            if link.index in host.ours or link.index in host.half_made or self._is_external(link):
                continue
            lab = owner(link)
            if is_bare(link):
                words = "another netlab is making it, or was killed while it did"
            else:
                words = f"of lab {lab!r}" if lab else "not netlab's"
            self._foreign["device", HOST, link.name] = f"a {link.kind or 'device'} {link.name} exists: {words}"

    def _observed(self) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        for node in self._nodes.values():
            for link in node.links:
                if link.index in node.ours:
                    state = _OPERSTATES[link.operstate] if link.operstate < len(_OPERSTATES) else "unknown"
                    seen = {"ifindex": link.index, "carrier": link.carrier, "operstate": state, "up": link.up}
                    yield ("device", node.name, link.name), seen


def _bridge(node: str, link: LinkRecord) -> Bridge:
    own = link.bridge or {}
    filtering = own.get("vlan_filtering")
    return Bridge(
        node,
        link.name,
        link.mac,
        link.mtu,
        link.up,
        bool(own.get("stp")),
        own.get("forward_delay"),
        own.get("hello_time"),
        own.get("max_age"),
        own.get("ageing_time"),
        own.get("priority"),
        None if filtering is None else bool(filtering),
    )


def _end(node: _Node, link: LinkRecord) -> End:
    return End(node.name, link.name, link.mac, link.mtu, link.up)


def _port(node: str, link: LinkRecord, bridge: str) -> Port:
    own = link.port or {}
    return Port(
        node,
        link.name,
        bridge,
        bool(own.get("hairpin", 0)),
        bool(own.get("isolated", 0)),
        bool(own.get("learning", 1)),
        bool(own.get("flood", 1)),
        own.get("cost"),
        own.get("priority"),
    )


def _has_library() -> bool:
    from netlab.kernel.nftables import has_library

    return has_library()


def _is_optional(name: str) -> bool:
    return name.startswith("net.bridge.")
