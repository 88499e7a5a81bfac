"""What netlab has already and not every kernel can: run where it can, by its capability (see docs/testing.md)."""

from __future__ import annotations

import pytest

from tests.kernel.stage import Stage, made_up, told
from tests.kernel.traffic import echo

pytestmark = pytest.mark.kernel

FILTERING = """\
name: filtering
bridges: {br0: {subnet: 10.0.0.0/24, vlan_filtering: true}}
netns: {a: br0, b: br0}
"""


def _of_bridges(stage: Stage, text: str) -> list[str]:
    """Give what a plan changes, but for the VLANs of ports, which count only while their bridge filters."""
    return [change for change in told(stage.plan(text).plan) if not change.startswith("~ port ")]


def _filters(stage: Stage) -> int:
    (link,) = stage.ip("host", "-d", "link", "show", "br0")
    return int(link["linkinfo"]["info_data"]["vlan_filtering"])


@pytest.mark.needs("vlan_filtering")
@pytest.mark.parametrize("sandbox", [True, False], ids=["sandbox", "machine"])
@made_up
def test_a_bridge_keeps_vlans_apart(stage: Stage, sandbox: bool) -> None:
    """Two nodes of one VLAN hear each other; once one port is in another VLAN they do not, until the other follows."""
    stage.apply(FILTERING)
    assert _filters(stage) == 1
    assert echo(stage, "a", "10.0.0.3") is not None
    ports = [link["ifname"] for link in stage.ip("host", "link", "show", "master", "br0")]
    for port, heard in zip(ports, (False, True), strict=True):
        stage.sh("host", f"bridge vlan del dev {port} vid 1; bridge vlan add dev {port} vid 7 pvid untagged")
        assert (echo(stage, "a", "10.0.0.3") is not None) == heard
    stage.destroy()


@pytest.mark.needs("vlan_filtering")
@made_up
def test_vlan_filtering_is_switched_in_place(stage: Stage) -> None:
    stage.apply(FILTERING)
    before = stage.devices()
    for wanted in ("false", "true"):
        text = FILTERING.replace("true", wanted)
        assert _of_bridges(stage, text) == ["~ bridge host:br0"]
        stage.apply(text)
        assert _filters(stage) == int(wanted == "true")
    assert stage.devices() == before


@pytest.mark.needs("vlan_filtering")
@made_up
def test_filtering_switched_by_hand_is_drift_and_repaired(stage: Stage) -> None:
    stage.apply(FILTERING)
    stage.sh("host", "ip link set br0 type bridge vlan_filtering 0")
    assert _of_bridges(stage, FILTERING) == ["~ bridge host:br0"]
    stage.apply(FILTERING)
    assert _filters(stage) == 1
