"""What rtnetlink dumps say to records, addresses and routes. Pure; encode.py is its inverse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import calcsize, unpack_from

from netlab.facts import MAIN_TABLE, Route
from netlab.kernel.codec import (
    ADDRESS,
    IFA_ADDRESS,
    IFA_F_MANAGETEMPADDR,
    IFA_F_NODAD,
    IFA_F_PERMANENT,
    IFA_FLAGS,
    IFA_LOCAL,
    IFA_PROTO,
    IFAPROT_KERNEL_LL,
    IFF_LOWER_UP,
    IFF_UP,
    IFLA_ADDRESS,
    IFLA_AF_SPEC,
    IFLA_BR,
    IFLA_BRPORT,
    IFLA_GROUP,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_INFO_SLAVE_DATA,
    IFLA_INFO_SLAVE_KIND,
    IFLA_LINK,
    IFLA_LINK_NETNSID,
    IFLA_LINKINFO,
    IFLA_MASTER,
    IFLA_MTU,
    IFLA_OPERSTATE,
    IFLA_QDISC,
    IPV6_METRIC,
    LINK,
    NETNSA_NSID,
    ROUTE,
    ROUTE_KINDS,
    RT_SCOPE_LINK,
    RTA_DST,
    RTA_GATEWAY,
    RTA_METRICS,
    RTA_MULTIPATH,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTA_TABLE,
    RTAX_MTU,
    RTM_F_CLONED,
    RTNH_F_ONLINK,
    RTPROT_KERNEL,
    RTPROT_RA,
    RTPROT_REDIRECT,
    attributes,
    table,
    unpack_ip,
)

#: IFA_F_STABLE_PRIVACY (include/uapi/linux/if_addr.h).
_STABLE_PRIVACY = 0x800
#: IFLA_BOND_SLAVE_PERM_HWADDR (include/uapi/linux/if_link.h).
_PERMANENT_MAC = 4
_IMPAIRING = (b"netem\0", b"tbf\0")
#: IPV4_DEVCONF_* of include/uapi/linux/ip.h less 1, and the sysctl of the same name.
IPV4_DEVICE_SETTINGS = {
    "forwarding": 0,
    "proxy_arp": 2,
    "rp_filter": 7,
    "arp_announce": 17,
    "arp_ignore": 18,
    "accept_local": 22,
    "route_localnet": 25,
}
#: DEVCONF_* of include/uapi/linux/ipv6.h.
IPV6_DEVICE_SETTINGS = {"forwarding": 0, "accept_ra": 3, "disable_ipv6": 26}


@dataclass(slots=True)
class LinkRecord:
    """A device as a dump tells it; the settings are raw arrays of 32-bit numbers."""

    index: int
    flags: int
    name: str = ""
    mac: str | None = None
    mtu: int = 0
    link: int = 0
    namespace_id: int | None = None
    master: int = 0
    kind: str = ""
    bridge: dict[str, int] | None = None
    port: dict[str, int] | None = None
    #: Of a kind that is neither: its own attributes as they came.
    info: bytes = b""
    alias: str = ""
    group: int = 0
    operstate: int = 0
    #: Whether its queueing discipline is one that files ask for.
    impaired: bool = False
    ipv4: bytes = b""
    ipv6: bytes = b""

    @property
    def up(self) -> bool:
        return bool(self.flags & IFF_UP)

    @property
    def carrier(self) -> bool:
        return bool(self.flags & IFF_LOWER_UP)


def link(raw: bytes, start: int, end: int) -> LinkRecord:
    """Turn a RTM_NEWLINK body into a record."""
    _, _, index, flags, _ = LINK.unpack_from(raw, start)
    found = LinkRecord(index, flags)
    body = raw[start + 16 : end]
    at = table(body)
    found.name = body[at[IFLA_IFNAME]][:-1].decode()
    found.mtu = _u32(body, at, IFLA_MTU)
    found.group = _u32(body, at, IFLA_GROUP)
    if IFLA_ADDRESS in at:
        found.mac = body[at[IFLA_ADDRESS]].hex(":")
    if IFLA_LINK in at:
        found.link = _u32(body, at, IFLA_LINK)
    if IFLA_LINK_NETNSID in at:
        found.namespace_id = _u32(body, at, IFLA_LINK_NETNSID)
    if IFLA_MASTER in at:
        found.master = _u32(body, at, IFLA_MASTER)
    if IFLA_IFALIAS in at:
        found.alias = body[at[IFLA_IFALIAS]].rstrip(b"\0").decode(errors="replace")
    if IFLA_OPERSTATE in at:
        found.operstate = body[at[IFLA_OPERSTATE]][0]
    if IFLA_QDISC in at:
        found.impaired = body[at[IFLA_QDISC]] in _IMPAIRING
    if IFLA_LINKINFO in at:
        _link_info(found, body[at[IFLA_LINKINFO]])
    if IFLA_AF_SPEC in at:
        _families(found, body[at[IFLA_AF_SPEC]])
    return found


def _u32(body: bytes, at: dict[int, slice], number: int) -> int:
    place = at.get(number)
    return 0 if place is None else int.from_bytes(body[place][:4], "little")


def _values(body: bytes, layouts: dict[str, tuple[int, str]]) -> dict[str, int]:
    at = table(body)
    found: dict[str, int] = {}
    for name, (number, code) in layouts.items():
        place = at.get(number)
        if place is not None and place.stop - place.start >= calcsize(code):
            found[name] = unpack_from("=" + code, body, place.start)[0]
    return found


def _link_info(found: LinkRecord, body: bytes) -> None:
    at = table(body)
    if IFLA_INFO_KIND in at:
        found.kind = body[at[IFLA_INFO_KIND]].rstrip(b"\0").decode()
    if IFLA_INFO_DATA in at and found.kind == "bridge":
        found.bridge = _values(body[at[IFLA_INFO_DATA]], IFLA_BR)
    elif IFLA_INFO_DATA in at:
        found.info = body[at[IFLA_INFO_DATA]]
    if IFLA_INFO_SLAVE_DATA in at:
        own = body[at[IFLA_INFO_SLAVE_DATA]]
        if body[at[IFLA_INFO_SLAVE_KIND]].rstrip(b"\0") == b"bond":
            # The MAC of a bond's member is the bond's; its own is what it was when it became one, and will be again.
            where = table(own)
            found.mac = own[where[_PERMANENT_MAC]].hex(":") if _PERMANENT_MAC in where else found.mac
        else:
            found.port = _values(own, IFLA_BRPORT)


def _families(found: LinkRecord, body: bytes) -> None:
    """Find IFLA_INET_CONF (1) of AF_INET (2) and IFLA_INET6_CONF (2) of AF_INET6 (10)."""
    at = table(body)
    ipv4, ipv6 = (body[at[family]] if family in at else b"" for family in (2, 10))
    inner = table(ipv4)
    found.ipv4 = ipv4[inner[1]] if 1 in inner else b""
    inner = table(ipv6)
    found.ipv6 = ipv6[inner[2]] if 2 in inner else b""


def array_value(array: bytes, index: int) -> int | None:
    """Give one number of an array of device settings, or None where this kernel's array is shorter."""
    return int(unpack_from("=i", array, index * 4)[0]) if len(array) >= index * 4 + 4 else None


def address(raw: bytes, start: int, end: int) -> tuple[int, str] | None:
    """Turn a RTM_NEWADDR body into (device index, "A/n"); None for what the kernel or a router made."""
    family, length, flags, scope, index = ADDRESS.unpack_from(raw, start)
    local = given = None
    origin = 0
    for number, a, b in attributes(raw, start + 8, end):
        if number == IFA_LOCAL:
            local = raw[a:b]
        elif number == IFA_ADDRESS:
            given = raw[a:b]
        elif number == IFA_FLAGS:
            flags = int.from_bytes(raw[a:b], "little")
        elif number == IFA_PROTO:
            origin = raw[a]
    alone = local or given
    if alone is None:
        return None
    if family == 10 and (not flags & IFA_F_PERMANENT or flags & IFA_F_MANAGETEMPADDR):
        return None
    if family == 10 and scope == RT_SCOPE_LINK and _is_the_kernels(alone, flags, origin):
        return None
    text = unpack_ip(alone)
    if text == "::1" or (text == "127.0.0.1" and index == 1):
        return None
    return index, f"{text}/{length}"


def _is_the_kernels(address: bytes, flags: int, origin: int) -> bool:
    """Tell whether the kernel made a link-local address: it says so from Linux 5.18 on; before, its form did."""
    if flags & _STABLE_PRIVACY:
        return True  # of a device without a MAC, or where the machine wants them so
    return origin == IFAPROT_KERNEL_LL or (address[11:13] == b"\xff\xfe" and not flags & IFA_F_NODAD)


@dataclass(slots=True)
class RouteRecord:
    """A route as a dump tells it; `index` is that of its device."""

    to: str
    via: str | None
    index: int
    table: int
    metric: int
    kind: str
    source: str | None
    onlink: bool
    mtu: int | None
    protocol: int
    #: Of a route of several ways: gateway, device and weight of each.
    hops: tuple[tuple[str | None, int, int], ...] = ()

    @property
    def indices(self) -> tuple[int, ...]:
        """The indices of the devices that packets leave by."""
        return tuple(index for _, index, _ in self.hops) or (self.index,)

    def fact(self, node: str, names: Mapping[int, str]) -> Route:
        """Give the fact; `names` are those of the node's devices."""
        hops = sorted(((via, names.get(index, ""), weight) for via, index, weight in self.hops), key=repr)
        return Route(
            node,
            self.to,
            self.via,
            names.get(self.index),
            self.table,
            self.metric,
            self.kind,
            self.source,
            self.onlink,
            self.mtu,
            tuple(hops),
        )


def route(raw: bytes, start: int, end: int) -> RouteRecord | None:
    """Turn a RTM_NEWROUTE body into a record; None for what the kernel, a redirect or a router made."""
    family, length, _, _, table, protocol, _, kind, flags = ROUTE.unpack_from(raw, start)
    if protocol in (RTPROT_KERNEL, RTPROT_RA, RTPROT_REDIRECT) or flags & RTM_F_CLONED or kind not in ROUTE_KINDS:
        return None
    network = "::" if family == 10 else "0.0.0.0"  # noqa: S104 -- the name of "everywhere", not a place to bind
    found = RouteRecord(network, None, 0, table or MAIN_TABLE, 0, ROUTE_KINDS[kind], None, False, None, protocol)
    found.onlink = bool(flags & RTNH_F_ONLINK)
    for number, a, b in attributes(raw, start + 12, end):
        if number == RTA_DST:
            found.to = unpack_ip(raw[a:b])
        elif number == RTA_GATEWAY:
            found.via = unpack_ip(raw[a:b])
        elif number == RTA_OIF:
            found.index = int.from_bytes(raw[a:b], "little")
        elif number == RTA_PRIORITY:
            found.metric = int.from_bytes(raw[a:b], "little")
        elif number == RTA_PREFSRC:
            found.source = unpack_ip(raw[a:b])
        elif number == RTA_TABLE:
            found.table = int.from_bytes(raw[a:b], "little")
        elif number == RTA_METRICS:
            found.mtu = next(
                (int.from_bytes(raw[x:y], "little") for n, x, y in attributes(raw, a, b) if n == RTAX_MTU), None
            )
        elif number == RTA_MULTIPATH:
            found.hops = tuple(_hops(raw, a, b))
    found.to += f"/{length}"
    if family == 10:
        found.metric = 0 if found.metric == IPV6_METRIC else found.metric
        if found.kind != "unicast":
            found.index = 0  # IPv6 hangs its rejecting routes on lo
    return found


def _hops(raw: bytes, start: int, end: int) -> Iterator[tuple[str | None, int, int]]:
    """Give the ways of a route (struct rtnexthop: length, flags, weight less 1, index)."""
    while start + 8 <= end:
        size, _, less, index = unpack_from("=HBBi", raw, start)
        if size < 8:
            return
        found = {number: raw[a:b] for number, a, b in attributes(raw, start + 8, start + size)}
        yield unpack_ip(found[RTA_GATEWAY]) if RTA_GATEWAY in found else None, index, less + 1
        start += size + 3 & ~3


def namespace_id(raw: bytes, start: int, end: int) -> int:
    """Give the id of a RTM_NEWNSID body; -1 where the namespace has none here."""
    for number, a, b in attributes(raw, start + 4, end):
        if number == NETNSA_NSID:
            return int.from_bytes(raw[a:b], "little", signed=True)
    return -1
