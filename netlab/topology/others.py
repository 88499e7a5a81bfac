"""Devices that are neither bridges nor cables: from their sections to devices of the draft, and to facts."""

from __future__ import annotations

from collections.abc import Iterator

from netlab import names
from netlab.errors import Span
from netlab.facts import Device as DeviceFact
from netlab.facts import Fact, Forwarding, Member
from netlab.facts.devices import EVERYBODY
from netlab.kinds.device import DeviceSection
from netlab.kinds.kind import OtherSection
from netlab.kinds.macvlan import MacvlanSection
from netlab.kinds.registry import KINDS
from netlab.kinds.tap import TapSection
from netlab.kinds.vxlan import VxlanSection
from netlab.source import Path, quote
from netlab.topology.draft import Device, Draft, NodeDraft, nearest
from netlab.topology.members import enslave
from netlab.topology.mtus import Mtus
from netlab.topology.stacking import cut_rings, stand_on_real_devices


def others_of(node: NodeDraft) -> Iterator[Device]:
    """Give the devices that a node's sections ask for, not yet joined to anything."""
    for section, path in node.parts:
        for kind in KINDS.values():
            for name, found in getattr(section, kind.plural).items():
                at = (*path, kind.plural, name)
                yield Device(node.name, name, kind.name, at, found, sources=[(found, at)])


def join_others(draft: Draft) -> None:
    """Find what each of them stands on and is plugged into, once all devices are known."""
    for node in draft.nodes.values():
        for device in node.devices.values():
            if isinstance(device.section, OtherSection) and device.kind in KINDS:
                _stand(draft, node, device, device.section)
                _plug(draft, node, device, device.section)
                _check_mac(draft, device, device.section)
    enslave(draft)
    cut_rings(draft)
    stand_on_real_devices(draft)


def _stand(draft: Draft, node: NodeDraft, device: Device, section: OtherSection) -> None:
    text = getattr(section, "dev", None)
    if text is None:
        return
    path = (*device.path, "dev")
    below = node.devices.get(text)
    if below is None or below is device or not _can_carry(below, device):
        fit = [one for one in node.devices.values() if one is not device and _can_carry(one, device)]
        known = [one.name for one in fit]
        near = nearest(text, known)
        fix = f"write {near}" if near else f"devices of {node.name}: {', '.join(known[:8]) or 'none'}"
        owner, _, name = text.partition(":")
        if name and owner in draft.nodes and name in draft.nodes[owner].devices:
            what = f"{text} is in another node: a {device.kind} stands on a device of its own node"
            draft.tell("unknown-device", what, path, fix)
        elif below is not None:
            draft.tell("unknown-device", f"a {device.kind} cannot stand on {text}", path, fix)
        else:
            draft.tell("unknown-device", f"{node.name} has no device {quote(text)}", path, fix)
        return
    device.over = below


def _can_carry(below: Device, device: Device) -> bool:
    """Tell whether one device can stand on another: only a VXLAN's packets leave by what has no frames of its own."""
    return below.kind != "lo" and (device.kind == "vxlan" or not (below.kind == "vrf" or has_no_frames(below)))


def _plug(draft: Draft, node: NodeDraft, device: Device, section: OtherSection) -> None:
    if section.bridge is None:
        return
    path = (*device.path, "bridge")
    bridge = node.devices.get(section.bridge)
    if bridge is None or bridge.kind != "bridge":
        known = [one.name for one in node.devices.values() if one.kind == "bridge"]
        fix = f"bridges of {node.name}: {', '.join(known[:8])}" if known else f"add bridges: {{{section.bridge}: {{}}}}"
        draft.tell("unknown-bridge", f"{node.name} has no bridge {quote(section.bridge)}", path, fix)
        return
    if device.kind == "ipvlan":
        draft.tell(
            "port", "an ipvlan cannot be plugged into a bridge: it takes frames for its own addresses only", path
        )
        return
    device.bridge = bridge
    bridge.ports += 1
    if section.given():
        what = f"{device.name} is plugged into {bridge.name}: an address on a port does not answer"
        draft.warn("port-address", what, device.path, f"give the address to {bridge.name}")


def member_facts(draft: Draft, device: Device) -> Iterator[tuple[Fact, Span]]:
    """Give the fact that a device is a member of a bond or a VRF, if it is."""
    master = device.master
    if master is not None:
        span = draft.span((*master.path, "devices", master.members.index(device)))
        yield Member(device.node, device.name, master.name, master.kind), span


def _check_mac(draft: Draft, device: Device, section: OtherSection) -> None:
    if section.mac is not None and not _has_mac(device):
        what = f"{device.name} has the MAC of the device below, no other"
        draft.tell("mac", what, (*device.path, "mac"), "remove mac", key=True)


def _has_mac(device: Device) -> bool:
    """Tell whether a device has a MAC of its own."""
    passes = isinstance(device.section, MacvlanSection) and device.section.mode == "passthru"
    return KINDS[device.kind].has_mac and not passes and not has_no_frames(device)


def has_no_frames(device: Device) -> bool:
    """Tell whether a device carries packets, not frames, so that nothing of Ethernet can stand on it."""
    return isinstance(device.section, TapSection) and device.section.mode == "tun"


def other_facts(draft: Draft, device: Device, mtus: Mtus) -> Iterator[tuple[Fact, Span]]:
    """Give the facts of one of these devices: itself, and where its frames go."""
    section, kind = device.section, KINDS[device.kind]
    assert isinstance(section, DeviceSection)
    span = draft.span(device.path, key=True)
    mac = section.mac or names.derived_mac(draft.lab, device.node, device.name) if _has_mac(device) else None
    over = None if device.over is None else device.over.name
    options = tuple(sorted(kind.options_of(section)))
    yield DeviceFact(device.node, device.name, kind.name, over, mac, mtus.of(device), section.up, options), span
    if isinstance(section, VxlanSection):
        for number, remote in enumerate(section.remotes):
            path: Path = (*device.path, "remotes", number)
            yield Forwarding(device.node, device.name, EVERYBODY, str(remote)), draft.span(path)
