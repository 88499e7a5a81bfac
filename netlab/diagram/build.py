"""Turns facts into the scene that a network engineer would sketch.

Rules. A namespace is a box, and the host is the outer one. A node that holds bridges plays a machine: its bridges stand
inside its box, and so do the plain nodes that hang on nothing but its addressed bridges (a bridge without an address is
a switch, and what is plugged into it stands outside). A cable shows the names of both its ends; addresses stand with
the device that carries them, routes and programs in the box, as `ip` would print them. Unusual things are said (an
MTU other than 1500, STP, down), usual ones are not. A device of another kind says what it is, and is tied to what it
stands on; a tunnel leads to the device that takes its packets out again. What a node translates and filters is said
where its routes are; what makes a wire worse, at the end that it leaves by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from netlab.diagram.alike import summary
from netlab.diagram.elements import Box, Bridge, Cable, Device, Line, Plug, Scene, natural, plural
from netlab.diagram.filters import filters, impairment
from netlab.diagram.index import Index, index
from netlab.diagram.tunnels import Tunnel, caption, kinds_in_words, tunnels
from netlab.diagram.ways import Way
from netlab.facts import MAIN_TABLE, DeviceSettings, Fact, Facts, Key, Resource, Route, Settings, Veth
from netlab.facts import Bridge as BridgeFact
from netlab.facts import Device as DeviceFact
from netlab.names import HOST
from netlab.topology.lab import Check

Actions = Mapping[Key, str]
Live = Mapping[tuple[str, ...], Mapping[str, object]]

#: What a check expects when it says nothing; only other expectations are worth a word.
_USUAL = {"ping": "reply", "arp": "reply", "tcp": "open", "udp": "reply"}
#: What Ethernet, and every device of netlab's, starts with.
_USUAL_MTU = 1500


def scene(
    name: str,
    facts: Facts,
    *,
    sandboxed: bool,
    checks: Sequence[Check] = (),
    actions: Actions | None = None,
    live: Live | None = None,
    way: Way | None = None,
) -> Scene:
    """Turn the facts of a lab into what is drawn of it.

    `actions` says what a plan does to a fact, by key ("create", "update", "replace", "delete"; deleted facts are
    among `facts` too). `live` holds observations by ("device", node, name); a `carrier` of False draws the cable dead.
    `way` is that of a packet.
    """
    acts = actions or {}
    found = index(_drawn(facts, acts))
    builder = _Builder(found, acts, live or {})
    cables = tuple(sorted((builder.cable(fact) for fact in found.veths), key=_cable_key))
    led = tuple(sorted((builder.tunnel(one) for one in builder.tunnels.found), key=_cable_key))
    boxes = [builder.box(node) for node in sorted(found.nodes, key=lambda node: (node != HOST, natural(node)))]
    host = replace(boxes[0], kind="host", parent=None, remark="sandbox" if sandboxed else "this machine")
    return summary(
        Scene(
            name=name,
            boxes=(host, *_housed(boxes[1:], cables)),
            cables=(*cables, *led),
            checks=tuple(_expectation(check) for check in checks),
            counts=_counts(facts, acts),
            planned=actions is not None,
            live=live is not None,
            way=way,
        )
    )


def _drawn(facts: Facts, acts: Actions) -> Iterator[Fact]:
    """Leave out what a plan deletes where it gives the name to something of another family: the new one is drawn."""
    gone = {key for key in facts if acts.get(key) == "delete"}
    families: dict[Resource, set[str]] = defaultdict(set)
    for fact in facts.values() if gone else ():
        for claim in fact.claims() if fact.key not in gone else ():
            if claim[0] == "name":
                families[claim].add(fact.family)
    for fact in facts.values():
        if fact.key not in gone or all(families.get(one, set()) <= {fact.family} for one in fact.claims()):
            yield fact


class _Builder:
    """What every element of one scene is built from: the index, the plan's actions, the observations."""

    def __init__(self, found: Index, acts: Actions, live: Live) -> None:
        self.found, self.acts, self.live = found, acts, live
        self.tunnels = tunnels(found)

    def box(self, node: str) -> Box:
        """Turn the facts of a node into its box."""
        found, acts = self.found, self.acts
        namespace, settings = found.namespaces.get(node), found.settings.get(node)
        routes = sorted(
            found.routes.get(node, ()), key=lambda fact: (fact.table, fact.version, natural(fact.to), fact.metric)
        )
        bridges = sorted(found.bridges.get(node, ()), key=lambda fact: natural(fact.name))
        return Box(
            node=node,
            title=node,
            kind="machine" if bridges else "plain",
            action=acts.get(namespace.key) if namespace else None,
            forwarding=(forwarding := self._forwarding(settings)),
            notes=() if forwarding else _changed(settings, acts),
            routes=tuple(Line(_route(fact), acts.get(fact.key)) for fact in routes),
            filters=filters(found, node, acts),
            programs=tuple(
                Line(f"$ {fact.command}", acts.get(fact.key))
                for fact in sorted(found.programs.get(node, ()), key=lambda fact: fact.command)
            ),
            devices=tuple(self.device(node, name) for name in sorted(found.loose.get(node, ()), key=natural)),
            bridges=tuple(self.bridge(fact) for fact in bridges),
        )

    def bridge(self, fact: BridgeFact) -> Bridge:
        """Turn a bridge, and the ports in it, into what is drawn."""
        node = fact.node
        inside = self.found.plugged[node, fact.name]
        remarks = [Line("STP")] if fact.stp else []
        remarks += [Line("VLAN filtering")] if fact.vlan_filtering else []
        return Bridge(
            node=node,
            name=fact.name,
            addresses=self._addresses(node, fact.name),
            notes=(*remarks, *self._remarks(node, fact.name, fact)),
            ports=tuple(self.device(node, name) for name in sorted(inside, key=natural)),
            action=self.acts.get(fact.key),
        )

    def device(self, node: str, name: str) -> Device:
        """Turn what is known of a device that is no bridge into what is drawn at the end of its cable."""
        if (node, name) in self.found.others:
            return self._other(self.found.others[node, name])
        end, cable = self.found.ends.get((node, name), (None, None))
        port = self.found.ports.get((node, name))
        made = self.acts.get(cable.key) if cable else None
        return Device(
            node=node,
            name=name,
            addresses=self._addresses(node, name),
            notes=self._remarks(node, name, end) if end else (),
            action=made or (self.acts.get(port.key) if port else None),
            mac=end.mac if end else None,
        )

    def _other(self, fact: DeviceFact) -> Device:
        """Turn a device of another kind into its box: what it is, and what it is tied to."""
        port = self.found.ports.get((fact.node, fact.name))
        group = dict(fact.options).get("group")
        away = [Line(f"group {group}")] if group is not None else []
        members = sorted(self.found.members.get((fact.node, fact.name), ()), key=lambda one: natural(one.device))
        away += [Line(f"of {member.device}", self.acts.get(member.key)) for member in members]
        leading = self.tunnels.outward.get((fact.node, fact.name), ())
        away += [Line(f"to {entry.to}", self.acts.get(entry.key)) for entry in leading]
        return Device(
            node=fact.node,
            name=fact.name,
            addresses=self._addresses(fact.node, fact.name),
            notes=(*away, *self._remarks(fact.node, fact.name, fact)),
            action=self.acts.get(fact.key) or (self.acts.get(port.key) if port else None),
            mac=fact.mac,
            caption=caption(fact),
            over=fact.over,
            members=tuple(member.device for member in members),
            bridge=self.found.bridge_of(fact.node, fact.name),
        )

    def tunnel(self, one: Tunnel) -> Cable:
        """Turn a tunnel into a cable with a name; what a plan does to it is what it does to all of its entries."""
        actions = {self.acts.get(key) for key in one.entries}
        a, b = one.ends
        return Cable(
            Plug(a.node, a.name),
            Plug(b.node, b.name),
            action=actions.pop() if len(actions) == 1 else "update",
            dead=any(not end.up or self._silent(end.node, end.name) for end in one.ends),
            tunnel=caption(a),
        )

    def cable(self, fact: Veth) -> Cable:
        """Turn a veth pair into a cable between two plugs."""
        plugs = [Plug(end.node, end.name, self.found.bridge_of(end.node, end.name)) for end in (fact.a, fact.b)]
        dead = any(not end.up or self._silent(end.node, end.name) for end in (fact.a, fact.b))
        return Cable(plugs[0], plugs[1], action=self.acts.get(fact.key), dead=dead)

    def _forwarding(self, settings: Settings | None) -> Line | None:
        """Mark a router; only where it forwards one family but holds addresses of both is that worth saying."""
        values = dict(settings.values) if settings else {}
        four, six = values.get("net.ipv4.ip_forward") == "1", values.get("net.ipv6.conf.all.forwarding") == "1"
        if settings is None or not (four or six):
            return None
        both = settings.node in self.found.speaks_ipv6
        word = "IPv4" if both and not six else "IPv6" if not four else "IP"
        return Line(f"{word} forwarding", self.acts.get(settings.key))

    def _silent(self, node: str, name: str) -> bool:
        return self.live.get(("device", node, name), {}).get("carrier") is False

    def _addresses(self, node: str, name: str) -> tuple[Line, ...]:
        facts = sorted(
            self.found.addresses.get((node, name), ()), key=lambda fact: (fact.version, natural(fact.address))
        )
        return tuple(Line(fact.address, self.acts.get(fact.key)) for fact in facts)

    def _remarks(self, node: str, name: str, link: object) -> tuple[Line, ...]:
        """Say what is unusual about a device: what it does to packets, its MTU, that it is down or dead or changed."""
        worse = self.found.impairments.get((node, name))
        found = [Line(impairment(worse), self.acts.get(worse.key))] if worse else []
        mtu, up = getattr(link, "mtu", None), getattr(link, "up", True)
        found += [Line(f"mtu {mtu}")] if mtu not in (None, _USUAL_MTU) else []
        found += [Line("down")] if not up else [Line("no carrier")] if self._silent(node, name) else []
        settings = self.found.device_settings.get((node, name))
        return (*found, *_changed(settings, self.acts))


def _changed(settings: Settings | DeviceSettings | None, acts: Actions) -> tuple[Line, ...]:
    """Say that a plan changes settings; that it makes or deletes them goes without saying."""
    action = acts.get(settings.key) if settings is not None else None
    return (Line("settings", action),) if action in ("update", "replace") else ()


def _route(fact: Route) -> str:
    """Write a route as `ip route` prints it.

    >>> _route(Route("ns0", "0.0.0.0/0", via="10.0.0.254"))
    'default via 10.0.0.254'
    """
    words = [] if fact.kind == "unicast" else [fact.kind]
    words.append("default" if fact.to in ("0.0.0.0/0", "::/0") else fact.to)
    words += ["via", fact.via] if fact.via else []
    # With a gateway the device goes without saying, unless the gateway is not on its subnet.
    words += ["dev", fact.device] if fact.device and (not fact.via or fact.onlink) else []
    words += [f"via {via or device}" + (f" ×{weight}" if weight > 1 else "") for via, device, weight in fact.hops]
    words += ["src", fact.source] if fact.source else []
    words += ["table", str(fact.table)] if fact.table != MAIN_TABLE else []
    words += ["metric", str(fact.metric)] if fact.metric else []
    return " ".join(words)


def _expectation(check: Check) -> str:
    if check.bounds is not None:
        return f"{check.name} ({check.bounds})"
    return check.name if check.expect == _USUAL.get(check.kind) else f"{check.name} (expect {check.expect})"


def _counts(facts: Facts, acts: Actions) -> str:
    kept = [fact.family for fact in facts.values() if acts.get(fact.key) != "delete" and fact.key != ("netns", HOST)]
    nouns = (("netns", "namespace"), ("bridge", "bridge"), ("veth", "veth pair"))
    others = [fact for fact in facts.values() if isinstance(fact, DeviceFact) and acts.get(fact.key) != "delete"]
    words = [plural(kept.count(family), noun) for family, noun in nouns if family in kept]
    return ", ".join((*words, *kinds_in_words(others)))


def _cable_key(cable: Cable) -> tuple[object, ...]:
    return (natural(cable.a.node), natural(cable.a.device), natural(cable.b.node), natural(cable.b.device))


def _housed(boxes: Sequence[Box], cables: Sequence[Cable]) -> list[Box]:
    """Put the plain nodes that hang on one machine's addressed bridges, and on nothing else, inside that machine."""
    addressed = {(box.node, bridge.name) for box in boxes for bridge in box.bridges if bridge.addresses}
    machines: dict[str, set[str | None]] = defaultdict(set)
    for cable in cables:
        for near, far in ((cable.a, cable.b), (cable.b, cable.a)):
            machines[near.node].add(far.node if (far.node, far.bridge) in addressed else None)
    found = []
    for box in boxes:
        homes = machines.get(box.node, set())
        home = next(iter(homes)) if len(homes) == 1 else None
        found.append(replace(box, parent=home) if home and box.kind == "plain" and home != box.node else box)
    return found
