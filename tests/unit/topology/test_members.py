"""Members of bonds and VRFs, and VLANs of ports: which facts a file means."""

from __future__ import annotations

from netlab.facts import Device, Fact, Member, Port, Route, Veth
from netlab.topology import read
from netlab.topology.lab import Lab

BOND = """\
name: x
netns:
  a:
    interfaces: {eth0: {peer: "b:eth0"}, eth1: {bridge: br0}}
    bonds: {bond0: {devices: [eth0, eth1], mtu: 9000, address: 10.0.0.1/24}}
    vlans: {v: {dev: bond0, id: 1}}
  b: {interfaces: {eth0: {}}}
bridges: {br0: 10.0.0.0/24}
"""
VRF = """\
name: x
netns:
  r:
    interfaces:
      eth0: {peer: "a:eth0", address: 10.0.0.1/24}
      eth1: {peer: "b:eth0", address: 10.0.0.1/24}
      eth2: {peer: "c:eth0", address: 10.0.0.1/16}
    vrfs: {red: {table: 10, devices: [eth0]}, blue: {table: 20, devices: [eth1]}}
    routes:
      - {to: 192.0.2.0/24, via: 10.0.0.2, table: 10, source: 10.0.0.1}
      - {to: 192.0.2.0/24, via: 10.0.0.2, table: 20}
      - {to: 192.0.2.0/24, via: 10.0.0.2}
  a: {interfaces: {eth0: {address: 10.0.0.2/24}}}
  b: {interfaces: {eth0: {address: 10.0.0.3/24}}}
  c: {interfaces: {eth0: {address: 10.0.1.2/16}}}
"""


def _read(text: str) -> Lab:
    return read(text, "f.yml", sandboxed=True)


def _of(lab: Lab, family: type[Fact]) -> list[Fact]:
    return [fact for fact in lab.facts.values() if isinstance(fact, family)]


def test_a_bond_gives_its_mtu_to_its_members_and_to_the_ends_of_their_cables() -> None:
    lab = _read(BOND)
    ends = [end for fact in _of(lab, Veth) if isinstance(fact, Veth) for end in (fact.a, fact.b)]
    assert {end.mtu for end in ends} == {9000}
    assert {fact.mtu for fact in _of(lab, Device) if isinstance(fact, Device)} == {9000}
    assert set(_of(lab, Member)) == {Member("a", f"eth{n}", "bond0", "bond") for n in (0, 1)}
    # The bond's member on a bridge with a subnet is given no address of it.
    assert lab.allocated.keys() == {("host", "br0")}


def test_a_route_leaves_by_a_device_of_its_tables_vrf() -> None:
    lab = _read(VRF)
    ways = {fact.table: fact.device for fact in _of(lab, Route) if isinstance(fact, Route)}
    assert ways == {10: "eth0", 20: "eth1", 254: "eth2"}
    assert not [problem for problem in lab.warnings if problem.code != "duplicate-address"]


def test_ports_have_vlans_only_where_their_bridge_keeps_them_apart() -> None:
    text = """\
name: x
bridges: {br0: {vlan_filtering: true}, br1: {}}
netns:
  a: {interfaces: {eth0: {bridge: br0, trunk: [20, 30-31], native: 30}, eth1: {bridge: br0}, eth2: {bridge: br1}}}
dummies: {d0: {bridge: br0, vlan: 7}}
"""
    ports = [fact.vlans for fact in _of(_read(text), Port) if isinstance(fact, Port)]
    expected = [("7 pvid untagged",), ("20", "30 pvid untagged", "31"), ("1 pvid untagged",), None]
    assert sorted(ports, key=str) == sorted(expected, key=str)
