"""Netlink messages: Python values to bytes and back, for the few rtnetlink messages that netlab sends thousands of.

Numbers are those of include/uapi/linux/{netlink,rtnetlink,if_link,if_addr,veth,net_namespace}.h. Everything here is
pure; sockets are next door. pyroute2 covers all of rtnetlink and is twenty times slower at these.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address
from socket import AF_INET, AF_INET6, AF_UNSPEC, inet_ntop, inet_pton
from struct import Struct

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_GETNSID = 90

IFF_UP, IFF_LOWER_UP = 0x1, 0x10000

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_QDISC = 1, 3, 4, 5, 6
IFLA_MASTER, IFLA_OPERSTATE, IFLA_LINKINFO = 10, 16, 18
IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES = 31, 32
IFLA_IFALIAS, IFLA_AF_SPEC, IFLA_GROUP, IFLA_NET_NS_FD, IFLA_EXT_MASK = 20, 26, 27, 28, 29
IFLA_LINK_NETNSID, IFLA_TARGET_NETNSID = 37, 46
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
VETH_INFO_PEER = 1
RTEXT_FILTER_SKIP_STATS = 8

IFLA_BR = {
    "forward_delay": (1, "I"),
    "hello_time": (2, "I"),
    "max_age": (3, "I"),
    "ageing_time": (4, "I"),
    "stp": (5, "I"),
    "priority": (6, "H"),
    "vlan_filtering": (7, "B"),
}
IFLA_BRPORT = {
    "priority": (2, "H"),
    "cost": (3, "I"),
    "hairpin": (4, "B"),
    "learning": (8, "B"),
    "flood": (9, "B"),
    "isolated": (33, "B"),
}

IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS, IFA_PROTO = 1, 2, 8, 11
IFAPROT_KERNEL_LL = 3
IFA_F_NODAD, IFA_F_PERMANENT, IFA_F_MANAGETEMPADDR = 0x02, 0x80, 0x100

RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC = 1, 4, 5, 6, 7
RTA_METRICS, RTA_MULTIPATH, RTA_TABLE, RTAX_MTU = 8, 9, 15, 2
RTNH_F_ONLINK = 4
#: Every IPv6 route has a metric; this one (IP6_RT_PRIO_USER, include/net/ip6_fib.h) is written as 0, the default.
IPV6_METRIC = 1024
RTM_F_CLONED = 0x200
RTPROT_REDIRECT, RTPROT_KERNEL, RTPROT_RA = 1, 2, 9
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RT_SCOPE_HOST, RT_SCOPE_NOWHERE = 0, 253, 254, 255
ROUTE_KINDS = {1: "unicast", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
ROUTE_NUMBERS = {name: number for number, name in ROUTE_KINDS.items()}

NETNSA_NSID, NETNSA_FD = 1, 3

HEAD = Struct("=IHHII")
LINK = Struct("=BxHiII")
ADDRESS = Struct("=BBBBI")
ROUTE = Struct("=BBBBBBBBI")
_ATTRIBUTE = Struct("=HH")
U32 = Struct("=I")
I32 = Struct("=i")

#: One message to send: type, flags, body.
Message = tuple[int, int, bytes]


def attribute(number: int, payload: bytes) -> bytes:
    """Give an attribute, padded to four bytes.

    >>> attribute(3, b"br0").hex()
    '0700030062723000'
    """
    size = len(payload)
    return _ATTRIBUTE.pack(size + 4, number) + payload + b"\0" * (-size & 3)


def attribute_u32(number: int, value: int) -> bytes:
    return attribute(number, U32.pack(value))


def attribute_text(number: int, text: str) -> bytes:
    return attribute(number, text.encode() + b"\0")


def attribute_number(layout: tuple[int, str], value: int) -> bytes:
    """Give the attribute of a table such as IFLA_BR, whose entries are (number, struct code)."""
    number, code = layout
    return attribute(number, Struct("=" + code).pack(value))


def attributes(raw: bytes | memoryview, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Give (number, start, end) of every attribute between two offsets; flags in the number are dropped."""
    unpack = _ATTRIBUTE.unpack_from
    while start + 4 <= end:
        size, number = unpack(raw, start)
        if size < 4:
            return
        yield number & 0x3FFF, start + 4, start + size
        start += size + 3 & ~3


#: Layouts of attributes that came before, by length: how to unpack just their heads, those heads, and where each is.
_layouts: dict[int, list[tuple[Struct, tuple[int, ...], dict[int, slice]]]] = {}
#: So many are kept of one length.
_MOST_LAYOUTS = 16


def table(body: bytes) -> dict[int, slice]:
    """Give where each attribute of a body is, by its number; the last of a number counts.

    Devices of a kind are laid out alike, with dozens of attributes each: all heads are compared with known ones in one
    go. The answer may be shared, and is not to be changed.
    """
    known = _layouts.setdefault(len(body), [])
    for heads, expected, found in known:
        if heads.unpack_from(body) == expected:
            return found
    found, form = {}, "="
    for number, start, end in attributes(body, 0, len(body)):
        found[number] = slice(start, end)
        form += f"I{min(end + 3 & ~3, len(body)) - start}x"
    heads = Struct(form)
    if heads.size == len(body) and len(known) < _MOST_LAYOUTS:
        known.append((heads, heads.unpack_from(body), found))
    return found


def messages(raw: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Give (type, flags, sequence, start of the body, end) of every message in a datagram."""
    start, length, unpack = 0, len(raw), HEAD.unpack_from
    while start + 16 <= length:
        size, kind, flags, sequence, _ = unpack(raw, start)
        if size < 16:
            return
        yield kind, flags, sequence, start + 16, start + size
        start += size + 3 & ~3


def pack_ip(address: str) -> tuple[int, bytes]:
    """Give (family, bytes) of an address."""
    family = AF_INET6 if ":" in address else AF_INET
    return family, inet_pton(family, address)


def unpack_ip(raw: bytes) -> str:
    """Give the text of an address of 4 or 16 bytes, in the form that facts use (ipaddress's).

    >>> unpack_ip(bytes(12) + bytes([0, 10, 0, 11]))
    '::a:b'
    """
    text = inet_ntop(AF_INET if len(raw) == 4 else AF_INET6, raw)
    # inet_ntop alone writes the last four bytes of some IPv6 addresses as if they were IPv4's.
    return str(IPv6Address(raw)) if len(raw) == 16 and "." in text else text


def pack_mac(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def link_body(index: int = 0, up: bool | None = None) -> bytes:
    """Give the fixed part of a link message; `up` None leaves the flag as it is."""
    return LINK.pack(AF_UNSPEC, 0, index, IFF_UP if up else 0, 0 if up is None else IFF_UP)


def link_dump() -> Message:
    """Give the request for all links of a namespace, without their counters."""
    mask = attribute_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    return RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, link_body() + mask


def link_query(index: int) -> Message:
    """Give the request for one link, without its counters."""
    return RTM_GETLINK, NLM_F_REQUEST, link_body(index) + attribute_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)


def address_dump() -> Message:
    return RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, ADDRESS.pack(AF_UNSPEC, 0, 0, 0, 0)


def route_dump(family: int) -> Message:
    return RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
