"""A check's observations in words: what was sent, what came back, and where to look. Pure.

Every hint follows from an observation; where the observations point nowhere there is none.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence

from netlab.probe.events import PAYLOAD, Event
from netlab.probe.measure import GAP, measurement
from netlab.probe.outcome import (
    SILENCE,
    Outcome,
    by_the_right_one,
    meaning_of_icmp,
    next_hop,
    same,
    unanswered,
)
from netlab.topology.lab import Check

#: How many letters of a payload a sentence shows.
SHOWN = 60


def sent(check: Check, events: Sequence[Event]) -> str:
    """Say what left, from which address and device, to which.

    The device and the source are those seen on the wire, else those of the kernel's routing answer.
    """
    measured = measurement(events)
    count = measured.number or 0 if measured is not None else sum(event.what == "sent" for event in events)
    thing = {
        "ping": _counted(count, "echo request"),
        "latency": _counted(count, "echo request"),
        "loss": _counted(count, "echo request"),
        "tcp": "a TCP connection request",
        "udp": f"{_counted(count, 'datagram')} {_quoted(PAYLOAD if check.send is None else check.send)}",
        "arp": _counted(count, "neighbour solicitation" if ":" in check.address else "ARP request"),
    }[check.kind]
    source, device = _way(check, events)
    origin = f"{check.source} ({source})" if source else check.source
    pace = {"latency": ", one after another", "loss": f", at least {GAP * 1000:g} ms apart"}.get(check.kind, "")
    way = f"from {origin}{f' on {device}' if device else ''} to {endpoint(check)}"
    return f"{thing} {way}{pace if count > 1 and measured is not None else ''}"


def _counted(count: int, thing: str) -> str:
    if count == 0:
        return f"no {thing}"
    return f"{count} {thing}{'s' if count > 1 else ''}"


def _quoted(payload: str) -> str:
    return repr(payload if len(payload) <= SHOWN else payload[:SHOWN] + "…")


def _way(check: Check, events: Sequence[Event]) -> tuple[str | None, str | None]:
    for what in ("out", "sent", "route"):
        for event in events:
            if event.what == what and event.device and event.errno is None:
                return event.source, event.device
    return None, check.device


def endpoint(check: Check) -> str:
    """Give the target as `address:port`, IPv6 in brackets."""
    if check.port is None:
        return check.address
    return f"[{check.address}]:{check.port}" if ":" in check.address else f"{check.address}:{check.port}"


def received(check: Check, events: Sequence[Event], found: Outcome, elapsed: float) -> str:
    """Say what came back, from whom, how long after, and in how many attempts."""
    text = _measured(check, events, found) or _answer(check, events, found)
    attempts = max((event.attempt for event in events), default=1)
    if found.name == check.expect and not by_the_right_one(check, found):
        text += f", and not from {check.by}"
    if check.lasting is not None or check.within is not None:
        text += f" ({attempts} attempt{'s' if attempts > 1 else ''} in {elapsed:.1f} s)"
    return text


def _measured(check: Check, events: Sequence[Event], found: Outcome) -> str | None:
    """Say what was measured, and what it should have been; None where an error says more."""
    measured, came_to = measurement(events), found.measured
    if measured is None or came_to is None:
        return None
    total, lost = measured.number or 0, measured.lost or 0
    if check.kind == "loss":
        text = f"{lost:g} of {total} lost ({came_to * 100:.4g}%)"
    else:
        took = measured.took or ()
        text = f"median {_ms(came_to)} of {_counted(len(took), 'round trip')}"
        text += f" ({_ms(min(took))} to {_ms(max(took))})" if len(took) > 1 else ""
        text += f", {lost:g} of {total} lost" if lost else ""
    return text if found.name == check.expect else f"{text}, wanted {check.bounds}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 0.1 else f"{seconds * 1000:.1f} ms"


def _answer(check: Check, events: Sequence[Event], found: Outcome) -> str:
    event = found.event
    if event is None:
        return "nothing came back"
    after = _after(event, events)
    if event.what == "open":
        return f"the connection was opened{after}"
    if event.what == "reply":
        return f"{_reply(check, event)}{after}"
    if event.what == "icmp" and event.icmp is not None:
        return f"ICMP {meaning_of_icmp(check, event.icmp)[0]} from {event.source}{after}"
    number = event.errno or 0
    if number == errno.ECONNREFUSED:
        return f"the connection was refused (RST){after}"
    name = errno.errorcode.get(number, str(number))
    return f"the kernel of {check.source} would not send it: {os.strerror(number)} ({name})"


def _reply(check: Check, event: Event) -> str:
    if check.kind == "arp":
        return f"{event.source} is at {event.text}"
    if check.kind == "udp":
        return f"a datagram {_quoted(event.text or '')} from {event.source}"
    return f"an echo reply from {event.source}"


def _after(event: Event, events: Sequence[Event]) -> str:
    begins = [one.at for one in events if one.what == "sent" and one.number == (event.number or 1)]
    return f" after {(event.at - begins[0]) * 1000:.2f} ms" if begins else ""


def hint(check: Check, events: Sequence[Event], last: Sequence[Event], found: Outcome) -> str | None:
    """Say where to look: the first thing that the observations of a failed check speak of, or None."""
    return next(_hints(check, events, last, found), None)


def _hints(check: Check, events: Sequence[Event], last: Sequence[Event], found: Outcome) -> Iterator[str]:
    if found.name == check.expect:
        yield f"{check.expect} came, but from another than {check.by}: do packets take the way that you think?"
    if found.event is not None and found.event.what == "failed":
        yield from _refused_here(check, found.event.errno or 0, last)
    measured = measurement(last)
    if measured is not None and measured.errno is not None:
        yield from _refused_here(check, measured.errno, last)
    if check.kind == "loss" and found.measured == 1:
        yield from _lost(check, last)
        yield _silence(check, last)
    if found.name in SILENCE or found.name == "unreachable":
        yield from _lost(check, last)
    if found.event is not None and found.event.what == "icmp":
        yield from _error(check, found.event)
    if found.name == "refused":
        yield from _nobody_listens(check, events)
    if found.name == "other-reply":
        wanted = f"the payload {_quoted(check.reply)}" if check.reply is not None else f"an answer from {check.address}"
        yield f"the check wants {wanted}"
    if check.expect in SILENCE or check.expect == "refused":
        yield f"{check.target} answers, and should not: does a filter miss it, or a program listen?"
    if found.name in SILENCE:
        yield _silence(check, last)


def _refused_here(check: Check, number: int, events: Sequence[Event]) -> Iterator[str]:
    """Explain the sender's own kernel: nothing left the node."""
    node, target = check.source, check.address
    device = _way(check, events)[1]
    if number == errno.ENETUNREACH:
        yield f"{node} has no route to {target}: does it need a gateway or a route?"
    elif number == errno.EHOSTUNREACH and not any(event.what == "asked" for event in events):
        yield f"a route or rule of {node} makes {target} unreachable"
    elif number == errno.EACCES:
        yield f"a route or rule of {node} prohibits {target}"
    elif number == errno.EINVAL:
        yield f"a blackhole route of {node} swallows what goes to {target}"
    elif number == errno.EPERM:
        yield f"{node}'s own output filter drops it"
    elif number == errno.ENETDOWN:
        yield f"{device} of {node} is down"
    elif number == errno.ENODEV:
        yield f"{node} has no device {device}"
    elif number == errno.ENOBUFS:
        yield "the kernel had no room for it: the neighbour table or a queue is full"
    elif number == errno.EADDRNOTAVAIL:
        yield f"{node} has no address of its own to send from yet"


def _lost(check: Check, events: Sequence[Event]) -> Iterator[str]:
    """Explain a packet without an answer by what scapy saw on the devices."""
    asked = unanswered(check, events)
    if asked is not None:
        hop = next_hop(check, events)
        who = f"{check.target_node or 'nobody'}" if same(hop, check.address) else "the gateway"
        question = "neighbour solicitations" if ":" in hop else "ARP"
        if who == "nobody":
            yield f"nobody answered {question} for {hop} on {asked.device}: does anyone there have that address?"
        else:
            yield f"{who} did not answer {question} for {hop} on {asked.device} of {check.source}: is its device up?"
    back = [
        event for event in events if event.what == "in" and event.icmp is None and same(event.source, check.address)
    ]
    if back:
        yield (
            f"an answer ({back[0].text}) did reach {back[0].device} of {check.source} and was dropped there:"
            " look at its input filter and rp_filter"
        )


def _error(check: Check, event: Event) -> Iterator[str]:
    assert event.icmp is not None
    words, meaning = meaning_of_icmp(check, event.icmp)
    if meaning == "no-route":
        yield f"{event.source} has no route to {check.address}"
    elif meaning == "unreachable":
        yield f"{event.source} got no answer from the neighbour that leads to {check.address}: is its device up?"
    elif meaning == "prohibited":
        yield f"a filter or a route of {event.source} prohibits it"
    elif meaning == "ttl-exceeded":
        yield f"the packets go round in circles, or farther than their TTL: {event.source} was the last to see them"
    elif meaning == "impossible":
        yield f"{words}: look at the MTUs on the way"


def _nobody_listens(check: Check, events: Sequence[Event]) -> Iterator[str]:
    started = [event for event in events if event.what == "listener"]
    if started and started[0].errno == errno.EADDRNOTAVAIL:
        yield f"{check.target_node} does not have the address {check.address}"
    elif not started or started[0].errno is not None:
        yield f"nothing listens on {endpoint(check)}{f' in {check.target_node}' if check.target_node else ''}"
    else:
        yield f"a filter on the way rejects it: a listener was there, on {endpoint(check)} in {check.target_node}"


def _silence(check: Check, events: Sequence[Event]) -> str:
    """Say how far the packets were seen to go."""
    if not any(event.what == "out" for event in events):
        return f"no packet was seen on any device of {check.source}: look at its own output filter"
    _source, device = _way(check, events)
    hop = next_hop(check, events)
    if same(hop, check.address):
        who = check.target_node or check.target
        return (
            f"it left by {device} of {check.source} and nothing came back: is {who}'s device up,"
            " and does a filter there drop it?"
        )
    return (
        f"it left by {device} of {check.source} for the gateway {hop} and nothing came back: does the gateway forward"
        f" and let it pass, and is there a route back from {check.target}?"
    )
