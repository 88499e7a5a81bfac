"""The connections of a node: what a packet belongs to, and how its answers look.

Sources: net/netfilter/nf_conntrack_core.c, nf_conntrack_proto_icmp.c, nf_conntrack_proto_tcp.c.
"""

from __future__ import annotations

from dataclasses import dataclass

from netlab.facts import Chain, Rule
from netlab.simulator.packet import Packet

#: What names a connection, one way: source, destination, protocol, and the ports.
Tuple = tuple[str, str, str, int, int]
#: What decided on a packet.
Choice = tuple[Chain, Rule]


@dataclass(slots=True, eq=False)
class Connection:
    """One connection of a node: how its packets look on the way out, and how the answers look when they come."""

    original: Tuple
    reply: Tuple
    #: Whether either was translated, and by which rule.
    translated_source: bool = False
    translated_destination: bool = False
    source_by: Choice | None = None
    destination_by: Choice | None = None
    seen_reply: bool = False
    #: It counts from when its first packet has passed (nf_conntrack_confirm).
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a packet is to a connection: which one, whether an answer, whether an error about it."""

    connection: Connection
    answers: bool = False
    related: bool = False

    @property
    def state(self) -> str:
        if self.related:
            return "related"
        return "established" if self.answers or self.connection.seen_reply else "new"


#: An echo and its reply have types of their own (nf_conntrack_proto_icmp.c, invmap).
_TYPED = {"echo": "?", "echo-reply": "!"}
_TURNED = str.maketrans("?!", "!?")


def tuple_of(packet: Packet) -> Tuple:
    """Give what a packet is known by."""
    protocol = packet.protocol + _TYPED.get(packet.message, "")
    return packet.source, packet.destination, protocol, packet.sport, packet.dport


def inverse(one: Tuple) -> Tuple:
    """Give the tuple of the answers."""
    return one[1], one[0], one[2].translate(_TURNED), one[4], one[3]


class Connections:
    """The connections of one node."""

    def __init__(self) -> None:
        self._by_tuple: dict[Tuple, tuple[Connection, bool]] = {}

    def find(self, packet: Packet) -> Tracked | None:
        """Give what a packet belongs to: a connection, made if it starts one; None for what starts none."""
        if packet.message == "error" and packet.error is not None:
            found = self._by_tuple.get(inverse(tuple_of(packet.error.about)))
            return Tracked(found[0], found[1], related=True) if found is not None else None
        known = self._by_tuple.get(tuple_of(packet))
        if known is not None:
            return Tracked(known[0], known[1])
        if packet.message in ("echo-reply", "syn-ack", "rst"):
            return None  # an answer to nothing that was asked here is invalid (nf_conntrack_proto_icmp.c, _tcp.c)
        original = tuple_of(packet)
        return Tracked(Connection(original, inverse(original)))

    def confirm(self, tracked: Tracked | None) -> None:
        """Keep a connection whose first packet has passed."""
        if tracked is None:
            return
        connection = tracked.connection
        if tracked.answers and not tracked.related:
            connection.seen_reply = True
        if not connection.confirmed:
            connection.confirmed = True
            self._by_tuple[connection.original] = (connection, False)
            self._by_tuple[connection.reply] = (connection, True)

    def is_taken(self, reply: Tuple) -> bool:
        return reply in self._by_tuple
