"""`trace`: the whole way of a packet through a lab, there and back, without sending one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netlab.app.documents import span_to_json
from netlab.app.listening import Endpoint, listening_of, reached
from netlab.app.simulated import Subject, subject_of
from netlab.app.world import World
from netlab.errors import Problem, Span, UsageError
from netlab.facts import Key
from netlab.simulator.compiling import network_of
from netlab.simulator.network import Network
from netlab.simulator.simulating import simulate
from netlab.simulator.targets import address_of, literal, nearest_name
from netlab.simulator.trace import LegTrace, Question, Trace, trace_of
from netlab.simulator.verdicts import MEANINGS

if TYPE_CHECKING:
    from netlab.simulator.walk import Step


@dataclass(frozen=True, slots=True)
class Traced:
    """A trace, and the lab that it was taken in: `live`, on what is there now."""

    lab: str
    target: str
    live: bool
    trace: Trace
    origin: Mapping[Key, Span]
    #: What of the network could not be read.
    warnings: tuple[Problem, ...] = ()

    @property
    def mend(self) -> str | None:
        """What would mend it, where the packet or its answer is lost."""
        return None if self.trace.ok else MEANINGS[self.trace.verdict].mend

    def to_json(self) -> dict[str, Any]:
        found = self.trace
        return {
            "from": found.source,
            "to": self.target,
            "address": found.question.destination,
            "kind": found.question.kind,
            "port": found.question.port or None,
            "live": self.live,
            "answer": found.answer,
            "verdict": found.verdict.value,
            "why": found.deciding.end.words,
            "mend": self.mend,
            "origin": span_to_json(self.place(found.deciding.end.key)),
            "delay": found.delay / 1_000_000,
            "share": found.share,
            "legs": [self._leg_to_json(leg) for leg in found.legs],
        }

    def place(self, key: Key | None) -> Span | None:
        """Give where the file asks for a fact."""
        return self.origin.get(key) if key is not None else None

    def _leg_to_json(self, leg: LegTrace) -> dict[str, Any]:
        packet, error = leg.packet, leg.packet.error
        return {
            "node": leg.node,
            "packet": {
                "source": packet.source,
                "destination": packet.destination,
                "protocol": packet.protocol,
                "message": packet.message,
                "sport": packet.sport,
                "dport": packet.dport,
                "ttl": packet.ttl,
                "size": packet.size,
                "icmp": {"type": error.type, "code": error.code, "mtu": error.mtu or None}
                if error is not None
                else None,
            },
            "answers": leg.reason,
            "steps": [self._step_to_json(step) for step in leg.steps],
            "verdict": leg.end.verdict.value,
            "node_of_end": leg.end.node,
            "device_of_end": leg.end.device,
            "why": leg.end.words,
            "origin": span_to_json(self.place(leg.end.key)),
        }

    def _step_to_json(self, step: Step) -> dict[str, Any]:
        return {
            "what": step.what,
            "node": step.node,
            "device": step.device,
            "words": step.words,
            "fact": list(step.key or ()),
            "origin": span_to_json(self.place(step.key)),
        }


def trace(
    target: str | None,
    source: str,
    destination: str,
    *,
    kind: str = "icmp",
    port: int = 0,
    size: int | None = None,
    ttl: int | None = None,
    dont_fragment: bool = False,
    live: bool = False,
    world: World | None = None,
) -> Traced:
    """Follow a packet from a node to a node (`node:device`) or an address. `kind`: icmp, tcp or udp.

    Of a FILE the network that it asks for, of a LAB what was applied, or with `live` what is there now. `size` counts
    the IP header. Raises UsageError for names that are not there.
    """
    subject = subject_of(target, live=live, world=world)
    return trace_in(subject, source, destination, kind=kind, port=port, size=size, ttl=ttl, dont_fragment=dont_fragment)


def trace_in(
    subject: Subject,
    source: str,
    destination: str,
    *,
    kind: str = "icmp",
    port: int = 0,
    size: int | None = None,
    ttl: int | None = None,
    dont_fragment: bool = False,
) -> Traced:
    """Follow a packet through a lab that is read already."""
    network = network_of(subject.facts)
    _known(network, source, subject)
    address = address_of(network, source, destination)
    if address is None:
        raise _no_address(network, subject, destination)
    question = Question(kind, address, port, size, ttl, dont_fragment)
    if size is not None and size < question.least:
        raise UsageError(
            f"{size} bytes: the headers alone have {question.least}\n  fix: --size {question.least} or more"
        )
    found = _followed(network, source, question, subject)
    return Traced(subject.lab, destination, subject.live, found, subject.origin, subject.unread)


def _followed(network: Network, source: str, question: Question, subject: Subject) -> Trace:
    """Follow a packet; where it comes to a port at which somebody listens, with somebody there."""
    packet = question.packet()
    walk = simulate(network, source, packet)
    ends = reached(walk)
    there = _answering(network, subject, ends) if ends else frozenset()
    if there:
        walk = simulate(network, source, packet, listeners={(node, kind, port) for node, kind, _, port in there})
    return trace_of(walk, source, question)


def _answering(network: Network, subject: Subject, ends: frozenset[Endpoint]) -> frozenset[Endpoint]:
    """Give the ends at which somebody listens: by what is there, or else by what the checks expect."""
    if subject.listening is not None:
        return frozenset(end for end in ends if not _heard(end).isdisjoint(subject.listening))
    listening = listening_of(network, subject.checks, subject.facts, subject.machine)
    return ends & listening.answering.union(*(listening.own(check) for check in subject.checks))


def _heard(end: Endpoint) -> frozenset[Endpoint]:
    """Give who would hear at an end: who is bound to its address, or to any; any of IPv6 is any of IPv4, too."""
    node, kind, address, port = end
    any_of = ("::",) if ":" in address else ("0.0.0.0", "::")  # noqa: S104 -- what others are bound to
    return frozenset((node, kind, bound, port) for bound in (address, *any_of))


def _known(network: Network, source: str, subject: Subject) -> None:
    if source not in network.nodes:
        raise UsageError(f"{subject.lab} has no node {source!r}\n  fix: {_other_node(network, source)}")


def _no_address(network: Network, subject: Subject, destination: str) -> UsageError:
    """Say why a destination stands for no address, and what to write instead."""
    name, _, device = destination.partition(":")
    node = network.nodes.get(name)
    if node is None:
        alone, _, length = destination.partition("/")
        fix = f"write {alone}" if length and literal(alone) else _other_node(network, destination)
        return UsageError(f"{subject.lab} has no node {destination!r}, and it is no address\n  fix: {fix}")
    if device and device not in node.devices:
        own = ", ".join(other for other in node.devices if other != "lo")
        return UsageError(f"{name} has no device {device!r}\n  fix: its devices: {own or 'none'}")
    return UsageError(f"{destination} has no address\n  fix: give it one, or name the address that is meant")


def _other_node(network: Network, name: str) -> str:
    near = nearest_name(network, name)
    return f"write {near}" if near else f"nodes: {', '.join(list(network.nodes)[:8])}"
