"""One contract for the fake kernel and the real one: the same steps, the same facts read back, the same refusals."""

from __future__ import annotations

import errno
from dataclasses import replace
from random import Random

import pytest

from netlab.facts import Address, Bridge, DeviceSettings, End, Fact, Namespace, Port, Route, Settings, veth
from netlab.plan import Action, Step, plan
from tests.contract.doors import Kernel, both, both_on_a_machine
from tests.real_labs import real_lab

A, B = Namespace("a"), Namespace("b")
OFF = (("net.ipv4.ip_forward", "0"), ("net.ipv4.conf.all.promote_secondaries", "1"))
OF_A, OF_B = (Settings(node, (*OFF, ("net.ipv6.conf.all.disable_ipv6", "0"))) for node in "ab")


def end(node: str, name: str, mtu: int = 1500, up: bool = True) -> End:
    return End(node, name, f"02:00:00:00:{ord(node):02x}:{ord(name[-1]):02x}", mtu, up)


CABLE, LOOSE = veth(end("a", "e0"), end("b", "e0")), veth(end("a", "e1"), end("b", "e1"))
BRIDGE = Bridge("a", "br0", "02:00:00:00:00:01", 1500)
PORT = Port("a", "e1", "br0")
FOUR, SECOND = Address("a", "e0", "10.0.0.1/24"), Address("a", "e0", "10.0.0.2/24")
SIX, LINK = Address("a", "e0", "fd00::1/64"), Address("a", "e0", "fe80::1/64")
VIA4 = Route("a", "0.0.0.0/0", via="10.0.0.9", device="e0")
VIA6 = Route("a", "::/0", via="fd00::9", device="e0")
HOLE4, HOLE6 = Route("a", "172.16.0.0/16", kind="blackhole"), Route("a", "fd99::/64", kind="prohibit", metric=7)
OWN = DeviceSettings("a", "e0", (("net.ipv4.conf.e0.rp_filter", "2"),))
NODES = (A, B, OF_A, OF_B)
LAB = (*NODES, BRIDGE, CABLE, LOOSE, PORT, FOUR, SECOND, SIX, LINK, OWN, VIA4, VIA6, HOLE4, HOLE6)


@both
def test_what_is_made_is_read_back_and_nothing_else(kernel: Kernel) -> None:
    kernel.holds([])
    kernel.make(*LAB)
    kernel.holds(LAB)


CHANGES: list[tuple[Fact, Fact]] = [
    (A, replace(A, up=False)),
    (BRIDGE, replace(BRIDGE, mtu=1400, mac="02:00:00:00:00:02")),
    (BRIDGE, replace(BRIDGE, stp=True, forward_delay=400, hello_time=100, max_age=800, ageing_time=100, priority=1)),
    (CABLE, veth(end("a", "e0", mtu=1400), end("b", "e0", mtu=1300))),
    (CABLE, veth(replace(end("a", "e0"), mac="02:00:00:00:00:03"), end("b", "e0"))),
    (PORT, replace(PORT, hairpin=True, isolated=True, learning=False, flood=False)),
    (VIA4, replace(VIA4, via="10.0.0.8", mtu=1400, source="10.0.0.2")),
    (VIA6, replace(VIA6, via="fd00::8", mtu=1400)),
    (VIA6, replace(VIA6, via=None)),
    (HOLE4, replace(HOLE4, kind="unreachable")),
    (HOLE4, replace(VIA4, to=HOLE4.to)),
    (HOLE6, replace(VIA6, to=HOLE6.to, metric=7)),
    (OF_A, replace(OF_A, values=(("net.ipv4.ip_forward", "1"), *OF_A.values[1:]))),
    (OWN, replace(OWN, values=(("net.ipv4.conf.e0.rp_filter", "1"),))),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change[0].label())
@both
def test_what_is_changed_in_place_is_read_back_there_and_back(kernel: Kernel, change: tuple[Fact, Fact]) -> None:
    before, after = change
    lab = [fact for fact in LAB if not (isinstance(before, Namespace) and isinstance(fact, Route))]
    kernel.make(*lab)
    kernel.change(before, after)
    kernel.holds(after if fact.key == before.key else fact for fact in lab)
    kernel.change(after, before)
    kernel.holds(lab)


#: What is there, what is deleted or changed, and what goes with it.
TAKEN: dict[str, tuple[tuple[Fact, ...], Step, tuple[Fact, ...]]] = {
    "namespace": (LAB, Step(Action.DELETE, A), LAB),
    "cable": (LAB, Step(Action.DELETE, CABLE), (CABLE, FOUR, SECOND, SIX, LINK, OWN, VIA4, VIA6)),
    "bridge": (LAB, Step(Action.DELETE, BRIDGE), (BRIDGE, PORT)),
    "port": (LAB, Step(Action.DELETE, PORT), (PORT,)),
    "primary-address": (LAB, Step(Action.DELETE, FOUR), (FOUR,)),
    "only-address": (
        tuple(fact for fact in LAB if fact != SECOND),
        Step(Action.DELETE, FOUR),
        (FOUR, VIA4),
    ),
    "ipv6-address": (LAB, Step(Action.DELETE, SIX), (SIX,)),
    "route": (LAB, Step(Action.DELETE, VIA6), (VIA6,)),
    "own-settings": (LAB, Step(Action.DELETE, OWN), (OWN,)),
}


@pytest.mark.parametrize("name", TAKEN)
@both
def test_what_goes_takes_along_what_hangs_on_it(kernel: Kernel, name: str) -> None:
    made, step, gone = TAKEN[name]
    kernel.make(*made)
    kernel.do([step])
    if name == "namespace":
        gone = tuple(fact for fact in made if "a" in fact.nodes)
    kernel.holds(fact for fact in made if fact not in gone)


@both
def test_secondary_addresses_go_with_their_primary_where_they_are_not_promoted(kernel: Kernel) -> None:
    strict = replace(OF_A, values=(OF_A.values[0], ("net.ipv4.conf.all.promote_secondaries", "0"), OF_A.values[2]))
    kernel.make(A, B, strict, OF_B, CABLE, FOUR, SECOND, VIA4)
    kernel.delete(FOUR)
    kernel.holds([A, B, strict, OF_B, CABLE])


UPDATES: dict[str, tuple[Fact, Fact, tuple[Fact, ...]]] = {
    "link-down": (CABLE, veth(end("a", "e0", up=False), end("b", "e0")), (SIX, LINK, VIA4, VIA6)),
    "peer-down": (CABLE, veth(end("a", "e0"), end("b", "e0", up=False)), ()),
    "lo-down": (A, replace(A, up=False), (HOLE6,)),
    "mtu-too-low-for-ipv6": (CABLE, veth(end("a", "e0", mtu=1279), end("b", "e0")), (SIX, LINK, VIA6)),
    "ipv6-off": (OF_A, replace(OF_A, values=(*OFF, ("net.ipv6.conf.all.disable_ipv6", "1"))), (SIX, LINK, VIA6, HOLE6)),
}


@pytest.mark.parametrize("name", UPDATES)
@both
def test_what_changes_takes_along_what_cannot_stay(kernel: Kernel, name: str) -> None:
    before, after, gone = UPDATES[name]
    kernel.make(*LAB)
    kernel.change(before, after)
    kernel.holds(after if fact == before else fact for fact in LAB if fact not in gone)


REFUSALS: list[tuple[Fact, int]] = [
    (Bridge("a", "e0"), errno.EEXIST),
    (Bridge("a", "lo"), errno.EEXIST),
    (Bridge("nowhere", "br0"), errno.ENOENT),
    (veth(End("a", "br0"), End("b", "x")), errno.EEXIST),
    (veth(End("a", "x"), End("b", "e0")), errno.EEXIST),
    (Port("a", "nothing", "br0"), errno.ENODEV),
    (Port("a", "e0", "nothing"), errno.ENODEV),
    (Port("a", "br0", "br0"), errno.ELOOP),
    (Port("a", "lo", "br0"), errno.EINVAL),
    (Address("a", "nothing", "10.0.0.1/24"), errno.ENODEV),
    (replace(VIA4, metric=7, via="10.9.9.9"), errno.ENETUNREACH),
    (replace(VIA6, metric=7, via="fd01::9"), errno.EHOSTUNREACH),
    (replace(VIA4, metric=7, device="e1"), errno.ENETUNREACH),
    (replace(VIA4, metric=7, device="nothing"), errno.ENODEV),
    (replace(VIA4, metric=7, source="10.0.0.77"), errno.EINVAL),
    (replace(VIA6, metric=7, source="fd00::77"), errno.EINVAL),
    (replace(VIA6, metric=7, via="fd00::1"), errno.EINVAL),
    (VIA4, errno.EEXIST),
    (VIA6, errno.EEXIST),
    (replace(VIA6, metric=1024), errno.EEXIST),
    (Route("a", "10.0.0.0/24", device="e0"), errno.EEXIST),
    (Route("a", "1.0.0.0/8", device="e3", metric=7), errno.ENETDOWN),
    (Route("a", "fd01::/64", device="e2"), errno.ENODEV),
    (Address("a", "e2", "fd02::1/64"), errno.EINVAL),
]
LOW = veth(end("a", "e2", mtu=1000), end("b", "e2", mtu=1000))
DOWN = veth(end("a", "e3", up=False), end("b", "e3"))


@pytest.mark.parametrize("refused", REFUSALS, ids=lambda refused: f"{refused[0].label()}-{refused[1]}")
@both
def test_what_is_refused_is_refused_with_the_same_errno_and_changes_nothing(
    kernel: Kernel, refused: tuple[Fact, int]
) -> None:
    fact, number = refused
    made = (*NODES, BRIDGE, CABLE, LOOSE, DOWN, LOW, FOUR, SIX, VIA4, VIA6)
    kernel.make(*made)
    assert kernel.refusal(Step(Action.CREATE, fact)) == number
    kernel.holds(made)


@both
def test_ipv6_that_is_off_is_refused(kernel: Kernel) -> None:
    kernel.make(A, replace(OF_A, values=(*OFF, ("net.ipv6.conf.all.disable_ipv6", "1"))))
    assert kernel.refusal(Step(Action.CREATE, Address("a", "lo", "fd00::1/128"))) == errno.EACCES


@pytest.mark.parametrize("fact", [CABLE, BRIDGE, PORT, FOUR, SIX, VIA4, VIA6, HOLE4], ids=lambda fact: fact.label())
@both
def test_deleting_what_is_gone_is_success(kernel: Kernel, fact: Fact) -> None:
    kernel.make(*NODES)
    kernel.delete(fact)
    kernel.holds(NODES)


@pytest.mark.parametrize("fact", [CABLE, BRIDGE, PORT], ids=lambda fact: fact.label())
@both
def test_changing_what_is_gone_is_refused(kernel: Kernel, fact: Fact) -> None:
    kernel.make(*NODES)
    after = {CABLE: CHANGES[3][1], BRIDGE: CHANGES[1][1], PORT: CHANGES[5][1]}[fact]
    kernel.refusal(Step(Action.UPDATE, after, fact, after.differences(fact)))
    kernel.holds(NODES)


@pytest.mark.parametrize("seed", range(12))
@both_on_a_machine
def test_a_history_of_random_labs_ends_in_each_of_them(kernel: Kernel, seed: int) -> None:
    rng = Random(seed)
    lab = real_lab(rng, True)
    for _ in range(4):
        kernel.do(plan(lab, kernel.facts(lab)).steps)
        kernel.holds(lab.values())
        lab = real_lab(rng, True, lab)
