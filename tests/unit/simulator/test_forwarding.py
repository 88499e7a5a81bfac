"""What a router does: TTL, MTU, forwarding by device; and what a sender's own kernel says at once."""

from __future__ import annotations

import errno

import pytest

from netlab.simulator.network import Network
from netlab.simulator.packet import Packet
from netlab.simulator.simulating import simulate
from netlab.simulator.verdicts import Verdict
from tests.unit.simulator.networks import network, send, told, verdict

ROUTED = """
  client:
    interfaces: {eth0: {peer: "r:eth0", addresses: [10.0.0.2/24, "fd00::2/64"]}}
    gateway: [10.0.0.1, "fd00::1"]
  r:
    forwarding: true
    interfaces:
      eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}
      eth1: {peer: "server:eth0", addresses: [10.1.0.1/24, "fd00:1::1/64"], mtu: 1300}
    MORE
  server:
    interfaces: {eth0: {addresses: [10.1.0.2/24, "fd00:1::2/64"], mtu: 1300}}
    gateway: [10.1.0.1, "fd00:1::1"]
"""


def routed(more: str = "") -> Network:
    return network(ROUTED.replace("MORE", more))


def arrived(found: Network, source: str, packet: Packet) -> list[Packet]:
    """Give the packet as it came to each device."""
    return [one for leg, _, one in simulate(found, source, packet).arrivals if leg == 0]


def test_a_router_takes_one_from_the_ttl() -> None:
    packets = arrived(routed(), "client", Packet("", "10.1.0.2", "icmp", "echo", ttl=7))
    assert [packet.ttl for packet in packets] == [7, 6]
    assert verdict(routed(), "client", "10.1.0.2", ttl=1) is Verdict.TTL_EXCEEDED
    assert verdict(routed(), "client", "10.1.0.2", ttl=2) is Verdict.DELIVERED
    assert verdict(routed(), "client", "10.0.0.1", ttl=1) is Verdict.DELIVERED, "what is for the router has come"


def test_a_node_forwards_what_comes_in_by_the_devices_that_do() -> None:
    text = ROUTED.replace("forwarding: true", "sysctls: {net.ipv4.conf.eth0.forwarding: 1}").replace("MORE", "")
    assert send(network(text), "client", "10.1.0.2").deciding.end.verdict is Verdict.NOT_FORWARDED
    assert send(network(text), "client", "10.1.0.2").legs[0].end.verdict is Verdict.DELIVERED, (
        "it is the answer that is not"
    )
    assert verdict(network(text), "client", "fd00:1::2") is Verdict.NOT_FORWARDED, (
        "of IPv6 the whole node does, or does not"
    )


def test_a_router_takes_packets_apart_but_not_those_of_ipv6() -> None:
    packets = arrived(routed(), "client", Packet("", "10.1.0.2", "icmp", "echo", size=1500))
    assert [(packet.size, packet.largest) for packet in packets] == [(1500, 1500), (1500, 1300)]
    assert verdict(routed(), "client", "10.1.0.2", size=1500, dont_fragment=True) is Verdict.TOO_BIG
    assert verdict(routed(), "client", "fd00:1::2", size=1500) is Verdict.TOO_BIG
    assert verdict(routed(), "client", "10.1.0.2", size=1300, dont_fragment=True) is Verdict.DELIVERED


def test_pieces_are_multiples_of_eight_bytes_and_a_header() -> None:
    (piece,) = {p.largest for p in arrived(routed(), "server", Packet("", "10.1.0.1", "icmp", "echo", size=4000))}
    assert piece == (1300 - 20) // 8 * 8 + 20
    (six,) = {p.largest for p in arrived(routed(), "server", Packet("", "fd00:1::1", "ipv6-icmp", "echo", size=4000))}
    assert six == (1300 - 48) // 8 * 8 + 48


def test_a_routes_mtu_counts_and_is_named() -> None:
    found = send(
        routed("routes: [{to: 10.1.0.128/25, via: 10.1.0.2, mtu: 1000}]"),
        "client",
        "10.1.0.200",
        size=1100,
        dont_fragment=True,
    )
    assert found.verdict is Verdict.TOO_BIG
    assert found.deciding.end.words.startswith("1100 bytes are more than the MTU of the route 10.1.0.128/25 of r, 1000")
    assert found.deciding.end.key is not None
    assert found.deciding.end.key[0] == "route"


def test_a_loop_is_told_as_one_and_ends() -> None:
    text = ROUTED.replace("MORE", "routes: [{to: 10.9.0.0/16, via: 10.1.0.2}]").replace(
        "mtu: 1300}}\n    gateway", "mtu: 1300}}\n    forwarding: true\n    gateway"
    )
    found = send(network(text), "client", "10.9.0.1", ttl=200)
    assert (found.verdict, found.answer) == (Verdict.LOOP, "error")
    assert len(told(found.legs[0], "loop")) == 2, "once at each of its nodes"
    assert found.deciding.end.key is not None
    assert found.deciding.end.key[:2] == ("route", "r")
    assert verdict(network(text), "client", "10.9.0.1", ttl=3) is Verdict.TTL_EXCEEDED, "not yet round"


def test_a_link_local_source_does_not_leave_its_link() -> None:
    found = routed()
    own = next(address for address in found.nodes["client"].addresses if address.startswith("fe80"))
    walk = simulate(found, "client", Packet(own, "fd00:1::2", "ipv6-icmp", "echo"))
    assert (walk.ends[0].verdict, walk.ends[0].node) == (Verdict.NO_ROUTE, "r")
    assert [leg.packet.error.code for leg in walk.legs if leg.packet.error is not None] == [2]


# -- what a sender's own kernel says


@pytest.mark.parametrize(
    ("more", "destination", "asked", "expected", "number"),
    [
        ("", "192.0.2.1", {}, Verdict.NO_ROUTE, errno.ENETUNREACH),
        ("routes: [{to: default, unreachable: true}]", "192.0.2.1", {}, Verdict.UNREACHABLE, errno.EHOSTUNREACH),
        ("routes: [{to: default, prohibit: true}]", "192.0.2.1", {}, Verdict.PROHIBITED, errno.EACCES),
        ("routes: [{to: default, blackhole: true}]", "192.0.2.1", {}, Verdict.BLACKHOLE, errno.EINVAL),
        ("", "10.1.0.255", {}, Verdict.BROADCAST, errno.EACCES),
        ("", "10.1.0.255", {"kind": "tcp", "port": 80}, Verdict.BROADCAST, errno.ENETUNREACH),
        ("", "10.1.0.2", {"size": 1301, "dont_fragment": True}, Verdict.TOO_BIG, errno.EMSGSIZE),
        ("firewall: {output: {drop: [{icmp: true}]}}", "10.1.0.2", {}, Verdict.FILTERED, errno.EPERM),
    ],
)
def test_errno(more: str, destination: str, asked: dict[str, object], expected: Verdict, number: int) -> None:
    found = send(routed(more), "r", destination, **asked)
    assert (found.verdict, found.errno) == (expected, number)
    assert found.answer == ("silence" if number == errno.EPERM else "error")


def test_of_what_others_sent_no_errno_is_told() -> None:
    for kind, expected in (("blackhole", Verdict.BLACKHOLE), ("unreachable", Verdict.UNREACHABLE)):
        found = send(routed(f"routes: [{{to: default, {kind}: true}}]"), "client", "192.0.2.1")
        assert (found.legs[0].end.verdict, found.legs[0].end.errno) == (expected, None)


def test_a_node_without_ipv6_has_no_source() -> None:
    lab = '  a: {interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24}}}\n  b: {interfaces: {eth0: }}\n'
    found = send(network(lab), "a", "fd00::1")
    assert (found.verdict, found.legs[0].end.errno) == (Verdict.NO_SOURCE, errno.EADDRNOTAVAIL)


def test_what_is_for_the_node_itself_goes_by_lo() -> None:
    found = send(routed(), "r", "10.1.0.1")
    assert found.ok
    assert {nic.name for _, nic, _ in simulate(routed(), "r", Packet("", "10.1.0.1", "icmp", "echo")).arrivals} == {
        "lo"
    }
    assert found.legs[0].packet.source == "10.1.0.1"


def test_a_loopback_source_does_not_leave() -> None:
    walk = simulate(routed(), "r", Packet("127.0.0.1", "10.1.0.2", "icmp", "echo"))
    assert [(end.verdict, end.errno) for end in walk.ends] == [(Verdict.MARTIAN, errno.EINVAL)]
    able = routed("sysctls: {net.ipv4.conf.eth1.route_localnet: 1, net.ipv4.conf.all.arp_announce: 2}")
    (end,) = simulate(able, "r", Packet("127.0.0.1", "10.1.0.2", "icmp", "echo")).ends
    assert (end.verdict, end.node) == (Verdict.MARTIAN, "server"), "it may leave, and is believed nowhere"


def test_masquerading_takes_the_address_of_the_next_hops_network() -> None:
    text = """\
  inside: {interfaces: {eth0: {peer: "r:eth0", address: 10.0.0.2/24}}, gateway: 10.0.0.1}
  r:
    forwarding: true
    interfaces: {eth0: {address: 10.0.0.1/24}, eth1: {addresses: [192.0.2.1/24, 198.51.100.1/24]}}
    nat: [{masquerade: {from: 10.0.0.0/24, out: eth1}}]
  far: {interfaces: {eth0: {peer: "r:eth1", addresses: [192.0.2.9/24, 198.51.100.9/24]}}}
"""
    for hop, own in (("192.0.2.9", "192.0.2.1"), ("198.51.100.9", "198.51.100.1")):
        found = send(network(text), "inside", hop)
        assert found.ok
        assert found.legs[0].end.packet is not None
        assert found.legs[0].end.packet.source == own


TWO_IN_ONE = """
bridges: {br0: {address: none}}
netns:
  r:
    forwarding: true
    interfaces: {eth0: {bridge: br0, address: "fd00::1/64"}, eth1: {bridge: br0, address: "fd00::2/64"}}
  a:
    interfaces: {eth0: {bridge: br0, address: "fd00::a/128"}}
    routes: [{to: "NEAR/128", dev: eth0}, {to: "fd00::b/128", via: "NEAR"}]
  b: {interfaces: {eth0: {bridge: br0, address: "fd00::b/64"}}}
"""


@pytest.mark.parametrize(("near", "device"), [("fd00::1", "eth0"), ("fd00::2", "eth1")])
def test_of_equal_routes_ipv6_takes_the_one_by_which_a_packet_came_in(near: str, device: str) -> None:
    found = send(network(TWO_IN_ONE.replace("NEAR", near)), "a", "fd00::b")
    assert f"r: routes fd00::b by fd00::/64 dev {device}, table main" in told(found.legs[0], "route")
