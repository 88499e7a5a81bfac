"""The checks of a lab -> who listens where while they are simulated.

In a plain node, the listener that the live run would start for a check, and for that check alone. Of the programs of a
node (`run`) nothing is known but what checks expect of the ports that they reach there: where one is to be open, or to
reply, somebody listens; where a datagram is to have no answer, somebody takes it and says nothing; else nobody listens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netlab.app.probe_packets import question_of
from netlab.facts import Facts
from netlab.names import HOST
from netlab.probe.listener import NEEDS
from netlab.probe.run import needs_listener
from netlab.simulator.network import Network
from netlab.simulator.simulating import simulate
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import Walk
from netlab.topology.lab import Check

#: Who may listen: node, tcp or udp, address, port.
Endpoint = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class Listening:
    """Who listens where: `answering` and, for datagrams alone, `mute` are ends that nodes of unknown programs are."""

    programs: frozenset[str]
    machine: bool
    answering: frozenset[Endpoint]
    mute: frozenset[Endpoint]

    def own(self, check: Check) -> frozenset[Endpoint]:
        """Give where the live run would start a listener for a check."""
        if check.target_node is None or check.port is None or not needs_listener(check, self.programs, self.machine):
            return frozenset()
        return frozenset({(check.target_node, check.kind, check.address, check.port)})


def listening_of(network: Network, checks: Sequence[Check], facts: Facts, machine: bool) -> Listening:
    """Take the programs of nodes to do what the checks expect of the ports that they reach there."""
    programs = frozenset(fact.key[1] for fact in facts.values() if fact.family == "program")
    unknown = programs | {HOST} if machine else programs
    answering: set[Endpoint] = set()
    mute: set[Endpoint] = set()
    for check in checks:
        kind = (check.kind, check.expect)
        if check.source in network.nodes and (kind in NEEDS or kind == ("udp", "timeout")):
            walk = simulate(network, check.source, question_of(check).packet())
            (answering if kind in NEEDS else mute).update(end for end in reached(walk) if end[0] in unknown)
    return Listening(programs, machine, frozenset(answering), frozenset(mute - answering))


def reached(walk: Walk) -> frozenset[Endpoint]:
    """Give the ports at which a packet has come and nobody listens."""
    ends = [end for end in walk.ends if end.leg == 0 and end.verdict is Verdict.NO_LISTENER]
    return frozenset(
        (end.node, end.packet.protocol, end.packet.destination, end.packet.dport)
        for end in ends
        if end.packet is not None
    )
