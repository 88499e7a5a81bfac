"""Turns a scene too big to read into one in which alike nodes share a box: "ns0 … ns49", 50 nodes.

Nodes are alike when everything but their names and host parts of addresses is the same: the bridges they hang on, by
which device, in which subnet; routes, programs, forwarding; what a plan does to each part, and whether the cable is
alive. So whatever is special stays visible on its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import ip_interface

from netlab.diagram.elements import Box, Bridge, Cable, Device, Line, Plug, Scene, natural, plural

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
    alike: dict[object, list[Box]] = defaultdict(list)
    for box in plain:
        alike[_signature(box, cables[box.node])].append(box)
    groups = [group for same, group in alike.items() if same is not None and len(group) >= WORTH]
    return _merge(scene, groups, cables) if groups else scene


def _signature(box: Box, cables: Sequence[Cable]) -> object | None:
    """Say what makes a node what it is but for its name, or None where it is no mere leaf of bridges."""
    plugs = []
    for cable in cables:
        near, far = _ends(cable, box.node)
        if far.bridge is None or far.node == box.node:
            return None
        plugs.append((near.device, far.node, far.bridge, cable.action, cable.dead))
    if not plugs:
        return None
    devices = tuple(
        (device.name, tuple((_subnet(line), line.action) for line in device.addresses), device.notes, device.action)
        for device in box.devices
    )
    return (
        box.parent,
        tuple(sorted(plugs, key=repr)),
        devices,
        box.forwarding,
        box.notes,
        box.routes,
        box.programs,
        box.action,
    )


def _ends(cable: Cable, node: str) -> tuple[Plug, Plug]:
    return (cable.a, cable.b) if cable.a.node == node else (cable.b, cable.a)


def _subnet(line: Line) -> str:
    return str(ip_interface(line.text).network)


def _merge(scene: Scene, groups: Iterable[Sequence[Box]], cables: dict[str, list[Cable]]) -> Scene:
    merged: dict[str, Box] = {}
    gone: set[str] = set()
    ports: dict[tuple[str, str], str] = {}
    bundles: list[Cable] = []
    for group in groups:
        first = group[0]
        merged[first.node] = replace(
            first,
            title=_span([box.title for box in group]),
            remark=plural(len(group), "node"),
            devices=tuple(_devices(same) for same in zip(*(box.devices for box in group), strict=True)),
        )
        gone.update(box.node for box in group)
        for cable in cables[first.node]:
            near, far = _ends(cable, first.node)
            bundles.append(Cable(near, far, cable.action, cable.dead, count=len(group)))
        for box in group:
            for cable in cables[box.node]:
                far = _ends(cable, box.node)[1]
                ports[far.node, far.device] = first.node
    kept = {(cable.a.node, cable.a.device) for cable in bundles} | {(c.b.node, c.b.device) for c in bundles}
    width = {(plug.node, plug.device): cable.count for cable in bundles for plug in (cable.a, cable.b)}
    boxes = (merged.get(box.node, box) for box in scene.boxes if box.node not in gone or box.node in merged)
    return replace(
        scene,
        boxes=tuple(
            replace(box, bridges=tuple(_bridge(one, ports, kept, width) for one in box.bridges)) for box in boxes
        ),
        cables=(*(one for one in scene.cables if not {one.a.node, one.b.node} & gone), *bundles),
    )


def _bridge(
    bridge: Bridge, ports: dict[tuple[str, str], str], kept: set[tuple[str, str]], width: dict[tuple[str, str], int]
) -> Bridge:
    found = []
    for port in bridge.ports:
        at = (port.node, port.name)
        if at not in ports:
            found.append(port)
        elif at in kept:
            found.append(replace(port, title=plural(width[at], "port"), mac=None))
    return replace(bridge, ports=tuple(found))


def _devices(same: Sequence[Device]) -> Device:
    """Turn the devices of one name in alike nodes into one, with the range of their addresses."""
    first = same[0]
    spans = zip(*(device.addresses for device in same), strict=True)
    return replace(first, mac=None, addresses=tuple(replace(s[0], text=_span([x.text for x in s])) for s in spans))


def _span(names: Sequence[str]) -> str:
    """Give the first and the last of names, in the order in which a person counts.

    >>> _span(["ns2", "ns0", "ns10"])
    'ns0 … ns10'
    """
    ordered = sorted(names, key=natural)
    return ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]} … {ordered[-1]}"
