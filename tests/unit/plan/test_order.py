"""The order of steps is the one that networkx finds; what is on-link is what a look at every prefix finds."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networkx import lexicographical_topological_sort

from netlab.app import plan_dot
from netlab.app.results import Planned
from netlab.facts import Address, Facts, Namespace, OnLink, Route, veth
from netlab.facts.links import End
from netlab.plan import Action, Plan, Step
from netlab.plan.on_link import OnLinkIndex
from netlab.plan.order import order, preference, step_graph
from netlab.plan.planner import difference
from tests.strategies import pairs_of_labs


def steps_between(have: Facts, want: Facts) -> list[Step]:
    """Give a step for each change, unordered and without what they take along."""
    return [
        Step(Action.UPDATE, change.fact, change.before, change.differences)
        if change.action is Action.UPDATE
        else Step(Action.DELETE if change.action is Action.DELETE else Action.CREATE, change.fact)
        for change in difference(want, have)
    ]


@settings(deadline=None, max_examples=60)
@given(pairs_of_labs())
def test_the_order_is_that_of_networkx(pair: tuple[Facts, Facts]) -> None:
    steps = steps_between(*pair)
    expected = lexicographical_topological_sort(step_graph(steps), key=lambda index: preference(steps[index], index))
    assert order(steps) == [steps[index] for index in expected]


def test_what_others_need_comes_first_whatever_its_place() -> None:
    node = Step(Action.CREATE, Namespace("a"))
    cable = Step(Action.CREATE, veth(End("a", "e0"), End("a", "e1")))
    assert order([cable, node]) == [node, cable]


def test_steps_that_wait_for_each_other_are_a_fault_of_netlab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netlab.plan.order.edges", lambda steps: [(0, 1), (1, 0)])
    with pytest.raises(AssertionError, match="circle among 2 steps"):
        order([Step(Action.CREATE, Namespace("a")), Step(Action.CREATE, Namespace("b"))])


PREFIXES = ["10.0.0.0/8", "10.0.0.0/24", "10.0.1.0/24", "10.0.0.4/32", "0.0.0.0/0", "fd00::/64", "fd00::1/128", "::/0"]
ADDRESSES = ["10.0.0.4", "10.0.1.9", "192.0.2.1", "fd00::1", "fd00::2", "2001:db8::1"]
links = st.tuples(st.sampled_from("ab"), st.sampled_from(["e0", "e1"]), st.sampled_from(PREFIXES), st.integers(0, 2))


@given(st.lists(links, unique=True), st.data())
def test_what_is_on_link_is_what_a_look_at_every_prefix_finds(
    found: list[tuple[str, str, str, int]], data: st.DataObject
) -> None:
    index: OnLinkIndex[int] = OnLinkIndex()
    for link in found:
        index.add(*link)
    gone = set(data.draw(st.lists(st.sampled_from(found), unique=True))) if found else set()
    for link in gone:
        index.remove(*link)
    for node in "abc":
        for address in ADDRESSES:
            for device in (None, "e0"):
                expected = {
                    (ip_network(network).prefixlen, name, what)
                    for where, name, network, what in set(found) - gone
                    if where == node and device in (None, name) and ip_address(address) in ip_network(network)
                }
                assert set(index.find(OnLink(node, address, device))) == expected


def test_the_plan_as_a_graph_has_an_arrow_for_what_waits_and_none_that_follows() -> None:
    node = Step(Action.CREATE, Namespace("a"))
    cable = Step(Action.CREATE, veth(End("a", "e0"), End("a", "e1")))
    address = Step(Action.CREATE, Address("a", "e0", "10.0.0.1/24"))
    route = Step(Action.CREATE, Route("a", "10.9.0.0/16", "10.0.0.2", "e0"))
    planned = Planned("x", True, Plan((), (node, cable, address, route)))
    arrows = [line.strip() for line in plan_dot(planned).splitlines() if line.startswith("  s") and "label" not in line]
    assert arrows == ["s0 -> s1;", "s1 -> s2;", "s2 -> s3;"]
