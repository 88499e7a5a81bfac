"""Gives every device its addresses: those that the file names, and those that netlab chooses.

Rules: explicit addresses are reserved first; an applied lab keeps the addresses that it has (`held`); then each
bridge takes the lowest free address of its subnets, then interfaces in file order, one of IPv4 and one of IPv6. What
a fresh apply would number otherwise is told as a warning.
"""

from __future__ import annotations

from collections.abc import Mapping

from netlab.kinds.bridge import BridgeSection
from netlab.source import Path
from netlab.topology.draft import Device, Draft
from netlab.topology.ip import BITS, Ip, of_interface, of_network, of_text
from netlab.topology.pools import Pool
from netlab.topology.segments import Segments

Held = Mapping[tuple[str, str], str]
#: A device that is to be given an address, and the subnets to take one of each from.
Wish = tuple[Device, tuple[Ip, ...]]
_SHOWN = 4


def address(draft: Draft, segments: Segments, held: Held) -> None:
    """Fill the addresses of all devices and the subnets of all bridges."""
    devices = [device for node in draft.nodes.values() for device in node.devices.values()]
    taken = draft.taken
    for device in devices:
        for section, path in device.sources:
            for found, at in section.given():
                ip = of_interface(found)
                device.addresses.append((ip, (*path, *at)))
                taken.setdefault(segments.of(device), set()).add(ip.value)
    for device in devices:
        if device.kind == "bridge":
            _subnets(draft, device)
    wishes = _wishes(draft, devices)
    chosen = _allocate(segments, taken, wishes, held)
    if held:
        _tell_renumbering(draft, wishes, chosen, _allocate(segments, taken, wishes, {}))
    for (device, subnets), ips in zip(wishes, chosen, strict=True):
        if len(ips) < len(subnets):
            _tell_exhausted(draft, device, subnets, ips, wishes)
        if ips:
            device.addresses.extend((ip, device.path) for ip in ips)
            draft.allocated[device.node, device.name] = " ".join(str(ip) for ip in ips)


def _subnets(draft: Draft, bridge: Device) -> None:
    """Find the subnets of a bridge: those that it names, else those of its addresses."""
    given: list[tuple[Ip, Path]] = []
    for section, path in bridge.sources:
        if isinstance(section, BridgeSection):
            if section.subnet is not None:
                given.append((of_network(section.subnet), (*path, "subnet")))
            given += [(of_network(one), (*path, "subnets", i)) for i, one in enumerate(section.subnets)]
    for subnet, path in given:
        other = next((one for one in bridge.subnets if subnet.overlaps(one)), None)
        if other is None:
            bridge.subnets.append(subnet)
        else:
            what = f"the subnet {subnet} of {bridge.name} overlaps {other}"
            draft.tell("overlap", what, path, "remove one of them")
    versions = {subnet.version for subnet in bridge.subnets}
    for ip, path in bridge.addresses:
        if ip.version not in versions and not ip.is_single and not ip.is_link_local:
            if ip.network not in bridge.subnets:
                bridge.subnets.append(ip.network)
        elif (
            given
            and ip.version in versions
            and not ip.is_link_local
            and not any(one.holds(ip.version, ip.value) for one in bridge.subnets)
        ):
            inside = next(one for one in bridge.subnets if one.version == ip.version)
            _tell_outside(draft, bridge, ip, inside, path, {one.value for one, _ in bridge.addresses})


def _wishes(draft: Draft, devices: list[Device]) -> list[Wish]:
    """List who is to be given addresses, bridges first, each in file order."""
    bridges: list[Wish] = []
    others: list[Wish] = []
    for device in devices:
        if device.kind == "bridge":
            open_ones = _without_address(device)
            if open_ones:
                bridges.append((device, open_ones))
            continue
        bridge = device.on
        if bridge is None or not bridge.subnets or bridge.node == device.node or device.bond is not None:
            continue
        if not device.addresses and all(section.wants_address for section, _ in device.sources):
            others.append((device, _one_of_each(bridge.subnets)))
    others.sort(key=lambda wish: (draft.span(wish[0].path).line, draft.span(wish[0].path).column))
    return bridges + others


def _without_address(bridge: Device) -> tuple[Ip, ...]:
    if isinstance(bridge.section, BridgeSection) and bridge.section.address == "none":
        return ()
    return tuple(
        one for one in bridge.subnets if not any(one.holds(ip.version, ip.value) for ip, _ in bridge.addresses)
    )


def _one_of_each(subnets: list[Ip]) -> tuple[Ip, ...]:
    if len(subnets) == 1:
        return (subnets[0],)
    first: dict[int, Ip] = {}
    for subnet in subnets:
        first.setdefault(subnet.version, subnet)
    return tuple(first[version] for version in sorted(first))


def _allocate(
    segments: Segments, taken: Mapping[Device, set[int]], wishes: list[Wish], held: Held
) -> list[tuple[Ip, ...]]:
    """Choose addresses for all wishes: held ones first, then the lowest free ones, in the order of the wishes."""
    pools: dict[tuple[Device, Ip], Pool] = {}

    def pool(device: Device, subnet: Ip) -> Pool:
        key = (segments.of(device), subnet)
        found = pools.get(key)
        if found is None:
            found = pools[key] = Pool(subnet, set(taken.get(key[0], ())))
        return found

    kept: dict[tuple[Device, Ip], Ip] = {}
    for device, subnets in wishes if held else ():
        for text in held.get((device.node, device.name), "").split():
            ip = _parsed(text)
            for subnet in subnets:
                if ip is not None and (device, subnet) not in kept and pool(device, subnet).reserve(ip):
                    kept[device, subnet] = ip
    chosen = []
    for device, subnets in wishes:
        found = [kept.get((device, subnet)) or pool(device, subnet).take() for subnet in subnets]
        chosen.append(tuple(ip for ip in found if ip is not None))
    return chosen


def _parsed(text: str) -> Ip | None:
    try:
        return of_text(text)
    except ValueError:
        return None


def _tell_renumbering(
    draft: Draft, wishes: list[Wish], chosen: list[tuple[Ip, ...]], fresh: list[tuple[Ip, ...]]
) -> None:
    """Say which addresses a fresh apply would choose otherwise: one warning, with the first few by name."""
    moved = [
        (device, now, new) for (device, _), now, new in zip(wishes, chosen, fresh, strict=True) if now and now != new
    ]
    if not moved:
        return
    shown = [f"{d} {' '.join(map(str, new)) or 'none'} (it has {' '.join(map(str, now))})" for d, now, new in moved]
    rest = f", and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
    what = f"the lab keeps the addresses that it has; a fresh apply would give {', '.join(shown[:_SHOWN])}{rest}"
    draft.warn("renumbering", what, moved[0][0].path, "to number it afresh, destroy the lab and apply again")


def _tell_exhausted(
    draft: Draft, device: Device, subnets: tuple[Ip, ...], ips: tuple[Ip, ...], wishes: list[Wish]
) -> None:
    subnet = next(one for one in subnets if not any(one.holds(ip.version, ip.value) for ip in ips))
    needed = sum(subnet in wanted for _, wanted in wishes) + 2
    prefix = subnet.prefix
    while prefix > 1 and 1 << (BITS[subnet.version] - prefix) < needed + 1:
        prefix -= 1
    bridge = device if device.kind == "bridge" else device.on
    assert bridge is not None
    larger = Ip(subnet.version, subnet.value, min(prefix, subnet.prefix - 1)).network
    what = f"the subnet {subnet} of {bridge.name} has no address left for {device}"
    draft.tell("exhausted", what, device.path, f"take a larger subnet, such as {larger}")


def _tell_outside(draft: Draft, device: Device, ip: Ip, subnet: Ip, path: Path, taken: set[int]) -> None:
    bridge = device if device.kind == "bridge" else device.on
    assert bridge is not None
    free = Pool(subnet, set(taken)).take()
    of = f"the subnet of {bridge.name}" if bridge is not device else "its subnet"
    fix = f"write an address of {subnet}" + (f", such as {free}" if free else "")
    draft.tell("outside", f"the address {ip} is outside of {of}, {subnet}", path, fix)


def outside_of_bridge(draft: Draft, device: Device, segments: Segments) -> None:
    """Hold the explicit addresses of a device to the subnets of the bridge that it is on."""
    bridge = device.on
    if bridge is None or not bridge.subnets or (device.node, device.name) in draft.allocated:
        return
    for ip, path in device.addresses:
        same = [subnet for subnet in bridge.subnets if subnet.version == ip.version]
        if not same or ip.is_link_local:
            continue
        inside = next((subnet for subnet in same if subnet.holds(ip.version, ip.value)), None)
        if inside is None:
            taken = draft.taken.get(segments.of(device), set())
            _tell_outside(draft, device, ip, same[0], path, taken)
        elif inside.prefix != ip.prefix:
            what = f"the address {ip} is in the subnet {inside} of {bridge.name}, but its prefix length is another"
            draft.warn("prefix", what, path, f"write {Ip(ip.version, ip.value, inside.prefix)}")
