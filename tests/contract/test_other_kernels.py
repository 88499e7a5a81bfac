"""The contract of both kernels for devices on devices, and forwarding entries: see test_kernels.py."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from netlab.facts import Address, Bridge, Device, End, Fact, Forwarding, Namespace, Port, Route, Settings, veth
from netlab.facts.devices import EVERYBODY
from netlab.plan import Action, Step
from tests.contract.doors import Kernel, both

A, B = Namespace("a"), Namespace("b")
VALUES = (
    ("net.ipv4.ip_forward", "0"),
    ("net.ipv4.conf.all.promote_secondaries", "1"),
    ("net.ipv6.conf.all.disable_ipv6", "0"),
)
NODES = (A, B, Settings("a", VALUES), Settings("b", VALUES))


def end(node: str, name: str, mtu: int = 1500, up: bool = True) -> End:
    return End(node, name, f"02:00:00:00:{ord(node):02x}:{ord(name[-1]):02x}", mtu, up)


def vxlan(name: str, number: int, over: str | None = None, mtu: int = 1400, **ends: str) -> Device:
    options: dict[str, int | str] = {"ageing": 300, "id": number, "learning": 1, "port": 4789, **ends}
    return Device("a", name, "vxlan", over, f"02:00:00:00:05:{number:02x}", mtu, True, tuple(sorted(options.items())))


CABLE = veth(end("a", "e0"), end("b", "e0"))
BRIDGE = Bridge("a", "br0", "02:00:00:00:00:01", 1500)
DUMMY = Device("a", "d0", "dummy", None, "02:00:00:00:00:02", 1500)
MACVLAN = Device("a", "m0", "macvlan", "e0", "02:00:00:00:00:03", 1500, True, (("mode", 4),))
SECOND = replace(MACVLAN, name="m1", mac="02:00:00:00:00:04", mtu=1400)
ON_BRIDGE = replace(MACVLAN, name="m2", over="br0")
TUNNEL, TUNNEL6 = vxlan("v0", 7, local="198.51.100.9"), vxlan("v6", 7, local="fd66::9")
GROUP = vxlan("v1", 8, over="e0", group="239.1.1.1")
ENTRIES = tuple(Forwarding("a", "v0", EVERYBODY, f"198.51.100.{number}") for number in (1, 2))
ENTRY6 = Forwarding("a", "v6", EVERYBODY, "fd66::1")
FOUR, SIX = Address("a", "m0", "10.0.0.1/24"), Address("a", "m0", "fd00::1/64")
VIA = Route("a", "0.0.0.0/0", via="10.0.0.9", device="m0")
LAB = (
    *NODES, BRIDGE, CABLE, DUMMY, MACVLAN, SECOND, ON_BRIDGE, TUNNEL, TUNNEL6, GROUP, *ENTRIES, ENTRY6, FOUR, SIX, VIA,
)  # fmt: skip
PLUGGED = (Port("a", "d0", "br0"), Port("a", "v0", "br0"))


@both
def test_what_is_made_is_read_back_and_nothing_else(kernel: Kernel) -> None:
    kernel.make(*LAB, *PLUGGED)
    kernel.holds((*LAB, *PLUGGED))


def _with(fact: Device, **options: int) -> Device:
    return replace(fact, options=tuple(sorted({**dict(fact.options), **options}.items())))


CHANGES: list[tuple[Device, Device]] = [
    (DUMMY, replace(DUMMY, mtu=9000, up=False)),
    (MACVLAN, _with(replace(MACVLAN, mtu=1300, mac="02:00:00:00:00:09"), mode=1)),
    (SECOND, replace(SECOND, up=False)),
    (TUNNEL, _with(replace(TUNNEL, mtu=9000, mac="02:00:00:00:00:09"), ageing=60, learning=0)),
    (GROUP, _with(replace(GROUP, mtu=1300), ageing=60)),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change[0].name)
@both
def test_what_is_changed_in_place_is_read_back_there_and_back(kernel: Kernel, change: tuple[Device, Device]) -> None:
    before, after = change
    assert {difference.field for difference in after.differences(before)} <= Device.live
    kernel.make(*LAB)
    kernel.change(before, after)
    kernel.holds(after if fact == before else fact for fact in LAB)
    kernel.change(after, before)
    kernel.holds(LAB)


#: What is deleted, and what goes with it.
TAKEN: dict[str, tuple[Fact, tuple[Fact, ...]]] = {
    "below": (CABLE, (MACVLAN, SECOND, GROUP, FOUR, SIX, VIA)),
    "bridge-below": (BRIDGE, (ON_BRIDGE, *PLUGGED)),
    "tunnel": (TUNNEL, (*ENTRIES, PLUGGED[1])),
    "above": (MACVLAN, (FOUR, SIX, VIA)),
    "entry": (ENTRIES[0], ()),
    "dummy": (DUMMY, (PLUGGED[0],)),
}


@pytest.mark.parametrize("name", TAKEN)
@both
def test_what_goes_takes_along_what_hangs_on_it(kernel: Kernel, name: str) -> None:
    deleted, gone = TAKEN[name]
    made = (*LAB, *PLUGGED)
    kernel.make(*made)
    kernel.delete(deleted)
    kernel.holds(fact for fact in made if fact not in (deleted, *gone))


@both
def test_a_smaller_mtu_below_is_that_of_macvlans_too_and_not_of_tunnels(kernel: Kernel) -> None:
    kernel.make(*LAB)
    smaller = veth(end("a", "e0", mtu=1200), end("b", "e0"))
    kernel.change(CABLE, smaller)
    became = {CABLE: smaller, MACVLAN: replace(MACVLAN, mtu=1200), SECOND: replace(SECOND, mtu=1200)}
    kernel.holds(became.get(fact, fact) for fact in LAB if fact != SIX)


@both
def test_what_stands_on_a_device_that_goes_down_stays_up(kernel: Kernel) -> None:
    kernel.make(*LAB)
    down = veth(end("a", "e0", up=False), end("b", "e0"))
    kernel.change(CABLE, down)
    kernel.holds(down if fact == CABLE else fact for fact in LAB)


@both
def test_a_macvlan_in_passthru_has_the_mac_of_the_device_below(kernel: Kernel) -> None:
    alone = Device("a", "m0", "macvlan", "e0", None, 1500, True, (("mode", 8),))
    kernel.make(*NODES, CABLE, alone)
    kernel.holds([*NODES, CABLE, alone])
    (difference,) = MACVLAN.differences(replace(alone, mac=MACVLAN.mac))
    assert difference.field not in Device.live
    assert kernel.refusal(Step(Action.CREATE, SECOND)) == errno.EINVAL


REFUSALS: list[tuple[Fact, int]] = [
    (replace(DUMMY, name="e0"), errno.EEXIST),
    (replace(DUMMY, node="nowhere"), errno.ENOENT),
    (replace(MACVLAN, name="x", over="nothing"), errno.ENODEV),
    (replace(MACVLAN, name="x", mtu=1501, mac="02:00:00:00:00:0a"), errno.EINVAL),
    (replace(MACVLAN, name="x", mac=None, options=(("mode", 8),)), errno.EINVAL),
    (replace(MACVLAN, name="x", over="d0"), errno.EBUSY),
    (Port("a", "e0", "br0"), errno.EBUSY),
    (Port("a", "m2", "br0"), errno.EBUSY),
    (replace(TUNNEL, name="x"), errno.EEXIST),
    (replace(ENTRIES[0], device="nothing"), errno.ENODEV),
    (replace(ENTRIES[0], to="fd66::1"), errno.EAFNOSUPPORT),
    (replace(ENTRY6, to="198.51.100.1"), errno.EAFNOSUPPORT),
]


@pytest.mark.parametrize("refused", REFUSALS, ids=lambda refused: f"{refused[0].label()}-{refused[1]}")
@both
def test_what_is_refused_is_refused_with_the_same_errno_and_changes_nothing(
    kernel: Kernel, refused: tuple[Fact, int]
) -> None:
    fact, number = refused
    kernel.make(*LAB, *PLUGGED)
    assert kernel.refusal(Step(Action.CREATE, fact)) == number
    kernel.holds((*LAB, *PLUGGED))


@both
def test_a_tunnel_of_ipv6_is_refused_on_a_device_without(kernel: Kernel) -> None:
    kernel.make(A, B, Settings("a", (*VALUES[:2], ("net.ipv6.conf.all.disable_ipv6", "1"))), CABLE)
    assert kernel.refusal(Step(Action.CREATE, replace(TUNNEL6, over="e0"))) == errno.EPERM


@pytest.mark.parametrize("fact", [DUMMY, MACVLAN, TUNNEL, ENTRIES[0]], ids=lambda fact: fact.label())
@both
def test_deleting_what_is_gone_is_success(kernel: Kernel, fact: Fact) -> None:
    kernel.make(*NODES)
    kernel.delete(fact)
    kernel.holds(NODES)


@both
def test_an_entry_that_is_there_already_is_success(kernel: Kernel) -> None:
    kernel.make(*NODES, TUNNEL, ENTRIES[0])
    kernel.make(ENTRIES[0])
    kernel.holds([*NODES, TUNNEL, ENTRIES[0]])


VLAN = Device("a", "w0", "vlan", "e0", "02:00:00:00:00:05", 1500, True, (("id", 10), ("protocol", 0x8100)))
STAG = replace(VLAN, name="w1", mac="02:00:00:00:00:06", mtu=1400, options=(("id", 10), ("protocol", 0x88A8)))
OTHER = replace(VLAN, name="x", options=(("id", 3), ("protocol", 0x8100)))
VLANS = (*NODES, CABLE, VLAN, STAG)


@pytest.mark.needs("vlan")
@both
def test_vlans_go_down_and_up_with_the_device_below(kernel: Kernel) -> None:
    kernel.make(*VLANS)
    kernel.holds(VLANS)
    down = veth(end("a", "e0", up=False), end("b", "e0"))
    kernel.change(CABLE, down)
    kernel.holds([*NODES, down, replace(VLAN, up=False), replace(STAG, up=False)])
    assert kernel.refusal(Step(Action.CREATE, OTHER)) == errno.ENETDOWN
    kernel.change(down, CABLE)
    kernel.holds(VLANS)


@pytest.mark.needs("vlan")
@both
def test_vlans_keep_within_the_mtu_below(kernel: Kernel) -> None:
    kernel.make(*VLANS)
    small = veth(end("a", "e0", mtu=1450), end("b", "e0"))
    kernel.change(CABLE, small)
    kernel.holds([*NODES, small, replace(VLAN, mtu=1450), STAG])
    assert kernel.refusal(Step(Action.CREATE, OTHER)) == errno.EINVAL
    assert kernel.refusal(Step(Action.CREATE, replace(VLAN, name="x"))) == errno.EEXIST
    assert kernel.refusal(Step(Action.CREATE, replace(VLAN, name="x", mtu=1400))) == errno.EEXIST


IPVLAN = Device("a", "i0", "ipvlan", "e0", None, 1500, True, (("mode", 0),))
IPVLANS = (*NODES, CABLE, BRIDGE, IPVLAN, replace(IPVLAN, name="i1", mtu=9000))


@pytest.mark.needs("ipvlan")
@both
def test_ipvlans(kernel: Kernel) -> None:
    kernel.make(*IPVLANS)
    kernel.holds(IPVLANS)
    assert kernel.refusal(Step(Action.CREATE, replace(MACVLAN, name="x"))) == errno.EBUSY
    assert kernel.refusal(Step(Action.CREATE, Port("a", "e0", "br0"))) == errno.EBUSY
    assert kernel.refusal(Step(Action.CREATE, Port("a", "i0", "br0"))) == errno.EINVAL
    routed = replace(IPVLAN, options=(("mode", 1),))
    kernel.change(IPVLAN, routed)
    kernel.holds([*NODES, CABLE, BRIDGE, routed, replace(routed, name="i1", mtu=9000)])
    kernel.change(routed, IPVLAN)
    six = Address("a", "i0", "fd00::1/64")
    kernel.make(six)
    small = veth(end("a", "e0", mtu=1000), end("b", "e0"))
    kernel.change(CABLE, small)
    kernel.holds([*NODES, small, BRIDGE, replace(IPVLAN, mtu=1000), replace(IPVLAN, name="i1", mtu=1000), six])
    kernel.change(replace(IPVLAN, mtu=1000), replace(IPVLAN, mtu=1100))
    kernel.holds([*NODES, small, BRIDGE, replace(IPVLAN, mtu=1100), replace(IPVLAN, name="i1", mtu=1000)])
