"""Who answers a question for a neighbour, from which address it is asked, and why nobody answers."""

from __future__ import annotations

import pytest

from netlab.facts import Chain, Rule
from netlab.simulator.compiling import network_of
from netlab.simulator.neighbours import solicited
from netlab.simulator.network import Network
from netlab.simulator.packet import Packet
from netlab.simulator.simulating import ask, simulate
from netlab.simulator.verdicts import Verdict
from tests.unit.simulator.networks import facts_of, network, send, told

#: A client, and a server with an address on another device.
ARP = """
  client:
    interfaces: {eth0: {peer: "server:eth0", address: 10.0.0.1/24}}
    routes: [{to: 192.0.2.0/24, dev: eth0}, {to: 10.7.0.0/16, dev: eth0}]
  server:
    interfaces: {eth0: {addresses: [10.0.0.2/24, 10.7.0.2/16]}, eth1: {peer: "far:eth0", address: 10.1.0.1/24}}
    dummies: {vip0: 192.0.2.1/32}
    sysctls: {SYSCTL}
  far: {interfaces: {eth0: {address: 10.1.0.2/24}}}
"""


def answers(found: Network, address: str, source: str = "client", device: str = "eth0") -> bool:
    return ask(found, source, device, address) is not None


def server(**sysctls: int) -> Network:
    said = ", ".join(f"net.ipv4.conf.all.{name}: {value}" for name, value in sysctls.items())
    return network(ARP.replace("SYSCTL", said))


@pytest.mark.parametrize(
    ("level", "own", "second", "other"),
    [
        (0, True, True, True),  # any address of the node
        (1, True, True, False),  # those of the device that is asked
        (2, True, False, False),  # and only whoever is in the same network
        (8, False, False, False),  # none
    ],
)
def test_arp_ignore(level: int, own: bool, second: bool, other: bool) -> None:
    found = server(arp_ignore=level)
    # 10.7.0.2 is of eth0 too, but the client, 10.0.0.1, is in no network with it.
    assert (answers(found, "10.0.0.2"), answers(found, "10.7.0.2"), answers(found, "192.0.2.1")) == (own, second, other)


def test_nobody_answers_for_others() -> None:
    assert not answers(server(), "10.0.0.77")
    assert not answers(server(), "10.1.0.2")


def test_proxy_arp_answers_for_what_is_behind_another_device() -> None:
    text = ARP.replace("sysctls: {SYSCTL}", "forwarding: true\n    sysctls: {net.ipv4.conf.eth0.proxy_arp: 1}")
    text = text.replace("{to: 192.0.2.0/24, dev: eth0}", "{to: 10.1.0.0/24, dev: eth0}")
    found = network(text)
    assert answers(found, "10.1.0.2")
    assert not answers(found, "10.0.0.77"), "not for who is behind the same device"
    assert not answers(network(text.replace("forwarding: true\n    ", "")), "10.1.0.2"), "only a router does"


@pytest.mark.parametrize(
    ("level", "asker"),
    [(0, "10.9.0.1"), (1, "10.0.0.1"), (2, "10.0.0.1")],
)
def test_arp_announce(level: int, asker: str) -> None:
    """A packet from an address that the link does not know; a server that believes only 10.0.0.0/24 answers or not."""
    text = f"""
  client:
    interfaces: {{eth0: {{peer: "server:eth0", address: 10.0.0.1/24}}}}
    dummies: {{vip0: 10.9.0.1/32}}
    routes: [{{to: 10.8.0.0/24, via: 10.0.0.2, source: 10.9.0.1}}]
    sysctls: {{net.ipv4.conf.all.arp_announce: {level}}}
  server:
    interfaces: {{eth0: {{address: 10.0.0.2/24}}}}
    sysctls: {{net.ipv4.conf.all.rp_filter: 1}}
    dummies: {{vip0: 10.8.0.1/32}}
"""
    found = send(network(text), "client", "10.8.0.1")
    if asker == "10.9.0.1":
        assert found.verdict is Verdict.NO_NEIGHBOUR
        assert "does not believe that 10.9.0.1 comes by eth0" in found.deciding.end.words
    else:
        assert found.verdict is Verdict.RP_FILTER


def test_known_neighbours_are_not_asked_for() -> None:
    text = (
        ARP.replace("SYSCTL", "net.ipv4.conf.all.arp_ignore: 8")
        .replace("dev: eth0}]", 'dev: eth0}]\n    neighbours: [{address: 10.0.0.2, mac: "02:00:00:00:00:02"}]', 1)
        .replace(
            "{addresses: [10.0.0.2/24, 10.7.0.2/16]}",
            '{addresses: [10.0.0.2/24, 10.7.0.2/16], mac: "02:00:00:00:00:02"}',
        )
    )
    found = send(network(text), "client", "10.0.0.2")
    assert found.ok
    assert told(found.legs[0], "known", "asked") == ["client: knows 10.0.0.2 to be at 02:00:00:00:00:02"]


def test_who_was_asked_by_one_knows_it() -> None:
    found = send(server(), "client", "10.0.0.2")
    assert told(found.legs[0], "asked") != []
    assert told(found.legs[1], "asked", "known") == [], "the server has learned it from the question"


V6 = """
  client: {interfaces: {eth0: {peer: "server:eth0", address: "fd00::1/64"}}}
  server: {interfaces: {eth0: {address: "fd00::2/64"}}, dummies: {vip0: "fd00::9/128"}}
"""


def test_neighbour_discovery_tells_addresses_of_the_very_device() -> None:
    found = network(V6)
    assert send(found, "client", "fd00::2").ok
    other = send(found, "client", "fd00::9")
    assert other.verdict is Verdict.NO_NEIGHBOUR
    assert other.deciding.end.words.endswith(
        "server:eth0 hears the question and does not answer: in IPv6, eth0 tells its own addresses only"
    )


@pytest.mark.parametrize(
    ("node", "hook", "why"),
    [
        ("server", "input", "does not answer: its chains drop the question"),
        ("server", "output", "does not answer: its chains drop the answer"),
        ("client", "output", "client does not let its own question out"),
        ("client", "input", "server:eth0 answers, and is not heard"),
    ],
)
def test_chains_that_drop_icmpv6_drop_neighbour_discovery_too(node: str, hook: str, why: str) -> None:
    chain = Chain(node, f"filter-{hook}", "filter", hook, 0, "accept", (Rule("drop", protocol="ipv6-icmp"),))
    found = send(network_of(facts_of(V6, chain)), "client", "fd00::2", kind="udp", port=9)
    assert found.verdict is Verdict.NO_NEIGHBOUR
    assert why in found.deciding.end.words
    only4 = Chain(node, f"filter-{hook}", "filter", hook, 0, "accept", (Rule("drop", protocol="icmp"),))
    assert send(network_of(facts_of(V6, only4)), "client", "fd00::2").ok


@pytest.mark.parametrize(
    ("target", "group"),
    [("fd00::1:2", "ff02::1:ff01:2"), ("fe80::aabb:ccdd", "ff02::1:ffbb:ccdd"), ("10.0.0.1", "10.0.0.1")],
)
def test_the_group_that_is_asked(target: str, group: str) -> None:
    assert solicited(target) == group


# -- why nobody answers


def why(text: str, source: str, destination: str) -> str:
    found = send(network(text), source, destination)
    assert found.verdict is Verdict.NO_NEIGHBOUR
    return found.deciding.end.words


LAN = """
bridges: {lan: {address: none}, other: {address: none}}
netns:
  a: {interfaces: {eth0: {bridge: lan, address: 10.0.0.1/24}}}
  b: {interfaces: {eth0: {bridge: BRIDGE, address: 10.0.0.2/24MORE}}SYSCTLS}
"""


@pytest.mark.parametrize(
    ("bridge", "more", "sysctls", "said"),
    [
        ("other", "", "", "b:eth0 does not hear the question; it is not on this link, or its port is closed"),
        (
            "lan",
            "",
            ", sysctls: {net.ipv4.conf.all.arp_ignore: 8}",
            "b:eth0 hears the question and does not answer: arp_ignore is 8",
        ),
        ("lan", ", up: false", "", "b:eth0 has it, and is down"),
        ("lan", ", impair: {loss: 100%}", "", "b:eth0 answers, and is not heard, for b:eth0 loses everything"),
    ],
)
def test_what_keeps_the_one_who_has_the_address_from_saying_so(bridge: str, more: str, sysctls: str, said: str) -> None:
    text = LAN.replace("BRIDGE", bridge).replace("MORE", more).replace("SYSCTLS", sysctls)
    assert why(text, "a", "10.0.0.2") == f"nobody on a:eth0 says that it has 10.0.0.2: {said}"


def test_an_address_that_nobody_has() -> None:
    text = LAN.replace("BRIDGE", "lan").replace("MORE", "").replace("SYSCTLS", "")
    assert why(text, "a", "10.0.0.9") == "nobody on a:eth0 says that it has 10.0.0.9; no node has that address"


def test_a_question_that_is_lost_at_once() -> None:
    text = LAN.replace("BRIDGE", "lan").replace("MORE", "").replace("SYSCTLS", "")
    lossy = text.replace("10.0.0.1/24", "10.0.0.1/24, impair: {loss: 100%}")
    assert why(lossy, "a", "10.0.0.9").endswith("says that it has 10.0.0.9: a:eth0 loses everything")
    assert why(lossy, "a", "10.0.0.2").endswith("b:eth0 does not hear the question, for a:eth0 loses everything")


def test_a_vlan_that_keeps_the_question_away() -> None:
    text = """
bridges: {sw: {vlan_filtering: true, address: none}}
netns:
  a: {interfaces: {eth0: {bridge: sw, vlan: 10, address: 10.0.0.1/24}}}
  b: {interfaces: {eth0: {bridge: sw, trunk: [10]}}, vlans: {eth0.20: {dev: eth0, id: 20, address: 10.0.0.2/24}}}
"""
    assert why(text, "a", "10.0.0.2").endswith(
        "b:eth0.20 does not hear the question, for nobody at b:eth0 is in VLAN 10"
    )


def test_a_device_without_a_carrier() -> None:
    text = """
  a: {interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24}}}
  b: {interfaces: {eth0: {address: 10.0.0.2/24, up: false}}}
"""
    assert why(text, "a", "10.0.0.2") == "a:eth0 has no carrier, so nobody tells where 10.0.0.2 is: b:eth0 is down"


ANSWERED_TWICE = """
bridges: {lan: {address: none}}
netns:
  a: {interfaces: {eth0: {bridge: lan, address: 10.0.0.1/24}}}
  b:
    interfaces:
      eth0: {bridge: lan, address: 10.0.0.2/24, mac: "02:00:00:00:00:b0"}
      eth1: {bridge: lan, address: 10.1.0.2/24, mac: "02:00:00:00:00:b1"}
    sysctls: {net.ipv4.conf.all.arp_ignore: IGNORE}
"""


def test_who_answers_later_is_named_too() -> None:
    both = send(network(ANSWERED_TWICE.replace("IGNORE", "0")), "a", "10.0.0.2").legs[0]
    assert told(both, "asked") == ["a: eth0 asks who has 10.0.0.2: b:eth1, 02:00:00:00:00:b1; later also b:eth0"]
    one = send(network(ANSWERED_TWICE.replace("IGNORE", "1")), "a", "10.0.0.2").legs[0]
    assert told(one, "asked") == ["a: eth0 asks who has 10.0.0.2: b:eth0, 02:00:00:00:00:b0"]


def test_a_route_with_several_ways_says_so() -> None:
    text = """
  a:
    interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24}, eth1: {peer: "b:eth1", address: 10.1.0.1/24}}
    routes: [{to: 192.0.2.0/24, hops: [{via: 10.0.0.2}, {via: 10.1.0.2}]}]
  b: {interfaces: {eth0: {address: 10.0.0.2/24}, eth1: {address: 10.1.0.2/24}}}
"""
    (words,) = told(send(network(text), "a", "192.0.2.1").legs[0], "route")
    assert words.endswith(", one of 2 ways")


def test_another_may_be_made_to_answer_first() -> None:
    found = network(ANSWERED_TWICE.replace("IGNORE", "0"))
    packet = Packet("", "10.0.0.2", "icmp", "echo")
    walk = simulate(found, "a", packet)
    asked = (found.nodes["a"].devices["eth0"], "10.0.0.2")
    assert walk.answers == {asked: ["02:00:00:00:00:b1", "02:00:00:00:00:b0"]}
    other = simulate(found, "a", packet, firsts={asked: "02:00:00:00:00:b0"})
    assert [nic.name for leg, nic, _ in other.arrivals if leg == 0] == ["eth0"]
    assert [nic.name for leg, nic, _ in walk.arrivals if leg == 0] == ["eth1"]
