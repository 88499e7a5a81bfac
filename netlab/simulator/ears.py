"""A bridge and a question for a neighbour -> the ports behind which anybody could answer it.

A question is flooded to all ports. Behind most is a plain node, which answers for its own addresses and does nothing at
all about any other: nothing is different if it is not asked. With a thousand ports that is nearly all of a walk's work.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.simulator.network import Ears, Entry, Nic, Node

#: Settings by which a node speaks for others.
_PROXIES = ("proxy_arp", "proxy_ndp", "proxy_arp_pvlan")


def ears_of(bridge: Nic) -> Ears:
    """Listen to what is behind each port of a bridge."""
    found = Ears(tuple(bridge.members))
    for number, port in enumerate(found.ports):
        far = port.peer
        if far is None or not _is_plain(port, far):
            found.always.append(number)
        else:
            for address in {*_own(far)}:
                found.by_address.setdefault(address, []).append(number)
    return found


def _is_plain(port: Nic, far: Nic) -> bool:
    """Tell whether a port leads to a node that speaks for itself only, and hands no frame on."""
    whole = port.kind == "veth" and port.impairment is None
    return whole and far.master is None and not far.uppers and not speaks_for_others(far.node)


def _own(far: Nic) -> Iterator[str]:
    """Give what a node has that a question by a device could be about: any of its addresses."""
    yield from far.node.addresses
    yield from far.node.anycast
    yield from (address for nic in far.node.devices.values() for address, _ in nic.addresses)
    if far.link_local is not None:
        yield far.link_local


def speaks_for_others(node: Node) -> bool:
    """Tell whether a node may answer for addresses that it has not: by a setting, or with a whole prefix on its lo."""
    said = any(name.rpartition(".")[2] in _PROXIES and value != "0" for name, value in node.settings.items())
    return said or any(
        entry.kind == "local" and not is_own(node, entry) and entry.to != "127.0.0.0/8"
        for table in node.tables.values()
        for entry in table.entries()
    )


def is_own(node: Node, entry: Entry) -> bool:
    """Tell whether a route is the one that a node has to an address of its own: it says no more than that."""
    address, _, length = entry.to.partition("/")
    return entry.kind == "local" and int(length) == (128 if ":" in address else 32) and address in node.addresses
