"""Which route a node takes, which source it chooses, and whom it believes."""

from __future__ import annotations

import pytest

from netlab.facts import PolicyRule
from netlab.simulator.fib import Asked, choose_source, doubt_source, is_martian, look_up, within
from netlab.simulator.network import Network
from netlab.simulator.packet import Version
from netlab.simulator.verdicts import Verdict
from tests.unit.simulator.networks import network, send, told, verdict

ROUTES = """
  r:
    interfaces:
      eth0: {peer: "a:eth0", address: 10.0.0.1/24}
      eth1: {peer: "b:eth0", address: 10.1.0.1/24}
    routes:
      - {to: default, via: 10.0.0.2}
      - {to: 10.9.0.0/16, via: 10.1.0.2}
      - {to: 10.9.9.0/24, via: 10.0.0.2, metric: 20}
      - {to: 10.9.9.0/24, via: 10.1.0.2, metric: 10}
      - {to: 10.9.9.9/32, blackhole: true}
      - {to: 192.0.2.0/24, via: 10.1.0.2, table: 100}
      - {to: 198.51.100.0/24, unreachable: true, table: 100}
    rules: RULES
  a: {interfaces: {eth0: {address: 10.0.0.2/24}}}
  b: {interfaces: {eth0: {address: 10.1.0.2/24}}}
"""


def routes(rules: str = "[]") -> Network:
    return network(ROUTES.replace("RULES", rules))


def way(found: Network, destination: str, source: str | None = None, into: str | None = None) -> tuple[str, str | None]:
    """Give the kind of the route that node r takes, and its gateway."""
    node = found.nodes["r"]
    version: Version = 6 if ":" in destination else 4
    one = look_up(node, Asked(version, destination, source, node.devices[into] if into else None))
    return one.kind, one.hop.via if one.hop is not None else None


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("203.0.113.1", ("unicast", "10.0.0.2")),  # nothing but the default route
        ("10.9.1.1", ("unicast", "10.1.0.2")),  # /16 before /0
        ("10.9.9.1", ("unicast", "10.1.0.2")),  # of two /24 the lesser metric, not the first made
        ("10.9.9.9", ("blackhole", None)),  # /32 before /24
        ("10.1.0.77", ("unicast", None)),  # connected: no gateway
        ("10.1.0.1", ("local", None)),  # the local table comes before
        ("10.1.0.255", ("broadcast", None)),
        ("127.9.9.9", ("local", None)),
    ],
)
def test_the_longest_prefix_then_the_least_metric(destination: str, expected: tuple[str, str | None]) -> None:
    assert way(routes(), destination) == expected


def test_of_equal_routes_the_first_made_is_taken() -> None:
    lab = """
  r:
    interfaces:
      eth1: {peer: "b:eth0", address: 10.0.0.2/24}
      eth0: {peer: "a:eth0", address: 10.0.0.1/24}
  a: {interfaces: {eth0: }}
  b: {interfaces: {eth0: }}
"""
    node = network(lab).nodes["r"]
    found = look_up(node, Asked(4, "10.0.0.9"))
    assert found.hop is not None
    assert found.hop.nic.name == next(nic.name for nic in node.devices.values() if nic.addresses and nic.name != "lo")


def test_a_rule_chooses_the_table_and_a_table_without_a_route_is_passed_over() -> None:
    found = routes("[{from: 10.5.0.0/16, table: 100}]")
    assert way(found, "192.0.2.1", "10.5.0.1") == ("unicast", "10.1.0.2")
    assert way(found, "192.0.2.1", "10.6.0.1") == ("unicast", "10.0.0.2")
    assert way(found, "10.9.1.1", "10.5.0.1") == ("unicast", "10.1.0.2"), "no route in table 100: main is next"
    assert way(found, "198.51.100.1", "10.5.0.1")[0] == "unreachable", "an end in a table is a route"


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ("{to: 192.0.2.0/25, prohibit: true}", True),
        ("{to: 192.0.2.128/25, prohibit: true}", False),
        ("{in: eth1, prohibit: true}", True),
        ("{in: eth0, prohibit: true}", False),
        ("{in: lo, prohibit: true}", False),  # of the node's own only
        ("{mark: 0x1, prohibit: true}", False),  # nothing of a lab marks packets
        ("{mark: 0x0/0xff, prohibit: true}", True),
        ("{out: eth1, prohibit: true}", False),  # known of bound sockets only
    ],
)
def test_what_a_rule_looks_at(rule: str, fits: bool) -> None:
    assert (way(routes(f"[{rule}]"), "192.0.2.1", "10.5.0.1", "eth1")[0] == "prohibit") is fits


def test_a_rule_behind_the_main_table_is_asked_of_what_has_no_route_there() -> None:
    late = PolicyRule("r", 4, 32767, source="10.5.0.1/32", action="prohibit")
    text = ROUTES.replace("RULES", "[]")
    assert way(network(text, late), "192.0.2.1", "10.5.0.1", "eth1")[0] == "unicast"
    without = text.replace("      - {to: default, via: 10.0.0.2}\n", "")
    assert way(network(without, late), "192.0.2.1", "10.5.0.1", "eth1")[0] == "prohibit"
    assert way(network(without), "192.0.2.1", "10.5.0.1", "eth1")[0] == "none"


def test_rules_are_asked_by_priority() -> None:
    found = routes(
        "[{from: 10.5.0.0/16, blackhole: true, priority: 300}, {from: 10.5.0.0/16, table: 100, priority: 200}]"
    )
    assert way(found, "192.0.2.1", "10.5.0.1")[0] == "unicast"
    assert way(found, "203.0.113.1", "10.5.0.1")[0] == "blackhole", "table 100 has none: the next rule"


def test_a_rule_for_the_nodes_own_packets() -> None:
    found = routes("[{in: lo, blackhole: true}]")
    assert way(found, "192.0.2.1", "10.5.0.1")[0] == "blackhole"
    assert way(found, "192.0.2.1", "10.5.0.1", "eth1")[0] == "unicast"


def test_a_vrf_has_routes_of_its_own_and_passes_over_to_the_others() -> None:
    lab = """
  r:
    interfaces: {eth0: {peer: "a:eth0", address: 10.0.0.1/24}, eth1: {peer: "b:eth0", address: 10.1.0.1/24}}
    vrfs: {red: {table: 10, devices: [eth0]}}
    routes: [{to: 10.8.0.0/16, via: 10.0.0.2, table: 10}]
  a: {interfaces: {eth0: {address: 10.0.0.2/24}}}
  b: {interfaces: {eth0: {address: 10.1.0.2/24}}}
"""
    found = network(lab)
    assert way(found, "10.8.0.1", into="eth0") == ("unicast", "10.0.0.2")
    assert way(found, "10.8.0.1", into="eth1") == ("none", None)
    assert way(found, "10.0.0.1", into="eth0")[0] == "local"
    assert way(found, "10.0.0.2", into="eth1") == ("none", None), "what a VRF's device connects is in the VRF's table"


def test_ways_of_one_route_share_by_weight_and_hold_for_two_ends() -> None:
    lab = ROUTES.replace("RULES", "[]").replace(
        "{to: 10.9.0.0/16, via: 10.1.0.2}", "{to: 10.9.0.0/16, hops: [{via: 10.0.0.2, weight: 3}, {via: 10.1.0.2}]}"
    )
    found = network(lab)
    taken = [way(found, f"10.9.1.{last}", "10.0.0.1")[1] for last in range(200)]
    assert taken == [way(found, f"10.9.1.{last}", "10.0.0.1")[1] for last in range(200)]
    assert {"10.0.0.2", "10.1.0.2"} == set(taken)
    assert taken.count("10.0.0.2") == 3 * taken.count("10.1.0.2")


@pytest.mark.parametrize(
    ("address", "net", "is_in"),
    [
        ("10.0.0.255", "10.0.0.0/24", True),
        ("10.0.1.0", "10.0.0.0/24", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("fd00::1", "fd00::/16", True),
        ("fd00::1", "::/0", True),
        ("10.0.0.1", "::/0", False),
    ],
)
def test_within(address: str, net: str, is_in: bool) -> None:
    assert within(address, net) is is_in


# -- sources


@pytest.mark.parametrize(
    ("addresses", "route", "destination", "source"),
    [
        ("[10.0.0.1/24, 10.7.0.1/24]", "{to: default, via: 10.7.0.9}", "192.0.2.1", "10.7.0.1"),  # near the gateway
        ("[10.0.0.1/24, 10.7.0.1/24]", "{to: default, via: 10.0.0.9}", "10.7.0.5", "10.7.0.1"),  # near the destination
        ("[10.0.0.1/24, 10.0.0.2/24]", "{to: default, via: 10.0.0.9}", "10.0.0.5", "10.0.0.1"),  # never a secondary
        ("[10.0.0.1/24, 10.7.0.1/24]", "{to: 192.0.2.0/24, dev: eth0}", "192.0.2.1", "10.0.0.1"),  # else the first
        ("[10.0.0.1/24, 10.7.0.1/24]", "{to: default, via: 10.0.0.9, source: 10.7.0.1}", "192.0.2.1", "10.7.0.1"),
        ("[10.0.0.1/24, 10.7.0.1/24]", "{to: default, via: 10.0.0.9}", "10.7.0.1", "10.7.0.1"),  # to itself: from it
        ("[]", "{to: 192.0.2.0/24, dev: eth0}", "192.0.2.1", "10.99.0.1"),  # of another device
    ],
)
def test_the_source_of_ipv4(addresses: str, route: str, destination: str, source: str) -> None:
    lab = f"""
  a:
    interfaces:
      eth0: {{peer: "b:eth0", addresses: {addresses}}}
      eth1: {{peer: "b:eth1", address: 10.99.0.1/24}}
    routes: [{route}]
  b: {{interfaces: {{eth0: , eth1: }}}}
"""
    assert send(network(lab), "a", destination).legs[0].packet.source == source


@pytest.mark.parametrize(
    ("eth1", "source"),
    [("address: 10.99.0.1/24", "10.99.0.1"), ("address: 10.99.0.1/24, up: false", "10.98.0.1")],
)
def test_an_address_is_borrowed_of_a_device_that_is_up_and_of_the_same_vrf(eth1: str, source: str) -> None:
    text = f"""
  a:
    interfaces:
      eth0: {{peer: "b:eth0"}}
      eth2: {{peer: "b:eth2", address: 10.97.0.1/24}}
      eth1: {{peer: "b:eth1", {eth1}}}
    dummies: {{d: 10.98.0.1/32}}
    vrfs: {{red: {{table: 10, devices: [eth2]}}}}
    routes: [{{to: 192.0.2.0/24, dev: eth0}}]
  b: {{interfaces: {{eth0: , eth1: , eth2: }}}}
"""
    assert send(network(text), "a", "192.0.2.1").legs[0].packet.source == source


V6 = """
  a:
    interfaces:
      eth0: {peer: "b:eth0", addresses: ["fd00:1::1/64", "fd00:1::2/64", "2001:db8:1::1/64"]}
      eth1: {peer: "b:eth1", addresses: ["fd00:2::1/64"]}
    ipv6: true
  b: {interfaces: {eth0: , eth1: }, ipv6: true}
"""


@pytest.mark.parametrize(
    ("device", "destination", "source"),
    [
        ("eth0", "fd00:1::2", "fd00:1::2"),  # rule 1: the address itself
        ("eth0", "2001:db8:9::1", "2001:db8:1::1"),  # rule 8: the longest match
        ("eth1", "2001:db8:1::9", "fd00:2::1"),  # rule 5: the device that it leaves by, before the match
        ("eth0", "fd00:2::9", "fd00:1::2"),  # rule 5 too; of two alike the newest
        ("eth1", "ff05::1", "fd00:2::1"),  # rule 2: a scope that is wide enough
        ("eth0", "2001:db8:1::1", "2001:db8:1::1"),
    ],
)
def test_the_source_of_ipv6_by_rfc_6724(device: str, destination: str, source: str) -> None:
    node = network(V6).nodes["a"]
    assert choose_source(node, node.devices[device], destination) == source


def test_a_link_local_destination_wants_a_link_local_source() -> None:
    node = network(V6).nodes["a"]
    chosen = choose_source(node, node.devices["eth0"], "fe80::99")
    assert chosen is not None
    assert chosen.startswith("fe80::")
    assert chosen in node.addresses
    assert node.addresses[chosen].name == "eth0"


# -- whom a node believes

TWO_WAYS = """
  r:
    interfaces:
      eth0: {peer: "a:eth0", address: 10.0.0.1/24}
      eth1: {peer: "b:eth0", address: 10.1.0.1/24}
    routes: [{to: 10.9.0.0/16, via: 10.1.0.2}]
    sysctls: {net.ipv4.conf.all.rp_filter: RP, net.ipv4.conf.all.accept_local: LOCAL}
  a: {interfaces: {eth0: {address: 10.0.0.2/24}}}
  b: {interfaces: {eth0: {address: 10.1.0.2/24}}}
"""


@pytest.mark.parametrize(
    ("rp", "local", "source", "doubt"),
    [
        (0, 0, "10.9.0.1", None),
        (1, 0, "10.9.0.1", "rp-filter"),  # it would be answered by eth1
        (2, 0, "10.9.0.1", None),  # loose: there is a way
        (2, 0, "192.0.2.1", "rp-filter"),  # there is none
        (1, 0, "10.0.0.77", None),
        (0, 0, "10.1.0.1", "martian"),  # one of its own
        (0, 1, "10.1.0.1", None),  # which it may accept
        (1, 0, "10.0.0.255", "martian"),  # everybody's
        (0, 0, "10.0.0.255", None),  # where nothing is looked up, nobody finds that out
        (1, 1, "10.1.0.1", "rp-filter"),  # its own, and of another device
        (2, 1, "10.1.0.1", None),
    ],
)
def test_rp_filter_and_own_sources(rp: int, local: int, source: str, doubt: str | None) -> None:
    node = network(TWO_WAYS.replace("RP", str(rp)).replace("LOCAL", str(local))).nodes["r"]
    assert doubt_source(node, node.devices["eth0"], source, "10.0.0.1", None) == doubt


def test_where_policy_rules_stand_a_source_is_looked_up_though_nothing_filters() -> None:
    text = (
        TWO_WAYS.replace("RP", "0")
        .replace("LOCAL", "0")
        .replace("    routes:", "    rules: [{to: 192.0.2.1, table: 7}]\n    routes:")
    )
    node = network(text).nodes["r"]
    assert doubt_source(node, node.devices["eth0"], "10.0.0.255", "10.0.0.1", None) == "martian"
    assert doubt_source(node, node.devices["eth0"], "192.0.2.1", "10.0.0.1", None) is None


@pytest.mark.parametrize(
    ("source", "destination", "martian"),
    [
        ("10.0.0.2", "10.0.0.1", False),
        ("127.0.0.1", "10.0.0.1", True),
        ("10.0.0.2", "127.0.0.1", True),
        ("224.0.0.1", "10.0.0.1", True),
        ("255.255.255.255", "10.0.0.1", True),
        ("0.0.0.0", "10.0.0.1", True),
        ("0.1.2.3", "10.0.0.1", True),
        ("10.0.0.2", "0.0.0.0", True),
    ],
)
def test_martians(source: str, destination: str, martian: bool) -> None:
    node = network(TWO_WAYS.replace("RP", "0").replace("LOCAL", "0")).nodes["r"]
    assert is_martian(node, node.devices["eth0"], source, destination) is martian


def test_route_localnet_lets_loopback_addresses_in() -> None:
    lab = TWO_WAYS.replace("RP", "0").replace("LOCAL", "0, net.ipv4.conf.eth0.route_localnet: 1")
    node = network(lab).nodes["r"]
    assert not is_martian(node, node.devices["eth0"], "10.0.0.2", "127.0.0.1")
    assert is_martian(node, node.devices["eth1"], "10.0.0.2", "127.0.0.1")


def test_what_is_told_of_a_route_names_prefix_gateway_and_table() -> None:
    found = send(routes("[{from: 10.0.0.0/8, table: 100}]"), "r", "192.0.2.1")
    assert told(found.legs[0], "route") == [
        "r: routes 192.0.2.1 by 192.0.2.0/24 via 10.1.0.2 dev eth1, table 100 by rule 10000"
    ]
    assert verdict(routes(), "r", "10.9.9.9") is Verdict.BLACKHOLE


@pytest.mark.parametrize(("rules", "expected"), [("[]", Verdict.DELIVERED), ("RULE", Verdict.RP_FILTER)])
def test_whether_a_source_is_believed_is_asked_as_if_the_answer_came_in_by_the_way_out(
    rules: str, expected: Verdict
) -> None:
    text = """
  a: {interfaces: {eth0: {peer: "r:in", address: 10.0.0.2/24}}, gateway: 10.0.0.1}
  r:
    forwarding: true
    interfaces:
      in: {address: 10.0.0.1/24}
      out: {peer: "b:eth0", address: 10.1.0.1/24}
    sysctls: {net.ipv4.conf.in.rp_filter: 2}
    rules: RULES
  b: {interfaces: {eth0: {address: 10.1.0.2/24}}}
"""
    found = network(text.replace("RULES", rules.replace("RULE", "[{in: out, unreachable: true}]")))
    assert send(found, "a", "10.1.0.2").legs[0].end.verdict is expected


# -- what every router of a subnet is

ANYCAST = """
  a:
    interfaces: {eth0: {peer: "r:eth0", address: "fd00::2/64"}}
    gateway: "fd00::1"
  r:
    forwarding: FORWARDS
    interfaces:
      eth0: {address: "fd00::1/64"}
      eth1: {peer: "b:eth0", addresses: ["fd00:1::1/64", "fd00:2::1/127"]}
    sysctls: {net.ipv6.icmp.echo_ignore_anycast: QUIET}
  b: {interfaces: {eth0: {address: "fd00:1::2/64"}}}
"""


def anycast(forwards: str = "true", quiet: int = 0) -> Network:
    return network(ANYCAST.replace("FORWARDS", forwards).replace("QUIET", str(quiet)))


def test_a_router_has_the_first_address_of_each_of_its_subnets() -> None:
    here, there = (send(anycast(), "a", to) for to in ("fd00::", "fd00:1::"))
    assert (here.answer, there.answer) == ("reply", "reply")
    # It answers by an address of its own: nobody may be answered by one that others have, too (RFC 4291, 2.6).
    assert [found.legs[1].packet.source for found in (here, there)] == ["fd00::1", "fd00::1"]
    assert told(here.legs[0], "delivered") == ["r: fd00:: is its own, as every router's of the subnet"]
    assert there.legs[0].steps[-1].key == ("address", "r", "eth1", "fd00:1::1/64")
    assert send(anycast(), "r", "fd00:1::").ok


def test_such_an_address_has_no_tcp_and_may_be_quiet() -> None:
    assert verdict(anycast(), "a", "fd00:1::", kind="tcp", port=80) is Verdict.IGNORED
    found = send(anycast(), "a", "fd00:1::", kind="udp", port=53)
    assert (found.answer, found.legs[1].packet.source) == ("refused", "fd00:1::")
    assert verdict(anycast(quiet=1), "a", "fd00:1::") is Verdict.IGNORED
    assert send(anycast(quiet=1), "a", "fd00:1::1").ok


def test_who_does_not_forward_and_who_has_but_two_addresses_has_none() -> None:
    assert not send(anycast("false"), "a", "fd00::").ok
    assert verdict(anycast(), "a", "fd00:2::") is Verdict.NO_NEIGHBOUR, "RFC 6164"
