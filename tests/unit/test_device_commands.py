"""Devices of every kind and forwarding entries as shell commands, word for word; tests/kernel runs them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netlab.facts import Device, Fact, Forwarding, Member, Port
from netlab.facts.devices import EVERYBODY
from netlab.plan import Action, Step
from netlab.plan.commands import commands

MAC = "02:00:00:00:00:01"


def said(*steps: Step, sandboxed: bool = True, **stand_ins: str) -> list[str]:
    return list(commands(steps, "lab", sandboxed=sandboxed, stand_ins=stand_ins))


def created(fact: Fact) -> list[str]:
    return said(Step(Action.CREATE, fact))


def updated(before: Device, after: Device) -> list[str]:
    differences = after.differences(before)
    assert {difference.field for difference in differences} <= Device.live
    return said(Step(Action.UPDATE, after, before, differences))


def device(name: str, kind: str, over: str | None, *options: tuple[str, int | str]) -> Device:
    return Device("a", name, kind, over, None if kind == "ipvlan" else MAC, 1400, True, options)


VXLAN = device("v0", "vxlan", None, ("ageing", 60), ("id", 7), ("learning", 0), ("local", "fd00::1"), ("port", 4789))
GROUP = device("v1", "vxlan", "e0", ("ageing", 60), ("group", "239.1.1.1"), ("id", 7), ("learning", 1), ("port", 8472))
MACVLAN = device("m0", "macvlan", "e0", ("mode", 4))

#: A device, and the command that makes it, from its name on.
MADE: list[tuple[Device, str, str]] = [
    (device("d0", "dummy", None), "", "type dummy"),
    (device("w0", "vlan", "e0", ("id", 10), ("protocol", 0x8100)), "link e0 ", "type vlan protocol 802.1q id 10"),
    (device("w0", "vlan", "e0", ("id", 9), ("protocol", 0x88A8)), "link e0 ", "type vlan protocol 802.1ad id 9"),
    (MACVLAN, "link e0 ", "type macvlan mode bridge"),
    (device("i0", "ipvlan", "e0", ("mode", 2)), "link e0 ", "type ipvlan mode l3s"),
    (device("r0", "vrf", None, ("table", 10)), "", "type vrf table 10"),
    (
        device("b0", "bond", None, ("miimon", 100), ("mode", 1), ("primary", "e1")),
        "",
        "type bond mode active-backup miimon 100 primary e1",
    ),
    (
        device("b0", "bond", None, ("lacp_rate", 1), ("miimon", 50), ("mode", 4), ("xmit_hash_policy", 1)),
        "",
        "type bond mode 802.3ad miimon 50 xmit_hash_policy layer3+4 lacp_rate fast",
    ),
    (VXLAN, "", "type vxlan id 7 local fd00::1 dstport 4789 ageing 60 nolearning"),
    (GROUP, "", "type vxlan id 7 group 239.1.1.1 dstport 8472 ageing 60 learning dev e0"),
]


@pytest.mark.parametrize(("fact", "below", "words"), MADE, ids=[words for *_, words in MADE])
def test_a_device_is_made(fact: Device, below: str, words: str) -> None:
    mac = f"address {MAC} " if fact.mac else ""
    assert created(fact) == [
        f"ip -n lab-a link add {below}name {fact.name} {mac}mtu 1400 {words}",
        f"ip -n lab-a link set dev {fact.name} up",
    ]
    assert created(replace(fact, up=False)) == created(fact)[:1]
    assert said(Step(Action.DELETE, fact)) == [f"ip -n lab-a link delete dev {fact.name}"]


def test_a_device_of_the_machine_is_in_the_group_and_marked() -> None:
    assert said(Step(Action.CREATE, replace(MACVLAN, node="host")), sandboxed=False) == [
        f"ip link add link e0 name m0 group 28268 address {MAC} mtu 1400 type macvlan mode bridge",
        "ip link set dev m0 alias netlab:lab/host/m0 up",
    ]


def test_what_stands_in_for_a_dummy_is_typed_in_its_place() -> None:
    made = said(Step(Action.CREATE, device("d0", "dummy", None)), dummy="ifb")
    assert made[0] == f"ip -n lab-a link add name d0 address {MAC} mtu 1400 type ifb"


BOND = device("b0", "bond", None, ("miimon", 100), ("mode", 1), ("primary", "e1"))

#: A device, what it becomes in place, and the commands.
CHANGED: list[tuple[Device, Device, list[str]]] = [
    (MACVLAN, replace(MACVLAN, options=(("mode", 1),)), ["link set dev m0 type macvlan mode private"]),
    (MACVLAN, replace(MACVLAN, mtu=1300, up=False), ["link set dev m0 mtu 1300 down"]),
    (
        BOND,
        replace(BOND, options=(("miimon", 50), ("mode", 1), ("primary", "e0"))),
        ["link set dev b0 type bond miimon 50 primary e0"],
    ),
    (
        VXLAN,
        replace(VXLAN, mtu=1300, options=(("ageing", 5), *VXLAN.options[1:])),
        ["link set dev v0 type vxlan ageing 5", "link set dev v0 mtu 1300"],
    ),
]


@pytest.mark.parametrize(("before", "after", "lines"), CHANGED, ids=[lines[0] for *_, lines in CHANGED])
def test_a_device_is_changed_in_place(before: Device, after: Device, lines: list[str]) -> None:
    assert updated(before, after) == [f"ip -n lab-a {line}" for line in lines]


@pytest.mark.parametrize("to", ["192.0.2.1", "fd00::2"])
def test_entries_of_one_mac_stand_beside_each_other(to: str) -> None:
    fact = Forwarding("a", "v0", EVERYBODY, to)
    assert created(fact) == [f"bridge -n lab-a fdb append 00:00:00:00:00:00 dev v0 dst {to}"]
    assert said(Step(Action.DELETE, fact)) == [f"bridge -n lab-a fdb delete 00:00:00:00:00:00 dev v0 dst {to}"]


def test_a_tap_is_made_by_a_word_of_its_own() -> None:
    tap = device("t0", "tun", None, ("mode", 2), ("owner", 7))
    assert created(tap) == [
        "ip -n lab-a tuntap add dev t0 mode tap user 7",
        f"ip -n lab-a link set dev t0 address {MAC} mtu 1400 up",
    ]
    tun = replace(tap, node="host", mac=None, options=(("mode", 1),))
    assert said(Step(Action.CREATE, tun), sandboxed=False) == [
        "ip tuntap add dev t0 mode tun",
        "ip link set dev t0 alias netlab:lab/host/t0 group 28268 mtu 1400 up",
    ]


def test_a_member_comes_and_goes() -> None:
    bonded, routed = Member("a", "e0", "b0", "bond"), Member("a", "e0", "red", "vrf")
    down, up = "ip -n lab-a link set dev e0 down", "ip -n lab-a link set dev e0 up"
    free = "ip -n lab-a link set dev e0 nomaster"
    assert created(bonded) == [down, "ip -n lab-a link set dev e0 master b0"]
    assert created(routed) == ["ip -n lab-a link set dev e0 master red"]
    assert said(Step(Action.DELETE, bonded)) == [free, up]
    assert said(Step(Action.DELETE, routed)) == [free]


def test_a_bond_is_told_by_a_file_that_no_member_comes_first() -> None:
    none = replace(BOND, options=BOND.options[:2])
    assert updated(BOND, none) == ["ip netns exec lab-a sh -c 'echo >/sys/class/net/b0/bonding/primary'"]


def test_the_vlans_of_a_port() -> None:
    port = Port("a", "e0", "br0", vlans=("1 pvid untagged",))
    trunk = replace(port, vlans=("10 pvid untagged", "20"))
    plug = "ip -n lab-a link set dev e0 master br0"
    added = [
        "bridge -n lab-a vlan delete vid 1 dev e0",
        "bridge -n lab-a vlan add vid 10 pvid untagged dev e0",
        "bridge -n lab-a vlan add vid 20 dev e0",
    ]
    assert created(port) == [plug]
    assert created(trunk) == [plug, *added]
    assert said(Step(Action.UPDATE, trunk, port, trunk.differences(port))) == added
