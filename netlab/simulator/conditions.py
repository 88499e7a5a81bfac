"""What rules of somebody's own look at: each field by its name in nft, as a packet has it.

A field that a packet does not have ends the rule, whatever is asked of it (NFT_BREAK). Sources: nft(8), nft_payload.c,
nft_meta.c, nft_ct.c, nft_fib.c.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from netlab.facts.other_rules import OF_ADDRESSES, OF_DEVICES, Condition, Value
from netlab.simulator.connections import Tracked
from netlab.simulator.fib import within
from netlab.simulator.network import Nic, Node
from netlab.simulator.packet import Packet

#: Types of ICMP messages by version (RFC 792, RFC 4443, RFC 4861); an error says its own.
_ICMP: Final[Mapping[int, Mapping[str, int]]] = {
    4: {"echo": 8, "echo-reply": 0},
    6: {"echo": 128, "echo-reply": 129, "solicitation": 135, "advertisement": 136},
}
#: Names of the addresses that belong to a node itself (fib daddr type).
LOCAL: Final = "local"


@dataclass(frozen=True, slots=True)
class Sight:
    """All that a rule can look at."""

    node: Node
    tracked: Tracked | None
    packet: Packet
    into: Nic | None
    out: Nic | None
    #: Whether connections are not looked up yet.
    early: bool = False
    #: Whether it is a fragment behind the first.
    later: bool = False


def holds(sight: Sight, condition: Condition) -> bool:
    """Tell whether a packet is what a condition asks for."""
    found = _FIELDS[condition.field](sight)
    if found is None or (sight.later and condition.field.startswith(_BEHIND_IP)):
        return False
    several = found if isinstance(found, tuple) else (found,)
    return any(_fits(condition.field, one, value) for one in several for value in condition.values) != condition.negated


def _fits(field: str, found: str | int, value: Value) -> bool:
    if isinstance(value, tuple):
        return isinstance(found, int) and value[0] <= found <= value[1]
    if field in OF_ADDRESSES:
        return within(str(found), value)
    if field in OF_DEVICES and value.endswith("*"):
        return str(found).startswith(value[:-1])
    return found == value


#: Fields that only the first fragment has.
_BEHIND_IP: Final = ("tcp ", "udp ", "th ", "icmp ", "icmpv6 ")
#: What a packet has: one value, or several at once; None where it has no such field.
_Found = str | int | tuple[str, ...] | None


def _of_version(version: int, found: Callable[[Packet], str | int]) -> Callable[[Sight], _Found]:
    return lambda sight: found(sight.packet) if sight.packet.version == version else None


def _of_protocols(names: Collection[str], found: Callable[[Packet], str | int]) -> Callable[[Sight], _Found]:
    return lambda sight: found(sight.packet) if sight.packet.protocol in names else None


def _icmp(version: int, place: int) -> Callable[[Sight], _Found]:
    """Give the type (0) or the code (1) of ICMP messages of a version."""

    def found(sight: Sight) -> _Found:
        packet = sight.packet
        if packet.version != version or not packet.protocol.endswith("icmp"):
            return None
        if packet.error is not None:
            return (packet.error.type, packet.error.code)[place]
        number = _ICMP[version].get(packet.message)
        return 0 if place and number is not None else number

    return found


def _state(sight: Sight) -> _Found:
    if sight.tracked is not None:
        return sight.tracked.state
    # Neighbour discovery belongs to no connection (nf_conntrack_icmpv6).
    discovery = sight.packet.message in ("solicitation", "advertisement")
    return "untracked" if discovery and not sight.early else "invalid"


def _status(sight: Sight) -> _Found:
    if sight.tracked is None:
        return None
    connection = sight.tracked.connection
    answers = sight.tracked.answers and not sight.tracked.related
    said = {
        "snat": connection.translated_source,
        "dnat": connection.translated_destination,
        "seen-reply": connection.seen_reply or answers,
    }
    return tuple(name for name, holds in said.items() if holds)


def _direction(sight: Sight) -> _Found:
    if sight.tracked is None:
        return None
    return "reply" if sight.tracked.answers else "original"


def _type_of_destination(sight: Sight) -> _Found:
    return LOCAL if is_local(sight.node, sight.packet.destination) else "else"


def is_local(node: Node, destination: str) -> bool:
    """Tell whether an address is the node's; one in a VRF is not (nft_fib_ipv4.c; before Linux 6.16)."""
    holder = node.addresses.get(destination)
    return destination.startswith("127.") or (holder is not None and holder.vrf is None)


def _name(nic: Nic | None) -> str:
    return nic.name if nic is not None else ""


_FIELDS: Final[Mapping[str, Callable[[Sight], _Found]]] = {
    "ip saddr": _of_version(4, lambda packet: packet.source),
    "ip daddr": _of_version(4, lambda packet: packet.destination),
    "ip6 saddr": _of_version(6, lambda packet: packet.source),
    "ip6 daddr": _of_version(6, lambda packet: packet.destination),
    "ip protocol": _of_version(4, lambda packet: packet.protocol),
    "ip6 nexthdr": _of_version(6, lambda packet: packet.protocol),
    "ip ttl": _of_version(4, lambda packet: packet.ttl),
    "ip6 hoplimit": _of_version(6, lambda packet: packet.ttl),
    "ip length": _of_version(4, lambda packet: packet.size),
    "meta length": lambda sight: sight.packet.size,
    "meta l4proto": lambda sight: sight.packet.protocol,
    "meta nfproto": lambda sight: f"ipv{sight.packet.version}",
    "meta protocol": lambda sight: "ip" if sight.packet.version == 4 else "ip6",
    "iifname": lambda sight: _name(sight.into),
    "oifname": lambda sight: _name(sight.out),
    "tcp sport": _of_protocols(("tcp",), lambda packet: packet.sport),
    "tcp dport": _of_protocols(("tcp",), lambda packet: packet.dport),
    "udp sport": _of_protocols(("udp",), lambda packet: packet.sport),
    "udp dport": _of_protocols(("udp",), lambda packet: packet.dport),
    "th sport": _of_protocols(("tcp", "udp"), lambda packet: packet.sport),
    "th dport": _of_protocols(("tcp", "udp"), lambda packet: packet.dport),
    # Which of the messages that are simulated have the flags that are asked for.
    "tcp flags": _of_protocols(("tcp",), lambda packet: packet.message),
    "icmp type": _icmp(4, 0),
    "icmp code": _icmp(4, 1),
    "icmpv6 type": _icmp(6, 0),
    "icmpv6 code": _icmp(6, 1),
    "ct state": _state,
    "ct status": _status,
    "ct direction": _direction,
    "fib daddr type": _type_of_destination,
}
