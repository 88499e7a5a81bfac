"""Access and trunk ports by a file: read back by iproute2, talked through, changed, spoilt by hand, mended."""

from __future__ import annotations

import json

import pytest

from tests.kernel.stage import Stage, made_up, told
from tests.kernel.traffic import echo

pytestmark = [pytest.mark.kernel, pytest.mark.needs("vlan_filtering", "vlan")]

PORTS = """\
name: ports
netns:
  s: {bridges: {br0: {vlan_filtering: true}, br1: {}}}
  a: {interfaces: {eth0: {bridge: "s:br0", vlan: 10, address: 10.0.0.1/24}}}
  b: {interfaces: {eth0: {bridge: "s:br0", vlan: 20, address: 10.0.0.2/24}}}
  t:
    interfaces: {eth0: {bridge: "s:br0", trunk: [10, 30-32], native: 5}}
    vlans: {v10: {dev: eth0, id: 10, address: 10.0.0.3/24}}
  u: {interfaces: {eth0: {bridge: "s:br0", address: 10.0.9.1/24}}}
"""


def _vlans(stage: Stage) -> list[dict[int, list[str]]]:
    """Give the VLANs of each port of br0, each with its flags, sorted."""
    rows = json.loads(stage.run("s", "bridge", "-j", "vlan", "show"))
    ports = [row["vlans"] for row in rows if row["ifname"] not in ("br0", "br1")]
    found = []
    for port in ports:
        flat: dict[int, list[str]] = {}
        for one in port:
            for number in range(one["vlan"], one.get("vlanEnd", one["vlan"]) + 1):
                flat[number] = one.get("flags", [])
        found.append(flat)
    return sorted(found, key=str)


ALONE = ["PVID", "Egress Untagged"]


@made_up
def test_ports_are_in_their_vlans_only(stage: Stage) -> None:
    stage.apply(PORTS)
    ports = [{10: ALONE}, {20: ALONE}, {5: ALONE, 10: [], 30: [], 31: [], 32: []}, {1: ALONE}]
    assert [port for port in _vlans(stage) if port] == sorted(ports, key=str)
    assert echo(stage, "a", "10.0.0.3") is not None
    assert echo(stage, "a", "10.0.0.2") is None
    before = stage.devices()
    joined = PORTS.replace("vlan: 20", "vlan: 10").replace("[10, 30-32], native: 5", "[10, 31]")
    plan = told(stage.plan(joined).plan)
    assert [line[:8] for line in plan] == ["~ port s"] * 2
    stage.apply(joined)
    assert stage.devices() == before
    assert echo(stage, "a", "10.0.0.2") is not None
    assert echo(stage, "b", "10.0.0.3") is not None
    assert {10: [], 31: []} in _vlans(stage)


@made_up
def test_drift_and_a_bridge_that_keeps_them_apart_no_more(stage: Stage) -> None:
    stage.apply(PORTS)
    name = next(link["ifname"] for link in stage.ip("s", "link", "show", "master", "br0"))
    for line in (
        f"bridge vlan add vid 77 dev {name}",
        f"bridge vlan add vid 78 pvid untagged dev {name}",
        f"bridge vlan delete vid 1-100 dev {name}",
        "ip link set dev br0 type bridge vlan_filtering 0",
    ):
        stage.sh("s", line)
        assert stage.plan(PORTS).plan, line
        stage.apply(PORTS)
    plain = PORTS.replace("{vlan_filtering: true}", "{}").replace("vlan: 10, ", "").replace("vlan: 20, ", "")
    plain = plain.replace(", trunk: [10, 30-32], native: 5", "")
    assert told(stage.plan(plain).plan) == ["~ bridge s:br0"]
    stage.apply(plain)
    assert echo(stage, "a", "10.0.0.2") is not None
    stage.apply(PORTS)
    assert echo(stage, "a", "10.0.0.3") is not None
