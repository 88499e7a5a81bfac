"""The alias of `lo`, which marks a network namespace as ours: set and read by one raw netlink message each.

Layouts: struct nlmsghdr (linux/netlink.h), struct ifinfomsg and struct rtattr (linux/rtnetlink.h).
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

_HEADER: Final = struct.Struct("=IHHII")
_LINK: Final = struct.Struct("=BxHiII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_RTM_GETLINK, _RTM_SETLINK = 18, 19
_NLM_F_REQUEST, _NLM_F_ACK = 1, 4
_NLMSG_ERROR: Final = 2
_IFLA_IFALIAS: Final = 20
#: LOOPBACK_IFINDEX (net/net_namespace.h): `lo` has it in every namespace.
_LOOPBACK: Final = 1
#: No answer about one device is longer.
_LONGEST_ANSWER: Final = 65536
#: The kernel answers while it takes the request; this only bounds the wait should it not.
_PATIENCE: Final = 5.0


def _ask(kind: int, flags: int, attributes: bytes = b"") -> bytes:
    """Send one message about `lo` and give the body of the answer; raise OSError where it is a refusal."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, _LOOPBACK, 0, 0) + attributes
    message = _HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST | flags, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(_PATIENCE)
        netlink.send(message)
        answer = netlink.recv(_LONGEST_ANSWER)
    length, answered, *_ = _HEADER.unpack_from(answer)
    body = answer[_HEADER.size : length]
    if answered == _NLMSG_ERROR:
        (number,) = struct.unpack_from("=i", body)
        if number:
            raise OSError(-number, os.strerror(-number), "lo")
    return body


def set_loopback_alias(alias: str) -> None:
    """Give `lo` of the calling thread's network namespace an alias."""
    value = alias.encode()
    size = _ATTRIBUTE.size + len(value)
    _ask(_RTM_SETLINK, _NLM_F_ACK, _ATTRIBUTE.pack(size, _IFLA_IFALIAS) + value + bytes(-size % 4))


def loopback_alias() -> str:
    """Give the alias of `lo` in the calling thread's network namespace, empty where it has none."""
    body = _ask(_RTM_GETLINK, 0)
    at = _LINK.size
    while at + _ATTRIBUTE.size <= len(body):
        size, kind = _ATTRIBUTE.unpack_from(body, at)
        if kind == _IFLA_IFALIAS:
            return body[at + _ATTRIBUTE.size : at + size].rstrip(b"\0").decode("utf-8", "replace")
        at += max(_ATTRIBUTE.size, size + -size % 4)
    return ""
