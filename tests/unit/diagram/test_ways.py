"""How a packet's way is laid over a drawing: lanes on wires, their numbers, what is said where, and what fades."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from netlab import diagram
from netlab.diagram import Hop, Note, Scene, Stop, Way
from netlab.diagram.lanes import berths, edges
from netlab.diagram.palette import INK
from netlab.diagram.parts import Lane, Parts
from netlab.diagram.tracks import laid
from netlab.facts import Facts
from tests.unit.diagram import labs, ways

HOPS = ways.hops


def scene(facts: Facts, way: Way) -> Scene:
    return diagram.scene("lab", facts, sandboxed=True, way=way)


def parts(name: str) -> Parts:
    facts, way = ways.ALL[name]
    return laid(scene(facts, way))[0]


def lanes(found: Parts) -> list[Lane]:
    """Give all lanes, those of the way there first, in the order of their numbers."""
    every = [lane for wire in (*found.wires, *found.jumps) for lane in wire.lanes]
    return sorted(every, key=lambda lane: (lane.back, lane.number or 0, lane.start))


def numbered(found: Parts) -> list[tuple[int, str, str]]:
    """Give number, start and end of the lanes that have one."""
    written = [(lane.number or 0, ":".join(lane.start), ":".join(lane.end)) for lane in lanes(found) if lane.number]
    return [(number, start.rstrip(":"), end.rstrip(":")) for number, start, end in written]


def said(found: Parts, name: str) -> list[str]:
    """Give what stands in a part or frame."""
    blocks = {part.id: part.middle for part in found.parts} | {frame.node: frame.title for frame in found.frames}
    return [text.text for text in blocks[name].texts]


def faint(found: Parts) -> set[str]:
    return {part.id for part in found.parts if part.look == "faint"} | {
        frame.node for frame in found.frames if frame.look == "faint"
    }


def test_cables_are_numbered_in_the_order_in_which_they_are_taken_there_and_back() -> None:
    assert numbered(parts("bridge3")) == [
        (1, "ns0:veth0-ns", "host:br0:veth0-br"),
        (2, "host:br0:veth1-br", "ns1:veth1-ns"),
        (3, "ns1:veth1-ns", "host:br0:veth1-br"),
        (4, "host:br0:veth0-br", "ns0:veth0-ns"),
    ]


def test_inside_a_machine_the_way_leads_through_its_forwarding() -> None:
    inner = [(lane.start[0], lane.end[0], lane.back) for lane in lanes(parts("translated")) if lane.number is None]
    assert set(inner) == {
        ("machine:docker0", "machine forwarding", False),
        ("machine forwarding", "machine:eth0", False),
        ("machine:eth0", "machine forwarding", True),
        ("machine forwarding", "machine:docker0", True),
    }


def test_a_bridge_that_forwards_back_to_itself_is_left_and_entered_by_the_same_link() -> None:
    there = HOPS("a:eth0> >machine:v-a >machine:docker0 machine:docker0> machine:v-web> >web:eth0")
    lab = labs.Builder()
    lab.found = list(labs.translated().values())
    lab.leaf("a", "machine:v-a@docker0", "172.17.0.9/16")
    found = laid(scene(lab.facts(), ways.answered("a → web", there)))[0]
    (link,) = [wire for wire in found.wires if wire.link == "routing" and wire.lanes]
    assert [(lane.start[0], lane.back) for lane in link.lanes] == [
        ("machine:docker0", False),
        ("machine forwarding", False),
        ("machine:docker0", True),
        ("machine forwarding", True),
    ]


def test_into_a_tunnel_and_out_of_it_a_packet_jumps() -> None:
    found = parts("tunnel")
    assert [(number, start, end) for number, start, end in numbered(found) if number <= 5] == [
        (1, "pod11:eth0", "node1:cni0:v1"),
        (2, "node1:flannel.1", "node1:eth0"),
        (3, "node1:eth0", "node2:eth0"),
        (4, "node2:eth0", "node2:flannel.1"),
        (5, "node2:cni0:v1", "pod21:eth0"),
    ]
    assert [wire.link for wire in found.jumps] == ["jump", "jump"]
    (tunnel,) = [wire for wire in found.wires if wire.cable and wire.cable.tunnel]
    assert (tunnel.look, tunnel.lanes) == ("", ())
    assert said(found, "node1:flannel.1")[-2:] == ["carries it to", "192.168.50.2, VXLAN 1"]


def test_a_port_that_is_a_device_of_its_own_is_tied_to_its_bridge() -> None:
    found = parts("overlay")
    ties = {(lane.start[0], lane.end[0]) for wire in found.wires if wire.link == "tie" for lane in wire.lanes}
    assert {("n1:br0", "n1:vx0"), ("n3:vx0", "n3:br0")} <= ties
    through = {wire.b[0]: wire.look for wire in found.wires if wire.cable and wire.cable.tunnel}
    assert through == {"n1:vx0": "", "n2:vx0": "faint", "n3:vx0": "", "n4:vx0": "faint"}
    assert "vxlan 7 of n1:vx0" not in faint(found)


def test_a_vlan_is_tied_to_its_device_and_forwarding_joins_two_of_them() -> None:
    there = HOPS("web:eth0> >host:v-web host:v-router> >router:eth0 >router:eth0.10 router:eth0.20> router:eth0>")
    found = laid(scene(labs.others(), ways.answered("web", there)))[0]
    inner = [(lane.start[0], lane.end[0]) for lane in lanes(found) if not lane.back and lane.number is None]
    assert set(inner) == {
        ("router:eth0", "router:eth0.10"),
        ("router:eth0.10", "router forwarding"),
        ("router forwarding", "router:eth0.20"),
        ("router:eth0.20", "router:eth0"),
    }


def test_what_is_not_on_the_way_fades() -> None:
    assert faint(parts("bridge3")) == {"ns2"}
    found = parts("filtered")
    assert faint(found) == {"machine:docker0", "web"}
    assert [wire.look for wire in found.wires] == ["", "faint", "faint", ""]
    slots = next(dict(part.slots) for part in parts("bridge3").parts if part.id == "host:br0")
    assert slots["veth0-br"].texts[0].colour != slots["veth2-br"].texts[0].colour


def test_a_frame_fades_with_all_that_is_in_it() -> None:
    there = HOPS("pod11:eth0> >node1:v1 node1:v2> >pod12:eth0")
    found = laid(scene(labs.machines(), ways.answered("pod11 → pod12", there)))[0]
    assert {frame.node: frame.look for frame in found.frames} == {"host": "", "node1": "", "node2": "faint"}


def test_where_it_is_lost_the_verdict_its_words_and_the_line_of_the_file_are_said() -> None:
    assert said(parts("filtered"), "machine forwarding")[-3:] == [
        "✗ filtered",
        "chain filter-forward: policy drop",
        "docker0.yml:11",
    ]


def test_a_node_without_a_part_for_its_forwarding_says_it_where_the_packet_came_in() -> None:
    found = parts("told")
    assert said(found, "host:br0")[-2:] == ["✗ no-route", "host has no route to 192.0.2.1"]
    assert said(found, "ns0")[-1] == "← icmp net unreachable"


@pytest.mark.parametrize(
    ("stop", "part"),
    [
        (Stop("ns0", None, "cross", "no-route"), "ns0"),
        (Stop("host", None, "cross", "no-route"), "host"),
        (Stop("host", "br0", "cross", "no-neighbour"), "host:br0"),
        (Stop("host", "veth1-br", "cross", "vlan"), "host:br0"),
        (Stop("host", "lo", "tick", "delivered"), "host"),
    ],
)
def test_a_packet_that_never_leaves_is_lost_where_it_is_sent(stop: Stop, part: str) -> None:
    found = laid(scene(labs.bridge3(), ways.lost("nowhere", (), stop)))[0]
    assert lanes(found) == []
    assert any(stop.verdict in words for words in said(found, part))
    assert part not in faint(found)


def test_a_packet_for_which_nobody_is_there_is_led_to_the_device_that_asks() -> None:
    stop = Stop("machine", "eth0", "cross", "no-neighbour", "nobody has it")
    there = HOPS("web:eth0> >machine:v-web >machine:docker0")
    found = laid(scene(labs.translated(), ways.lost("web", there, stop)))[0]
    assert [(lane.start[0], lane.end[0]) for lane in lanes(found) if lane.number is None] == [
        ("machine forwarding", "machine:eth0"),
        ("machine:docker0", "machine forwarding"),
    ]
    assert said(found, "machine:eth0")[-2:] == ["✗ no-neighbour", "nobody has it"]


def test_the_device_of_a_node_at_which_a_packet_is_lost_does_not_fade() -> None:
    stop = Stop("ns0", "veth0-ns", "cross", "no-neighbour", "nobody has it")
    found = laid(scene(labs.bridge3(), ways.lost("nowhere", (), stop)))[0]
    (part,) = [part for part in found.parts if part.id == "ns0"]
    ((_, slot),) = part.slots
    assert slot.texts[0].colour == INK


def test_a_frame_too_long_for_the_other_end_is_led_over_the_cable() -> None:
    stop = Stop("server", "left", "cross", "too-long")
    found = laid(scene(labs.router_chain(), ways.lost("r2", HOPS("r2:right>"), stop)))[0]
    assert numbered(found) == [(1, "r2:right", "server:left")]


def test_what_goes_round_is_drawn_once() -> None:
    round_ = "r1:right> >r2:left r2:left> >r1:right "
    stop = Stop("r1", "right", "cross", "loop")
    found = laid(scene(labs.router_chain(), ways.lost("client", HOPS("client:right> >r1:left " + 3 * round_), stop)))[0]
    assert [number for number, _, _ in numbered(found)] == [1, 2, 3]


def test_devices_that_are_not_drawn_are_passed_over() -> None:
    way = ways.answered("itself", (Hop("ns0", "lo", True), Hop("host", "nowhere", False), Hop("ns0", "lo", False)))
    assert lanes(laid(scene(labs.bridge3(), way))[0]) == []


def test_a_node_on_the_way_stands_for_itself_in_a_large_lab() -> None:
    way = ways.answered("ns7 → ns9", HOPS("ns7:veth7-ns> >host:veth7-br host:veth9-br> >ns9:veth9-ns"))
    found = scene(labs.bridge3(100), way)
    assert [(box.title, box.remark) for box in found.boxes[1:]] == [
        ("ns0 … ns99", "98 nodes"),
        ("ns7", ""),
        ("ns9", ""),
    ]
    assert [number for number, _, _ in numbered(laid(found)[0])] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ways.ALL)
def test_a_way_does_not_turn_the_drawing_round(name: str) -> None:
    facts, way = ways.ALL[name]
    plain = laid(diagram.scene("lab", facts, sandboxed=True))[1]
    assert laid(scene(facts, way))[1].way == plain.way


@pytest.mark.parametrize("name", ways.ALL)
def test_every_end_of_several_lanes_has_a_berth_of_its_own(name: str) -> None:
    facts, way = ways.ALL[name]
    _, sketch = laid(scene(facts, way))
    found = berths(sketch)
    for edge, number in found.counts.items():
        here = [(edge, lane) for wire in sketch.wires for lane in wire.lanes if edge in edges(wire, sketch.way)]
        assert sorted(found.numbers[one] for one in here) == list(range(number)) == list(range(len(here)))


@pytest.mark.parametrize("name", ways.ALL)
def test_dot_draws_every_way_without_a_warning(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    facts, way = ways.ALL[name]
    text = diagram.to_dot(scene(facts, way))
    svg = ElementTree.fromstring(diagram.render(text, "svg"))
    assert capfd.readouterr().err == ""
    words = [node.text for node in svg.iter("{http://www.w3.org/2000/svg}text")]
    numbers = [str(number) for number, _, _ in numbered(laid(scene(facts, way))[0])]
    assert [word for word in sorted(numbers) if word not in words] == []


def test_both_lanes_of_a_cable_run_straight_beside_each_other() -> None:
    svg = ElementTree.fromstring(diagram.render(diagram.to_dot(scene(*ways.ALL["bridge3"])), "svg"))
    svg_ = "{http://www.w3.org/2000/svg}"
    found = svg.findall(f".//{svg_}g[@class='edge']//{svg_}path")
    paths = [path.get("d") or "" for path in found if path.get("stroke-width") == "2"]
    lines = [[(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path)] for path in paths]
    first = [line for line in lines if line[0][0] < 120]
    assert len(first) == 2
    assert all(max(x for x, _ in line) - min(x for x, _ in line) <= 1 for line in first)
    assert 8 <= abs(first[0][0][0] - first[1][0][0]) <= 12


def test_under_the_drawing_stands_what_was_sent_and_what_came_of_it() -> None:
    text = diagram.to_dot(scene(labs.translated(), ways.FILTERED))
    caption = next(line for line in text.splitlines() if line.startswith("  label="))
    found = re.findall(r">([^<>]+)</", caption)
    assert found[2:] == [
        "ping outside → web",
        "———  1 → 2 echo request",
        "✗ filtered: chain filter-forward: policy drop",
        "fix: mend it",
    ]
    assert 'tooltip="Network lab: 3 namespaces, 1 bridge, 2 veth pairs; ping outside → web: filtered' in text


def test_the_words_of_a_way_are_only_words() -> None:
    nasty = "<b>\"'&\\N\n]]> -->"
    stop = Stop("ns1", "veth1-ns", "cross", nasty, nasty * 5, nasty)
    way = ways.lost(nasty, ways.ON_A_BRIDGE.there.hops, stop)
    way = replace(way, there=replace(way.there, words=nasty, notes=(Note("ns0", None, nasty),)), mend=nasty)
    found = scene(labs.bridge3(), way)
    assert b"<b>" not in diagram.render(diagram.to_dot(found), "svg")
    for line in diagram.to_mermaid(found).splitlines()[3:]:
        assert line.count('"') in (0, 2)


def test_mermaid_says_it_with_arrows_numbers_and_classes() -> None:
    text = diagram.to_mermaid(scene(labs.bridge3(), ways.ON_A_BRIDGE))
    assert '  n_ns0 ==>|"1: veth0-ns — veth0-br"| n_host_3a_br0\n' in text
    assert '  n_host_3a_br0 -.->|"4: veth0-br — veth0-ns"| n_ns0\n' in text
    assert "  class n_ns2 faint\n" in text
    assert "; ping ns0 → ns1: it is answered" in text.splitlines()[1]
