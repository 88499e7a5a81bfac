"""Turns facts into an index by node and device: what the scene's builder looks up again and again.

Facts may be incomplete or stale (a reading of the machine, a plan that deletes): every node that a fact names is a
node here, and a port whose bridge is missing is none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from netlab.facts import (
    Address,
    Bridge,
    Chain,
    Device,
    DeviceSettings,
    End,
    External,
    Fact,
    Forwarding,
    Impairment,
    Member,
    Namespace,
    Port,
    Program,
    Route,
    Settings,
    Veth,
)
from netlab.names import HOST

At = tuple[str, str]
Value = TypeVar("Value")


def _lists() -> defaultdict[str, list[Value]]:
    return defaultdict(list)


@dataclass(slots=True)
class Index:
    """The facts of a lab by node, or by (node, device). Built once by `index`, then only read."""

    nodes: set[str] = field(default_factory=lambda: {HOST})
    namespaces: dict[str, Namespace] = field(default_factory=dict)
    settings: dict[str, Settings] = field(default_factory=dict)
    bridges: dict[str, list[Bridge]] = field(default_factory=_lists)
    routes: dict[str, list[Route]] = field(default_factory=_lists)
    programs: dict[str, list[Program]] = field(default_factory=_lists)
    chains: dict[str, list[Chain]] = field(default_factory=_lists)
    #: Devices that are no bridges: a cable's ends, devices of other kinds, or merely known by their addresses.
    devices: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    veths: list[Veth] = field(default_factory=list)
    ends: dict[At, tuple[End, Veth]] = field(default_factory=dict)
    others: dict[At, Device] = field(default_factory=dict)
    forwardings: list[Forwarding] = field(default_factory=list)
    ports: dict[At, Port] = field(default_factory=dict)
    #: The members of each bond and VRF.
    members: dict[At, list[Member]] = field(default_factory=lambda: defaultdict(list))
    addresses: dict[At, list[Address]] = field(default_factory=lambda: defaultdict(list))
    device_settings: dict[At, DeviceSettings] = field(default_factory=dict)
    impairments: dict[At, Impairment] = field(default_factory=dict)
    #: Cables plugged into each bridge, and the devices of each node that stand for themselves.
    plugged: dict[At, list[str]] = field(default_factory=dict)
    loose: dict[str, list[str]] = field(default_factory=_lists)
    #: Nodes that hold IPv6 addresses.
    speaks_ipv6: set[str] = field(default_factory=set)

    def bridge_of(self, node: str, device: str) -> str | None:
        """Name the bridge that a device is plugged into, if it is one of the facts."""
        port = self.ports.get((node, device))
        return port.bridge if port and (node, port.bridge) in self.plugged else None


def index(facts: Iterable[Fact]) -> Index:
    """Sort facts by family and place; families that have no place in a sketch are left out."""
    found = Index()
    for fact in facts:
        found.nodes.update(fact.nodes)
        match fact:
            case Namespace():
                found.namespaces[fact.node] = fact
            case Settings():
                found.settings[fact.node] = fact
            case Bridge():
                found.bridges[fact.node].append(fact)
            case Route():
                found.routes[fact.node].append(fact)
            case Program():
                found.programs[fact.node].append(fact)
            case Chain():
                found.chains[fact.node].append(fact)
            case Impairment():
                found.impairments[fact.node, fact.device] = fact
            case Veth():
                found.veths.append(fact)
                for end in (fact.a, fact.b):
                    found.ends[end.node, end.name] = (end, fact)
                    found.devices[end.node].add(end.name)
            case Device():
                found.others[fact.node, fact.name] = fact
                found.devices[fact.node].add(fact.name)
            case External():
                found.others[fact.node, fact.name] = Device(fact.node, fact.name, "external")
                found.devices[fact.node].add(fact.name)
            case Forwarding():
                found.forwardings.append(fact)
            case Port():
                found.ports[fact.node, fact.device] = fact
            case Member():
                found.members[fact.node, fact.master].append(fact)
            case Address():
                found.addresses[fact.node, fact.device].append(fact)
                found.devices[fact.node].add(fact.device)
                if fact.version == 6:
                    found.speaks_ipv6.add(fact.node)
            case DeviceSettings():
                found.device_settings[fact.node, fact.device] = fact
            case _:
                pass
    for node, bridges in found.bridges.items():
        found.devices[node] -= {bridge.name for bridge in bridges}
        found.plugged.update(((node, bridge.name), []) for bridge in bridges)
    for node, devices in found.devices.items():
        for device in devices:
            bridge = None if (node, device) in found.others else found.bridge_of(node, device)
            (found.plugged[node, bridge] if bridge else found.loose[node]).append(device)
    return found
