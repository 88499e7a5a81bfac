"""Facts to rtnetlink messages: what to send to create, change or delete each. Pure; decode.py is its inverse.

Devices are addressed by name wherever the kernel allows it (it does for links), by index where it does not
(addresses, routes, masters): callers give indices. Index 0 at creation lets the kernel choose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from ipaddress import ip_interface, ip_network
from struct import Struct

from netlab.facts import PROTOCOL, Address, Bridge, Device, End, Port, Route, Veth
from netlab.facts.links import BRIDGE_DEFAULTS, PORT_DEFAULTS
from netlab.kernel.codec import (
    ADDRESS,
    I32,
    IFA_ADDRESS,
    IFA_F_NODAD,
    IFA_FLAGS,
    IFA_LOCAL,
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
    IFLA_LINKINFO,
    IFLA_MASTER,
    IFLA_MTU,
    IFLA_NET_NS_FD,
    IFLA_NUM_RX_QUEUES,
    IFLA_NUM_TX_QUEUES,
    IPV6_METRIC,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    NLM_F_REQUEST,
    ROUTE,
    ROUTE_NUMBERS,
    RT_SCOPE_HOST,
    RT_SCOPE_LINK,
    RT_SCOPE_NOWHERE,
    RT_SCOPE_UNIVERSE,
    RTA_DST,
    RTA_GATEWAY,
    RTA_METRICS,
    RTA_MULTIPATH,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTA_TABLE,
    RTAX_MTU,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELROUTE,
    RTM_GETLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    RTNH_F_ONLINK,
    VETH_INFO_PEER,
    Message,
    attribute,
    attribute_number,
    attribute_text,
    attribute_u32,
    link_body,
    pack_ip,
    pack_mac,
)
from netlab.names import GROUP

#: The largest MTU of an Ethernet device (include/uapi/linux/if_ether.h ETH_MAX_MTU).
_LARGEST_MTU = 65535

_NEW = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL
_CHANGE = NLM_F_REQUEST
#: struct rtnexthop: length, flags, weight less 1, index.
_NEXT_HOP = Struct("=HBBi")


def link_attributes(name: str, mac: str | None, mtu: int | None, grouped: bool) -> bytes:
    """Give what every new device is told: name, MAC, MTU and, where devices bear marks, the group."""
    found = attribute_text(IFLA_IFNAME, name)
    if mac is not None:
        found += attribute(IFLA_ADDRESS, pack_mac(mac))
    if mtu is not None:
        found += attribute_u32(IFLA_MTU, mtu)
    if grouped:
        found += attribute_u32(IFLA_GROUP, GROUP)
    return found


def link_info(kind: str, contents: bytes, slave: bool = False) -> bytes:
    """Wrap a kind's own attributes; `slave`: those of a port, by the kind of what it is plugged into."""
    kind_number, data_number = (
        (IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA) if slave else (IFLA_INFO_KIND, IFLA_INFO_DATA)
    )
    info = attribute(kind_number, kind.encode())
    if contents:
        info += attribute(data_number, contents)
    return attribute(IFLA_LINKINFO, info)


def _table(layouts: dict[str, tuple[int, str]], fact: Bridge | Port, names: Collection[str] | None = None) -> bytes:
    """Give the attributes of a fact's fields that a table lists, unset ones left out."""
    return b"".join(
        attribute_number(layout, int(value))
        for name, layout in layouts.items()
        if (names is None or name in names) and (value := getattr(fact, name)) is not None
    )


def new_bridge(fact: Bridge, index: int, grouped: bool) -> Message:
    """Give the message that makes a bridge; `change_link` must then say its MTU.

    A bridge keeps an MTU that it was changed to; one that it was born with follows its ports' (net/bridge/br_if.c,
    br_mtu_auto_adjust). So it is born with another.
    """
    born = None if fact.mtu is None else fact.mtu + 1 if fact.mtu < _LARGEST_MTU else fact.mtu - 1
    body = link_body(index, fact.up) + link_attributes(fact.name, fact.mac, born, grouped)
    # A kernel without VLAN filtering refuses even to be told to leave it off.
    options = {name for name, usual in BRIDGE_DEFAULTS.items() if getattr(fact, name) != usual}
    return RTM_NEWLINK, _NEW, body + link_info("bridge", _table(IFLA_BR, fact, options))


#: A pair uses one queue each way, but is given as many as there are processors (drivers/net/veth.c,
#: veth_get_num_queues), each with entries in /sys: a tenth of the time that a lab takes.
_ONE_QUEUE = attribute_u32(IFLA_NUM_TX_QUEUES, 1) + attribute_u32(IFLA_NUM_RX_QUEUES, 1)


def new_veth(
    near: End, far: End, indices: tuple[int, int], far_namespace: int | None, grouped: tuple[bool, bool]
) -> Message:
    """Give the message that makes a pair from the near end's namespace; `far_namespace` is a descriptor.

    The far end is born down.
    """
    peer = link_body(indices[1]) + link_attributes(far.name, far.mac, far.mtu, grouped[1]) + _ONE_QUEUE
    if far_namespace is not None:
        peer += attribute(IFLA_NET_NS_FD, I32.pack(far_namespace))
    body = link_body(indices[0], near.up) + link_attributes(near.name, near.mac, near.mtu, grouped[0]) + _ONE_QUEUE
    return RTM_NEWLINK, _NEW, body + link_info("veth", attribute(VETH_INFO_PEER, peer))


def change_link(name: str, fact: Bridge | End | Device, changed: Collection[str]) -> Message:
    """Give the message that sets the named fields of a device: mac, mtu, up, and a bridge's own."""
    body = link_body(0, fact.up if "up" in changed else None) + attribute_text(IFLA_IFNAME, name)
    if "mac" in changed and fact.mac is not None:
        body += attribute(IFLA_ADDRESS, pack_mac(fact.mac))
    if "mtu" in changed and fact.mtu is not None:
        body += attribute_u32(IFLA_MTU, fact.mtu)
    if isinstance(fact, Bridge) and (own := _table(IFLA_BR, fact, changed)):
        body += link_info("bridge", own)
    return RTM_NEWLINK, _CHANGE, body


#: IFLA_INET6_ADDR_GEN_MODE (8) of AF_INET6 (10): IN6_ADDR_GEN_MODE_NONE.
_NO_IPV6_ADDRESS = attribute(IFLA_AF_SPEC, attribute(10, attribute(8, b"\1")))


def with_master(message: Message, master: int, silent: bool) -> Message:
    """Give a link message that also plugs its device into the bridge with index `master`.

    `silent`: the kernel gives it no IPv6 address, which a port has no use for, and does not test one.
    """
    body = message[2] + attribute_u32(IFLA_MASTER, master)
    return message[0], message[1], body + _NO_IPV6_ADDRESS if silent else body


def mark_link(name: str, alias: str) -> Message:
    return (
        RTM_NEWLINK,
        _CHANGE,
        link_body() + attribute_text(IFLA_IFNAME, name) + attribute(IFLA_IFALIAS, alias.encode()),
    )


def set_loopback(up: bool, alias: str) -> Message:
    """Give the message that sets `lo` (always index 1) up or down and marks its namespace."""
    return RTM_NEWLINK, _CHANGE, link_body(1, up) + attribute(IFLA_IFALIAS, alias.encode())


def finish_link(fact: Device, alias: str | None) -> Message:
    """Give the message that gives a device that is there all that a new one is told; `alias` marks it, in the group."""
    body = link_body(0, fact.up) + link_attributes(fact.name, fact.mac, fact.mtu, alias is not None)
    return RTM_NEWLINK, _CHANGE, body + (b"" if alias is None else attribute(IFLA_IFALIAS, alias.encode()))


def set_up(name: str, up: bool) -> Message:
    return RTM_NEWLINK, _CHANGE, link_body(0, up) + attribute_text(IFLA_IFNAME, name)


def delete_link(name: str) -> Message:
    return RTM_DELLINK, _CHANGE, link_body() + attribute_text(IFLA_IFNAME, name)


def regroup_link(index: int, group: int) -> Message:
    return RTM_NEWLINK, _CHANGE, link_body(index) + attribute_u32(IFLA_GROUP, group)


def delete_group(group: int) -> Message:
    """Give the message that deletes every device of a group in one stroke (rtnl_group_dellink)."""
    return RTM_DELLINK, _CHANGE, link_body() + attribute_u32(IFLA_GROUP, group)


def find_link(name: str) -> Message:
    return RTM_GETLINK, _CHANGE, link_body() + attribute_text(IFLA_IFNAME, name)


def plug(device: str, master: int) -> Message:
    """Give the message that gives a device the master with index `master`: a bridge, a bond, a VRF; 0: none."""
    return RTM_NEWLINK, _CHANGE, link_body() + attribute_text(IFLA_IFNAME, device) + attribute_u32(IFLA_MASTER, master)


def port_options(fact: Port, changed: Collection[str] | None = None) -> Iterator[Message]:
    """Give the message for a port's options: the changed ones, or those that are not what a new port has."""
    if changed is None:
        changed = {name for name, default in PORT_DEFAULTS.items() if getattr(fact, name) != default}
    options = _table(IFLA_BRPORT, fact, changed)
    if options:
        body = link_body() + attribute_text(IFLA_IFNAME, fact.device) + link_info("bridge", options, slave=True)
        yield RTM_NEWLINK, _CHANGE, body


def new_address(fact: Address, index: int) -> Message:
    """Give the message that adds an address to a device of ours, where IPv6 need not look for duplicates."""
    alone, _, length = fact.address.partition("/")
    family, raw = pack_ip(alone)
    flags = IFA_F_NODAD if fact.version == 6 else 0
    # Of 127.0.0.0/8 the kernel takes no other scope (net/ipv4/devinet.c, inet_rtm_newaddr), as iproute2 knows.
    scope = RT_SCOPE_HOST if alone.startswith("127.") else RT_SCOPE_UNIVERSE
    body = ADDRESS.pack(family, int(length), flags, scope, index)
    body += attribute(IFA_LOCAL, raw) + attribute(IFA_ADDRESS, raw)
    if fact.version == 4 and int(length) < 31:
        broadcast = ip_interface(fact.address).network.broadcast_address
        body += attribute(4, broadcast.packed)
    if flags:
        body += attribute_u32(IFA_FLAGS, flags)
    return RTM_NEWADDR, _NEW, body


def delete_address(fact: Address, index: int) -> Message:
    alone, _, length = fact.address.partition("/")
    family, raw = pack_ip(alone)
    body = ADDRESS.pack(family, int(length), 0, 0, index) + attribute(IFA_LOCAL, raw) + attribute(IFA_ADDRESS, raw)
    return RTM_DELADDR, _CHANGE, body


def _route_body(fact: Route, index: int | None, hops: Sequence[int] = ()) -> bytes:
    network = ip_network(fact.to)
    direct = fact.via is None and index is not None and fact.version == 4
    scope = RT_SCOPE_LINK if direct else RT_SCOPE_UNIVERSE
    family, raw = pack_ip(str(network.network_address))
    table = fact.table if fact.table < 256 else 0
    flags = RTNH_F_ONLINK if fact.onlink else 0
    body = ROUTE.pack(family, network.prefixlen, 0, 0, table, PROTOCOL, scope, ROUTE_NUMBERS[fact.kind], flags)
    if network.prefixlen:
        body += attribute(RTA_DST, raw)
    if index is not None:
        body += attribute_u32(RTA_OIF, index)
    if fact.hops:
        ways = zip(fact.hops, hops, strict=True)
        body += attribute(RTA_MULTIPATH, b"".join(_hop(via, way, weight) for (via, _, weight), way in ways))
    if fact.via is not None:
        body += attribute(RTA_GATEWAY, pack_ip(fact.via)[1])
    if fact.source is not None:
        body += attribute(RTA_PREFSRC, pack_ip(fact.source)[1])
    if fact.metric:
        body += attribute_u32(RTA_PRIORITY, fact.metric)
    if fact.mtu is not None:
        body += attribute(RTA_METRICS, attribute_u32(RTAX_MTU, fact.mtu))
    return body + attribute_u32(RTA_TABLE, fact.table)


def _hop(via: str | None, index: int, weight: int) -> bytes:
    """Give one way of several: struct rtnexthop, and the gateway."""
    gateway = b"" if via is None else attribute(RTA_GATEWAY, pack_ip(via)[1])
    return _NEXT_HOP.pack(8 + len(gateway), 0, weight - 1, index) + gateway


def new_route(fact: Route, index: int | None, hops: Sequence[int] = ()) -> Message:
    """Give the message that makes a route; `index` and `hops` are those of its devices."""
    return RTM_NEWROUTE, _NEW, _route_body(fact, index, hops)


def change_route(fact: Route, index: int | None, hops: Sequence[int] = ()) -> Message:
    return RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE, _route_body(fact, index, hops)


def delete_link_by_index(index: int) -> Message:
    return RTM_DELLINK, _CHANGE, link_body(index)


def delete_route(fact: Route, protocol: int = 0) -> Message:
    """Give the message that deletes a route by destination, table and metric, whoever made it, or a protocol's only."""
    network = ip_network(fact.to)
    family, raw = pack_ip(str(network.network_address))
    table = fact.table if fact.table < 256 else 0
    kind = 0 if fact.kind == "unicast" else ROUTE_NUMBERS[fact.kind]
    body = ROUTE.pack(family, network.prefixlen, 0, 0, table, protocol, RT_SCOPE_NOWHERE, kind, 0)
    if network.prefixlen:
        body += attribute(RTA_DST, raw)
    # Of a message without a metric the kernel takes the first route to the place; in IPv4 that is the one of metric 0.
    metric = fact.metric or (IPV6_METRIC if fact.version == 6 else 0)
    if metric:
        body += attribute_u32(RTA_PRIORITY, metric)
    return RTM_DELROUTE, _CHANGE, body + attribute_u32(RTA_TABLE, fact.table)


def changed_of(fact: Veth, names: Collection[str], end: str) -> set[str]:
    """Give the fields of one end (`a` or `b`) among dotted field names.

    >>> from netlab.facts import End, veth
    >>> changed_of(veth(End("x", "1"), End("y", "2")), ["a.mtu", "b.up"], "a")
    {'mtu'}
    """
    return {name[2:] for name in names if name.startswith(f"{end}.") and name[2:] in {f.name for f in fields(End)}}
