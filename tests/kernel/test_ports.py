"""What is said of ports of bridges: read back by iproute2, seen by who hears whom, changed in place, spoilt, mended."""

from __future__ import annotations

import json

import pytest

from tests.kernel.stage import Stage, made_up, told
from tests.kernel.traffic import echo

pytestmark = pytest.mark.kernel

ADDRESSES = {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.0.0.3"}
LAB = """\
name: ports
netns:
  s: {bridges: {br0: {}}, veths: [[{netns: b, name: eth0, address: 10.0.0.2/24}, {bridge: "s:br0", name: vb, B}]]}
  a: {interfaces: {eth0: {bridge: "s:br0", address: 10.0.0.1/24, A}}}
  b:
  c: {interfaces: {eth0: {bridge: "s:br0", address: 10.0.0.3/24, C}}}
"""
SWITCHES = ("isolated", "hairpin", "learning", "flood")


def lab(**said: str) -> str:
    text = LAB
    for node in "abc":
        text = text.replace(f", {node.upper()}}}", f", {said[node]}}}" if node in said else "}")
    return text


def switches(stage: Stage) -> dict[str, dict[str, bool]]:
    """Give what each port is switched to, by the node at its other end."""
    rows = json.loads(stage.run("s", "bridge", "-j", "-d", "link", "show"))
    indices = {link["link_index"]: node for node in "abc" for link in stage.ip(node, "link", "show", "eth0")}
    links = {link["ifname"]: link["ifindex"] for link in stage.ip("s", "link", "show", "master", "br0")}
    return {indices[links[row["ifname"]]]: {name: row[name] for name in SWITCHES} for row in rows}


def hears(stage: Stage) -> set[str]:
    """Give who has an answer from whom."""
    pairs = [(one, other) for one in ADDRESSES for other in ADDRESSES if one != other]
    return {one + other for one, other in pairs if echo(stage, one, ADDRESSES[other]) is not None}


@made_up
def test_isolated_ports_hear_the_third_and_not_each_other(stage: Stage) -> None:
    stage.apply(lab(a="isolated: true", b="isolated: true"))
    assert hears(stage) == {"ac", "ca", "bc", "cb"}
    before = stage.devices()
    alone = lab(a="isolated: true")
    assert [line[:8] for line in told(stage.plan(alone).plan)] == ["~ port s"]
    stage.apply(alone)
    assert stage.devices() == before
    assert hears(stage) == {"ab", "ba", "ac", "ca", "bc", "cb"}


@made_up
def test_switches_are_read_back_and_mended(stage: Stage) -> None:
    born = {"isolated": False, "hairpin": False, "learning": True, "flood": True}
    text = lab(a="hairpin: true, learning: false", b="flood: false", c="isolated: true")
    stage.apply(text)
    assert switches(stage) == {
        "a": {**born, "hairpin": True, "learning": False},
        "b": {**born, "flood": False},
        "c": {**born, "isolated": True},
    }
    stage.sh("s", "bridge link set dev vb flood on isolated on")
    assert told(stage.plan(text).plan) == ["~ port s:vb in br0"]
    stage.apply(text)
    assert switches(stage)["b"] == {**born, "flood": False}
    stage.apply(lab())
    assert switches(stage) == {"a": born, "b": born, "c": born}


@pytest.mark.needs("vxlan")
@made_up
def test_a_tunnel_that_learns_nothing_is_a_port_that_learns(stage: Stage) -> None:
    stage.apply(
        """\
        name: tunnel
        netns:
          a:
            bridges: {br0: {}}
            interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24}}
            vxlans: {vx0: {id: 1, local: 10.0.0.1, remotes: 10.0.0.2, bridge: br0, learning: false, isolated: true}}
          b: {interfaces: {eth0: {address: 10.0.0.2/24}}}
        """
    )
    (row,) = json.loads(stage.run("a", "bridge", "-j", "-d", "link", "show"))
    assert (row["learning"], row["isolated"]) == (True, True)
