"""Which tables of nftables have flags, asked of the kernel itself: nft's library must not be asked for such in JSON.

libnftables 1.0.6 writes where it should not when it tells of a table's flags in JSON, and the process aborts sooner or
later. Sources: linux/netfilter/nf_tables.h, nfnetlink.h; net/netfilter/nf_tables_api.c (nf_tables_gettable).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import Final

#: NETLINK_NETFILTER; NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE; NLM_F_REQUEST | NLM_F_DUMP; NLMSG_ERROR, NLMSG_DONE.
_NETFILTER: Final = 12
_GET_TABLE: Final = 10 << 8 | 1
_DUMP: Final = 0x301
_ERROR, _DONE = 2, 3
#: NFTA_TABLE_NAME, NFTA_TABLE_FLAGS; NFT_TABLE_F_DORMANT.
_NAME, _FLAGS = 1, 2
DORMANT: Final = 1
#: nft's names of families (NFPROTO_*).
_FAMILIES: Final = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_HEADER, _OF_FAMILY, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBH"), struct.Struct("=HH")

#: A table, by its family and name.
Table = tuple[str, str]


def table_flags() -> dict[Table, int]:
    """Give the flags of all tables in the calling thread's namespace; raises OSError."""
    request = _HEADER.pack(_HEADER.size + _OF_FAMILY.size, _GET_TABLE, _DUMP, 1, 0) + _OF_FAMILY.pack(0, 0, 0)
    found: dict[Table, int] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER) as asked:
        asked.sendto(request, (0, 0))
        while True:
            told = asked.recv(1 << 16)
            at = 0
            while at < len(told):
                length, kind, *_ = _HEADER.unpack_from(told, at)
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    number = -struct.unpack_from("=i", told, at + _HEADER.size)[0]
                    raise OSError(number, os.strerror(number))
                found.update([_table(told[at + _HEADER.size : at + length])])
                at += length + 3 & ~3


def _table(message: bytes) -> tuple[Table, int]:
    """Read what is told of one table."""
    family, *_ = _OF_FAMILY.unpack_from(message)
    told = dict(_attributes(message[_OF_FAMILY.size :]))
    name = told[_NAME].rstrip(b"\0").decode(errors="replace")
    return (_FAMILIES.get(family, str(family)), name), int.from_bytes(told.get(_FLAGS, b""), "big")


def _attributes(rest: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(rest):
        length, kind = _ATTRIBUTE.unpack_from(rest, at)
        yield kind & 0x3FFF, rest[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3
