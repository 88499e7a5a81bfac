"""Small labs as facts: what a topology file would say, built without reading one."""

from __future__ import annotations

from itertools import pairwise

from netlab.errors import Span
from netlab.facts import (
    Address,
    Bridge,
    Chain,
    Device,
    End,
    Fact,
    Facts,
    Forwarding,
    Impairment,
    Key,
    Namespace,
    Port,
    Program,
    Route,
    Rule,
    Settings,
    facts_of,
    veth,
)
from netlab.topology.lab import Check


class Builder:
    """Facts, one after the other."""

    def __init__(self) -> None:
        self.found: list[Fact] = []
        self.node("host")

    def node(self, name: str, *, forwarding: bool = False, gateway: str | None = None) -> None:
        self.found += [Namespace(name), Settings(name, (("net.ipv4.ip_forward", str(int(forwarding))),))]
        if gateway:
            self.route(name, "0.0.0.0/0" if "." in gateway else "::/0", gateway)

    def bridge(self, node: str, name: str, *addresses: str, stp: bool | None = None) -> None:
        self.found.append(Bridge(node, name, mtu=1500, stp=stp))
        self.found += [Address(node, name, address) for address in addresses]

    def cable(self, a: str, b: str, mtu: int = 1500) -> None:
        """Join two ends, written NODE:DEVICE or NODE:DEVICE@BRIDGE."""
        ends = []
        for text in (a, b):
            plug, _, bridge = text.partition("@")
            node, device = plug.split(":")
            ends.append(End(node, device, mtu=mtu))
            self.found += [Port(node, device, bridge)] if bridge else []
        self.found.append(veth(ends[0], ends[1]))

    def device(
        self,
        node: str,
        name: str,
        kind: str,
        *addresses: str,
        over: str | None = None,
        bridge: str = "",
        **options: int,
    ) -> None:
        """Add a device of another kind, plugged into `bridge` where one is named."""
        mtu = 1450 if kind == "vxlan" else 1500
        self.found.append(Device(node, name, kind, over, mtu=mtu, options=tuple(sorted(options.items()))))
        self.found += [Port(node, name, bridge)] if bridge else []
        self.address(node, name, *addresses)

    def send(self, node: str, device: str, *hosts: str) -> None:
        """Let a VXLAN send to hosts."""
        self.found += [Forwarding(node, device, "00:00:00:00:00:00", host) for host in hosts]

    def address(self, node: str, device: str, *addresses: str) -> None:
        self.found += [Address(node, device, address) for address in addresses]

    def route(self, node: str, to: str, via: str) -> None:
        self.found.append(Route(node, to, via=via))

    def leaf(self, name: str, far: str, address: str, gateway: str | None = None) -> None:
        """Add a node with one device, eth0."""
        self.node(name, gateway=gateway)
        self.cable(f"{name}:eth0", far)
        self.address(name, "eth0", address)

    def facts(self) -> Facts:
        return facts_of(dict.fromkeys(self.found))


def bridge3(nodes: int = 3, *, forwarding: bool = True) -> Facts:
    """Draw topologies/bridge3.yml: a bridge on the host, and nodes on it."""
    lab = Builder()
    lab.found[1] = Settings("host", (("net.ipv4.ip_forward", str(int(forwarding))),))
    lab.bridge("host", "br0", "10.0.0.254/24")
    for number in range(nodes):
        lab.node(f"ns{number}", gateway="10.0.0.254")
        lab.cable(f"ns{number}:veth{number}-ns", f"host:veth{number}-br@br0")
        lab.address(f"ns{number}", f"veth{number}-ns", f"10.0.{number // 250}.{number % 250 + 1}/24")
    return lab.facts()


def dual_stack() -> Facts:
    lab = Builder()
    lab.bridge("host", "br0", "10.0.0.1/24", "2001:db8::1/64")
    for number in (2, 3, 4):
        lab.leaf(f"ns{number}", f"host:v{number}@br0", f"10.0.0.{number}/24", "10.0.0.1")
        lab.address(f"ns{number}", "eth0", f"2001:db8::{number}/64")
        lab.route(f"ns{number}", "::/0", "2001:db8::1")
    return lab.facts()


def router_chain(routers: int = 2) -> Facts:
    """Two clients at the ends, routers between them, a cable for each hop."""
    lab = Builder()
    names = ["client", *(f"r{number}" for number in range(1, routers + 1)), "server"]
    for name in names:
        lab.node(name, forwarding=name.startswith("r"))
    for hop, (left, right) in enumerate(pairwise(names)):
        lab.cable(f"{left}:right", f"{right}:left")
        lab.address(left, "right", f"10.0.{hop}.1/24")
        lab.address(right, "left", f"10.0.{hop}.2/24")
    last = len(names) - 2
    lab.route("client", "0.0.0.0/0", "10.0.0.2")
    lab.route("server", "0.0.0.0/0", f"10.0.{last}.1")
    for number in range(1, routers + 1):
        if number < routers:
            lab.route(f"r{number}", f"10.0.{last}.0/24", f"10.0.{number}.2")
        if number > 1:
            lab.route(f"r{number}", "10.0.0.0/24", f"10.0.{number - 1}.1")
    lab.found.append(Program("server", "python3 -m http.server 8000"))
    return lab.facts()


def machines(pods: int = 2) -> Facts:
    """Two machines with a bridge each, pods on the bridges, a cable between the machines."""
    lab = Builder()
    for number in (1, 2):
        machine, other = f"node{number}", 3 - number
        lab.node(machine, forwarding=True)
        lab.bridge(machine, "cni0", f"10.244.{number}.1/24")
        lab.address(machine, "eth0", f"192.168.50.{number}/24")
        lab.route(machine, f"10.244.{other}.0/24", f"192.168.50.{other}")
        for pod in range(1, pods + 1):
            lab.leaf(
                f"pod{number}{pod}", f"{machine}:v{pod}@cni0", f"10.244.{number}.{pod + 1}/24", f"10.244.{number}.1"
            )
    lab.cable("node1:eth0", "node2:eth0")
    return lab.facts()


def others() -> Facts:
    """Devices of all kinds around a switch: a dummy, macvlans, a router between VLANs, a bridge on a VLAN."""
    lab = Builder()
    lab.bridge("host", "lan")
    lab.leaf("web", "host:v-web@lan", "10.0.0.1/24")
    lab.device("web", "vip0", "dummy", "192.0.2.91/32", "198.51.100.149/32")
    for name in ("cards", "router", "switch"):
        lab.node(name, forwarding=name == "router")
        lab.cable(f"{name}:eth0", f"host:v-{name}@lan")
    lab.device("cards", "mv0", "macvlan", "10.0.0.2/24", over="eth0", mode=4)
    lab.device("cards", "iv0", "ipvlan", "10.0.0.3/24", over="eth0", mode=0)
    for vlan in (10, 20):
        lab.device("router", f"eth0.{vlan}", "vlan", f"10.0.{vlan}.254/24", over="eth0", id=vlan, protocol=0x8100)
    lab.bridge("switch", "br10", "10.0.10.1/24")
    lab.device("switch", "eth0.10", "vlan", over="eth0", bridge="br10", id=10, protocol=0x8100)
    lab.leaf("guest", "switch:v-guest@br10", "10.0.10.2/24", "10.0.10.254")
    lab.device("host", "d0", "dummy", "203.0.113.1/32")
    return lab.facts()


def pod_network() -> Facts:
    """Two machines whose pods share a network by VXLAN."""
    lab = Builder()
    lab.found = list(machines().values())
    for number in (1, 2):
        lab.device(f"node{number}", "flannel.1", "vxlan", f"10.244.{number}.0/32", id=1, port=4789)
        lab.send(f"node{number}", "flannel.1", f"192.168.50.{3 - number}")
    return lab.facts()


def overlay(nodes: int = 4) -> Facts:
    """Machines on a switch; a VXLAN in which each sends to all others, and one also to a host outside."""
    lab = Builder()
    lab.bridge("host", "under")
    numbers = range(1, nodes + 1)
    for number in numbers:
        name = f"n{number}"
        lab.leaf(name, f"host:v{number}@under", f"192.168.0.{number}/24")
        lab.bridge(name, "br0")
        lab.device(name, "vx0", "vxlan", bridge="br0", id=7, port=4789)
        lab.send(name, "vx0", *(f"192.168.0.{other}" for other in numbers if other != number))
        lab.leaf(f"c{number}", f"{name}:p@br0", f"10.0.0.{number}/24")
    lab.send("n1", "vx0", "198.51.100.7")
    return lab.facts()


#: The rules of a published port, as netlab writes them.
PUBLISHED = Rule("dnat", local=True, protocol="tcp", ports=((8080, 8080),), to="172.17.0.2", to_ports=(80, 80))
LET_THROUGH = Rule("accept", translated=True, destination="172.17.0.2", protocol="tcp", ports=((80, 80),))


def translated() -> Facts:
    """A machine that hides its containers and publishes a port of one; behind a slow wire, a node that filters."""
    lab = Builder()
    lab.node("machine", forwarding=True)
    lab.bridge("machine", "docker0", "172.17.0.1/16")
    lab.leaf("web", "machine:v-web@docker0", "172.17.0.2/16", "172.17.0.1")
    lab.leaf("outside", "machine:eth0", "192.168.0.1/24")
    lab.address("machine", "eth0", "192.168.0.8/24")
    hidden = Rule("masquerade", source="172.17.0.0/16", oif="eth0")
    beside = Rule("masquerade", source="172.17.0.0/16", translated=True, destination="172.17.0.2")
    answers = Rule("accept", states=("established", "related"))
    lab.found += [
        Chain("machine", "nat-prerouting", "nat", "prerouting", -100, rules=(PUBLISHED,)),
        Chain("machine", "nat-output", "nat", "output", -100, rules=(PUBLISHED,)),
        Chain("machine", "nat-postrouting", "nat", "postrouting", 100, rules=(hidden, beside)),
        Chain("machine", "filter-forward", "filter", "forward", 0, "drop", (LET_THROUGH, answers)),
        Chain("outside", "filter-input", "filter", "input", 0, "drop"),
        Impairment("machine", "eth0", rate="10mbit"),
        Impairment("outside", "eth0", delay="20ms", jitter="5ms", loss="1%", duplicate="0.1%"),
        Impairment("machine", "v-web", reorder="25%", delay="1ms"),
    ]
    return lab.facts()


def two_cables() -> Facts:
    """Two bridges joined by two cables, which STP keeps from looping."""
    lab = Builder()
    for bridge in (0, 1):
        lab.bridge("host", f"br{bridge}", stp=True)
        for number in (1, 2):
            name = f"ns{2 * bridge + number}"
            lab.leaf(name, f"host:v-{name}@br{bridge}", f"10.0.0.{2 * bridge + number}/24")
    for number in (0, 1):
        lab.cable(f"host:left{number}@br0", f"host:right{number}@br1")
    return lab.facts()


def three_lans() -> Facts:
    """One router between three switches."""
    lab = Builder()
    lab.node("r1", forwarding=True)
    for lan in (1, 2, 3):
        lab.bridge("host", f"lan{lan}")
        lab.cable(f"r1:eth{lan}", f"host:r1-lan{lan}@lan{lan}")
        lab.address("r1", f"eth{lan}", f"10.0.{lan}.254/24")
        for number in (1, 2, 3):
            name = f"h{lan}{number}"
            lab.leaf(name, f"host:{name}@lan{lan}", f"10.0.{lan}.{number}/24", f"10.0.{lan}.254")
    return lab.facts()


def outside() -> Facts:
    """A bridge behind the host's own routing, and a cable from the host to an outside node."""
    lab = Builder()
    lab.found[1] = Settings("host", (("net.ipv4.ip_forward", "1"),))
    lab.bridge("host", "br0", "10.0.0.254/24")
    for number in (0, 1, 2):
        lab.leaf(f"ns{number}", f"host:v{number}@br0", f"10.0.0.{number + 1}/24", "10.0.0.254")
    lab.node("outside")
    lab.cable("host:up0", "outside:eth0")
    lab.address("host", "up0", "192.168.0.8/24")
    lab.address("outside", "eth0", "192.168.0.1/24")
    lab.route("host", "0.0.0.0/0", "192.168.0.1")
    return lab.facts()


def ring(routers: int = 4) -> Facts:
    lab = Builder()
    for number in range(routers):
        lab.node(f"r{number}", forwarding=True)
    for number in range(routers):
        other = (number + 1) % routers
        lab.cable(f"r{number}:next", f"r{other}:back")
        lab.address(f"r{number}", "next", f"10.0.{number}.1/24")
        lab.address(f"r{other}", "back", f"10.0.{number}.2/24")
    return lab.facts()


def islands(count: int, leaves: int) -> Facts:
    """Bridges that do not hang together, with nodes on each."""
    lab = Builder()
    for island in range(count):
        lab.bridge("host", f"br{island}", f"10.{island}.0.254/24")
        for leaf in range(leaves):
            name = f"ns{island * leaves + leaf}"
            lab.leaf(name, f"host:v{name}@br{island}", f"10.{island}.0.{leaf + 1}/24", f"10.{island}.0.254")
    return lab.facts()


def alone(count: int) -> Facts:
    """Nodes without any cable."""
    lab = Builder()
    for number in range(count):
        lab.node(f"ns{number}")
    return lab.facts()


SPAN = Span("lab.yml", 1, 1)
CHECKS = (
    Check("ping", "ping ns0 -> ns1", "ns0", "ns1", "10.0.0.2", "ns1", SPAN),
    Check("tcp", "tcp ns0 -> ns2:80", "ns0", "ns2:80", "10.0.0.3", "ns2", SPAN, port=80, expect="refused"),
)


def planned() -> tuple[Facts, dict[Key, str]]:
    """Change bridge3: ns3 comes, ns1 goes, ns2's address changes, br0 and forwarding change, veth0 is made anew."""
    facts = dict(bridge3(4))
    old = Address("ns2", "veth2-ns", "10.0.0.9/24")
    facts[old.key] = old
    acts = {old.key: "delete", ("address", "ns2", "veth2-ns", "10.0.0.3/24"): "create"}
    acts |= {("bridge", "host", "br0"): "update", ("settings", "host"): "update"}
    acts[("veth", "host", "veth0-br", "ns0", "veth0-ns")] = "replace"
    for key, fact in facts.items():
        if {"ns1", "veth1-br"} & {*key, *fact.nodes}:
            acts[key] = "delete"
        if {"ns3", "veth3-br"} & {*key, *fact.nodes}:
            acts[key] = "create"
    return facts, acts


#: The cable of ns1 is dead at both ends.
DEAD: dict[tuple[str, ...], dict[str, object]] = {
    ("device", "host", "veth1-br"): {"carrier": False},
    ("device", "ns1", "veth1-ns"): {"carrier": False},
}
