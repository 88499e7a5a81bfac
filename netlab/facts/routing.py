"""The family of addresses and routes.

Normal form: addresses are `A/n` with the host bits kept, networks are `A/n` with them zeroed, a default route is
`0.0.0.0/0` or `::/0`, IPv6 is compressed and lower case. Metric 0 is the family's own default (IPv6: 1024).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_interface
from typing import ClassVar

from netlab.facts.fact import Difference, Fact, Key, Need, OnLink, Resource, compare

#: RT_TABLE_MAIN (include/uapi/linux/rtnetlink.h).
MAIN_TABLE = 254
#: The route protocol that marks a route as netlab's; free in /etc/iproute2/rt_protos.
PROTOCOL = 110


#: Ways of one route: gateway, device and weight of each.
Hops = tuple[tuple[str | None, str, int], ...]


@lru_cache(maxsize=65536)
def network_of(address: str) -> str:
    """Give the network of an address with a prefix length.

    >>> network_of("10.0.0.254/24")
    '10.0.0.0/24'
    """
    return str(ip_interface(address).network)


@dataclass(frozen=True, slots=True)
class Address(Fact):
    """An address on a device, `A/n`."""

    family: ClassVar[str] = "address"
    rank: ClassVar[int] = 5

    node: str
    device: str
    address: str

    @property
    def key(self) -> Key:
        return ("address", self.node, self.device, self.address)

    @property
    def version(self) -> int:
        return 6 if ":" in self.address else 4

    def provides(self) -> tuple[Resource, ...]:
        return (("local", self.node, self.address.partition("/")[0]),)

    def needs(self) -> tuple[Need, ...]:
        return (("device", self.node, self.device),)

    def claims(self) -> tuple[Resource, ...]:
        # The kernel would let two nodes hold one address; neighbours would not. The old holder goes first.
        return (("address", self.address.partition("/")[0]),)

    def connects(self) -> tuple[tuple[str, str, str], ...]:
        # Behind `lo` there is nobody: IPv4 takes its whole prefix for the node itself, IPv6 refuses gateways in it.
        return ((self.node, self.device, network_of(self.address)),) if self.device != "lo" else ()

    def label(self) -> str:
        return f"address {self.address} on {self.node}:{self.device}"


@dataclass(frozen=True, slots=True)
class Route(Fact):
    """A route of a node. `kind` is unicast, blackhole, unreachable or prohibit.

    `device` None: whichever device the gateway is on. `source` is the preferred source address. `hops`, where there are
    several, stand for `via` and `device`: each a gateway or None, its device, and its weight; sorted.
    """

    family: ClassVar[str] = "route"
    rank: ClassVar[int] = 6
    live: ClassVar[frozenset[str]] = frozenset({"via", "device", "kind", "source", "onlink", "mtu", "hops"})

    node: str
    to: str
    via: str | None = None
    device: str | None = None
    table: int = MAIN_TABLE
    metric: int = 0
    kind: str = "unicast"
    source: str | None = None
    onlink: bool = False
    mtu: int | None = None
    hops: Hops = ()

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that packets leave by, as far as they are said."""
        return tuple(device for _, device, _ in self.hops) or (() if self.device is None else (self.device,))

    @property
    def gateways(self) -> tuple[str, ...]:
        """The gateways that packets go to."""
        return tuple(via for via, _, _ in self.hops if via) or (() if self.via is None else (self.via,))

    @property
    def key(self) -> Key:
        return ("route", self.node, self.to, str(self.table), str(self.metric))

    @property
    def version(self) -> int:
        return 6 if ":" in self.to else 4

    def needs(self) -> tuple[Need, ...]:
        found: list[Need] = [("netns", self.node)]
        found += [("device", self.node, device) for device in self.devices]
        if self.via is not None and not self.onlink:
            found.append(OnLink(self.node, self.via, self.device))
        found += [OnLink(self.node, via, device) for via, device, _ in self.hops if via is not None]
        if self.source is not None:
            found.append(("local", self.node, self.source))
        return tuple(found)

    def connects(self) -> tuple[tuple[str, str, str], ...]:
        # Gateways are looked up in the main table.
        plain = self.via is None and self.kind == "unicast" and self.table == MAIN_TABLE
        return ((self.node, self.device, self.to),) if plain and self.device not in (None, "lo") else ()

    def differences(self, have: Fact) -> tuple[Difference, ...]:
        """Give the fields that differ; of a route only an unset device is not compared: the kernel knows it."""
        assert isinstance(have, Route)
        unwanted = [name for name in ("via", "source", "mtu") if getattr(self, name) is None]
        left = [Difference(name, now, None) for name in unwanted if (now := getattr(have, name)) is not None]
        return (*compare("", self, have), *left)

    def label(self) -> str:
        one = f" via {self.via}" if self.via else f" dev {self.device}" if self.device else f" {self.kind}"
        way = f" by {len(self.hops)} ways" if self.hops else one
        table = f" table {self.table}" if self.table != MAIN_TABLE else ""
        return f"route {self.to}{way}{table} in {self.node}"
