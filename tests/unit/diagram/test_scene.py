"""What a scene says of facts."""

from __future__ import annotations

import pytest

from netlab import diagram
from netlab.diagram.elements import Bridge, Cable, Line, Plug, Scene
from netlab.facts import Address, DeviceSettings, End, Facts, Namespace, Port, Program, Route, Settings, facts_of, veth
from tests.unit.diagram import labs


def draw(facts: Facts, **more: object) -> Scene:
    return diagram.scene("lab", facts, sandboxed=True, **more)  # type: ignore[arg-type]


def texts(lines: tuple[Line, ...]) -> list[str]:
    return [line.text for line in lines]


def test_bridge3_is_a_host_with_a_bridge_and_three_boxes() -> None:
    scene = draw(labs.bridge3())
    host, *nodes = scene.boxes
    assert (host.kind, host.parent, host.remark) == ("host", None, "sandbox")
    assert host.forwarding == Line("IP forwarding")
    (bridge,) = host.bridges
    assert (bridge.name, texts(bridge.addresses)) == ("br0", ["10.0.0.254/24"])
    assert [port.name for port in bridge.ports] == ["veth0-br", "veth1-br", "veth2-br"]
    assert [box.node for box in nodes] == ["ns0", "ns1", "ns2"]
    assert texts(nodes[1].routes) == ["default via 10.0.0.254"]
    assert [(one.name, texts(one.addresses)) for one in nodes[1].devices] == [("veth1-ns", ["10.0.0.2/24"])]
    assert scene.cables[0] == Cable(Plug("host", "veth0-br", "br0"), Plug("ns0", "veth0-ns"))
    assert scene.counts == "3 namespaces, 1 bridge, 3 veth pairs"


def test_the_real_host_says_so() -> None:
    assert diagram.scene("lab", labs.bridge3(), sandboxed=False).boxes[0].remark == "this machine"


def test_the_host_is_drawn_though_no_fact_names_it() -> None:
    assert [box.node for box in draw(facts_of([Namespace("a")])).boxes] == ["host", "a"]


def test_names_stand_as_a_person_counts() -> None:
    facts = labs.bridge3(12)
    assert [box.node for box in draw(facts).boxes[1:]] == [f"ns{number}" for number in range(12)]


def test_the_order_of_the_facts_does_not_matter() -> None:
    facts = labs.machines()
    assert draw(facts) == draw(dict(reversed(list(facts.items()))))


def test_a_plain_node_on_an_addressed_bridge_stands_inside_its_machine() -> None:
    parents = {box.node: box.parent for box in draw(labs.machines()).boxes}
    assert parents["node1"] == "host"
    assert parents["pod11"] == "node1"
    assert parents["pod21"] == "node2"


def test_what_is_plugged_into_a_switch_stands_outside_it() -> None:
    lab = labs.Builder()
    lab.node("s1")
    lab.bridge("s1", "sw")
    lab.leaf("h1", "s1:p1@sw", "10.0.0.1/24")
    assert {box.node: box.parent for box in draw(lab.facts()).boxes}["h1"] == "host"


def test_a_node_on_two_machines_stands_outside_both() -> None:
    lab = labs.Builder()
    for name in ("m1", "m2"):
        lab.node(name)
        lab.bridge(name, "br", "10.0.0.1/24" if name == "m1" else "10.0.1.1/24")
        lab.cable(f"both:{name}", f"{name}:p@br")
    assert {box.node: box.parent for box in draw(lab.facts()).boxes}["both"] == "host"


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (Route("n", "0.0.0.0/0", via="10.0.0.1"), "default via 10.0.0.1"),
        (Route("n", "::/0", via="fd00::1"), "default via fd00::1"),
        (Route("n", "10.1.0.0/16", via="10.0.0.1", device="eth0"), "10.1.0.0/16 via 10.0.0.1"),
        (Route("n", "10.1.0.0/16", via="10.0.0.1", device="e", onlink=True), "10.1.0.0/16 via 10.0.0.1 dev e"),
        (Route("n", "10.1.0.0/16", device="eth0"), "10.1.0.0/16 dev eth0"),
        (Route("n", "192.0.2.0/24", kind="blackhole"), "blackhole 192.0.2.0/24"),
        (Route("n", "10.1.0.0/16", via="10.0.0.1", table=100, metric=5, source="10.0.0.9"),
         "10.1.0.0/16 via 10.0.0.1 src 10.0.0.9 table 100 metric 5"),
    ],
)  # fmt: skip
def test_routes_are_written_as_ip_prints_them(route: Route, text: str) -> None:
    assert texts(draw(facts_of([route])).boxes[1].routes) == [text]


@pytest.mark.parametrize(
    ("four", "six", "address", "text"),
    [
        ("0", "0", None, None),
        ("1", "0", None, "IP forwarding"),
        ("1", "1", "fd00::1/64", "IP forwarding"),
        ("1", "0", "fd00::1/64", "IPv4 forwarding"),
        ("0", "1", "fd00::1/64", "IPv6 forwarding"),
    ],
)
def test_a_router_is_marked(four: str, six: str, address: str | None, text: str | None) -> None:
    values = (("net.ipv4.ip_forward", four), ("net.ipv6.conf.all.forwarding", six))
    facts = facts_of([Settings("r", values), *([Address("r", "eth0", address)] if address else [])])
    mark = draw(facts).boxes[1].forwarding
    assert (mark.text if mark else None) == text


def test_only_what_is_unusual_about_a_device_is_said() -> None:
    one = veth(End("a", "usual", mtu=1500), End("b", "small", mtu=1400, up=False))
    _, a, b = draw(facts_of([one])).boxes
    assert texts(a.devices[0].notes) == []
    assert texts(b.devices[0].notes) == ["mtu 1400", "down"]


def test_a_bridge_says_stp() -> None:
    bridges = draw(labs.two_cables()).boxes[0].bridges
    assert [texts(bridge.notes) for bridge in bridges] == [["STP"], ["STP"]]


def test_a_port_without_its_bridge_is_a_device() -> None:
    one = veth(End("a", "x"), End("b", "y"))
    scene = draw(facts_of([one, Port("a", "x", "gone")]))
    assert scene.cables[0].a == Plug("a", "x", None)
    assert [device.name for device in scene.boxes[1].devices] == ["x"]


def test_programs_and_loopback_addresses_are_said() -> None:
    box = draw(facts_of([Namespace("a"), Address("a", "lo", "10.9.9.9/32"), Program("a", "sleep 1")])).boxes[1]
    assert texts(box.programs) == ["$ sleep 1"]
    assert [(one.name, texts(one.addresses)) for one in box.devices] == [("lo", ["10.9.9.9/32"])]


def test_a_cable_is_dead_where_an_end_has_no_carrier_or_is_down() -> None:
    scene = draw(labs.bridge3(), live=labs.DEAD)
    assert [cable.dead for cable in scene.cables] == [False, True, False]
    assert texts(scene.boxes[2].devices[0].notes) == ["no carrier"]
    down = draw(facts_of([veth(End("a", "x", up=False), End("b", "y"))]))
    assert down.cables[0].dead


def test_a_plan_marks_every_kind_of_thing() -> None:
    facts, actions = labs.planned()
    scene = draw(facts, actions=actions)
    host, ns0, ns1, ns2, ns3 = scene.boxes
    bridge: Bridge = host.bridges[0]
    assert host.forwarding == Line("IP forwarding", "update")
    assert bridge.action == "update"
    assert [port.action for port in bridge.ports] == ["replace", "delete", None, "create"]
    assert [cable.action for cable in scene.cables] == ["replace", "delete", None, "create"]
    assert [box.action for box in (ns0, ns1, ns2, ns3)] == [None, "delete", None, "create"]
    assert ns2.devices[0].addresses == (Line("10.0.0.3/24", "create"), Line("10.0.0.9/24", "delete"))
    assert scene.counts == "3 namespaces, 1 bridge, 3 veth pairs", "what is deleted does not count"


def test_changed_settings_are_said_where_nothing_else_shows_them() -> None:
    node, device = Settings("a", (("x", "1"),)), DeviceSettings("a", "eth0", (("y", "1"),))
    facts = facts_of([node, device, veth(End("a", "eth0"), End("b", "eth0"))])
    box = draw(facts, actions={node.key: "update", device.key: "update"}).boxes[1]
    assert box.notes == (Line("settings", "update"),)
    assert box.devices[0].notes == (Line("settings", "update"),)
    made = draw(facts, actions={node.key: "create", device.key: "create"}).boxes[1]
    assert (made.notes, made.devices[0].notes) == ((), ())


def test_a_port_that_moves_is_marked() -> None:
    facts = labs.bridge3(1)
    port = draw(facts, actions={("port", "host", "veth0-br"): "update"}).boxes[0].bridges[0].ports[0]
    assert port.action == "update"


def test_checks_say_what_they_expect_where_it_is_unusual() -> None:
    scene = draw(labs.bridge3(), checks=labs.CHECKS)
    assert scene.checks == ("ping ns0 -> ns1", "tcp ns0 -> ns2:80 (expect refused)")
