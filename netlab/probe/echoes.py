"""Echo requests and their answers become a measurement: how long each took, or how many were lost.

Sent as those of a ping, by the node's own sockets. When an answer came is what the kernel says (SO_TIMESTAMPNS), not
when this process, on a busy machine, had its turn to read it.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from contextlib import closing

from netlab.probe import measure
from netlab.probe.events import Event
from netlab.probe.outcome import same
from netlab.probe.sockets import AT_ONCE, Ping, place
from netlab.topology.lab import Check

#: linux/asm-generic/socket.h; the kernel's own struct timespec.
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@ll")


class Echoes(Ping):
    """Echo requests of which each is timed."""

    def __init__(self, check: Check, requests: int) -> None:
        super().__init__(check, requests)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        #: When each left: nanoseconds of the clock that the kernel stamps by, and of one that nobody sets.
        self.left: dict[int, tuple[int, int]] = {}
        #: The seconds that each took that was answered, by its number.
        self.took: dict[int, float] = {}
        self.errno: int | None = None

    def ask(self, number: int) -> bool:
        """Send request `number`; False where the socket takes no more now. What the kernel refuses is lost."""
        where = place(self.check.address, 0, self.check.device)
        self.left[number] = (time.time_ns(), time.monotonic_ns())
        try:
            self.socket.sendto(self.packets[number - 1], where)
        except BlockingIOError:
            return False
        except OSError as error:
            self.errno = self.errno or error.errno
        return True

    def take(self) -> None:
        """Take the answers that the socket has; the first to each request counts."""
        for _ in range(AT_ONCE):
            try:
                data, ancillary, _flags, sender = self.socket.recvmsg(65536, socket.CMSG_SPACE(_TIMESPEC.size))
            except OSError:
                return
            now = time.monotonic_ns()
            event = self._parse4(data) if self.version == 4 else self._parse6(data, sender[0])
            if event is None or event.what != "reply" or not same(event.source, self.check.address):
                continue
            if event.number in self.left and event.number not in self.took:
                self.took[event.number] = self._round_trip(*self.left[event.number], now, ancillary)

    def _round_trip(self, left: int, left_at: int, now: int, ancillary: list[tuple[int, int, bytes]]) -> float:
        whole = now - left_at
        for _level, kind, value in ancillary:
            if kind == _SO_TIMESTAMPNS and len(value) >= _TIMESPEC.size:
                seconds, nanoseconds = _TIMESPEC.unpack_from(value)
                stamped = int(seconds * 1_000_000_000 + nanoseconds) - left
                # Outside of this, somebody has set the clock meanwhile.
                if 0 <= stamped <= whole:
                    return stamped / 1e9
        return whole / 1e9


def measured(check: Check, first: float) -> Event:
    """Measure what a check asks for, where the ping before took `first` seconds; raises OSError without a socket."""
    assert check.count is not None
    with closing(Echoes(check, check.count)) as echoes, selectors.DefaultSelector() as selector:
        selector.register(echoes.socket, selectors.EVENT_READ)
        if check.kind == "latency":
            return _one_after_another(echoes, selector, check, first)
        return _in_quick_succession(echoes, selector, check, first)


def _one_after_another(echoes: Echoes, selector: selectors.BaseSelector, check: Check, first: float) -> Event:
    """Send each request when the one before has ended."""
    count = len(echoes.packets)
    for number in range(1, count + 1):
        until = time.monotonic() + measure.patience_for_echo(check, first)
        echoes.ask(number)
        while number not in echoes.took and (left := until - time.monotonic()) > 0:
            if selector.select(left):
                echoes.take()
    took = tuple(round(echoes.took[number], 7) for number in sorted(echoes.took))
    return Event(0, "measured", number=count, lost=count - len(took), took=took, errno=echoes.errno)


def _in_quick_succession(echoes: Echoes, selector: selectors.BaseSelector, check: Check, first: float) -> Event:
    """Send all, a gap apart, and wait for the answers that still come."""
    count, number = len(echoes.packets), 0
    due = time.monotonic()
    given_up = due + measure.time_to_send(count)
    while number < count and due < given_up:
        if (left := due - time.monotonic()) > 0:
            if selector.select(left):
                echoes.take()
            continue
        number += echoes.ask(number + 1)
        # From now, not from when it was due: one that comes late is not made up for by a crowd.
        due = time.monotonic() + measure.GAP
    slowest = max(echoes.took.values(), default=first)
    until = time.monotonic() + measure.patience_for_echo(check, max(first, slowest))
    while len(echoes.took) < number and (left := until - time.monotonic()) > 0:
        if selector.select(left):
            echoes.take()
    return Event(0, "measured", number=number, lost=number - len(echoes.took), errno=echoes.errno)
