"""Packets on the devices of a node become Events: what really left, what came, who was asked for an address.

One packet socket over all devices, open before anything is sent, with a filter in the kernel that lets through ARP,
ICMP and whatever goes to or comes from the target. scapy takes the packets apart. It listens at layer 3 (SOCK_DGRAM):
no link-layer header, so that every kind of device reads the same.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from netlab.probe.events import Event, What

_ETH_P_ALL, _ETH_P_IP, _ETH_P_ARP, _ETH_P_IPV6 = 3, 0x0800, 0x0806, 0x86DD
_SO_ATTACH_FILTER = 26
_PACKET_OUTGOING = 4
#: Classic BPF (linux/filter.h): load byte, half, word; jump if equal; return; and the ancillary load of the protocol.
_LDB, _LDH, _LDW, _JEQ, _RET, _PROTOCOL = 0x30, 0x28, 0x20, 0x15, 0x06, 0xFFFFF000
#: How many events of one attempt are kept, and packets taken in one go: a flood must fill neither memory nor time.
MOST = 64
_AT_ONCE = 256


def packet_filter(address: str) -> list[tuple[int, int, int, int]]:
    """Give the classic BPF program (code, jt, jf, k) that accepts ARP, ICMP and packets to or from an address.

    Offsets are those of the network header (RFC 791, RFC 8200): protocol, source, destination.
    """
    target = ip_address(address)
    words = [int.from_bytes(target.packed[at : at + 4], "big") for at in range(0, len(target.packed), 4)]
    ethertype, protocol, icmp, source = (_ETH_P_IP, 9, 1, 12) if target.version == 4 else (_ETH_P_IPV6, 6, 58, 8)
    # Each test is a run of (load, offset, value) that must all be equal; the first that is accepts.
    tests = [[(_LDB, protocol, icmp)]]
    for start in (source, source + len(target.packed)):
        tests.append([(_LDW, start + 4 * at, word) for at, word in enumerate(words)])
    code: list[tuple[int, int, int, int]] = []
    for test in reversed(tests):
        # Written from the end: a failed comparison jumps over the rest of its test and its own "accept".
        run: list[tuple[int, int, int, int]] = [(_RET, 0, 0, 0x40000)]
        for load, offset, value in reversed(test):
            run = [(load, 0, 0, offset), (_JEQ, 0, len(run), value), *run]
        code = run + code
    code = [*code, (_RET, 0, 0, 0)]
    return [
        (_LDH, 0, 0, _PROTOCOL),
        (_JEQ, 0, 1, _ETH_P_ARP),
        (_RET, 0, 0, 0x40000),
        (_JEQ, 0, len(code) - 1, ethertype),
        *code,
    ]


def attach(listener: socket.socket, program: list[tuple[int, int, int, int]]) -> None:
    """Attach a classic BPF program to a socket (socket(7), SO_ATTACH_FILTER)."""
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code)
    # struct sock_fprog: a length and, aligned, a pointer.
    listener.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(buffer))
    )


class Sniffer:
    """Watches all devices of the current namespace for what concerns one address."""

    def __init__(self, address: str) -> None:
        self.address = str(ip_address(address))
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self.socket = socket.socket(socket.AF_PACKET, kind, socket.htons(_ETH_P_ALL))
        attach(self.socket, packet_filter(address))
        # What came before the filter was in place is no business of ours; nothing of ours has been sent yet.
        with suppress(BlockingIOError):
            while True:
                self.socket.recv(1)

    def read(self, at: float, attempt: int, room: int) -> Iterator[Event]:
        """Give what has been seen since the last time; beyond `room` events it is thrown away unread."""
        for _ in range(_AT_ONCE):
            try:
                frame, (device, protocol, direction, _hardware, _link) = self.socket.recvfrom(65536)
            except BlockingIOError:
                return
            except OSError:
                # ENETDOWN: a device went down; the others are still watched.
                continue
            if room <= 0:
                continue
            event = observe(frame, protocol, direction == _PACKET_OUTGOING, device, self.address, at, attempt)
            if event is not None:
                room -= 1
                yield event

    def close(self) -> None:
        self.socket.close()


def observe(
    packet: bytes, protocol: int, outgoing: bool, device: str, address: str, at: float = 0.0, attempt: int = 1
) -> Event | None:
    """Turn one packet, from its network header on, into an event, or None where it does not concern the address."""
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import ARP

    found = None
    # scapy makes do with broken insides, not with a broken first header.
    with suppress(struct.error, ValueError, IndexError):
        if protocol == _ETH_P_ARP:
            found = _arp(ARP(packet), outgoing)
        elif protocol == _ETH_P_IP:
            found = _ip(IP(packet), outgoing, address)
        elif protocol == _ETH_P_IPV6:
            found = _ipv6(IPv6(packet), outgoing, address)
    return Event(at=at, attempt=attempt, device=device, **found) if found else None


def _arp(arp: Any, outgoing: bool) -> dict[str, Any] | None:
    if arp.op == 1 and outgoing:
        return _seen("asked", arp.psrc, arp.pdst, None)
    if arp.op == 2 and not outgoing:
        return _seen("told", arp.psrc, arp.pdst, arp.hwsrc)
    return None


def _ip(packet: Any, outgoing: bool, address: str) -> dict[str, Any] | None:
    from scapy.layers.inet import ICMP, TCP, UDP

    if ICMP in packet and packet[ICMP].type in (3, 11):
        if outgoing or "IP in ICMP" not in packet or packet["IP in ICMP"].dst != address:
            return None
        return {**_seen("in", packet.src, packet.dst, "ICMP error"), "icmp": (packet[ICMP].type, packet[ICMP].code)}
    kind = None
    if ICMP in packet:
        kind = {8: "echo request", 0: "echo reply"}.get(packet[ICMP].type)
    return _to_or_from(packet, outgoing, address, kind or _transport(packet, TCP, UDP))


def _ipv6(packet: Any, outgoing: bool, address: str) -> dict[str, Any] | None:
    from scapy.layers.inet import TCP, UDP
    from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, IPerror6

    if ICMPv6ND_NS in packet:
        return _seen("asked", packet.src, packet[ICMPv6ND_NS].tgt, None) if outgoing else None
    if ICMPv6ND_NA in packet:
        link = getattr(packet[ICMPv6ND_NA].payload, "lladdr", None)
        return None if outgoing else _seen("told", packet[ICMPv6ND_NA].tgt, packet.dst, link)
    if IPerror6 in packet:
        if outgoing or packet[IPerror6].dst != address:
            return None
        return {**_seen("in", packet.src, packet.dst, "ICMP error"), "icmp": (packet.payload.type, packet.payload.code)}
    kind = "echo request" if ICMPv6EchoRequest in packet else "echo reply" if ICMPv6EchoReply in packet else None
    return _to_or_from(packet, outgoing, address, kind or _transport(packet, TCP, UDP))


def _transport(packet: Any, tcp: Any, udp: Any) -> str:
    if tcp in packet:
        return f"TCP {packet[tcp].flags}"
    return "UDP" if udp in packet else "IP"


def _to_or_from(packet: Any, outgoing: bool, address: str, kind: str) -> dict[str, Any] | None:
    if outgoing and packet.dst == address:
        return _seen("out", packet.src, packet.dst, kind)
    # A node that asks itself sees its own question come in, on lo.
    if not outgoing and packet.src == address != packet.dst:
        return _seen("in", packet.src, packet.dst, kind)
    return None


def _seen(what: What, source: str, target: str, text: str | None) -> dict[str, Any]:
    return {"what": what, "source": source, "target": target, "text": text}
