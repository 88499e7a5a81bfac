"""Which devices share a link (an Ethernet segment), and whether bridges make a loop that nothing breaks.

Bridges that a cable joins are one segment. A bridge with STP breaks every loop that goes through it; one without
floods a broadcast for ever (and passes the others' BPDUs on, so one bridge with STP in a loop is enough).
"""

from __future__ import annotations

from netlab.kinds.bridge import BridgeSection
from netlab.topology.draft import Device, Draft

#: Kinds whose devices are on the link of the device below.
_ON_THE_SAME_WIRE = ("macvlan", "ipvlan")


class Segments:
    """The segments of a lab, as sets that are joined."""

    def __init__(self) -> None:
        self._parent: dict[Device, Device] = {}

    def _root(self, bridge: Device) -> Device:
        path = []
        while (above := self._parent.get(bridge)) is not None:
            path.append(bridge)
            bridge = above
        for one in path:
            self._parent[one] = bridge
        return bridge

    def join(self, one: Device, other: Device) -> bool:
        """Make one segment of two; give False where they were one already."""
        a, b = self._root(one), self._root(other)
        if a is b:
            return False
        self._parent[b] = a
        return True

    def of(self, device: Device) -> Device:
        """Give the device that stands for the segment of a device.

        A node's device on a bridge is on the bridge's segment; two ends of a cable without a bridge share one.
        """
        while device.over is not None and device.kind in _ON_THE_SAME_WIRE:
            device = device.over
        if device.kind == "bond" and device.members:
            return min((self.of(member) for member in device.members), key=lambda one: (one.node, one.name))
        bridge = device if device.kind == "bridge" else device.bridge or device.on
        if bridge is not None:
            return self._root(bridge)
        if device.peer is not None and (device.peer.node, device.peer.name) < (device.node, device.name):
            return device.peer
        return device


def segments(draft: Draft) -> Segments:
    """Give the segments of the lab; a loop of bridges without STP is a problem."""
    found, open_loops = Segments(), Segments()
    for node in draft.nodes.values():
        for device in node.devices.values():
            bridge, peer = device.bridge, device.peer
            if bridge is None or peer is None or peer.bridge is None:
                continue
            if (peer.node, peer.name) < (device.node, device.name):
                continue  # Each cable is looked at once, from its first end.
            found.join(bridge, peer.bridge)
            floods = device.up and peer.up and not (_stp(bridge) or _stp(peer.bridge))
            if floods and not open_loops.join(bridge, peer.bridge):
                _tell_loop(draft, device, bridge, peer.bridge)
    return found


def _stp(bridge: Device) -> bool:
    return isinstance(bridge.section, BridgeSection) and bridge.section.stp


def _tell_loop(draft: Draft, device: Device, one: Device, other: Device) -> None:
    assert device.peer is not None
    if one is other:
        what = f"both ends of this cable are plugged into {one.name}: a loop without STP"
    else:
        what = f"this cable closes a loop of bridges without STP, between {one.name} and {other.name}"
    later = max(device.path, device.peer.path, key=lambda path: draft.span(path).line)
    fix = f"remove the cable, or switch STP on: {one.name}: {{stp: true, ...}}"
    draft.tell("loop", what, later, fix)
