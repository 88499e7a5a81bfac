"""The ports of bridges: what a file says of each, as a fact, and where it says so in vain."""

from __future__ import annotations

from netlab.facts import Port
from netlab.facts.links import PORT_SWITCHES, PORT_VLANS
from netlab.kinds.bridge import BridgeSection
from netlab.kinds.port import PortSection
from netlab.source import Path
from netlab.topology.draft import Device, Draft


def port_fact(device: Device, bridge: Device) -> Port:
    """Turn a device that is plugged into a bridge into the fact of its port."""
    section = _section_of(device)
    switches = dict(PORT_SWITCHES) if section is None else section.switches
    # A published port may need it too.
    switches["hairpin"] |= device.hairpin
    vlans = None
    if _filters(bridge):
        vlans = PORT_VLANS if section is None else section.vlans()
    return Port(device.node, device.name, bridge.name, vlans=vlans, **switches)


def _section_of(port: Device) -> PortSection | None:
    """Give the section that tells of a port: of the far end that netlab names, the interface's that asked for it."""
    near = port.peer if port.section is None and port.peer is not None else port
    return near.section if isinstance(near.section, PortSection) else None


def find_port_faults(draft: Draft) -> None:
    """Tell where a port's keys stand at what is no port, and VLANs at one of a bridge that keeps none apart."""
    for node in draft.nodes.values():
        for device in node.devices.values():
            section = device.section
            if not isinstance(section, PortSection) or node.doubtful or device.kind == "lo":
                continue
            path = device.path if device.keyed else device.path[:-1]
            # The far end of a pair by hand is a port of its own, and says its own.
            bridge = device.bridge or (device.on if device.peer is not None and device.peer.section is None else None)
            if section.says_vlans:
                _check_vlans(draft, device, bridge, (*path, "trunk" if section.trunk else "vlan"))
            for name, value in section.switches.items() if bridge is None else ():
                if value != PORT_SWITCHES[name]:
                    what = f"{device.name} is on no bridge: {name} is said of the port of one"
                    draft.tell("port", what, (*path, name), _port_of(device), key=True)


def _check_vlans(draft: Draft, device: Device, bridge: Device | None, path: Path) -> None:
    if bridge is None:
        what = f"{device.name} is on no bridge: {path[-1]} says which VLANs of one it is in"
        draft.tell("vlan", what, path, "add bridge: br0, or vlans: for VLANs without a bridge", key=True)
    elif not _filters(bridge):
        what = f"{bridge.name} does not keep VLANs apart"
        draft.tell("vlan", what, path, f"add vlan_filtering: true to {bridge.name}", key=True)


def _port_of(device: Device) -> str:
    """Suggest the other end of a pair by hand, where that is the port, or to make it one."""
    other = device.peer if device.on is not None else None
    return "add bridge: br0, or remove it" if other is None else f"move it to {other.name}, the port"


def _filters(bridge: Device) -> bool:
    return isinstance(bridge.section, BridgeSection) and bool(bridge.section.vlan_filtering)
