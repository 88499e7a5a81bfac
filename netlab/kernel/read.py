"""What is there: dumps of every namespace of a lab, turned into facts.

In a namespace of our own everything configured is a fact, whoever made it. On the real machine only what bears our
marks is; everything else there is `foreign`: named, so that nothing of ours collides with it, and left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netlab.facts import (
    PROTOCOL,
    Address,
    DeviceSettings,
    External,
    Fact,
    Forwarding,
    Member,
    Namespace,
    Neighbour,
    Settings,
    Stray,
    facts_of,
    veth,
)
from netlab.facts.devices import EVERYBODY, MASTERS
from netlab.facts.settings import BASELINE, Values
from netlab.kernel.ahead import SettingsAhead, settings_ahead
from netlab.kernel.decode import LinkRecord
from netlab.kernel.dumped import Dumped, bridge, end, port
from netlab.kernel.given import as_made
from netlab.kernel.listeners import listeners_here
from netlab.kernel.marks import is_bare, owner
from netlab.kernel.others import device, forwarding, forwarding_dump, group_of, over_of
from netlab.kernel.place import Place, born_setting, journey, read_settings, split_setting
from netlab.kernel.places import Places
from netlab.kernel.port_vlans import port_vlans, vlan_dump
from netlab.kernel.qdisc import impairment, qdisc_dump
from netlab.kernel.strays import FALLBACK, strays
from netlab.names import HOST, registered_name
from netlab.namespaces.nodes import namespace_path
from netlab.plan.steps import Reading, Scope

_OPERSTATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")


class Reader:
    """Readings of a lab's namespaces, by one scope: all of them, and then again of those that were changed."""

    def __init__(self, places: Places, scope: Scope) -> None:
        self._places, self.scope = places, scope
        self._foreign: dict[tuple[str, ...], str] = {}
        self._nodes: dict[str, Dumped] = {}
        #: The nodes that are looked at now: all, or those that were changed since.
        self._fresh: dict[str, Dumped] = {}
        self._reading = Reading({})

    def read(self, changed: Collection[str] | None = None) -> Reading:
        """Read every node; or those `changed` since this reader last read, what is made of them, and no others."""
        places, scope = self._places, self.scope
        if changed is None:
            self._nodes, self._reading = {}, Reading({})
        self._fresh = {}
        if changed is None or HOST in changed:
            self._foreign = {}
            self._fresh[HOST] = Dumped(places.get(HOST), places.own(HOST), scope)
        listed = {place.node: place for place in places.listed()}
        gone = self._nodes.keys() - listed.keys() - {HOST}
        news = [place for name, place in listed.items() if name not in self._nodes or name in (changed or ())]
        with settings_ahead(news, scope.settings) as ahead:
            self._reading = self._read(news, ahead, {*(changed or ()), *gone})
        return self._reading

    def _read(self, listed: Sequence[Place], ahead: SettingsAhead | None, stale: set[str]) -> Reading:
        """Look at the host, if it was asked again, and at these places; what was known of `stale` nodes is void."""
        places, scope = self._places, self.scope
        for place in listed:
            node = Dumped(place, True, scope)
            if node.mark == (scope.lab, place.node):
                self._fresh[place.node] = node
            else:
                self._note_taken(node)
                places.forget(place.node)
        for name in places.blocked:
            path = namespace_path(scope.lab, name)
            self._foreign["netns", name] = f"the file {path} exists: it is no namespace, and not this lab's"
        stale |= self._fresh.keys()
        self._nodes = {**{n: node for n, node in self._nodes.items() if n not in stale}, **self._fresh}
        facts = {key: fact for key, fact in self._reading.facts.items() if stale.isdisjoint(fact.nodes)}
        facts.update(facts_of(fact for fact in self._facts(ahead) if not stale.isdisjoint(fact.nodes)))
        observed = dict(self._observed()) if scope.observe else {}
        if scope.simulated:
            observed.update(self._listeners())
        return Reading(facts, self._foreign, observed)

    def _note_taken(self, node: Dumped) -> None:
        found = node.mark
        words = f"node {found[1]!r} of lab {found[0]!r}" if found else "something that is not netlab's"
        name = registered_name(self.scope.lab, node.name)
        self._foreign["netns", node.name] = f"the namespace {name} exists: it is {words}"

    def _facts(self, ahead: SettingsAhead | None) -> Iterator[Fact]:
        """Give the facts of the nodes that are looked at now, and all pairs of devices."""
        host, fresh = self._nodes[HOST], self._fresh.values()
        for name in sorted(self._fresh):
            if name != HOST or (not self.scope.machine and host.mark == (self.scope.lab, HOST)):
                yield Namespace(name, self._nodes[name].by_index[1].up)
        known = {} if ahead is None else ahead.values()
        with journey():
            settings = {node.name: found for node in fresh if (found := self._settings(node, known))}
            of_devices = {node.name: self._device_settings(node, settings.get(node.name)) for node in fresh}
        yield from settings.values()
        yield from self._chains()
        links = [*self._bridges(), *self._pairs()]
        made = ((node.name, [link.name for link in node.links]) for node in self._nodes.values())
        yield from as_made(links, made) if self.scope.simulated else links
        # Not the ends of pairs that lead into a namespace of ours: those are known, and need no mark.
        host.half_made -= host.ours
        yield from (Stray(HOST, host.by_index[i].name, host.by_index[i].kind) for i in sorted(host.half_made))
        for node in fresh:
            yield from self._ports(node)
            yield from self._forwarding(node)
            yield from self._impairments(node)
            yield from self._addresses(node)
        for node in fresh:
            yield from of_devices[node.name]
            yield from self._routes(node)
            yield from self._policy(node)
        self._note_foreign(host)

    def _settings(self, node: Dumped, known: Mapping[str, Values]) -> Settings | None:
        names = self.scope.settings.get(node.name, ())
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

    def _device_settings(self, node: Dumped, settings: Settings | None) -> list[DeviceSettings]:
        """Give settings of devices that are not their node's defaults, and those that are asked for; on a journey."""
        found: dict[str, dict[str, str]] = {}
        if node.own and settings is not None:
            found = dict(strays(node.place, node.links, settings))
        asked = self.scope.device_settings.get(node.name, ())
        names = dict.fromkeys((*asked, *self.scope.former_device_settings.get(node.name, ())))
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
        asked = self.scope.chains
        if asked is None:
            # The machine alone tells of no lab; nor was anything made without the library.
            asked = frozenset(self._nodes) if len(self._nodes) > 1 and _has_library() else frozenset()
        everybodys = self.scope.simulated and _has_library()
        nodes = [node for name, node in self._fresh.items() if name in asked or (everybodys and node.own)]
        if nodes:
            from netlab.kernel.nftables import read_chains, read_every_chain

            with journey():
                for node in nodes:
                    node.place.visit()
                    read = read_every_chain if everybodys and node.own else read_chains
                    yield from read(self.scope.lab, node.name)

    def _bridges(self) -> Iterator[Fact]:
        yield from (External(HOST, link.name) for link in self._nodes[HOST].links if self._is_external(link))
        for node in self._fresh.values():
            for link in node.links:
                if link.index not in node.ours or link.index == 1 or link.name in FALLBACK:
                    continue
                if link.kind == "bridge":
                    yield bridge(node.name, link)
                elif link.kind != "veth":
                    yield self._other(node, link) or Stray(node.name, link.name, link.kind or "device")

    def _is_external(self, link: LinkRecord) -> bool:
        """Tell whether a device of the host is one that the lab uses and has not made."""
        host = self._nodes[HOST]
        return not host.own and link.name in self.scope.externals and link.index not in host.ours

    def _other(self, node: Dumped, link: LinkRecord) -> Fact | None:
        """Give a device of another kind; None where a file cannot ask for it, or it stands on one of another node."""
        below = over_of(link)
        if below and (link.namespace_id is not None or below not in node.by_index):
            return None
        names = {one.index: one.name for one in node.links} if link.kind == "bond" else {}
        return device(node.name, link, node.by_index[below].name if below else None, names)

    def _forwarding(self, node: Dumped) -> Iterator[Fact]:
        """Give where the node's VXLANs send frames, if it has any; not that a group gets what is for everybody."""
        tunnels = {link.index: link for link in node.links if link.kind == "vxlan" and link.index in node.ours}
        groups = {index: group_of(link) for index, link in tunnels.items()}
        for index, mac, to in node.place.socket.dump(forwarding_dump(), forwarding) if tunnels else ():
            if index in tunnels and (mac, to) != (EVERYBODY, groups[index]):
                yield Forwarding(node.name, tunnels[index].name, mac, to)

    def _impairments(self, node: Dumped) -> Iterator[Fact]:
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
            far = self._farend(node, link)
            done.add((node.name, link.index))
            if far is not None:
                done.add((far[0].name, far[1].index))
                # A pair with one end in a namespace of ours is ours, and so is its other end.
                if link.index in node.ours or far[1].index in far[0].ours:
                    far[0].ours.add(far[1].index)
                    node.ours.add(link.index)
                    yield veth(end(node, link), end(*far))
            elif link.index in node.ours:
                yield Stray(node.name, link.name, "veth")

    def _farend(self, node: Dumped, link: LinkRecord) -> tuple[Dumped, LinkRecord] | None:
        other = node if link.namespace_id is None else self._beyond(node, link.namespace_id)
        far = other.by_index.get(link.link) if other is not None else None
        if other is None or far is None or far.link != link.index or far.kind != "veth":
            return None
        return other, far

    def _beyond(self, node: Dumped, namespace_id: int) -> Dumped | None:
        """Find the node that another knows by a namespace id: its mark says which, but the real machine has none."""
        if namespace_id not in node.beyond:
            node.beyond[namespace_id] = node.place.mark_beyond(namespace_id)
        mark = node.beyond[namespace_id]
        if mark is not None and mark[0] == self.scope.lab:
            return self._nodes.get(mark[1])
        host = self._nodes[HOST]
        return host if node.place.namespace_id(host.place.fd) == namespace_id else None

    def _ports(self, node: Dumped) -> Iterator[Fact]:
        filtering = {link.index for link in node.links if (link.bridge or {}).get("vlan_filtering")}
        vlans = dict(node.place.socket.dump(vlan_dump(), port_vlans)) if filtering else {}
        for link in node.links:
            master = node.by_index.get(link.master)
            ours = link.index in node.ours
            if master is not None and master.index in node.ours and node.name == HOST and self._is_external(link):
                ours = True
            if ours and master is not None and master.kind == "bridge":
                found = port(node.name, link, master.name)
                yield replace(found, vlans=vlans.get(link.index, ())) if master.index in filtering else found
            elif ours and master is not None and master.kind in MASTERS:
                yield Member(node.name, link.name, master.name, master.kind)

    def _addresses(self, node: Dumped) -> Iterator[Fact]:
        for index, text in node.addresses:
            if index in node.ours:
                yield Address(node.name, node.by_index[index].name, text)
            elif not node.own and index in node.by_index and index not in node.half_made:
                self._foreign["address", text.partition("/")[0]] = f"on {node.by_index[index].name} of this machine"

    def _routes(self, node: Dumped) -> Iterator[Fact]:
        names = {index: link.name for index, link in node.by_index.items()}
        for route in node.routes:
            if node.own or (route.protocol == PROTOCOL and node.ours.issuperset(route.indices)):
                yield route.fact(node.name, names)
            elif self.scope.routes and (fact := route.fact(node.name, names)).key in self.scope.routes:
                # What goes through no device of ours is told from another lab's only by its being wanted.
                if route.protocol == PROTOCOL:
                    yield fact
                else:
                    self._foreign[fact.key] = f"a route to {fact.to} exists: not netlab's"

    def _policy(self, node: Dumped) -> Iterator[Fact]:
        """Give the rules of a namespace of ours, and the neighbours on devices that are."""
        if node.own:
            yield from (replace(found, node=node.name) for found in node.rules)
        for index, address, mac in node.neighbours:
            if index in node.ours and index != 1:
                yield Neighbour(node.name, node.by_index[index].name, address, mac)

    def _note_foreign(self, host: Dumped) -> None:
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

    def _listeners(self) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        """Give who listens in each node that was looked at."""
        with journey():
            for node in self._fresh.values():
                node.place.visit()
                yield ("listeners", node.name), {"listeners": listeners_here()}

    def _observed(self) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        for node in self._nodes.values():
            for link in node.links:
                if link.index in node.ours:
                    state = _OPERSTATES[link.operstate] if link.operstate < len(_OPERSTATES) else "unknown"
                    seen = {"ifindex": link.index, "carrier": link.carrier, "operstate": state, "up": link.up}
                    yield ("device", node.name, link.name), seen


def _has_library() -> bool:
    from netlab.kernel.nftables import has_library

    return has_library()


def _is_optional(name: str) -> bool:
    return name.startswith("net.bridge.")
