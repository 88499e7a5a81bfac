"""What a step takes along: the facts that the kernel drops or alters with it, as pure rules over a set of facts.

    step                            takes                                             source
    ------------------------------  ------------------------------------------------  ------------------------
    delete a namespace              all in it, whole veth pairs, what hangs on them   default_device_exit
    delete a device                 its ports, addresses, routes, settings            unregister_netdevice
    delete a bridge                 the ports in it (the devices stay)                net/bridge/br_if.c br_dev_delete
    delete a device                 the devices that stand on it                      NETDEV_UNREGISTER of each kind
    make, delete a VRF's member     the member goes down and up: what that takes, see drivers/net/vrf.c cycle_netdev
                                    below; its IPv6 and routes even if it is down     addrconf_notify, fib_netdev_event
    make a bond's member            its MTU is the bond's; it goes down, then up      bonding/bond_main.c bond_enslave
    delete a bond's member          it has the MTU again that it had, and is down     the same, __bond_release_one
                                    until the door sets it up; not if the bond goes   kernel/do_links.py
    set a bond's MTU                its members' too                                  the same, bond_change_mtu
    set a device down               its VLANs go down too, and come up with it        8021q/vlan.c vlan_device_event
    set a device's MTU              its VLANs and macvlans keep within it             the same; macvlan.c
                                    its ipvlans follow, and keep their IPv6           ipvlan_main.c ipvlan_adjust_mtu
    delete the last IPv4 address    all IPv4 routes and neighbours of the device      fib_frontend.c fib_disable_ip
    delete a primary IPv4 address   its secondaries, unless promote_secondaries       devinet.c __inet_del_ifa
    an IPv4 address leaves a node   routes of its table that prefer it: the main      fib_semantics.c fib_sync_down_addr
                                    one, or its device's VRF's
    delete an IPv6 address          nothing, but routes that prefer it forget it      ipv6/route.c rt6_remove_prefsrc
    set a device down               routes through it, its IPv6 addresses, neighbours fib_frontend.c, addrconf_ifdown
    set a device's MAC              its neighbours                                    neighbour.c neigh_changeaddr
    set `lo` down                   IPv6 blackholes and the like too: they lie on it  ipv6/route.c fib6_ifdown
    set a device of several down    nothing of a route that has other ways left       fib_sync_down_dev, fib6_ifdown
    set an MTU below 1280           all IPv6 of the device, its settings too          addrconf.c addrconf_notify
    change an MTU                   `mtu` of its IPv6 routes, if as large or the same ipv6/route.c rt6_mtu_change
    write disable_ipv6              all IPv6 of the node                              addrconf.c addrconf_disable_ipv6
    write ip_forward                `forwarding` of the node's devices                devinet.c inet_forward_change
    write conf.default.NAME         NAME of the devices that had the old default      kernel/do_settings.py

An IPv6 address that goes with its device or link, and an IPv4 source in another table, leave routes as they are.
Programs are not the kernel's: they are ended by steps of their own. Which addresses are primary follows from the
order of the facts: of the addresses of one subnet on one device the kernel lists the primary first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from netlab.facts import (
    MAIN_TABLE,
    Address,
    Bridge,
    Device,
    DeviceSettings,
    End,
    Fact,
    Key,
    Member,
    Namespace,
    Neighbour,
    Program,
    Route,
    Settings,
    Stray,
    Veth,
    network_of,
    veth,
)
from netlab.plan.present import Present, bare, links_of
from netlab.plan.steps import Action, Step

#: IPV6_MIN_MTU (include/uapi/linux/ipv6.h).
IPV6_MIN_MTU = 1280
#: Kinds whose MTU is kept within that of the device below.
_WITHIN = ("vlan", "macvlan")
#: Switches of a node that overwrite `forwarding` of each device, and the family of names that they overwrite.
_FORWARDING = {"net.ipv4.ip_forward": "net.ipv4.", "net.ipv6.conf.all.forwarding": "net.ipv6."}


class Effects(Present):
    """The facts that are there while a plan is walked, and what each step takes along."""

    def do(self, step: Step) -> list[Fact]:
        """Carry out a step on the model; give what it takes along, the fact of the step itself not among it."""
        fact = step.fact
        before = self.facts.get(fact.key)
        taken: list[Fact] = []
        if step.action is not Action.DELETE:
            found = self.resolved(fact) if isinstance(fact, Route) else fact
            if before is None:
                self._add(found)
            else:
                self._change(found)
            self._take(self._with_update(before, found), taken)
            if isinstance(found, Member):
                self._take(self._with_member(found), taken)
        elif before is not None:
            first = isinstance(before, Address) and self._is_first(before)
            self._remove(before.key)
            self._take(self._with(before), taken)
            if isinstance(before, Member) and before.kind == "bond":
                self._take(self._alter(before.node, before.device, up=True), taken)
            if first and isinstance(before, Address) and not self._promotes(before.node):
                self._take(self._subnet(before), taken)
            if isinstance(before, Address) and before.version == 6:
                self._forget_source(before)
        return taken

    def _take(self, keys: Iterable[Key], taken: list[Fact]) -> None:
        queue = list(keys)
        while queue:
            key = queue.pop()
            fact = self.facts.get(key)
            if fact is None:
                continue
            self._remove(key)
            taken.append(fact)
            queue.extend(self._with(fact))

    def _with(self, fact: Fact) -> Iterator[Key]:
        """Give the keys of what goes when a fact has gone, by whatever way."""
        if isinstance(fact, Namespace):
            for key in list(self._by_node[fact.node]):
                if not isinstance(self.facts[key], Program):
                    yield key
        elif isinstance(fact, (Bridge, Veth, Device, Stray)):
            for _, node, name in fact.provides():
                yield from list(self._by_device[node, name])
        elif isinstance(fact, Member):
            yield from self._without_member(fact)
        elif isinstance(fact, Address) and fact.version == 4:
            if not self._provided["local", fact.node, bare(fact)]:
                table = self._table_of(fact.node, fact.device)
                yield from (r.key for r in self._that_prefer(fact) if r.table == table)
            held = [self.facts[key] for key in self._by_device[fact.node, fact.device]]
            # `lo` has 127.0.0.1 besides, which is no fact.
            if fact.device != "lo" and not any(isinstance(a, Address) and a.version == 4 for a in held):
                of_ipv4 = (r for r in held if isinstance(r, (Route, Neighbour)) and r.version == 4)
                yield from (r.key for r in of_ipv4 if isinstance(r, Neighbour) or self._is_lost(r))

    def _table_of(self, node: str, device: str) -> int:
        """Give the table that a device's connected routes are in: its VRF's, or the main one."""
        member = self.facts.get(("member", node, device))
        vrf = self.facts.get(("device", node, member.master if isinstance(member, Member) else device))
        table = dict(vrf.options).get("table", MAIN_TABLE) if isinstance(vrf, Device) else MAIN_TABLE
        return int(table)

    def _with_member(self, member: Member) -> Iterator[Key]:
        """Do what the kernel does to a device that becomes a member; give what it loses by it."""
        node, device = member.node, member.device
        if member.kind == "bond":
            bond = self.facts.get(("device", node, member.master))
            yield from self._alter(node, device, up=False)
            mtu = bond.mtu if isinstance(bond, Device) else None
            yield from self._alter(node, device, up=True, **({} if mtu is None else {"mtu": mtu}))
        else:
            yield from self._cycle(node, device)

    def _without_member(self, member: Member) -> Iterator[Key]:
        """Do what the kernel does to a device that is a member no more; give what it loses by it."""
        if member.kind == "bond":
            yield from self._alter(member.node, member.device, up=False)
            # Which MTU it had before is not known.
            yield from self._alter(member.node, member.device, mtu=None)
        else:
            yield from self._cycle(member.node, member.device)

    def _cycle(self, node: str, device: str) -> Iterator[Key]:
        """Take a device into another table, or out of it: it goes down and up where it is up."""
        was_up = self._is_up(node, device)
        yield from self._down(node, device)
        if was_up:
            yield from self._alter(node, device, up=False)
            yield from self._alter(node, device, up=True)

    def _alter(self, node: str, device: str, **fields: Any) -> Iterator[Key]:
        """Change a device as the kernel does by itself; give what goes with that."""
        for key in list(self._by_device[node, device]):
            before = self.facts.get(key)
            links = [link for link in links_of(before) if (link.node, link.name) == (node, device)]
            if before is None or not links:
                continue
            after = replace(links[0], **fields)
            found = (
                after
                if not isinstance(before, Veth) or isinstance(after, Bridge | Device)
                else veth(after, before.b if before.a == links[0] else before.a)
            )
            assert isinstance(found, Bridge | Veth | Device)
            if found != before:
                self._change(found)
                yield from self._with_update(before, found)

    def _that_prefer(self, address: Address) -> list[Route]:
        facts = [self.facts[key] for key in self._preferring[address.node, bare(address)]]
        return [route for route in facts if isinstance(route, Route)]

    def _forget_source(self, address: Address) -> None:
        if not self._provided["local", address.node, bare(address)]:
            for route in self._that_prefer(address):
                self._change(replace(route, source=None))

    def _same_subnet(self, address: Address) -> Iterator[Address]:
        for key in self._by_device[address.node, address.device]:
            other = self.facts[key]
            if isinstance(other, Address) and network_of(other.address) == network_of(address.address):
                yield other

    def _is_first(self, address: Address) -> bool:
        return address.version == 4 and next(self._same_subnet(address)) == address

    def _subnet(self, address: Address) -> list[Key]:
        return [other.key for other in self._same_subnet(address)]

    def _promotes(self, node: str) -> bool:
        settings = self.facts.get(("settings", node))
        values = dict(settings.values) if isinstance(settings, Settings) else {}
        return values.get("net.ipv4.conf.all.promote_secondaries") == "1"

    def _with_update(self, before: Fact | None, after: Fact) -> Iterator[Key]:
        if isinstance(after, Settings):
            was = dict(before.values) if isinstance(before, Settings) else {}
            yield from self._with_settings(after.node, was, dict(after.values))
        elif isinstance(before, Namespace) and isinstance(after, Namespace):
            if before.up and not after.up:
                yield from self._down(after.node, "lo")
                yield from (k for k in self._by_node[after.node] if _lies_on_lo(self.facts[k]))
        else:
            for one, other in zip(links_of(before), links_of(after), strict=False):
                node, device = other.node, other.name
                if one.up and not other.up:
                    yield from self._down(node, device)
                if other.mac is not None and other.mac != one.mac:
                    yield from (k for k in self._by_device[node, device] if isinstance(self.facts[k], Neighbour))
                if other.mtu is not None and other.mtu != one.mtu:
                    self._adjust_routes(node, device, one.mtu, other.mtu)
                # An ipvlan may have got its low MTU, and kept its IPv6, by the device below.
                if other.mtu is not None and other.mtu < IPV6_MIN_MTU and other.mtu != one.mtu:
                    yield from self._ipv6(self._by_device[node, device])
                    yield from self._without(node, _is_of_ipv6, device)
                yield from self._above(one, other)

    def _above(self, one: Bridge | End | Device, other: Bridge | End | Device) -> Iterator[Key]:
        """Do to the devices that stand on one what the kernel does when it is changed; give what they lose by it."""
        for key in list(self._by_device[other.node, other.name]):
            child = self.facts.get(key)
            bonded = isinstance(child, Member) and (child.master, child.kind) == (other.name, "bond")
            if isinstance(child, Member) and bonded and other.mtu is not None and other.mtu != one.mtu:
                yield from self._alter(child.node, child.device, mtu=other.mtu)
            if not isinstance(child, Device) or child.over != other.name:
                continue
            after = child
            if child.kind == "vlan" and one.up != other.up:
                after = replace(after, up=other.up)
            if other.mtu is not None and other.mtu != one.mtu:
                if child.kind in _WITHIN and (child.mtu or 0) > other.mtu:
                    after = replace(after, mtu=other.mtu)
                elif child.kind == "ipvlan":
                    self._change(replace(child, mtu=other.mtu))
            if after != child:
                self._change(after)
                yield from self._with_update(child, after)

    def _adjust_routes(self, node: str, device: str, was: int | None, now: int) -> None:
        """Change the MTUs of IPv6 routes as the kernel does when it changes the device's."""
        for key in list(self._by_device[node, device]):
            route = self.facts[key]
            if not isinstance(route, Route) or route.version == 4 or route.mtu is None:
                continue
            if route.mtu >= now or route.mtu == was:
                self._change(replace(route, mtu=now))

    def _with_settings(self, node: str, was: dict[str, str], now: dict[str, str]) -> Iterator[Key]:
        disable = "net.ipv6.conf.all.disable_ipv6"
        if now.get(disable) == "1" and was.get(disable) != "1":
            yield from self._ipv6(self._by_node[node])
        for switch, family in _FORWARDING.items():
            if now.get(switch) != was.get(switch):
                yield from self._without(node, partial(_is_forwarding, family))
        for name, value in now.items():
            if ".default." in name and was.get(name, value) != value:
                self._follow(node, name, was[name], value)

    def _follow(self, node: str, default: str, was: str, now: str) -> None:
        """Change the settings of a node's devices that are as the default was: the door has them follow it."""
        table, _, leaf = default.partition(".default.")
        for key in list(self._by_node[node]):
            fact = self.facts[key]
            if isinstance(fact, DeviceSettings):
                name = f"{table}.{fact.device}.{leaf}"
                values = tuple((one, now if (one, value) == (name, was) else value) for one, value in fact.values)
                if values != fact.values:
                    self._change(replace(fact, values=values))

    def _without(self, node: str, gone: Callable[[str], bool], device: str | None = None) -> list[Key]:
        """Drop values from the settings of a node's devices; give the keys of settings of which nothing is left."""
        empty = []
        for key in list(self._by_node[node]):
            fact = self.facts[key]
            if isinstance(fact, DeviceSettings) and device in (None, fact.device):
                left = tuple((name, value) for name, value in fact.values if not gone(name))
                if not left:
                    empty.append(key)
                elif left != fact.values:
                    self._change(replace(fact, values=left))
        return empty

    def _down(self, node: str, device: str) -> Iterator[Key]:
        held = self._by_device[node, device]
        yield from (key for key in self._ipv6(held) if isinstance(self.facts[key], Address))
        yield from (key for key in held if isinstance(self.facts[key], Neighbour) or self._is_lost(self.facts[key]))

    def _is_lost(self, route: Fact) -> bool:
        """Tell whether a route, a device of which has failed it, is gone: of several ways all must have failed."""
        return isinstance(route, Route) and not any(self._is_way(route, device) for _, device, _ in route.hops)

    def _is_way(self, route: Route, device: str) -> bool:
        held = (self.facts[key] for key in self._by_device[route.node, device])
        has_address = route.version == 6 or any(isinstance(a, Address) and a.version == 4 for a in held)
        return has_address and self._is_up(route.node, device)

    def _ipv6(self, keys: Iterable[Key]) -> Iterator[Key]:
        for key in keys:
            fact = self.facts[key]
            if isinstance(fact, (Address, Route, Neighbour)) and fact.version == 6:
                yield key


def _is_forwarding(family: str, name: str) -> bool:
    return name.startswith(family) and name.endswith(".forwarding")


def _is_of_ipv6(name: str) -> bool:
    return name.startswith("net.ipv6.")


def _lies_on_lo(fact: Fact) -> bool:
    return isinstance(fact, Route) and fact.version == 6 and fact.kind != "unicast"
