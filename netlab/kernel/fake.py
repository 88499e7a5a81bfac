"""Steps -> changes of a machine in memory: the kernel door that needs no rights, for tests.

It refuses what the kernel refuses, with the same errno, and takes along what the kernel takes (fake_machine.py has the
table). It can be cut off after any number of steps, as a kill would, and can hold things that are not ours.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from netlab.facts import (
    Address,
    Bridge,
    Chain,
    DeviceSettings,
    End,
    External,
    Fact,
    Facts,
    Forwarding,
    Impairment,
    Member,
    Namespace,
    Neighbour,
    PolicyRule,
    Port,
    Resource,
    Route,
    Settings,
    Stray,
    Veth,
    facts_of,
)
from netlab.facts import Device as OtherDevice
from netlab.facts.devices import TAKERS, TUN_OF_IP
from netlab.kernel.fake_machine import MOST_PORTS, Device, Errno, Node
from netlab.kernel.families import FAMILIES
from netlab.names import HOST
from netlab.plan.steps import Action, Reading, Scope, Step, StepRefused

_ON_DEVICES = (Port, Member, Address, DeviceSettings, Forwarding, Impairment, Neighbour)


class Cut(Exception):
    """The fake was told to stop here, as if netlab had been killed."""


class FakeKernel:
    """A kernel in memory. `machine`: the host is there already and is no fact. `foreign`: what is not ours, and whose.

    After `cut_after` steps it raises Cut instead of doing the next one; None is never. `done` counts the steps done.
    """

    families = FAMILIES

    def __init__(self, machine: bool = False, foreign: Mapping[Resource, str] | None = None) -> None:
        self.machine = machine
        self.foreign = dict(foreign or {})
        self.cut_after: int | None = None
        self.done = 0
        self._nodes: dict[str, Node] = {}
        if machine:
            self._nodes[HOST] = Node(devices={"lo": Device(None)})

    def read(self, scope: Scope, changed: Collection[str] | None = None) -> Reading:
        """Give every fact; of a node's settings those in the scope, or all that were written where it names none."""
        found = []
        for fact in self.facts.values():
            if isinstance(fact, Settings) and fact.node in scope.settings:
                asked = set(scope.settings[fact.node])
                fact = replace(fact, values=tuple(pair for pair in fact.values if pair[0] in asked))
            found.append(fact)
        return Reading(facts_of(found), dict(self.foreign))

    def prepare(self, want: Facts, have: Facts) -> None:
        """Do nothing: nothing takes long here."""

    def do(self, steps: Sequence[Step]) -> None:
        """Do the steps in order; raise StepRefused with the kernel's errno at the first that fails."""
        for step in steps:
            if self.cut_after is not None and self.done >= self.cut_after:
                raise Cut(f"cut before {step}")
            assert step.fact.family in self.families, f"the kernel keeps no {step.fact.family}"
            try:
                if step.action is Action.CREATE:
                    self._create(step.fact)
                elif step.action is Action.UPDATE:
                    self._update(step.fact)
                else:
                    self._delete(step.fact)
            except Errno as no:
                raise StepRefused(step, no.number) from None
            self.done += 1

    def close(self) -> None:
        """Let go of nothing: nothing is open."""

    def intrude(self, stray: Stray) -> None:
        """Put a device there that no file asked for, as a person with `ip link add` would."""
        self._node(stray.node).devices[stray.name] = Device(stray, mtu=1500)

    @property
    def facts(self) -> Facts:
        """Everything that is configured now, in the kernel's order."""
        return facts_of(self._facts())

    def _facts(self) -> Iterator[Fact]:
        for name, node in self._nodes.items():
            if not (self.machine and name == HOST):
                yield Namespace(name, node.devices["lo"].up)
            if node.settings:
                yield Settings(name, tuple(node.settings.items()))
            yield from node.chains.values()
            for device in node.devices:
                yield from self._facts_of_device(name, device)
            yield from node.routes.values()
            yield from node.rules.values()
            for device, held in node.devices.items():
                yield from (Neighbour(name, device, address, mac) for address, mac in held.neighbours.items())

    def _facts_of_device(self, node: str, name: str) -> Iterator[Fact]:
        device = self._nodes[node].devices[name]
        if isinstance(device.link, (Bridge, OtherDevice, Stray)):
            yield device.link
        elif device.link is not None and device.peer is not None and (node, name) < device.peer:
            other = self._nodes[device.peer[0]].devices[device.peer[1]].link
            assert isinstance(other, End)
            yield Veth(device.link, other)
        if device.port is not None:
            yield device.port
        if device.member is not None:
            yield device.member
        yield from (Forwarding(node, name, mac, to) for mac, to in device.forwarding)
        if device.impairment is not None:
            yield device.impairment
        for address in device.held():
            yield Address(node, name, address)
        if device.settings:
            yield DeviceSettings(node, name, tuple(sorted(device.settings.items())))

    def _node(self, name: str) -> Node:
        if name not in self._nodes:
            raise Errno(errno.ENOENT)
        return self._nodes[name]

    def _create(self, fact: Fact) -> None:
        node = None if isinstance(fact, Namespace) else self._node(fact.nodes[0])
        if isinstance(fact, Namespace):
            if fact.node in self._nodes or ("netns", fact.node) in self.foreign:
                raise Errno(errno.EEXIST)
            self._nodes[fact.node] = Node(devices={"lo": Device(None, up=fact.up)})
        elif isinstance(fact, (Bridge, Veth, OtherDevice)):
            self._create_devices(_links(fact))
        elif isinstance(fact, Chain):
            if fact.name in self._node(fact.node).chains:
                raise Errno(errno.EEXIST)
            self._node(fact.node).chains[fact.name] = fact
        elif isinstance(fact, External):
            self._node(fact.node).device(fact.name)
        elif isinstance(fact, PolicyRule):
            if fact.key in self._node(fact.node).rules:
                raise Errno(errno.EEXIST)
            self._node(fact.node).rules[fact.key] = fact
        elif isinstance(fact, Neighbour):
            self._node(fact.node).add_neighbour(fact.device, fact.address, fact.mac)
        elif isinstance(fact, Forwarding):
            self._node(fact.node).add_forwarding(fact.device, fact.mac, fact.to)
        elif isinstance(fact, Impairment):
            self._node(fact.node).device(fact.device).impairment = fact
        elif isinstance(fact, Address):
            self._node(fact.node).add_address(fact.device, fact.address)
        elif isinstance(fact, Route):
            self._node(fact.node).add_route(fact)
        elif isinstance(fact, Member):
            self._node(fact.node).enslave(fact)
        elif isinstance(fact, Port):
            device = self._node(fact.node).device(fact.device)
            if device.port is not None or device.member is not None:
                raise Errno(errno.EBUSY)
            self._plug(fact)
        elif node is not None:
            # Settings are always there: making a fact of them is writing them.
            self._update(fact)

    def _create_devices(self, links: Sequence[Bridge | End | OtherDevice]) -> None:
        for link in links:
            if link.name in self._node(link.node).devices or ("device", link.node, link.name) in self.foreign:
                raise Errno(errno.EEXIST)
            if isinstance(link, OtherDevice):
                self._node(link.node).check_new(link)
        for link, peer in zip(links, reversed(links), strict=True):
            device = Device(link, mtu=link.mtu or 1500, up=link.up)
            if link is not peer:
                device.peer = (peer.node, peer.name)
            self._nodes[link.node].devices[link.name] = device
            if isinstance(link, OtherDevice):
                self._nodes[link.node].share_mode(link)

    def _update(self, fact: Fact) -> None:
        if isinstance(fact, Namespace):
            self._node(fact.node).set_up("lo", fact.up)
        elif isinstance(fact, (Bridge, Veth, OtherDevice)):
            if not self._is_there(fact):
                raise Errno(errno.ENODEV)
            for link in _links(fact):
                node = self._nodes[link.node]
                if isinstance(link, OtherDevice):
                    self._check_update(node, link)
                node.set_mac(link.name, link.mac)
                node.devices[link.name].link = link
                if isinstance(link, OtherDevice):
                    node.share_mode(link)
                node.set_mtu(link.name, link.mtu or node.devices[link.name].mtu)
                node.set_up(link.name, link.up)
        elif isinstance(fact, Port):
            if self._node(fact.node).device(fact.device).port is None:
                raise Errno(errno.EOPNOTSUPP)
            self._plug(fact)
        elif isinstance(fact, Chain):
            if fact.name not in self._node(fact.node).chains:
                raise Errno(errno.ENOENT)
            self._node(fact.node).chains[fact.name] = fact
        elif isinstance(fact, Impairment):
            self._node(fact.node).device(fact.device).impairment = fact
        elif isinstance(fact, Neighbour):
            self._node(fact.node).add_neighbour(fact.device, fact.address, fact.mac)
        elif isinstance(fact, Route):
            self._node(fact.node).change_route(fact)
        elif isinstance(fact, Settings):
            self._node(fact.node).write_settings(dict(fact.values))
        elif isinstance(fact, DeviceSettings):
            self._node(fact.node).write_device_settings(fact.device, dict(fact.values))
        else:
            raise AssertionError(f"nothing of a fact of family {fact.family} can change in place")

    def _check_update(self, node: Node, link: OtherDevice) -> None:
        before = node.devices[link.name].link
        assert isinstance(before, OtherDevice)
        assert all(d.field in link.live for d in link.differences(before)), "not to be changed in place"
        if link.mtu is not None and link.mtu != before.mtu:
            node.check_mtu(link, link.mtu, errno.ERANGE if link.kind == "vlan" else errno.EINVAL)
        if link.kind == "vlan" and link.up and link.over is not None and not node.device(link.over).up:
            raise Errno(errno.ENETDOWN)

    def _plug(self, fact: Port) -> None:
        node = self._node(fact.node)
        if fact.device not in node.devices or fact.bridge not in node.devices:
            raise Errno(errno.ENODEV)
        device, bridge = node.devices[fact.device], node.devices[fact.bridge]
        if fact.device == "lo" or not isinstance(bridge.link, Bridge):
            raise Errno(errno.EINVAL)
        if isinstance(device.link, Bridge):
            raise Errno(errno.ELOOP)
        if isinstance(device.link, OtherDevice) and device.link.kind in ("ipvlan", "vrf"):
            raise Errno(errno.EINVAL)
        if (
            isinstance(device.link, OtherDevice)
            and device.link.kind == "tun"
            and ("mode", TUN_OF_IP) in device.link.options
        ):
            raise Errno(errno.EINVAL)
        taken = any(link.kind in TAKERS for _, link in node.above(fact.device))
        if taken or node.is_above(fact.device, fact.bridge):
            raise Errno(errno.EBUSY)
        others = [d for name, d in node.devices.items() if name != fact.device and d.port is not None]
        if sum(1 for other in others if other.port is not None and other.port.bridge == fact.bridge) >= MOST_PORTS:
            raise Errno(errno.EXFULL)
        device.port = fact

    def _delete(self, fact: Fact) -> None:
        """Delete what a fact says; what is gone already is success."""
        node = self._nodes.get(fact.nodes[0])
        if node is None:
            return
        if isinstance(fact, Namespace):
            self._remove_node(fact.node)
        elif isinstance(fact, Stray):
            if fact.name in node.devices and isinstance(node.devices[fact.name].link, Stray):
                node.remove_device(fact.name)
        elif isinstance(fact, (Bridge, Veth, OtherDevice)):
            if self._is_there(fact):
                for link in _links(fact):
                    self._nodes[link.node].remove_device(link.name)
        elif isinstance(fact, Chain):
            node.chains.pop(fact.name, None)
        elif isinstance(fact, Settings):
            node.settings = {}
        elif isinstance(fact, Route):
            node.delete_route(fact)
        elif isinstance(fact, PolicyRule):
            node.rules.pop(fact.key, None)
        elif isinstance(fact, _ON_DEVICES) and fact.device in node.devices:
            if isinstance(fact, Port):
                node.devices[fact.device].port = None
            elif isinstance(fact, Member):
                node.free(fact.device, up=True)
            elif isinstance(fact, Address):
                node.delete_address(fact.device, fact.address)
            elif isinstance(fact, Neighbour):
                node.devices[fact.device].neighbours.pop(fact.address, None)
            elif isinstance(fact, Impairment):
                node.devices[fact.device].impairment = None
            elif isinstance(fact, Forwarding):
                node.delete_forwarding(fact.device, fact.mac, fact.to)
            else:
                node.write_device_settings(fact.device, {})

    def _remove_node(self, name: str) -> None:
        for device in self._nodes.pop(name).devices.values():
            if device.peer is not None and device.peer[0] != name:
                self._nodes[device.peer[0]].remove_device(device.peer[1])

    def _is_there(self, fact: Bridge | Veth | OtherDevice) -> bool:
        """Tell whether the very device is there: the bridge, or the veth with this other end."""
        links = _links(fact)
        for link, peer in zip(links, reversed(links), strict=True):
            node = self._nodes.get(link.node)
            device = node.devices.get(link.name) if node else None
            if device is None or type(device.link) is not type(link):
                return False
            if isinstance(link, OtherDevice) and isinstance(device.link, OtherDevice) and link.kind != device.link.kind:
                return False
            if link is not peer and device.peer != (peer.node, peer.name):
                return False
        return True


def _links(fact: Bridge | Veth | OtherDevice) -> tuple[Bridge | End | OtherDevice, ...]:
    return (fact.a, fact.b) if isinstance(fact, Veth) else (fact,)
