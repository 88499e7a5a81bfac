"""What a scene says of facts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from netlab import diagram
from netlab.diagram.elements import Bridge, Cable, Device, Line, Plug, Scene
from netlab.diagram.overlays import overlays
from netlab.facts import (
    Address,
    Chain,
    DeviceSettings,
    End,
    Facts,
    Namespace,
    Port,
    Program,
    Route,
    Rule,
    Settings,
    facts_of,
    veth,
)
from netlab.facts import Device as DeviceFact
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


def devices(scene: Scene, node: str) -> dict[str, Device]:
    return {one.name: one for box in scene.boxes if box.node == node for one in box.devices}


def test_a_device_of_another_kind_says_what_it_is_and_what_it_is_tied_to() -> None:
    scene = draw(labs.others())
    assert {name: one.caption for name, one in devices(scene, "cards").items()} == {
        "eth0": "",
        "iv0": "ipvlan",
        "mv0": "macvlan",
    }
    vlan = devices(scene, "switch")["eth0.10"]
    assert (vlan.caption, vlan.over, vlan.bridge) == ("vlan 10", "eth0", "br10")
    switch = next(box for box in scene.boxes if box.node == "switch")
    assert [port.name for port in switch.bridges[0].ports] == ["v-guest"]
    assert texts(devices(scene, "web")["vip0"].addresses) == ["192.0.2.91/32", "198.51.100.149/32"]
    assert scene.counts.endswith("2 dummies, 3 vlans, 1 macvlan, 1 ipvlan")


def test_a_vxlan_that_sends_to_a_device_of_another_node_is_a_tunnel() -> None:
    facts = labs.pod_network()
    (tunnel,) = [cable for cable in draw(facts).cables if cable.tunnel]
    assert tunnel == Cable(Plug("node1", "flannel.1"), Plug("node2", "flannel.1"), tunnel="vxlan 1")
    boxes = {box.node: box for box in draw(facts).boxes}
    assert boxes["pod11"].parent == "node1"
    entries = [key for key in facts if key[0] == "forwarding"]
    for actions, action in (({entries[0]: "delete"}, "update"), (dict.fromkeys(entries, "create"), "create")):
        (tunnel,) = [cable for cable in draw(facts, actions=actions).cables if cable.tunnel]
        assert tunnel.action == action


def test_no_tunnel_leads_to_a_vxlan_of_another_number_or_out_of_the_lab() -> None:
    lab = labs.Builder()
    lab.found = [
        replace(fact, options=(("id", 2),)) if isinstance(fact, DeviceFact) and fact.node == "node2" else fact
        for fact in labs.pod_network().values()
        if fact.key[:2] != ("forwarding", "node2")
    ]
    lab.send("node1", "flannel.1", "203.0.113.7")
    scene = draw(lab.facts())
    assert not [cable for cable in scene.cables if cable.tunnel]
    notes = texts(devices(scene, "node1")["flannel.1"].notes)
    assert notes == ["to 192.168.50.2", "to 203.0.113.7", "mtu 1450"]


def test_a_dead_end_makes_a_dead_tunnel() -> None:
    live = {("device", "node2", "flannel.1"): {"carrier": False}}
    (tunnel,) = [cable for cable in draw(labs.pod_network(), live=live).cables if cable.tunnel]
    assert tunnel.dead


def test_tunnels_between_more_than_two_are_one_network() -> None:
    scene = draw(labs.overlay(5))
    assert len([cable for cable in scene.cables if cable.tunnel]) == 10
    (network,), cables = overlays(scene)
    assert (network.title, network.frame) == ("vxlan 7", "host")
    lines = [cable for cable in cables if cable.tunnel]
    assert [cable.b for cable in lines] == [Plug(f"n{number}", "vx0") for number in range(1, 6)]
    assert {cable.a.node for cable in lines} == {network.id}


def test_alike_nodes_with_a_dummy_each_share_a_box() -> None:
    lab = labs.Builder()
    lab.bridge("host", "br0", "10.0.0.254/16")
    for number in range(100):
        lab.leaf(f"ns{number}", f"host:v{number}@br0", f"10.0.{number}.1/16")
        lab.device(f"ns{number}", "vip0", "dummy", "192.0.2.1/32")
    lab.device("ns7", "vip1", "dummy")
    assert [box.title for box in draw(lab.facts()).boxes] == ["host", "ns0 … ns99", "ns7"]


def test_a_cable_that_takes_the_name_of_a_deleted_device_is_drawn() -> None:
    lab = labs.Builder()
    lab.leaf("a", "b:eth0", "10.0.0.1/24")
    lab.device("a", "eth0", "dummy")
    (device,) = devices(draw(lab.facts(), actions={("device", "a", "eth0"): "delete"}), "a").values()
    assert device.caption == ""


def test_of_two_families_with_one_name_the_one_that_stays_is_drawn() -> None:
    """A bridge, a cable and a dummy swap their names."""
    before, after = labs.Builder(), labs.Builder()
    before.bridge("a", "x")
    before.cable("a:y@x", "b:eth0")
    before.device("a", "z", "dummy", bridge="x")
    after.bridge("a", "y")
    after.cable("a:z@y", "b:eth0")
    after.device("a", "x", "dummy", bridge="y")
    old, new = before.facts(), after.facts()
    actions = {key: "create" for key in new if key not in old} | {key: "delete" for key in old if key not in new}
    scene = draw({**old, **new}, actions=actions)
    box = next(box for box in scene.boxes if box.node == "a")
    assert [(one.name, one.action, [port.name for port in one.ports]) for one in box.bridges] == [
        ("y", "create", ["z"])
    ]
    assert {one.name: one.caption for one in box.devices} == {"x": "dummy"}
    assert [cable.action for cable in scene.cables] == ["create"]
    assert diagram.to_dot(scene)


def filters(*chains: Chain, **actions: str) -> list[Line]:
    lab = labs.Builder()
    lab.found = [*labs.translated().values(), *chains]
    acts = {("chain", "n", name.replace("_", "-")): action for name, action in actions.items()}
    return list(next(box for box in draw(lab.facts(), actions=acts).boxes if box.node == "n").filters)


def test_what_is_translated_is_told_once_and_what_serves_it_not_at_all() -> None:
    found = {box.node: texts(box.filters) for box in draw(labs.translated()).boxes if box.filters}
    assert found == {
        "machine": ["8080/tcp → web:80", "masquerade 172.17.0.0/16 out eth0", "forward: drop, 1 rule"],
        "outside": ["input: drop"],
    }


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Rule("masquerade", oif="!lo"), "masquerade out any but lo"),
        (Rule("masquerade", source="10.0.0.7"), "masquerade 10.0.0.7"),
        (Rule("snat", source="10.0.0.0/8", oif="e", to="192.0.2.9"), "snat 10.0.0.0/8 → 192.0.2.9 out e"),
        (Rule("dnat", local=True, protocol="udp", ports=((53, 53),), to="192.168.0.1"), "53/udp → outside:53"),
        (Rule("dnat", local=True, protocol="tcp", ports=((8, 9),), to="172.17.0.9"), "8-9/tcp → 172.17.0.9:8-9"),
        (
            Rule("dnat", destination="fd00::1", protocol="tcp", ports=((80, 80),), to="fd00::2", to_ports=(8, 8)),
            "[fd00::1]:80/tcp → [fd00::2]:8",
        ),
        (Rule("dnat", destination="192.0.2.1", to="172.17.0.9"), "192.0.2.1 → 172.17.0.9"),
        (Rule("accept", other="tcp dport 1 redirect to :2"), "tcp dport 1 redirect to :2"),
    ],
)
def test_a_translation_in_words(rule: Rule, text: str) -> None:
    assert texts(tuple(filters(Chain("n", "c", "nat", "postrouting", 100, rules=(rule,))))) == [text]


def test_a_filter_says_its_policy_and_how_many_rules_it_has_where_it_does_something() -> None:
    idle = Chain("n", "c", "filter", "forward", 0)
    one = (Rule("drop", iif="eth0"),)
    assert filters(idle) == []
    assert filters(idle, c="update") == [Line("forward: accept", "update")], "it did something before"
    assert filters(replace(idle, rules=one)) == [Line("forward: accept, 1 rule")]
    assert filters(replace(idle, policy="drop", rules=one * 2)) == [Line("forward: drop, 2 rules")]
    guard = Chain("n", "guard", "filter", "prerouting", -300, rules=(Rule("drop", destination="127.0.0.0/8"),))
    assert filters(guard, guard="update") == [], "it comes with a published port"


def test_an_impairment_is_told_at_the_end_that_it_leaves_by() -> None:
    scene = draw(labs.translated(), actions={("impairment", "outside", "eth0"): "update"})
    assert devices(scene, "outside")["eth0"].notes == (Line("20ms ±5ms, 1% loss, 0.1% doubled", "update"),)
    assert devices(scene, "machine")["eth0"].notes == (Line("10mbit"),)
    bridge = next(box for box in scene.boxes if box.node == "machine").bridges[0]
    assert texts(bridge.ports[0].notes) == ["1ms, 25% reordered"]


def test_nodes_that_filter_otherwise_do_not_share_a_box() -> None:
    lab = labs.Builder()
    lab.found = [*labs.bridge3(100).values(), Chain("ns7", "filter-input", "filter", "input", 0, "drop")]
    assert [box.title for box in draw(lab.facts()).boxes] == ["host", "ns0 … ns99", "ns7"]


@pytest.mark.parametrize(
    ("facts", "edges"),
    [
        (labs.others(), {"host": "t", "cards": "b", "router": "b", "switch": "b"}),
        (labs.machines(), {"host": "t", "node1": "t", "node2": "t"}),
    ],
    ids=["downwards", "sideways"],
)
def test_the_words_of_a_frame_stand_where_no_cable_comes_in(facts: Facts, edges: dict[str, str]) -> None:
    text = diagram.to_dot(draw(facts))
    assert ('rankdir="TB"' in text) == ("b" in edges.values())
    assert dict(re.findall(r'<B>(\w+)</B>.*>, labelloc="(.)"', text)) == edges
