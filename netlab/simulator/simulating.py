"""A network and a packet -> everything that becomes of it: the public face of the simulator's engine."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from netlab.simulator import input as incoming
from netlab.simulator import neighbours, output
from netlab.simulator.filters import Tracked
from netlab.simulator.network import Network, Nic, Node
from netlab.simulator.packet import Frame, Packet
from netlab.simulator.walk import Walk


class _Layers:
    """The layers, joined."""

    def take_packet(self, walk: Walk, nic: Nic, packet: Packet, leg: int) -> None:
        incoming.take_packet(walk, nic, packet, leg)

    def take_question(self, walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
        neighbours.take_question(walk, nic, frame, leg)

    def send(self, walk: Walk, node: Node, packet: Packet, leg: int, out: Nic | None = None) -> None:
        output.send(walk, node, packet, leg, out)

    def send_tracked(
        self, walk: Walk, node: Node, packet: Packet, leg: int, out: Nic | None, tracked: Tracked | None
    ) -> None:
        output.send(walk, node, packet, leg, out, tracked)


_LAYERS: Final = _Layers()


def simulate(
    network: Network,
    node: str,
    packet: Packet,
    *,
    listeners: Collection[tuple[str, str, int]] = (),
    tells: bool = True,
) -> Walk:
    """Send a packet from a node, and follow it and every answer to their ends.

    `listeners` are (node, tcp or udp, port). An empty source is chosen as the node's kernel would.
    """
    walk = Walk(network, _LAYERS, listeners, tells)
    sender = network.nodes[node]
    leg = walk.new_leg(packet, sender, None)
    output.send(walk, sender, packet, leg)
    walk.run()
    return walk
