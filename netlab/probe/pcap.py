"""Packets become a pcap file: the classic format with nanoseconds, which every reader knows. Pure.

Format: draft-ietf-opsawg-pcap; link types: https://www.tcpdump.org/linktypes.html.
"""

from __future__ import annotations

import struct
from typing import Final

_NANOSECONDS: Final = 0xA1B23C4D
#: As tcpdump: longer packets are cut.
SNAP = 262144

ETHERNET: Final = 1
RAW_IP: Final = 101
LINUX_SLL2: Final = 276

#: Bytes that `cooked` puts before a packet.
COOKED_HEADER: Final = 20
_VLAN_AT = 12


def file_header(link_type: int) -> bytes:
    """Give the header of a file.

    >>> file_header(ETHERNET).hex(' ', 4)
    '4d3cb2a1 02000400 00000000 00000000 00000400 01000000'
    """
    return struct.pack("<IHHiIII", _NANOSECONDS, 2, 4, 0, 0, SNAP, link_type)


def record(seconds: int, nanoseconds: int, packet: bytes, length: int) -> bytes:
    """Give one packet's record; `length` is what it had on the wire."""
    kept = packet[:SNAP]
    return struct.pack("<IIII", seconds & 0xFFFFFFFF, nanoseconds, len(kept), max(length, len(kept))) + kept


def tagged(frame: bytes, protocol: int, tag: int) -> bytes:
    r"""Put the VLAN tag back into a frame; the kernel hands it over beside the frame (packet(7), PACKET_AUXDATA).

    >>> tagged(b"destinsource" + b"\x08\x00payload", 0x8100, 5)[12:]
    b'\x81\x00\x00\x05\x08\x00payload'
    """
    return frame[:_VLAN_AT] + struct.pack("!HH", protocol, tag) + frame[_VLAN_AT:]


def cooked(packet: bytes, protocol: int, ifindex: int, hardware: int, direction: int, link: bytes) -> bytes:
    """Put the header of LINKTYPE_LINUX_SLL2 before a packet that has no link-layer header."""
    return struct.pack("!HHIHBB8s", protocol, 0, ifindex, hardware, direction, len(link), link) + packet
