"""Turns a scene into the parts that are placed on paper: vertices with slots for cables, wires, and frames.

A plain box is one part. Of a machine, and of a node in which devices stand on others or tunnels end, every bridge and
every device is a part of its own inside a frame; a device is tied to what it stands on and to the bridge it is plugged
into. Where such a node forwards between two or more of them, a part for the forwarding joins them with thin links.
A tunnel between more than two devices is a part, too, to which each is joined: the network that they share.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from netlab.diagram.blocks import NAME, SMALL, Block, Text, heading, lines, shortened, small
from netlab.diagram.elements import Box, Bridge, Cable, Device, Line, Plug, Scene
from netlab.diagram.overlays import overlays
from netlab.diagram.palette import DEAD, INK, SOFT

#: Longer lists are cut, and say how much is missing.
MOST_ADDRESSES, MOST_ROUTES, MOST_FILTERS, MOST_PROGRAMS = 6, 8, 8, 4


#: Where a wire ends: a part, and one of its slots ("": the part itself).
End = tuple[str, str]
#: Where a packet's way is drawn, a thing is on it (there, or only back), or it is not.
Look = Literal["", "there", "back", "faint"]


@dataclass(frozen=True, slots=True)
class Lane:
    """A packet's way over a wire, from one end to the other; `number` counts the wires that it takes."""

    start: End
    end: End
    number: int | None
    back: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A vertex: the text in its middle, and a slot of text for each device that a cable ends at."""

    id: str
    #: The frame in which it stands.
    frame: str
    kind: Literal["box", "bridge", "device", "routing"]
    middle: Block
    slots: tuple[tuple[str, Block], ...] = ()
    action: str | None = None
    tooltip: str = ""
    look: Look = ""


@dataclass(frozen=True, slots=True)
class Wire:
    """A cable between two slots; or without one a link inside a node.

    `routing` leads from its forwarding to a device, `tie` from one device to another that stands on it or is its
    bridge; `near` is not drawn, and keeps a device beside the others of its node. `jump` is a packet's own way.
    """

    a: End
    b: End
    cable: Cable | None = None
    link: Literal["", "routing", "tie", "near", "jump"] = ""
    lanes: tuple[Lane, ...] = ()
    look: Look = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of a machine, or of a node with devices of other kinds, inside its parent's."""

    node: str
    parent: str | None
    title: Block
    kind: str
    action: str | None = None
    look: Look = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """All that is placed, and what is drawn between them without having a say in where they stand."""

    frames: tuple[Frame, ...]
    parts: tuple[Part, ...]
    wires: tuple[Wire, ...]
    jumps: tuple[Wire, ...] = ()


def parts(scene: Scene) -> Parts:
    """Take a scene apart."""
    wired = {(plug.node, plug.device) for cable in scene.cables for plug in (cable.a, cable.b)}
    frames, found, links = [], [], []
    led = {(plug.node, plug.device) for cable in scene.cables if cable.tunnel for plug in (cable.a, cable.b)}
    framed = {box.node for box in scene.boxes if _is_frame(box, led)}
    for box in scene.boxes:
        if box.node not in framed:
            found.append(_plain(box, wired))
            continue
        inside = list(_inside(box))
        hub = _hub(box)
        frames.append(_frame(box, hub))
        found += inside
        mine = list(_ties(box))
        if hub is not None:
            found.append(hub)
            mine = [*(Wire((hub.id, ""), (part, ""), link="routing") for part in _routed(box)), *mine]
        # The host's frame surrounds everything: in there a loose device may stand anywhere.
        near = () if box.parent is None else _near(box, wired, {end for wire in mine for end, _ in (wire.a, wire.b)})
        links += [*mine, *near]
    networks, cables = overlays(scene)
    for one in networks:
        title = heading(one.title, one.action)
        found.append(Part(one.id, one.frame, "routing", Block((title,)), (), one.action, one.title))
    wires = [Wire(_slot(cable.a, framed), _slot(cable.b, framed), cable) for cable in cables]
    return Parts(tuple(frames), tuple(found), (*wires, *links))


def _is_frame(box: Box, led: Container[tuple[str, str]]) -> bool:
    """Tell whether devices are drawn one by one: where one stands on another, or a tunnel leads to one."""
    return box.kind != "plain" or any(
        one.caption and (one.over or one.members or (one.node, one.name) in led) for one in box.devices
    )


def _ties(box: Box) -> Iterator[Wire]:
    """Tie devices to what they stand on or are made of, and to the bridges that they are plugged into."""
    ports = {port.name: bridge.name for bridge in box.bridges for port in bridge.ports}
    known = {bridge.name for bridge in box.bridges} | {one.name for one in box.devices} | ports.keys()
    for device in box.devices:
        for other in (device.over, device.bridge, *device.members):
            if other is not None and other in known:
                # A port is drawn at the edge of its bridge.
                yield Wire(
                    (part_id(box.node, ports.get(other, other)), ""), (part_id(box.node, device.name), ""), link="tie"
                )


def _near(box: Box, wired: set[tuple[str, str]], tied: set[str]) -> Iterator[Wire]:
    """Keep devices that nothing leads to beside one that something does, or beside each other."""
    drawn = [device for device in box.devices if device.name != "lo"]
    loose = [one for one in drawn if one.caption and (one.node, one.name) not in wired]
    loose = [one for one in loose if part_id(box.node, one.name) not in tied]
    found = [bridge.name for bridge in box.bridges] + [one.name for one in drawn if one not in loose]
    first = next(iter(found or [one.name for one in loose]), "")
    for device in loose:
        if device.name != first:
            yield Wire((part_id(box.node, first), ""), (part_id(box.node, device.name), ""), link="near")


def _slot(plug: Plug, framed: Container[str]) -> End:
    if plug.node not in framed:
        return plug.node, plug.device
    return (part_id(plug.node, plug.bridge), plug.device) if plug.bridge else (part_id(plug.node, plug.device), "")


def part_id(node: str, device: str) -> str:
    """Name the part of a bridge or a device of a node in a frame."""
    return f"{node}:{device}"


def hub_id(node: str) -> str:
    """Name the part of a node's forwarding."""
    return f"{node} forwarding"


def _plain(box: Box, wired: set[tuple[str, str]]) -> Part:
    slots = tuple((one.name, _device(one, box.action)) for one in box.devices if (one.node, one.name) in wired)
    loose = [one for one in box.devices if (one.node, one.name) not in wired]
    title = heading(box.title, box.action, size=NAME, bold=True, aside=box.remark)
    cards = tuple(_device(one, box.action) for one in loose if one.caption)
    loose = [one for one in loose if not one.caption]
    middle = Block((title, *_loose(loose, box.action), *_small(box, with_routing=True)), cards)
    return Part(box.node, box.parent or "host", "box", middle, slots, box.action, _tooltip(box))


def _frame(box: Box, hub: Part | None) -> Frame:
    loose = [one for one in box.devices if one.name == "lo"]
    title = heading(box.title, box.action, size=NAME, bold=True, aside=box.remark)
    small_type = _small(box, with_routing=hub is None)
    kind = "box" if box.kind == "plain" else box.kind
    return Frame(box.node, box.parent, Block((title, *_loose(loose, box.action), *small_type)), kind, box.action)


def _inside(box: Box) -> Iterator[Part]:
    for bridge in box.bridges:
        yield _bridge(bridge, box.action)
    for device in box.devices:
        if device.name != "lo":
            about = " ".join(filter(None, (f"{device.node}:{device.name}", device.caption, device.mac)))
            middle = _device(device, box.action)
            yield Part(part_id(box.node, device.name), box.node, "device", middle, (), device.action, about)


def _hub(box: Box) -> Part | None:
    if box.forwarding is None or len(_routed(box)) < 2:
        return None
    texts = (
        *lines((box.forwarding,), box.action),
        *small(shortened(box.routes, MOST_ROUTES, "route"), box.action),
        *small(shortened(box.filters, MOST_FILTERS, "rule"), box.action),
    )
    return Part(hub_id(box.node), box.node, "routing", Block(texts), (), None, f"{box.node}: forwards packets")


def _routed(box: Box) -> list[str]:
    """Name the parts of a machine between which it can route: what has an address."""
    bridges = [part_id(box.node, bridge.name) for bridge in box.bridges if bridge.addresses]
    return bridges + [part_id(box.node, one.name) for one in box.devices if one.addresses and one.name != "lo"]


def _bridge(bridge: Bridge, within: str | None) -> Part:
    texts = (
        heading(bridge.name, bridge.action, within, size=NAME, bold=True),
        *lines(shortened(bridge.addresses, MOST_ADDRESSES, "address"), bridge.action),
        *small(bridge.notes, bridge.action),
    )
    slots = tuple((port.name, _device(port, bridge.action)) for port in bridge.ports)
    words = [f"bridge {bridge.node}:{bridge.name}", *(line.text for line in bridge.addresses)]
    return Part(
        part_id(bridge.node, bridge.name), bridge.node, "bridge", Block(texts), slots, bridge.action, " ".join(words)
    )


def _device(device: Device, within: str | None) -> Block:
    dead = any(note.text in ("down", "no carrier") for note in device.notes)
    return Block(
        (
            heading(device.title or device.name, device.action, within, colour=DEAD if dead else INK),
            *small((Line(device.caption, device.action),) if device.caption else (), device.action),
            *lines(shortened(device.addresses, MOST_ADDRESSES, "address"), device.action or within),
            *small(device.notes, device.action or within),
        )
    )


def _loose(devices: Iterable[Device], within: str | None) -> tuple[Text, ...]:
    """Set the devices that no cable ends at, `lo` above all, each on one line."""
    return tuple(
        heading(f"{device.name} {line.text}", line.action, within, size=SMALL, colour=SOFT)
        for device in devices
        for line in device.addresses
    )


def _small(box: Box, *, with_routing: bool) -> tuple[Text, ...]:
    routing: list[Line] = []
    if with_routing:
        routing = [box.forwarding] if box.forwarding else []
        routing += shortened(box.routes, MOST_ROUTES, "route")
        routing += shortened(box.filters, MOST_FILTERS, "rule")
    return small((*routing, *box.notes, *shortened(box.programs, MOST_PROGRAMS, "program")), box.action)


def _tooltip(box: Box) -> str:
    words = [box.title, box.remark]
    words += [f"{one.name} {' '.join(a.text for a in one.addresses)}" for one in box.devices]
    words += [line.text for line in (*box.routes, *box.filters, *box.programs)]
    return ", ".join(word.strip() for word in words if word.strip())
