"""What a drawing is made of, as frozen values: boxes, bridges, devices, cables, lines of small type.

`action` is what a plan does to the thing ("create", "update", "replace", "delete") or None. Everything is sorted the
way a person counts (ns2 before ns10), so that equal facts give equal scenes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from netlab.diagram.ways import Way
from netlab.names import HOST

#: What a plan may do to a fact, and the glyph that says so in a drawing without colours.
GLYPHS = {"create": "+", "update": "~", "replace": "±", "delete": "−"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of type: an address, a route, a program, a remark."""

    text: str
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """One end of a cable, or another device of a node, with the addresses that it carries."""

    node: str
    name: str
    #: What is printed for the name, where that is something else: "50 ports".
    title: str = ""
    addresses: tuple[Line, ...] = ()
    #: Remarks: an impairment, an unusual MTU, "down", "no carrier".
    notes: tuple[Line, ...] = ()
    action: str | None = None
    mac: str | None = None
    #: What it is, where it is no end of a cable: "vxlan 1". What it stands on, and the bridge it is plugged into.
    caption: str = ""
    over: str | None = None
    #: Of a bond or a VRF: its members.
    members: tuple[str, ...] = ()
    bridge: str | None = None


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge and the devices plugged into it."""

    node: str
    name: str
    addresses: tuple[Line, ...] = ()
    notes: tuple[Line, ...] = ()
    ports: tuple[Device, ...] = ()
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """A namespace. A `machine` holds bridges of its own, and what lives on them stands inside it; so does `host`."""

    node: str
    title: str
    kind: Literal["plain", "machine", "host"] = "plain"
    #: The machine inside which this box stands; None for the host itself.
    parent: str | None = HOST
    #: Words beside the title: "sandbox", "50 nodes".
    remark: str = ""
    forwarding: Line | None = None
    notes: tuple[Line, ...] = ()
    routes: tuple[Line, ...] = ()
    #: What is translated and filtered here: "masquerade 10.0.0.0/24 out eth0", "forward: drop".
    filters: tuple[Line, ...] = ()
    programs: tuple[Line, ...] = ()
    #: Devices that are not plugged into a bridge of this box.
    devices: tuple[Device, ...] = ()
    bridges: tuple[Bridge, ...] = ()
    action: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Plug:
    """Where a cable ends: a device of a node, on `bridge` where it is a port of one."""

    node: str
    device: str
    bridge: str | None = None


@dataclass(frozen=True, slots=True)
class Cable:
    """A veth pair, or `count` alike ones, or a tunnel. `dead`: an end is down, or was observed without carrier."""

    a: Plug
    b: Plug
    action: str | None = None
    dead: bool = False
    count: int = 1
    #: What a tunnel is called ("vxlan 1"): it joins two devices as a cable does, and leads through other ones.
    tunnel: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is drawn of a lab. `boxes` begins with the host; `planned` and `live` ask for their legends."""

    name: str
    boxes: tuple[Box, ...]
    cables: tuple[Cable, ...]
    #: What the checks expect, one a line.
    checks: tuple[str, ...] = ()
    #: "3 namespaces, 1 bridge, 3 veth pairs".
    counts: str = ""
    planned: bool = False
    live: bool = False
    #: A packet's way: what is not on it fades.
    way: Way | None = None


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Give the key that sorts names the way a person counts.

    >>> sorted(["ns10", "ns2", "br0"], key=natural)
    ['br0', 'ns2', 'ns10']
    """
    parts = re.split(r"(\d+)", text)
    return (*((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part), (-1, 0, text))


def plural(number: int, noun: str) -> str:
    """Count things in words.

    >>> plural(1, "bridge"), plural(3, "veth pair")
    ('1 bridge', '3 veth pairs')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
