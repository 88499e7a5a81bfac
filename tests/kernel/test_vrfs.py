"""VRFs by a file: two networks with the same addresses, told apart by a router; changed, spoilt by hand, mended."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.stage import Stage, made_up, told
from tests.kernel.traffic import echo

pytestmark = [pytest.mark.kernel, pytest.mark.needs("vrf")]

VRF = """\
name: vrf
netns:
  r1:
    forwarding: true
    interfaces:
      eth0: {peer: "a1:eth0", addresses: [10.0.0.1/24, "fd00::1/64"]}
      eth1: {peer: "a2:eth0", address: 10.0.1.1/24}
      eth2: {peer: "b1:eth0", address: 10.0.0.1/24}
      eth3: {peer: "b2:eth0", address: 10.0.1.1/24}
    vrfs:
      red: {table: 10, devices: [eth0, eth1]}
      blue: {table: 20, devices: [eth2, eth3], address: 192.0.2.20/32}
    routes:
      - {to: 172.16.0.0/24, via: 10.0.1.2, table: 10}
      - {to: 172.16.0.0/24, via: 10.0.1.2, dev: eth3, table: 20}
      - {to: "fd99::/64", via: "fd00::2", table: 10}
      - {to: default, unreachable: true, table: 10, metric: 1000}
  a1: {interfaces: {eth0: {addresses: [10.0.0.2/24, "fd00::2/64"]}}, gateway: 10.0.0.1}
  a2: {interfaces: {eth0: {address: 10.0.1.2/24}}, gateway: 10.0.1.1, dummies: {d0: 172.16.0.1/32}}
  b1: {interfaces: {eth0: {address: 10.0.0.2/24}}, gateway: 10.0.0.1}
  b2: {interfaces: {eth0: {address: 10.0.1.2/24}}, gateway: 10.0.1.1, dummies: {d0: 172.16.0.2/32}}
"""
ROUTES = {
    "10": {"10.0.0.0/24", "10.0.1.0/24", "172.16.0.0/24", "default"},
    "20": {"10.0.0.0/24", "10.0.1.0/24", "172.16.0.0/24"},
}


def _routes(stage: Stage, table: str) -> set[str]:
    rows: list[dict[str, Any]] = stage.ip("r1", "route", "show", "table", table)
    return {row["dst"] for row in rows if row.get("type", "unicast") not in ("local", "broadcast")}


def _answers(stage: Stage) -> None:
    """Fail unless each network reaches what is behind its own router, and not the other's."""
    for node, other, address in (("a1", "b1", "172.16.0.1"), ("b1", "a1", "172.16.0.2")):
        assert echo(stage, node, address) is not None
        assert echo(stage, other, address) is None


@made_up
def test_two_networks_of_the_same_addresses_are_apart(stage: Stage) -> None:
    stage.apply(VRF)
    assert {table: _routes(stage, table) for table in ROUTES} == ROUTES
    assert _routes(stage, "main") == set()
    _answers(stage)


@made_up
def test_what_is_changed_and_what_goes_along(stage: Stage) -> None:
    stage.apply(VRF)
    before = stage.devices()
    other = VRF.replace("table: 10", "table: 11")
    plan = told(stage.plan(other).plan)
    assert {"± vrf r1:red", "± member r1:eth0 of vrf red", "± address fd00::1/64 on r1:eth0"} <= set(plan)
    assert not [line for line in plan if "blue" in line or "address 10." in line]
    stage.apply(other)
    _answers(stage)
    assert {name for name, index in before.items() if stage.devices()[name] != index} <= {"r1:red"}
    # eth1 leaves the one VRF for the main table, eth3 the other for none.
    moved = VRF.replace("[eth0, eth1]", "[eth0]").replace("[eth2, eth3]", "[eth2]")
    moved = moved.replace("dev: eth3, table: 20", "table: 20, dev: eth2, onlink: true")
    moved = moved.replace("via: 10.0.1.2, table: 10", "via: 10.0.1.2, dev: eth1")
    moved = moved.replace('b2:eth0", address: 10.0.1.1/24', 'b2:eth0"')
    moved = moved.replace("gateway: 10.0.1.1, dummies: {d0: 172.16.0.2", "dummies: {d0: 172.16.0.2")
    stage.apply(moved)
    assert _routes(stage, "main") == {"10.0.1.0/24", "172.16.0.0/24"}
    stage.apply(VRF)
    _answers(stage)
    bare = VRF[: VRF.index("    vrfs:")] + VRF[VRF.index("  a1:") :]
    bare = bare.replace('eth2: {peer: "b1:eth0", address: 10.0.0.1/24}', 'eth2: {peer: "b1:eth0"}')
    bare = bare.replace('eth3: {peer: "b2:eth0", address: 10.0.1.1/24}', 'eth3: {peer: "b2:eth0"}')
    stage.apply(bare)
    assert _routes(stage, "main") == {"10.0.0.0/24", "10.0.1.0/24"}


@made_up
def test_drift_is_mended(stage: Stage) -> None:
    stage.apply(VRF)
    for line in (
        "ip link set dev eth0 nomaster",
        "ip link set dev eth1 master blue",
        "ip link delete dev red",
        "ip link set dev blue down",
        "ip route delete 172.16.0.0/24 table 20",
        "ip link delete dev eth3",
    ):
        stage.sh("r1", line)
        assert stage.plan(VRF).plan, line
        stage.apply(VRF)
        assert {table: _routes(stage, table) for table in ROUTES} == ROUTES, line
    _answers(stage)
