"""A size and a shape -> the same network in the words of each contestant.

Node i stands on bridge i // per_bridge, and each node has one address and a default route by its bridge's address.
"""

from dataclasses import dataclass

LAB = "bench"


@dataclass(frozen=True, slots=True)
class Network:
    """So many nodes, so many of them to a bridge."""

    nodes: int
    per_bridge: int

    @property
    def bridges(self) -> int:
        return -(-self.nodes // self.per_bridge)

    @property
    def title(self) -> str:
        if self.bridges == 1:
            return f"{self.nodes} on one bridge"
        return f"{self.nodes}, {self.per_bridge} to a bridge"

    def on_bridge(self, bridge: int) -> range:
        """Give the numbers of the nodes on a bridge."""
        return range(bridge * self.per_bridge, min((bridge + 1) * self.per_bridge, self.nodes))


def _subnet(network: Network, bridge: int) -> tuple[str, int]:
    """Give a subnet with room for a bridge, its nodes and one address more: a /24 where that is enough, else a /22."""
    wide = network.per_bridge > 252
    third = 4 * bridge if wide else bridge
    return f"10.{64 + third // 256}.{third % 256}.0", 22 if wide else 24


def _readdressed(network: Network, number: int) -> str:
    """Write a node that has the last address of its subnet, which nobody else gets."""
    bridge = number // network.per_bridge
    base, prefix = _subnet(network, bridge)
    first, second, third, _ = base.split(".")
    address = f"{first}.{second}.{int(third) + (3 if prefix == 22 else 0)}.254/{prefix}"
    return f"  a{number}: {{interfaces: {{eth0: {{bridge: br{bridge}, address: {address}}}}}, gateway: auto}}"


def topology(network: Network, *, edited: bool = False, ranges: bool = True) -> str:
    """Write the network as netlab's topology file, by ranges or one by one; `edited`: the last has another address."""
    bridges = [f"  br{bridge}: {'/'.join(map(str, _subnet(network, bridge)))}" for bridge in range(network.bridges)]
    left = network.nodes - edited
    nodes = []
    for bridge in range(network.bridges):
        numbers = [number for number in network.on_bridge(bridge) if number < left]
        if ranges and numbers:
            nodes.append(f'  "a{{{numbers[0]}..{numbers[-1]}}}": br{bridge}')
        elif numbers:
            nodes += [f"  a{number}: br{bridge}" for number in numbers]
    if edited:
        nodes.append(_readdressed(network, left))
    return "\n".join([f"name: {LAB}", "bridges:", *bridges, "netns:", *nodes, ""])


def gateway(rules: int, *, edited: bool = False) -> str:
    """Write a gateway that publishes ports of a container, as Docker does; `edited`: one to another port."""
    published = []
    for number in range(rules):
        inner = 81 if edited and number == rules // 2 else 80
        published.append(f'      - publish: {{port: {20000 + number}, to: "web:{inner}"}}')
    return "\n".join(
        [
            f"name: {LAB}",
            "netns:",
            "  gw:",
            "    forwarding: true",
            "    bridges: {docker0: 172.17.0.1/16}",
            '    interfaces: {eth0: {peer: "out:eth0", address: 192.168.0.8/24}}',
            "    nat:",
            "      - masquerade: {from: 172.17.0.0/16, out: eth0}",
            *published,
            '  web: "gw:docker0"',
            "  out: {interfaces: {eth0: {address: 192.168.0.1/24}}, gateway: 192.168.0.8}",
            "",
        ]
    )


@dataclass(frozen=True, slots=True)
class Batches:
    """The network as files for `ip -batch`: one for the host, one for each namespace, one that removes it all."""

    host: str
    inside: tuple[str, ...]
    down: str


def batches(network: Network) -> Batches:
    """Write the network in the words of iproute2; namespace i is `b{i}`."""
    host, inside, down = [], [], []
    for bridge in range(network.bridges):
        host.append(f"link add br{bridge} up type bridge")
        down.append(f"link del br{bridge}")
        for number in network.on_bridge(bridge):
            host.append(f"netns add b{number}")
            host.append(f"link add h{number} up master br{bridge} type veth peer name eth0 netns b{number}")
            address = f"10.64.{(number + 2) // 256}.{(number + 2) % 256}/16"
            inside.append(
                f"link set lo up\nlink set eth0 up\naddress add {address} dev eth0\nroute add default via 10.64.0.1\n"
            )
            down.append(f"netns del b{number}")
    return Batches("\n".join(host) + "\n", tuple(inside), "\n".join(down) + "\n")
