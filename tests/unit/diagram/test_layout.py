"""Which way a drawing grows, who stands where, and where cables leave."""

from __future__ import annotations

from itertools import combinations

import pytest

from netlab import diagram
from netlab.diagram.layout import Sketch, arrange
from netlab.diagram.parts import parts
from netlab.facts import Facts
from tests.unit.diagram import labs


def sketch(facts: Facts) -> Sketch:
    return arrange(parts(diagram.scene("lab", facts, sandboxed=True)))


@pytest.mark.parametrize(
    ("facts", "way"),
    [
        (labs.bridge3(3), "TB"),
        (labs.bridge3(40), "LR"),
        (labs.router_chain(2), "LR"),
        (labs.router_chain(12), "TB"),
        (labs.three_lans(), "TB"),
        (labs.two_cables(), "LR"),
        (labs.machines(), "LR"),
    ],
    ids=["star of 3", "star of 40", "short chain", "long chain", "three lans", "two bridges", "two machines"],
)
def test_the_way_it_grows(facts: Facts, way: str) -> None:
    assert sketch(facts).way == way


def test_a_small_star_hangs_from_its_bridge() -> None:
    found = {place.part.id: place for place in sketch(labs.bridge3()).places}
    assert [slot.device for slot in found["host:br0"].after] == ["veth0-br", "veth1-br", "veth2-br"]
    assert found["host:br0"].before == ()
    assert [slot.device for slot in found["ns1"].before] == ["veth1-ns"]


def test_a_large_star_has_half_its_nodes_on_each_side() -> None:
    bridge = next(place for place in sketch(labs.bridge3(40)).places if place.part.kind == "bridge")
    assert [slot.device for slot in bridge.before] == [f"veth{number}-br" for number in range(20)]
    assert [slot.device for slot in bridge.after] == [f"veth{number}-br" for number in range(20, 40)]


def test_the_routing_of_a_machine_joins_its_bridge_and_its_cable() -> None:
    links = {(wire.a[0], wire.b[0]) for wire in sketch(labs.machines()).wires if wire.cable is None}
    assert links == {
        ("node1:cni0", "node1 forwarding"),
        ("node1 forwarding", "node1:eth0"),
        ("node2:eth0", "node2 forwarding"),
        ("node2 forwarding", "node2:cni0"),
    }


def test_pieces_that_do_not_hang_together_fill_rows() -> None:
    found = sketch(labs.islands(6, 3))
    assert len(found.follows) == 3, "two rows of three"
    assert {after for _, after in found.follows} == {"host:br3", "host:br4", "host:br5"}


@pytest.mark.parametrize("facts", [labs.bridge3(40), labs.three_lans(), labs.machines(5), labs.two_cables()])
def test_cables_of_a_tree_do_not_cross(facts: Facts) -> None:
    """Two cables between the same two ranks cross when their ends stand in different orders."""
    found = sketch(facts)
    at = {place.part.id: number for number, place in enumerate(found.places)}
    order = {
        (place.part.id, slot.device): (at[place.part.id], number)
        for place in found.places
        for number, slot in enumerate((*place.before, *place.after))
    }
    for name in at:
        leaving = [wire for wire in found.wires if wire.a[0] == name and wire.cable]
        for one, other in combinations(leaving, 2):
            first, second = order.get(one.a, (at[name], 0)), order.get(other.a, (at[name], 0))
            far, further = order.get(one.b, (at[one.b[0]], 0)), order.get(other.b, (at[other.b[0]], 0))
            assert (first < second) == (far < further), (one, other)


def test_every_part_is_placed_and_every_cable_drawn() -> None:
    for facts in (labs.ring(7), labs.outside(), labs.alone(30), labs.three_lans(), labs.machines()):
        source = parts(diagram.scene("lab", facts, sandboxed=True))
        found = arrange(source)
        assert sorted(place.part.id for place in found.places) == sorted(part.id for part in source.parts)
        assert len(found.wires) == len(source.wires)
        slots = {(one.part.id, slot.device) for one in found.places for slot in (*one.before, *one.after)}
        assert {end for wire in found.wires for end in (wire.a, wire.b) if end[1]} <= slots
