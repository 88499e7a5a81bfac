"""Bridges: what they learn, where they send, which VLANs a port takes, what is too long."""

from __future__ import annotations

import pytest

from netlab.simulator.bridging import read_vlans
from netlab.simulator.network import Network
from netlab.simulator.packet import Frame, Packet
from netlab.simulator.simulating import simulate
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import Walk
from tests.unit.simulator.networks import network, ports_said, send, told, verdict

LAN = """
bridges: {lan: {address: none}}
netns:
  a: {interfaces: {eth0: {bridge: lan, address: 10.0.0.1/24}}}
  b: {interfaces: {eth0: {bridge: lan, address: 10.0.0.2/24}}}
  c: {interfaces: {eth0: {bridge: lan, address: 10.0.0.3/24}}}
"""


def seen(found: Network, source: str, destination: str) -> set[str]:
    """Give the nodes that frames of the packet itself came to, the sender and the host left out."""
    walk = simulate(found, source, Packet("", destination, "icmp", "echo"))
    return {nic.node.name for leg, nic in walk.seen if leg == 0} - {"host"}


def with_neighbour(text: str, mac: str = "02:00:00:00:00:99") -> str:
    """Let node a believe that 10.0.0.2 has a MAC, so that nobody is asked and nothing learned."""
    return text.replace(
        "address: 10.0.0.1/24}}", f"address: 10.0.0.1/24}}}}, neighbours: [{{address: 10.0.0.2, mac: {mac!r}}}]"
    )


def test_an_answer_to_a_question_is_learned_from_so_the_packet_goes_to_one_port() -> None:
    found = network(LAN)
    assert seen(found, "a", "10.0.0.2") == {"b"}
    assert send(found, "a", "b").ok


def test_a_mac_that_nobody_has_told_is_flooded_to_all_others() -> None:
    found = network(with_neighbour(LAN))
    assert seen(found, "a", "10.0.0.2") == {"b", "c"}
    trace = send(found, "a", "10.0.0.2")
    assert trace.verdict is Verdict.NOT_TAKEN
    (flooded,) = told(trace.legs[0], "flooded")
    assert flooded.count("(to b:eth0)") == flooded.count("(to c:eth0)") == 1
    assert "a:eth0" not in flooded, "never back by the port that it came by"


def test_of_many_ports_four_are_named() -> None:
    many = with_neighbour(LAN) + "".join(
        f"  n{number}: {{interfaces: {{eth0: {{bridge: lan, address: 10.0.0.1{number}/24}}}}}}\n" for number in range(5)
    )
    (words,) = told(send(network(many), "a", "10.0.0.2").legs[0], "flooded")
    assert (words.count("(to "), words.rpartition(" and ")[2]) == (4, "3 more")
    few = send(network(with_neighbour(LAN)), "a", "10.0.0.2")
    assert "more" not in told(few.legs[0], "flooded")[0]


def test_a_bridge_that_forgets_at_once_learns_nothing() -> None:
    assert seen(network(LAN.replace("{address: none}", "{address: none, ageing: 0s}")), "a", "10.0.0.2") == {"b", "c"}


def test_a_port_that_does_not_learn_leaves_its_macs_unknown() -> None:
    assert seen(ports_said(LAN, b={"learning": False}), "a", "10.0.0.2") == {"b", "c"}
    assert seen(ports_said(LAN, c={"learning": False}), "a", "10.0.0.2") == {"b"}


def test_a_port_that_is_not_flooded_sees_broadcasts_and_nothing_unknown() -> None:
    assert seen(ports_said(with_neighbour(LAN), c={"flood": False}), "a", "10.0.0.2") == {"b"}
    assert send(ports_said(LAN, b={"flood": False}), "a", "b").ok, "ARP is broadcast, and then it is known"


def test_isolated_ports_do_not_see_each_other() -> None:
    found = ports_said(LAN, a={"isolated": True}, b={"isolated": True})
    assert verdict(found, "a", "10.0.0.2") is Verdict.NO_NEIGHBOUR
    assert send(found, "a", "c").ok
    assert send(found, "c", "b").ok
    alone = ports_said(LAN, a={"isolated": True})
    assert send(alone, "a", "b").ok, "one that is isolated alone is kept from nobody"


def test_a_hairpin_gives_frames_back_by_the_port_that_they_came_by() -> None:
    text = """
bridges: {lan: {address: none}}
netns:
  a:
    interfaces: {eth0: {bridge: lan, address: none}}
    macvlans:
      m0: {dev: eth0, mode: vepa, address: 10.0.0.1/24}
      m1: {dev: eth0, mode: vepa, mac: "02:00:00:00:00:99"}
    sysctls: {net.ipv4.conf.all.arp_ignore: 1}
    neighbours: [{address: 10.0.0.2, dev: m0, mac: "02:00:00:00:00:99"}]
"""
    plain, hairpin = ports_said(text), ports_said(text, a={"hairpin": True})
    assert verdict(plain, "a", "10.0.0.2") is Verdict.NOWHERE
    assert "m1" in {nic.name for _, nic in simulate(hairpin, "a", Packet("", "10.0.0.2", "icmp", "echo")).seen}


def test_a_bridge_is_a_device_of_its_node_too() -> None:
    found = network(LAN.replace("{address: none}", "10.0.0.254/24"))
    assert send(found, "a", "host").ok
    assert send(found, "host", "b").ok
    assert told(send(found, "host", "b").legs[0], "bridged", "flooded")[0].startswith("host: lan forwards it to")


def test_a_bridge_that_is_down_keeps_all_ports_closed() -> None:
    found = network(with_neighbour(LAN.replace("{address: none}", "{address: none, up: false}")))
    assert verdict(found, "a", "10.0.0.2") is Verdict.CLOSED


def test_what_is_longer_than_a_ports_mtu_dies_silently() -> None:
    text = (
        LAN.replace("lan: {address: none}", "lan: {address: none, mtu: 1400}")
        .replace("address: 10.0.0.1/24", "address: 10.0.0.1/24, mtu: 1500")
        .replace("address: 10.0.0.2/24", "address: 10.0.0.2/24, mtu: 1400")
    )
    found = network(text)
    assert send(found, "a", "b", size=1400).ok
    # A frame may be longer by the four bytes of a VLAN's tag (is_skb_forwardable).
    assert send(found, "a", "b", size=1404).legs[0].end.verdict is Verdict.DELIVERED
    late = send(found, "a", "b", size=1405, dont_fragment=True)
    assert (late.verdict, late.answer) == (Verdict.TOO_LONG, "silence")


# -- VLANs

VLANS = """
bridges: {sw: {vlan_filtering: true, address: 10.0.0.254/16}}
netns:
  a: {interfaces: {eth0: {bridge: sw, A, addresses: [10.0.0.1/24, 10.0.20.1/24, 10.0.30.1/24]}}}
  b: {interfaces: {eth0: {bridge: sw, B, addresses: [10.0.0.2/24, 10.0.20.2/24]}}}
  t:
    interfaces: {eth0: {bridge: sw, address: none, T}}
    vlans: {eth0.10: {dev: eth0, id: 10, address: 10.0.0.10/24}, eth0.20: {dev: eth0, id: 20, address: 10.0.20.20/24}}
    sysctls: {net.ipv4.conf.all.arp_ignore: 1}
"""


def vlans(a: str = "vlan: 10", b: str = "vlan: 10", t: str = "trunk: [10, 20]") -> Network:
    return network(VLANS.replace("A,", f"{a},").replace("B,", f"{b},").replace("T}", f"{t}}}"))


@pytest.mark.parametrize(
    ("a", "b", "reaches"),
    [("vlan: 10", "vlan: 10", True), ("vlan: 10", "vlan: 20", False), ("vlan: 1", "vlan: 1", True)],
)
def test_access_ports_reach_those_in_their_vlan(a: str, b: str, reaches: bool) -> None:
    assert send(vlans(a, b), "a", "b").ok is reaches


def test_a_trunk_takes_its_vlans_tagged() -> None:
    found = vlans(b="vlan: 20")
    assert send(found, "a", "10.0.0.10").ok
    assert send(found, "b", "10.0.20.20").ok
    assert not send(found, "a", "10.0.20.20").ok
    assert told(send(found, "t", "10.0.0.1").legs[0], "tagged") == ["t: eth0.10 tags it with VLAN 10"]


def test_a_trunk_without_the_vlan_drops_it() -> None:
    assert not send(vlans(t="trunk: [20]"), "a", "10.0.0.10").ok


def test_the_native_vlan_of_a_trunk_goes_without_a_tag() -> None:
    text = VLANS.replace("A,", "vlan: 10,").replace("B,", "vlan: 10,").replace("address: none, T}", "TRUNK}")
    found = network(text.replace("TRUNK", "trunk: [20], native: 10, address: 10.0.30.30/24"))
    assert send(found, "a", "10.0.30.30").ok
    assert not send(found, "a", "10.0.0.10").ok, "its VLAN device wants a tag"
    assert not send(network(text.replace("TRUNK", "trunk: [10, 20], address: 10.0.30.30/24")), "a", "10.0.30.30").ok


def test_the_bridge_itself_is_in_vlan_1() -> None:
    assert send(vlans(a="vlan: 1"), "a", "host").ok
    assert not send(vlans(), "a", "host").ok


def test_where_a_bridge_does_not_filter_tags_pass() -> None:
    text = VLANS.replace("vlan_filtering: true, ", "")
    assert send(network(text.replace("A, ", "").replace("B, ", "").replace(", T}", "}")), "a", "b").ok


def test_of_two_tags_a_bridge_looks_at_the_outer_one() -> None:
    text = """
bridges: {sw: {vlan_filtering: true, address: none}}
netns:
  a:
    interfaces: {eth0: {bridge: sw, trunk: [10]}}
    vlans: {outer: {dev: eth0, id: 10, mtu: 1496}, inner: {dev: outer, id: 77, mtu: 1492, address: 10.0.0.1/24}}
  b:
    interfaces: {eth0: {bridge: sw, trunk: [TRUNK]}}
    vlans: {outer: {dev: eth0, id: 10, mtu: 1496}, inner: {dev: outer, id: 77, mtu: 1492, address: 10.0.0.2/24}}
"""
    found = send(network(text.replace("TRUNK", "10")), "a", "b")
    assert found.ok
    assert told(found.legs[0], "tagged") == ["a: inner tags it with VLAN 77", "a: outer tags it with VLAN 10"]
    assert not send(network(text.replace("TRUNK", "77")), "a", "b").ok


# -- bridge-netfilter

NETFILTER = """
host:
  firewall: {forward: {drop: [{to: 10.0.0.2, icmp: true}]}}
  sysctls: {net.bridge.bridge-nf-call-iptables: SWITCH}
bridges: {lan: {address: none}}
netns:
  a: {interfaces: {eth0: {bridge: lan, addresses: [10.0.0.1/24, "fd00::1/64"]}}}
  b: {interfaces: {eth0: {bridge: lan, addresses: [10.0.0.2/24, "fd00::2/64"]}}}
"""


def test_chains_look_at_what_a_bridge_carries_where_the_node_is_told_so() -> None:
    off, on = network(NETFILTER.replace("SWITCH", "0")), network(NETFILTER.replace("SWITCH", "1"))
    assert send(off, "a", "10.0.0.2").ok
    found = send(on, "a", "10.0.0.2")
    assert (found.verdict, found.deciding.end.node) == (Verdict.FILTERED, "host")
    assert send(on, "a", "10.0.0.2", kind="udp", port=9).answer == "refused"
    assert send(on, "a", "fd00::2").ok, "of IPv6 another switch says"


@pytest.mark.parametrize(
    ("words", "taken", "untagged", "own"),
    [
        (("1 pvid untagged",), {1}, {1}, 1),
        (("10 pvid untagged", "20-22"), {10, 20, 21, 22}, {10}, 10),
        (("5 untagged",), {5}, {5}, None),
        ((), set(), set(), None),
    ],
)
def test_the_words_of_bridge_vlan(words: tuple[str, ...], taken: set[int], untagged: set[int], own: int | None) -> None:
    found = read_vlans(words)
    assert (set(found.taken), set(found.untagged), found.own) == (taken, untagged, own)


def test_a_loop_of_bridges_ends_by_the_length_of_a_frames_way() -> None:
    found = network(LAN)
    walk = Walk(found, None)  # type: ignore[arg-type]
    nic = found.nodes["a"].devices["eth0"]
    from netlab.simulator import links

    links.transmit(
        walk, nic, Frame(nic.mac, "02:00:00:00:00:99", Packet("10.0.0.1", "10.0.0.2", "icmp", "echo"), hops=65), 0
    )
    assert [end.verdict for end in walk.ends] == [Verdict.LOOP]


@pytest.mark.parametrize(("mac", "hears"), [("02:00:00:00:00:01", False), ("02:00:00:00:00:02", True)])
def test_a_bridge_below_a_device_with_another_mac_takes_up_everything(mac: str, hears: bool) -> None:
    text = f"""
bridges: {{lan: {{address: none, mac: "02:00:00:00:00:01"}}}}
host: {{vlans: {{vl0: {{dev: lan, id: 7, mac: "{mac}", address: 10.7.0.1/24}}}}}}
netns:
  a: {{interfaces: {{eth0: {{bridge: lan, address: 10.0.0.1/24}}}}}}
  b: {{interfaces: {{eth0: {{bridge: lan, address: 10.0.0.2/24}}}}}}
  c:
    interfaces: {{eth0: {{bridge: lan, address: none}}}}
    vlans: {{vl0: {{dev: eth0, id: 7, address: 10.7.0.3/24}}}}
"""
    found = network(text)
    walk = simulate(found, "a", Packet("", "10.0.0.2", "icmp", "echo"))
    assert ("lan" in {nic.name for leg, nic in walk.seen if leg == 0}) == hears
    assert send(found, "c", "10.7.0.1").ok, "whose MAC no port is known to lead to"


TWO_COPIES = """
bridges: {br0: {address: none}}
netns:
  a:
    interfaces: {eth0: {bridge: br0, address: 10.0.0.1/24}}
    neighbours: [{address: 10.0.0.9, mac: "02:00:00:00:00:02"}]
  r: {forwarding: true, interfaces: {eth0: {bridge: br0, address: 10.0.0.2/24, mac: "02:00:00:00:00:02"}}}
  m:
    bridges: {br0: {}}
    veths: [[{bridge: br0, name: up}, {bridge: "m:br0", name: down}]]
  c: {interfaces: {eth0: {bridge: "m:br0", address: 10.0.0.3/24}}}
"""


def test_a_question_does_not_overtake_a_copy_that_is_under_way() -> None:
    """What r asks, once it has its copy, tells m's bridge where r is: when m's copy has been flooded."""
    assert seen(network(TWO_COPIES), "a", "10.0.0.9") == {"r", "m", "c"}
