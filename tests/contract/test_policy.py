"""The contract of both kernels for policy rules, neighbours and impairments: see test_kernels.py."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from netlab.facts import Address, Bridge, Fact, Impairment, Namespace, Neighbour, PolicyRule, Settings
from netlab.plan import Action, Step, StepRefused
from tests.contract.doors import Kernel, both

VALUES = (("net.ipv4.ip_forward", "0"), ("net.ipv6.conf.all.disable_ipv6", "0"))
BRIDGE = Bridge("a", "br0", mac="02:00:00:00:00:01", mtu=1500)
HERE = (
    Namespace("a"), Settings("a", VALUES), BRIDGE,
    Address("a", "br0", "10.0.0.1/24"), Address("a", "br0", "fd00::1/64"),
)  # fmt: skip
RULES = (
    PolicyRule("a", 4, 100, source="10.1.0.0/16", table=100),
    PolicyRule("a", 4, 100, source="10.2.0.0/16", to="192.0.2.1/32", table=100000),
    PolicyRule("a", 4, 200, iif="br0", mark="0x1/0xff", action="blackhole"),
    PolicyRule("a", 4, 300, oif="not-there", mark="0x7", action="unreachable"),
    PolicyRule("a", 6, 300, source="fd00::/16", action="prohibit"),
    PolicyRule("a", 6, 400, table=254),
)
NEAR = Neighbour("a", "br0", "10.0.0.2", "02:00:00:00:00:02")
NEAR6 = Neighbour("a", "br0", "fd00::2", "02:00:00:00:00:02")
SLOW = Impairment("a", "br0", rate="8mbit")
LAB = (*HERE, SLOW, *RULES, NEAR, NEAR6)


def left(*gone: Fact) -> list[Fact]:
    return [fact for fact in LAB if fact not in gone]


@both
def test_what_is_made_is_read_back_and_nothing_else(kernel: Kernel) -> None:
    kernel.make(*LAB)
    kernel.holds(LAB)


@both
def test_each_goes_alone_and_what_is_gone_is_deleted_in_peace(kernel: Kernel) -> None:
    kernel.make(*LAB)
    gone: list[Fact] = []
    for fact in (*RULES, NEAR, NEAR6, SLOW):
        gone.append(fact)
        for _ in range(2):
            kernel.delete(fact)
            kernel.holds(left(*gone))


@both
def test_a_rule_that_is_there_is_not_made_again(kernel: Kernel) -> None:
    kernel.make(*HERE, RULES[0])
    with pytest.raises(StepRefused) as caught:
        kernel.do([Step(Action.CREATE, RULES[0])])
    assert caught.value.number == errno.EEXIST


@both
def test_a_neighbours_mac_and_a_rate_change_in_place(kernel: Kernel) -> None:
    kernel.make(*LAB)
    other, slower = replace(NEAR, mac="02:00:00:00:00:03"), replace(SLOW, rate="800kbit")
    kernel.change(NEAR, other)
    kernel.change(SLOW, slower)
    kernel.holds([*left(NEAR, SLOW), other, slower])


@pytest.mark.parametrize(
    ("after", "gone"),
    [
        (replace(BRIDGE, up=False), (NEAR, NEAR6, HERE[4])),
        (replace(BRIDGE, mac="02:00:00:00:00:09"), (NEAR, NEAR6)),
        (replace(BRIDGE, mtu=1000), (NEAR6, HERE[4])),
        (replace(BRIDGE, mtu=1400), ()),
    ],
)
@both
def test_what_a_change_of_the_device_takes_along(kernel: Kernel, after: Bridge, gone: tuple[Fact, ...]) -> None:
    kernel.make(*LAB)
    kernel.change(BRIDGE, after)
    kernel.holds([*left(BRIDGE, *gone), after])


@both
def test_all_go_with_their_device_but_rules_that_name_it(kernel: Kernel) -> None:
    kernel.make(*LAB)
    kernel.delete(BRIDGE)
    kernel.holds([*HERE[:2], *RULES])


@both
def test_the_last_ipv4_address_takes_the_neighbours(kernel: Kernel) -> None:
    other = Address("a", "br0", "10.0.0.9/24")
    kernel.make(*LAB, other)
    kernel.delete(other)
    kernel.holds(LAB)
    kernel.delete(HERE[3])
    kernel.holds(left(HERE[3], NEAR))


@both
def test_ipv6_switched_off_takes_its_neighbours(kernel: Kernel) -> None:
    kernel.make(*LAB)
    after = replace(HERE[1], values=(VALUES[0], (VALUES[1][0], "1")))
    kernel.change(HERE[1], after)
    kernel.holds([*left(HERE[1], HERE[4], NEAR6), after])


@both
def test_what_is_not_there_has_no_neighbours_and_no_rate(kernel: Kernel) -> None:
    kernel.make(*HERE)
    for fact in (replace(NEAR, device="br9"), replace(SLOW, device="br9")):
        with pytest.raises(StepRefused) as caught:
            kernel.do([Step(Action.CREATE, fact)])
        assert caught.value.number == errno.ENODEV
