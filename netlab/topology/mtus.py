"""The MTU of every device: what its section says, else what follows from the devices that it goes by."""

from __future__ import annotations

from netlab.kinds.device import DEFAULT_MTU
from netlab.kinds.registry import KINDS
from netlab.kinds.vxlan import VxlanSection
from netlab.topology.draft import Device, Draft

#: The least that the kernel lets a device have (ETH_MIN_MTU).
_LEAST = 68


class Mtus:
    """The MTUs of a lab, each worked out when it is first asked for."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._found: dict[Device, int] = {}
        self._ports: dict[Device, list[Device]] = {}
        for node in draft.nodes.values():
            for device in node.devices.values():
                if device.bridge is not None:
                    self._ports.setdefault(device.bridge, []).append(device)

    def of(self, device: Device) -> int:
        """Give a device's MTU; a ring of devices ends at the default."""
        if device not in self._found:
            self._found[device] = DEFAULT_MTU
            self._found[device] = self._follow(device)
        return self._found[device]

    def most(self, device: Device) -> int | None:
        """Give the largest MTU for which every packet fits the device that it goes by, if it goes by one."""
        below = device.over or self._underlay(device)
        if below is None:
            return None
        return max(_LEAST, self.of(below) - _overhead(device))

    def origin(self, device: Device) -> Device | None:
        """Give the device that the MTU of one that says none comes from, if it comes from another."""
        if device.bond is not None:
            return device.bond
        if device.kind == "veth":
            return device.peer
        if device.kind == "bridge":
            return min(self._ports.get(device, ()), key=self.of, default=None)
        return device.over or self._underlay(device)

    def _follow(self, device: Device) -> int:
        if device.section is not None and device.section.mtu is not None:
            return device.section.mtu
        if device.bond is not None:
            return self.of(device.bond)
        if device.kind == "veth":
            far = device.peer
            if far is None or far.section is None or far.section.mtu is None:
                return DEFAULT_MTU if far is None or far.bond is None else self.of(far)
            return far.section.mtu
        if device.kind == "bridge":
            return min((self.of(port) for port in self._ports.get(device, ())), default=DEFAULT_MTU)
        return self.most(device) or (KINDS[device.kind].mtu if device.kind in KINDS else DEFAULT_MTU) - _overhead(
            device
        )

    def _underlay(self, device: Device) -> Device | None:
        """Find the device that a VXLAN's packets leave by: the one that holds its own address."""
        local = device.section.local if isinstance(device.section, VxlanSection) else None
        if local is None:
            return None
        for one in self._draft.nodes[device.node].devices.values():
            if any((ip.version, ip.value) == (local.version, int(local)) for ip, _ in one.addresses):
                return one
        return None


def _overhead(device: Device) -> int:
    """Give the bytes that a device takes from every packet of the one below."""
    if device.kind not in KINDS:
        return 0
    over_ipv6 = isinstance(device.section, VxlanSection) and device.section.is_over_ipv6
    return KINDS[device.kind].overhead[over_ipv6]
