"""Addresses of devices -> the routes that the kernel makes of them by itself: to the address, its network, all in it.

Sources: net/ipv4/fib_frontend.c (fib_add_ifaddr), net/ipv6/addrconf.c (inet6_addr_add, addrconf_join_anycast).
"""

from __future__ import annotations

from ipaddress import ip_interface

from netlab.facts.routing import MAIN_TABLE
from netlab.simulator.network import LOCAL_TABLE, Entry, Hop, Nic
from netlab.simulator.packet import BITS, Version, number_of

#: Metric of routes that the kernel makes for IPv6 addresses (IP6_RT_PRIO_ADDRCONF).
_CONNECTED6 = 256


def route_address(nic: Nic, address: str, length: int) -> None:
    """Give the routes that come with an address: to itself, to its network, to everybody in that."""
    nic.node.addresses.setdefault(address, nic)
    if ":" in address:
        _route_ipv6(nic, address, length)
    else:
        _route_ipv4(nic, address, length, _primary(nic, address, length))


def route_link_local(nic: Nic) -> None:
    """Give the address that a device makes of its MAC by itself."""
    own = nic.link_local
    if own is not None and nic.kind not in ("lo", *_NO_LINK_LOCAL) and nic.up and nic.speaks(6):
        nic.node.addresses.setdefault(own, nic)
        _add(nic, 6, "local", own, 128, LOCAL_TABLE, 0, own)


#: Kinds that get no link-local address: members of bridges and bonds do get one, if they are up.
_NO_LINK_LOCAL = ("vrf", "tun")


def _tables(nic: Nic) -> tuple[int, int]:
    """Give the tables that a device's own addresses and its networks go into: a VRF has one for both."""
    vrf = nic.vrf
    return (LOCAL_TABLE, MAIN_TABLE) if vrf is None else (int(vrf.options["table"]),) * 2


def _route_ipv4(nic: Nic, address: str, length: int, primary: str) -> None:
    local, main = _tables(nic)
    # An address belongs to the node even while its device is down (fib_sync_down_dev).
    _add(nic, 4, "local", address, 32, local, 0, primary)
    if not nic.up or primary != address or length == 32:
        return
    if nic.kind == "lo":
        _add(nic, 4, "local", address, length, local, 0, primary)
        return
    _add(nic, 4, "unicast", address, length, main, 0, primary)
    if length < 31:
        last = str(ip_interface(f"{address}/{length}").network.broadcast_address)
        _add(nic, 4, "broadcast", last, 32, local, 0, primary)


def _primary(nic: Nic, address: str, length: int) -> str:
    """Give the first address of a device in the same network: the others are its secondaries."""
    number = number_of(address) >> (32 - length)
    same = (own for own, bits in nic.of_version(4) if bits == length and number_of(own) >> (32 - length) == number)
    return next(same, address)


def _route_ipv6(nic: Nic, address: str, length: int) -> None:
    if not nic.speaks(6):
        return
    local, main = _tables(nic)
    _add(nic, 6, "local", address, 128, local, 0, address)
    # An address that a device that is down was given is the node's own all the same (fc_ignore_dev_down).
    if nic.kind != "lo" and nic.up:
        # Connected routes of IPv6 prefer no source: RFC 6724 chooses.
        _add(nic, 6, "unicast", address, length, main, _CONNECTED6, None)
    if nic.up and length < 127 and nic.node.own_setting(6, nic, "forwarding"):
        # A router has the address of each of its subnets (addrconf_join_anycast).
        base = str(ip_interface(f"{address}/{length}").network.network_address)
        nic.node.anycast.setdefault(base, []).append(nic)
        _add(nic, 6, "anycast", base, 128, local, 0, None, of=f"{address}/{length}")


def _add(
    nic: Nic,
    version: Version,
    kind: str,
    address: str,
    length: int,
    table: int,
    metric: int,
    source: str | None,
    *,
    of: str | None = None,
) -> None:
    """Add a route that comes with an address: with its `source`, or another that is said (`of`), or its own."""
    network = ip_interface(f"{address}/{length}").network
    held = next((bits for own, bits in nic.addresses if own == (source or address)), length)
    key = ("address", nic.node.name, nic.name, of or f"{source or address}/{held}")
    entry = Entry(str(network), length, kind, table, (Hop(None, nic),), metric, source, None, key)
    nic.node.table(version, table).add(entry, int(network.network_address), BITS[version])
