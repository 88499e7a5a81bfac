"""Packets that scapy builds become events; and the filter in the kernel lets through just those."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP

from netlab.probe.sniffer import observe, packet_filter

MAC = "02:00:00:00:00:01"
IP4, ARPS, IP6 = 0x0800, 0x0806, 0x86DD
ASK4 = IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=8)
ASK6 = IPv6(src="fd00::1", dst="fd00::2") / ICMPv6EchoRequest()
ERROR4 = IP(src="10.0.0.254", dst="10.0.0.1") / ICMP(type=3, code=1) / ASK4
ERROR6 = IPv6(src="fd00::fe", dst="fd00::1") / ICMPv6DestUnreach(code=3) / ASK6
NA = IPv6(src="fd00::2", dst="fd00::1") / ICMPv6ND_NA(tgt="fd00::2") / ICMPv6NDOptDstLLAddr(lladdr=MAC)

#: packet, protocol, outgoing, target: what, source, text, icmp
CASES: list[tuple[Any, int, bool, str, tuple[Any, ...] | None]] = [
    (ASK4, IP4, True, "10.0.0.2", ("out", "10.0.0.1", "echo request", None)),
    (IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(type=0), IP4, False, "10.0.0.2", ("in", "10.0.0.2", "echo reply", None)),
    (IP(src="10.0.0.1", dst="10.0.0.1") / ICMP(type=8), IP4, False, "10.0.0.1", None),
    (IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="S"), IP4, True, "10.0.0.2", ("out", "10.0.0.1", "TCP S", None)),
    (IP(src="10.0.0.2", dst="10.0.0.1") / TCP(flags="SA"), IP4, False, "10.0.0.2", ("in", "10.0.0.2", "TCP SA", None)),
    (IP(src="10.0.0.1", dst="10.0.0.2") / UDP(), IP4, True, "10.0.0.2", ("out", "10.0.0.1", "UDP", None)),
    (IP(src="10.0.0.1", dst="10.0.0.9") / UDP(), IP4, True, "10.0.0.2", None),
    (ERROR4, IP4, False, "10.0.0.2", ("in", "10.0.0.254", "ICMP error", (3, 1))),
    (ERROR4, IP4, False, "10.0.0.9", None),
    (ERROR4, IP4, True, "10.0.0.2", None),
    (ARP(op=1, psrc="10.0.0.1", pdst="10.0.0.2"), ARPS, True, "10.0.0.2", ("asked", "10.0.0.1", None, None)),
    (ARP(op=1, psrc="10.0.0.9", pdst="10.0.0.2"), ARPS, False, "10.0.0.2", None),
    (ARP(op=2, psrc="10.0.0.2", hwsrc=MAC), ARPS, False, "10.0.0.2", ("told", "10.0.0.2", MAC, None)),
    (ASK6, IP6, True, "fd00::2", ("out", "fd00::1", "echo request", None)),
    (
        IPv6(src="fd00::2", dst="fd00::1") / ICMPv6EchoReply(),
        IP6,
        False,
        "fd00::2",
        ("in", "fd00::2", "echo reply", None),
    ),
    (ERROR6, IP6, False, "fd00::2", ("in", "fd00::fe", "ICMP error", (1, 3))),
    (IPv6(src="fd00::1") / ICMPv6ND_NS(tgt="fd00::2"), IP6, True, "fd00::2", ("asked", "fd00::1", None, None)),
    (NA, IP6, False, "fd00::2", ("told", "fd00::2", MAC, None)),
    (IPv6(src="fd00::1", dst="fd00::2") / TCP(flags="S"), IP6, True, "fd00::2", ("out", "fd00::1", "TCP S", None)),
]


@pytest.mark.parametrize(("packet", "protocol", "outgoing", "address", "seen"), CASES)
def test_observe(packet: Any, protocol: int, outgoing: bool, address: str, seen: tuple[Any, ...] | None) -> None:
    event = observe(bytes(packet), protocol, outgoing, "eth0", address)
    assert (event and (event.what, event.source, event.text, event.icmp)) == seen
    if seen is not None:
        assert passes(packet_filter(address), bytes(packet), protocol)


def test_rubbish_is_no_event() -> None:
    for protocol in (IP4, ARPS, IP6, 0x88CC):
        for packet in (b"", b"\x45", bytes(range(60))):
            event = observe(packet, protocol, False, "eth0", "10.0.0.2")
            assert event is None or event.what == "in"


@pytest.mark.parametrize(
    ("packet", "protocol", "passing"),
    [
        (IP(src="10.0.0.2", dst="10.0.0.1") / UDP(), IP4, True),
        (IP(src="10.0.0.9", dst="10.0.0.2") / UDP(), IP4, True),
        (IP(src="10.0.0.9", dst="10.0.0.8") / ICMP(), IP4, True),
        (IP(src="10.0.0.9", dst="10.0.0.8") / UDP(), IP4, False),
        (IP(src="10.0.0.9", dst="10.0.0.8") / TCP(), IP4, False),
        (ARP(), ARPS, True),
        (ASK6, IP6, False),
        (b"\0" * 60, 0x88CC, False),
    ],
)
def test_the_filter_for_ipv4(packet: Any, protocol: int, passing: bool) -> None:
    assert passes(packet_filter("10.0.0.2"), bytes(packet), protocol) is passing


@pytest.mark.parametrize(
    ("source", "target", "passing"),
    [
        ("fd00::2", "fd00::1", True),
        ("fd00::1", "fd00::2", True),
        ("fd00::1", "fd00::3", False),
        ("fd00:0:0:1::2", "fd00::3", False),
        ("fd01::2", "fd00:0:0:1::2", False),
    ],
)
def test_the_filter_for_ipv6(source: str, target: str, passing: bool) -> None:
    packet = bytes(IPv6(src=source, dst=target) / UDP())
    assert passes(packet_filter("fd00::2"), packet, IP6) is passing
    assert not passes(packet_filter("fd00::2"), packet, IP4)


def passes(program: list[tuple[int, int, int, int]], packet: bytes, protocol: int) -> bool:
    """Run a classic BPF program, of the six instructions that are used, as the kernel would."""
    at = accumulator = 0
    while True:
        code, jump_true, jump_false, value = program[at]
        at += 1
        if code == 0x06:
            return value > 0
        if code == 0x15:
            at += jump_true if accumulator == value else jump_false
        elif code == 0x28 and value == 0xFFFFF000:
            accumulator = protocol
        else:
            size, form = {0x30: (1, "!B"), 0x28: (2, "!H"), 0x20: (4, "!I")}[code]
            if value + size > len(packet):
                return False
            accumulator = struct.unpack_from(form, packet, value)[0]
