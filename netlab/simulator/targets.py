"""A name that a packet is to go to -> an address."""

from __future__ import annotations

from difflib import get_close_matches
from ipaddress import ip_address

from netlab.simulator.fib import Asked, look_up
from netlab.simulator.network import Network
from netlab.simulator.packet import Version, is_link_local, is_loopback


def address_of(network: Network, source: str, target: str) -> str | None:
    """Give the address that a target means: itself, or of NODE or NODE:DEVICE the first that the source has a route to.

    None where there is no such name, or it has no address.
    """
    said = literal(target)
    if said is not None:
        return said
    name, _, device = target.partition(":")
    node = network.nodes.get(name)
    if node is None or (device and device not in node.devices):
        return None
    devices = [node.devices[device]] if device else list(node.devices.values())
    own = [address for nic in devices for address, _ in nic.addresses]
    usable = [address for address in own if not is_link_local(address) and not is_loopback(address)]
    reachable = (address for address in usable if _has_route(network, source, address))
    return next(reachable, usable[0] if usable else None)


def literal(text: str) -> str | None:
    """Give the address that a word is, perhaps in brackets; None of any other."""
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        return None


def _has_route(network: Network, source: str, address: str) -> bool:
    version: Version = 6 if ":" in address else 4
    return look_up(network.nodes[source], Asked(version, address)).kind in ("unicast", "local")


def nearest_name(network: Network, name: str) -> str | None:
    """Give the node whose name is nearest to one that is not there."""
    near = get_close_matches(name.partition(":")[0], network.nodes, 1)
    return near[0] if near else None
