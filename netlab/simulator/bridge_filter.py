"""Bridge-netfilter: chains of IP that look at what a bridge carries, where a node is told so.

Source: net/bridge/br_netfilter_hooks.c. The bridge itself stands for the devices that a packet comes in and goes out
by. What then goes up to the node is not looked at again on its way in (ip_sabotage_in).
"""

from __future__ import annotations

from dataclasses import replace

from netlab.simulator import neighbours
from netlab.simulator.fib import Asked, look_up
from netlab.simulator.filters import pass_chains
from netlab.simulator.leaving import allowed
from netlab.simulator.matching import Hook
from netlab.simulator.network import Nic
from netlab.simulator.packet import Frame, Packet
from netlab.simulator.walk import Walk


def looks_at(bridge: Nic, frame: Frame) -> bool:
    """Tell whether a node's chains look at a frame that one of its bridges carries."""
    node, packet = bridge.node, frame.payload
    if not isinstance(packet, Packet) or not node.chains:
        return False
    tables = "iptables" if packet.version == 4 else "ip6tables"
    return node.switch(f"net.bridge.bridge-nf-call-{tables}") > 0


def come_in(walk: Walk, bridge: Nic, frame: Frame, leg: int) -> Frame | None:
    """Have a frame looked at as it comes in; one whose destination is translated goes to the new one. None: dropped."""
    node, packet = bridge.node, frame.payload
    assert isinstance(packet, Packet)
    tracked = walk.of_node(node).find(packet) if node.tracks else None
    judgement = pass_chains(node, walk.of_node(node), tracked, packet, Hook("prerouting", bridge, None))
    if not allowed(walk, node, judgement, bridge, None, leg, tracked):
        return None
    found = replace(frame, payload=judgement.packet, looked_at=True, tracked=tracked)
    if judgement.packet.destination == packet.destination:
        return found
    asked = Asked(packet.version, judgement.packet.destination, packet.source, into=bridge)
    way = look_up(node, asked)
    if way.kind == "unicast" and way.hop is not None and way.hop.nic is bridge:
        near = way.hop.via or judgement.packet.destination
        mac = neighbours.find(walk, bridge, near, packet.source, leg)
        return replace(found, destination=mac) if mac is not None else None
    return replace(found, destination=bridge.mac)


def go_out(walk: Walk, bridge: Nic, frame: Frame, leg: int) -> Frame | None:
    """Have a frame looked at on its way from one port to another, and as it leaves. None: dropped."""
    if not frame.looked_at:
        return frame  # the node's own, which its chains have seen
    node, packet = bridge.node, frame.payload
    assert isinstance(packet, Packet)
    for hook in (Hook("forward", bridge, bridge), Hook("postrouting", bridge, bridge)):
        judgement = pass_chains(node, walk.of_node(node), frame.tracked, packet, hook)
        if not allowed(walk, node, judgement, bridge, bridge, leg, frame.tracked):
            return None
        packet = judgement.packet
    walk.of_node(node).confirm(frame.tracked)
    return replace(frame, payload=packet, looked_at=False, tracked=None)
