"""One check becomes its observations, inside the nodes that it is about. Runs in a process of its own.

Waiting is always for a socket or a deadline. outcome.py decides when an attempt is over; this module only asks, and
keeps time: an attempt is followed by another while `within` lasts and it does not hold, or while `for` lasts and it
does. An attempt of a latency or loss begins as a ping, and measures when that has ended (measure.py).
"""

from __future__ import annotations

import math
import selectors
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

from netlab.namespaces.syscalls import CLONE_NEWNET, setns
from netlab.probe import measure, outcome
from netlab.probe.echoes import measured
from netlab.probe.events import Event
from netlab.probe.frames import Arp
from netlab.probe.listener import Listener, listen
from netlab.probe.route import lookup
from netlab.probe.sniffer import MOST, Sniffer
from netlab.probe.sockets import Ping, Prober, Tcp, Udp
from netlab.topology.lab import Check

#: How many requests that have come to an end are the end of an attempt.
ENOUGH = 3
#: Seconds between two requests of an attempt, and between the beginnings of two attempts.
PACE = 0.3
INTERVAL = 0.2
#: The same where an ICMP error is expected. After a first few, a router tells one sender one error in two seconds: each
#: costs a second twice, for being due and for being sent, from one purse (net/ipv4/route.c, ip_error; icmp.c,
#: icmpv4_xrlim_allow).
INTERVAL_OF_ERRORS = 2.2
#: When an attempt asks, in seconds from its beginning. A new veth may be deaf in its first second: the kernel looks at
#: carriers once a second (net/core/link_watch.c), and only then has IPv6 a multicast route and the device a queue.
FOR_SILENCE = (0.0, PACE, 2 * PACE)
FOR_AN_ANSWER = (*FOR_SILENCE, 1.6, 2.6)


def schedule(check: Check, lasting: bool) -> tuple[float, ...]:
    """Give the times at which an attempt asks, unless it is over before.

    TCP once: the kernel repeats. `for` is about every single request: an answer to the second would hide the loss of
    the first. While `within` lasts asking goes on, so that the moment in which it holds is not missed.
    """
    if check.kind == "tcp" or lasting:
        return (0.0,)
    if check.within is not None:
        return tuple(number * PACE for number in range(math.ceil(outcome.PATIENCE / PACE)))
    return FOR_SILENCE if check.expect in outcome.SILENCE else FOR_AN_ANSWER


class _Session:
    """One check under way: its clock, its sniffer, its listener, and its attempts so far."""

    def __init__(self, check: Check, sniffer: Sniffer, listener: Listener | None) -> None:
        self.check, self.sniffer, self.listener = check, sniffer, listener
        self.began = time.monotonic()
        self.attempt = 0

    def clock(self) -> float:
        return time.monotonic() - self.began

    def stamp(self, events: Iterable[Event]) -> list[Event]:
        """Give events the time at which they are asked for: before a request leaves, before an answer is read."""
        now = round(self.clock(), 6)
        return [replace(event, at=now, attempt=self.attempt) for event in events]

    def one_attempt(self, times: tuple[float, ...], latest: float = math.inf) -> list[Event]:
        """Ask at these times, and wait until it is settled, patience ends, or it is too late for an answer."""
        self.attempt += 1
        start = self.clock()
        events = self.stamp(_routed(self.check))
        with ExitStack() as stack:
            try:
                prober = stack.enter_context(closing(_PROBERS[self.check.kind](self.check, len(times))))
            except OSError as error:
                return events + self.stamp([Event(0, "failed", errno=error.errno)])
            selector = stack.enter_context(selectors.DefaultSelector())
            number = 0
            while True:
                if number < len(times) and self.clock() >= start + times[number]:
                    number += 1
                    events += self.stamp(prober.send(number))
                    if number == 1:
                        # Only now: a TCP socket that has not been told to connect reports itself as hung up.
                        self._register(selector, prober)
                until = min(latest, start + outcome.patience(self.check, events))
                if outcome.settled(self.check, events, min(len(times), ENOUGH)) or self.clock() >= until:
                    return events
                due = min(until, start + times[number]) if number < len(times) else until
                ready = {key.data for key, _ready in selector.select(max(0.0, due - self.clock()))}
                # The answer first, for its time; then what the devices saw, which explains it.
                if prober in ready:
                    events += self.stamp(prober.read())
                if self.listener in ready and self.listener is not None:
                    self.listener.serve()
                events += self.sniffer.read(self.clock(), self.attempt, MOST - len(events))

    def measurement(self, check: Check, asked: Sequence[Event]) -> list[Event]:
        """Measure what the check asks for, after a ping with these events; a latency only if it was answered."""
        if check.kind == "latency" and not outcome.holds(self.check, asked):
            return []
        try:
            found = [measured(check, measure.round_trip(asked))]
        except OSError as error:
            found = [Event(0, "failed", errno=error.errno)]
        # What the devices saw of it says nothing more, and is not of the next attempt.
        list(self.sniffer.read(self.clock(), self.attempt, 0))
        return self.stamp(found)

    def _register(self, selector: selectors.BaseSelector, prober: Prober) -> None:
        ready = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.check.kind == "tcp" else 0)
        for one in prober.sockets():
            selector.register(one, ready, prober)
        selector.register(self.sniffer.socket, selectors.EVENT_READ, self.sniffer)
        if self.listener is not None:
            selector.register(self.listener.socket, selectors.EVENT_READ, self.listener)

    def rest(self, until: float) -> None:
        """Let the interval pass, and the listener serve meanwhile."""
        if self.listener is not None:
            self.listener.hang_up()
        with selectors.DefaultSelector() as selector:
            if self.listener is not None:
                selector.register(self.listener.socket, selectors.EVENT_READ)
            while self.clock() < until:
                if selector.select(until - self.clock()) and self.listener is not None:
                    self.listener.serve()


_PROBERS: dict[str, Callable[[Check, int], Prober]] = {
    "ping": Ping,
    "tcp": lambda check, _requests: Tcp(check),
    "udp": lambda check, _requests: Udp(check),
    "arp": lambda check, _requests: Arp(check),
}


def _routed(check: Check) -> list[Event]:
    """Give the kernel's routing answer; a frame is not routed."""
    if check.kind == "arp":
        return []
    try:
        found = lookup(check.address, check.device)
    except OSError as error:
        return [Event(0, "route", errno=error.errno)]
    return [Event(0, "route", device=found.device, source=found.source, gateway=found.gateway)]


def probe(check: Check, source: int, target: int | None) -> tuple[list[Event], float]:
    """Probe a check from the namespace open as `source`; give its observations and the seconds that it took.

    A listener is started in the namespace open as `target`, if given. Of many attempts the events of the first and
    the last are kept. Raises OSError where a namespace cannot be entered.
    """
    listener, events = None, []
    with ExitStack() as stack:
        if target is not None:
            setns(target, CLONE_NEWNET)
            listener, started = listen(check)
            events.append(started)
            if listener is not None:
                stack.enter_context(closing(listener))
        setns(source, CLONE_NEWNET)
        session = _Session(measure.asked_first(check), stack.enter_context(closing(Sniffer(check.address))), listener)
        first, last = _attempts(session, check)
        return events + first + last, session.clock()


def _attempts(session: _Session, check: Check) -> tuple[list[Event], list[Event]]:
    """Try until it holds (`within`), then as long as it holds (`for`); give the first attempt and the last."""
    window = check.within if check.within is not None else 0.0
    # What comes after the time that it was given comes too late; silence takes as long as it takes.
    latest = math.inf if check.within is None or check.expect in outcome.SILENCE else window
    interval = INTERVAL_OF_ERRORS if check.expect in outcome.BY_ICMP.get(check.kind, ()) else INTERVAL

    def attempt(lasting: bool, latest: float = math.inf) -> list[Event]:
        found = session.one_attempt(schedule(check, lasting), latest)
        # A measurement that was begun in time is finished.
        return found + session.measurement(check, found) if check.kind in measure.MEASURED else found

    first = last = attempt(check.within is None and check.lasting is not None, latest)
    while not outcome.holds(check, last) and session.clock() < window:
        session.rest(min(window, last[0].at + interval))
        last = attempt(False, latest)
    if check.lasting is not None:
        until = session.clock() + check.lasting
        while outcome.holds(check, last) and session.clock() < until:
            session.rest(min(until, last[0].at + interval))
            last = attempt(True)
    return ([], last) if first is last else (first, last)
