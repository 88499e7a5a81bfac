"""A network and a packet -> everything that becomes of it: the public face of the simulator's engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from netlab.simulator import input as incoming
from netlab.simulator import links, neighbours, output
from netlab.simulator.connections import Tracked
from netlab.simulator.fib import Asked, look_up, select_address, source_for
from netlab.simulator.network import Network, Nic, Node
from netlab.simulator.packet import Frame, Packet, Question, question_mac
from netlab.simulator.walk import Walk


class _Layers:
    """The layers, joined."""

    def transmit(self, walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
        links.transmit(walk, nic, frame, leg)

    def receive(self, walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
        links.receive(walk, nic, frame, leg)

    def take(self, walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
        links.take(walk, nic, frame, leg)

    def take_packet(self, walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
        incoming.take_packet(walk, nic, frame, leg)

    def take_question(self, walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
        neighbours.take_question(walk, nic, frame, leg)

    def send(
        self, walk: Walk, node: Node, packet: Packet, leg: int, out: Nic | None = None, rather: Nic | None = None
    ) -> None:
        output.send(walk, node, packet, leg, out, rather=rather)

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
    firsts: Mapping[tuple[Nic, str], str] | None = None,
) -> Walk:
    """Send a packet from a node, and follow it and every answer to their ends.

    `listeners` are (node, tcp or udp, port). An empty source, and a TTL of 0, are chosen as the node's kernel would.
    `firsts`: the MAC that a device is told first of an address, where several answer and not the shortest way decides.
    """
    walk = Walk(network, _LAYERS, listeners, tells, firsts=firsts or {})
    sender = network.nodes[node]
    packet = replace(packet, ttl=packet.ttl or sender.ttl(packet.version))
    leg = walk.new_leg(packet, sender, None)
    output.send(walk, sender, packet, leg)
    walk.run()
    return walk


def ask(network: Network, node: str, device: str, target: str) -> str | None:
    """Ask by a device who has an IPv4 address, past what the node knows of neighbours; give the MAC that answers first.

    The question is a frame of its own: no route and no filter of the node is asked about it.
    """
    walk = Walk(network, _LAYERS, tells=False)
    nic = network.nodes[node].devices[device]
    question = Question(target, _asker(nic, target) or "")
    walk.run_apart(links.transmit, walk, nic, Frame(nic.mac, question_mac(target), question), 0)
    return walk.neighbours.get((nic, target))


def _asker(nic: Nic, target: str) -> str | None:
    """Give the address that a question leaves with: what has no route is on the link (ip_route_output_key_hash_rcu)."""
    way = look_up(nic.node, Asked(4, target, out=nic))
    if way.kind == "none":
        return select_address(nic.node, nic, None, on_link=True)
    leads = way.kind == "unicast" and way.hop is not None and way.hop.nic is nic
    return source_for(nic.node, way, target, 4) if leads else None
