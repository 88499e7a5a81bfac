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


def _subnet(network: Network, bridge: int) -> str:
    """Give a subnet with room for a bridge's nodes and itself: a /24 each where that is enough, else one /22 each."""
    wide = network.per_bridge > 253
    third = 4 * bridge if wide else bridge
    return f"10.{64 + third // 256}.{third % 256}.0/{22 if wide else 24}"


def topology(network: Network) -> str:
    """Write the network as netlab's topology file."""
    bridges = [f"  br{bridge}: {_subnet(network, bridge)}" for bridge in range(network.bridges)]
    nodes = []
    for bridge in range(network.bridges):
        numbers = network.on_bridge(bridge)
        nodes.append(f'  "a{{{numbers[0]}..{numbers[-1]}}}": br{bridge}')
    return "\n".join([f"name: {LAB}", "bridges:", *bridges, "netns:", *nodes, ""])


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
