"""Listeners of an observation: TCP ports that are open, UDP ports that answer."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

from tests.conformance.probe_bytes import answer_to

#: SYNs that may wait. None becomes a connection: the sender's kernel, which knows of none, resets what it is answered.
_WAITING = 4096
_LONGEST = 65535
_IP_PKTINFO = 8
_PKTINFO4, _PKTINFO6 = struct.Struct("=i4s4s"), struct.Struct("=16si")
_LINK_LOCAL = b"\xfe\x80"


def listener(version: int, protocol: str, port: int) -> socket.socket:
    """Listen in the present namespace on all addresses of an IP version; a "udp" one wants `answer` when it is ready.

    Raises OSError where the port is taken.
    """
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    made = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        if version == 6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        made.bind(("", port))
        if protocol == "tcp":
            made.listen(_WAITING)
    except OSError:
        made.close()
        raise
    return made


def answer(asked: socket.socket) -> None:
    """Answer one datagram, from the address that it was sent to; raises BlockingIOError where there is none."""
    payload, ancillary, _, sender = asked.recvmsg(_LONGEST, 256)
    words = answer_to(payload)
    if words is not None:
        with suppress(OSError):  # no way back, or forbidden: the sender hears nothing
            asked.sendmsg([words], [_from_there(*one) for one in ancillary], 0, sender)


def _from_there(level: int, kind: int, value: bytes) -> tuple[int, int, bytes]:
    """Turn where a datagram came to into where its answer is to come from: ip(7), ipv6(7)."""
    if level == socket.IPPROTO_IP:
        _, local, _ = _PKTINFO4.unpack(value)
        return level, kind, _PKTINFO4.pack(0, local, local)
    address, index = _PKTINFO6.unpack(value)
    return level, kind, _PKTINFO6.pack(address, index if address.startswith(_LINK_LOCAL) else 0)
