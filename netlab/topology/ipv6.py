"""IPv6 of nodes: who speaks it, and which devices cannot.

The kernel takes all IPv6 off a device whose MTU is below 1280, and refuses what is to be put there (addrconf_notify).
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.facts import Neighbour
from netlab.kinds.device import LEAST_IPV6_MTU
from netlab.kinds.vxlan import VxlanSection
from netlab.source import Path
from netlab.topology.draft import Device, Draft, NodeDraft
from netlab.topology.mtus import Mtus


def speak_ipv6(draft: Draft) -> None:
    """Tell of every node whether it speaks IPv6: if it says so, or has anything of IPv6."""
    for node in draft.nodes.values():
        said, at = None, node.path
        for section, path in node.parts:
            if section.ipv6 is not None:
                said, at = section.ipv6, (*path, "ipv6")
        has = next(_things(node), None)
        if said is False and has is not None:
            draft.tell("ipv6", f"ipv6 is off in {node.name}, which has an IPv6 {has}", at, "remove ipv6: false")
        node.ipv6 = has is not None if said is None else said


def _things(node: NodeDraft) -> Iterator[str]:
    """Give what a node has of IPv6."""
    devices = node.devices.values()
    yield from ("address" for device in devices for ip, _ in device.addresses if ip.version == 6)
    yield from ("route" for route, _ in node.routes if route.version == 6)
    sections = (device.section for device in devices)
    yield from ("VXLAN" for section in sections if isinstance(section, VxlanSection) and section.is_over_ipv6)
    yield from ("neighbour" for section, _ in node.parts for one in section.neighbours if one.address.version == 6)


def find_ipv6_faults(draft: Draft) -> None:
    """Tell of devices that are too small for the IPv6 that they are to have, each once."""
    mtus = Mtus(draft)
    for node in draft.nodes.values():
        small: set[Device] = set()
        for device, path, what in _uses(node):
            if device not in small and mtus.of(device) < LEAST_IPV6_MTU:
                small.add(device)
                _tell_small(draft, mtus, device, path, what)


def _uses(node: NodeDraft) -> Iterator[tuple[Device, Path, str]]:
    """Give the devices that have anything of IPv6, what it is, and where it was asked for."""
    for device in node.devices.values():
        yield from ((device, path, str(ip)) for ip, path in device.addresses if ip.version == 6)
    for route, path in node.routes:
        if route.version == 6:
            yield from ((node.devices[name], path, f"the route to {route.to}") for name in route.devices)
    for fact, path in node.policy:
        if isinstance(fact, Neighbour) and fact.version == 6:
            yield node.devices[fact.device], path, f"the neighbour {fact.address}"


def _tell_small(draft: Draft, mtus: Mtus, device: Device, path: Path, what: str) -> None:
    own = device.section is not None and device.section.mtu is not None
    origin = None if own else mtus.origin(device)
    whence, fix = ("", f"write mtu: {LEAST_IPV6_MTU} or more")
    if origin is not None:
        whence, fix = f", from {origin}", f"give {origin} a larger MTU"
    text = f"{device} has an MTU of {mtus.of(device)}{whence}; IPv6 needs at least {LEAST_IPV6_MTU}"
    draft.tell("mtu", f"{text}, and {what} would vanish", path, fix)
