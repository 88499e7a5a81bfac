"""Networks in a few lines of the language, and packets through them, for the tests of the simulator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netlab.facts import Fact, Facts, Port
from netlab.simulator.compiling import network_of
from netlab.simulator.network import Network
from netlab.simulator.packet import Frame, Packet
from netlab.simulator.targets import address_of
from netlab.simulator.trace import LegTrace, Question, Trace, trace
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import Walk
from netlab.topology import read


def facts_of(text: str, *more: Fact) -> Facts:
    """Give the facts that a file asks for, and those beside them, or in their place, that the language cannot say."""
    body = text if text.lstrip().startswith(("bridges", "host", "netns", "veths")) else f"netns:\n{text}"
    facts = read(f"name: lab\n{body}", "lab.yml").facts
    return {**facts, **{fact.key: fact for fact in more}}


def network(text: str, *more: Fact) -> Network:
    return network_of(facts_of(text, *more))


def ports_said(text: str, **said: dict[str, Any]) -> Network:
    """Give a network in which more is said of the ports that nodes are plugged into: `a={"isolated": True}`."""
    facts = dict(facts_of(text))
    for fact in list(facts.values()):
        if isinstance(fact, Port):
            ends = next(one for one in facts.values() if one.family == "veth" and fact.device in one.key)
            node = next(name for name in ends.key[1::2] if name != fact.node)
            facts[fact.key] = replace(fact, **said.get(node, {}))
    return network_of(facts)


def send(network: Network, source: str, destination: str, *listeners: tuple[str, str, int], **asked: Any) -> Trace:
    """Send a packet from a node to a node or address; `asked` are fields of its Question."""
    address = address_of(network, source, destination)
    assert address is not None
    return trace(network, source, Question(asked.pop("kind", "icmp"), address, **asked), listeners)


def verdict(network: Network, source: str, destination: str, **asked: Any) -> Verdict:
    return send(network, source, destination, **asked).verdict


def told(leg: LegTrace, *whats: str) -> list[str]:
    """Give the words of a leg's steps of some kinds, or of all, each with its node."""
    return [f"{step.node}: {step.words}" for step in leg.steps if not whats or step.what in whats]


def errors_told(found: Trace) -> list[tuple[str, str, str, tuple[int, int]]]:
    """Give the ICMP errors: who tells, from which address, to which, type and code."""
    return [
        (leg.node, leg.packet.source, leg.packet.destination, (leg.packet.error.type, leg.packet.error.code))
        for leg in found.legs
        if leg.packet.error is not None
    ]


class Deaf:
    """Layers that take nothing up: for the tests of what frames do below."""

    def take_packet(self, walk: Walk, nic: Any, frame: Frame, leg: int) -> None:
        """Take nothing."""

    def take_question(self, walk: Walk, nic: Any, frame: Frame, leg: int) -> None:
        """Take nothing."""

    def send(self, walk: Walk, node: Any, packet: Packet, leg: int, out: Any = None) -> None:
        """Send nothing."""

    def send_tracked(self, walk: Walk, node: Any, packet: Packet, leg: int, out: Any, tracked: Any) -> None:
        """Send nothing."""
