"""Turns a scene too big to read into one in which alike nodes share a box: "ns0 … ns49", 50 nodes.

Nodes are alike when everything but their names and host parts of addresses is the same: the bridges they hang on, by
which device, in which subnet; routes, filters, programs, forwarding; what a plan does to each part, and whether the
cable is alive. So whatever is special stays visible on its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_interface

from netlab.diagram.elements import Box, Cable, Device, Line, Plug, Scene, natural, plural

#: A device of a node.
At = tuple[str, str]

#: Up to so many plain nodes a reader wants to see each of them.
READABLE = 60
#: Fewer alike nodes than this are not worth a summary.
WORTH = 4


def summary(scene: Scene) -> Scene:
    """Give the scene as it is when it is readable, else with alike nodes drawn as one."""
    plain = [box for box in scene.boxes if box.kind == "plain"]
    if len(plain) <= READABLE:
        return scene
    cables: dict[str, list[Cable]] = defaultdict(list)
    for cable in scene.cables:
        for node in {cable.a.node, cable.b.node}:
            cables[node].append(cable)
    ports = {(port.node, port.name): port for box in scene.boxes for bridge in box.bridges for port in bridge.ports}
    alike: dict[object, list[Box]] = defaultdict(list)
    apart = scene.way.nodes if scene.way is not None else ()
    for box in plain:
        if box.node in apart:
            continue
        alike[_signature(box, cables[box.node], ports)].append(box)
    groups = [group for same, group in alike.items() if same is not None and len(group) >= WORTH]
    return _merge(scene, groups, cables) if groups else scene


def _signature(box: Box, cables: Sequence[Cable], ports: Mapping[At, Device]) -> object | None:
    """Say what makes a node what it is but for its name, or None where it is no mere leaf of bridges."""
    plugs = []
    for cable in cables:
        near, far = _ends(cable, box.node)
        if far.bridge is None or far.node == box.node:
            return None
        port = ports[far.node, far.device]
        plugs.append((_pattern(near.device), far.node, far.bridge, cable.action, cable.dead, port.action, port.notes))
    if not plugs:
        return None
    devices = []
    for device in box.devices:
        addresses = tuple((_subnet(line), line.action) for line in device.addresses)
        kind = (device.caption, device.over and _pattern(device.over), device.bridge, device.members)
        devices.append((_pattern(device.name), addresses, device.notes, device.action, kind))
    words = (box.forwarding, box.notes, box.routes, box.filters, box.programs, box.action)
    return (box.parent, tuple(sorted(plugs, key=repr)), tuple(devices), words)


def _pattern(name: str) -> str:
    """Give a name without its numbers: in many labs the device of node 7 is called veth7."""
    return re.sub(r"\d+", "0", name)


def _ends(cable: Cable, node: str) -> tuple[Plug, Plug]:
    return (cable.a, cable.b) if cable.a.node == node else (cable.b, cable.a)


def _subnet(line: Line) -> str:
    return str(ip_interface(line.text).network)


def _merge(scene: Scene, groups: Iterable[Sequence[Box]], cables: Mapping[str, Sequence[Cable]]) -> Scene:
    """Let the first node of each group stand for all of it, and its cables for all of theirs."""
    size: dict[str, int] = {}
    boxes: dict[str, Box | None] = {}
    ports: dict[At, str | None] = {}
    for group in groups:
        first = group[0].node
        for box in group:
            boxes[box.node] = None
            ports.update((_at(_ends(cable, box.node)[1]), None) for cable in cables[box.node])
        boxes[first] = _group(group)
        size[first] = len(group)
        ports.update((_at(_ends(cable, first)[1]), plural(len(group), "port")) for cable in cables[first])
    kept = [found for box in scene.boxes if (found := boxes.get(box.node, box)) is not None]
    bundles = []
    for cable in scene.cables:
        grouped = [node for node in (cable.a.node, cable.b.node) if node in boxes]
        if not grouped or grouped[0] in size:
            bundles.append(replace(cable, count=size[grouped[0]]) if grouped else cable)
    return replace(scene, boxes=tuple(_with_ports(box, ports) for box in kept), cables=tuple(bundles))


def _group(group: Sequence[Box]) -> Box:
    """Turn alike boxes into one that names their range and number."""
    devices = zip(*(box.devices for box in group), strict=True)
    return replace(
        group[0],
        title=_span([box.title for box in group]),
        remark=plural(len(group), "node"),
        devices=tuple(_device(same) for same in devices),
    )


def _with_ports(box: Box, ports: Mapping[At, str | None]) -> Box:
    """Keep of a bridge's ports those that nothing is said of, and retitle those that stand for many."""
    bridges = []
    for bridge in box.bridges:
        kept = [(port, ports.get((port.node, port.name), "")) for port in bridge.ports]
        retitled = tuple(replace(port, title=title) if title else port for port, title in kept if title is not None)
        bridges.append(replace(bridge, ports=retitled))
    return replace(box, bridges=tuple(bridges))


def _at(plug: Plug) -> At:
    return plug.node, plug.device


def _device(same: Sequence[Device]) -> Device:
    """Turn the same device of alike nodes into one, with the range of its names and addresses."""
    spans = zip(*(device.addresses for device in same), strict=True)
    return replace(
        same[0],
        title=_span([device.name for device in same]),
        mac=None,
        addresses=tuple(replace(lines[0], text=_span([line.text for line in lines])) for lines in spans),
    )


def _span(names: Sequence[str]) -> str:
    """Give the first and the last of names, in the order in which a person counts.

    >>> _span(["ns2", "ns0", "ns10"])
    'ns0 … ns10'
    """
    ordered = sorted(names, key=natural)
    return ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]} … {ordered[-1]}"
