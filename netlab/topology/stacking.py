"""What the kernel refuses of devices on devices, found before it is touched.

a device stands on itself, by way of others or of a bridge's ports   netdev_upper_dev_link
a VLAN is up on a device that is down                                net/8021q/vlan_dev.c vlan_dev_open
two take in the frames of one device: a bridge, a bond, macvlans ... netdev_rx_handler_register
a macvlan in passthru is not alone                                   drivers/net/macvlan.c
ipvlans on one device differ in mode (it is the device's)            drivers/net/ipvlan/ipvlan_main.c
a tag of one device, or a VXLAN's number in one node, stands twice   vlan_check_real_dev, vxlan_vni_in_use
an MTU is more than the device below carries                         vlan_dev_change_mtu and its like
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netlab.facts.devices import TAKERS
from netlab.kinds.ipvlan import IpvlanSection
from netlab.kinds.kind import OverSection
from netlab.kinds.macvlan import MacvlanSection
from netlab.kinds.vlan import VlanSection
from netlab.kinds.vxlan import VxlanSection
from netlab.names import HOST
from netlab.topology.draft import Device, Draft
from netlab.topology.mtus import Mtus


def cut_rings(draft: Draft) -> None:
    """Refuse devices that stand on themselves, and take the ring apart, so that nothing follows it for ever."""
    ports: dict[Device, list[Device]] = {}
    for device in _all(draft):
        if device.bridge is not None and device.bridge.node == device.node:
            ports.setdefault(device.bridge, []).append(device)
    for device in _all(draft):
        if device.over is not None and device in _below(device, ports):
            what = f"{device.name} stands on itself, by way of {device.over.name}"
            draft.tell("ring", what, (*device.path, "dev"), "name another device")
            device.over = None


def _below(device: Device, ports: dict[Device, list[Device]]) -> set[Device]:
    """Give everything that a device stands on; a bridge stands on its ports, a bond on its members."""
    found: set[Device] = set()
    queue = [device]
    while queue:
        one = queue.pop()
        beneath = [*ports.get(one, ()), *one.members, *([] if one.over is None else [one.over])]
        queue += [other for other in beneath if other not in found]
        found.update(beneath)
    return found


def stand_on_real_devices(draft: Draft) -> None:
    """Have what stands on a macvlan (or ipvlan) and is one itself stand on the device below, as the kernel does."""
    for device in _all(draft):
        while device.over is not None and device.kind in TAKERS and device.over.kind == device.kind:
            device.over = device.over.over


def find_stacking_faults(draft: Draft) -> None:
    """Tell what the kernel would refuse of devices on devices, once each knows what it stands on."""
    above: dict[Device, list[Device]] = {}
    for device in _all(draft):
        if device.over is not None:
            above.setdefault(device.over, []).append(device)
    for device in _all(draft):
        _check_up(draft, device)
        _check_takers(draft, device, [one for one in above.get(device, ()) if one.kind in TAKERS])
    _check_numbers(draft)
    _check_mtus(draft)
    _check_locals(draft)


def _all(draft: Draft) -> Iterator[Device]:
    return (device for node in draft.nodes.values() for device in node.devices.values())


def _check_up(draft: Draft, device: Device) -> None:
    if device.kind == "vlan" and device.up and device.over is not None and not device.over.up:
        what = f"{device.name} cannot be up while {device.over.name}, below it, is down"
        draft.tell("down", what, device.path, f"add up: false, or set {device.over.name} up", key=True)


def _check_takers(draft: Draft, below: Device, takers: list[Device]) -> None:
    if takers and below.bond is not None:
        what = f"{below.name} is a member of {below.bond.name}, which takes in its frames"
        fix = f"write dev: {below.bond.name}"
        draft.tell("taken", f"{what}: no {takers[0].kind} can stand on it", (*takers[0].path, "dev"), fix)
    if takers and below.bridge is not None and below.bridge.node == below.node:
        bridge = below.bridge.name
        what = f"{below.name} is plugged into {bridge}, which takes in its frames: no {takers[0].kind} can stand on it"
        draft.tell("taken", what, (*takers[0].path, "dev"), f"write dev: {bridge}")
    for one in takers[1:]:
        first = takers[0]
        modes = [t.section.mode for t in (first, one) if isinstance(t.section, (MacvlanSection, IpvlanSection))]
        if one.kind != first.kind:
            what = f"{below.name} carries the {first.kind} {first.name}: no {one.kind} can stand beside it"
            draft.tell("taken", what, (*one.path, "dev"), f"make all of them {first.kind}s")
        elif one.kind == "macvlan" and "passthru" in modes:
            what = f"{first.name} and {one.name} are both on {below.name}: a macvlan in passthru is alone on its device"
            draft.tell("taken", what, (*one.path, "dev"), "choose another mode, or another device")
        elif one.kind == "ipvlan" and modes[0] != modes[1]:
            what = f"{first.name}, on {below.name} too, is in mode {modes[0]}: all ipvlans on one device share theirs"
            draft.tell("mode", what, one.path, "write the same mode", key=True)


def _check_numbers(draft: Draft) -> None:
    """Refuse VLANs of one tag on one device, and VXLANs of one number and port in one node."""
    seen: dict[tuple[Any, ...], Device] = {}
    for device in _all(draft):
        section = device.section
        where: str
        if isinstance(section, VlanSection) and device.over is not None:
            key: tuple[Any, ...] = (device.over, section.protocol, section.id)
            where = f"on {device.over.name}"
        elif isinstance(section, VxlanSection):
            key = (device.node, section.port, section.id, section.is_over_ipv6)
            where = f"in {device.node}"
        else:
            continue
        first = seen.setdefault(key, device)
        if first is not device:
            what = f"{device.kind} {section.id} stands twice {where}: {first.name} is it too"
            draft.tell("number", what, (*device.path, "id"), "give one of them another id")


def _check_locals(draft: Draft) -> None:
    """Warn of a VXLAN whose packets would leave with an address that its node lacks; the machine's are not known."""
    for device in _all(draft):
        local = device.section.local if isinstance(device.section, VxlanSection) else None
        node = draft.nodes[device.node]
        if local is None or node.doubtful or (node.name == HOST and not draft.sandboxed):
            continue
        if all((ip.version, ip.value) != (local.version, int(local)) for ip in node.addresses()):
            known = ", ".join([ip.host for ip in node.addresses()][:8])
            what, fix = f"{node.name} has no address {local}", f"addresses of {node.name}: {known or 'none'}"
            draft.warn("no-address", what, (*device.path, "local"), fix)


def _check_mtus(draft: Draft) -> None:
    mtus = Mtus(draft)
    for device in _all(draft):
        section = device.section
        if not isinstance(section, (OverSection, VxlanSection)) or section.mtu is None or device.over is None:
            continue
        limit = mtus.most(device)
        if limit is not None and section.mtu > limit:
            what = f"{device.name} has an MTU of {section.mtu}, but {device.over.name}, below it, carries {limit} of "
            draft.tell("mtu", f"{what}its bytes", (*device.path, "mtu"), f"write mtu: {limit} or less")
