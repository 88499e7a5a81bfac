"""What chains let through, what they translate, and how answers and errors are translated back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netlab.facts import Chain, Rule
from netlab.facts.firewall import rule_key
from netlab.simulator.compiling import network_of
from netlab.simulator.connections import Connections, Tracked, inverse, tuple_of
from netlab.simulator.matching import Hook, matches
from netlab.simulator.packet import IcmpError, Packet
from netlab.simulator.verdicts import Verdict
from tests.unit.simulator.networks import errors_told, facts_of, network, send, told, verdict

GATEWAY = """
  client:
    interfaces: {eth0: {peer: "gw:eth0", addresses: [10.0.0.2/24, "fd00::2/64"]}}
    gateway: [10.0.0.1, "fd00::1"]
  gw:
    forwarding: true
    interfaces:
      eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}
      eth1: {peer: "server:eth0", addresses: [10.1.0.1/24, "fd00:1::1/64"]}
    nat: NAT
    firewall: FIREWALL
  server: {interfaces: {eth0: {addresses: [10.1.0.2/24, "fd00:1::2/64"]}}BACK}
"""
WEB = ("server", "tcp", 80)


def gateway(nat: str = "[]", firewall: str = "{}", back: bool = True) -> str:
    way = ', gateway: [10.1.0.1, "fd00:1::1"]' if back else ""
    return GATEWAY.replace("NAT", nat).replace("FIREWALL", firewall).replace("BACK", way)


# -- filters


@pytest.mark.parametrize(
    ("forward", "asked", "expected"),
    [
        ("{drop: [{tcp: 80}]}", {"kind": "tcp", "port": 80}, Verdict.FILTERED),
        ("{drop: [{tcp: 80}]}", {"kind": "tcp", "port": 81}, Verdict.NO_LISTENER),
        ("{drop: [{tcp: 80}]}", {"kind": "udp", "port": 80}, Verdict.NO_LISTENER),
        ("{drop: [{udp: [53, 1000-2000]}]}", {"kind": "udp", "port": 2000}, Verdict.FILTERED),
        ("{drop: [{udp: [53, 1000-2000]}]}", {"kind": "udp", "port": 2001}, Verdict.NO_LISTENER),
        ("{drop: [{from: 10.0.0.0/25}]}", {}, Verdict.FILTERED),
        ("{drop: [{from: 10.0.0.128/25}]}", {}, Verdict.DELIVERED),
        ("{drop: [{to: server}]}", {}, Verdict.FILTERED),
        ("{drop: [{to: client}]}", {}, Verdict.FILTERED),  # the answer
        ("{drop: [{in: eth1, out: eth0}]}", {}, Verdict.FILTERED),
        ("{drop: [{in: eth1, out: eth1}]}", {}, Verdict.DELIVERED),
        ("{drop: [{icmp: true}]}", {}, Verdict.FILTERED),
        ("{reject: [{icmp: true}]}", {}, Verdict.REJECTED),
        ("{policy: drop}", {}, Verdict.FILTERED),
        ("{policy: drop, accept: [{icmp: true}]}", {}, Verdict.DELIVERED),
        ("{policy: drop, accept: [{in: eth0}, {established: true}]}", {}, Verdict.DELIVERED),
        ("{policy: drop, accept: [{established: true}]}", {}, Verdict.FILTERED),
        ("{drop: [{icmp: true}], accept: [{icmp: true}]}", {}, Verdict.FILTERED),  # drop is looked at first
    ],
)
def test_a_forward_chain(forward: str, asked: dict[str, object], expected: Verdict) -> None:
    found = network(gateway(firewall=f"{{forward: {forward}}}"))
    assert verdict(found, "client", "10.1.0.2", **asked) is expected
    version6 = {"{drop: [{from: 10.0.0.0/25}]}": Verdict.DELIVERED, "{drop: [{to: 10.1.0.2}]}": Verdict.DELIVERED}
    assert verdict(found, "client", "fd00:1::2", **asked) is version6.get(forward, expected)


@pytest.mark.parametrize("destination", ["10.1.0.2", "fd00:1::2"])
@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ("{policy: drop, accept: [{udp: 53}, {icmp: true}]}", Verdict.FILTERED),
        ("{policy: drop, accept: [{udp: 53}, {in: eth0}]}", Verdict.NO_LISTENER),
        ("{drop: [{udp: 53}]}", Verdict.FILTERED),
        ("{drop: [{udp: 54}]}", Verdict.NO_LISTENER),
        ("{policy: drop, accept: [{udp: 53}, {established: true}]}", Verdict.NO_LISTENER),
    ],
)
def test_of_a_packet_in_fragments_only_the_first_has_ports(destination: str, forward: str, expected: Verdict) -> None:
    """Where connections are tracked it is put together first."""
    found = network(gateway(firewall=f"{{forward: {forward}}}"))
    assert send(found, "client", destination, kind="udp", port=53, size=3000).legs[0].end.verdict is expected


def test_the_way_back_meets_the_chains_too() -> None:
    found = send(network(gateway(firewall="{forward: {policy: drop, accept: [{in: eth0}]}}")), "client", "10.1.0.2")
    assert (found.verdict, found.deciding.reason, found.deciding.end.node) == (Verdict.FILTERED, 0, "gw")


def test_input_and_output_are_the_nodes_own() -> None:
    found = network(gateway(firewall="{input: {drop: [{icmp: true}]}, output: {drop: [{udp: 53}]}}"))
    assert verdict(found, "client", "10.0.0.1") is Verdict.FILTERED
    assert verdict(found, "client", "10.1.0.2") is Verdict.DELIVERED, "what passes through meets neither"
    own = send(found, "gw", "10.1.0.2", kind="udp", port=53)
    assert (own.verdict, own.answer) == (Verdict.FILTERED, "silence")


def test_a_node_that_lets_in_answers_only_reaches_others_and_is_not_reached() -> None:
    found = network(gateway(firewall="{input: {policy: drop, accept: [{established: true}]}}"))
    assert send(found, "gw", "10.1.0.2").ok
    assert verdict(found, "client", "10.0.0.1") is Verdict.FILTERED
    # Its own ping to itself is new when it comes in by lo.
    assert verdict(found, "gw", "10.0.0.1") is Verdict.FILTERED


def test_an_error_about_a_connection_is_related_to_it() -> None:
    only_answers = "{input: {policy: drop, accept: [{established: true}]}}"
    text = gateway().replace('"fd00::2/64"]}}', f'"fd00::2/64"]}}}}\n    firewall: {only_answers}')
    for listening in (
        send(network(text), "client", "10.1.0.2", kind="udp", port=53),
        send(network(text), "client", "10.1.0.9"),
    ):
        assert listening.answer in ("refused", "error")
    without = text.replace("{established: true}", "{tcp: 1}")
    assert send(network(without), "client", "10.1.0.2", kind="udp", port=53).answer == "silence"


def test_chains_look_by_their_priority_and_an_accept_ends_only_its_own() -> None:
    text = gateway(firewall="{forward: {policy: drop, accept: [{icmp: true}]}}")
    facts = dict(facts_of(text))
    second = Chain("gw", "second", "filter", "forward", 10, "accept", (Rule("drop", protocol="icmp"),))
    assert verdict(network_of(facts), "client", "10.1.0.2") is Verdict.DELIVERED
    found = send(network_of({**facts, second.key: second}), "client", "10.1.0.2")
    assert (found.verdict, found.deciding.end.key) == (Verdict.FILTERED, rule_key(second, second.rules[0]))
    first = replace(second, priority=-10, rules=(Rule("accept"),))
    assert verdict(network_of({**facts, first.key: first}), "client", "10.1.0.2") is Verdict.DELIVERED


def test_a_rule_that_netlab_cannot_read_matches_nothing() -> None:
    node = network(gateway()).nodes["gw"]
    packet = Packet("10.0.0.2", "10.1.0.2", "icmp", "echo")
    hook = Hook("forward", node.devices["eth0"], node.devices["eth1"])
    assert matches(node, None, packet, Rule("drop"), hook)
    assert not matches(node, None, packet, Rule("drop", other="meta skuid 0 drop"), hook)


def test_what_belongs_to_no_connection_has_no_state() -> None:
    node = network(gateway()).nodes["gw"]
    packet, hook = Packet("10.0.0.2", "10.1.0.2", "icmp", "echo-reply"), Hook("input", node.devices["eth0"], None)
    assert not matches(node, None, packet, Rule("accept", states=("established", "related")), hook)
    assert not matches(node, None, packet, Rule("accept", translated=True), hook)


@pytest.mark.parametrize(("name", "fits"), [("eth0", True), ("!eth0", False), ("eth1", False), ("!lo", True)])
def test_devices_in_rules(name: str, fits: bool) -> None:
    node = network(gateway()).nodes["gw"]
    packet, hook = Packet("10.0.0.2", "10.1.0.2", "icmp", "echo"), Hook("forward", node.devices["eth0"], None)
    assert matches(node, None, packet, Rule("drop", iif=name), hook) is fits
    assert matches(node, None, packet, Rule("drop", oif="!eth0"), hook), "it goes out by none of that name"


# -- translation


def test_masquerade_hides_behind_the_address_of_the_device_there_and_is_undone_on_the_way_back() -> None:
    found = send(network(gateway("[{masquerade: {from: 10.0.0.0/24, out: eth1}}]", back=False)), "client", "10.1.0.2")
    assert found.ok
    there, back = found.legs
    assert there.end.packet is not None
    assert (there.end.packet.source, back.packet.destination) == ("10.1.0.1", "10.1.0.1")
    assert back.end.packet is not None
    assert back.end.packet.destination == "10.0.0.2"
    assert told(there, "translated") == [
        'gw: translates: 10.0.0.2 becomes 10.1.0.1 by oifname "eth1" ip saddr 10.0.0.0/24 masquerade'
    ]
    assert told(back, "translated") == ["gw: translates: 10.1.0.1 becomes 10.0.0.2 again"]
    assert not send(network(gateway(back=False)), "client", "10.1.0.2").ok, "the server knows no way back without it"


def test_masquerade_of_ipv6() -> None:
    text = gateway('[{masquerade: {from: "fd00::/64", out: eth1}}]', back=False)
    found = send(network(text), "client", "fd00:1::2")
    assert found.ok
    assert found.legs[1].packet.destination == "fd00:1::1"
    assert not send(network(text), "client", "10.1.0.2").ok, "IPv4 is not translated by it"


def test_snat_takes_the_address_that_it_is_told() -> None:
    lab = gateway("[{snat: {from: client, out: eth1, to: 10.1.0.7}}]").replace(
        'eth1: {peer: "server:eth0", addresses: [10.1.0.1/24,',
        'eth1: {peer: "server:eth0", addresses: [10.1.0.1/24, 10.1.0.7/24,',
    )
    found = send(network(lab), "client", "10.1.0.2")
    assert found.ok
    assert found.legs[1].packet.destination == "10.1.0.7"
    assert verdict(network(lab), "client", "fd00:1::2") is Verdict.DELIVERED, "IPv6 is not translated by it"


def test_what_is_hidden_is_not_kept_out() -> None:
    found = network(gateway("[{masquerade: {from: 10.0.0.0/24, out: eth1}}]"))
    back = send(found, "server", "10.0.0.2")
    assert back.ok
    assert back.legs[1].packet.source == "10.0.0.2", "an answer of a connection that was not translated stays as it is"


def test_two_hidden_behind_one_address_keep_apart_by_their_port() -> None:
    connections = Connections()
    packet = Packet("10.0.0.2", "10.1.0.2", "icmp", "echo", 1, 1)
    first = connections.find(packet)
    assert first is not None
    connections.confirm(first)
    again = connections.find(packet)
    assert again is not None
    assert again.connection is first.connection
    assert connections.find(replace(packet, source="10.0.0.3")) is not None
    assert connections.is_taken(inverse(tuple_of(packet)))
    assert not connections.is_taken(tuple_of(replace(packet, source="10.0.0.3")))


@pytest.mark.parametrize(
    ("port", "comes_to"),
    [(8080, ("10.1.0.2", 80)), (9001, ("10.1.0.2", 7001)), (9003, None), (8081, None)],
)
def test_a_published_port_leads_to_its_target_and_a_range_port_by_port(
    port: int, comes_to: tuple[str, int] | None
) -> None:
    nat = '[{publish: {port: 8080, to: "server:80"}}, {publish: {port: 9000-9002, to: "server:7000-7002"}}]'
    found = send(network(gateway(nat)), "client", "10.0.0.1", kind="tcp", port=port)
    end = found.legs[0].end
    assert end.packet is not None
    assert end.verdict is Verdict.NO_LISTENER
    assert (end.packet.destination, end.packet.dport) == (comes_to or ("10.0.0.1", port))
    assert (found.answer, found.legs[1].end.packet and found.legs[1].end.packet.source) == ("refused", "10.0.0.1")


def test_a_published_port_answers_its_own_target_and_the_node_itself() -> None:
    found = network(gateway('[{publish: {port: 8080, to: "server:80"}}]'))
    for source, address in (("server", "10.1.0.1"), ("gw", "10.1.0.1"), ("gw", "127.0.0.1"), ("client", "10.0.0.1")):
        opened = send(found, source, address, WEB, kind="tcp", port=8080)
        assert opened.answer == "open", source
        assert opened.legs[1].end.packet is not None
        assert (opened.legs[1].end.packet.source, opened.legs[1].end.packet.sport) == (address, 8080)


def test_a_published_port_is_looked_at_by_the_chains_that_come_behind() -> None:
    firewall = "{output: {drop: [{to: server, tcp: 80}]}}"
    nat = '[{publish: {port: 8080, to: "server:80"}}]'
    assert verdict(network(gateway(nat, firewall)), "gw", "10.1.0.1", kind="tcp", port=8080) is Verdict.FILTERED
    other = network(gateway(nat, firewall.replace("tcp: 80", "tcp: 81")))
    opened = send(other, "gw", "127.0.0.1", WEB, kind="tcp", port=8080)
    assert opened.answer == "open"
    steps = [step.what for step in opened.legs[0].steps]
    assert steps[:4] == ["sent", "route", "translated", "route"], "what is translated is routed anew"


def test_what_is_published_for_one_address_is_led_on_from_there_only() -> None:
    found = network(gateway('[{publish: {address: 10.1.0.1, port: 8080, to: "server:80"}}]'))
    assert send(found, "client", "10.1.0.1", WEB, kind="tcp", port=8080).answer == "open"
    assert send(found, "client", "10.0.0.1", WEB, kind="tcp", port=8080).answer == "refused"


def test_errors_about_translated_packets_come_back_to_the_one_that_was_hidden() -> None:
    found = send(
        network(gateway("[{masquerade: {from: 10.0.0.0/24, out: eth1}}]", back=False)),
        "client",
        "10.1.0.2",
        kind="udp",
        port=53,
    )
    assert found.answer == "refused"
    error = found.legs[1].end.packet
    assert error is not None
    assert error.error is not None
    assert (error.destination, error.error.about.source) == ("10.0.0.2", "10.0.0.2")
    assert told(found.legs[1], "translated") == ["gw: translates: 10.1.0.1 becomes 10.0.0.2 again"]
    assert (found.legs[1].packet.destination, found.legs[1].packet.source) == ("10.1.0.1", "10.1.0.2")


def test_an_error_about_a_published_port_seems_to_come_from_it() -> None:
    found = send(
        network(gateway('[{publish: {port: 5353, to: "server:53", protocol: udp}}]')),
        "client",
        "10.0.0.1",
        kind="udp",
        port=5353,
    )
    error = found.legs[1].end.packet
    assert error is not None
    assert error.error is not None
    assert (error.source, error.error.about.destination, error.error.about.dport) == ("10.0.0.1", "10.0.0.1", 5353)
    assert errors_told(found) == [("server", "10.1.0.2", "10.0.0.2", (3, 3))]


def test_states() -> None:
    connections = Connections()
    echo = Packet("10.0.0.2", "10.1.0.2", "icmp", "echo", 1, 1)
    reply = Packet("10.1.0.2", "10.0.0.2", "icmp", "echo-reply", 1, 1)
    assert connections.find(reply) is None, "an answer to nothing is invalid"
    first = connections.find(echo)
    assert first is not None
    assert first.state == "new"
    assert connections.find(reply) is None, "it counts only once its first packet has passed"
    connections.confirm(first)
    answer = connections.find(reply)
    assert answer == Tracked(first.connection, answers=True)
    assert answer.state == "established"
    assert connections.find(echo) == Tracked(first.connection)
    connections.confirm(answer)
    assert Tracked(first.connection).state == "established", "both ways have been seen"
    error = Packet("10.1.0.1", "10.0.0.2", "icmp", "error", error=IcmpError(3, 1, echo))
    related = connections.find(error)
    assert related is not None
    assert related.state == "related"
    assert connections.find(replace(error, error=IcmpError(3, 1, reply))) is not None
    fresh = Connections()
    first = fresh.find(echo)
    assert first is not None
    fresh.confirm(first)
    fresh.confirm(fresh.find(replace(error, error=IcmpError(3, 1, reply))))
    assert Tracked(first.connection).state == "new", "an error is no answer"
    other = IcmpError(3, 1, replace(echo, sport=2, dport=2))
    assert connections.find(replace(error, error=other)) is None


def test_an_echo_and_its_reply_are_of_different_types() -> None:
    echo = Packet("a", "b", "icmp", "echo", 1, 1)
    assert tuple_of(echo) != tuple_of(replace(echo, message="echo-reply"))
    assert inverse(inverse(tuple_of(echo))) == tuple_of(echo)
    assert inverse(tuple_of(echo)) == tuple_of(Packet("b", "a", "icmp", "echo-reply", 1, 1))


def test_masquerading_of_ipv6_does_not_heed_the_source_that_a_route_prefers() -> None:
    text = """
  a: {interfaces: {eth0: {peer: "r:eth0", address: "fd00::2/64"}}, gateway: "fd00::1"}
  r:
    forwarding: true
    interfaces:
      eth0: {address: "fd00::1/64"}
      eth1: {peer: "b:eth0", addresses: ["fd00:1::1/64", "fd00:1::9/64"]}
    routes: [{to: "fd00:2::/64", via: "fd00:1::2", source: "fd00:1::1"}]
    nat: [{masquerade: {out: eth1}}]
  b: {interfaces: {eth0: {address: "fd00:1::2/64"}}}
"""
    assert "r: translates: fd00::2 becomes fd00:1::9 by" in told(send(network(text), "a", "fd00:2::5").legs[0])[7]
    assert send(network(text), "r", "fd00:2::5").legs[0].packet.source == "fd00:1::1"


@pytest.mark.parametrize(("tracks", "answer"), [(False, "silence"), (True, "error")])
@pytest.mark.parametrize("destination", ["10.2.0.2", "fd00:2::2"])
@pytest.mark.parametrize("where", ["filter", "before"])
def test_of_a_fragment_nobody_is_told_unless_somebody_has_put_it_together(
    destination: str, where: str, tracks: bool, answer: str
) -> None:
    rule = '{reject: [{to: "DESTINATION"}], accept: [{established: true}]}' if tracks and where == "filter" else (
        '{reject: [{to: "DESTINATION"}]}'
    )  # fmt: skip
    nat = "nat: [{masquerade: {from: 192.0.2.0/24}}]" if tracks and where == "before" else ""
    text = f"""
  a:
    interfaces: {{eth0: {{peer: "r:eth0", mtu: 1400, addresses: [10.0.0.2/24, "fd00::2/64"]}}}}
    gateway: [10.0.0.1, "fd00::1"]
  r:
    forwarding: true
    interfaces:
      eth0: {{addresses: [10.0.0.1/24, "fd00::1/64"]}}
      eth1: {{peer: "f:eth0", addresses: [10.1.0.1/24, "fd00:1::1/64"]}}
    routes: [{{to: default, via: 10.1.0.2}}, {{to: default, via: "fd00:1::2"}}]
    {nat}
  f:
    forwarding: true
    interfaces:
      eth0: {{addresses: [10.1.0.2/24, "fd00:1::2/64"]}}
      eth1: {{peer: "b:eth0", addresses: [10.2.0.1/24, "fd00:2::1/64"]}}
    routes: [{{to: default, via: 10.1.0.1}}, {{to: default, via: "fd00:1::1"}}]
    firewall: {{forward: {rule.replace("DESTINATION", destination)}}}
  b: {{interfaces: {{eth0: {{addresses: [10.2.0.2/24, "fd00:2::2/64"]}}}}}}
"""
    found = network(text)
    assert send(found, "a", destination, size=1450).answer == answer
    assert send(found, "a", destination, size=1300).answer == "error", "it is no fragment"


@pytest.mark.parametrize(("mtu", "verdict_"), [("device", Verdict.TOO_BIG), ("route", Verdict.REJECTED)])
def test_ipv6_looks_at_the_mtu_of_a_device_before_its_chains_and_at_that_of_a_route_behind(
    mtu: str, verdict_: Verdict
) -> None:
    text = """
  a: {interfaces: {eth0: {peer: "r:eth0", address: "fd00::2/64"}}, gateway: "fd00::1"}
  r:
    forwarding: true
    interfaces: {eth0: {address: "fd00::1/64"}, eth1: {peer: "b:eth0", address: "fd00:1::1/64" DEVICE}}
    routes: [{to: "fd00:2::/64", via: "fd00:1::2" ROUTE}]
    firewall: {forward: {reject: [{to: "fd00:2::/64"}]}}
  b: {interfaces: {eth0: {address: "fd00:1::2/64" DEVICE}}}
"""
    said = {"device": ("DEVICE", ", mtu: 1300"), "route": ("ROUTE", ", mtu: 1300")}
    text = text.replace(*said[mtu]).replace(" DEVICE", "").replace(" ROUTE", "")
    assert send(network(text), "a", "fd00:2::5", size=1400).legs[0].end.verdict is verdict_
    open_ = text.replace('    firewall: {forward: {reject: [{to: "fd00:2::/64"}]}}\n', "")
    found = send(network(open_), "a", "fd00:2::5", size=1400)
    assert (found.verdict, found.answer) == (Verdict.TOO_BIG, "error")
    assert (found.deciding.end.key or ("",))[0] == ("veth" if mtu == "device" else "route")


def test_that_a_packet_was_put_together_says_nothing_of_its_answer() -> None:
    text = """
  a: {interfaces: {eth0: {peer: "r:eth0", addresses: [10.0.0.2/24], mtu: 1500}}, gateway: 10.0.0.1}
  r:
    forwarding: true
    interfaces: {eth0: {address: 10.0.0.1/24}, eth1: {peer: "b:eth0", address: 10.1.0.1/24}}
    firewall: {forward: {reject: [{from: 10.1.0.2}]}}
  b:
    interfaces: {eth0: {address: 10.1.0.2/24}}
    gateway: 10.1.0.1
    routes: [{to: 10.0.0.0/24, via: 10.1.0.1, mtu: 1400}]
    nat: [{masquerade: {from: 192.0.2.0/24}}]
"""
    found = send(network(text), "a", "10.1.0.2", size=1450)
    assert [leg.end.verdict for leg in found.legs] == [Verdict.DELIVERED, Verdict.REJECTED], "nobody is told"


def test_a_port_that_leads_to_everybody_is_heard_by_the_one_whose_address_that_is_and_not_by_tcp() -> None:
    """The /28 of r ends in an address that b has: r sends to all what it is to send there, and TCP answers no such."""
    text = """
  r: {interfaces: {eth0: {peer: "b:eth0", address: 192.168.1.11/28}}, nat: [{publish: PORT}]}
  b: {interfaces: {eth0: {address: 192.168.1.15/24}}}
"""
    for protocol, answer in (("tcp", "silence"), ("udp", "reply")):
        found = network(text.replace("PORT", f'{{port: 90, to: "192.168.1.15:90", protocol: {protocol}}}'))
        sent = send(found, "r", "127.0.0.1", ("b", protocol, 90), kind=protocol, port=90)
        assert (sent.legs[0].end.node, sent.answer) == ("b", answer), protocol
        assert send(found, "r", "127.0.0.1", kind=protocol, port=90).answer == "silence", "nobody is told"
