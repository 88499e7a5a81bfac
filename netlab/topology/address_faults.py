"""Finds what is wrong with addresses once every device has its own: twice the same, overlaps, MACs."""

from __future__ import annotations

from netlab.errors import Severity
from netlab.facts.devices import TAKERS
from netlab.source import Path
from netlab.topology.addressing import outside_of_bridge
from netlab.topology.draft import Device, Draft, NodeDraft
from netlab.topology.ip import Ip
from netlab.topology.segments import Segments


def find_address_faults(draft: Draft, segments: Segments) -> None:
    """Tell every fault of addresses and MACs."""
    holders: dict[tuple[int, int], list[tuple[Device, Path]]] = {}
    macs: dict[str, Device] = {}
    for node in draft.nodes.values():
        for device in node.devices.values():
            _mac(draft, segments, device, macs)
            if not device.addresses:
                continue
            outside_of_bridge(draft, device, segments)
            for ip, path in device.addresses:
                holders.setdefault((ip.version, ip.value), []).append((device, path))
        _overlaps(draft, segments, node)
    for held in holders.values():
        if len(held) > 1:
            _duplicate(draft, segments, held)


def _duplicate(draft: Draft, segments: Segments, held: list[tuple[Device, Path]]) -> None:
    """Two holders of one address: an error on one link or in one node, a warning elsewhere, nothing on `lo`."""
    first, first_path = held[0]
    for device, path in held[1:]:
        ip = next(ip for ip, at in device.addresses if at == path)
        same_link = segments.of(device) is segments.of(first)
        if ip.is_link_local and not same_link:
            continue
        what = f"the address {ip.host} stands twice: {first} has it at {draft.place(first_path)}, {device} here"
        if device.node == first.node and device.vrf is not first.vrf and not same_link:
            continue  # What keeps them apart is what VRFs are for.
        unknown = device.kind == "veth" and device.peer is None and first.peer is None
        if device.node == first.node or same_link or unknown:
            draft.tell("duplicate-address", what, path, _free(device, ip, held))
        elif "lo" not in (device.kind, first.kind):
            draft.warn("duplicate-address", f"{what}; they are on different links", path)


def _free(device: Device, ip: Ip, held: list[tuple[Device, Path]]) -> str:
    if any(other is not device and other.path == device.path for other, _ in held):
        return "a range of nodes cannot share one address: leave it out and netlab chooses"
    return "give one of them another address" if not ip.is_single else "remove one of them"


def _overlaps(draft: Draft, segments: Segments, node: NodeDraft) -> None:
    """Warn of two devices of one node whose subnets overlap: only one of them is used.

    Not of a macvlan or ipvlan and what is on the same wire: that is what they are for.
    """
    found = [
        (ip.version, ip.base, ip, device, path)
        for device in node.devices.values()
        for ip, path in device.addresses
        if not ip.is_single and not ip.is_link_local
    ]
    if len(found) < 2:
        return
    # Sorted by where they begin, a network overlaps an earlier one if it begins before the furthest end so far.
    furthest: tuple[Ip, Device] | None = None
    for _, _, ip, device, path in sorted(found, key=lambda one: (one[0], one[1], one[2].prefix)):
        if furthest is not None and furthest[1] is not device and furthest[0].holds(ip.version, ip.base):
            if ip.value == furthest[0].value:
                continue  # One address on two devices is told as that.
            if _share_a_wire(segments, device, furthest[1]) or device.vrf is not furthest[1].vrf:
                continue
            what = f"the subnet of {ip} on {device} overlaps {furthest[0].network} on {furthest[1].name}"
            draft.warn("overlap", what, path, "give them subnets of their own")
        elif furthest is None or not furthest[0].holds(ip.version, ip.base):
            furthest = (ip, device)


def _share_a_wire(segments: Segments, one: Device, other: Device) -> bool:
    """Tell whether one of two devices is a macvlan or ipvlan on the wire of the other."""
    stacked = not TAKERS.isdisjoint((one.kind, other.kind))
    return stacked and one.node == other.node and segments.of(one) is segments.of(other)


def _mac(draft: Draft, segments: Segments, device: Device, macs: dict[str, Device]) -> None:
    """Warn of a MAC that stands twice; macvlans of one device, and that device, cannot share one."""
    section = device.section
    if section is None or section.mac is None or device.kind == "lo":
        return
    other = macs.setdefault(section.mac, device)
    if other is not device:
        path = (*(device.path[:-1] if device.path[-1] == "name" else device.path), "mac")
        what = f"the MAC {section.mac} stands twice: {other} has it too"
        severity: Severity = "error" if _share_a_wire(segments, device, other) else "warning"
        draft.tell("duplicate-mac", what, path, "leave it out and netlab derives one of its own", severity)
