"""The pcap format: headers, cut packets, tags and cooked headers."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.utils import PcapReader

from netlab.probe import pcap

FRAME = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(dst="10.0.0.2") / UDP() / b"hello")


def test_what_is_written_scapy_reads() -> None:
    file = io.BytesIO(pcap.file_header(pcap.ETHERNET) + pcap.record(1_700_000_000, 123_456_789, FRAME, len(FRAME)))
    opened: Any = file
    (packet,) = PcapReader(opened)
    assert bytes(packet) == FRAME
    assert f"{packet.time:.9f}" == "1700000000.123456789"


def test_a_long_packet_is_cut_and_keeps_its_length() -> None:
    record = pcap.record(0, 0, b"x" * (pcap.SNAP + 10), pcap.SNAP + 10)
    assert struct.unpack_from("<IIII", record) == (0, 0, pcap.SNAP, pcap.SNAP + 10)
    assert len(record) == 16 + pcap.SNAP


@pytest.mark.parametrize("protocol", [0x8100, 0x88A8])
def test_a_tag_goes_back_where_it_was(protocol: int) -> None:
    packet = Ether(pcap.tagged(FRAME, protocol, 0x2005))
    assert packet.type == protocol
    # Dot1AD is a Dot1Q to scapy.
    tag = packet.getlayer(Dot1Q, _subclass=True)
    assert tag is not None
    assert (tag.vlan, tag.prio) == (5, 1)
    assert packet[UDP].payload.load == b"hello"


def test_cooked_packets_have_twenty_bytes_before_them() -> None:
    packet = pcap.cooked(FRAME[14:], 0x0800, 7, 1, 4, bytes.fromhex("020000000001"))
    assert len(packet) == pcap.COOKED_HEADER + len(FRAME) - 14
    assert struct.unpack_from("!HHIHBB8s", packet) == (0x0800, 0, 7, 1, 4, 6, bytes.fromhex("0200000000010000"))
