"""What a node has learned from packets is forgotten: neighbours, the ports and hosts that MACs are behind, connections.

A simulated walk starts with none of it; so does what is probed again.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from netlab.kernel import codec
from netlab.kernel.decode import link
from netlab.kernel.socket import NETLINK_NETFILTER, RouteSocket
from tests.conformance.path_mtus import forget_path_mtus
from tests.conformance.visiting import visiting

# linux/neighbour.h, linux/if_link.h, linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h
_RTM_DELNEIGH, _RTM_GETNEIGH = 29, 30
_NEIGHBOUR: Final = struct.Struct("=BxxxiHBB")
_NDA_DST, _NDA_LLADDR, _NDA_NDM_STATE_MASK = 1, 2, 16
_PERMANENT, _NOARP = 0x80, 0x40
_NTF_SELF = 2
_NLM_F_BULK = 0x200
_U16: Final = struct.Struct("=H")
_DELETE_CONNECTIONS = 1 << 8 | 2


def forget(lab: str, nodes: Sequence[str]) -> None:
    """Have every node of a lab forget what it has learned; call it as `observe`, inside the lab's sandbox."""
    with visiting(lab, nodes) as enter:
        for node in nodes:
            enter(node)
            _forget_here()


def _forget_here() -> None:
    route = RouteSocket.opened()
    try:
        learned = [body for family in (0, socket.AF_BRIDGE) for body in route.dump(_dump(family), _learned)]
        bridges = [one.index for one in route.dump(codec.link_dump(), link) if one.kind == "bridge"]
        route.send([(_RTM_DELNEIGH, codec.NLM_F_REQUEST, body) for body in learned], _gone)
        route.send([_flush(index) for index in bridges], _gone)
    finally:
        route.close()
    forget_path_mtus()
    with suppress(OSError), open("/proc/sys/net/ipv4/route/flush", "w") as flush:
        flush.write("1")
    with suppress(OSError):  # a kernel, or a namespace, that tracks no connections
        connections = RouteSocket.opened(NETLINK_NETFILTER)
        try:
            connections.send([(_DELETE_CONNECTIONS, codec.NLM_F_REQUEST, bytes(4))], lambda _, number: True)
        finally:
            connections.close()


def _gone(_: int, number: int) -> bool:
    return number in (errno.ENOENT, errno.ESRCH, errno.EOPNOTSUPP)


def _dump(family: int) -> codec.Message:
    flags = codec.NLM_F_REQUEST | codec.NLM_F_DUMP
    return _RTM_GETNEIGH, flags, _NEIGHBOUR.pack(family, 0, 0, 0, 0)


def _learned(raw: bytes, start: int, end: int) -> bytes | None:
    """Give what asks for the deletion of an entry that was learned; None for one that somebody made."""
    family, index, state, flags, _ = _NEIGHBOUR.unpack_from(raw, start)
    if state & (_PERMANENT | _NOARP):
        return None
    at = {number: raw[a:b] for number, a, b in codec.attributes(raw, start + _NEIGHBOUR.size, end)}
    wanted = (_NDA_LLADDR, _NDA_DST) if family == socket.AF_BRIDGE else (_NDA_DST,)
    if family == socket.AF_BRIDGE and not flags & _NTF_SELF:
        return None  # a bridge's own table, which is flushed whole
    body = _NEIGHBOUR.pack(family, index, 0, flags, 0)
    return body + b"".join(codec.attribute(number, at[number]) for number in wanted if number in at)


def _flush(index: int) -> codec.Message:
    """Give what has a bridge forget what it has learned (bridge-fdb-flush(8), since 5.19), without changing the bridge:

    a device that changes reports its IPv6 groups anew, which goes over tunnels.
    """
    of_somebody = codec.attribute(_NDA_NDM_STATE_MASK, _U16.pack(_PERMANENT | _NOARP))
    body = _NEIGHBOUR.pack(socket.AF_BRIDGE, index, 0, _NTF_SELF, 0) + of_somebody
    return _RTM_DELNEIGH, codec.NLM_F_REQUEST | _NLM_F_BULK, body
