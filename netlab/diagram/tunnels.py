"""Turns devices of other kinds into words, and a VXLAN's forwarding entries into the tunnels that they amount to.

A tunnel is there where an entry sends to an address that a device of another node holds, and that node has a VXLAN of
the same number to take the packets out again. Entries that lead anywhere else are said beside the device.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface

from netlab.diagram.elements import natural
from netlab.diagram.index import At, Index
from netlab.facts import Device, Forwarding, Key


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Two VXLAN devices, at least one of which sends to the other; and the entries by which it does."""

    ends: tuple[Device, Device]
    entries: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Tunnels:
    """All tunnels of a lab, and by device the entries that lead to no device of it."""

    found: tuple[Tunnel, ...]
    outward: Mapping[At, tuple[Forwarding, ...]]


def tunnels(found: Index) -> Tunnels:
    """Sort the forwarding entries of a lab into tunnels and others."""
    holders: dict[str, set[str]] = defaultdict(set)
    for (node, _), addresses in found.addresses.items():
        for address in addresses:
            holders[str(ip_interface(address.address).ip)].add(node)
    networks: dict[object, list[Device]] = defaultdict(list)
    for device in found.others.values():
        networks[_network(device)].append(device)
    entries: dict[tuple[Device, Device], set[Key]] = defaultdict(set)
    outward: dict[At, set[Forwarding]] = defaultdict(set)
    for fact in found.forwardings:
        near = found.others.get((fact.node, fact.device))
        peers = [] if near is None else networks[_network(near)]
        far = [one for one in peers if one.node != fact.node and one.node in holders[fact.to]]
        if near is None or not far:
            outward[fact.node, fact.device].add(fact)
            continue
        a, b = sorted((near, min(far, key=_place)), key=_place)
        entries[a, b].add(fact.key)
    return Tunnels(
        tuple(Tunnel(ends, tuple(keys)) for ends, keys in entries.items()),
        {at: tuple(sorted(facts, key=lambda fact: (natural(fact.to), fact.mac))) for at, facts in outward.items()},
    )


def _network(device: Device) -> object:
    """Say what two devices must have in common for the one to take what the other sends."""
    options = dict(device.options)
    return device.kind, options.get("id"), options.get("port")


def _place(device: Device) -> tuple[object, object]:
    return natural(device.node), natural(device.name)


def caption(device: Device) -> str:
    """Say what a device is, as a person would write beside it.

    >>> caption(Device("a", "d0", "vxlan", options=(("id", 1),)))
    'vxlan 1'
    """
    from netlab.kinds.registry import KINDS

    kind = KINDS.get(device.kind)
    return (kind.caption(dict(device.options)) if kind else "") or device.kind


def kinds_in_words(devices: Iterable[Device]) -> Iterator[str]:
    """Count devices by kind.

    >>> list(kinds_in_words([Device("a", "d0", "dummy"), Device("a", "d1", "dummy")]))
    ['2 dummies']
    """
    from netlab.kinds.registry import KINDS

    counts = Counter(device.kind for device in devices)
    for name in (*KINDS, *sorted(counts.keys() - KINDS.keys())):
        if number := counts[name]:
            many = KINDS[name].plural if name in KINDS else f"{name}s"
            yield f"{number:,} {name if number == 1 else many}"
