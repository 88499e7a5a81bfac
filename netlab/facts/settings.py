"""The family of settings: kernel parameters of a node (sysctl) and of one device in it.

Names are sysctl's (`net.ipv4.ip_forward`), values are the text that the kernel gives back. A node's settings hold
the baseline that every node of ours gets; a device's settings hold only what differs from its node's
`conf.default`, which is what a device is born with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netlab.facts.fact import Difference, Fact, Key, Need, Resource

#: Settings whose file may be missing (module not loaded, IPv6 compiled out); a missing one counts as met.
OPTIONAL_PREFIXES = ("net.bridge.", "net.ipv6.")

#: Settings that every node of ours has an opinion on, whatever its file says: they are never left to what was there.
BASELINE = frozenset(
    {
        "net.ipv4.ip_forward",
        *(
            f"net.ipv4.conf.{scope}.{name}"
            for scope in ("all", "default")
            for name in ("rp_filter", "arp_ignore", "arp_announce", "promote_secondaries")
        ),
        "net.ipv6.conf.all.forwarding",
        *(
            f"net.ipv6.conf.{scope}.{name}"
            for scope in ("all", "default")
            for name in ("disable_ipv6", "accept_ra", "accept_dad")
        ),
        *(f"net.bridge.bridge-nf-call-{tables}" for tables in ("iptables", "ip6tables", "arptables")),
    }
)

Values = tuple[tuple[str, str], ...]


def _compare(want: Values, have: Values) -> tuple[Difference, ...]:
    now = dict(have)
    return tuple(
        Difference(name, now.get(name), value)
        for name, value in want
        if now.get(name) != value and not (name not in now and name.startswith(OPTIONAL_PREFIXES))
    )


@dataclass(frozen=True, slots=True)
class Settings(Fact):
    """Kernel settings of a node, sorted by the order in which they must be written."""

    family: ClassVar[str] = "settings"
    rank: ClassVar[int] = 1

    node: str
    values: Values

    @property
    def key(self) -> Key:
        return ("settings", self.node)

    def provides(self) -> tuple[Resource, ...]:
        return (("settings", self.node),)

    def needs(self) -> tuple[Need, ...]:
        return (("netns", self.node),)

    def differences(self, have: Fact) -> tuple[Difference, ...]:
        assert isinstance(have, Settings)
        return () if self.values == have.values else _compare(self.values, have.values)

    def label(self) -> str:
        return f"settings of {self.node}"


@dataclass(frozen=True, slots=True)
class DeviceSettings(Fact):
    """Settings of one device that differ from its node's defaults; names like `net.ipv4.conf.eth0.rp_filter`."""

    family: ClassVar[str] = "device-settings"
    rank: ClassVar[int] = 5

    node: str
    device: str
    values: Values

    @property
    def key(self) -> Key:
        return ("device-settings", self.node, self.device)

    def needs(self) -> tuple[Need, ...]:
        return (("device", self.node, self.device),)

    def differences(self, have: Fact) -> tuple[Difference, ...]:
        assert isinstance(have, DeviceSettings)
        # A value that is not there is the node's default, not a missing file.
        want, now = dict(self.values), dict(have.values)
        unmet = tuple(Difference(name, now.get(name), value) for name, value in self.values if now.get(name) != value)
        stray = tuple(Difference(name, value, None) for name, value in have.values if name not in want)
        return unmet + stray

    def label(self) -> str:
        return f"settings of {self.node}:{self.device}"
