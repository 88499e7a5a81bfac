"""The order in which a node was given devices and addresses, by which the kernel chooses sources, and of equal routes.

The kernel tells of devices in the order in which they were made, of each node alone, and of addresses by device: of
IPv4's in order, of IPv6's the newest first. Of two devices in one network the routes that it made of their addresses
say which is older (net/ipv4/fib_frontend.c, fib_magic; devinet.c, inet_select_addr; net/ipv6/addrconf.c,
ipv6_link_dev_addr, addrconf_prefix_route).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from socket import AF_INET, AF_INET6
from typing import TypeVar

from netlab.facts import Fact, Key, Resource, network_of
from netlab.kernel.codec import ROUTE, RTA_DST, RTA_OIF, RTA_TABLE, RTPROT_KERNEL, attributes, route_dump, unpack_ip
from netlab.kernel.socket import RouteSocket

T = TypeVar("T")
#: An address of a device, by the device's index.
Given = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Connected:
    """A route that the kernel made of an address: its table, network and device."""

    table: int
    network: str
    index: int


def connected_routes(socket: RouteSocket) -> list[Connected]:
    """Give the routes that the kernel has made of addresses, in the order in which it looks at them."""
    return [one for family in (AF_INET, AF_INET6) for one in socket.dump(route_dump(family), connected)]


def connected(raw: bytes, start: int, end: int) -> Connected | None:
    """Turn a RTM_NEWROUTE body into such a route; None for any other."""
    _, length, _, _, table, protocol, _, kind, _ = ROUTE.unpack_from(raw, start)
    if protocol != RTPROT_KERNEL or kind != 1:  # RTN_UNICAST
        return None
    told = {number: raw[a:b] for number, a, b in attributes(raw, start + ROUTE.size, end)}
    if RTA_DST not in told or RTA_OIF not in told:
        return None
    table = int.from_bytes(told[RTA_TABLE], "little") if RTA_TABLE in told else table
    return Connected(table, f"{unpack_ip(told[RTA_DST])}/{length}", int.from_bytes(told[RTA_OIF], "little"))


def as_given(addresses: Sequence[Given], routes: Callable[[], Sequence[Connected]]) -> list[Given]:
    """Put addresses, as the kernel tells them, in the order in which they were given, as far as that shows.

    `routes` is asked for those of the node only where two devices have the same network.
    """
    four, six = ([one for one in addresses if (":" in one[1]) == of_six] for of_six in (False, True))
    told = four + six[::-1]
    firsts: dict[tuple[int, str], Given] = {}
    for index, text in told:
        firsts.setdefault((index, network_of(text)), (index, text))
    if max(Counter(network for _, network in firsts).values(), default=0) < 2:
        return told
    by_device: dict[int, list[Given]] = {}
    for one in told:
        by_device.setdefault(one[0], []).append(one)
    by_network: dict[tuple[int, str], list[Given]] = {}
    for route in routes():
        if (route.index, route.network) in firsts:
            by_network.setdefault((route.table, route.network), []).append(firsts[route.index, route.network])
    # A device that went down and came up again has routes that are newer than its addresses.
    return in_order(told, [*by_device.values(), *by_network.values()])


def as_made(links: Sequence[Fact], nodes: Iterable[tuple[str, Sequence[str]]]) -> list[Fact]:
    """Put links in the order in which each node, by its name, got its devices: so it looks for an address."""
    by_key: dict[Key, Fact] = {}
    keys: dict[Resource, Key] = {}
    for link in links:
        by_key[link.key] = link
        keys |= dict.fromkeys(link.provides(), link.key)
    # Both ends of a pair may be of one node: it counts from where the first is.
    found = (dict.fromkeys(keys.get(("device", node, name)) for name in devices) for node, devices in nodes)
    chains = ([key for key in chain if key is not None] for chain in found)
    return [by_key[key] for key in in_order(list(by_key), chains)]


def in_order(ones: Sequence[T], chains: Iterable[Sequence[T]]) -> list[T]:
    """Put values in an order in which each chain's come one after the other; as they were where there is none."""
    order: TopologicalSorter[T] = TopologicalSorter(dict.fromkeys(ones, ()))
    for chain in chains:
        for older, newer in pairwise(chain):
            order.add(newer, older)
    try:
        return list(order.static_order())
    except CycleError:
        return list(ones)
