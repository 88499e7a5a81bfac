"""A walk -> a trace: the way there and the way back, step by step, and the verdict with what is behind it."""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from netlab.simulator.crossing import Crossing, Event, way_to
from netlab.simulator.network import Network
from netlab.simulator.packet import DATAGRAM_SIZE, PING_SIZE, SYN_SIZE, Message, Packet
from netlab.simulator.simulating import simulate
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import End, Step, Walk

#: Ends of a copy of a frame that say nothing of the packet, while another copy has an end of its own.
_OF_COPIES: Final = frozenset({Verdict.NOT_TAKEN, Verdict.NO_CARRIER, Verdict.DOWN, Verdict.VLAN, Verdict.NOWHERE})
#: Ends at the destination itself.
TAKEN_IN: Final = frozenset({Verdict.DELIVERED, Verdict.NO_LISTENER, Verdict.IGNORED})
#: Ports that a simulated connection comes from, and the identifier of a simulated ping.
_SOURCE_PORT, _IDENTIFIER = 49152, 1


#: What each kind sends: protocol, message, and size in IPv4; by how much IPv6's header is longer.
_KINDS: Final[Mapping[str, tuple[str, Message, int]]] = {
    "icmp": ("icmp", "echo", PING_SIZE),
    "tcp": ("tcp", "syn", SYN_SIZE),
    "udp": ("udp", "datagram", DATAGRAM_SIZE),
}
_LONGER6: Final = 20
#: The least that each kind takes in IPv4: its headers.
_LEAST: Final = {"icmp": 28, "tcp": 40, "udp": 28}


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent: `kind` is icmp, tcp or udp; a size counts the IP header; without a TTL it has its node's own."""

    kind: str
    destination: str
    port: int = 0
    size: int | None = None
    ttl: int | None = None
    dont_fragment: bool = False
    #: Sent by a raw socket, which makes the checksum itself.
    raw: bool = False

    def packet(self) -> Packet:
        """Give the packet that its sender's kernel would make, but for its source, and a TTL that is not said."""
        six = ":" in self.destination
        protocol, message, size = _KINDS[self.kind]
        ports = (_IDENTIFIER, _IDENTIFIER) if self.kind == "icmp" else (_SOURCE_PORT, self.port)
        return Packet(
            source="",
            destination=self.destination,
            protocol="ipv6-icmp" if six and self.kind == "icmp" else protocol,
            message=message,
            sport=ports[0],
            dport=ports[1],
            ttl=self.ttl or 0,
            size=self.size or size + _LONGER6 * six,
            dont_fragment=self.dont_fragment,
            offloaded=self.kind != "icmp" and not self.raw,
        )

    @property
    def least(self) -> int:
        """The least size that it can have: that of its headers."""
        return _LEAST[self.kind] + _LONGER6 * (":" in self.destination)

    def words(self) -> str:
        return "ping" if self.kind == "icmp" else f"{self.kind} {self.port}"


@dataclass(frozen=True, slots=True)
class LegTrace:
    """The way of one packet: who sent it, its steps, and its end; `reason` is the leg that it answers."""

    number: int
    node: str
    packet: Packet
    reason: int | None
    steps: tuple[Step, ...]
    end: End
    #: The devices that it went through on its way to its end, in order.
    crossed: tuple[Crossing, ...] = ()

    @property
    def words(self) -> str:
        """Say what the packet is."""
        return str(self.packet)


@dataclass(frozen=True, slots=True)
class Trace:
    """What became of a packet and of its answers."""

    source: str
    question: Question
    legs: tuple[LegTrace, ...]
    #: What the sender is told: reply, open, refused (a reset, or port unreachable), error (another ICMP error, or an
    #: errno at once), or silence.
    answer: str
    #: The leg whose end is the verdict's: the one that failed, or the answer that came.
    deciding: LegTrace
    #: Expected round trip in microseconds, and share of such packets that are answered, by the impairments on the way.
    delay: int = 0
    share: float = 1.0

    @property
    def verdict(self) -> Verdict:
        return self.deciding.end.verdict

    @property
    def errno(self) -> int | None:
        """What the sender's own kernel refuses it with at once; a connection to everybody as tcp_v4_connect does."""
        end = self.legs[0].end
        to_all = end.verdict is Verdict.BROADCAST and self.question.kind == "tcp"
        return errno.ENETUNREACH if to_all and end.errno is not None else end.errno

    @property
    def ok(self) -> bool:
        """Whether the packet came to its destination, and the answer that says so came back."""
        return self.answer in ("reply", "open")


def trace(network: Network, source: str, question: Question, listeners: Collection[tuple[str, str, int]] = ()) -> Trace:
    """Send a packet from a node and tell its way, and that of every answer."""
    return trace_of(simulate(network, source, question.packet(), listeners=listeners), source, question)


def trace_of(walk: Walk, source: str, question: Question) -> Trace:
    """Turn a walk that has come to its end into its trace."""
    steps: dict[int, list[Step]] = {}
    for step in walk.steps:
        steps.setdefault(step.leg, []).append(step)
    events: dict[int, list[Event]] = {}
    for number, nic, leaves in walk.crossed:
        events.setdefault(number, []).append((nic, leaves))
    legs = []
    for number, leg in enumerate(walk.legs):
        end, told = end_of(walk, number), tuple(steps.get(number, ()))
        way = way_to(end, events.get(number, ()))
        legs.append(LegTrace(number, leg.node, leg.packet, leg.reason, told, end, way))
    answer, deciding = _decide(legs, source)
    delay = sum(walk.delays.get(leg.number, 0) for leg in legs[:2])
    share = walk.shares.get(0, 1.0) * walk.shares.get(1, 1.0)
    return Trace(source, question, tuple(legs), answer, deciding, delay, share)


def end_of(walk: Walk, leg: int) -> End:
    """Give the end of a leg: that of the copy which says most of it."""
    ends = [end for end in walk.ends if end.leg == leg]
    if not ends:
        packet = walk.legs[leg].packet
        verdict = Verdict.LOOP if walk.spent else Verdict.NOT_TAKEN
        words = "its copies go round for ever" if walk.spent else f"nobody takes what is for {packet.destination}"
        return End(leg, verdict, walk.legs[leg].node, None, words, None, None, packet)
    goes_round = any(step.leg == leg and step.what == "loop" for step in walk.steps)
    found = min(ends, key=_weight)
    if goes_round and found.verdict is Verdict.TTL_EXCEEDED:
        words = f"it goes round until its TTL ends at {found.node}"
        routes = [step.key for step in walk.steps if step.leg == leg and step.what == "route"]
        return End(leg, Verdict.LOOP, found.node, found.device, words, routes[-1], None, found.packet)
    return found


def _weight(end: End) -> int:
    return 0 if end.verdict in TAKEN_IN else 2 if end.verdict in _OF_COPIES else 1


#: What an answer is to whoever waits for it.
_ANSWERS: Final[Mapping[str, str]] = {
    "echo-reply": "reply",
    "datagram": "reply",
    "syn-ack": "open",
    "rst": "refused",
    "error": "error",
}
_BEST = ("reply", "open", "refused", "error")


def _decide(legs: list[LegTrace], source: str) -> tuple[str, LegTrace]:
    first = legs[0]
    came = [leg for leg in legs[1:] if leg.end.verdict in TAKEN_IN and leg.end.node == source]
    if came:
        best = min(came, key=lambda leg: _BEST.index(_ANSWERS[leg.packet.message]))
        answer = _ANSWERS[best.packet.message]
        if answer in ("reply", "open"):
            return answer, best
        if answer == "error" and first.packet.protocol in ("tcp", "udp") and _says_port_unreachable(best.packet):
            return "refused", first  # as its socket is told: ECONNREFUSED
        return answer, first
    if first.end.errno is not None and first.end.errno != errno.EPERM:
        return "error", first
    lost = [leg for leg in legs[1:] if leg.reason == 0] if first.end.verdict in TAKEN_IN else []
    return "silence", (lost[0] if lost else first)


def _says_port_unreachable(packet: Packet) -> bool:
    error = packet.error
    return error is not None and (error.type, error.code) == ((1, 4) if packet.version == 6 else (3, 3))
