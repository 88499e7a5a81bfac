"""A check and what its probe observed become an outcome from a closed list. Pure: no clock, no sockets.

The rules stand in three tables. ERRNO and ICMP4/ICMP6 say what an error *means*; OUTCOME says what a meaning is to
each kind of check. An outcome equal to the expectation, answered by whom the check names, makes the check hold:

    ping  reply        an echo reply to one of our requests, from the address that was asked
    tcp   open         the handshake was completed
    udp   reply        a datagram came back; with `reply:`, one with exactly that payload
    arp   reply        an ARP reply (IPv6: a neighbour advertisement) that speaks for the address
          other-reply  something answered, but from another address or with another payload
          timeout      none of these within the patience, nor an error that means something else (tcp: filtered)
    latency, loss  inside  what was measured lies between the bounds; `below` and `above` else (measure.py)
          impossible   the machine could not send a single request (no such device, no buffers): no expectation is met

A latency that has no answer to measure, and a loss of everything where the ping before it came to an error, have the
outcome of that ping.

Of one attempt with several requests one answer suffices; an answer weighs more than an error. Of several attempts the
last one counts: with `within` the first that holds is the last, with `for` the first that does not.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from netlab.probe.events import Event
from netlab.probe.measure import MEASURED, amount, asked_first, place, slowest_answer
from netlab.topology.lab import Check

Meaning = Literal["no-route", "unreachable", "prohibited", "port", "ttl-exceeded", "dropped", "impossible"]

#: What a socket's own refusal means. Route types give these (ip-route(8)); EPERM is netfilter's drop on output.
ERRNO: Mapping[int, Meaning] = {
    errno.ENETUNREACH: "no-route",
    errno.EHOSTUNREACH: "unreachable",
    errno.EACCES: "prohibited",
    errno.ECONNREFUSED: "port",
    errno.EPERM: "dropped",
    errno.EINVAL: "dropped",  # a blackhole route
    errno.ETIMEDOUT: "dropped",
}

#: (type, code) of ICMP errors (RFC 792, RFC 1812): words and meaning.
ICMP4: Mapping[tuple[int, int], tuple[str, Meaning]] = {
    (3, 0): ("net unreachable", "no-route"),
    (3, 1): ("host unreachable", "unreachable"),
    (3, 2): ("protocol unreachable", "port"),
    (3, 3): ("port unreachable", "port"),
    (3, 4): ("fragmentation needed", "impossible"),
    (3, 6): ("net unknown", "no-route"),
    (3, 9): ("net prohibited", "prohibited"),
    (3, 10): ("host prohibited", "prohibited"),
    (3, 13): ("administratively prohibited", "prohibited"),
    (11, 0): ("time exceeded", "ttl-exceeded"),
}
#: The same for ICMPv6 (RFC 4443).
ICMP6: Mapping[tuple[int, int], tuple[str, Meaning]] = {
    (1, 0): ("no route to destination", "no-route"),
    (1, 1): ("administratively prohibited", "prohibited"),
    (1, 3): ("address unreachable", "unreachable"),
    (1, 4): ("port unreachable", "port"),
    (1, 5): ("source address failed policy", "prohibited"),
    (1, 6): ("reject route", "prohibited"),
    (2, 0): ("packet too big", "impossible"),
    (3, 0): ("hop limit exceeded", "ttl-exceeded"),
}

_PING: Mapping[Meaning, str] = {"prohibited": "unreachable", "port": "unreachable", "dropped": "timeout"}
#: What a meaning is to each kind of check. ARP knows no errors: where it cannot send it has not asked.
OUTCOME: Mapping[str, Mapping[Meaning, str]] = {
    "ping": _PING,
    "tcp": {"prohibited": "filtered", "port": "refused", "dropped": "filtered"},
    "udp": {"prohibited": "unreachable", "port": "refused", "dropped": "timeout"},
    # A measurement is asked for by a ping.
    "latency": _PING,
    "loss": _PING,
    "arp": dict.fromkeys(
        ("no-route", "unreachable", "prohibited", "port", "ttl-exceeded", "dropped"),
        "impossible",
    ),
}

#: Expectations that are met by an ICMP error, which routers send sparingly.
BY_ICMP: Mapping[str, frozenset[str]] = {
    "ping": frozenset({"no-route", "unreachable", "ttl-exceeded"}),
    "udp": frozenset({"no-route", "unreachable", "ttl-exceeded", "refused"}),
}
#: Expectations that are met by silence: seconds to wait for something that breaks them.
SILENCE: Mapping[str, float] = {"timeout": 1.0, "filtered": 1.0}
#: Seconds to wait for an answer, an error among them: a router needs 3 s to find out that a neighbour does not answer
#: (mcast_solicit = 3 questions, retrans_time_ms = 1000 apart: arp(7)), and only then says "unreachable".
PATIENCE = 3.5
#: Seconds that one connection may take while `within` lasts: beyond, a new one is quicker than the kernel's repetition.
CONNECTION = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt, and the event that decided it (None: silence), or what was measured."""

    name: str
    event: Event | None = None
    measured: float | None = None


def silent(check: Check) -> str:
    """Give the outcome of hearing nothing.

    >>> from netlab.errors import Span
    >>> silent(Check("tcp", "", "ns0", "ns1:80", "10.0.0.2", "ns1", Span("lab.yml", 1, 1), port=80, expect="open"))
    'filtered'
    """
    return "filtered" if check.kind == "tcp" else "timeout"


def meaning_of_icmp(check: Check, icmp: tuple[int, int]) -> tuple[str, Meaning]:
    """Give the words for an ICMP error's type and code, and what it means."""
    version = ip_address(check.address).version
    table, unreachable = (ICMP4, 3) if version == 4 else (ICMP6, 1)
    if icmp in table:
        return table[icmp]
    kind, code = icmp
    return f"error of type {kind}, code {code}", "unreachable" if kind == unreachable else "impossible"


def outcome(check: Check, events: Sequence[Event]) -> Outcome:
    """Decide what became of one attempt from its events."""
    return _of_measurement(check, events) if check.kind in MEASURED else _of_answers(check, events)


def _of_measurement(check: Check, events: Sequence[Event]) -> Outcome:
    first, measured = _of_answers(asked_first(check), events), amount(check, events)
    silence = Outcome(silent(check))
    if check.between is None or measured is None:
        return first if first.name != "reply" else silence
    if check.kind == "loss" and measured == 1 and first.name not in ("reply", silence.name):
        return first
    return Outcome(place(measured, check.between), measured=measured)


def _of_answers(check: Check, events: Sequence[Event]) -> Outcome:
    found = [one for one in (_of_event(check, event, events) for event in events) if one is not None]
    # Of equals min() gives the first.
    return min(found, key=lambda one: _weight(check, one), default=Outcome(silent(check)))


def _weight(check: Check, found: Outcome) -> int:
    """Say how much an outcome counts beside others of the same attempt; the least number counts most."""
    if found.name in ("reply", "open"):
        return 0
    if found.name == check.expect and by_the_right_one(check, found):
        return 1
    return 2 if found.name not in ("other-reply", silent(check)) else 3


def _of_event(check: Check, event: Event, events: Sequence[Event]) -> Outcome | None:
    """Say what an event by itself makes of the attempt, or None where it decides nothing."""
    if event.what == "open":
        return Outcome("open", event)
    if event.what == "reply":
        right = same(event.source, check.address) and (check.reply is None or event.text == check.reply)
        return Outcome("reply" if right else "other-reply", event)
    if event.what == "icmp" and event.icmp is not None:
        return Outcome(_outcome_of(check, meaning_of_icmp(check, event.icmp)[1]), event)
    if event.what == "failed" and event.errno is not None:
        return _of_errno(check, event, events)
    return None


def _of_errno(check: Check, event: Event, events: Sequence[Event]) -> Outcome | None:
    """Say the same of an errno."""
    # An ICMP error ends a connection by an errno too; the error itself says more (code, sender).
    if any(other.what == "icmp" for other in events):
        return None
    meaning = ERRNO.get(event.errno or 0, "impossible")
    sent = {other.number for other in events if other.what == "sent"}
    # The kernel had no room for one request (ENOBUFS), and took another: that one tells.
    if meaning == "impossible" and event.number not in sent and sent:
        return None
    return Outcome(_outcome_of(check, meaning), event)


def _outcome_of(check: Check, meaning: Meaning) -> str:
    return OUTCOME[check.kind].get(meaning, meaning)


def same(a: str | None, b: str | None) -> bool:
    """Say whether two texts are one address, however written.

    >>> same("2001:db8::1", "2001:0db8:0::1")
    True
    """
    return a is not None and b is not None and ip_address(a.split("%")[0]) == ip_address(b.split("%")[0])


def by_the_right_one(check: Check, found: Outcome) -> bool:
    """Say whether whoever the check names (`by`) made the outcome; without an answer nobody did.

    A refusal by the sender's own kernel (no event with a source) is the sender's answer.
    """
    if check.by is None:
        return True
    if found.event is None:
        return False
    if found.event.source is None:
        return check.by == check.source
    return any(same(found.event.source, address) for address in check.by_addresses)


def holds(check: Check, events: Sequence[Event]) -> bool:
    """Say whether one attempt is what the check expects."""
    found = outcome(check, events)
    return found.name == check.expect and by_the_right_one(check, found)


def settled(check: Check, events: Sequence[Event], requests: int) -> bool:
    """Say whether the attempt is over before its patience is: its outcome is there, or `requests` have their ends."""
    if check.expect in SILENCE:
        return outcome(check, events).name != check.expect or _answered(events) >= requests
    return holds(check, events) or _answered(events) >= requests


def _answered(events: Sequence[Event]) -> int:
    """Count the requests that have come to an end."""
    ends = [event for event in events if event.what in ("reply", "open", "failed", "icmp")]
    return len({event.number for event in ends if event.number is not None}) + sum(e.number is None for e in ends)


def patience(check: Check, events: Sequence[Event]) -> float:
    """Give how many seconds an attempt may take, as far as its events tell.

    An open question to a neighbour is an answer pending: it lengthens every wait to the end of neighbour resolution.
    What is farther away has its time from when the packets left.
    """
    if check.expect in SILENCE and (check.kind == "arp" or unanswered(check, events) is None):
        return SILENCE[check.expect]
    if check.kind == "tcp" and check.within is not None:
        return CONNECTION
    return max(PATIENCE, slowest_answer(check)) + (0.0 if check.kind == "arp" else _resolution(check, events))


def _resolution(check: Check, events: Sequence[Event]) -> float:
    """Give how many seconds of the attempt had gone when the next hop first told where it is; 0 where nobody asked."""
    hop = next_hop(check, events)
    told = [event.at for event in events if event.what == "told" and same(event.source, hop)]
    return told[0] - events[0].at if told else 0.0


def unanswered(check: Check, events: Sequence[Event]) -> Event | None:
    """Give the first question to the next hop's neighbour that nobody has answered, or None."""
    told = {event.source for event in events if event.what == "told"}
    hop = next_hop(check, events)
    for event in events:
        if event.what == "asked" and same(event.target, hop) and event.target not in told:
            return event
    return None


def next_hop(check: Check, events: Sequence[Event]) -> str:
    """Give the address of the neighbour that the packets go to: the gateway, or the target itself."""
    gateways = [event.gateway for event in events if event.what == "route" and event.gateway]
    return gateways[0] if gateways else check.address


def last_attempt(events: Sequence[Event]) -> tuple[Event, ...]:
    """Give the events of the last attempt, the one that counts."""
    last = max((event.attempt for event in events), default=1)
    return tuple(event for event in events if event.attempt == last)
