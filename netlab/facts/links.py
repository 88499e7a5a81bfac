"""The family of links: namespaces, bridges, veth pairs, and ports (a device plugged into a bridge).

A veth pair is one fact that provides two devices. Times are the kernel's own: hundredths of a second.
MACs are lower case with colons. Devices that netlab makes always say their MAC and MTU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from netlab.facts.fact import Fact, Key, Need, Resource


@dataclass(frozen=True, slots=True)
class Namespace(Fact):
    """A network namespace: a node. `up` is its `lo`.

    The sandbox's own namespace is Namespace("host"); the real machine's is no fact.
    """

    family: ClassVar[str] = "netns"
    rank: ClassVar[int] = 0
    live: ClassVar[frozenset[str]] = frozenset({"up"})

    node: str
    up: bool = True

    @property
    def key(self) -> Key:
        return ("netns", self.node)

    def provides(self) -> tuple[Resource, ...]:
        return (("netns", self.node), ("device", self.node, "lo"))

    def label(self) -> str:
        return f"netns {self.node}"


@dataclass(frozen=True, slots=True)
class Bridge(Fact):
    """A bridge device. Times in 1/100 s; priority 0 to 65535; `vlan_filtering` None where the kernel has none."""

    family: ClassVar[str] = "bridge"
    rank: ClassVar[int] = 2
    live: ClassVar[frozenset[str]] = frozenset(
        {
            "mac",
            "mtu",
            "up",
            "stp",
            "forward_delay",
            "hello_time",
            "max_age",
            "ageing_time",
            "priority",
            "vlan_filtering",
        }
    )

    node: str
    name: str
    mac: str | None = None
    mtu: int | None = None
    up: bool = True
    stp: bool | None = None
    forward_delay: int | None = None
    hello_time: int | None = None
    max_age: int | None = None
    ageing_time: int | None = None
    priority: int | None = None
    vlan_filtering: bool | None = None

    @property
    def key(self) -> Key:
        return ("bridge", self.node, self.name)

    def provides(self) -> tuple[Resource, ...]:
        return (("device", self.node, self.name),)

    def needs(self) -> tuple[Need, ...]:
        return (("netns", self.node),)

    def claims(self) -> tuple[Resource, ...]:
        return (("name", self.node, self.name),)

    def label(self) -> str:
        return f"bridge {self.node}:{self.name}"


#: What a bridge's new port is switched to (net/bridge/br_if.c, new_nbp), and all that may be said of one.
PORT_SWITCHES: Mapping[str, bool] = MappingProxyType(
    {"hairpin": False, "isolated": False, "learning": True, "flood": True}
)
PORT_DEFAULTS: Mapping[str, bool | None] = MappingProxyType({**PORT_SWITCHES, "cost": None, "priority": None})

#: The VLANs that a new port takes where its bridge keeps them apart (net/bridge/br_vlan.c, nbp_vlan_init).
PORT_VLANS = ("1 pvid untagged",)

#: What the kernel gives to a new bridge of which nothing else is said (net/bridge/br_device.c, br_dev_setup).
BRIDGE_DEFAULTS: Mapping[str, int | bool] = MappingProxyType(
    {
        "stp": False,
        "forward_delay": 1500,
        "hello_time": 200,
        "max_age": 2000,
        "ageing_time": 30000,
        "priority": 0x8000,
        "vlan_filtering": False,
    }
)


@dataclass(frozen=True, slots=True, order=True)
class End:
    """One end of a veth pair; ends are ordered by node and name. `mac`, `mtu` and `up` are live."""

    node: str
    name: str
    mac: str | None = None
    mtu: int | None = None
    up: bool = True


@dataclass(frozen=True, slots=True)
class Veth(Fact):
    """A veth pair: two ends, `a` before `b` by (node, name). Build one with `veth`."""

    family: ClassVar[str] = "veth"
    rank: ClassVar[int] = 3
    live: ClassVar[frozenset[str]] = frozenset({"a.mac", "a.mtu", "a.up", "b.mac", "b.mtu", "b.up"})

    a: End
    b: End

    @property
    def key(self) -> Key:
        a, b = self.a, self.b
        return ("veth", a.node, a.name, b.node, b.name)

    @property
    def nodes(self) -> tuple[str, ...]:
        return (self.a.node, self.b.node)

    def provides(self) -> tuple[Resource, ...]:
        a, b = self.a, self.b
        return (("device", a.node, a.name), ("device", b.node, b.name))

    def needs(self) -> tuple[Need, ...]:
        return (("netns", self.a.node), ("netns", self.b.node))

    def claims(self) -> tuple[Resource, ...]:
        a, b = self.a, self.b
        return (("name", a.node, a.name), ("name", b.node, b.name))

    def label(self) -> str:
        return f"veth {self.a.node}:{self.a.name} <-> {self.b.node}:{self.b.name}"


def veth(one: End, other: End) -> Veth:
    """Join two ends, in whichever order they are given, into the one fact that says so."""
    a, b = (one, other) if (one.node, one.name) <= (other.node, other.name) else (other, one)
    return Veth(a, b)


@dataclass(frozen=True, slots=True)
class Stray(Fact):
    """A device in a namespace of ours that no file asked for, or half of what once was; only read, to be deleted."""

    family: ClassVar[str] = "link"
    rank: ClassVar[int] = 3

    node: str
    name: str
    kind: str

    @property
    def key(self) -> Key:
        return ("link", self.node, self.name)

    def provides(self) -> tuple[Resource, ...]:
        return (("device", self.node, self.name),)

    def claims(self) -> tuple[Resource, ...]:
        return (("name", self.node, self.name),)

    def label(self) -> str:
        return f"stray {self.kind} {self.node}:{self.name}"


@dataclass(frozen=True, slots=True)
class External(Fact):
    """A device of the machine that is there already, such as its own eth0: a lab uses it, never makes or deletes it."""

    family: ClassVar[str] = "external"
    rank: ClassVar[int] = 3

    node: str
    name: str

    @property
    def key(self) -> Key:
        return ("external", self.node, self.name)

    def provides(self) -> tuple[Resource, ...]:
        return (("device", self.node, self.name),)

    def label(self) -> str:
        return f"external device {self.node}:{self.name}"


@dataclass(frozen=True, slots=True)
class Port(Fact):
    """A device plugged into a bridge of its own namespace. `cost` and `priority` None: the kernel's own.

    `vlans` are those that it takes, in the words of `bridge vlan`; None where the bridge does not keep VLANs apart.
    """

    family: ClassVar[str] = "port"
    rank: ClassVar[int] = 4
    live: ClassVar[frozenset[str]] = frozenset(
        {"bridge", "hairpin", "isolated", "learning", "flood", "cost", "priority", "vlans"}
    )

    node: str
    device: str
    bridge: str
    hairpin: bool = False
    isolated: bool = False
    learning: bool = True
    flood: bool = True
    cost: int | None = None
    priority: int | None = None
    vlans: tuple[str, ...] | None = None

    @property
    def key(self) -> Key:
        return ("port", self.node, self.device)

    def needs(self) -> tuple[Need, ...]:
        return (("device", self.node, self.device), ("device", self.node, self.bridge))

    def claims(self) -> tuple[Resource, ...]:
        # Macvlans and ipvlans take them too; bonds and VRFs are masters too.
        return (("frames", self.node, self.device), ("master", self.node, self.device))

    def label(self) -> str:
        return f"port {self.node}:{self.device} in {self.bridge}"
