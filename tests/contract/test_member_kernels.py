"""The contract of both kernels for bonds, VRFs and their members: see test_kernels.py."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import replace

import pytest

from netlab.facts import Address, Bridge, Device, End, Fact, Member, Namespace, Neighbour, Port, Route, Settings, veth
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


CABLES = tuple(veth(end("a", f"e{number}"), end("b", f"e{number}")) for number in (0, 1))
BRIDGE = Bridge("a", "br0", "02:00:00:00:00:01", 1500)
WORK = (("miimon", 100), ("mode", 1), ("primary", "e0"))
BOND = Device("a", "bond0", "bond", None, "02:00:00:00:00:02", 1400, True, WORK)
BONDED = tuple(Member("a", f"e{number}", "bond0", "bond") for number in (0, 1))
#: The cables once the bond has them: its MTU is theirs.
SMALL = tuple(veth(replace(cable.a, mtu=1400), cable.b) for cable in CABLES)

RED = Device("a", "red", "vrf", None, "02:00:00:00:00:03", 65535, True, (("table", 10),))
BLUE = replace(RED, name="blue", mac="02:00:00:00:00:04", options=(("table", 20),))
IN_RED = Member("a", "e0", "red", "vrf")
FOUR, SIX = Address("a", "e0", "10.0.0.1/24"), Address("a", "e0", "fd00::1/64")
FAR = Address("a", "e1", "10.0.0.1/24")
KNOWN = Neighbour("a", "e0", "10.0.0.7", "02:00:00:00:00:77")
VIA = Route("a", "192.0.2.0/24", via="10.0.0.9", device="e0")
VIA_IN_RED = replace(VIA, table=10)
VIA6_IN_RED = Route("a", "fd99::/64", via="fd00::9", device="e0", table=10)
DEAD = Route("a", "198.51.100.0/24", table=10, kind="blackhole")


def _without(facts: Iterable[Fact], *gone: Fact) -> list[Fact]:
    return [fact for fact in facts if fact not in gone]


@pytest.mark.needs("bond")
@both
def test_a_bonds_members_have_its_mtu_and_get_their_own_back(kernel: Kernel) -> None:
    kernel.make(*NODES, *CABLES, BOND, *BONDED)
    kernel.holds([*NODES, *SMALL, BOND, *BONDED])
    larger = replace(BOND, mtu=1450)
    kernel.change(BOND, larger)
    grown = [veth(replace(cable.a, mtu=1450), cable.b) for cable in CABLES]
    kernel.holds([*NODES, *grown, larger, *BONDED])
    kernel.delete(BONDED[1])
    kernel.holds([*NODES, grown[0], CABLES[1], larger, BONDED[0]])
    kernel.delete(larger)
    kernel.holds([*NODES, veth(replace(CABLES[0].a, up=False), CABLES[0].b), CABLES[1]])


@pytest.mark.needs("bond")
@both
def test_a_bonds_options_change_in_place(kernel: Kernel) -> None:
    made = [*NODES, *SMALL, *BONDED]
    kernel.make(*NODES, *CABLES, BOND, *BONDED)
    other = replace(BOND, options=(("miimon", 50), ("mode", 1), ("primary", "e1")))
    kernel.change(BOND, other)
    kernel.holds([*made, other])
    none = replace(BOND, options=(("miimon", 50), ("mode", 1)))
    kernel.change(other, none)
    kernel.holds([*made, none])
    kernel.change(none, BOND)
    kernel.holds([*made, BOND])


@pytest.mark.needs("bond")
@both
def test_routes_go_when_a_device_becomes_a_bonds_member(kernel: Kernel) -> None:
    kernel.make(*NODES, *CABLES, FOUR, SIX, VIA, KNOWN, replace(BOND, options=(("miimon", 100), ("mode", 1))))
    kernel.make(BONDED[0])
    bare = replace(BOND, options=(("miimon", 100), ("mode", 1)))
    kernel.holds([*NODES, SMALL[0], CABLES[1], FOUR, bare, BONDED[0]])


@pytest.mark.needs("bond")
@both
def test_the_options_of_other_modes(kernel: Kernel) -> None:
    options = {"mode": 4, "miimon": 100, "lacp_rate": 1, "xmit_hash_policy": 1}
    lacp = replace(BOND, options=tuple(sorted(options.items())))
    xor = replace(BOND, name="bond1", options=(("miimon", 100), ("mode", 2), ("xmit_hash_policy", 5)))
    kernel.make(*NODES, lacp, xor)
    kernel.holds([*NODES, lacp, xor])
    changed = replace(lacp, options=tuple(sorted({**options, "xmit_hash_policy": 2}.items())))
    kernel.change(lacp, changed)
    kernel.holds([*NODES, changed, xor])


@pytest.mark.needs("bond")
@both
def test_what_is_no_bonds_member(kernel: Kernel) -> None:
    bare = replace(BOND, options=(("miimon", 100), ("mode", 1)))
    above = Device("a", "m0", "macvlan", "e1", "02:00:00:00:00:05", 1400, True, (("mode", 4),))
    kernel.make(*NODES, *CABLES, BRIDGE, bare, BONDED[0], above)
    assert kernel.refusal(Step(Action.CREATE, replace(above, name="x", over="e0"))) == errno.EBUSY
    assert kernel.refusal(Step(Action.CREATE, replace(BONDED[1], device="nothing"))) == errno.ENODEV
    assert kernel.refusal(Step(Action.CREATE, BONDED[1])) == errno.EBUSY
    kernel.delete(BONDED[1])


@pytest.mark.needs("vrf")
@both
def test_a_vrfs_members_keep_their_ipv4_addresses_only(kernel: Kernel) -> None:
    made = [*NODES, *CABLES, RED, FOUR, DEAD]
    kernel.make(*made, SIX, VIA, KNOWN)
    kernel.make(IN_RED)
    kernel.holds([*made, IN_RED])
    kernel.make(SIX, KNOWN, VIA_IN_RED, VIA6_IN_RED, VIA)
    kernel.holds([*made, IN_RED, SIX, KNOWN, VIA_IN_RED, VIA6_IN_RED, VIA])
    kernel.delete(IN_RED)
    kernel.holds(made)


@pytest.mark.needs("vrf")
@both
def test_a_vrf_that_goes_frees_its_members(kernel: Kernel) -> None:
    made = [*NODES, *CABLES, FOUR, DEAD]
    kernel.make(*made, RED, BLUE, IN_RED, replace(IN_RED, device="e1", master="blue"), FAR, SIX, VIA_IN_RED)
    kernel.delete(RED)
    kernel.holds([*made, BLUE, replace(IN_RED, device="e1", master="blue"), FAR])


@pytest.mark.needs("vrf")
@both
def test_a_vrf_that_is_down_keeps_its_routes(kernel: Kernel) -> None:
    made = [*NODES, *CABLES, IN_RED, FOUR, SIX, VIA_IN_RED, DEAD]
    kernel.make(*NODES, *CABLES, RED, IN_RED, FOUR, SIX, VIA_IN_RED, DEAD)
    down = replace(RED, up=False)
    kernel.change(RED, down)
    kernel.holds([*made, down])
    kernel.change(down, RED)
    kernel.holds([*made, RED])


@pytest.mark.needs("vrf")
@both
def test_a_source_that_goes_takes_the_routes_of_its_own_table(kernel: Kernel) -> None:
    prefers = replace(VIA_IN_RED, source="10.0.0.1")
    other = Address("a", "e0", "10.0.1.1/24")
    made = [*NODES, *CABLES, RED, IN_RED, other, DEAD]
    kernel.make(*made, FOUR, prefers)
    kernel.delete(FOUR)
    kernel.holds(made)


@pytest.mark.needs("vrf", "vlan")
@both
def test_what_stands_on_a_vrfs_member_goes_down_and_up_with_it(kernel: Kernel) -> None:
    tagged = Device("a", "w0", "vlan", "e0", "02:00:00:00:00:06", 1500, True, (("id", 5), ("protocol", 0x8100)))
    down = replace(tagged, name="w1", mac="02:00:00:00:00:07", up=False, options=(("id", 6), ("protocol", 0x8100)))
    held = [Address("a", "w0", "10.5.0.1/24"), Address("a", "w0", "fd05::1/64")]
    kernel.make(*NODES, *CABLES, RED, tagged, down, *held, Route("a", "192.0.2.0/24", via="10.5.0.9", device="w0"))
    kernel.make(IN_RED)
    kernel.holds([*NODES, *CABLES, RED, tagged, replace(down, up=True), held[0], IN_RED])


@pytest.mark.needs("vrf")
@both
def test_what_is_no_vrfs_member(kernel: Kernel) -> None:
    kernel.make(*NODES, *CABLES, BRIDGE, RED, BLUE, IN_RED)
    assert kernel.refusal(Step(Action.CREATE, Member("a", "blue", "red", "vrf"))) == errno.EINVAL
    assert kernel.refusal(Step(Action.CREATE, Port("a", "red", "br0"))) == errno.EINVAL
    assert kernel.refusal(Step(Action.CREATE, replace(IN_RED, device="nothing"))) == errno.ENODEV
    kernel.make(Member("a", "br0", "red", "vrf"))
    kernel.holds([*NODES, *CABLES, BRIDGE, RED, BLUE, IN_RED, Member("a", "br0", "red", "vrf")])
