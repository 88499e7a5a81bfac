"""The shape of a topology file: which sections there are, which keys they take, and their short forms.

Shape only: whether a name that is referred to exists, an address fits its subnet, and the like, is `resolve`'s.
The JSON Schema is made from these classes, so each key says what it is for.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, Field, PlainValidator, PrivateAttr, Strict, model_validator

from netlab.kinds.bond import BondSection
from netlab.kinds.bridge import AnyBridge
from netlab.kinds.dummy import AnyDummy
from netlab.kinds.external import AnyExternal
from netlab.kinds.fields import (
    NULL,
    Address,
    AnyNetwork,
    BridgeName,
    DeviceName,
    Flag,
    LabName,
    MayBeEmpty,
    MayBeNone,
    OneOrMany,
    Section,
    Short,
    Text,
    Whole,
    fault,
    read_network,
)
from netlab.kinds.ipvlan import IpvlanSection
from netlab.kinds.macvlan import MacvlanSection
from netlab.kinds.nat import FirewallSection, NatSection
from netlab.kinds.policy import DEAD_ENDS, TABLES, NeighbourSection, PolicySection, Table
from netlab.kinds.tap import TapSection
from netlab.kinds.veth import AnyInterfaceSection, Pair
from netlab.kinds.vlan import VlanSection
from netlab.kinds.vrf import VrfSection
from netlab.kinds.vxlan import VxlanSection
from netlab.source import Document, kind_of, quote
from netlab.topology.checks_spec import AnyCheck
from netlab.topology.ranges import check_pattern


def _read_destination(value: Any) -> AnyNetwork | Literal["default"]:
    return "default" if value == "default" else read_network(value)


class HopSection(Section):
    """One of several ways of a route: {via: 10.1.0.2, weight: 3}."""

    via: Text | None = Field(None, description="The gateway: an address, or a node on the same subnet.")
    dev: Text | None = Field(None, description="The device that packets leave by.")
    weight: Annotated[Whole, Field(ge=1, le=256)] = Field(1, description="How many flows it gets, beside the others.")

    @model_validator(mode="after")
    def _somewhere(self) -> HopSection:
        if self.via is None and self.dev is None:
            raise fault("route", "this way leads nowhere", "add via: ADDRESS, or dev: DEVICE")
        return self


class RouteSection(Section):
    """A route: {to: 10.0.0.0/24, via: 192.168.0.8}."""

    to: Annotated[AnyNetwork | Literal["default"], PlainValidator(_read_destination, json_schema_input_type=str)] = (
        Field(description="The destination, A/n, or `default`.")
    )
    via: Text | None = Field(None, description="The gateway: an address, or a node on the same subnet.")
    dev: Text | None = Field(None, description="The device that packets leave by.")
    hops: Annotated[tuple[HopSection, ...], MayBeNone] = Field(
        (), description="Several ways at once, in place of via and dev: flows are shared out by weight."
    )
    metric: Annotated[Whole, Field(ge=0, lt=1 << 32)] = Field(0, description="Of two routes the lower metric wins.")
    table: Table = Field(TABLES["main"], description="The routing table, by number, or `main`.")
    source: Address | None = Field(None, description="The address that packets of this node's own leave with.")
    onlink: Flag = Field(False, description="Take the gateway to be on the link of `dev`, whatever the subnets say.")
    mtu: Annotated[Whole, Field(ge=68, le=65535)] | None = Field(None, description="The path MTU of this route.")
    blackhole: Flag = Field(False, description="Drop packets in silence.")
    unreachable: Flag = Field(False, description="Answer `host unreachable`.")
    prohibit: Flag = Field(False, description="Answer `administratively prohibited`.")

    @model_validator(mode="after")
    def _one_way(self) -> RouteSection:
        """Refuse a route that leads to several ends at once."""
        dead = [kind for kind in DEAD_ENDS if getattr(self, kind)]
        ways = dead + [key for key in ("via", "dev") if getattr(self, key) is not None and dead]
        if len(ways) > 1:
            raise fault("route", f"a route is either {ways[0]} or {ways[1]}, not both", f"remove {ways[1]}")
        if self.hops:
            other = next((key for key in (*dead, "via", "dev", "onlink") if getattr(self, key)), None)
            if other is not None:
                raise fault("route", f"a route has hops or {other}, not both", f"remove {other}")
            if len(self.hops) == 1:
                raise fault("route", "hops are two or more ways", "write the only one as via and dev")
        elif not dead and self.via is None and self.dev is None:
            raise fault(
                "route", f"the route to {self.to} leads nowhere", "add via: ADDRESS, dev: DEVICE or blackhole: true"
            )
        if self.onlink and (self.dev is None or self.via is None):
            raise fault("route", "onlink needs both via and dev", "add dev: DEVICE")
        return self

    @property
    def kind(self) -> str:
        """What becomes of packets: unicast, blackhole, unreachable or prohibit."""
        return next((kind for kind in DEAD_ENDS if getattr(self, kind)), "unicast")


def _read_value(value: Any) -> str:
    if isinstance(value, bool):
        raise fault("type", "a kernel setting is a number or text, not a truth value", f"write {int(value)}")
    if not isinstance(value, int | str) or str(value).strip() == "" or "\n" in str(value).strip():
        raise fault("type", f"a kernel setting is a number or text on one line, not {quote(value)}")
    return str(value).strip()


def _check_sysctl(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", name):
        fix = f"write {name.replace('/', '.')}" if re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)+", name) else None
        raise fault(
            "sysctl", f"{quote(name)} is not the name of a kernel setting", fix or "write net.ipv4.ip_forward, for one"
        )
    if not name.startswith("net."):
        raise fault("sysctl", f"{name} is not a setting of a network namespace", "use settings that begin with net.")
    return name


Sysctls = Annotated[
    dict[
        Annotated[str, AfterValidator(_check_sysctl)],
        Annotated[str, PlainValidator(_read_value, json_schema_input_type=str | int)],
    ],
    MayBeEmpty,
]


AnyTap = Annotated[TapSection, Short(lambda value: {} if value is None else value, (NULL,))]


class NodeSection(Section):
    """A node: a network namespace with what is in it. `br0` for short: one interface on that bridge."""

    bridge: Annotated[tuple[Text, ...], OneOrMany] = Field(
        (), description="The bridges that eth0, eth1, ... are on; the first one gives the gateway."
    )
    bridges: Annotated[dict[BridgeName, AnyBridge], MayBeEmpty] = Field(
        default_factory=dict, description="Bridges inside this node, by name."
    )
    dummies: Annotated[dict[DeviceName, AnyDummy], MayBeEmpty] = Field(
        default_factory=dict, description="Dummies, by name: devices that carry addresses and lead nowhere."
    )
    vlans: Annotated[dict[DeviceName, VlanSection], MayBeEmpty] = Field(
        default_factory=dict, description="VLANs on devices of this node, by name."
    )
    vxlans: Annotated[dict[DeviceName, VxlanSection], MayBeEmpty] = Field(
        default_factory=dict, description="VXLANs, by name: Ethernet in UDP between hosts."
    )
    macvlans: Annotated[dict[DeviceName, MacvlanSection], MayBeEmpty] = Field(
        default_factory=dict, description="Macvlans on devices of this node, by name."
    )
    ipvlans: Annotated[dict[DeviceName, IpvlanSection], MayBeEmpty] = Field(
        default_factory=dict, description="Ipvlans on devices of this node, by name."
    )
    bonds: Annotated[dict[DeviceName, BondSection], MayBeEmpty] = Field(
        default_factory=dict, description="Bonds, by name: several devices of this node that are one."
    )
    vrfs: Annotated[dict[DeviceName, VrfSection], MayBeEmpty] = Field(
        default_factory=dict, description="VRFs, by name: devices of this node with a routing table of their own."
    )
    taps: Annotated[dict[DeviceName, AnyTap], MayBeEmpty] = Field(
        default_factory=dict, description="Taps, by name: devices whose other end is a program."
    )
    external: Annotated[dict[DeviceName, AnyExternal], MayBeEmpty] = Field(
        default_factory=dict, description="Devices of the machine that are there already: used, never made or deleted."
    )
    veths: Annotated[tuple[Pair, ...], MayBeNone] = Field(
        (), description="Veth pairs: two ends, each in a netns (default: this node), or plugged into a bridge."
    )
    interfaces: Annotated[dict[DeviceName, AnyInterfaceSection], MayBeEmpty] = Field(
        default_factory=dict, description="Devices of this node, by name; netlab makes and names the other ends."
    )
    gateway: Annotated[tuple[Text, ...], OneOrMany] | None = Field(
        None,
        description="The default gateway: an address, `auto` (the bridge's), `none`, or one each of IPv4 and IPv6.",
    )
    routes: Annotated[tuple[RouteSection, ...], MayBeNone] = Field((), description="Static routes.")
    rules: Annotated[tuple[PolicySection, ...], MayBeNone] = Field(
        (), description="Policy rules: which packets are routed by which table."
    )
    neighbours: Annotated[tuple[NeighbourSection, ...], MayBeNone] = Field(
        (), description="Neighbours whose MACs are known without asking."
    )
    forwarding: Flag | None = Field(None, description="Whether this node forwards packets (a router); off by default.")
    ipv6: Flag | None = Field(None, description="Whether this node speaks IPv6; on where it has an IPv6 address.")
    nat: Annotated[tuple[NatSection, ...], MayBeNone] = Field(
        (), description="Translations of addresses: masquerade, snat, publish."
    )
    firewall: FirewallSection | None = Field(None, description="What it lets through, in and out.")
    sysctls: Sysctls = Field(default_factory=dict, description="Kernel settings of this node: name: value.")
    run: Annotated[tuple[Text, ...], OneOrMany] = Field(
        (), description="Programs that run in this node for as long as the lab is up, each a line for sh."
    )


def expand_node(value: Any) -> Any:
    """Turn the short form of a node (a bridge, or a list of them) into the full one."""
    if value is None:
        return {}
    if isinstance(value, str):
        return {"bridge": [value]}
    if isinstance(value, list):
        return {"bridge": value}
    if isinstance(value, dict | Section):
        return value
    raise fault("type", f"a node is the name of a bridge, or a mapping, not a {kind_of(value)}")


AnyNode = Annotated[
    NodeSection,
    Short(
        expand_node,
        (
            {"type": "string", "description": "The bridge that eth0 is on", "examples": ["br0"]},
            {"type": "array", "items": {"type": "string"}, "description": "The bridges that eth0, eth1, ... are on"},
            {"type": "null", "description": "A node with nothing in it"},
        ),
    ),
]


class HostSection(NodeSection):
    """The machine itself: the same sections as a node; what stands at the top level is the host's too."""

    sandbox: Flag = Field(False, description="Whether `host` is a namespace of the lab's own instead of the machine.")


class Topology(NodeSection):
    """A topology file of netlab: a lab of network namespaces, bridges and cables, and the checks that prove it."""

    name: LabName = Field(description="The name of the lab.")
    host: Annotated[HostSection, Short(lambda value: {} if value is None else value, (NULL,))] = Field(
        cast(Any, {}), validate_default=True, description="The machine itself."
    )
    netns: Annotated[dict[Annotated[str, Strict(), AfterValidator(check_pattern)], AnyNode], MayBeEmpty] = Field(
        default_factory=dict, description="The nodes, by name; `ns{0..99}` stands for a hundred."
    )
    checks: Annotated[tuple[AnyCheck, ...], MayBeNone] = Field((), description="What must hold once the lab is up.")

    _document: Document | None = PrivateAttr(None)

    @property
    def document(self) -> Document:
        """The file that this was read from."""
        assert self._document is not None, "a Topology comes from parse()"
        return self._document

    def read_from(self, document: Document) -> Topology:
        """Remember the file, for the places of later problems."""
        self._document = document
        return self
