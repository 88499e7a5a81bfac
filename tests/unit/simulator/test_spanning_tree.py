"""Which ports the spanning tree closes, and that packets take the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netlab.facts import Facts, Port
from netlab.simulator.compiling import network_of
from netlab.simulator.network import Network
from netlab.simulator.packet import Packet
from netlab.simulator.simulating import simulate
from tests.unit.simulator.networks import facts_of, send

RING = """
bridges:
  b0: {address: none, stp: true, mac: "02:00:00:00:00:00"PRIO0}
  b1: {address: none, stp: true, mac: "02:00:00:00:00:01"PRIO1}
  b2: {address: none, stp: true, mac: "02:00:00:00:00:02"PRIO2}
veths:
  - [{bridge: b0, name: p01}, {bridge: b1, name: p10}]
  - [{bridge: b1, name: p12}, {bridge: b2, name: p21}]
  - [{bridge: b2, name: p20}, {bridge: b0, name: p02}]
netns:
  n0: {interfaces: {eth0: {bridge: b0, address: 10.0.0.1/24}}}
  n1: {interfaces: {eth0: {bridge: b1, address: 10.0.0.2/24}}}
  n2: {interfaces: {eth0: {bridge: b2, address: 10.0.0.3/24}}}
"""


def ring(**priorities: int) -> Facts:
    text = RING
    for number in range(3):
        said = f", priority: {priorities[f'b{number}']}" if f"b{number}" in priorities else ""
        text = text.replace(f"PRIO{number}", said)
    return facts_of(text)


def said_of(facts: Facts, port: str, **said: Any) -> Facts:
    fact = facts["port", "host", port]
    assert isinstance(fact, Port)
    return {**facts, fact.key: replace(fact, **said)}


def closed(found: Network) -> set[str]:
    return {name for nic in found.nodes["host"].devices.values() for name in nic.closed}


@pytest.mark.parametrize(
    ("priorities", "expected"),
    [
        ({}, {"p21"}),  # b0 is the root by its MAC; of b1 and b2 the lesser speaks for their cable
        ({"b1": 4096}, {"p20"}),  # b1 is the root: the cable between b2 and b0 is b0's
        ({"b2": 4096}, {"p10"}),
        ({"b2": 4096, "b1": 8192}, {"p01"}),  # b1 is the better one of the two
    ],
)
def test_of_a_ring_one_port_is_closed(priorities: dict[str, int], expected: set[str]) -> None:
    assert closed(network_of(ring(**priorities))) == expected


def test_costs_choose_the_way_to_the_root() -> None:
    # From b1 the direct way costs 10, by b2 4: its own port to b0 is closed then.
    assert closed(network_of(said_of(ring(), "p10", cost=10))) == {"p10"}
    # With 3 it is still the shorter one, but b2 is nearer to the root and speaks for their cable.
    assert closed(network_of(said_of(ring(), "p10", cost=3))) == {"p12"}


def test_all_reach_all_and_no_frame_goes_twice() -> None:
    found = network_of(ring())
    for source in ("n0", "n1", "n2"):
        for target in ("n0", "n1", "n2"):
            if source != target:
                assert send(found, source, target).ok
    walk = simulate(found, "n1", Packet("", "10.0.0.3", "icmp", "echo"))
    crossed = [nic.name for leg, nic in walk.seen if leg == 0 and nic.name.startswith("p")]
    assert sorted(crossed) == ["p01", "p20"], "from b1 to b2 the way is by the root, b0"


def test_of_two_cables_between_two_bridges_the_one_with_the_better_port_is_open() -> None:
    text = """
bridges:
  b0: {address: none, stp: true, mac: "02:00:00:00:00:00"}
  b1: {address: none, stp: true, mac: "02:00:00:00:00:01"}
veths:
  - [{bridge: b0, name: x0}, {bridge: b1, name: x1}]
  - [{bridge: b0, name: y0}, {bridge: b1, name: y1}]
"""
    facts = facts_of(text)
    assert closed(network_of(facts)) == {"y1"}
    assert closed(network_of(said_of(facts, "y0", priority=16))) == {"x1"}, "the root's port says which"
    assert closed(network_of(said_of(facts, "y1", cost=1))) == {"x1"}


def test_without_stp_and_with_a_cable_that_is_down_nothing_is_closed() -> None:
    text = RING.replace("PRIO0", "").replace("PRIO1", "").replace("PRIO2", "")
    down = text.replace("{bridge: b1, name: p12}", "{bridge: b1, name: p12, up: false}")
    assert closed(network_of(facts_of(down))) == set()
    assert closed(network_of(facts_of(text.replace('"02:00:00:00:00:02"', '"02:00:00:00:00:02", up: false')))) == set()


def test_a_bridge_without_stp_in_the_ring_takes_no_part() -> None:
    facts = ring()
    bridge = facts["bridge", "host", "b2"]
    found = network_of({**facts, bridge.key: replace(bridge, stp=False)})  # type: ignore[call-arg]
    assert closed(found) == set(), "what it hands on of the others' announcements is not modelled: it hands on none"
