"""Which nodes share a box in a lab too big to read."""

from __future__ import annotations

from netlab import diagram
from netlab.diagram.alike import READABLE
from netlab.diagram.elements import Scene
from netlab.facts import Facts, Program
from tests.unit.diagram import labs


def draw(facts: Facts, **more: object) -> Scene:
    return diagram.scene("lab", facts, sandboxed=True, **more)  # type: ignore[arg-type]


def titles(scene: Scene) -> list[tuple[str, str]]:
    return [(box.title, box.remark) for box in scene.boxes[1:]]


def test_a_readable_lab_is_drawn_node_by_node() -> None:
    assert len(draw(labs.bridge3(READABLE)).boxes) == READABLE + 1


def test_one_node_more_and_they_share_a_box() -> None:
    scene = draw(labs.bridge3(READABLE + 1))
    assert titles(scene) == [("ns0 … ns60", "61 nodes")]
    device = scene.boxes[1].devices[0]
    assert device.title == "veth0-ns … veth60-ns"
    assert device.addresses[0].text == "10.0.0.1/24 … 10.0.0.61/24"
    assert [port.title for port in scene.boxes[0].bridges[0].ports] == ["61 ports"]
    assert [cable.count for cable in scene.cables] == [61]
    assert scene.counts == "61 namespaces, 1 bridge, 61 veth pairs"


def test_a_thousand_nodes_on_twenty_bridges_are_twenty_boxes() -> None:
    scene = draw(labs.islands(20, 50))
    assert titles(scene) == [(f"ns{n * 50} … ns{n * 50 + 49}", "50 nodes") for n in range(20)]


def test_what_is_special_stays_on_its_own() -> None:
    facts = dict(labs.bridge3(80))
    program = Program("ns7", "httpd")
    facts[program.key] = program
    dead = {("device", "ns9", "veth9-ns"): {"carrier": False}}
    scene = draw(facts, live=dead, actions={("netns", "ns8"): "create"})
    assert titles(scene) == [("ns0 … ns79", "77 nodes"), ("ns7", ""), ("ns8", ""), ("ns9", "")]
    assert [port.title or port.name for port in scene.boxes[0].bridges[0].ports] == [
        "77 ports",
        "veth7-br",
        "veth8-br",
        "veth9-br",
    ]


def test_routers_in_a_row_never_share_a_box() -> None:
    assert len(draw(labs.router_chain(70)).boxes) == 73


def test_too_few_alike_nodes_stay_on_their_own() -> None:
    assert len(draw(labs.islands(30, 3)).boxes) == 91
