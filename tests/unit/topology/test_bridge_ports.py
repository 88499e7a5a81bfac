"""What a file says of the ports of bridges comes to the facts of them, wherever the file says it."""

from __future__ import annotations

from netlab.facts import Port
from netlab.names import far_end_name
from netlab.topology import read


def ports(text: str) -> dict[str, Port]:
    found = read(f"name: x\nbridges: {{br0: }}\n{text}", "f.yml").facts.values()
    return {fact.device: fact for fact in found if isinstance(fact, Port)}


def test_of_an_interface_it_is_the_far_ends() -> None:
    text = "netns: {a: {interfaces: {eth0: {bridge: br0, isolated: true, flood: false}}}, b: br0}"
    one, other = far_end_name("x", "a", "eth0"), far_end_name("x", "b", "eth0")
    assert ports(text) == {
        one: Port("host", one, "br0", isolated=True, flood=False),
        other: Port("host", other, "br0"),
    }


def test_of_a_pair_by_hand_it_is_that_ends() -> None:
    found = ports(
        "netns: {a: {bridges: {br1: }}}\nveths:\n"
        "  - [{netns: a, name: eth0}, {bridge: br0, name: v0, hairpin: true, learning: false}]\n"
        '  - [{bridge: br0, name: v1, isolated: true}, {bridge: "a:br1", name: v2}]\n'
    )
    assert found == {
        "v0": Port("host", "v0", "br0", hairpin=True, learning=False),
        "v1": Port("host", "v1", "br0", isolated=True),
        "v2": Port("a", "v2", "br1"),
    }


def test_of_further_devices_and_not_what_a_vxlan_learns() -> None:
    found = ports(
        "dummies: {d0: {bridge: br0, learning: false}}\n"
        "vxlans: {vx0: {id: 1, remotes: 192.0.2.1, bridge: br0, learning: false, flood: false}}\n"
    )
    assert found == {
        "d0": Port("host", "d0", "br0", learning=False),
        "vx0": Port("host", "vx0", "br0", flood=False),
    }


def test_a_published_port_keeps_what_is_said_and_turns_frames_round() -> None:
    text = """\
netns:
  gw:
    forwarding: true
    bridges: {br0: 10.0.0.0/24}
    nat: [{publish: {port: 80, to: "a:80"}}]
  a: {interfaces: {eth0: {bridge: "gw:br0", isolated: true}}}
"""
    (port,) = ports(text).values()
    assert (port.hairpin, port.isolated) == (True, True)
