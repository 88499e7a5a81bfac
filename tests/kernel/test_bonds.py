"""Bonds by a file: read back by iproute2, talked through while cables fail, changed, spoilt by hand, mended."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.stage import Stage, made_up, told, until
from tests.kernel.traffic import connection

pytestmark = [pytest.mark.kernel, pytest.mark.needs("bond")]

BOND = """\
name: bond
netns:
  a:
    interfaces: {eth0: {peer: "b:eth0"}, eth1: {peer: "b:eth1"}}
    bonds: {bond0: {devices: [eth0, eth1], primary: eth0, address: 10.0.0.1/24, mtu: 1400}}
  b:
    interfaces: {eth0: {}, eth1: {}}
    bonds: {bond0: {devices: [eth0, eth1], primary: eth0, miimon: 50ms, address: 10.0.0.2/24, mtu: 1400}}
"""
LACP = """\
name: lacp
netns:
  a:
    interfaces: {eth0: {peer: "b:eth0"}, eth1: {peer: "b:eth1"}}
    bonds: {bond0: {mode: 802.3ad, lacp_rate: fast, xmit_hash_policy: layer3+4, devices: [eth0, eth1], bridge: br1}}
    bridges: {br1: {address: 10.0.0.1/24}}
  b:
    interfaces: {eth0: {}, eth1: {}}
    bonds: {bond0: {mode: 802.3ad, lacp_rate: fast, devices: [eth1, eth0], address: 10.0.0.2/24}}
"""


def _link(stage: Stage, node: str, name: str) -> dict[str, Any]:
    (found,) = stage.ip(node, "-d", "link", "show", "dev", name)
    return found


def _bond(stage: Stage, node: str) -> dict[str, Any]:
    return dict(_link(stage, node, "bond0")["linkinfo"]["info_data"])


def _distributes(stage: Stage, node: str, name: str) -> bool:
    """Tell whether both ends of a cable send by it (bit 5 of a port's state in IEEE 802.1AX)."""
    found = _link(stage, node, name)["linkinfo"]["info_slave_data"]
    return bool(found["ad_actor_oper_port_state"] & found["ad_partner_oper_port_state"] & 0x20)


@made_up
def test_traffic_goes_on_when_a_cable_fails(stage: Stage) -> None:
    stage.apply(BOND)
    bond, member = _link(stage, "a", "bond0"), _link(stage, "a", "eth1")
    assert (bond["mtu"], member["mtu"]) == (1400, 1400)
    assert member["master"] == "bond0"
    assert member["address"] == bond["address"]
    found = _bond(stage, "a")
    assert (found["mode"], found["miimon"], found["primary"]) == ("active-backup", 100, "eth0")
    assert found["active_slave"] == "eth0"
    with connection(stage, "a", "b", "10.0.0.2") as traffic:
        stage.sh("b", "ip link set dev eth0 down")
        until(lambda: _bond(stage, "a")["active_slave"] == _bond(stage, "b")["active_slave"] == "eth1")
        traffic.alive()
        assert told(stage.plan(BOND).plan) == ["~ veth a:eth0 <-> b:eth0"]
        stage.apply(BOND)
        until(lambda: _bond(stage, "a")["active_slave"] == "eth0")
        stage.sh("b", "ip link set dev eth1 down")
        until(lambda: _bond(stage, "b")["active_slave"] == "eth0")
        traffic.alive()


@made_up
def test_what_changes_in_place_and_what_is_made_anew(stage: Stage) -> None:
    stage.apply(BOND)
    before = stage.devices()
    live = BOND.replace("primary: eth0, address", "primary: eth1, miimon: 30ms, address", 1)
    live = live.replace("10.0.0.1/24, mtu: 1400", "10.0.0.1/24")
    assert set(told(stage.plan(live).plan)) == {"~ bond a:bond0"} | {f"~ veth a:eth{n} <-> b:eth{n}" for n in (0, 1)}
    stage.apply(live)
    assert stage.devices() == before
    assert (_bond(stage, "a")["primary"], _link(stage, "a", "eth0")["mtu"]) == ("eth1", 1500)
    none = live.replace("primary: eth1, ", "")
    stage.apply(none)
    assert "primary" not in _bond(stage, "a")
    other = none.replace("devices: [eth0, eth1], miimon: 30ms", "devices: [eth0, eth1], mode: balance-xor")
    assert set(told(stage.plan(other).plan)) == {
        "± bond a:bond0", "± address 10.0.0.1/24 on a:bond0",
        "± member a:eth0 of bond bond0", "± member a:eth1 of bond bond0",
    } | {f"~ veth a:eth{n} <-> b:eth{n}" for n in (0, 1)}  # fmt: skip
    stage.apply(other)
    assert (_bond(stage, "a")["mode"], _bond(stage, "a")["xmit_hash_policy"]) == ("balance-xor", "layer2")
    assert stage.devices().keys() == before.keys()


@made_up
def test_members_come_and_go_and_get_their_own_back(stage: Stage) -> None:
    stage.apply(BOND)
    own = _link(stage, "a", "eth1")["linkinfo"]["info_slave_data"]["perm_hwaddr"]
    freed = BOND.replace('peer: "b:eth1"', 'peer: "b:eth1", mtu: 1300, address: 10.9.0.1/24', 1)
    freed = freed.replace("[eth0, eth1], primary", "[eth0], primary")
    stage.apply(freed)
    alone = _link(stage, "a", "eth1")
    assert (alone["address"], alone["mtu"], "UP" in alone["flags"]) == (own, 1300, True)
    stage.apply(BOND)
    for line in (
        "ip link set dev eth1 nomaster",
        "ip link delete dev bond0",
        "ip link set dev bond0 type bond miimon 7",
        "ip link set dev eth0 down; ip link set dev eth0 mtu 1200",
        "ip link delete dev eth0",
    ):
        stage.sh("a", line)
        assert stage.plan(BOND).plan, line
        stage.apply(BOND)
    assert _bond(stage, "a")["primary"] == "eth0"
    until(lambda: _bond(stage, "a")["active_slave"] == _bond(stage, "b")["active_slave"] == "eth0")
    with connection(stage, "a", "b", "10.0.0.2"):
        pass


@made_up
def test_lacp_and_a_bond_in_a_bridge(stage: Stage) -> None:
    stage.apply(LACP)
    assert _bond(stage, "a")["ad_lacp_rate"] == "fast"
    until(lambda: all(_distributes(stage, node, name) for node in ("a", "b") for name in ("eth0", "eth1")))
    assert _bond(stage, "b")["ad_info"]["num_ports"] == 2
    with connection(stage, "a", "b", "10.0.0.2"):
        pass
    stage.destroy()
