"""The family of other devices: everything that is neither a bridge nor a veth pair, told apart by its kind.

What a kind has of its own are its options, by name: a VLAN's id, a VXLAN's port. Which options a kind has, what they
are to netlink and how a person types them stands in the kind's own file (netlab/kinds).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netlab.facts.fact import Difference, Fact, Key, Need, Resource

Options = tuple[tuple[str, int | str], ...]

#: Options that the kernel changes in place, as KIND.OPTION; a device is made anew for any other.
LIVE_OPTIONS = frozenset(
    {
        "macvlan.mode",
        "ipvlan.mode",
        "vxlan.ageing",
        "vxlan.learning",
        "bond.miimon",
        "bond.primary",
        "bond.xmit_hash_policy",
    }
)
#: MACVLAN_MODE_PASSTHRU (include/uapi/linux/if_link.h): a macvlan is it for life, and has the MAC of the device below.
PASSTHRU = 8
#: Kinds that take in the frames of the device below, as a bridge does those of its ports: a device has one taker.
TAKERS = frozenset({"macvlan", "ipvlan"})
#: IFF_TUN (include/uapi/linux/if_tun.h), the mode of a tap that carries packets, not frames: it has no MAC.
TUN_OF_IP = 1
#: Kinds that have members: devices that they speak for (a bond), or whose routes are apart (a VRF).
MASTERS = frozenset({"bond", "vrf"})

#: The MAC that stands for everybody in a VXLAN's forwarding table (ip-link(8), bridge(8)).
EVERYBODY = "00:00:00:00:00:00"


@dataclass(frozen=True, slots=True)
class Device(Fact):
    """A device of some kind. `over` is the device of the same node that it stands on; it goes with that.

    A kind of which the kernel chooses the MAC has None. `options` are sorted by name; switches are 0 and 1.
    """

    family: ClassVar[str] = "device"
    rank: ClassVar[int] = 3
    live: ClassVar[frozenset[str]] = frozenset({"mac", "mtu", "up"}) | LIVE_OPTIONS

    node: str
    name: str
    kind: str
    over: str | None = None
    mac: str | None = None
    mtu: int | None = None
    up: bool = True
    options: Options = ()

    @property
    def key(self) -> Key:
        return ("device", self.node, self.name)

    def provides(self) -> tuple[Resource, ...]:
        return (("device", self.node, self.name),)

    def needs(self) -> tuple[Need, ...]:
        below = () if self.over is None else (("device", self.node, self.over),)
        # The kernel is told of a bond's primary member by index, before it is a member.
        first = [("device", self.node, str(value)) for name, value in self.options if name == "primary"]
        return (("netns", self.node), *below, *first)

    def claims(self) -> tuple[Resource, ...]:
        """Give the name, and what the kernel lets one device have: a tag, a VXLAN's number, the frames of a device."""
        own = dict(self.options)
        found: list[Resource] = [("name", self.node, self.name)]
        if self.kind in TAKERS and self.over is not None:
            found.append(("frames", self.node, self.over))
        elif self.kind == "vlan" and self.over is not None:
            found.append(("tag", self.node, self.over, str(own.get("protocol")), str(own.get("id"))))
        elif self.kind == "vxlan":
            version = "6" if ":" in f"{own.get('local', '')}{own.get('group', '')}" else "4"
            found.append(("vni", self.node, str(own.get("id")), str(own.get("port")), version))
        elif self.kind == "vrf":
            found.append(("table", self.node, str(own.get("table"))))
        return tuple(found)

    def differences(self, have: Fact) -> tuple[Difference, ...]:
        """Give the fields that differ: options as KIND.OPTION; `dummy.mac` and `passthru` are those that are for life.

        (The ifb that stands in where a kernel has no dummy takes a MAC at its creation only.) An option that is unset
        is one that the device is not to have.
        """
        assert isinstance(have, Device)
        found = []
        for name in ("kind", "over", "mac", "mtu", "up"):
            want, now = getattr(self, name), getattr(have, name)
            if (want is not None or name == "over") and want != now:
                found.append(Difference("dummy.mac" if (self.kind, name) == ("dummy", "mac") else name, now, want))
        if self.kind == have.kind:
            before, after = dict(have.options), dict(self.options)
            for name in dict.fromkeys((*after, *before)):
                values = before.get(name), after.get(name)
                if values[0] != values[1]:
                    for_life = (self.kind, name) == ("macvlan", "mode") and PASSTHRU in values
                    found.append(Difference("passthru" if for_life else f"{self.kind}.{name}", *values))
        return tuple(found)

    def label(self) -> str:
        return f"{self.kind} {self.node}:{self.name}"


@dataclass(frozen=True, slots=True)
class Member(Fact):
    """A device that is a member of a bond or a VRF (`kind`) of its own namespace.

    A member of a bond has the bond's MAC and MTU. The MAC that its own fact says is the one that it gets back.
    """

    family: ClassVar[str] = "member"
    rank: ClassVar[int] = 4

    node: str
    device: str
    master: str
    kind: str

    @property
    def key(self) -> Key:
        return ("member", self.node, self.device)

    def needs(self) -> tuple[Need, ...]:
        return (("device", self.node, self.device), ("device", self.node, self.master))

    def claims(self) -> tuple[Resource, ...]:
        """Give the one master that a device has; a bond takes in its frames besides, a VRF does not."""
        found: list[Resource] = [("master", self.node, self.device)]
        if self.kind == "bond":
            found.append(("frames", self.node, self.device))
        return tuple(found)

    def label(self) -> str:
        return f"member {self.node}:{self.device} of {self.kind} {self.master}"


@dataclass(frozen=True, slots=True)
class Forwarding(Fact):
    """An entry of a VXLAN's forwarding table: frames for `mac` go to the host `to`.

    The MAC 00:00:00:00:00:00 is everybody unknown and every broadcast; it may have many entries.
    """

    family: ClassVar[str] = "forwarding"
    rank: ClassVar[int] = 5

    node: str
    device: str
    mac: str
    to: str

    @property
    def key(self) -> Key:
        return ("forwarding", self.node, self.device, self.mac, self.to)

    def needs(self) -> tuple[Need, ...]:
        return (("device", self.node, self.device),)

    def label(self) -> str:
        return f"forwarding {self.mac} to {self.to} on {self.node}:{self.device}"
