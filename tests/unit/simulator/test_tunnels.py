"""VXLANs, macvlans and ipvlans: who gets a frame."""

from __future__ import annotations

import pytest

from netlab.simulator.packet import Packet
from netlab.simulator.simulating import simulate
from netlab.simulator.verdicts import Verdict
from tests.unit.simulator.networks import network, send, told, verdict

#: Three hosts on a switch, with a VXLAN each; the first knows both others, they know the first.
OVERLAY = """
bridges: {lan: {address: none}}
netns:
  h1:
    interfaces: {eth0: {bridge: lan, address: 192.168.0.1/24}}
    vxlans: {vx0: {id: 7, local: 192.168.0.1, remotes: [192.168.0.2, 192.168.0.3], address: 10.0.0.1/24MORE}}
  h2:
    interfaces: {eth0: {bridge: lan, address: 192.168.0.2/24}}
    vxlans: {vx0: {id: ID, local: 192.168.0.2, remotes: [192.168.0.1], address: 10.0.0.2/24, port: PORT}}
  h3:
    interfaces: {eth0: {bridge: lan, address: 192.168.0.3/24}}
    vxlans: {vx0: {id: 7, local: 192.168.0.3, remotes: [192.168.0.1], address: 10.0.0.3/24}}
"""


def overlay(more: str = "", number: int = 7, port: int = 4789) -> str:
    return OVERLAY.replace("MORE", more).replace("ID", str(number)).replace("PORT", str(port))


def carried(text: str, source: str, destination: str) -> list[str]:
    found = send(network(text), source, destination)
    return told(found.legs[0], "encapsulated", "decapsulated")


def test_a_vxlan_learns_behind_which_host_a_mac_is() -> None:
    assert carried(overlay(), "h1", "10.0.0.2") == [
        "h1: vx0 carries it to 192.168.0.2, VXLAN 7",
        "h2: vx0 takes it out of VXLAN 7",
    ]


def test_without_learning_every_remote_gets_a_copy() -> None:
    assert [
        line.split(",")[0] for line in carried(overlay(", learning: false"), "h1", "10.0.0.2") if "carries" in line
    ] == [
        "h1: vx0 carries it to 192.168.0.2",
        "h1: vx0 carries it to 192.168.0.3",
    ]
    assert send(network(overlay(", learning: false")), "h1", "10.0.0.2").ok, "the copy that is for nobody is no loss"


def test_those_that_do_not_know_each_other_do_not_reach_each_other() -> None:
    assert verdict(network(overlay()), "h2", "10.0.0.3") is Verdict.NO_NEIGHBOUR


@pytest.mark.parametrize(("number", "port"), [(8, 4789), (7, 4790)])
def test_another_number_or_port_is_another_network(number: int, port: int) -> None:
    assert not send(network(overlay(number=number, port=port)), "h1", "10.0.0.2").ok
    assert send(network(overlay(number=number, port=port)), "h1", "10.0.0.3").ok


def test_the_headers_are_counted_and_taken_apart_below() -> None:
    found = send(network(overlay()), "h1", "10.0.0.2", size=1450)
    assert told(found.legs[0], "fragmented") == [], "1450 and 50 bytes of headers fit into 1500"
    larger = send(network(overlay(", mtu: 1500")), "h1", "10.0.0.2", size=1451)
    assert told(larger.legs[0], "fragmented") == ["h1: takes it apart: the MTU of eth0 is 1500"]


def test_a_tunnel_over_ipv6_has_longer_headers() -> None:
    found = network(
        overlay(", mtu: 1500").replace("192.168.0.", "fd00::").replace("/24}}\n    vxlans", "/64}}\n    vxlans")
    )
    assert send(found, "h1", "10.0.0.2").ok
    assert send(found, "h1", "10.0.0.2", size=1430).ok
    assert verdict(found, "h1", "10.0.0.2", size=1431) is Verdict.TOO_BIG, (
        "IPv6 takes nothing apart that carries a frame"
    )


def in_groups(*groups: str) -> str:
    """Give hosts h1, h2, ... on a switch, with the same VXLAN, each in a group."""
    return "bridges: {lan: {address: none}}\nnetns:\n" + "".join(
        f"  h{number}:\n"
        f"    interfaces: {{eth0: {{bridge: lan, address: 192.168.0.{number}/24}}}}\n"
        f"    vxlans: {{vx0: {{id: 7, group: {group}, dev: eth0, address: 10.0.0.{number}/24}}}}\n"
        for number, group in enumerate(groups, 1)
    )


def test_a_group_reaches_all_that_are_in_it() -> None:
    found = network(in_groups("239.0.0.1", "239.0.0.1", "239.9.9.9"))
    assert send(found, "h1", "10.0.0.2").ok
    assert verdict(found, "h1", "10.0.0.3") is Verdict.NO_NEIGHBOUR


def test_a_tunnel_through_itself_is_a_loop() -> None:
    text = (
        overlay()
        .replace("remotes: [192.168.0.2, 192.168.0.3]", "remotes: [10.0.0.9]")
        .replace(
            "address: 10.0.0.1/24}}",
            'address: 10.0.0.1/24}}\n    neighbours: [{address: 10.0.0.2, dev: vx0, mac: "02:00:00:00:00:02"}]',
        )
    )
    assert verdict(network(text), "h1", "10.0.0.2") is Verdict.LOOP


# -- macvlans

MACVLANS = """
bridges: {lan: {address: none}}
netns:
  server:
    interfaces: {eth0: {bridge: lan, address: 10.9.0.1/24}}
    macvlans:
      m0: {dev: eth0, mode: MODE, address: 10.0.0.10/24}
      m1: {dev: eth0, mode: MODE, address: 10.0.1.10/24}
    sysctls: {net.ipv4.conf.all.arp_ignore: 1}
  c0: {interfaces: {eth0: {bridge: lan, address: 10.0.0.1/24}}}
  c1: {interfaces: {eth0: {bridge: lan, address: 10.0.1.1/24}}}
"""


@pytest.mark.parametrize("mode", ["bridge", "private", "vepa"])
def test_each_macvlan_is_a_card_of_its_own_on_the_wire(mode: str) -> None:
    found = network(MACVLANS.replace("MODE", mode))
    assert send(found, "c0", "10.0.0.10").ok
    assert send(found, "c1", "10.0.1.10").ok
    walk = simulate(found, "c0", Packet("", "10.0.0.10", "icmp", "echo"))
    assert [nic.name for leg, nic, _ in walk.arrivals if leg == 0] == ["m0"]


@pytest.mark.parametrize(("mode", "sees"), [("bridge", True), ("private", False), ("vepa", False)])
def test_whether_macvlans_of_one_device_see_each_other(mode: str, sees: bool) -> None:
    text = (
        MACVLANS.replace("MODE", mode)
        .replace(
            "sysctls: {net.ipv4.conf.all.arp_ignore: 1}",
            "neighbours: [{address: 10.0.0.99, dev: m0, mac: '02:00:00:00:01:10'}]",
        )
        .replace("address: 10.0.1.10/24}", "address: 10.0.1.10/24, mac: '02:00:00:00:01:10'}")
    )
    walk = simulate(network(text), "server", Packet("", "10.0.0.99", "icmp", "echo"))
    assert ("m1" in {nic.name for leg, nic in walk.seen if leg == 0}) is sees


def test_a_device_below_does_not_see_what_its_macvlan_sends() -> None:
    text = MACVLANS.replace("MODE", "bridge").replace("10.9.0.1/24", "10.0.0.9/24")
    assert verdict(network(text), "c0", "10.0.0.9") is Verdict.DELIVERED
    walk = simulate(network(text), "server", Packet("10.0.0.10", "10.0.0.1", "icmp", "echo"))
    assert ("server", "eth0") not in {(nic.node.name, nic.name) for leg, nic in walk.seen if leg == 0}


def test_passthru_takes_everything() -> None:
    text = """
  a:
    interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24}}
    neighbours: [{address: 10.0.0.2, mac: "02:00:00:00:00:99"}]
  b: {interfaces: {eth0: {address: none}}, macvlans: {m0: {dev: eth0, mode: MODE, address: 10.0.0.2/24}}}
"""
    assert send(network(text.replace("MODE", "passthru")), "a", "10.0.0.2").legs[0].end.verdict is Verdict.DELIVERED
    assert verdict(network(text.replace("MODE", "bridge")), "a", "10.0.0.2") is Verdict.NOT_TAKEN


# -- ipvlans

IPVLANS = """
bridges: {lan: {address: none}}
netns:
  server:
    interfaces: {eth0: {bridge: lan, address: none}}
    ipvlans:
      i0: {dev: eth0, address: 10.0.0.10/24}
      i1: {dev: eth0, address: 10.0.1.10/24}
  c0: {interfaces: {eth0: {bridge: lan, address: 10.0.0.1/24}}}
  c1: {interfaces: {eth0: {bridge: lan, address: 10.0.1.1/24}}}
"""


def test_ipvlans_share_the_mac_and_get_what_is_for_their_address() -> None:
    found = network(IPVLANS)
    assert {nic.mac for nic in found.nodes["server"].devices.values() if nic.kind == "ipvlan"} == {
        found.nodes["server"].devices["eth0"].mac
    }
    for client, address, device in (("c0", "10.0.0.10", "i0"), ("c1", "10.0.1.10", "i1")):
        assert send(found, client, address).ok
        walk = simulate(found, client, Packet("", address, "icmp", "echo"))
        assert [nic.name for leg, nic, _ in walk.arrivals if leg == 0] == [device]


def test_an_ipvlan_hands_what_is_for_another_to_it() -> None:
    text = IPVLANS.replace("i1: {dev: eth0, address: 10.0.1.10/24}", "i1: {dev: eth0, address: 10.0.0.11/32}")
    text += "  other: {}\n"
    found = send(network(text), "c0", "10.0.0.11")
    assert found.legs[0].end.verdict is Verdict.DELIVERED


# -- what the kernel itself spoils

#: Pods behind two hosts; the left one masquerades what carries their frames.
SPOILT = """
  left:
    forwarding: true
    bridges: {pods: {}UPLINK}
    CABLE
    vxlans: {vx0: {id: 7, local: 10.0.0.1, remotes: [192.0.2.2], bridge: pods}}
    nat: [{masquerade: {from: 10.0.0.0/24, out: uplink}}]
  right:
    interfaces: {eth0: {PLUG, address: 192.0.2.2/24}}
    bridges: {pods: {}}
    vxlans: {vx0: {id: 7, local: 192.0.2.2, remotes: [10.0.0.1], bridge: pods}}
    routes: [{to: 10.0.0.0/24, via: 192.0.2.1}]
  a: {interfaces: {eth0: {bridge: "left:pods", address: 10.9.0.1/24, mtu: 1450}}}
  b: {interfaces: {eth0: {bridge: "right:pods", address: 10.9.0.2/24, mtu: 1450}}}
"""
_ADDRESSES = "{addresses: [192.0.2.1/24, 10.0.0.1/32]}"
BY_BRIDGE = SPOILT.replace("UPLINK", f", uplink: {_ADDRESSES}").replace("PLUG", 'bridge: "left:uplink"')
BY_BRIDGE = BY_BRIDGE.replace("    CABLE\n", "")
BY_CABLE = SPOILT.replace("UPLINK", "").replace("CABLE", f"interfaces: {{uplink: {_ADDRESSES}}}")
BY_CABLE = BY_CABLE.replace("PLUG", 'peer: "left:uplink"')


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_the_checksum_of_a_translated_tunnel_is_spoilt_where_a_bridge_makes_that_of_what_it_carries(kind: str) -> None:
    found = send(network(BY_BRIDGE), "a", "10.9.0.2", kind=kind, port=80)
    assert (found.verdict, found.deciding.end.node) == (Verdict.KERNEL_FAULT, "right")
    assert found.deciding.end.key == (
        "chain",
        "left",
        "nat-postrouting",
        'oifname "uplink" ip saddr 10.0.0.0/24 masquerade',
    )
    assert send(network(BY_CABLE), "a", "10.9.0.2", kind=kind, port=80).answer == "refused", "nobody ever makes it"
    without = BY_BRIDGE.replace("from: 10.0.0.0/24", "from: 10.9.0.0/24")
    assert send(network(without), "a", "10.9.0.2", kind=kind, port=80).answer == "refused"


def test_what_has_its_checksum_already_spoils_nothing() -> None:
    assert send(network(BY_BRIDGE), "a", "10.9.0.2").ok, "that of ICMP is always made"
    assert send(network(BY_BRIDGE), "a", "10.9.0.2", kind="tcp", port=80, raw=True).answer == "refused"
    listening = ("a", "tcp", 80)
    back = send(network(BY_BRIDGE), "b", "10.9.0.1", listening, kind="tcp", port=80)
    assert (back.verdict, back.legs[0].end.verdict) == (Verdict.KERNEL_FAULT, Verdict.DELIVERED)


NARROW = """
  a: {interfaces: {eth0: {peer: "r:eth0", address: 10.8.0.1/24}}, gateway: 10.8.0.2}
  r:
    forwarding: true
    interfaces: {eth0: {address: 10.8.0.2/24}, eth1: {peer: "h:eth0", address: 10.0.0.1/24}}
    bridges: {br0: {address: 10.9.0.1/24}}
    vxlans: {vx0: {id: 7, local: 10.0.0.1, remotes: [10.0.0.2], bridge: br0, mtu: 1500}}
  h:
    interfaces: {eth0: {address: 10.0.0.2/24}}
    bridges: {br0: {}}
    vxlans: {vx0: {id: 7, local: 10.0.0.2, remotes: [10.0.0.1], bridge: br0}}
  b: {interfaces: {eth0: {bridge: "h:br0", address: 10.9.0.2/24, mtu: 1450}}, gateway: 10.9.0.1}
  c: {interfaces: {eth0: {bridge: "r:br0", address: 10.9.0.3/24}}}
"""


def test_what_a_bridges_vxlan_tells_goes_by_the_way_of_what_it_is_about() -> None:
    found = network(NARROW)
    beside = send(found, "c", "10.9.0.2", size=1460, dont_fragment=True)
    assert (beside.verdict, beside.answer) == (Verdict.TOO_BIG, "error")
    own = send(found, "r", "10.9.0.2", size=1460, dont_fragment=True)
    assert (own.answer, own.legs[1].end.verdict) == ("silence", Verdict.KERNEL_FAULT)
    handed_on = send(found, "a", "10.9.0.2", size=1460, dont_fragment=True)
    assert (handed_on.answer, handed_on.legs[1].end.verdict) == ("silence", Verdict.NO_NEIGHBOUR)
    assert handed_on.legs[1].end.words.startswith("nobody on r:br0 says that it has 10.8.0.1")


def test_an_answer_by_a_passthru_macvlan_is_there_at_once() -> None:
    """Of two answers over ways with as many cables that of the way asked first comes first."""
    text = """
bridges: {one: {}, two: {}}
netns:
  m:
    bridges: {br0: {}}
    veths: [[{bridge: "m:br0", name: up}, {bridge: two, name: down}]]
    interfaces: {eth0: {bridge: one, address: none}}
    macvlans: {mv0: {dev: eth0, mode: passthru, bridge: br0}}
  n: {interfaces: {eth0: {bridge: "m:br0", address: 10.0.0.1/24}}}
  s: {interfaces: {eth0: {bridge: one, address: 10.0.0.2/24}, eth1: {bridge: two, address: none}}}
"""
    assert told(send(network(text), "n", "10.0.0.2").legs[0], "asked")[0].startswith(
        "n: eth0 asks who has 10.0.0.2: s:eth0"
    )


HEARING = """
bridges: {lan: {address: none}}
netns:
  s:
    interfaces: {eth0: {bridge: lan, address: 10.0.0.1/24}}
    ipvlans: {iv0: {dev: eth0, address: 10.0.0.2/24}, iv1: {dev: eth0, address: 10.0.1.2/24}}
  c: {interfaces: {eth0: {bridge: lan, address: 10.0.0.9/24}}}
"""


def test_ipvlans_all_hear_what_is_for_everybody() -> None:
    found = network(HEARING)
    walk = simulate(found, "c", Packet("", "10.0.0.2", "icmp", "echo"))
    learned = {nic.name for nic, address in walk.neighbours if nic.node.name == "s" and address == "10.0.0.9"}
    assert learned == {"eth0", "iv0", "iv1"}
    assert {nic.name for leg, nic in walk.seen if leg == 0 and nic.node.name == "s"} == {"eth0", "iv0"}
    back = send(found, "c", "10.0.0.2")
    assert (back.answer, told(back.legs[1], "asked")) == ("reply", []), "it knows already who has asked"


@pytest.mark.parametrize(
    ("size", "expected"), [(1400, Verdict.DELIVERED), (1404, Verdict.DELIVERED), (1405, Verdict.TOO_LONG)]
)
def test_the_tag_of_a_frame_counts_no_more_than_none(size: int, expected: Verdict) -> None:
    text = """
  a:
    interfaces: {eth0: {peer: "b:eth0", mtu: 1500, address: none}}
    vlans: {v: {dev: eth0, id: 7, address: 10.0.0.1/24}}
  b:
    interfaces: {eth0: {mtu: 1400, address: none}}
    vlans: {v: {dev: eth0, id: 7, address: 10.0.0.2/24}}
"""
    assert send(network(text), "a", "10.0.0.2", size=size).legs[0].end.verdict is expected


def test_a_bridge_that_takes_up_everything_takes_for_its_own_what_a_passthru_macvlan_does() -> None:
    text = """
bridges: {lan: {ageing: 0, address: none}}
netns:
  m:
    forwarding: true
    interfaces: {eth0: {bridge: lan, address: none}}
    bridges: {br0: {address: 10.0.0.3/24, mac: "02:00:00:00:00:03"}}
    macvlans: {mv0: {dev: eth0, mode: passthru, bridge: br0}}
    vlans: {v: {dev: br0, id: 7, mac: "02:00:00:00:00:07", address: 10.7.0.3/24}}
  a: {interfaces: {eth0: {bridge: lan, address: 10.0.0.1/24}}}
  b: {interfaces: {eth0: {bridge: lan, address: 10.0.0.2/24}}}
"""
    walk = simulate(network(text), "a", Packet("", "10.0.0.2", "icmp", "echo"))
    assert [(nic.node.name, nic.name) for leg, nic, _ in walk.arrivals if leg == 0 and nic.node.name == "m"] == [
        ("m", "br0")
    ]


ROUTING = """
bridges: {lan: {address: none}}
netns:
  s:
    interfaces: {eth0: {bridge: lan, address: 10.0.0.1/24}}
    ipvlans: {iv0: {dev: eth0, mode: MODE, address: 10.5.0.1/24}}
    routes: [{to: 10.6.0.0/16, dev: iv0}]
  c:
    interfaces: {eth0: {bridge: lan, address: 10.0.0.9/24}, lo: {address: 10.6.0.1/32}}
    routes: [{to: 10.5.0.0/24, via: VIA}]
    sysctls: {net.ipv4.conf.all.arp_ignore: 0}
"""


def test_an_ipvlan_that_routes_sends_by_the_routes_of_the_device_below() -> None:
    found = network(ROUTING.replace("MODE", "l3s").replace("VIA", "10.0.0.1"))
    out = send(found, "s", "10.6.0.1")
    assert out.answer == "reply"
    asked = f"s: eth0 asks who has 10.6.0.1: c:eth0, {found.nodes['c'].devices['eth0'].mac}"
    assert told(out.legs[0], "asked") == [asked]
    assert out.legs[0].packet.source == "10.5.0.1"


def test_what_is_told_to_an_ipvlan_of_mode_l3_is_heard_by_nobody() -> None:
    """The device below asks with the packet's source; the answer is for the ipvlan then, which takes no ARP."""
    found = send(network(ROUTING.replace("MODE", "l3").replace("VIA", "10.0.0.1")), "s", "10.6.0.1")
    assert found.verdict is Verdict.NO_NEIGHBOUR
    assert found.deciding.end.words.endswith("c:lo answers, and is not heard")


def test_nobody_is_told_where_an_ipvlan_of_mode_l3_is() -> None:
    by_gateway = network(ROUTING.replace("MODE", "l3").replace("VIA", "10.0.0.1"))
    assert send(by_gateway, "c", "10.5.0.1").ok
    on_link = ROUTING.replace("MODE", "l3").replace("via: VIA", "dev: eth0")
    assert verdict(network(on_link), "c", "10.5.0.1") is Verdict.NO_NEIGHBOUR
