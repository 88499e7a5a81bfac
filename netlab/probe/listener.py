"""The listener that a check needs in its target's node, where nothing listens there yet.

It is bound to the target's address only, lives in the process that probes, and ends with it, however that ends.
"""

from __future__ import annotations

import socket
from typing import Final

from netlab.probe.events import Event
from netlab.probe.sockets import family_of, place
from netlab.topology.lab import Check

#: The expectations that need somebody to answer.
NEEDS: Final = frozenset({("tcp", "open"), ("udp", "reply")})


class Listener:
    """A TCP listener that accepts and closes, or a UDP one that answers each datagram.

    The answer is the check's `reply`, or without one the datagram itself. Must be made inside the target's node.
    """

    def __init__(self, check: Check) -> None:
        assert check.port is not None
        self.reply = check.reply.encode() if check.reply is not None else None
        self.tcp = check.kind == "tcp"
        kind = socket.SOCK_STREAM if self.tcp else socket.SOCK_DGRAM
        family = family_of(check.address)
        self.socket = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self.accepted: list[socket.socket] = []
        try:
            if family == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if self.tcp:
                # Ended connections (TIME_WAIT) do not count as a listener; a listener does, in spite of this.
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(place(check.address, check.port))
            if self.tcp:
                self.socket.listen(16)
        except OSError:
            self.socket.close()
            raise

    def serve(self) -> None:
        """Answer whoever has come."""
        while True:
            try:
                if self.tcp:
                    self.accepted.append(self.socket.accept()[0])
                else:
                    data, client = self.socket.recvfrom(65536)
                    self.socket.sendto(self.reply if self.reply is not None else data, client)
            except OSError:
                return

    def hang_up(self) -> None:
        """Close the connections that have come; the asking side has closed before, and keeps the TIME_WAIT."""
        for one in self.accepted:
            one.close()
        self.accepted.clear()

    def close(self) -> None:
        self.hang_up()
        self.socket.close()


def listen(check: Check) -> tuple[Listener | None, Event]:
    """Start a listener in the current namespace, if nobody listens there; the event says what became of it."""
    try:
        return Listener(check), Event(0, "listener", target=check.target_node)
    except OSError as error:
        return None, Event(0, "listener", target=check.target_node, errno=error.errno)
