"""Devices of the machine that a lab uses: plugged in and stood on, let go of, never made, changed or deleted."""

from __future__ import annotations

from typing import Any

import pytest

from netlab import app
from netlab.errors import FileError, Obstructed
from netlab.topology import read
from tests.kernel.stage import Stage, made_up, told
from tests.kernel.traffic import echo

pytestmark = pytest.mark.kernel

on_the_machine = pytest.mark.parametrize("sandbox", [False])
#: The machine's own device, and a neighbour of the machine behind it.
MACHINE = """
ip netns add lan
ip link add eth7 type veth peer name eth0 netns lan
ip link set eth7 up
ip address add 192.0.2.1/24 dev eth7
ip -n lan link set eth0 up
ip -n lan address add 192.0.2.9/24 dev eth0
"""
PLUGGED = """
name: used
external: {eth7: {bridge: br0}}
bridges: {br0: {stp: false}}
netns: {a: {interfaces: {eth0: {bridge: br0, address: 192.0.2.2/24}}}}
"""
STOOD_ON = """
name: used
external: {eth7: }
macvlans: {mv: {dev: eth7, address: 192.0.2.3/24}}
"""


def eth7(stage: Stage) -> dict[str, Any]:
    """Give the machine's device, but for what passes through it."""
    (link,) = stage.ip("host", "-d", "link", "show", "dev", "eth7")
    (address,) = stage.ip("host", "address", "show", "dev", "eth7")
    keys = ("ifindex", "address", "mtu", "flags", "master", "ifalias", "group", "promiscuity")
    given = [one["local"] for one in address["addr_info"] if one["family"] == "inet"]
    return {key: link.get(key) for key in keys} | {"given": given}


@on_the_machine
@made_up
def test_it_is_plugged_in_and_freed_as_it_was(stage: Stage, sandbox: bool) -> None:
    stage.sh("host", MACHINE)
    before = eth7(stage)
    done = stage.apply(PLUGGED)
    assert "+ port host:eth7 in br0" in told(done.plan)
    assert not any("external" in change for change in told(done.plan))
    assert eth7(stage)["master"] == "br0"
    assert echo(stage, "a", "192.0.2.9") is not None
    stage.sh("host", "ip link set eth7 nomaster")
    assert [f"{c.action.glyph} {c.fact.label()}" for c in app.drift("used").changes] == ["+ port host:eth7 in br0"]
    stage.apply(PLUGGED)
    assert echo(stage, "a", "192.0.2.9") is not None
    stage.apply(PLUGGED.replace("{bridge: br0}}\nbridges", "}\nbridges"))
    assert eth7(stage) == before
    stage.apply(PLUGGED)
    stage.apply(PLUGGED.replace("external: {eth7: {bridge: br0}}\n", ""))
    assert eth7(stage) == before
    stage.apply(PLUGGED)
    stage.destroy()
    assert eth7(stage) == before
    stage.sh("host", "ip link delete eth7; ip netns delete lan")


@on_the_machine
@made_up
def test_others_stand_on_it(stage: Stage, sandbox: bool) -> None:
    stage.sh("host", MACHINE)
    before = eth7(stage)
    stage.apply(STOOD_ON)
    assert stage.ip("host", "link", "show", "dev", "mv")[0]["link"] == "eth7"
    stage.sh("host", "ip link delete mv")
    assert told(stage.apply(STOOD_ON).plan) == ["+ macvlan host:mv", "+ address 192.0.2.3/24 on host:mv"]
    stage.destroy()
    assert eth7(stage) == before
    stage.sh("host", "ip link delete eth7; ip netns delete lan")


@on_the_machine
@made_up
def test_one_that_is_not_there_is_told_before_anything_is_done(stage: Stage, sandbox: bool) -> None:
    with pytest.raises(Obstructed, match="this machine has no device eth7"):
        stage.try_to_apply(PLUGGED)
    assert app.status() == ()
    stage.sandbox = True
    with pytest.raises(Obstructed, match="a sandbox has none of its devices"):
        stage.try_to_apply(PLUGGED)


def test_what_a_file_cannot_say_of_it() -> None:
    for text, words in (
        ("external: {eth7: {bridge: br1}}", "host has no bridge 'br1'"),
        ("netns: {a: {external: {eth7: }}}", "nothing is in it already"),
        ("external: {eth7: }\ninterfaces: {eth7: {address: 10.0.0.1/24}}", "are the machine's"),
        ("external: {eth7: }\ndummies: {eth7: }", "stands twice"),
        ("external: {eth7: {address: 10.0.0.1/24}}", "unknown key 'address'"),
        ("external: {eth7: 7}", "is a mapping, not a number"),
    ):
        with pytest.raises(FileError, match=words):
            read(f"name: x\n{text}\n".encode(), "x.yml", sandboxed=False)
