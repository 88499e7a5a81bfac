"""A check -> the packet that its probe sends (probe/sockets.py), as the simulator takes it."""

from __future__ import annotations

from typing import Final

from netlab.probe.events import PAYLOAD
from netlab.simulator.trace import Question
from netlab.topology.lab import Check

#: Bytes of headers: IPv4's and IPv6's own; of an echo, its token with it; of UDP.
_IP4, _IP6, _ECHO, _UDP = 20, 40, 16, 8
#: The most that the length fields hold: of a packet (RFC 791), of a payload of IPv6 (RFC 8200, section 3).
_LARGEST: Final = 65535


def question_of(check: Check) -> Question:
    """Give what a check's probe sends: its own size, and not to be taken apart by others (IP_PMTUDISC_WANT)."""
    six = ":" in check.address
    kind = check.kind if check.kind in ("tcp", "udp") else "icmp"
    head = _IP6 if six else _IP4
    size = {"icmp": head + _ECHO, "udp": head + _UDP + len(payload_of(check))}.get(kind)
    return Question(kind, check.address, check.port or 0, size, dont_fragment=not six)


def payload_of(check: Check) -> bytes:
    """Give what a check's datagrams hold."""
    return (PAYLOAD if check.send is None else check.send).encode()


def is_too_long(check: Check) -> bool:
    """Tell whether no datagram holds what a check sends: the socket says EMSGSIZE."""
    return len(payload_of(check)) > _LARGEST - _UDP - (0 if ":" in check.address else _IP4)
