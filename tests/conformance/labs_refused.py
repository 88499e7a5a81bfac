"""What the kernel refuses of a lab though its file resolves: a random lab has none of it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address, ip_interface, ip_network

from netlab.facts import MAIN_TABLE, Address, Bridge, Chain, Fact, Neighbour, Route, Settings
from netlab.topology.lab import Lab

_LEAST_IPV6_MTU = 1280


class _Node:
    """What a node has, sorted."""

    def __init__(self) -> None:
        self.addresses: list[IPv4Interface | IPv6Interface] = []
        self.routes: list[Route] = []
        self.ipv6 = True
        self.small_bridges: set[str] = set()
        self.rest: list[Fact] = []


def is_refused(lab: Lab) -> bool:
    """Tell whether the kernel would refuse a fact of the lab, or give it back in other words than it was given."""
    return any(_is_refused(fact, node) for node in _sorted(lab).values() for fact in node.rest)


def _is_refused(fact: Fact, node: _Node) -> bool:
    if isinstance(fact, Route):
        return _stands_already(fact, node) or _is_no_gateway(fact, node)
    if isinstance(fact, Chain):
        return _is_reworded(fact)
    if isinstance(fact, (Address, Neighbour)) and fact.version == 6:
        return not node.ipv6 or fact.device in node.small_bridges
    return False


def _sorted(lab: Lab) -> dict[str, _Node]:
    found = {name: _Node() for name in lab.nodes}
    for fact in lab.facts.values():
        if isinstance(fact, Settings):
            found[fact.node].ipv6 = dict(fact.values).get("net.ipv6.conf.all.disable_ipv6") != "1"
        elif isinstance(fact, Bridge) and (fact.mtu or _LEAST_IPV6_MTU) < _LEAST_IPV6_MTU:
            found[fact.node].small_bridges.add(fact.name)
        elif isinstance(fact, (Address, Chain, Neighbour, Route)):
            found[fact.node].rest.append(fact)
        if isinstance(fact, Address):
            found[fact.node].addresses.append(ip_interface(fact.address))
        elif isinstance(fact, Route):
            found[fact.node].routes.append(fact)
    return found


def _is_reworded(chain: Chain) -> bool:
    """Tell of a published port whose target has a route of its own: nftables leaves a whole length out."""
    return any(str(rule.source).endswith(("/32", "/128")) for rule in chain.rules)


def _stands_already(route: Route, node: _Node) -> bool:
    """Tell whether an IPv4 address makes a route to the same place of the same metric (net/ipv4/fib_trie.c)."""
    own = {str(one.network) for one in node.addresses if one.version == 4 and one.network.prefixlen < 32}
    return route.table == MAIN_TABLE and route.metric == 0 and route.to in own


def _is_no_gateway(route: Route, node: _Node) -> bool:
    """Tell whether a gateway is a broadcast address, or of IPv6 behind another gateway (ip6_route_check_nh)."""
    subnets = [one.network for one in node.addresses if one.version == 4 and one.network.prefixlen < 31]
    for gateway in map(ip_address, route.gateways):
        if any(gateway == subnet.broadcast_address for subnet in subnets):
            return True
        if gateway.version == 6:
            on_link = [one.network for one in node.addresses if gateway in one.network]
            longest = max((network.prefixlen for network in on_link), default=0)
            if any(gateway in network and network.prefixlen > longest for network in _by_gateways(node)):
                return True
    return False


def _by_gateways(node: _Node) -> Iterator[IPv4Network | IPv6Network]:
    return (ip_network(route.to) for route in node.routes if route.gateways)
