"""Devices of every kind, from their sections to facts: options, what they stand on, MACs, and the MTUs that follow."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from netlab.errors import FileError
from netlab.facts import Bridge, Device, Facts, Forwarding, Port, Veth
from netlab.facts.devices import EVERYBODY
from netlab.names import derived_mac
from netlab.topology import read


def facts(sections: str, cable: str = "{}", **more: str) -> Facts:
    """Read a lab whose node `a` has these sections and a cable `e0` to `b`; `b` has more."""
    others = ", ".join(f"{name}: {text}" for name, text in more.items())
    eth0 = '{peer: "b:e0", address: 10.0.0.1/24, PLUS}'.replace("PLUS", cable.strip("{}"))
    text = f"name: x\nnetns:\n  a: {{interfaces: {{e0: {eth0}}}, {sections}}}\n  b: {{{others}}}\n"
    return read(text.encode(), "f.yml").facts


def device(found: Facts, name: str) -> Device:
    fact = found["device", "a", name]
    assert isinstance(fact, Device)
    return fact


def options(found: Facts, name: str) -> Mapping[str, int | str]:
    return dict(device(found, name).options)


def test_each_kind_has_its_options() -> None:
    found = facts(
        "dummies: {d0: 192.0.2.1/32}, vlans: {w0: {dev: e0, id: 10}, w1: {dev: w0, id: 10, protocol: 802.1ad}},"
        "macvlans: {m0: {dev: e0, mode: vepa}}, ipvlans: {i0: {dev: w0, mode: l3}}, vxlans: {v0: {id: 7, remotes:"
        " 10.0.0.2}, v1: {id: 8, dev: e0, group: 239.1.1.1, port: 8472, learning: false, ageing: 60s, mtu: 1400}}"
    )
    plain = {"ageing": 300, "learning": 1, "port": 4789}
    wanted: dict[str, tuple[str | None, Mapping[str, int | str]]] = {
        "d0": (None, {}),
        "w0": ("e0", {"id": 10, "protocol": 0x8100}),
        "w1": ("w0", {"id": 10, "protocol": 0x88A8}),
        "m0": ("e0", {"mode": 2}),
        "i0": ("w0", {"mode": 1}),
        "v0": (None, {**plain, "id": 7}),
        "v1": ("e0", {"ageing": 60, "learning": 0, "port": 8472, "id": 8, "group": "239.1.1.1"}),
    }
    for name, (over, own) in wanted.items():
        assert (device(found, name).over, options(found, name)) == (over, own)
    assert [key for key in found if key[0] == "forwarding"] == [("forwarding", "a", "v0", EVERYBODY, "10.0.0.2")]


def test_a_device_has_a_mac_of_its_own_unless_it_has_that_of_the_one_below() -> None:
    found = facts(
        "dummies: {d0: {}, d1: {mac: '02:00:00:00:00:07'}}, macvlans: {m0: {dev: e0, mode: passthru},"
        " m1: {dev: d0}}, ipvlans: {i0: {dev: d1}}"
    )
    macs = {name: device(found, name).mac for name in ("d0", "d1", "m0", "m1", "i0")}
    derived = {name: derived_mac("x", "a", name) for name in ("d0", "m1")}
    assert macs == {**derived, "d1": "02:00:00:00:00:07", "m0": None, "i0": None}


def test_what_stands_on_a_macvlan_stands_on_the_device_below() -> None:
    found = facts("macvlans: {m0: {dev: e0}, m1: {dev: m0}, m2: {dev: m1}}, vlans: {w0: {dev: m2, id: 5}}")
    assert [device(found, name).over for name in ("m0", "m1", "m2", "w0")] == ["e0", "e0", "e0", "m2"]


def test_remotes_are_entries_and_a_bridge_has_the_vxlan_as_its_port() -> None:
    found = facts(
        "bridges: {br0: {}}, vxlans: {v0: {id: 7, local: 10.0.0.1, remotes: [10.0.0.2, 10.0.0.3], bridge: br0}}"
    )
    entries = [fact.to for fact in found.values() if isinstance(fact, Forwarding)]
    assert entries == ["10.0.0.2", "10.0.0.3"]
    assert isinstance(found["port", "a", "v0"], Port)


#: Sections, the cable's own keys, and the MTU of each device of theirs.
MTUS: dict[str, tuple[str, str, dict[str, int]]] = {
    "none-said": (
        "vlans: {w0: {dev: e0, id: 1}}, macvlans: {m0: {dev: e0}}, dummies: {d0: {}}",
        "{}",
        {"w0": 1500, "m0": 1500, "d0": 1500},
    ),
    "said-below": (
        "vlans: {w0: {dev: e0, id: 1}, w1: {dev: w0, id: 1}}, macvlans: {m0: {dev: w1}}, dummies: {d0: {}}",
        "{mtu: 1400}",
        {"w0": 1400, "w1": 1400, "m0": 1400, "d0": 1500},
    ),
    "said-between": (
        "vlans: {w0: {dev: e0, id: 1, mtu: 1300}, w1: {dev: w0, id: 1}}",
        "{mtu: 9000}",
        {"w0": 1300, "w1": 1300},
    ),
    "vxlan-on-a-device": ("vxlans: {v0: {id: 1, dev: e0, group: 239.1.1.1}}", "{mtu: 9000}", {"v0": 8950}),
    "vxlan-over-ipv6": ("vxlans: {v0: {id: 1, dev: e0, group: 'ff05::1'}}", "{mtu: 9000}", {"v0": 8930}),
    "vxlan-by-its-own-address": (
        "vxlans: {v0: {id: 1, local: 10.0.0.1, remotes: 10.0.0.2}}",
        "{mtu: 1400}",
        {"v0": 1350},
    ),
    "vxlan-by-an-address-elsewhere": (
        "vxlans: {v0: {id: 1, local: 10.9.9.9, remotes: 10.0.0.2}}",
        "{mtu: 1400}",
        {"v0": 1450},
    ),
    "vxlan-that-says-no-device": ("vxlans: {v0: {id: 1, remotes: 10.0.0.2}}", "{mtu: 1400}", {"v0": 1450}),
    "least": ("vxlans: {v0: {id: 1, dev: e0, group: 239.1.1.1}}", "{mtu: 100}", {"v0": 68}),
    "bridge-of-ports": (
        "bridges: {br0: {address: none}}, vxlans: {v0: {id: 1, remotes: 10.0.0.2, bridge: br0}},"
        "macvlans: {m0: {dev: br0}}",
        "{}",
        {"v0": 1450, "m0": 1450},
    ),
}


@pytest.mark.parametrize("name", MTUS)
def test_mtus_follow_from_the_devices_below(name: str) -> None:
    sections, cable, wanted = MTUS[name]
    found = facts(sections, cable)
    assert {device: _mtu(found, device) for device in wanted} == wanted


def _mtu(found: Facts, name: str) -> int | None:
    return device(found, name).mtu


def test_a_bridge_has_the_least_mtu_of_its_ports_and_both_ends_of_a_cable_have_one() -> None:
    found = facts(
        "bridges: {br0: {address: none}, br1: {address: none}}, vxlans: {v0: {id: 1, remotes: 10.0.0.2, bridge: br0}},"
        "dummies: {d0: {mtu: 1280, bridge: br0}}",
        "{mtu: 9000}",
    )
    bridges = {fact.name: fact.mtu for fact in found.values() if isinstance(fact, Bridge)}
    assert bridges == {"br0": 1280, "br1": 1500}
    (cable,) = [fact for fact in found.values() if isinstance(fact, Veth)]
    assert (cable.a.mtu, cable.b.mtu) == (9000, 9000)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ("vlans: {w0: {dev: e0, id: 1, mtu: 1450}}", "w0 has an MTU of 1450, but e0, below it, carries 1400"),
        ("macvlans: {m0: {dev: e0, mtu: 1401}}", "m0 has an MTU of 1401, but e0, below it, carries 1400"),
        ("vxlans: {v0: {id: 1, dev: e0, group: 239.1.1.1, mtu: 1351}}", "below it, carries 1350"),
    ],
)
def test_an_mtu_that_the_device_below_does_not_carry_is_told(sections: str, words: str) -> None:
    with pytest.raises(FileError) as caught:
        facts(sections, "{mtu: 1400}")
    (problem,) = caught.value.problems()
    assert problem.code == "mtu"
    assert words in problem.what
