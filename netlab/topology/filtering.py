"""Which VLANs each port of a bridge takes, where the bridge keeps them apart, and where a file says so in vain."""

from __future__ import annotations

from netlab.facts.links import PORT_VLANS
from netlab.kinds.bridge import BridgeSection
from netlab.kinds.port import PortSection
from netlab.topology.draft import Device, Draft


def vlans_of(port: Device) -> tuple[str, ...] | None:
    """Give the VLANs of a port; None where its bridge does not keep them apart.

    The far end that netlab names has those of the interface that asked for it.
    """
    if port.bridge is None or not _filters(port.bridge):
        return None
    near = port.peer if port.section is None and port.peer is not None else port
    return near.section.vlans() if isinstance(near.section, PortSection) else PORT_VLANS


def find_vlan_faults(draft: Draft) -> None:
    """Tell where VLANs of a port are said of what is no port, or is one of a bridge that keeps none apart."""
    for node in draft.nodes.values():
        for device in node.devices.values():
            section = device.section
            if not isinstance(section, PortSection) or not section.says_vlans or node.doubtful or device.kind == "lo":
                continue
            key = "trunk" if section.trunk else "vlan"
            path = (*(device.path if device.keyed else device.path[:-1]), key)
            # The far end of a pair by hand is a port of its own, and says its own.
            bridge = device.bridge or (device.on if device.peer is not None and device.peer.section is None else None)
            if bridge is None:
                what = f"{device.name} is on no bridge: {key} says which VLANs of one it is in"
                draft.tell("vlan", what, path, "add bridge: br0, or vlans: for VLANs without a bridge", key=True)
            elif not _filters(bridge):
                what = f"{bridge.name} does not keep VLANs apart"
                draft.tell("vlan", what, path, f"add vlan_filtering: true to {bridge.name}", key=True)


def _filters(bridge: Device) -> bool:
    return isinstance(bridge.section, BridgeSection) and bool(bridge.section.vlan_filtering)
