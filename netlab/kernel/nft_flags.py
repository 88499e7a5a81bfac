"""Which tables of nftables have flags, asked of the kernel itself: nft's library must not be asked for such in JSON.

libnftables 1.0.6 writes where it should not when it tells of a table's flags in JSON, and the process aborts sooner or
later. Sources: linux/netfilter/nf_tables.h, nfnetlink.h; net/netfilter/nf_tables_api.c (nf_tables_gettable).
"""

from __future__ import annotations

from typing import Final

from netlab.kernel.codec import NLM_F_DUMP, NLM_F_REQUEST, attributes
from netlab.kernel.socket import NETLINK_NETFILTER, RouteSocket

#: NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE.
_GET_TABLE: Final = 10 << 8 | 1
#: NFTA_TABLE_NAME, NFTA_TABLE_FLAGS; NFT_TABLE_F_DORMANT.
_NAME, _FLAGS = 1, 2
DORMANT: Final = 1
#: nft's names of families (NFPROTO_*).
_FAMILIES: Final = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}

#: A table, by its family and name.
Table = tuple[str, str]


def table_flags() -> dict[Table, int]:
    """Give the flags of all tables in the calling thread's namespace; raises OSError."""
    socket = RouteSocket.opened(NETLINK_NETFILTER)
    try:
        return dict(socket.dump((_GET_TABLE, NLM_F_REQUEST | NLM_F_DUMP, bytes(4)), _table))
    finally:
        socket.close()


def _table(raw: bytes, start: int, end: int) -> tuple[Table, int]:
    """Read what NFT_MSG_NEWTABLE tells of one table."""
    told = {number: raw[a:b] for number, a, b in attributes(raw, start + 4, end)}
    name = told[_NAME].rstrip(b"\0").decode(errors="replace")
    return (_FAMILIES.get(raw[start], str(raw[start])), name), int.from_bytes(told.get(_FLAGS, b""), "big")
