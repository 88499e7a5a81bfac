"""What a simulated network consists of: nodes with devices, addresses, tables of routes, neighbours and chains.

Built by `compiling.network_of`; changed by nobody afterwards. What a packet's way depends on besides (neighbours that
were asked for, MACs that were learned, connections) is state, which belongs to one walk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from netlab.facts import Chain, Impairment, Key, PolicyRule, Port, Rule
from netlab.facts.devices import TUN_OF_IP
from netlab.facts.other_rules import OtherRule, every_rule
from netlab.facts.routing import MAIN_TABLE
from netlab.simulator.packet import Version, is_loopback, link_local

#: RT_TABLE_LOCAL, RT_TABLE_DEFAULT (include/uapi/linux/rtnetlink.h).
LOCAL_TABLE: Final = 255
DEFAULT_TABLE: Final = 253
#: Kinds of devices that have nobody to ask where a neighbour is (IFF_NOARP): what leaves by them is gone.
SILENT: Final = frozenset({"dummy", "ifb", "vrf"})
#: What a walk may cost in a network of one device, and what each device adds.
LEAST_BUDGET: Final = 10_000
BUDGET_OF_DEVICE: Final = 50
#: What settings are where a node says nothing (net/ipv4/devinet.c, net/ipv6/addrconf.c), the others being 0.
DEFAULTS: Final[Mapping[str, int]] = {"send_redirects": 1}


@dataclass(frozen=True, slots=True)
class Hop:
    """A way of a route: the gateway, None where the destination is on the link itself, and the device."""

    via: str | None
    nic: Nic
    weight: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A route as the kernel keeps it. `kind` is unicast, local, broadcast, or one that ends a packet."""

    to: str
    length: int
    kind: str
    table: int
    hops: tuple[Hop, ...] = ()
    metric: int = 0
    source: str | None = None
    mtu: int | None = None
    #: The fact that it comes from; one that the kernel makes by itself has that of its address.
    key: Key | None = None


class Table:
    """The routes of one table and IP version, by prefix length, the longest first."""

    def __init__(self) -> None:
        self._by_length: dict[int, dict[int, list[Entry]]] = {}
        self._lengths: list[int] = []

    def add(self, entry: Entry, number: int, bits: int) -> None:
        """Take in a route; `number` is its network's address, `bits` those of an address."""
        if entry.length not in self._by_length:
            self._by_length[entry.length] = {}
            self._lengths = sorted(self._by_length, reverse=True)
        same = self._by_length[entry.length].setdefault(number >> (bits - entry.length), [])
        same.append(entry)
        same.sort(key=lambda one: one.metric)  # stable: of equals the first one made

    def matches(self, number: int, bits: int) -> list[Entry]:
        """Give every route that an address falls into, the one to take first."""
        found: list[Entry] = []
        for length in self._lengths:
            found += self._by_length[length].get(number >> (bits - length), ())
        return found

    def entries(self) -> list[Entry]:
        return [entry for by_number in self._by_length.values() for same in by_number.values() for entry in same]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A policy rule as it is looked at: its fact, or one that the kernel has by itself."""

    priority: int
    action: str
    table: int
    fact: PolicyRule | None = None
    #: A rule of VRFs (l3mdev): the table is that of the packet's VRF.
    of_vrf: bool = False


@dataclass(slots=True, eq=False)
class Nic:
    """A device of a node, what it stands on and what stands on it."""

    node: Node
    name: str
    kind: str
    mac: str
    key: Key | None = None
    mtu: int = 1500
    up: bool = True
    #: The other end of a cable.
    peer: Nic | None = None
    lower: Nic | None = None
    uppers: list[Nic] = field(default_factory=list)
    options: Mapping[str, int | str] = field(default_factory=dict)
    #: The bridge, bond or VRF that it belongs to, and what is said of it as a bridge's port.
    master: Nic | None = None
    port: Port | None = None
    members: list[Nic] = field(default_factory=list)
    #: Of a bridge: whether it keeps VLANs apart, and the ports that the spanning tree has closed.
    filtering: bool = False
    closed: frozenset[str] = frozenset()
    #: Addresses and prefix lengths, in the order in which they were given.
    addresses: list[tuple[str, int]] = field(default_factory=list)
    impairment: Impairment | None = None
    #: Of a VXLAN: the hosts that frames go to, by MAC.
    remotes: dict[str, list[str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{self.node.name}:{self.name}"

    @property
    def carrier(self) -> bool:
        """Whether anything can leave by it: the other end of a cable, or what it stands on, must be up too."""
        if not self.up:
            return False
        if self.kind == "veth":
            return self.peer is not None and self.peer.up
        if self.kind == "bond":
            return any(member.carrier for member in self.members)
        if self.kind in ("vlan", "macvlan", "ipvlan"):
            return self.lower is not None and self.lower.carrier
        return self.kind != "tun"

    @property
    def vrf(self) -> Nic | None:
        """The VRF whose routes it has, if it is in one or is one."""
        if self.kind == "vrf":
            return self
        return self.master if self.master is not None and self.master.kind == "vrf" else None

    @property
    def link_local(self) -> str | None:
        """The IPv6 address that it makes of its MAC, if that is said; ipvlans have numbers, for they share one."""
        if ":" not in self.mac:
            return None
        number = 0
        if self.kind == "ipvlan" and self.lower is not None:
            number = 1 + [upper for upper in self.lower.uppers if upper.kind == "ipvlan"].index(self)
        return link_local(self.mac, number)

    def speaks(self, version: Version) -> bool:
        """Tell whether it takes packets of an IP version."""
        return version == 4 or not self.node.own_setting(6, self, "disable_ipv6")

    @property
    def asks(self) -> bool:
        """Whether it asks for neighbours at all: not `lo`, nor what has no link-layer addresses (IFF_NOARP)."""
        routes = self.kind == "ipvlan" and bool(self.options.get("mode"))
        ip_alone = self.kind == "tun" and self.options.get("mode") == TUN_OF_IP
        return self.kind not in ("lo", *SILENT) and not routes and not ip_alone

    def holds(self, address: str) -> bool:
        """Tell whether an address is one of its own."""
        return any(own == address for own, _ in self.addresses)

    def of_version(self, version: Version) -> list[tuple[str, int]]:
        return [(address, length) for address, length in self.addresses if (":" in address) == (version == 6)]


@dataclass(slots=True, eq=False)
class Node:
    """A network namespace."""

    name: str
    devices: dict[str, Nic] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    tables: dict[tuple[Version, int], Table] = field(default_factory=dict)
    choices: dict[Version, list[Choice]] = field(default_factory=dict)
    #: Known neighbours: by device and address, the MAC and the fact that says it.
    neighbours: dict[tuple[str, str], tuple[str, Key]] = field(default_factory=dict)
    #: Chains by hook, in the order in which they look.
    chains: dict[str, list[Chain]] = field(default_factory=dict)
    #: Whether connections are kept track of: something translates, or looks at states.
    tracks: bool = False
    #: Own addresses, of all devices.
    addresses: dict[str, Nic] = field(default_factory=dict)
    #: Addresses that every router of a subnet has, and by which devices (RFC 4291, 2.6.1).
    anycast: dict[str, list[Nic]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return self.name

    def table(self, version: Version, number: int = MAIN_TABLE) -> Table:
        return self.tables.setdefault((version, number), Table())

    def hook(self, chain: Chain) -> None:
        """Take in a chain behind those of other priorities that look before it.

        Of equal priority the newest comes first (nf_hook_entries_grow): nft tells of the oldest first.
        """
        chains = self.chains.setdefault(chain.hook, [])
        chains.insert(0, chain)
        chains.sort(key=lambda one: one.priority)
        self.tracks = self.tracks or any(map(_looks_at_connections, every_rule(chain.rules)))

    def switch(self, name: str) -> int:
        """Give a setting that holds for the whole node, 0 where nothing is said of it."""
        text = self.settings.get(name, "0")
        return int(text) if text.lstrip("-").isdigit() else 0

    def ttl(self, version: Version) -> int:
        """Give the TTL of packets that the node makes by itself."""
        name = "net.ipv4.ip_default_ttl" if version == 4 else "net.ipv6.conf.all.hop_limit"
        return self.switch(name) or 64

    def own_setting(self, version: Version, nic: Nic, name: str) -> int:
        """Give a setting of one device; it is born with its node's default."""
        table = f"net.ipv{version}.conf"
        text = self.settings.get(f"{table}.{nic.name}.{name}")
        if text is None and name == "forwarding":
            text = self.settings.get("net.ipv4.ip_forward" if version == 4 else f"{table}.all.forwarding")
        if text is None and name in ("disable_ipv6", "forwarding"):
            text = self.settings.get(f"{table}.all.{name}")
        if text is None:
            text = self.settings.get(f"{table}.default.{name}")
        return int(text) if text is not None and text.lstrip("-").isdigit() else DEFAULTS.get(name, 0)

    def setting(self, nic: Nic, name: str) -> int:
        """Give a setting of IPv4 that is the larger of its device's and the node's (IN_DEV_MAXCONF, IN_DEV_ORCONF)."""
        return max(self.switch(f"net.ipv4.conf.all.{name}"), self.own_setting(4, nic, name))

    def forwards(self, version: Version, nic: Nic) -> bool:
        """Tell whether packets that come in by a device may go on to others (IPv6: the whole node, ip6_forward)."""
        if version == 6:
            return self.switch("net.ipv6.conf.all.forwarding") > 0
        return self.own_setting(4, nic, "forwarding") > 0


@dataclass(slots=True)
class Ears:
    """The ports of a bridge, by number: those that are always asked, and who is asked for an address besides."""

    ports: Sequence[Nic]
    always: list[int] = field(default_factory=list)
    by_address: dict[str, list[int]] = field(default_factory=dict)

    def asked(self, target: str) -> list[Nic]:
        """Give the ports that a question for an address is worth sending to, in the order of all ports."""
        if is_loopback(target):
            return list(self.ports)
        return [self.ports[number] for number in sorted((*self.always, *self.by_address.get(target, ())))]


@dataclass(slots=True, eq=False)
class Network:
    """All nodes of a lab."""

    nodes: dict[str, Node] = field(default_factory=dict)
    #: Of a bridge, once it was flooded with a question: behind which ports anybody could answer it.
    ears: dict[Nic, Ears] = field(default_factory=dict)
    #: How many frames and packets a walk through it may move: more go round and multiply.
    budget: int = LEAST_BUDGET

    def holders(self, address: str) -> list[Node]:
        """Give the nodes that have an address."""
        return [node for node in self.nodes.values() if address in node.addresses]


def _looks_at_connections(rule: Rule) -> bool:
    conditions = rule.conditions if isinstance(rule, OtherRule) else ()
    looks = rule.states or rule.translated or any(one.field.startswith("ct ") for one in conditions)
    return bool(looks or rule.verdict in ("masquerade", "snat", "dnat", "redirect"))
