"""Devices of every kind on the machine itself: marked as the lab's, beside those of others, which stay as they are."""

from __future__ import annotations

import shutil
import socket

import pytest

from netlab import names
from netlab.errors import Obstructed
from tests.kernel.stage import Stage, made_up, told
from tests.kernel.test_devices import link, ping

pytestmark = pytest.mark.kernel

MACHINE = pytest.mark.parametrize("sandbox", [False], ids=["machine"])

HERE = """\
name: here
bridges: {br0: {subnet: 10.0.0.0/24}, br1: {address: none}}
macvlans: {mv: {dev: br0, mtu: 1400}}
dummies: {vip: 192.0.2.1/32}
vxlans: {vx: {id: 7, local: 10.0.0.1, remotes: [10.0.0.2], bridge: br1}}
netns: {a: br0}
"""


def _furnish(stage: Stage) -> None:
    """Put on the machine what others have there: devices of the kinds that a lab has, one of them on another."""
    for line in (
        "link add name theirs type ifb",
        "address add 203.0.113.1/32 dev theirs",
        "link add name wire type veth peer name end",
        "link add name mac link wire type macvlan mode private",
        "link add name tunnel mtu 1300 type vxlan id 9 dstport 4789",
    ):
        stage.sh("host", f"ip {line}")
    stage.sh("host", "bridge fdb append 00:00:00:00:00:00 dev tunnel dst 203.0.113.9")


def _theirs(stage: Stage) -> str:
    """Give all that `ip` and `bridge` say of the devices of others."""
    lines = [f"ip -d -o address show dev {name}" for name in ("theirs", "wire", "end", "mac", "tunnel")]
    return stage.sh("host", "; ".join([*lines, "bridge fdb show dev tunnel"]))


@MACHINE
@made_up
def test_devices_of_the_machine_bear_the_labs_marks_and_leave_others_alone(stage: Stage, sandbox: bool) -> None:
    assert not stage.sandbox
    _furnish(stage)
    before = _theirs(stage)
    _applied_beside(stage, HERE)
    for name in ("br0", "mv", "vip", "vx"):
        found = link(stage, "host", name)
        assert (found["ifalias"], found["group"]) == (f"netlab:here/host/{name}", str(names.GROUP))
    ping(stage, "a", "192.0.2.1")
    _drifts_beside(stage, "ip link set dev vip mtu 1300", ["~ dummy host:vip"])
    _drifts_beside(stage, "ip link set dev mv type macvlan mode private", ["~ macvlan host:mv"])
    _drifts_beside(stage, "bridge fdb append 0:0:0:0:0:0 dev vx dst 10.0.0.9", [
        "- forwarding 00:00:00:00:00:00 to 10.0.0.9 on host:vx",
    ])  # fmt: skip
    _drifts_beside(stage, "ip link delete dev mv", ["+ macvlan host:mv"])
    # What others make and change meanwhile is no concern of the lab's.
    stage.sh("host", "ip link set dev tunnel type vxlan ageing 7; ip link add name more type ifb")
    assert told(stage.plan(HERE).plan) == []
    stage.sh("host", "ip link set dev tunnel type vxlan ageing 300; ip link delete dev more")
    # By the marks alone, without the store, all that is the lab's goes.
    shutil.rmtree("/run/netlab")
    stage.destroy()
    assert _theirs(stage) == before
    assert {link["ifname"] for link in stage.ip("host", "link")} == {"lo", "theirs", "wire", "end", "mac", "tunnel"}
    stage.sh("host", "for name in theirs wire tunnel; do ip link delete dev $name; done")


def _applied_beside(stage: Stage, text: str) -> None:
    """Apply a file beside what others have: a second apply would do nothing."""
    before = _theirs(stage)
    stage.apply(text)
    assert _theirs(stage) == before


def _drifts_beside(stage: Stage, line: str, plan: list[str]) -> None:
    stage.sh("host", line)
    assert told(stage.plan(HERE).plan) == plan
    _applied_beside(stage, HERE)


@pytest.mark.parametrize("line", [
    "link add name vip type ifb", "link add name vx type vxlan id 99 dstport 4789", "link add name mv type bridge",
], ids=["dummy", "vxlan", "bridge"])  # fmt: skip
@MACHINE
@made_up
def test_a_name_that_another_device_of_the_machine_has_stops_the_plan(stage: Stage, sandbox: bool, line: str) -> None:
    assert not stage.sandbox
    stage.sh("host", f"ip {line}")
    name = line.split()[3]
    before = stage.ip("host", "-d", "link")
    with pytest.raises(Obstructed, match=f"{name} exists: not netlab's"):
        stage.apply(HERE)
    assert stage.ip("host", "-d", "link") == before
    stage.sh("host", f"ip link delete dev {name}")


@MACHINE
@made_up
def test_a_vxlan_number_that_another_has_undoes_the_apply(stage: Stage, sandbox: bool) -> None:
    assert not stage.sandbox
    stage.sh("host", "ip link add name tunnel type vxlan id 7 dstport 4789")
    done = stage.try_to_apply(HERE)
    assert done.outcome == "undone"
    (problem,) = done.problems
    assert "make vxlan host:vx" in problem.what
    assert "one of that name or number is there already" in problem.what
    assert {link["ifname"] for link in stage.ip("host", "link")} == {"lo", "tunnel"}
    stage.sh("host", "ip link delete dev tunnel")


@MACHINE
@made_up
def test_a_udp_port_that_another_program_has_undoes_the_apply(stage: Stage, sandbox: bool) -> None:
    assert not stage.sandbox
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
        theirs.bind(("", 4789))
        done = stage.try_to_apply(HERE)
    assert done.outcome == "undone"
    (problem,) = done.problems
    assert "make vxlan host:vx: another program has that UDP port" in problem.what
    assert {link["ifname"] for link in stage.ip("host", "link")} == {"lo"}
