"""Devices of every kind and forwarding entries in netlink: held against pyroute2, and what is encoded is decoded."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg

from netlab.facts import Device, Forwarding
from netlab.facts.devices import EVERYBODY
from netlab.kernel import codec, decode, others
from netlab.kernel.codec import Message
from netlab.kinds.registry import KINDS
from netlab.names import GROUP
from tests.other_devices import HOSTS, random_device
from tests.unit.kernel.test_codec import attributes, by_pyroute2, framed

MAC = "02:00:00:00:00:01"
TUNNEL = Device(
    "a", "v0", "vxlan", None, MAC, 1450, True,
    (("ageing", 60), ("id", 7), ("learning", 0), ("local", "192.0.2.1"), ("port", 4789)),
)  # fmt: skip
GROUP6 = replace(
    TUNNEL, over="e0", options=(("ageing", 60), ("group", "ff05::7"), ("id", 7), ("learning", 1), ("port", 8472))
)


def device(name: str, kind: str, *options: tuple[str, int | str]) -> Device:
    return Device("a", name, kind, "e0", None if kind == "ipvlan" else MAC, 1400, True, options)


#: A device, and what pyroute2 says is in the message that makes it.
FORMS: list[tuple[Device, dict[str, Any]]] = [
    (device("w0", "vlan", ("id", 10), ("protocol", 0x88A8)), {"IFLA_VLAN_ID": 10, "IFLA_VLAN_PROTOCOL": 0x88A8}),
    (device("m0", "macvlan", ("mode", 2)), {"IFLA_MACVLAN_MODE": "vepa"}),
    (device("m0", "macvlan", ("mode", 8)), {"IFLA_MACVLAN_MODE": "passthru"}),
    (device("i0", "ipvlan", ("mode", 1)), {"IFLA_IPVLAN_MODE": 1}),
    (replace(device("r0", "vrf", ("table", 10)), over=None), {"IFLA_VRF_TABLE": 10}),
    (
        replace(device("b0", "bond", ("miimon", 100), ("mode", 1), ("primary", "e1")), over=None),
        {"IFLA_BOND_MIIMON": 100, "IFLA_BOND_MODE": 1, "IFLA_BOND_PRIMARY": 5},
    ),
    (
        replace(device("b0", "bond", ("lacp_rate", 1), ("mode", 4), ("xmit_hash_policy", 2)), over=None),
        {"IFLA_BOND_AD_LACP_RATE": 1, "IFLA_BOND_MODE": 4, "IFLA_BOND_XMIT_HASH_POLICY": 2},
    ),
    (
        TUNNEL,
        {
            "IFLA_VXLAN_ID": 7,
            "IFLA_VXLAN_AGEING": 60,
            "IFLA_VXLAN_LEARNING": 0,
            "IFLA_VXLAN_LOCAL": "192.0.2.1",
            "IFLA_VXLAN_PORT": 4789,
        },
    ),
    (
        GROUP6,
        {
            "IFLA_VXLAN_ID": 7,
            "IFLA_VXLAN_AGEING": 60,
            "IFLA_VXLAN_LEARNING": 1,
            "IFLA_VXLAN_GROUP6": "ff05::7",
            "IFLA_VXLAN_PORT": 8472,
            "IFLA_VXLAN_LINK": 3,
        },
    ),
]


def made(fact: Device, stand_in: str | None = None) -> Message:
    return others.new_device(fact, 7, None if fact.over is None else 3, True, stand_in, {"e1": 5})


def record(message: Message) -> decode.LinkRecord:
    raw = framed(message)
    return decode.link(raw, 16, len(raw))


@pytest.mark.parametrize(
    ("fact", "options"), FORMS, ids=lambda value: value.label() if isinstance(value, Device) else ""
)
def test_a_device_in_the_words_of_pyroute2(fact: Device, options: dict[str, Any]) -> None:
    found = by_pyroute2(ifinfmsg, made(fact))
    told = attributes(found)
    info = attributes(told["IFLA_LINKINFO"])
    assert (found["index"], found["flags"] & 1, told["IFLA_IFNAME"], told["IFLA_MTU"]) == (7, 1, fact.name, fact.mtu)
    assert told["IFLA_GROUP"] == GROUP
    assert told.get("IFLA_ADDRESS") == fact.mac
    assert (info["IFLA_INFO_KIND"], attributes(info["IFLA_INFO_DATA"])) == (fact.kind, options)
    # A VXLAN names the device below among its options, every other beside its name.
    assert told.get("IFLA_LINK") == (None if fact.kind == "vxlan" or fact.over is None else 3)


def test_a_dummy_and_what_stands_in_for_it() -> None:
    dummy = Device("a", "d0", "dummy", None, MAC, 1500)
    for stand_in, kind in ((None, "dummy"), ("ifb", "ifb")):
        message = made(dummy, stand_in)
        assert attributes(attributes(by_pyroute2(ifinfmsg, message))["IFLA_LINKINFO"]) == {"IFLA_INFO_KIND": kind}
        assert others.device("a", record(message), None) == dummy
    # Asked for by its own name, as when it is tried whether a kernel has it, it is no dummy.
    assert record(made(replace(dummy, kind="ifb"))).kind == "ifb"


@given(st.randoms(use_true_random=False), st.sampled_from(sorted(KINDS)))
def test_what_is_encoded_is_decoded(rng: Random, kind: str) -> None:
    fact = random_device(rng, "a", "d0", kind)
    found = record(made(fact))
    assert others.over_of(found) == (0 if fact.over is None else 3)
    assert others.device("a", found, fact.over) == fact
    assert others.group_of(found) == dict(fact.options).get("group")


def test_a_bonds_primary_is_an_index_and_nobody_is_0() -> None:
    bond = Device("a", "b0", "bond", None, MAC, 1500, True, (("miimon", 50), ("mode", 1), ("primary", "e1")))
    assert others.named_by(bond) == ["e1"]
    found = record(made(bond))
    assert others.device("a", found, None, {5: "e1"}) == bond
    nobody = replace(bond, options=bond.options[:2])
    assert others.device("a", found, None, {}) == nobody
    told = attributes(by_pyroute2(ifinfmsg, others.change_options(nobody, {"primary"})))
    assert attributes(attributes(told["IFLA_LINKINFO"])["IFLA_INFO_DATA"]) == {"IFLA_BOND_PRIMARY": 0}


def test_what_means_nothing_in_a_bonds_mode_is_not_told() -> None:
    """The kernel tells every option of a bond, whatever its mode (bond_fill_info)."""
    bond = Device("a", "b0", "bond", None, MAC, 1500, True, (("lacp_rate", 1), ("mode", 0), ("xmit_hash_policy", 1)))
    assert others.device("a", record(made(bond)), None) == replace(bond, options=(("mode", 0),))


def test_the_mac_of_a_bonds_member_is_its_own() -> None:
    kind, own = codec.attribute(codec.IFLA_INFO_SLAVE_KIND, b"bond"), codec.attribute(4, bytes.fromhex("020000000099"))
    info = codec.attribute(codec.IFLA_LINKINFO, kind + codec.attribute(codec.IFLA_INFO_SLAVE_DATA, own))
    body = codec.link_body(3) + codec.attribute_text(codec.IFLA_IFNAME, "e0")
    body += codec.attribute(codec.IFLA_ADDRESS, bytes.fromhex("020000000001")) + info
    assert record((codec.RTM_NEWLINK, 0, body)).mac == "02:00:00:00:00:99"


def test_only_what_changes_is_sent() -> None:
    found = attributes(by_pyroute2(ifinfmsg, others.change_options(TUNNEL, {"ageing", "learning"})))
    assert set(found) == {"IFLA_IFNAME", "IFLA_LINKINFO"}
    info = attributes(found["IFLA_LINKINFO"])
    assert attributes(info["IFLA_INFO_DATA"]) == {"IFLA_VXLAN_AGEING": 60, "IFLA_VXLAN_LEARNING": 0}


@pytest.mark.parametrize("kind", ["team", "bridge", "veth", ""])
def test_a_device_that_no_file_asks_for_is_none(kind: str) -> None:
    link = decode.LinkRecord(3, 1, "tap0", MAC, 1500, link=9, kind=kind)
    assert others.device("a", link, None) is None
    assert others.group_of(link) is None
    assert others.over_of(link) == 9


def test_a_vxlan_that_goes_to_nobody_has_no_group() -> None:
    """The kernel tells an address that is not set as zeros, or not at all."""
    zeros = (("ageing", 60), ("group", "0.0.0.0"), ("id", 7), ("learning", 0), ("local", "192.0.2.1"), ("port", 4789))
    found = record(made(replace(TUNNEL, options=zeros)))
    assert others.group_of(found) is None
    assert others.device("a", found, None) == TUNNEL


@pytest.mark.parametrize("to", HOSTS)
def test_a_forwarding_entry_there_and_back(to: str) -> None:
    fact = Forwarding("a", "v0", EVERYBODY, to)
    for message, kind in ((others.new_forwarding(fact, 5), 28), (others.delete_forwarding(fact, 5), 29)):
        told = by_pyroute2(ndmsg, message)
        assert (told["header"]["type"], told["family"], told["ifindex"], told["flags"]) == (kind, 7, 5, 2)
        assert attributes(told) == {"NDA_LLADDR": EVERYBODY, "NDA_DST": to}
        raw = framed(message)
        assert others.forwarding(raw, 16, len(raw)) == (5, EVERYBODY, to)


#: Where a row of a table is spoilt, and how: the state and the flags of include/uapi/linux/neighbour.h.
NOT_MADE = {"learned": (24, b"\x02\x00"), "of the bridge": (26, b"\x04"), "of IPv4": (16, b"\x02")}


@pytest.mark.parametrize("name", NOT_MADE)
def test_a_row_that_nobody_made_is_none(name: str) -> None:
    place, spoilt = NOT_MADE[name]
    raw = bytearray(framed(others.new_forwarding(Forwarding("a", "v0", EVERYBODY, HOSTS[0]), 5)))
    raw[place : place + len(spoilt)] = spoilt
    assert others.forwarding(bytes(raw), 16, len(raw)) is None


def test_a_row_that_leads_to_no_host_is_none() -> None:
    raw = framed(others.new_forwarding(Forwarding("a", "v0", EVERYBODY, "198.51.100.1"), 5))
    assert others.forwarding(raw, 16, len(raw) - 8) is None
