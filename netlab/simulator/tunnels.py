"""VXLANs: frames in UDP, to the hosts that they are for.

Source: drivers/net/vxlan/vxlan_core.c (vxlan_xmit, vxlan_rcv); RFC 7348.
"""

from __future__ import annotations

from dataclasses import replace

from netlab.facts.devices import EVERYBODY
from netlab.simulator.fib import Asked, Way, look_up
from netlab.simulator.network import Nic, Node
from netlab.simulator.packet import (
    ETHERNET,
    QUOTED4,
    QUOTED6,
    Frame,
    IcmpError,
    Packet,
)
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import Walk

#: UDP and VXLAN headers, and IP's.
_VXLAN, _IP4, _IP6 = 16, 20, 40
#: How many tunnels a frame may be in: one that leads into itself by a bridge ends there (XMIT_RECURSION_LIMIT).
_DEEPEST = 4
#: The least that a tunnel tells anybody to keep to (net/ipv4/ip_tunnel_core.c).
_LEAST4, _LEAST6 = 576, 1280


def encapsulate(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    """Send a frame to every host that it is for, in UDP."""
    learned = walk.hosts.get(nic, {}).get(frame.destination)
    known = [learned] if learned is not None and not frame.is_group else nic.remotes.get(frame.destination, [])
    group = nic.options.get("group")
    hosts = known or [*nic.remotes.get(EVERYBODY, []), *([str(group)] if group is not None else [])]
    if not hosts:
        words = f"{nic} knows no host for {frame.destination}"
        walk.end(leg, Verdict.NOWHERE, nic, nic.node, words, nic.key)
        return
    vni, port = int(nic.options.get("id", 0)), int(nic.options.get("port", 4789))
    for host in hosts:
        way = _way_to(nic, host)
        if (way.hop is not None and way.hop.nic is nic) or _depth(frame) >= _DEEPEST:
            words = f"{nic.node.name} reaches {host} by {nic.name} itself"
            walk.end(leg, Verdict.LOOP, nic, nic.node, words, nic.key)
            continue
        size = frame.length + ETHERNET + _VXLAN + (_IP6 if ":" in host else _IP4)
        if _tells_too_big(walk, nic, frame, way, size - frame.length, leg):
            continue
        packet = _carrying(frame, str(nic.options.get("local", "")), host, port, size, vni)
        walk.tell(leg, "encapsulated", nic, nic.node, f"{nic.name} carries it to {host}, VXLAN {vni}", nic.key)
        walk.layers.send(walk, nic.node, packet, leg, nic.lower)


def _carrying(frame: Frame, source: str, host: str, port: int, size: int, vni: int) -> Packet:
    """Make the packet that carries a frame; over IPv6 it is not taken apart (ip6_fragment, ignore_df)."""
    inner = frame.payload
    if isinstance(inner, Packet) and inner.carried is not None:
        inner = inner.settled()
    return Packet(
        source,
        host,
        "udp",
        "carried",
        49152,
        port,
        size=size,
        dont_fragment=":" in host,
        carried=replace(frame, payload=inner, passage=None),
        vni=vni,
        offloaded=isinstance(inner, Packet) and inner.offloaded,
    )


def _depth(frame: Frame) -> int:
    """Count the tunnels that a frame is in already."""
    payload, depth = frame.payload, 0
    while isinstance(payload, Packet) and payload.carried is not None:
        payload, depth = payload.carried.payload, depth + 1
    return depth


def _way_to(nic: Nic, host: str) -> Way:
    """Find the way to another host of a VXLAN; one that leads by the VXLAN itself goes round (vxlan_xmit_one)."""
    source = nic.options.get("local")
    return look_up(
        nic.node, Asked(6 if ":" in host else 4, host, None if source is None else str(source), None, nic.lower)
    )


def _tells_too_big(walk: Walk, nic: Nic, frame: Frame, way: Way, headers: int, leg: int) -> bool:
    """Answer what is too big for a VXLAN that is a bridge's port, in its destination's name (skb_tunnel_check_pmtu).

    Of what the node itself sends by a VXLAN only later packets are too big: the route has learned it then. Where it
    comes to be known of what its own node sent by the bridge, see `input.take_packet`.
    """
    packet = frame.payload
    if not isinstance(packet, Packet) or nic.master is None or nic.master.kind != "bridge" or way.hop is None:
        return False
    mtu = (way.entry.mtu if way.entry is not None and way.entry.mtu else way.hop.nic.mtu) - headers
    four = packet.version == 4
    if packet.largest <= mtu or packet.message == "error" or mtu < (_LEAST4 if four else _LEAST6):
        return False
    if four and (not packet.dont_fragment or packet.piece):
        return False
    words = f"{packet.largest} bytes are more than {nic} has room for, {mtu}"
    walk.end(leg, Verdict.TOO_BIG, nic, nic.node, words, nic.key, None, packet)
    number, code = (3, 4) if four else (2, 0)
    error = Packet(
        source=packet.destination,
        destination=packet.source,
        protocol="icmp" if four else "ipv6-icmp",
        message="error",
        size=min(packet.size + 28, QUOTED4) if four else min(packet.size + 48, QUOTED6),
        error=IcmpError(number, code, packet, mtu),
    )
    answer = walk.new_leg(error, nic.node, leg)
    # It is made of the packet itself, and goes on having the way of that (vxlan_encap_bypass).
    told = Frame(frame.destination, frame.source, error, passage=frame.passage)
    walk.post(walk.layers.receive, walk, nic, told, answer)
    return True


def decapsulate(walk: Walk, node: Node, packet: Packet, leg: int) -> bool:
    """Take the frame out of a packet, if the node has a VXLAN of its number and port."""
    assert packet.carried is not None
    for nic in node.devices.values():
        own = (nic.options.get("id"), nic.options.get("port"))
        if nic.kind != "vxlan" or not nic.up or own != (packet.vni, packet.dport):
            continue
        local = nic.options.get("local")
        if local is not None and (":" in str(local)) != (packet.version == 6):
            continue
        if nic.options.get("learning"):
            walk.hosts.setdefault(nic, {})[packet.carried.source] = packet.source
        walk.tell(leg, "decapsulated", nic, node, f"{nic.name} takes it out of VXLAN {packet.vni}", nic.key)
        walk.post(walk.layers.receive, walk, nic, packet.carried, leg)
        return True
    return False
