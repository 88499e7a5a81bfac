"""The devices that a packet goes through, in order: of every kind, and of the copy of a flooded frame that counts."""

from __future__ import annotations

import re

import pytest

from netlab.simulator.network import Network
from netlab.simulator.simulating import ask
from netlab.simulator.trace import LegTrace
from tests.unit.simulator.networks import network, send

LAN = """
bridges: {lan: {address: none, vlan_filtering: true}}
netns:
  a: {interfaces: {eth0: {bridge: lan, address: 10.0.10.1/24, vlan: 10}}, gateway: 10.0.10.254}
  b: {interfaces: {eth0: {bridge: lan, address: 10.0.20.1/24, vlan: 20}}, gateway: 10.0.20.254}
  r:
    forwarding: true
    interfaces: {eth0: {bridge: lan, address: none, trunk: [10, 20]}}
    vlans:
      eth0.10: {dev: eth0, id: 10, address: 10.0.10.254/24}
      eth0.20: {dev: eth0, id: 20, address: 10.0.20.254/24}
"""
HUB = """
bridges: {hub: {address: 10.0.0.254/24, ageing: 0s}}
netns:
  a: {interfaces: {eth0: {bridge: hub, address: 10.0.0.1/24}}}
  b: {interfaces: {eth0: {bridge: hub, address: 10.0.0.2/24}}}
  c: {interfaces: {eth0: {bridge: hub, address: 10.0.0.3/24}}}
"""
POD_NETWORK = """
netns:
  n1:
    interfaces: {eth0: {peer: "n2:eth0", address: 192.168.0.1/24}}
    bridges: {br0: {address: none}}
    vxlans: {vx0: {id: 7, local: 192.168.0.1, remotes: [192.168.0.2], bridge: br0}}
  n2:
    interfaces: {eth0: {address: 192.168.0.2/24}}
    bridges: {br0: {address: none}}
    vxlans: {vx0: {id: 7, local: 192.168.0.2, remotes: [192.168.0.1], bridge: br0}}
  c1: {interfaces: {eth0: {bridge: "n1:br0", address: 10.0.0.1/24, mtu: 1450}}}
  c2: {interfaces: {eth0: {bridge: "n2:br0", address: 10.0.0.2/24, mtu: 1450}}}
"""
CARDS = """
netns:
  cards:
    interfaces: {eth0: {peer: "far:eth0", address: none}}
    KIND: {k0: {dev: eth0, address: 10.0.0.1/24}}
  far: {interfaces: {eth0: {address: 10.0.0.2/24}}}
"""
BOND = """
netns:
  a:
    interfaces: {e0: {peer: "b:e0", address: none}, e1: {peer: "b:e1", address: none}}
    bonds: {bond0: {devices: [e0, e1], address: 10.0.0.1/24}}
  b:
    interfaces: {e0: {address: none}, e1: {address: none}}
    bonds: {bond0: {devices: [e0, e1], address: 10.0.0.2/24}}
"""


def way(leg: LegTrace) -> str:
    """Write a way: `node:device>` where the packet leaves by it, `>node:device` where it comes in.

    Ports bear names that netlab makes up; which one it is says the cable's other end, before or after.
    """
    words = (f"{one.node}:{one.device}>" if one.leaves else f">{one.node}:{one.device}" for one in leg.crossed)
    return re.sub(r":v[0-9a-f]{10}\b", ":port", " ".join(words))


def there_and_back(found: Network, source: str, destination: str) -> tuple[str, str]:
    there, back = send(found, source, destination).legs
    return way(there), way(back)


def turned_round(text: str) -> str:
    """Write the same way in the other direction."""
    words = reversed(text.split())
    return " ".join(f"{word[1:]}>" if word.startswith(">") else f">{word[:-1]}" for word in words)


@pytest.mark.parametrize(
    ("text", "ends", "there"),
    [
        (
            LAN,
            ("a", "b"),
            "a:eth0> >host:port host:port> >r:eth0 >r:eth0.10 r:eth0.20> r:eth0> >host:port host:port> >b:eth0",
        ),
        (HUB, ("a", "c"), "a:eth0> >host:port host:port> >c:eth0"),
        (HUB, ("b", "host"), "b:eth0> >host:port >host:hub"),
        (
            POD_NETWORK,
            ("c1", "c2"),
            "c1:eth0> >n1:port n1:vx0> n1:eth0> >n2:eth0 >n2:vx0 n2:port> >c2:eth0",
        ),
        (CARDS.replace("KIND", "ipvlans"), ("far", "cards"), "far:eth0> >cards:eth0 >cards:k0"),
        (BOND, ("a", "b"), "a:bond0> a:e0> >b:e0 >b:bond0"),
    ],
    ids=["vlans", "flooded", "to a bridge", "tunnel", "ipvlan", "bond"],
)
def test_the_way_there_and_the_same_way_back(text: str, ends: tuple[str, str], there: str) -> None:
    assert there_and_back(network(text), *ends) == (there, turned_round(there))


def test_a_node_that_asks_itself_needs_no_wire() -> None:
    assert there_and_back(network(BOND), "a", "10.0.0.1") == (">a:lo", ">a:lo")


def test_devices_on_one_hand_packets_to_each_other() -> None:
    found = network(
        """
netns:
  m: {interfaces: {eth0: {peer: "far:eth0", address: none}}, macvlans: {m0: {dev: eth0, address: 10.0.0.1/24}}}
  far:
    interfaces: {eth0: {address: none}}
    ipvlans: {i0: {dev: eth0, address: 10.0.0.2/24}}
"""
    )
    there, back = send(found, "m", "far").legs
    assert way(there) == "m:m0> m:eth0> >far:eth0 >far:i0"
    assert way(back) == "far:i0> far:eth0> >m:eth0 >m:m0"


@pytest.mark.parametrize(
    ("change", "destination", "there"),
    [
        ("", "192.0.2.1", ""),
        ("gateway: 10.0.0.254", "192.0.2.1", "a:eth0> >host:port >host:hub"),
        ("gateway: 10.0.0.99", "192.0.2.1", ""),
    ],
    ids=["no route", "no route further on", "nobody there"],
)
def test_the_way_of_what_is_lost_leads_to_where_it_is_lost(change: str, destination: str, there: str) -> None:
    text = HUB.replace("10.0.0.1/24}}", f"10.0.0.1/24}}}}, {change}") if change else HUB
    assert way(send(network(text), "a", destination).legs[0]) == there


def test_a_way_that_ends_before_a_device_ends_at_the_other_end_of_the_cable() -> None:
    found = network(
        """
  a: {interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24, mtu: 9000}}}
  b: {interfaces: {eth0: {address: 10.0.0.2/24, mtu: 1500}}}
"""
    )
    leg = send(found, "a", "b", size=4000).legs[0]
    assert (leg.end.verdict, leg.end.node, way(leg)) == ("too-long", "b", "a:eth0>")


def test_questions_for_neighbours_are_no_part_of_it() -> None:
    found = network(HUB)
    legs = send(found, "a", "b").legs
    assert [len(leg.crossed) for leg in legs] == [4, 4]
    assert ask(found, "a", "eth0", "10.0.0.2") is not None
