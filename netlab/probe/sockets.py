"""Requests that leave through a node's own sockets, and what the sockets get: ping, tcp, udp.

Its routing, its filter and its NAT apply to them, on the way out and on the way back. Each prober sends a request,
is asked whenever one of its sockets is ready, and answers in Events; it never waits.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Protocol

from netlab.probe.events import PAYLOAD, Event
from netlab.topology.lab import Check

#: linux/in.h, linux/in6.h; linux/errqueue.h: errno, origin, type, code, pad, info, data, then the offender's address.
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
_ICMP_ORIGINS = (2, 3)
_ICMP6_HEADER, _IP6_HEADER = 8, 40
#: How many packets are read in one go: a flood must not hold up the clock.
AT_ONCE = 16


class Prober(Protocol):
    """One way to ask."""

    def sockets(self) -> list[socket.socket]:
        """Give the sockets to wait on."""
        ...

    def send(self, number: int) -> Iterator[Event]:
        """Send request `number` (from 1)."""
        ...

    def read(self) -> Iterator[Event]:
        """Take what the sockets have."""
        ...

    def close(self) -> None:
        """Close the sockets."""
        ...


def family_of(address: str) -> socket.AddressFamily:
    """Give the address family of an address.

    >>> family_of("fe80::1").name
    'AF_INET6'
    """
    return socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6


def place(address: str, port: int, device: str | None = None) -> tuple[Any, ...]:
    """Give what Python's sockets take as an address; a link-local one needs its device."""
    if family_of(address) == socket.AF_INET:
        return (address, port)
    scope = socket.if_nametoindex(device) if device and ip_address(address).is_link_local else 0
    return (address, port, 0, scope)


class Ping:
    """Echo requests that scapy builds, by a raw ICMP socket: the kernel writes the IP header and routes."""

    def __init__(self, check: Check, requests: int) -> None:
        self.check = check
        family = family_of(check.address)
        self.version = 4 if family == socket.AF_INET else 6
        protocol = socket.IPPROTO_ICMP if self.version == 4 else socket.IPPROTO_ICMPV6
        self.socket = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
        self.identifier, self.token = struct.unpack("=H8s", os.urandom(10))
        # Built beforehand: the time that scapy takes is not the network's.
        self.packets = [self._request(number) for number in range(1, requests + 1)]

    def _request(self, number: int) -> bytes:
        from scapy.layers.inet import ICMP
        from scapy.layers.inet6 import ICMPv6EchoRequest

        if self.version == 4:
            return bytes(ICMP(type=8, id=self.identifier, seq=number) / self.token)
        # The kernel puts in the checksum of ICMPv6 (RFC 3542, section 3.1).
        return bytes(ICMPv6EchoRequest(id=self.identifier, seq=number, cksum=0, data=self.token))

    def sockets(self) -> list[socket.socket]:
        return [self.socket]

    def send(self, number: int) -> Iterator[Event]:
        try:
            self.socket.sendto(self.packets[number - 1], place(self.check.address, 0, self.check.device))
        except OSError as error:
            yield Event(0, "failed", number=number, errno=error.errno)
        else:
            yield Event(0, "sent", number=number)

    def read(self) -> Iterator[Event]:
        for _ in range(AT_ONCE):
            try:
                data, sender = self.socket.recvfrom(65536)
            except BlockingIOError:
                return
            except OSError as error:
                yield Event(0, "failed", errno=error.errno)
                return
            event = self._parse4(data) if self.version == 4 else self._parse6(data, sender[0])
            if event is not None:
                yield event

    def _parse4(self, data: bytes) -> Event | None:
        from scapy.layers.inet import ICMP, IP, ICMPerror

        packet = IP(data)
        icmp = packet.payload
        if not isinstance(icmp, ICMP):
            return None
        if icmp.type == 0 and icmp.id == self.identifier and bytes(icmp.payload) == self.token:
            return Event(0, "reply", number=icmp.seq, source=packet.src)
        if ICMPerror in icmp and icmp[ICMPerror].type == 8 and icmp[ICMPerror].id == self.identifier:
            return Event(0, "icmp", number=icmp[ICMPerror].seq, source=packet.src, icmp=(icmp.type, icmp.code))
        return None

    def _parse6(self, data: bytes, sender: str) -> Event | None:
        from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPerror6

        if len(data) < _ICMP6_HEADER:
            return None
        if data[0] == 129:
            reply = ICMPv6EchoReply(data)
            if reply.id == self.identifier and reply.data == self.token:
                return Event(0, "reply", number=reply.seq, source=sender)
        elif data[0] < 128 and len(data) >= _ICMP6_HEADER + _IP6_HEADER:
            # An error holds, after its own header, the packet that it is about (RFC 4443, section 3).
            inner = IPerror6(data[_ICMP6_HEADER:])
            if ICMPv6EchoRequest in inner and inner[ICMPv6EchoRequest].id == self.identifier:
                number = inner[ICMPv6EchoRequest].seq
                return Event(0, "icmp", number=number, source=sender, icmp=(data[0], data[1]))
        return None

    def close(self) -> None:
        self.socket.close()


def _wanting_errors(check: Check, kind: socket.SocketKind) -> socket.socket:
    """Make a socket that queues ICMP errors with their sender, type and code (ip(7), IP_RECVERR)."""
    family = family_of(check.address)
    made = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    if family == socket.AF_INET:
        made.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    else:
        made.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    return made


def _queued_errors(asked: socket.socket) -> Iterator[Event]:
    """Give the ICMP errors in a socket's error queue."""
    while True:
        try:
            _data, ancillary, _flags, _name = asked.recvmsg(0, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except OSError:
            return
        for _level, kind, value in ancillary:
            if kind not in (_IP_RECVERR, _IPV6_RECVERR) or len(value) < _EXTENDED_ERROR.size + 8:
                continue
            number, origin, icmp_type, code, *_rest = _EXTENDED_ERROR.unpack_from(value)
            if origin in _ICMP_ORIGINS:
                yield Event(0, "icmp", source=_offender(value[_EXTENDED_ERROR.size :]), icmp=(icmp_type, code))
            else:
                yield Event(0, "failed", errno=number)


def _offender(value: bytes) -> str | None:
    """Read a struct sockaddr_in or sockaddr_in6."""
    family = struct.unpack_from("=H", value)[0]
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, value[4:8])
    if family == socket.AF_INET6 and len(value) >= 24:
        return socket.inet_ntop(socket.AF_INET6, value[8:24])
    return None


class Tcp:
    """One connection request; the kernel repeats it after 1 s."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.socket = _wanting_errors(check, socket.SOCK_STREAM)
        self.ended = False

    def sockets(self) -> list[socket.socket]:
        return [self.socket]

    def send(self, number: int) -> Iterator[Event]:
        assert self.check.port is not None
        try:
            self.socket.connect(place(self.check.address, self.check.port, self.check.device))
        except BlockingIOError:
            yield Event(0, "sent", number=number)
        except OSError as error:
            self.ended = True
            yield Event(0, "failed", number=number, errno=error.errno)
        else:
            self.ended = True
            yield Event(0, "sent", number=number)
            yield Event(0, "open", number=number, source=self.check.address)

    def read(self) -> Iterator[Event]:
        if self.ended:
            return
        number = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        yield from _queued_errors(self.socket)
        if number:
            self.ended = True
            # Only the target itself refuses by RST; every other errno comes with an ICMP error, or from this kernel.
            source = self.check.address if number == errno.ECONNREFUSED else None
            yield Event(0, "failed", number=1, errno=number, source=source)
            return
        try:
            peer = self.socket.getpeername()
        except OSError:
            return
        self.ended = True
        yield Event(0, "open", number=1, source=peer[0])

    def close(self) -> None:
        self.socket.close()


class Udp:
    """Datagrams by a connected socket, repeated as a resolver would."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.payload = (check.send if check.send is not None else PAYLOAD).encode()
        self.socket = _wanting_errors(check, socket.SOCK_DGRAM)
        self.connected = False
        # Enough to tell whether it is the expected payload.
        self.longest = len(check.reply or "") + 200

    def sockets(self) -> list[socket.socket]:
        return [self.socket]

    def send(self, number: int) -> Iterator[Event]:
        assert self.check.port is not None
        # An earlier error waits to be told by the next call, and is about an earlier datagram.
        yield from self.read()
        try:
            if not self.connected:
                self.socket.connect(place(self.check.address, self.check.port, self.check.device))
                self.connected = True
            self.socket.send(self.payload)
        except OSError as error:
            yield Event(0, "failed", number=number, errno=error.errno)
        else:
            yield Event(0, "sent", number=number)

    def read(self) -> Iterator[Event]:
        yield from _queued_errors(self.socket)
        for _ in range(AT_ONCE):
            try:
                data, sender = self.socket.recvfrom(65536)
            except BlockingIOError:
                return
            except OSError as error:
                # The queue says more than the errno, unless it had no room.
                yield from list(_queued_errors(self.socket)) or [Event(0, "failed", errno=error.errno)]
                continue
            text = data.decode(errors="backslashreplace")[: self.longest]
            yield Event(0, "reply", source=sender[0], text=text)

    def close(self) -> None:
        self.socket.close()
