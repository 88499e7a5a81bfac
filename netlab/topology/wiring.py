"""Turns sections into devices: bridges, veth pairs, interfaces, and which is joined to which.

Order: bridges of all nodes, then `veths`, then `interfaces`; so an interface that bears the name of a bridge or of a
veth's end adds addresses to that device. A bare name of a bridge means the one in `host`.
"""

from __future__ import annotations

from typing import Any

from netlab import names
from netlab.facts.links import PORT_SWITCHES
from netlab.kinds.bridge import MOST_PORTS
from netlab.kinds.device import DeviceSection
from netlab.kinds.veth import EndSection, InterfaceSection
from netlab.source import Path, quote
from netlab.topology.draft import Device, Draft, NodeDraft, nearest
from netlab.topology.external import external_of, plug_external
from netlab.topology.others import join_others, others_of


def wire(draft: Draft) -> None:
    """Fill the devices of all nodes."""
    for node in draft.nodes.values():
        node.devices["lo"] = Device(node.name, "lo", "lo", node.path)
        for section, path in node.parts:
            for name, bridge in section.bridges.items():
                at = (*path, "bridges", name)
                _add(draft, node, Device(node.name, name, "bridge", at, bridge, sources=[(bridge, at)]))
        for device in (*others_of(node), *external_of(draft, node)):
            _add(draft, node, device)
    bridges = _Bridges(draft)
    for node in draft.nodes.values():
        for section, path in node.parts:
            for number, pair in enumerate(section.veths):
                _pair(draft, bridges, node, pair, (*path, "veths", number))
    cables = _Cables(draft, bridges)
    for node in draft.nodes.values():
        cables.interfaces_of(node)
    cables.join()
    join_others(draft)
    if names.HOST in draft.nodes:
        plug_external(draft, draft.nodes[names.HOST])
    _count_ports(draft)


def _add(draft: Draft, node: NodeDraft, device: Device) -> bool:
    """Put a device into its node; a name that is taken is a problem."""
    other = node.devices.setdefault(device.name, device)
    if other is not device:
        if device.name == "lo":
            draft.tell("duplicate-name", "lo is in every node already", device.path, "choose another name", key=True)
            return False
        place = draft.place(other.path, other.keyed)
        what = f"the device {device.name} of {node.name} stands twice, at {place} and here"
        draft.tell("duplicate-name", what, device.path, "choose another name", key=device.keyed)
    return other is device


def split_reference(text: str) -> tuple[str | None, str]:
    """Split `node1:cni0` into node and device; a bare name has no node.

    >>> split_reference("node1:cni0"), split_reference("br0")
    (('node1', 'cni0'), (None, 'br0'))
    """
    node, colon, device = text.partition(":")
    return (node, device) if colon else (None, text)


class _Bridges:
    """Finds the bridge that a text names; each text is looked up once, found or not."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.found: dict[str, Device | None] = {}
        self.faults: dict[str, tuple[str, str, str | None]] = {}

    def find(self, text: str, path: Path) -> Device | None:
        """Give the bridge, or tell that there is none."""
        if text not in self.found:
            where, name = split_reference(text)
            holder = self.draft.nodes.get(where or names.HOST)
            device = holder.devices.get(name) if holder is not None else None
            self.found[text] = device if device is not None and device.kind == "bridge" else None
            if self.found[text] is None:
                self.faults[text] = self._fault(where, name)
        if text in self.faults:
            code, what, fix = self.faults[text]
            self.draft.tell(code, what, path, fix)
        return self.found[text]

    def _fault(self, where: str | None, name: str) -> tuple[str, str, str | None]:
        """Say what is wrong with a reference: code, words and fix."""
        nodes = self.draft.nodes
        if where is not None and where not in nodes:
            near = self.draft.nearest_node(where)
            fix = f"write {near}:{name}" if near else None
            return "unknown-node", f"there is no node {quote(where)}", fix
        holder = nodes[where or names.HOST]
        known = _bridges_of(holder)
        owner = next((one.name for one in nodes.values() if one is not holder and name in _bridges_of(one)), None)
        if near := nearest(name, known):
            fix = f"write {near if where is None else f'{where}:{near}'}"
        elif owner is not None:
            fix = f'write "{owner}:{name}", the bridge inside that node'
        elif where is None and name in nodes:
            fix = f'{name} is a node; for a direct cable write interfaces: {{eth0: {{peer: "{name}:eth0"}}}}'
        elif known:
            fix = f"bridges of {holder.name}: {', '.join(known[:8])}"
        else:
            fix = f"add bridges: {{{name}: 10.0.0.0/24}}" if not names.fault_of_device(name) else None
        inside = "" if where is None else f" in {where}"
        return "unknown-bridge", f"there is no bridge {quote(name)}{inside}", fix


def _bridges_of(node: NodeDraft) -> list[str]:
    return [device.name for device in node.devices.values() if device.kind == "bridge"]


def _pair(draft: Draft, bridges: _Bridges, node: NodeDraft, pair: tuple[EndSection, ...], path: Path) -> None:
    """Make the two ends of an entry of `veths`."""
    made: list[Device] = []
    for number, section in enumerate(pair):
        at = (*path, number)
        bridge = None
        where = section.netns or node.name
        if section.bridge is not None:
            bridge = bridges.find(section.bridge, (*at, "bridge"))
            if bridge is None:
                _doubt(draft, node, pair)
                return
            if section.netns is not None and section.netns != bridge.node:
                what = f"this end is said to be in {section.netns}, and on {section.bridge}, which is in {bridge.node}"
                draft.tell("end", what, (*at, "netns"), "remove netns; the bridge says where this end is")
                return
            where = bridge.node
        if where not in draft.nodes:
            near = draft.nearest_node(where)
            fix = f"write {near}" if near else f"add {where} to netns"
            draft.tell("unknown-node", f"there is no node {quote(where)}", (*at, "netns"), fix)
            _doubt(draft, node, pair)
            return
        made.append(Device(where, section.name, "veth", (*at, "name"), section, False, None, bridge, [(section, at)]))
    _join(draft, made[0], made[1])


def _doubt(draft: Draft, node: NodeDraft, pair: tuple[EndSection, ...]) -> None:
    """Mark the nodes of a pair that could not be made."""
    for section in pair:
        if (holder := draft.nodes.get(section.netns or node.name)) is not None:
            holder.doubtful = True


def _join(draft: Draft, one: Device, other: Device) -> None:
    """Add both ends of a cable to their nodes, and each to the other."""
    one.peer, other.peer = other, one
    for device in (one, other):
        if _add(draft, draft.nodes[device.node], device) and device.bridge is not None:
            device.bridge.ports += 1
            if device.section is not None and (device.section.given()):
                what = f"{device.name} is plugged into {device.bridge.name}: an address on a port does not answer"
                draft.warn("port-address", what, device.path, f"give the address to {device.bridge.name}")


class _Cables:
    """Makes the devices of `interfaces` and of the short form, and joins `peer` lines once all are known."""

    def __init__(self, draft: Draft, bridges: _Bridges) -> None:
        self.draft, self.bridges = draft, bridges
        #: Interfaces that another one's `peer` line may be about: (node, device) -> section and path.
        self.waiting: dict[tuple[str, str], tuple[InterfaceSection, Path]] = {}

    def interfaces_of(self, node: NodeDraft) -> None:
        for section, path in node.parts:
            for number, text in enumerate(section.bridge):
                at = (*path, "bridge", number)
                self._on_bridge(node, f"eth{number}", text, None, at, at)
            for name, interface in section.interfaces.items():
                self._interface(node, name, interface, (*path, "interfaces", name))

    def _interface(self, node: NodeDraft, name: str, section: InterfaceSection, path: Path) -> None:
        known = node.devices.get(name)
        if known is not None and (known.kind != "veth" or isinstance(known.section, EndSection)):
            self._addresses(known, section, path)
        elif section.bridge is not None and section.peer is not None:
            what = f"{name} has two other ends, a bridge and a peer"
            self.draft.tell("end", what, (*path, "peer"), "remove one", key=True)
        elif section.bridge is not None:
            self._on_bridge(node, name, section.bridge, section, path, (*path, "bridge"))
        elif known is not None:
            _add(self.draft, node, Device(node.name, name, "veth", path))
        elif (node.name, name) in self.waiting:
            place = self.draft.place(self.waiting[node.name, name][1], key=True)
            what = f"the device {name} of {node.name} stands twice, at {place} and here"
            self.draft.tell("duplicate-name", what, path, "choose another name", key=True)
        else:
            self.waiting[node.name, name] = (section, path)

    def _addresses(self, known: Device, section: InterfaceSection, path: Path) -> None:
        """Add the addresses of an entry of `interfaces` to a device that is made elsewhere."""
        known.sources.append((section, path))
        keys: list[tuple[str, Any]] = [("bridge", None), ("peer", None), ("mac", None), ("mtu", None)]
        keys += [("vlan", None), ("trunk", ()), ("native", None), *PORT_SWITCHES.items()]
        if known.kind == "lo":
            known.section = section
        else:
            keys.append(("up", True))
        for key, default in keys:
            if getattr(section, key) != default:
                where = (
                    "takes none"
                    if known.kind == "lo"
                    else f"is declared at {self.draft.place(known.path, known.keyed)}"
                )
                what = f"{key} cannot stand here: {known.name} {where}"
                fix = "remove it" if known.kind == "lo" else f"move it to where {known.name} is declared"
                self.draft.tell("misplaced", what, (*path, key), fix, key=True)

    def _on_bridge(
        self, node: NodeDraft, name: str, text: str, section: InterfaceSection | None, path: Path, at: Path
    ) -> None:
        bridge = self.bridges.find(text, at)
        if bridge is None:
            self._lonely(node, name, section, path)
            return
        keyed = section is not None
        near = Device(node.name, name, "veth", path, section, keyed, sources=[(section, path)] if section else [])
        far_name = names.far_end_name(self.draft.lab, node.name, name)
        _join(self.draft, near, Device(bridge.node, far_name, "veth", path, None, keyed, None, bridge))

    def _lonely(self, node: NodeDraft, name: str, section: InterfaceSection | None, path: Path) -> None:
        """Put a device without another end into its node, so that what refers to it is not called unknown too."""
        sources: list[tuple[DeviceSection, Path]] = [(section, path)] if section is not None else []
        node.devices.setdefault(name, Device(node.name, name, "veth", path, section, sources=sources))
        node.doubtful = True

    def join(self) -> None:
        """Join interfaces by their `peer` lines; what no line is about has no other end."""
        for (node, name), (section, path) in self.waiting.items():
            if section.peer is not None:
                self._peer(self.draft.nodes[node], name, section, path)
        for (node, name), (section, path) in self.waiting.items():
            if name not in self.draft.nodes[node].devices:
                fix = 'add bridge: br0, or peer: "NODE:DEVICE"'
                self.draft.tell("end", f"{name} of {node} has no other end", path, fix, key=True)
                self._lonely(self.draft.nodes[node], name, section, path)

    def _peer(self, node: NodeDraft, name: str, section: InterfaceSection, path: Path) -> None:
        assert section.peer is not None
        at = (*path, "peer")
        where, other = split_reference(section.peer)
        if not self._peer_exists(node, name, section.peer, at):
            self._lonely(node, name, section, path)
            return
        assert where is not None
        known = self.draft.nodes[where].devices.get(other)
        mine = node.devices.get(name)
        if mine is not None and mine.peer is not None and mine.peer is known:
            return  # The other end's own line has made this cable.
        for taken in (known, mine):
            if taken is not None:
                self._taken(taken, at)
                self._lonely(node, name, section, path)
                return
        theirs = self.waiting.get((where, other))
        far = Device(where, other, "veth", theirs[1] if theirs else at, theirs[0] if theirs else None, bool(theirs))
        if theirs:
            far.sources.append(theirs)
        _join(self.draft, Device(node.name, name, "veth", path, section, sources=[(section, path)]), far)

    def _peer_exists(self, node: NodeDraft, name: str, text: str, path: Path) -> bool:
        where, other = split_reference(text)
        nodes = self.draft.nodes
        if where is None:
            near = nodes.get(text)
            fix = f'write "{text}:eth0"' if near else "write NODE:DEVICE"
            self.draft.tell("peer", f"the peer {quote(text)} names no device", path, fix)
        elif where not in nodes:
            found = self.draft.nearest_node(where)
            fix = f'write "{found}:{other}"' if found else f"add {where} to netns"
            self.draft.tell("unknown-node", f"there is no node {quote(where)}", path, fix)
        elif wrong := names.fault_of_device(other):
            self.draft.tell("device-name", f"the device name {quote(other)} {wrong}", path)
        elif (where, other) == (node.name, name):
            self.draft.tell("peer", f"{name} of {where} is its own peer", path, "name another node's device")
        else:
            return True
        return False

    def _taken(self, device: Device, path: Path) -> None:
        """Say that the end of a cable is in use."""
        if device.kind == "bridge":
            self.draft.tell("peer", f"{device} is a bridge", path, f'write bridge: "{device}" instead of peer')
        elif device.kind == "lo":
            self.draft.tell("peer", f"{device} cannot be the end of a cable", path)
        else:
            place = self.draft.place(device.path, device.keyed)
            far = device.on or device.peer
            other = f", with {far}" if far is not None else ""
            what = f"{device} is taken: it is the end of the cable at {place}{other}"
            self.draft.tell("peer-taken", what, path, "name a device of its own for each cable")


def _count_ports(draft: Draft) -> None:
    for node in draft.nodes.values():
        for device in node.devices.values():
            if device.kind == "bridge" and device.ports > MOST_PORTS:
                what = f"{device.name} has {device.ports:,} ports; a bridge of the kernel holds at most {MOST_PORTS:,}"
                fix = "spread them over several bridges, joined by a router"
                draft.tell("too-many-ports", what, device.path, fix, key=True)
