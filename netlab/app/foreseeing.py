"""A check on a simulated network -> the observations that its probe would make (probe/events.py).

One packet stands for all requests of a probe. Times are those of the impairments on the way; what the kernel itself
takes is nothing, but for the 3 s in which it finds out that a neighbour does not answer. What comes later than a probe
waits is not observed.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from netlab.app.listening import Endpoint, Listening, reached
from netlab.app.probe_packets import is_too_long, payload_of, question_of
from netlab.probe.events import Event
from netlab.probe.measure import MEASURED, asked_first
from netlab.probe.outcome import SILENCE, holds, patience
from netlab.simulator.fib import Asked, look_up
from netlab.simulator.network import Network
from netlab.simulator.output import ENDS
from netlab.simulator.packet import Packet, Version, is_multicast
from netlab.simulator.simulating import ask, simulate
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import End, Walk
from netlab.topology.lab import Check

#: Seconds in which a node finds out that a neighbour does not answer (arp(7): three questions, a second apart).
_RESOLUTION: Final = 3.0
#: Seconds after which a datagram follows another that was too big (probe/child.py), and how often a way's MTU may fall.
_PACE, _MTUS = 0.3, 8
#: Bytes of the headers of a fragment of IPv6.
_FRAGMENT6: Final = 48


def follow(network: Network, check: Check, listening: Listening) -> list[Walk]:
    """Follow a check's packet, and the next ones where the way's MTU is told: those are taken apart by the sender."""
    packet = question_of(check).packet()
    found: list[Walk] = []
    for _ in range(_MTUS):
        walk = _once(network, check, packet, listening)
        refusal = _refusal(walk, check.source)
        if refusal is not None and refusal.verdict is Verdict.TOO_BIG and packet.dont_fragment:
            # What does not fit the first device is taken apart at once (net/ipv4/ip_output.c, ip_make_skb).
            packet = replace(packet, dont_fragment=False)
            continue
        found.append(walk)
        told = [one.error.mtu for _, one in _answers(walk, check) if one.error is not None and one.error.mtu]
        if not told or check.expect in SILENCE:
            break
        piece = (told[0] - _FRAGMENT6) // 8 * 8 + _FRAGMENT6 if packet.version == 6 else 0
        packet = replace(packet, dont_fragment=False, piece=piece)
    return found


def _once(network: Network, check: Check, packet: Packet, listening: Listening) -> Walk:
    """Follow a packet; where it reaches a port at which somebody listens, with somebody there."""
    walk = simulate(network, check.source, packet)
    there = reached(walk) & (listening.own(check) | listening.answering | listening.mute)
    if not there:
        return walk
    return simulate(network, check.source, packet, listeners={(node, kind, port) for node, kind, _, port in there})


def _refusal(walk: Walk, source: str) -> End | None:
    """Give the end of a packet that its sender's own kernel refused to send."""
    if any(leg == 0 for leg, _, _ in walk.arrivals):
        return None
    own = (end for end in walk.ends if end.leg == 0 and end.node == source and end.errno is not None)
    return next(own, None)


def _answers(walk: Walk, check: Check) -> Iterator[tuple[int, Packet]]:
    """Give what came back to the sender, and the legs that these are."""
    for end in walk.ends:
        leg = walk.legs[end.leg]
        if leg.reason == 0 and end.verdict is Verdict.DELIVERED and end.node == check.source and end.packet is not None:
            yield end.leg, end.packet


# -- observations


def observe(network: Network, check: Check, walks: Sequence[Walk], listening: Listening) -> list[Event]:
    """Give what a probe would observe of a check in the one attempt that it has, a measurement last."""
    found = sorted(_observations(network, check, walks, listening), key=lambda event: event.at)
    heard = [event for event in found if event.at <= patience(check, found)]
    return [*heard, *_measurement(check, walks[-1], heard)]


def _observations(network: Network, check: Check, walks: Sequence[Walk], listening: Listening) -> Iterator[Event]:
    if is_too_long(check):
        yield Event(0, "failed", errno=errno.EMSGSIZE)
        return
    route = _route(network, check, walks[0])
    yield route
    for number, walk in enumerate(walks):
        began = number * _PACE
        yield from _left(network, check, walk, began, route.gateway or check.address)
        muted = bool(_taken(walk) & listening.mute)
        for leg, packet in _answers(walk, check):
            event = _answer(check, walk, packet)
            if event is not None and not (muted and event.what == "reply"):
                yield replace(event, at=began + _after(walk, leg))


def _taken(walk: Walk) -> frozenset[Endpoint]:
    ends = (end for end in walk.ends if end.leg == 0 and end.verdict is Verdict.DELIVERED and end.packet is not None)
    return frozenset((end.node, p.protocol, p.destination, p.dport) for end in ends if (p := end.packet) is not None)


def _route(network: Network, check: Check, walk: Walk) -> Event:
    """Give the kernel's routing answer."""
    version: Version = 6 if ":" in check.address else 4
    source = walk.legs[0].packet.source or None
    way = look_up(network.nodes[check.source], Asked(version, check.address, source))
    if way.kind in ENDS:
        return Event(0, "route", errno=ENDS[way.kind][1])
    device = "lo" if way.kind == "local" or way.hop is None else way.hop.nic.name
    return Event(0, "route", device=device, source=source, gateway=way.hop.via if way.hop is not None else None)


def _left(network: Network, check: Check, walk: Walk, began: float, hop: str) -> Iterator[Event]:
    """Give what the sending itself comes to: an errno, or a packet, and a question for the next hop."""
    refusal = _refusal(walk, check.source)
    number = refusal.errno if refusal is not None else None
    if check.kind == "tcp":
        # connect() does not tell of a SYN that a filter dropped, and has no connection to many (tcp_v4_connect).
        many = is_multicast(check.address) or (refusal is not None and refusal.verdict is Verdict.BROADCAST)
        number = errno.ENETUNREACH if many else None if number == errno.EPERM else number
    if number is not None:
        yield Event(began, "failed", errno=number)
        return
    yield Event(began, "sent")
    devices = network.nodes[check.source].devices
    for end in walk.ends:
        unanswered = end.leg == 0 and end.node == check.source and end.verdict is Verdict.NO_NEIGHBOUR
        # Without a carrier the question is not seen on the device either (net/sched/sch_generic.c, noop_qdisc).
        if unanswered and devices[end.device or ""].carrier:
            yield Event(began, "asked", device=end.device, target=hop)
    out = next((step for step in walk.steps if step.leg == 0 and step.what == "leaves"), None)
    if out is not None and out.node == check.source:
        yield Event(began, "out", device=out.device, source=walk.legs[0].packet.source)


def _answer(check: Check, walk: Walk, packet: Packet) -> Event | None:
    """Give what the sender's socket makes of an answer; None where it is no answer of the socket's."""
    if packet.message == "error" and packet.error is not None:
        return Event(0, "icmp", source=packet.source, icmp=(packet.error.type, packet.error.code))
    if packet.message == "echo-reply":
        return Event(0, "reply", source=packet.source)
    sent = walk.legs[0].packet
    if (packet.source, packet.sport, packet.dport) != (check.address, sent.dport, sent.sport):
        return None  # of another connection than the socket's
    if packet.message == "syn-ack":
        return Event(0, "open", source=check.address)
    if packet.message == "rst":
        return Event(0, "failed", errno=errno.ECONNREFUSED, source=check.address)
    text = check.reply if check.reply is not None else payload_of(check).decode()
    return Event(0, "reply", source=packet.source, text=text)


def _after(walk: Walk, leg: int) -> float:
    """Give the seconds after which an answer comes."""
    found = (walk.delays.get(0, 0) + walk.delays.get(leg, 0)) / 1_000_000
    unresolved = any(
        end.leg == 0 and end.verdict is Verdict.NO_NEIGHBOUR and end.node == walk.legs[leg].node for end in walk.ends
    )
    return found + _RESOLUTION if unresolved else found


def _measurement(check: Check, walk: Walk, events: Sequence[Event]) -> Iterator[Event]:
    """Give the measurement that is expected; a latency only where the ping before it was answered."""
    if check.kind not in MEASURED or check.count is None:
        return
    answered = holds(asked_first(check), events)
    if check.kind == "latency":
        took = [event.at for event in events if event.what == "reply"]
        if answered:
            yield Event(took[0], "measured", number=check.count, lost=0, took=(took[0],) * check.count)
        return
    came = [walk.shares.get(leg, 1.0) for leg, packet in _answers(walk, check) if packet.message == "echo-reply"]
    share = walk.shares.get(0, 1.0) * came[0] if answered and came else 0.0
    number = next((event.errno for event in events if event.what == "failed"), None)
    # Rounded, so that 1.99% is neither more nor less than that.
    yield Event(0, "measured", number=check.count, lost=round((1 - share) * check.count, 9), errno=number)


def observe_frame(network: Network, check: Check) -> Iterator[Event]:
    """Give what a probe would observe that asks for an address by a frame on a device."""
    nic = network.nodes[check.source].devices.get(check.device or "")
    if nic is None or not nic.up:
        yield Event(0, "failed", device=check.device, errno=errno.ENODEV if nic is None else errno.ENETDOWN)
        return
    yield Event(0, "sent", device=nic.name)
    mac = ask(network, check.source, nic.name, check.address)
    if mac is not None:
        yield Event(0, "reply", source=check.address, text=mac, device=nic.name)
