"""The contract of both kernels for chains of rules: see test_kernels.py."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from netlab.facts import Chain, Namespace, Rule, Settings
from netlab.facts.rules import ESTABLISHED
from netlab.plan import Action, Step
from tests.contract.doors import Kernel, both

VALUES = (("net.ipv4.ip_forward", "1"), ("net.ipv6.conf.all.disable_ipv6", "1"))
NODES = (Namespace("a"), Namespace("b"), Settings("a", VALUES), Settings("b", VALUES))
HIDE, PASS = Rule("masquerade", oif="e0", source="10.0.0.0/24"), Rule("accept", states=ESTABLISHED)
PUBLISH = Rule("dnat", protocol="tcp", ports=((8080, 8080),), local=True, to="10.0.0.9", to_ports=(80, 80))
NAT = Chain("a", "nat-postrouting", "nat", "postrouting", 100, "accept", (HIDE,))
INWARD = Chain("a", "nat-prerouting", "nat", "prerouting", -100, "accept", (PUBLISH,))
FILTER = Chain("b", "filter-forward", "filter", "forward", 0, "drop", (PASS, Rule("accept", iif="br0")))
LAB = (*NODES, NAT, INWARD, FILTER)


@both
def test_what_is_made_is_read_back_and_nothing_else(kernel: Kernel) -> None:
    kernel.make(*LAB)
    kernel.holds(LAB)


CHANGES = {
    "policy": (FILTER, replace(FILTER, policy="accept")),
    "order": (FILTER, replace(FILTER, rules=FILTER.rules[::-1])),
    "one-more": (FILTER, replace(FILTER, rules=(FILTER.rules[0], Rule("reject", protocol="udp"), FILTER.rules[1]))),
    "none-left": (NAT, replace(NAT, rules=())),
    "twice": (INWARD, replace(INWARD, rules=(PUBLISH, PUBLISH))),
}


@pytest.mark.parametrize("name", CHANGES)
@both
def test_rules_and_policy_change_in_place_there_and_back(kernel: Kernel, name: str) -> None:
    before, after = CHANGES[name]
    assert {difference.field for difference in after.differences(before)} <= Chain.live
    kernel.make(*LAB)
    kernel.change(before, after)
    kernel.holds(after if fact == before else fact for fact in LAB)
    kernel.change(after, before)
    kernel.holds(LAB)


@both
def test_a_chain_goes_alone_and_what_is_gone_is_deleted_in_peace(kernel: Kernel) -> None:
    kernel.make(*LAB)
    for _ in range(2):
        kernel.delete(NAT)
        kernel.holds(fact for fact in LAB if fact != NAT)
    kernel.delete(NODES[1])
    kernel.holds([NODES[0], NODES[2], INWARD])


@both
def test_a_chain_that_hooks_in_elsewhere_is_made_anew(kernel: Kernel) -> None:
    kernel.make(*LAB)
    later = replace(NAT, priority=90)
    assert not {difference.field for difference in later.differences(NAT)} <= Chain.live
    kernel.do([Step(Action.DELETE, NAT), Step(Action.CREATE, later)])
    kernel.holds(later if fact == NAT else fact for fact in LAB)


@both
def test_a_chain_of_a_node_that_is_not_there_is_refused(kernel: Kernel) -> None:
    kernel.make(*LAB)
    assert kernel.refusal(Step(Action.CREATE, replace(NAT, node="nowhere"))) == errno.ENOENT
    kernel.holds(LAB)
