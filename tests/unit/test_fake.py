"""The fake kernel: what it refuses, what it takes along, how it is cut off. tests/kernel holds it to the real one."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from netlab.facts import (
    Address,
    Bridge,
    DeviceSettings,
    End,
    Fact,
    Namespace,
    Port,
    Program,
    Route,
    Settings,
    Stray,
    veth,
)
from netlab.kernel.fake import Cut, FakeKernel
from netlab.plan import Action, Scope, Step, StepRefused

A, B = Namespace("a"), Namespace("b")
BRIDGE = Bridge("a", "br0", mtu=1500)
CABLE = veth(End("a", "e0", mtu=1500), End("b", "e0", mtu=1500))
LOOSE = veth(End("a", "e1", mtu=1500), End("b", "e1", mtu=1500))
PORT = Port("a", "e1", "br0")
FOUR, SIX = Address("a", "e0", "10.0.0.1/24"), Address("a", "e0", "fd00::1/64")
SECOND = Address("a", "e0", "10.0.0.2/24")
VIA4 = Route("a", "0.0.0.0/0", via="10.0.0.9", device="e0")
VIA6 = Route("a", "::/0", via="fd00::9", device="e0")
HOLE6 = Route("a", "fd99::/64", kind="blackhole")
PROMOTING = Settings("a", (("net.ipv4.conf.all.promote_secondaries", "1"),))


def kernel(*facts: Fact) -> FakeKernel:
    found = FakeKernel()
    found.do([Step(Action.CREATE, fact) for fact in (A, B, *facts)])
    return found


def delete(fake: FakeKernel, fact: Fact) -> None:
    fake.do([Step(Action.DELETE, fact)])


def update(fake: FakeKernel, fact: Fact) -> None:
    fake.do([Step(Action.UPDATE, fact)])


def has(fake: FakeKernel, *facts: Fact) -> list[bool]:
    return [fact.key in fake.facts for fact in facts]


def test_facts_come_back_as_they_were_made() -> None:
    made = (BRIDGE, CABLE, LOOSE, PORT, FOUR, SIX, VIA4, VIA6, HOLE6, PROMOTING)
    fake = kernel(*made)
    assert set(fake.facts.values()) == {A, B, *made}


REFUSED = [
    (A, errno.EEXIST),
    (Bridge("a", "e0"), errno.EEXIST),
    (Bridge("a", "lo"), errno.EEXIST),
    (Bridge("nowhere", "br0"), errno.ENOENT),
    (veth(End("b", "x"), End("a", "br0")), errno.EEXIST),
    (Port("a", "nothing", "br0"), errno.ENODEV),
    (Port("a", "e0", "nothing"), errno.ENODEV),
    (Port("a", "e0", "e1"), errno.EINVAL),
    (Port("a", "br0", "br0"), errno.ELOOP),
    (PORT, errno.EBUSY),
    (Address("a", "nothing", "10.0.0.1/24"), errno.ENODEV),
    (FOUR, errno.EEXIST),
    (Address("a", "e0", "fd00::1/48"), errno.EEXIST),
    (replace(VIA4, metric=7, via="10.9.9.9"), errno.ENETUNREACH),
    (replace(VIA6, metric=7, via="fd01::9"), errno.EHOSTUNREACH),
    (replace(VIA4, metric=7, device="e1"), errno.ENETUNREACH),
    (replace(VIA4, metric=7, device="nothing"), errno.ENODEV),
    (replace(VIA4, metric=7, via="10.0.0.1"), errno.EINVAL),
    (replace(VIA4, metric=7, source="10.0.0.77"), errno.EINVAL),
    (VIA4, errno.EEXIST),
    (replace(VIA6, metric=1024), errno.EEXIST),
    (Route("a", "10.0.0.0/24", device="e0"), errno.EEXIST),
]


@pytest.mark.parametrize(("fact", "number"), REFUSED, ids=[f"{fact.label()}-{n}" for fact, n in REFUSED])
def test_what_the_kernel_refuses_is_refused_with_its_errno(fact: Fact, number: int) -> None:
    fake = kernel(BRIDGE, CABLE, LOOSE, PORT, FOUR, SIX, VIA4, VIA6)
    before = fake.facts
    with pytest.raises(StepRefused) as caught:
        fake.do([Step(Action.CREATE, fact)])
    assert (caught.value.number, caught.value.step.fact) == (number, fact)
    assert fake.facts == before


def test_ways_out_that_are_down_or_have_no_ipv6_are_refused() -> None:
    fake = kernel(veth(End("a", "e0", up=False), End("b", "e0")), veth(End("a", "e1", mtu=1000), End("b", "e1")))
    tries = [
        (Route("a", "1.0.0.0/8", device="e0"), errno.ENETDOWN),
        (Route("a", "fd01::/64", device="e1"), errno.ENODEV),
        (Address("a", "e1", "fd00::1/64"), errno.EINVAL),
    ]
    for fact, number in tries:
        with pytest.raises(StepRefused) as caught:
            fake.do([Step(Action.CREATE, fact)])
        assert caught.value.number == number
    update(fake, Settings("a", (("net.ipv6.conf.all.disable_ipv6", "1"),)))
    with pytest.raises(StepRefused) as caught:
        fake.do([Step(Action.CREATE, Address("a", "lo", "fd00::1/128"))])
    assert caught.value.number == errno.EACCES


@pytest.mark.parametrize("fact", [CABLE, BRIDGE, PORT, FOUR, VIA4, Namespace("c"), Address("c", "e0", "1.2.3.4/8")])
def test_deleting_what_is_gone_is_success(fact: Fact) -> None:
    fake = kernel()
    before = fake.facts
    delete(fake, fact)
    assert fake.facts == before


@pytest.mark.parametrize("fact", [CABLE, BRIDGE, PORT, VIA4, Namespace("c")])
def test_changing_what_is_gone_is_refused(fact: Fact) -> None:
    with pytest.raises(StepRefused):
        update(kernel(), fact)


def test_a_namespace_takes_all_in_it_and_both_ends_of_its_cables() -> None:
    fake = kernel(CABLE, LOOSE, BRIDGE, PORT, FOUR, VIA4, PROMOTING, Address("b", "e0", "10.0.0.9/24"))
    delete(fake, A)
    assert list(fake.facts.values()) == [B]


def test_a_cable_takes_what_hangs_on_either_end() -> None:
    far = Address("b", "e0", "10.0.0.9/24")
    own = DeviceSettings("a", "e0", (("net.ipv4.conf.e0.rp_filter", "1"),))
    fake = kernel(CABLE, LOOSE, FOUR, SIX, VIA4, VIA6, HOLE6, far, own)
    delete(fake, CABLE)
    assert set(fake.facts.values()) == {A, B, LOOSE, HOLE6}


def test_a_bridge_frees_its_ports() -> None:
    fake = kernel(BRIDGE, LOOSE, PORT)
    delete(fake, BRIDGE)
    assert set(fake.facts.values()) == {A, B, LOOSE}


def test_a_device_set_down_keeps_ipv4_addresses_only() -> None:
    fake = kernel(CABLE, FOUR, SIX, VIA4, VIA6, HOLE6)
    update(fake, veth(End("a", "e0", mtu=1500, up=False), End("b", "e0", mtu=1500)))
    assert has(fake, FOUR, SIX, VIA4, VIA6, HOLE6) == [True, False, False, False, True]
    update(fake, CABLE)
    assert has(fake, FOUR, SIX, VIA4, VIA6, HOLE6) == [True, False, False, False, True]
    fake.do([Step(Action.CREATE, VIA4)])


def test_lo_set_down_takes_the_blackholes_of_ipv6() -> None:
    hole4, on_lo = Route("a", "9.0.0.0/8", kind="blackhole"), Address("a", "lo", "fd00::7/128")
    fake = kernel(HOLE6, hole4, on_lo)
    update(fake, Namespace("a", up=False))
    assert has(fake, HOLE6, hole4, on_lo) == [False, True, False]


def test_a_small_mtu_takes_ipv6_of_its_end_only() -> None:
    far = Address("b", "e0", "fd00::9/64")
    fake = kernel(CABLE, FOUR, SIX, VIA4, VIA6, far)
    update(fake, veth(End("a", "e0", mtu=1279), End("b", "e0", mtu=1500)))
    assert has(fake, FOUR, SIX, VIA4, VIA6, far) == [True, False, True, False, True]


def test_the_last_ipv4_address_takes_all_ipv4_routes_of_its_device() -> None:
    plain = Route("a", "9.0.0.0/8", device="e0", table=100)
    other = Address("a", "e0", "10.1.0.1/24")
    fake = kernel(CABLE, FOUR, other, SIX, VIA4, VIA6, plain)
    delete(fake, FOUR)
    assert has(fake, VIA4, VIA6, plain) == [True, True, True]
    delete(fake, other)
    assert has(fake, VIA4, VIA6, plain) == [False, True, False]


@pytest.mark.parametrize("promotes", [False, True])
def test_a_primary_address_takes_its_secondaries_unless_they_are_promoted(promotes: bool) -> None:
    third, wider = Address("a", "e0", "10.0.0.3/24"), Address("a", "e0", "10.0.0.4/16")
    fake = kernel(*([PROMOTING] if promotes else []), CABLE, FOUR, SECOND, third, wider)
    delete(fake, SECOND)
    assert has(fake, FOUR, SECOND, third, wider) == [True, False, True, True]
    delete(fake, FOUR)
    assert has(fake, FOUR, third, wider) == [False, promotes, True]


def test_an_ipv4_source_that_goes_takes_routes_of_the_main_table() -> None:
    source = Address("a", "lo", "10.9.9.9/32")
    twin = Address("a", "e0", "10.9.9.9/24")
    main, other = replace(VIA4, source="10.9.9.9"), replace(VIA4, source="10.9.9.9", table=100)
    fake = kernel(CABLE, FOUR, source, twin, main, other)
    delete(fake, twin)
    assert has(fake, main, other) == [True, True]
    delete(fake, source)
    assert has(fake, main, other) == [False, True]


def test_an_ipv6_source_that_is_deleted_is_forgotten_but_not_if_its_link_takes_it() -> None:
    source, route = Address("a", "e1", "fd77::1/64"), replace(VIA6, source="fd77::1")
    fake = kernel(CABLE, LOOSE, SIX, source, route)
    delete(fake, source)
    assert fake.facts[route.key] == VIA6
    fake = kernel(CABLE, LOOSE, SIX, source, route)
    delete(fake, LOOSE)
    assert fake.facts[route.key] == route


def test_settings_do_what_writing_them_does() -> None:
    own = DeviceSettings("a", "e0", (("net.ipv4.conf.e0.forwarding", "0"), ("net.ipv4.conf.e0.rp_filter", "1")))
    fake = kernel(CABLE, FOUR, SIX, VIA6, HOLE6, own)
    update(fake, Settings("a", (("net.ipv4.ip_forward", "1"), ("net.ipv6.conf.all.disable_ipv6", "1"))))
    assert has(fake, FOUR, SIX, VIA6, HOLE6) == [True, False, False, False]
    assert fake.facts[own.key] == replace(own, values=own.values[1:])


def test_a_gateway_without_a_device_gets_the_one_it_is_on() -> None:
    fake = kernel(CABLE, FOUR, replace(VIA4, device=None))
    assert fake.facts[VIA4.key] == VIA4


def test_a_bridge_takes_so_many_ports_and_no_more() -> None:
    fake = kernel(BRIDGE)
    for number in range(1023):
        name = f"p{number}"
        fake.do([Step(Action.CREATE, fact) for fact in (veth(End("a", name), End("b", name)), Port("a", name, "br0"))])
    fake.do([Step(Action.CREATE, LOOSE)])
    with pytest.raises(StepRefused) as caught:
        fake.do([Step(Action.CREATE, PORT)])
    assert caught.value.number == errno.EXFULL


def test_it_is_cut_after_so_many_steps() -> None:
    fake = FakeKernel()
    fake.cut_after = 2
    with pytest.raises(Cut, match="bridge a:br0"):
        fake.do([Step(Action.CREATE, fact) for fact in (A, B, BRIDGE)])
    assert (fake.done, set(fake.facts.values())) == (2, {A, B})


def test_a_machine_has_a_host_that_is_no_fact_and_things_that_are_not_ours() -> None:
    fake = FakeKernel(machine=True, foreign={("device", "host", "eth0"): "the machine's", ("netns", "a"): "lab x"})
    assert fake.facts == {}
    assert fake.read(Scope("lab", True)).foreign[("device", "host", "eth0")] == "the machine's"
    for fact in (Bridge("host", "eth0"), A):
        with pytest.raises(StepRefused) as caught:
            fake.do([Step(Action.CREATE, fact)])
        assert caught.value.number == errno.EEXIST
    fake.do([Step(Action.CREATE, Bridge("host", "br0"))])
    assert list(fake.read(Scope("lab", True)).facts.values()) == [Bridge("host", "br0")]


def test_of_settings_those_asked_for_are_read() -> None:
    fake = kernel(Settings("a", (("x", "1"), ("y", "2"))))
    found = fake.read(Scope("lab", False, settings={"a": ("y", "z")})).facts
    assert found["settings", "a"] == Settings("a", (("y", "2"),))


def test_a_stray_device_can_be_there_and_be_deleted() -> None:
    fake, stray = kernel(), Stray("a", "tap0", "tun")
    fake.intrude(stray)
    assert fake.facts[stray.key] == stray
    with pytest.raises(StepRefused):
        fake.do([Step(Action.CREATE, Bridge("a", "tap0"))])
    delete(fake, stray)
    assert stray.key not in fake.facts


def test_programs_are_another_doors() -> None:
    fake = kernel()
    with pytest.raises(AssertionError, match="keeps no program"):
        fake.do([Step(Action.CREATE, Program("a", "true"))])
