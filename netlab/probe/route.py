"""An address becomes the kernel's own routing answer for it: device, source and gateway (RTM_GETROUTE, rtnetlink(7)).

One message and one answer, packed by hand: a probe lives for milliseconds, and loading a netlink library takes longer.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address

_NLMSG_ERROR, _RTM_GETROUTE, _NLM_F_REQUEST = 2, 26, 1
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC, _RTA_VIA = 1, 4, 5, 7, 18
_HEADER, _ROUTE, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=8BI"), struct.Struct("=HH")
#: Types of routes that lead somewhere: unicast and local (rtnetlink(7)); IPv6 tells of the others by their type.
_LEADS = (1, 2)
#: And what sockets get from blackhole, unreachable and prohibit (net/ipv6/route.c, ip6_rt_type_to_error).
_ERRNO = {6: errno.EINVAL, 7: errno.EHOSTUNREACH, 8: errno.EACCES}


@dataclass(frozen=True, slots=True)
class Route:
    """Where the kernel sends packets for an address; `gateway` None: straight to it."""

    device: str
    source: str | None
    gateway: str | None


def lookup(address: str, device: str | None = None) -> Route:
    """Ask the kernel of the current namespace for the route to an address (out of `device`, if given).

    Raises OSError with the errno that a socket would get (ENETUNREACH: there is none).
    """
    target = ip_address(address)
    family = socket.AF_INET if target.version == 4 else socket.AF_INET6
    request = _ROUTE.pack(family, len(target.packed) * 8, 0, 0, 0, 0, 0, 0, 0) + _attribute(_RTA_DST, target.packed)
    if device is not None:
        request += _attribute(_RTA_OIF, struct.pack("=I", socket.if_nametoindex(device)))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as door:
        door.settimeout(2)
        size = _HEADER.size + len(request)
        door.sendto(_HEADER.pack(size, _RTM_GETROUTE, _NLM_F_REQUEST, 1, 0) + request, (0, 0))
        answer = door.recv(65536)
    return _parse(answer)


def _attribute(number: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), number) + value + b"\0" * (-len(value) % 4)


def _parse(answer: bytes) -> Route:
    size, kind, _flags, _sequence, _port = _HEADER.unpack_from(answer)
    if kind == _NLMSG_ERROR:
        number = -struct.unpack_from("=i", answer, _HEADER.size)[0]
        raise OSError(number, os.strerror(number))
    route_type = _ROUTE.unpack_from(answer, _HEADER.size)[7]
    values = dict(_attributes(answer[:size], _HEADER.size + _ROUTE.size))
    if _RTA_OIF not in values or route_type not in _LEADS:
        number = _ERRNO.get(route_type, errno.ENETUNREACH)
        raise OSError(number, os.strerror(number))
    gateway = values.get(_RTA_GATEWAY) or values.get(_RTA_VIA, b"")[2:]
    return Route(
        device=socket.if_indextoname(struct.unpack("=I", values[_RTA_OIF])[0]),
        source=_address(values.get(_RTA_PREFSRC)),
        gateway=_address(gateway),
    )


def _attributes(data: bytes, at: int) -> list[tuple[int, bytes]]:
    found = []
    while at + _ATTRIBUTE.size <= len(data):
        size, number = _ATTRIBUTE.unpack_from(data, at)
        found.append((number, data[at + _ATTRIBUTE.size : at + size]))
        at += (size + 3) & ~3
    return found


def _address(value: bytes | None) -> str | None:
    return str(ip_address(value)) if value else None
