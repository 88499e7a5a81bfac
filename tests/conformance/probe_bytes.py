"""Probes as bytes, and back: which probe a packet is the request of, and what a message to its sender says about it.

A probe is recognised by what no translation changes: an echo request and a datagram by the tag that their payload
starts with, a SYN by its sequence number. `run` is a number from 0 to 65535 that tells one observation from the next:
it is in every tag, and moves the ports and identifiers, so that no connection tracking remembers them from before.

Layouts: RFC 791, 792, 768, 9293, 8200, 4443.
"""

from __future__ import annotations

from socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_FRAGMENT,
    IPPROTO_ICMP,
    IPPROTO_ICMPV6,
    IPPROTO_TCP,
    IPPROTO_UDP,
    inet_ntop,
)
from struct import Struct
from typing import Final, NamedTuple

from tests.conformance.probe_packets import Probe, What

#: Bytes from the network header on that hold all that is looked at: the longest headers, a tag behind them.
ENOUGH: Final = 128
REQUEST, ANSWER = b"netl", b"back"

_TAG = Struct("!4sHH")
_ECHO = Struct("!BBHHH")
_UDP = Struct("!HHHH")
_TCP = Struct("!HHIIBBHHH")
_HEADER4 = Struct("!BxHxxHBBxx4s4s")
_HEADER6 = Struct("!4xHBB16s16s")
_ECHO_REQUEST = {IPPROTO_ICMP: 8, IPPROTO_ICMPV6: 128}
_ECHO_REPLY = {IPPROTO_ICMP: 0, IPPROTO_ICMPV6: 129}
#: Destination unreachable, source quench, time exceeded, parameter problem; a redirect is advice, and no error.
_ERRORS = {IPPROTO_ICMP: (3, 4, 11, 12), IPPROTO_ICMPV6: (1, 2, 3, 4)}
_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_FIRST_PORT, _PORTS = 20000, 40000


class Request(NamedTuple):
    """A probe's request as it is somewhere on its way."""

    number: int
    source: str
    destination: str
    ttl: int
    port: int | None


class Told(NamedTuple):
    """What a message to the sender says about a probe."""

    number: int
    what: What
    icmp: tuple[int, int] | None = None


#: What fills a probe up: of what counts for nothing in a checksum, a fragment would have the same as the whole.
_FILLING = b"\1"


def protocol_of(probe: Probe) -> int:
    """Give the IP protocol of a probe.

    >>> protocol_of(Probe(1, "a", "fd00::2", "icmp")) == IPPROTO_ICMPV6
    True
    """
    if probe.kind == "icmp":
        return IPPROTO_ICMP if probe.version == 4 else IPPROTO_ICMPV6
    return IPPROTO_TCP if probe.kind == "tcp" else IPPROTO_UDP


def source_port(run: int, number: int) -> int:
    """Give the port that a probe is sent from."""
    return _FIRST_PORT + (run + number) % _PORTS


def message(run: int, probe: Probe, source: bytes, destination: bytes) -> bytes:
    """Give what follows the IP header of a probe, from and to packed addresses."""
    tag = _TAG.pack(REQUEST, run, probe.number)
    room = probe.size - (20 if probe.version == 4 else 40)
    protocol = protocol_of(probe)
    if probe.kind == "icmp":
        assert room >= _ECHO.size + _TAG.size, probe
        head = _ECHO.pack(_ECHO_REQUEST[protocol], 0, 0, (run + probe.number) & 0xFFFF, probe.number)
        whole = (head + tag).ljust(room, _FILLING)
        # ICMP covers itself alone; the kernel puts in the checksum of ICMPv6 (RFC 3542, section 3.1).
        return _with_checksum(whole, b"", 2) if probe.version == 4 else whole
    port, to = source_port(run, probe.number), probe.port
    if probe.kind == "udp":
        assert room >= _UDP.size + _TAG.size, probe
        whole = (_UDP.pack(port, to, room, 0) + tag).ljust(room, _FILLING)
        return _with_checksum(whole, source + destination + _lengths(protocol, len(whole)), 6)
    sequence = probe.number << 8 | run & 0xFF
    whole = _TCP.pack(port, to, sequence, 0, 5 << 4, _SYN, 0xFFFF, 0, 0)
    return _with_checksum(whole, source + destination + _lengths(protocol, len(whole)), 16)


def answer_to(payload: bytes) -> bytes | None:
    """Give what a listener answers to a datagram: as little as can be, so that it fits wherever the request did.

    >>> answer_to(b"netl" + bytes(100)) == b"back" + bytes(4), answer_to(b"something else")
    (True, None)
    """
    return ANSWER + payload[4 : _TAG.size] if payload.startswith(REQUEST) else None


def request_in(run: int, packet: bytes) -> Request | None:
    """Give the request that a packet holds, from its IP header on; None where it is no request of this run."""
    if len(packet) < _HEADER4.size:
        return None
    if packet[0] >> 4 == 4:
        first, _, fragment, ttl, protocol, source, destination = _HEADER4.unpack_from(packet)
        if fragment & 0x1FFF:
            return None  # a later fragment, which has no header of its own
        at, family = (first & 0xF) * 4, AF_INET
    elif len(packet) >= _HEADER6.size:
        _, protocol, ttl, source, destination = _HEADER6.unpack_from(packet)
        at, family = _HEADER6.size, AF_INET6
        if protocol == IPPROTO_FRAGMENT and len(packet) >= at + 8:
            if int.from_bytes(packet[at + 2 : at + 4], "big") >> 3:
                return None
            protocol, at = packet[at], at + 8
    else:
        return None
    found = _number_and_port(run, protocol, packet[at:])
    if found is None:
        return None
    number, port = found
    return Request(number, inet_ntop(family, source), inet_ntop(family, destination), ttl, port)


def told_by(run: int, protocol: int, body: bytes) -> Told | None:
    """Give what a message to the sender, without its IP header, says about a probe; None where it is no answer."""
    if protocol in _ERRORS and len(body) >= _ECHO.size:
        if body[0] == _ECHO_REPLY[protocol]:
            number = _tagged(run, REQUEST, body[_ECHO.size :])
            return None if number is None else Told(number, "reply")
        if body[0] in _ERRORS[protocol]:
            about = request_in(run, body[_ECHO.size :])
            return None if about is None else Told(about.number, "icmp", (body[0], body[1]))
    elif protocol == IPPROTO_UDP and len(body) >= _UDP.size:
        number = _tagged(run, ANSWER, body[_UDP.size :])
        return None if number is None else Told(number, "reply")
    elif protocol == IPPROTO_TCP and len(body) >= _TCP.size:
        _, port, _, acknowledged, _, flags, *_ = _TCP.unpack_from(body)
        number, low = acknowledged - 1 >> 8, acknowledged - 1 & 0xFF
        if not flags & _ACK or low != run & 0xFF or port != source_port(run, number):
            return None
        if flags & _RST:
            return Told(number, "refused")
        return Told(number, "open") if flags & _SYN else None
    return None


def _number_and_port(run: int, protocol: int, body: bytes) -> tuple[int, int | None] | None:
    number: int | None = None
    port: int | None = None
    if protocol in _ECHO_REQUEST and len(body) >= _ECHO.size:
        if body[0] == _ECHO_REQUEST[protocol]:
            number = _tagged(run, REQUEST, body[_ECHO.size :])
    elif protocol == IPPROTO_UDP and len(body) >= _UDP.size:
        number, port = _tagged(run, REQUEST, body[_UDP.size :]), _UDP.unpack_from(body)[1]
    elif protocol == IPPROTO_TCP and len(body) >= _TCP.size:
        _, port, sequence, _, _, flags, *_ = _TCP.unpack_from(body)
        number = sequence >> 8 if flags & (_SYN | _ACK) == _SYN and sequence & 0xFF == run & 0xFF else None
    return None if number is None else (number, port)


def _tagged(run: int, word: bytes, payload: bytes) -> int | None:
    if len(payload) < _TAG.size:
        return None
    found, of, number = _TAG.unpack_from(payload)
    return number if (found, of) == (word, run) else None


def _lengths(protocol: int, size: int) -> bytes:
    """Give the end of a pseudo header; that of IPv6 has more zeros, which add nothing (RFC 8200, section 8.1)."""
    return protocol.to_bytes(2, "big") + size.to_bytes(2, "big")


def _with_checksum(whole: bytes, pseudo: bytes, at: int) -> bytes:
    """Put in the checksum of RFC 1071: 2**16 is 1 modulo 65535, so the sum of the words is the number they are."""
    covered = whole + pseudo if len(whole) % 2 == 0 else whole + b"\0" + pseudo
    checksum = 0xFFFF - int.from_bytes(covered, "big") % 0xFFFF
    return whole[:at] + checksum.to_bytes(2, "big") + whole[at + 2 :]
