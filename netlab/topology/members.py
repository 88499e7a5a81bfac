"""Members of bonds and VRFs: who is one, and what the kernel refuses or overrides of one.

a device has one master                                              do_set_master
a bond's member is up only by the bond, and has its MAC and MTU      bond_main.c bond_enslave
neither VRFs nor bonds nor bridges become members of bonds           (VRFs: by the kernel; the others: rings)
lo and VRFs become no members of VRFs                                drivers/net/vrf.c do_vrf_add_slave
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.kinds.bond import BondSection
from netlab.kinds.tap import TapSection
from netlab.kinds.vrf import VrfSection
from netlab.names import HOST
from netlab.source import Path, quote
from netlab.topology.draft import Device, Draft, NodeDraft, nearest

#: Kinds that cannot be members, by the kind of the master. An ipvlan cannot be given another MAC.
_UNFIT = {"bond": frozenset({"lo", "bridge", "bond", "vrf", "ipvlan"}), "vrf": frozenset({"lo", "vrf"})}


def enslave(draft: Draft) -> None:
    """Find the members of every bond and VRF, once all devices and bridges' ports are known."""
    for node in draft.nodes.values():
        for master in list(node.devices.values()):
            section = master.section
            if isinstance(section, BondSection | VrfSection):
                for number, name in enumerate(section.devices):
                    _enslave(draft, node, master, name, (*master.path, "devices", number))
        _check_tables(draft, node)


def _enslave(draft: Draft, node: NodeDraft, master: Device, name: str, path: Path) -> None:
    device = node.devices.get(name)
    if device is None:
        if not node.doubtful:
            near = nearest(name, [one for one in node.devices if one not in ("lo", master.name)])
            fix = f"write {near}" if near else f"add interfaces: {{{name}: ...}}"
            draft.tell("unknown-device", f"{node.name} has no device {quote(name)}", path, fix)
        return
    fault = _fault(master, device)
    if fault is not None:
        draft.tell("member", fault, path, "remove it")
        return
    device.master = master
    master.members.append(device)
    if master.kind == "bond":
        _check_own(draft, device)


def _fault(master: Device, device: Device) -> str | None:
    """Say why a device cannot be a member, if it cannot."""
    if device is master:
        return f"{device.name} cannot be its own member"
    if device.master is not None:
        what = "already" if device.master is master else f"of {device.master.name} already"
        return f"{device.name} is a member {what}"
    if device.kind in _UNFIT[master.kind] or (master.kind == "bond" and _is_of_ip(device)):
        named = device.name if device.kind == "lo" else f"the {device.kind} {device.name}"
        return f"{named} cannot be a member of a {master.kind}"
    if device.bridge is not None:
        return f"{device.name} is plugged into {device.bridge.name}: it cannot be a member of {master.name} as well"
    return None


def _is_of_ip(device: Device) -> bool:
    return isinstance(device.section, TapSection) and device.section.mode == "tun"


def _check_own(draft: Draft, device: Device) -> None:
    """Refuse what a bond overrides of its members: addresses, MAC, MTU."""
    bond = device.bond
    assert bond is not None
    for section, path in device.sources:
        for _, at in section.given():
            what = f"{device.name} is a member of {bond.name}: an address on it does not answer"
            draft.tell("member-address", what, (*path, *at), f"give the address to {bond.name}")
        for key in ("mac", "mtu"):
            if getattr(section, key) is not None:
                what = f"{device.name} has the {key.upper()} of {bond.name}, which it is a member of"
                draft.tell(key, what, (*path, key), f"move it to {bond.name}", key=True)
        if not section.up:
            what = f"{device.name} is set up by {bond.name}, which it is a member of"
            draft.tell("down", what, (*path, "up"), f"remove it, or take it from {bond.name}", key=True)


def _check_tables(draft: Draft, node: NodeDraft) -> None:
    """Refuse two VRFs of one table; warn of what VRFs leave behind on the machine itself."""
    seen: dict[int, Device] = {}
    for device in _vrfs(node):
        assert isinstance(device.section, VrfSection)
        first = seen.setdefault(device.section.table, device)
        if first is not device:
            what = f"the table {device.section.table} is {first.name}'s already"
            draft.tell("number", what, (*device.path, "table"), "give one of them another table")
        elif first is next(iter(seen.values())) and node.name == HOST and not draft.sandboxed:
            what = "the first VRF of a machine has its kernel add the rule `1000: from all lookup [l3mdev-table]`"
            draft.warn("vrf", f"{what}, which stays when the lab is gone", device.path, "add host: {sandbox: true}")


def _vrfs(node: NodeDraft) -> Iterator[Device]:
    return (device for device in node.devices.values() if isinstance(device.section, VrfSection))
