"""Packets of a node's own: where they come from, and which way they go.

Sources: net/ipv4/route.c (ip_route_output_key_hash_rcu), net/ipv4/ip_output.c, net/ipv6/ip6_output.c.
"""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Final

from netlab.simulator.connections import Tracked
from netlab.simulator.fib import OWN, Asked, Way, choose_source, look_up, source_for
from netlab.simulator.filters import pass_chains
from netlab.simulator.leaving import Passage, allowed, device_of, is_too_big, leave
from netlab.simulator.matching import Hook
from netlab.simulator.network import Hop, Nic, Node
from netlab.simulator.packet import Packet, is_loopback, is_multicast, number_of
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import Walk

#: What a route that ends a packet, or none at all, is to a packet, and what its sender's socket is told.
ENDS: Final[dict[str, tuple[Verdict, int]]] = {
    "none": (Verdict.NO_ROUTE, errno.ENETUNREACH),
    "blackhole": (Verdict.BLACKHOLE, errno.EINVAL),
    "unreachable": (Verdict.UNREACHABLE, errno.EHOSTUNREACH),
    "prohibit": (Verdict.PROHIBITED, errno.EACCES),
    "broadcast": (Verdict.BROADCAST, errno.EACCES),
}
#: Everybody on the link, whatever route leads there (__mkroute_output).
_EVERYBODY: Final = "255.255.255.255"
#: What no program sends.
_OWN_ANSWERS: Final = frozenset({"echo-reply", "rst", "syn-ack", "error"})


def send(
    walk: Walk,
    node: Node,
    packet: Packet,
    leg: int,
    out: Nic | None = None,
    tracked: Tracked | None = None,
    rather: Nic | None = None,
) -> None:
    """Send a packet of the node's own; an empty source is chosen.

    `out`: the device that the sender is bound to; `rather`: one that it prefers where routes are equal.
    """
    found = _route_own(walk, node, packet, leg, out, rather)
    if found is None:
        return
    packet, way = found
    if packet.carried is not None:
        packet = replace(packet, summed=packet.ends)
    if not walk.asking and leg < len(walk.legs) and packet.message != "carried":
        walk.legs[leg].packet = packet
    nic = device_of(node, way, out)
    if _stays_inside(walk, node, packet, nic, leg) or is_too_big(walk, node, packet, way, nic, leg):
        return
    walk.tell(leg, "sent", nic, node, f"sends {packet}", None)
    tell_route(walk, node, way, packet, leg)
    known = tracked is not None
    if node.tracks and not known:
        tracked = walk.of_node(node).find(packet)

    if not _passes_vrf(walk, nic, packet, leg, tracked):
        return
    anew: Packet | None = None

    def reroute(changed: Packet) -> bool:
        nonlocal way, anew
        anew, way = changed, look_up(node, Asked(packet.version, changed.destination, changed.source, None, out))
        if way.kind == "broadcast":
            way = _to_all(way)  # who asked for one node has no leave to ask for (ip_route_me_harder)
        if way.kind in ENDS:
            end_by_route(walk, node, changed, way, leg)
            return False
        return not _stays_inside(walk, node, changed, device_of(node, way, out), leg)

    # The chains go by the device that it was to leave by at first, wherever a translation leads it.
    hook = Hook("output", None, nic, known=known, reroute=reroute)
    judgement = pass_chains(node, walk.of_node(node), tracked, packet, hook)
    goes = allowed(walk, node, judgement, None, nic, leg, tracked)
    if anew is not None:
        tell_route(walk, node, way, anew, leg)
    if goes:
        leave(walk, node, Passage(judgement.packet, way, tracked, None, leg), out)


def _passes_vrf(walk: Walk, nic: Nic, packet: Packet, leg: int, tracked: Tracked | None) -> bool:
    """Have a packet looked at as a VRF's own first: of no connection, and nobody is told (vrf_ip_out_direct)."""
    node, vrf = nic.node, nic.vrf
    if vrf is None or vrf is nic:
        return True
    judgement = pass_chains(node, walk.of_node(node), None, packet, Hook("output", None, vrf))
    return allowed(walk, node, judgement, None, vrf, leg, tracked)


def _route_own(
    walk: Walk, node: Node, packet: Packet, leg: int, out: Nic | None, rather: Nic | None
) -> tuple[Packet, Way] | None:
    """Give a packet of the node's own its source and its way; None where it ends for want of either."""
    version = packet.version
    if number_of(packet.destination) == 0:
        # The unspecified address is the node itself (ip_route_output_key_hash_rcu, ip6_datagram_connect).
        packet = replace(packet, destination="127.0.0.1" if version == 4 else "::1")
    way = _first_way(node, packet, out, rather)
    ruled = out is None and any(choice.fact is not None for choice in node.choices[version])
    if way.kind in ENDS and version == 6 and ruled and not packet.source:
        # What failed without a source is forgotten, and looked up with one (ip6_dst_lookup_tail).
        packet = replace(packet, source=choose_source(node, node.devices["lo"], packet.destination) or "")
        way = look_up(node, Asked(version, packet.destination, packet.source or None))
    if way.kind not in ENDS and not packet.source:
        source = source_for(node, way, packet.destination, version)
        if source is None:
            _end_without_source(walk, node, packet, leg)
            return None
        packet = replace(packet, source=source)
        if ruled and packet.message != "error":
            # A connected socket looks again, with its source: rules may send that elsewhere (ip_route_connect).
            way = look_up(node, Asked(version, packet.destination, source))
    if way.kind not in ENDS:
        return packet, way
    if version == 6 and not any(nic.up and nic.speaks(6) for nic in node.devices.values()):
        _end_without_source(walk, node, packet, leg)
    else:
        end_by_route(walk, node, packet, way, leg)
    return None


def _first_way(node: Node, packet: Packet, out: Nic | None, rather: Nic | None) -> Way:
    """Look a packet of the node's own up as it is, groups and everybody included."""
    if is_multicast(packet.destination) and out is not None:
        return Way("unicast", None, Hop(None, out))
    way = look_up(node, Asked(packet.version, packet.destination, packet.source or None, None, out, rather))
    if way.kind == "none" and packet.version == 4 and out is not None and out.kind != "vrf":
        return Way("unicast", None, Hop(None, out))  # what has no route is on the link (ip_route_output_key_hash_rcu)
    to_all = way.kind == "broadcast" or (packet.destination == _EVERYBODY and way.kind == "unicast")
    if not to_all:
        return way
    # Neither a tunnel nor the kernel's own answers need a program's leave (SO_BROADCAST).
    leave_given = packet.carried is not None or packet.message in _OWN_ANSWERS
    return _to_all(way) if leave_given else Way("broadcast", way.entry, way.hop, way.choice)


def _to_all(way: Way) -> Way:
    """Give the way of a packet that may be for everybody."""
    return Way("to all", way.entry, way.hop, way.choice)


def _end_without_source(walk: Walk, node: Node, packet: Packet, leg: int) -> None:
    words = f"{node.name} has no IPv{packet.version} address to send from"
    walk.end(leg, Verdict.NO_SOURCE, None, node, words, ("netns", node.name), errno.EADDRNOTAVAIL, packet)


def _stays_inside(walk: Walk, node: Node, packet: Packet, nic: Nic, leg: int) -> bool:
    """Tell whether a packet from 127.0.0.0/8 would leave the node, which it may by `route_localnet` only."""
    if packet.version == 6 or not is_loopback(packet.source) or nic.kind == "lo" or node.setting(nic, "route_localnet"):
        return False
    words = f"{packet.source} may not leave {node.name} by {nic.name}"
    walk.end(leg, Verdict.MARTIAN, nic, node, words, ("settings", node.name), errno.EINVAL, packet)
    return True


def tell_route(walk: Walk, node: Node, way: Way, packet: Packet, leg: int) -> None:
    """Tell which route was chosen."""
    if not walk.tells or way.entry is None:
        return
    entry = way.entry
    hop = "" if way.hop is None or way.hop.via is None else f" via {way.hop.via}"
    device = "to itself" if entry.kind in OWN else f"dev {way.hop.nic.name}" if way.hop is not None else entry.kind
    table = {254: "main", 255: "local"}.get(entry.table, str(entry.table))
    rule = way.choice.fact if way.choice is not None else None
    said = "" if rule is None else f" by rule {rule.priority}"
    chosen = f", one of {len(entry.hops)} ways" if len(entry.hops) > 1 else ""
    words = f"routes {packet.destination} by {entry.to}{hop} {device}, table {table}{said}{chosen}"
    walk.tell(leg, "route", way.hop.nic if way.hop is not None else None, node, words, entry.key)


def end_by_route(walk: Walk, node: Node, packet: Packet, way: Way, leg: int, *, own: bool = True) -> None:
    """End a packet that no route takes on; of a node's `own` its sender is told at once."""
    verdict, number = ENDS[way.kind]
    if packet.version == 6 and way.kind == "broadcast":
        verdict, number = ENDS["none"]
    if verdict is Verdict.UNREACHABLE and way.entry is None:
        number = errno.ENETUNREACH  # a rule says less than a route: fib4_rule_action
    key = way.entry.key if way.entry is not None else None
    if key is None and way.choice is not None and way.choice.fact is not None:
        key = way.choice.fact.key
    if verdict is Verdict.NO_ROUTE:
        words, key = f"{node.name} has no route to {packet.destination}", ("netns", node.name)
    elif verdict is Verdict.BROADCAST:
        words = f"{packet.destination} is everybody's address, not one node's"
    else:
        said = f"the {way.kind} route {way.entry.to}" if way.entry is not None else f"a policy rule, {way.kind},"
        words = f"{said} of {node.name} takes {packet.destination}"
    walk.end(leg, verdict, None, node, words, key, number if own else None, packet)
