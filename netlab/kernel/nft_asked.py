"""What is asked of nftables in the kernel itself, since nft's library tells of it wrongly (seen of libnftables 1.0.6).

Of a table's flags it tells in JSON by writing where it should not, and the process aborts sooner or later. Of a rule
that ends connections by `reject with tcp reset` it leaves out which version of IP it looks at, in JSON and in words.

Sources: linux/netfilter/nf_tables.h, nfnetlink.h; net/netfilter/nf_tables_api.c (nf_tables_gettable, _getrule).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from netlab.kernel.codec import NLM_F_DUMP, NLM_F_REQUEST, attributes
from netlab.kernel.socket import NETLINK_NETFILTER, RouteSocket

#: NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NFT_MSG_GETRULE.
_GET_TABLE, _GET_RULE = 10 << 8 | 1, 10 << 8 | 7
#: NFTA_TABLE_NAME, NFTA_TABLE_FLAGS; NFT_TABLE_F_DORMANT.
_NAME, _FLAGS = 1, 2
DORMANT: Final = 1
#: NFTA_RULE_TABLE, _HANDLE, _EXPRESSIONS; NFTA_EXPR_NAME, _DATA; NFTA_META_KEY; NFTA_CMP_OP, _DATA; NFTA_DATA_VALUE.
_RULE_TABLE, _RULE_HANDLE, _RULE_EXPRESSIONS = 1, 3, 4
_EXPRESSION_NAME, _EXPRESSION_DATA = 1, 2
_META_KEY, _CMP_OP, _CMP_DATA, _DATA_VALUE = 2, 2, 3, 1
#: Keys of `meta` by which a version is told, and its values: NFT_META_PROTOCOL's and NFT_META_NFPROTO's.
_VERSIONS: Final = {1: {b"\x08\x00": 4, b"\x86\xdd": 6}, 15: {b"\x02": 4, b"\x0a": 6}}
#: nft's names of families (NFPROTO_*).
_FAMILIES: Final = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}

#: A table, by its family and name; a rule, by its handle too.
Table = tuple[str, str]
RuleName = tuple[str, str, int]


def table_flags() -> dict[Table, int]:
    """Give the flags of all tables in the calling thread's namespace; raises OSError."""
    socket = RouteSocket.opened(NETLINK_NETFILTER)
    try:
        return dict(socket.dump((_GET_TABLE, NLM_F_REQUEST | NLM_F_DUMP, bytes(4)), _table))
    finally:
        socket.close()


def rule_versions() -> dict[RuleName, int]:
    """Give the rules of the calling thread's namespace that say which version of IP they look at; raises OSError."""
    socket = RouteSocket.opened(NETLINK_NETFILTER)
    try:
        return dict(socket.dump((_GET_RULE, NLM_F_REQUEST | NLM_F_DUMP, bytes(4)), _rule))
    finally:
        socket.close()


def _table(raw: bytes, start: int, end: int) -> tuple[Table, int]:
    """Read what NFT_MSG_NEWTABLE tells of one table."""
    told = _within(raw, start + 4, end)
    return (_family(raw[start]), _text(told[_NAME])), int.from_bytes(told.get(_FLAGS, b""), "big")


def _rule(raw: bytes, start: int, end: int) -> tuple[RuleName, int] | None:
    """Read what NFT_MSG_NEWRULE tells of one rule; None of one that looks at both versions."""
    told = _within(raw, start + 4, end)
    expressions = [_within(one, 0, len(one)) for one in _listed(told.get(_RULE_EXPRESSIONS, b""))]
    for load, compare in pairwise(expressions):
        if (_text(load[_EXPRESSION_NAME]), _text(compare[_EXPRESSION_NAME])) == ("meta", "cmp"):
            version = _version(load.get(_EXPRESSION_DATA, b""), compare.get(_EXPRESSION_DATA, b""))
            if version is not None:
                handle = int.from_bytes(told[_RULE_HANDLE], "big")
                return (_family(raw[start]), _text(told[_RULE_TABLE]), handle), version
    return None


def _version(load: bytes, compare: bytes) -> int | None:
    """Give the version that is loaded and compared with, for equality (NFT_CMP_EQ)."""
    loaded, compared = _within(load, 0, len(load)), _within(compare, 0, len(compare))
    values = _VERSIONS.get(int.from_bytes(loaded.get(_META_KEY, b""), "big"), {})
    if any(compared.get(_CMP_OP, b"")):
        return None
    with_what = compared.get(_CMP_DATA, b"")
    return values.get(_within(with_what, 0, len(with_what)).get(_DATA_VALUE, b""))


def _within(raw: bytes, start: int, end: int) -> dict[int, bytes]:
    return {number: raw[a:b] for number, a, b in attributes(raw, start, end)}


def _listed(raw: bytes) -> Iterator[bytes]:
    """Give the elements of a list, which all have one number."""
    return (raw[a:b] for _, a, b in attributes(raw, 0, len(raw)))


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode(errors="replace")


def _family(number: int) -> str:
    return _FAMILIES.get(number, str(number))
