"""Path MTUs of IPv6 that a node has learned from routers, forgotten: the kernel keeps each for ten minutes."""

from __future__ import annotations

import errno
import socket
from typing import Final

from netlab.kernel import codec
from netlab.kernel.socket import RouteSocket

_FLAGS_AT: Final = 8  # of struct rtmsg, linux/rtnetlink.h


def forget_path_mtus() -> None:
    """Delete the exceptions from routes that the present namespace has learned, as `ip -6 route flush cache` does."""
    route = RouteSocket.opened()
    try:
        learned = route.dump(codec.route_dump(socket.AF_INET6), _learned)
        # One that went meanwhile is no fault.
        route.send(
            [(codec.RTM_DELROUTE, codec.NLM_F_REQUEST, body) for body in learned],
            lambda _, number: number == errno.ESRCH,
        )
    finally:
        route.close()


def _learned(raw: bytes, start: int, end: int) -> bytes | None:
    flags = codec.U32.unpack_from(raw, start + _FLAGS_AT)[0]
    return raw[start:end] if flags & codec.RTM_F_CLONED else None
