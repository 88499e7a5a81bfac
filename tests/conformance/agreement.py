"""What the simulator says of a probe, in the words in which the kernel's doings are observed; and where they differ."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from netlab.simulator.network import Network, Nic
from netlab.simulator.simulating import simulate
from netlab.simulator.trace import TAKEN_IN, Question, end_of
from netlab.simulator.walk import Walk
from tests.conformance.observe import Listener
from tests.conformance.probe_packets import Answer, Arrival, Observation, Probe, Seen, What

#: Bytes of a SYN as probes send it: headers only.
_SYN4, _SYN6 = 40, 60
_ANSWERS: dict[str, What] = {
    "echo-reply": "reply",
    "datagram": "reply",
    "syn-ack": "open",
    "rst": "refused",
    "error": "icmp",
}


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A probe of which the simulator says something else than what the kernel does, and of what."""

    probe: Probe
    about: tuple[str, ...]
    predicted: Observation
    observed: Observation

    def __str__(self) -> str:
        lines = [f"{self.probe}"]
        for name in self.about:
            lines.append(f"  {name}: the simulator says {_shown(self.predicted, name)}")
            lines.append(f"  {name}: the kernel does     {_shown(self.observed, name)}")
        return "\n".join(lines)


def _shown(found: Observation, name: str) -> str:
    value = getattr(found, name)
    return str(sorted(map(str, value))) if isinstance(value, (frozenset, tuple)) else str(value)


def question_of(probe: Probe) -> Question:
    size = probe.size
    if probe.kind == "tcp":
        size = _SYN6 if probe.version == 6 else _SYN4
    return Question(probe.kind, probe.destination, probe.port or 0, size, probe.ttl, probe.dont_fragment, raw=True)


def predict(network: Network, probe: Probe, listeners: Collection[Listener]) -> Observation:
    """Give what the simulator says of a probe."""
    return _told(_walk(network, probe, listeners), probe)


def predict_races(network: Network, probe: Probe, listeners: Collection[Listener]) -> Iterator[Observation]:
    """Give what else it could say: where several answer for one address, another's answer may come first."""
    for asked, macs in _walk(network, probe, listeners).answers.items():
        for mac in sorted({*macs} - {macs[0]}):
            yield _told(_walk(network, probe, listeners, {asked: mac}), probe)


def _walk(
    network: Network, probe: Probe, listeners: Collection[Listener], firsts: Mapping[tuple[Nic, str], str] | None = None
) -> Walk:
    packet = question_of(probe).packet()
    return simulate(network, probe.source, packet, listeners=listeners, tells=False, firsts=firsts)


def _told(walk: Walk, probe: Probe) -> Observation:
    errno = end_of(walk, 0).errno
    # A device with the MAC of the one below takes its packets: whether they count as taken in below, too, is open.
    arrivals = frozenset(
        Arrival(
            nic.node.name,
            nic.name,
            packet.source,
            packet.destination,
            packet.ttl,
            packet.dport if probe.kind != "icmp" else None,
        )
        for leg, nic, packet in walk.arrivals
        if leg == 0 and not shares_mac(nic)
    )
    seen = frozenset(Seen(nic.node.name, nic.name) for leg, nic in walk.seen if leg == 0)
    return Observation(probe, errno, tuple(_answers(walk, probe)), arrivals, seen)


def shares_mac(nic: Nic) -> bool:
    """Tell whether a device stands below one that has its MAC."""
    return any(upper.kind in ("macvlan", "ipvlan") and upper.mac == nic.mac for upper in nic.uppers)


def comparable(network: Network, found: Observation) -> Observation:
    """Leave out of an observation the arrivals of which the simulator says nothing."""
    kept = (
        one
        for one in found.arrivals
        if (nic := network.nodes[one.node].devices.get(one.device)) is None or not shares_mac(nic)
    )
    return replace(found, arrivals=frozenset(kept))


def _answers(walk: Walk, probe: Probe) -> list[Answer]:
    found = []
    for number in range(1, len(walk.legs)):
        end = end_of(walk, number)
        if end.verdict not in TAKEN_IN or end.node != probe.source or end.packet is None:
            continue
        error = end.packet.error
        if error is not None and walk.legs[number].reason != 0:
            continue  # it is about an answer, and goes to whoever sent that: no observation says what probe it was for
        code = (error.type, error.code) if error is not None else None
        found.append(Answer(_ANSWERS[end.packet.message], end.packet.source, code))
    return found


def disagreements(predicted: Sequence[Observation], observed: Sequence[Observation]) -> list[Disagreement]:
    """Compare prediction and observation, probe by probe."""
    found = []
    for ours, theirs in zip(predicted, observed, strict=True):
        about = []
        if ours.errno != theirs.errno:
            about.append("errno")
        if set(ours.answers) != set(theirs.answers):
            about.append("answers")
        if ours.arrivals != theirs.arrivals:
            about.append("arrivals")
        if ours.seen != theirs.seen:
            about.append("seen")
        if about:
            found.append(Disagreement(ours.probe, tuple(about), ours, theirs))
    return found
