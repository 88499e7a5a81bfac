"""Every way in which a packet ends, in one table: the verdict, when it is given, and what would mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """How a packet's way ends."""

    DELIVERED = "delivered"
    IGNORED = "ignored"
    NO_LISTENER = "no-listener"
    NO_ROUTE = "no-route"
    BLACKHOLE = "blackhole"
    UNREACHABLE = "unreachable-route"
    PROHIBITED = "prohibited"
    NO_SOURCE = "no-source"
    BROADCAST = "broadcast"
    NO_NEIGHBOUR = "no-neighbour"
    NOT_FORWARDED = "not-forwarded"
    FILTERED = "filtered"
    REJECTED = "rejected"
    MARTIAN = "martian"
    RP_FILTER = "rp-filter"
    TTL_EXCEEDED = "ttl-exceeded"
    LOOP = "loop"
    TOO_BIG = "too-big"
    TOO_LONG = "too-long"
    NOT_TAKEN = "not-taken"
    NOWHERE = "nowhere"
    VLAN = "vlan"
    CLOSED = "port-closed"
    DOWN = "down"
    NO_CARRIER = "no-carrier"
    NO_IPV6 = "no-ipv6"
    SWALLOWED = "swallowed"
    LOST = "lost"
    LEFT = "left"
    KERNEL_FAULT = "kernel-fault"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a verdict says: its exact condition, and what would mend it, where something would."""

    condition: str
    mend: str | None = None


MEANINGS: Final[Mapping[Verdict, Meaning]] = {
    Verdict.DELIVERED: Meaning("the node that holds the destination's address has taken it in"),
    Verdict.IGNORED: Meaning(
        "the node has taken it in, and answers no such packet: icmp_echo_ignore_all, or it is sent to everybody, or to "
        "whichever router of a subnet",
        "sysctls: {net.ipv4.icmp_echo_ignore_all: 0}",
    ),
    Verdict.NO_LISTENER: Meaning(
        "the node has taken it in, and no program listens at its port: TCP is reset, UDP told `port unreachable`",
        "run a program that listens there",
    ),
    Verdict.NO_ROUTE: Meaning(
        "no route of the node leads to the destination, or it would have to leave the link that its source is of",
        "give the node a gateway, or a route to the destination",
    ),
    Verdict.BLACKHOLE: Meaning(
        "a route or rule of kind blackhole takes it: nobody is told", "remove the route or rule"
    ),
    Verdict.UNREACHABLE: Meaning(
        "a route or rule of kind unreachable takes it: the sender is told `host unreachable`",
        "remove the route or rule",
    ),
    Verdict.PROHIBITED: Meaning(
        "a route or rule of kind prohibit takes it: the sender is told that it is prohibited",
        "remove the route or rule",
    ),
    Verdict.NO_SOURCE: Meaning(
        "the sender has no address of that IP version to send from", "give the sender an address"
    ),
    Verdict.BROADCAST: Meaning("the destination is everybody's address of a network: it is no one node's to answer"),
    Verdict.NO_NEIGHBOUR: Meaning(
        "nobody on the link says that it has the next hop's address (ARP, neighbour discovery)",
        "look for the next hop: whether it is there, up, on the same link and in the same subnet",
    ),
    Verdict.NOT_FORWARDED: Meaning(
        "the node is not the destination and does not forward", "add forwarding: true to the node"
    ),
    Verdict.FILTERED: Meaning("a filter rule, or a chain's policy, drops it", "accept it before that rule"),
    Verdict.REJECTED: Meaning("a filter rule rejects it: the sender is told", "accept it before that rule"),
    Verdict.MARTIAN: Meaning(
        "it comes from outside with an address that none has there (one of the node's own, 127.0.0.0/8), or leaves so",
        "look at who else has that address",
    ),
    Verdict.RP_FILTER: Meaning(
        "its source would be answered by another device (rp_filter 1), or by none at all (rp_filter 1 and 2)",
        "give the node a route back to the source, or set rp_filter to 0",
    ),
    Verdict.TTL_EXCEEDED: Meaning(
        "its TTL has come to an end at a router: the sender is told", "send it with a larger TTL"
    ),
    Verdict.LOOP: Meaning(
        "it comes by the same device of the same node again and again, or a tunnel would have to carry itself",
        "look at the routes of the nodes in the loop",
    ),
    Verdict.TOO_BIG: Meaning(
        "it is larger than the next link's MTU and must not be taken apart: the sender is told the MTU",
        "send less at once, or let the links have one MTU",
    ),
    Verdict.TOO_LONG: Meaning(
        "a bridge or a cable's other end has a smaller MTU than the frame: nobody is told",
        "give all devices of the link one MTU",
    ),
    Verdict.NOT_TAKEN: Meaning(
        "the frame comes to devices that have another link-layer address than it is for",
        "look at the neighbours that the sender believes in",
    ),
    Verdict.NOWHERE: Meaning("a bridge or tunnel has nowhere to send the frame", "look at the ports and remotes"),
    Verdict.VLAN: Meaning("a bridge's port, or the bridge itself, is not in the frame's VLAN", "give it that VLAN"),
    Verdict.CLOSED: Meaning(
        "the spanning tree, or a bridge that is down, keeps the port closed", "set the bridge up, if it is down"
    ),
    Verdict.DOWN: Meaning("a device on the way is down", "set the device up"),
    Verdict.NO_CARRIER: Meaning("the other end of the device is down, or nothing is there", "set the other end up"),
    Verdict.NO_IPV6: Meaning("IPv6 is off on the device that it comes to", "add ipv6: true to the node"),
    Verdict.SWALLOWED: Meaning("it leaves by a device that takes everything and hands on nothing (dummy)"),
    Verdict.LOST: Meaning("the wire is told to lose everything (impair: {loss: 100%})", "take the impairment away"),
    Verdict.LEFT: Meaning("it leaves the lab by a device of the machine: what becomes of it there is not known"),
    Verdict.KERNEL_FAULT: Meaning(
        "the kernel loses it by a fault of its own: the UDP checksum of a tunnel's packet that NAT has translated, or "
        "what a bridge's VXLAN tells its own node of a packet that is too big",
        "keep the packets that carry a tunnel out of NAT; give the bridge the MTU that the tunnel has room for",
    ),
}
