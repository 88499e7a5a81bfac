"""Devices: cables, bonds, VLAN devices, dummies, taps, VRFs, external ones, and what impairs them."""

from __future__ import annotations

import errno

import pytest

from netlab.simulator.links import active_member
from netlab.simulator.network import Network
from netlab.simulator.packet import Packet
from netlab.simulator.simulating import simulate
from netlab.simulator.verdicts import Verdict
from tests.unit.simulator.networks import network, send, told, verdict

CABLE = """
  a:
    interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24 A}}
    neighbours: [{address: 10.0.0.2, dev: eth0, mac: "02:00:00:00:00:02"}]
  b: {interfaces: {eth0: {address: 10.0.0.2/24, mac: "02:00:00:00:00:02" B}}}
"""


def cable(a: str = "", b: str = "") -> Network:
    return network(CABLE.replace(" A", f", {a}" if a else "").replace(" B", f", {b}" if b else ""))


def test_a_cable_whose_other_end_is_down_has_no_carrier() -> None:
    assert verdict(cable(), "a", "10.0.0.2") is Verdict.DELIVERED
    assert verdict(cable(b="up: false"), "a", "10.0.0.2") is Verdict.NO_CARRIER
    alone = CABLE.replace("    neighbours:", "    #").replace(" A", ", up: false").replace(" B", "")
    assert verdict(network(alone), "a", "10.0.0.2") is Verdict.NO_ROUTE, "a device that is down has no routes"


@pytest.mark.parametrize(
    ("size", "expected"), [(1400, Verdict.DELIVERED), (1404, Verdict.DELIVERED), (1405, Verdict.TOO_LONG)]
)
def test_a_cable_takes_no_more_than_its_other_ends_mtu_and_a_tag(size: int, expected: Verdict) -> None:
    found = send(cable("mtu: 1500", "mtu: 1400"), "a", "10.0.0.2", size=size)
    assert found.legs[0].end.verdict is expected


# -- impairments


@pytest.mark.parametrize(
    ("a", "b", "delay", "share"),
    [
        ("delay: 20ms", "delay: 5ms", 25_000, 1.0),
        ("delay: 20ms, jitter: 5ms", "", 20_000, 1.0),  # as often more as less
        ("loss: 10%", "loss: 50%", 0, 0.45),
        ("loss: 10%, corrupt: 50%", "", 0, 0.45),  # what is spoilt is thrown away
        ("rate: 1mbit", "", 0, 1.0),  # a burst passes at once
        ("delay: 1ms, rate: 8mbit", "", 1_000 + 98, 1.0),  # 84 bytes and a header of 14 at a byte a microsecond
        ("duplicate: 50%", "", 0, 1.0),
    ],
)
def test_what_impairments_make_of_a_round_trip(a: str, b: str, delay: int, share: float) -> None:
    found = send(cable(f"impair: {{{a}}}", f"impair: {{{b}}}" if b else ""), "a", "10.0.0.2")
    assert found.ok
    assert (found.delay, round(found.share, 6)) == (delay, share)


def test_a_wire_that_loses_everything_loses_the_packet() -> None:
    assert verdict(cable("impair: {loss: 100%}"), "a", "10.0.0.2") is Verdict.LOST
    assert verdict(cable("impair: {corrupt: 100%}"), "a", "10.0.0.2") is Verdict.DELIVERED, (
        "it comes, and is unreadable"
    )


# -- bonds

BOND = """
veths:
  - [{netns: a, name: eth0}, {bridge: "b:br0", name: p0 UP0}]
  - [{netns: a, name: eth1}, {bridge: "b:br0", name: p1 UP1}]
netns:
  a: {bonds: {bond0: {devices: [eth0, eth1] PRIMARY, address: 10.0.0.1/24}}}
  b: {bridges: {br0: {address: 10.0.0.2/24}}}
"""


def bond(primary: str = "", up0: bool = True, up1: bool = True) -> Network:
    text = BOND.replace(" UP0", "" if up0 else ", up: false").replace(" UP1", "" if up1 else ", up: false")
    return network(text.replace(" PRIMARY", primary))


@pytest.mark.parametrize(
    ("primary", "up0", "up1", "by"),
    [
        ("", True, True, "eth0"),
        (", primary: eth1", True, True, "eth1"),
        (", primary: eth1", True, False, "eth0"),
        ("", False, True, "eth1"),
    ],
)
def test_a_bond_sends_by_the_member_that_works(primary: str, up0: bool, up1: bool, by: str) -> None:
    found = bond(primary, up0, up1)
    member = active_member(found.nodes["a"].devices["bond0"])
    assert member is not None
    assert member.name == by
    assert told(send(found, "a", "10.0.0.2").legs[0], "bonded") == [f"a: bond0 sends it by {by}"]


def test_a_bond_has_the_carrier_of_any_member() -> None:
    found = bond(up0=False, up1=False)
    assert not found.nodes["a"].devices["bond0"].carrier
    assert active_member(found.nodes["a"].devices["bond0"]) is None
    assert verdict(found, "a", "10.0.0.2") is Verdict.NO_NEIGHBOUR
    assert found.nodes["a"].devices["eth0"].mac == found.nodes["a"].devices["bond0"].mac


# -- VLAN devices


def test_vlan_devices_tag_and_nobody_else_takes_what_is_tagged() -> None:
    text = """
  a: {interfaces: {eth0: {peer: "b:eth0"}}, vlans: {eth0.10: {dev: eth0, id: 10, address: 10.0.0.1/24}}}
  b: {interfaces: {eth0: {address: 10.9.0.2/24}}, vlans: {eth0.10: {dev: eth0, id: ID, address: 10.0.0.2/24}}}
"""
    assert send(network(text.replace("ID", "10")), "a", "10.0.0.2").ok
    other = send(network(text.replace("ID", "11")), "a", "10.0.0.2")
    assert other.verdict is Verdict.NO_NEIGHBOUR
    assert other.deciding.end.words.endswith("for nobody at b:eth0 is in VLAN 10")


def test_a_vlan_device_on_one_without_a_carrier_has_none() -> None:
    text = """
  a: {interfaces: {eth0: {peer: "b:eth0"}}, vlans: {eth0.10: {dev: eth0, id: 10, address: 10.0.0.1/24}}}
  b: {interfaces: {eth0: {up: false}}}
"""
    assert send(network(text), "a", "10.0.0.2").deciding.end.words.startswith("a:eth0.10 has no carrier")


# -- those that lead nowhere


def test_dummies_swallow_and_taps_have_no_program() -> None:
    text = """
  a:
    dummies: {d0: 10.0.0.1/24}
    taps: {t0: {address: 10.1.0.1/24}}
    neighbours: [{address: 10.1.0.2, dev: t0, mac: "02:00:00:00:00:02"}]
"""
    assert verdict(network(text), "a", "10.0.0.2") is Verdict.SWALLOWED
    assert verdict(network(text), "a", "10.1.0.2") is Verdict.NO_CARRIER
    assert send(network(text), "a", "10.0.0.1").ok, "what is its own comes by lo"


def test_what_goes_out_by_a_device_of_the_machine_has_left() -> None:
    text = """
bridges: {br0: 10.0.0.0/24}
external: {eth9: {bridge: br0}}
netns:
  a: {bridge: br0, neighbours: [{address: 10.0.0.99, mac: "02:00:00:00:00:99"}]}
"""
    assert verdict(network(text), "a", "10.0.0.99") is Verdict.LEFT
    assert send(network(text), "a", "host").ok


def test_a_vrf_keeps_its_devices_from_the_others() -> None:
    text = """
  r:
    forwarding: true
    interfaces:
      eth0: {peer: "a:eth0", address: 10.0.0.1/24}
      eth1: {peer: "b:eth0", address: 10.1.0.1/24}
      eth2: {peer: "c:eth0", address: 10.2.0.1/24}
    vrfs: {red: {table: 10, devices: [eth0, eth1]}}
  a: {interfaces: {eth0: {address: 10.0.0.2/24}}, gateway: 10.0.0.1}
  b: {interfaces: {eth0: {address: 10.1.0.2/24}}, gateway: 10.1.0.1}
  c: {interfaces: {eth0: {address: 10.2.0.2/24}}, gateway: 10.2.0.1}
"""
    found = network(text)
    assert send(found, "a", "10.1.0.2").ok
    assert verdict(found, "a", "10.2.0.2") is Verdict.NO_ROUTE
    assert verdict(found, "c", "10.0.0.2") is Verdict.NO_ROUTE


NARROW = """
  a:
    ABOVE
    neighbours: NEIGHBOURS
  b: {interfaces: {eth0: {PLUG, mtu: 1400, address: "fd00::2/64", mac: "02:00:00:00:00:02"}}}
"""
STRAIGHT = NARROW.replace("ABOVE", 'interfaces: {eth0: {peer: "b:eth0", mtu: 1500, address: "fd00::1/64"}}').replace(
    "PLUG, ", ""
)
BRIDGED = NARROW.replace("ABOVE", 'bridges: {eth0: {mtu: 1500, address: "fd00::1/64"}}').replace(
    "PLUG", 'bridge: "a:eth0"'
)
KNOWN = '[{address: "fd00::2", dev: eth0, mac: "02:00:00:00:00:02"}]'


@pytest.mark.parametrize(
    ("text", "neighbours", "size", "expected"),
    [
        (STRAIGHT, KNOWN, 1500, errno.ENOBUFS),
        (BRIDGED, KNOWN, 1500, None),  # a bridge tells nobody
        (STRAIGHT, "[]", 1500, None),  # it waits for its neighbour
        (STRAIGHT, "[]", 3000, errno.ENOBUFS),  # its second fragment does not
        (STRAIGHT, "[]", 2000, None),  # and is short enough
        (STRAIGHT, KNOWN, 2000, errno.ENOBUFS),
    ],
)
def test_a_socket_of_ipv6_is_told_what_its_own_cable_drops(
    text: str, neighbours: str, size: int, expected: int | None
) -> None:
    text = text.replace("NEIGHBOURS", neighbours)
    found = send(network(text), "a", "fd00::2", size=size)
    assert (found.legs[0].end.verdict, found.errno) == (Verdict.TOO_LONG, expected)
    assert found.answer == ("silence" if expected is None else "error")


@pytest.mark.parametrize(("accepts", "answer"), [(0, "refused"), (1, "open")])
def test_a_program_hears_nothing_of_a_vrf_unless_it_is_told_to(accepts: int, answer: str) -> None:
    text = f"""
  a: {{interfaces: {{eth0: {{peer: "b:eth0", address: 10.0.0.1/24}}}}}}
  b:
    interfaces: {{eth0: {{address: 10.0.0.2/24}}}}
    vrfs: {{red: {{table: 10, devices: [eth0]}}}}
    sysctls: {{net.ipv4.tcp_l3mdev_accept: {accepts}}}
"""
    assert send(network(text), "a", "10.0.0.2", ("b", "tcp", 80), kind="tcp", port=80).answer == answer
    assert send(network(text), "a", "10.0.0.2").ok


VRF_OUTPUT = """
  a:
    interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24}}
    vrfs: {red: {table: 10, devices: [eth0]}}
    routes: [{to: 10.0.0.2/32, dev: eth0}]
    rules: RULES
    firewall: {output: OUTPUT}
  b: {interfaces: {eth0: {address: 10.0.0.2/24}}, forwarding: true}
"""


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("{drop: [{icmp: true}]}", None),  # as the VRF's, of which nobody is told
        ("{drop: [{out: eth0}]}", errno.EPERM),  # as the device's
        ("{policy: drop, accept: [{out: eth0}]}", None),
    ],
)
def test_what_leaves_by_a_vrf_is_filtered_twice(output: str, expected: int | None) -> None:
    found = send(network(VRF_OUTPUT.replace("OUTPUT", output).replace("RULES", "[]")), "a", "10.0.0.2")
    assert (found.legs[0].end.verdict, found.legs[0].end.errno) == (Verdict.FILTERED, expected)


@pytest.mark.parametrize(("rule", "ok"), [("in: eth0", True), ("in: red", False)])
def test_a_policy_rule_of_ipv4_knows_the_device_of_a_vrf_that_a_packet_came_in_by(rule: str, ok: bool) -> None:
    text = f"""
  a: {{interfaces: {{eth0: {{peer: "r:eth0", address: 10.0.0.2/24}}}}, gateway: 10.0.0.1}}
  r:
    forwarding: true
    interfaces: {{eth0: {{address: 10.0.0.1/24}}, eth1: {{peer: "b:eth0", address: 10.1.0.1/24}}}}
    vrfs: {{red: {{table: 10, devices: [eth0, eth1]}}}}
    routes: [{{to: 10.9.0.0/16, via: 10.1.0.2, table: 100}}]
    rules: [{{{rule}, table: 100}}]
  b: {{interfaces: {{eth0: {{address: 10.1.0.2/24}}, lo: {{address: 10.9.0.1/32}}}}, gateway: 10.1.0.1}}
"""
    assert send(network(text), "a", "10.9.0.1").ok == ok


def test_a_bond_takes_nothing_by_a_member_that_rests() -> None:
    text = """
bridges: {lan: {ageing: 0, address: none}}
netns:
  a: {interfaces: {eth0: {bridge: lan, address: 10.0.0.1/24}}}
  b:
    interfaces: {eth0: {bridge: lan, address: none}, eth1: {bridge: lan, address: none}}
    bonds: {bond0: {devices: [eth0, eth1], address: 10.0.0.2/24}}
"""
    walk = simulate(network(text), "a", Packet("", "10.0.0.2", "icmp", "echo"))
    assert [(nic.name, leg) for leg, nic, _ in walk.arrivals if nic.node.name == "b"] == [("bond0", 0)]


def test_a_vrf_knows_no_connections_of_what_leaves_by_it() -> None:
    text = VRF_OUTPUT.replace("OUTPUT", "{policy: drop, accept: [{established: true}]}").replace("RULES", "[]")
    back = send(network(text), "b", "10.0.0.1")
    assert [leg.end.verdict for leg in back.legs] == [Verdict.DELIVERED, Verdict.FILTERED]
    assert send(network(text.replace("    vrfs: {red: {table: 10, devices: [eth0]}}\n", "")), "b", "10.0.0.1").ok


@pytest.mark.parametrize(("device", "answer"), [("eth0", "reply"), ("lo", "silence")])
def test_a_ping_of_ipv6_that_came_by_a_vrf_is_answered_by_the_routes_of_who_has_the_address(
    device: str, answer: str
) -> None:
    text = """
  a: {interfaces: {eth0: {peer: "b:eth0", address: "fd00::1/64"}}, gateway: "fd00::2"}
  b:
    interfaces: {eth0: {address: "fd00::2/64"}, lo: {address: "fd00:9::1/128"}}
    vrfs: {red: {table: 10, devices: [eth0]}}
"""
    assert send(network(text), "a", {"eth0": "fd00::2", "lo": "fd00:9::1"}[device]).answer == answer
