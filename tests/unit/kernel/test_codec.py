"""The netlink codec, held against pyroute2's: what we encode, it decodes; and what we encode, we decode."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netlab.facts import Address, Bridge, End, Port, Route, veth
from netlab.kernel import codec, decode, encode
from netlab.kernel.codec import Message
from netlab.names import GROUP


def framed(message: Message) -> bytes:
    kind, flags, body = message
    return codec.HEAD.pack(16 + len(body), kind, flags, 1, 0) + body


def by_pyroute2(cls: Any, message: Message) -> Any:
    found = cls(framed(message))
    found.decode()
    return found


def attributes(message: Any) -> Mapping[str, Any]:
    return dict(message["attrs"])


def test_a_bridge() -> None:
    fact = Bridge(
        "host", "br0", "02:00:00:00:00:01", 1400, True, True, 1400, 300, 1900, 20000, 4096, vlan_filtering=True
    )
    found = by_pyroute2(ifinfmsg, encode.new_bridge(fact, 7, grouped=True))
    told = attributes(found)
    assert (found["index"], found["flags"] & 1, found["change"] & 1) == (7, 1, 1)
    assert (told["IFLA_IFNAME"], told["IFLA_ADDRESS"]) == ("br0", "02:00:00:00:00:01")
    assert told["IFLA_MTU"] != 1400, "a bridge keeps an MTU only if it is changed to it"
    changed = attributes(by_pyroute2(ifinfmsg, encode.change_link("br0", fact, {"mtu"})))
    assert (changed["IFLA_IFNAME"], changed["IFLA_MTU"]) == ("br0", 1400)
    assert told["IFLA_GROUP"] == GROUP
    info = attributes(told["IFLA_LINKINFO"])
    assert info["IFLA_INFO_KIND"] == "bridge"
    options = attributes(info["IFLA_INFO_DATA"])
    assert options == {
        "IFLA_BR_FORWARD_DELAY": 1400,
        "IFLA_BR_HELLO_TIME": 300,
        "IFLA_BR_MAX_AGE": 1900,
        "IFLA_BR_AGEING_TIME": 20000,
        "IFLA_BR_STP_STATE": 1,
        "IFLA_BR_PRIORITY": 4096,
        "IFLA_BR_VLAN_FILTERING": 1,
    }


def test_a_pair_across_namespaces() -> None:
    fact = veth(End("host", "v0", "02:00:00:00:00:01", 1500), End("ns0", "eth0", "02:00:00:00:00:02", 1400))
    found = by_pyroute2(ifinfmsg, encode.new_veth(fact.b, fact.a, (2, 0), 9, (False, True)))
    told = attributes(found)
    peer = attributes(attributes(told["IFLA_LINKINFO"])["IFLA_INFO_DATA"])["VETH_INFO_PEER"]
    far = attributes(peer)
    assert (told["IFLA_IFNAME"], told["IFLA_MTU"], found["index"]) == ("eth0", 1400, 2)
    assert (far["IFLA_IFNAME"], far["IFLA_ADDRESS"], far["IFLA_NET_NS_FD"]) == ("v0", "02:00:00:00:00:01", 9)
    assert "IFLA_GROUP" not in told
    assert far["IFLA_GROUP"] == GROUP


def test_only_options_that_a_port_does_not_have_anyway_are_sent() -> None:
    assert list(encode.port_options(Port("host", "v0", "br0"))) == []
    (message,) = encode.port_options(Port("host", "v0", "br0", hairpin=True, cost=7))
    info = attributes(attributes(by_pyroute2(ifinfmsg, message))["IFLA_LINKINFO"])
    assert info["IFLA_INFO_SLAVE_KIND"] == "bridge"
    assert attributes(info["IFLA_INFO_SLAVE_DATA"]) == {"IFLA_BRPORT_COST": 7, "IFLA_BRPORT_MODE": 1}


@pytest.mark.parametrize("address", ["10.0.0.1/24", "10.0.0.1/32", "10.0.0.0/31", "fd00::1/64", "fd00::1/128"])
def test_an_address_comes_back(address: str) -> None:
    fact = Address("ns0", "eth0", address)
    message = encode.new_address(fact, 5)
    told = by_pyroute2(ifaddrmsg, message)
    assert f"{attributes(told)['IFA_LOCAL']}/{told['prefixlen']}" == address
    assert ("IFA_FLAGS" in attributes(told)) == (fact.version == 6)
    raw = bytearray(framed(message))
    raw[18] |= codec.IFA_F_PERMANENT  # the kernel says so of what it keeps
    flags = attributes(told).get("IFA_FLAGS")
    if flags is not None:
        at = bytes(raw).rindex(struct.pack("=I", flags))
        raw[at : at + 4] = struct.pack("=I", flags | codec.IFA_F_PERMANENT)
    assert decode.address(bytes(raw), 16, len(raw)) == (5, address)


ROUTES = [
    Route("r", "0.0.0.0/0", "10.0.0.254", "eth0"),
    Route("r", "::/0", "fd00::1", "eth0"),
    Route("r", "10.9.0.0/16", None, "eth0", metric=50),
    Route("r", "10.9.0.0/16", "10.0.0.7", "eth0", table=1000, source="10.0.0.1", onlink=True, mtu=1400),
    Route("r", "192.0.2.0/24", kind="blackhole"),
    Route("r", "2001:db8::/32", kind="unreachable", metric=9),
    Route("r", "198.51.100.0/24", kind="prohibit", table=100),
    Route("r", "10.8.0.0/16", hops=(("10.0.0.2", "eth0", 3), (None, "eth1", 256))),
    Route("r", "2001:db8:1::/48", hops=(("fd00::1", "eth0", 1), ("fd01::1", "eth1", 2))),
]
NAMES = {5: "eth0", 6: "eth1"}


@pytest.mark.parametrize("fact", ROUTES, ids=lambda fact: fact.label())
def test_a_route_comes_back(fact: Route) -> None:
    message = encode.new_route(fact, 5 if fact.device else None, [5, 6][: len(fact.hops)])
    told = by_pyroute2(rtmsg, message)
    assert told["dst_len"] == int(fact.to.partition("/")[2])
    assert attributes(told).get("RTA_GATEWAY") == fact.via
    assert attributes(told)["RTA_TABLE"] == fact.table
    raw = framed(message)
    found = decode.route(raw, 16, len(raw))
    assert found is not None
    assert found.fact("r", NAMES) == fact


@given(st.text("abcdefghij-._0123456789", min_size=1, max_size=15), st.integers(68, 65535))
def test_what_is_encoded_is_decoded(name: str, mtu: int) -> None:
    fact = Bridge("host", name, "02:00:00:00:00:01", mtu, stp=True)
    made = framed(encode.new_bridge(fact, 3, grouped=False))
    found = decode.link(made, 16, len(made))
    assert (found.name, found.index, found.kind, found.up, found.bridge) == (name, 3, "bridge", True, {"stp": 1})
    changed = framed(encode.change_link(name, fact, {"mtu"}))
    assert decode.link(changed, 16, len(changed)).mtu == mtu


@given(st.binary(max_size=200))
def test_rubbish_is_not_decoded_for_ever(raw: bytes) -> None:
    assert len(list(codec.messages(raw))) <= len(raw) // 16
    assert len(list(codec.attributes(raw, 0, len(raw)))) <= len(raw) // 4
