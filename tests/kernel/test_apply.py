"""Apply on the real kernel: every normal form, and labs that are large, nested, or of the same names."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab import app
from netlab.errors import UsageError
from tests.kernel.forms import FORMS
from tests.kernel.second_opinion import check
from tests.kernel.stage import Stage, made_up, told
from tests.kernel.traffic import connection, pings

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("sandbox", [True, False], ids=["sandbox", "machine"])
@pytest.mark.parametrize("text", FORMS, ids=lambda text: text.split()[1])
@made_up
def test_what_is_read_back_is_what_was_asked_for(stage: Stage, text: str, sandbox: bool) -> None:
    stage.apply(text)
    check(stage, stage.wants())


@made_up
def test_ipv6_is_forwarded_at_once(stage: Stage) -> None:
    """Without duplicate detection, not even of the link-local addresses that the router solicits with."""
    stage.apply(
        """\
        name: sixes
        netns:
          r: {forwarding: true, interfaces: {a: {address: "fd00:a::1/64"}, b: {address: "fd00:b::1/64"}}}
          a: {interfaces: {eth0: {peer: "r:a", address: "fd00:a::2/64"}}, gateway: "fd00:a::1"}
          b: {interfaces: {eth0: {peer: "r:b", address: "fd00:b::2/64"}}, gateway: "fd00:b::1"}
        """
    )
    for node in ("r", "a", "b"):
        flags = [one for link in stage.ip(node, "-6", "address") for one in link["addr_info"]]
        assert flags
        assert not any(one.get("tentative") for one in flags)
    with connection(stage, "a", "b", "fd00:b::2"):
        pass


@made_up
def test_sixty_nodes_by_a_range(stage: Stage) -> None:
    stage.apply('name: many\nbridges: {br0: 10.0.0.0/24}\nnetns: {"ns{1..60}": br0}\n')
    check(stage, stage.wants())
    with pings(stage, "ns1", "10.0.0.61"):
        pass


@pytest.mark.parametrize("sandbox", [True, False], ids=["sandbox", "machine"])
@made_up
def test_machines_within_the_lab(stage: Stage, sandbox: bool) -> None:
    """Two bridges in one node, joined by a pair of its own; nodes on bridges of nodes that are on bridges of nodes."""
    stage.apply(
        """\
        name: deep
        netns:
          outer:
            forwarding: true
            bridges: {one: {subnet: 10.1.0.0/24}, two: {address: 10.2.0.1/24}, free: }
            veths:
              - [{bridge: "outer:two", name: x}, {bridge: "outer:free", name: y}]
              - [{name: p, address: 10.7.0.1/24}, {name: q}]
            routes: [{to: 10.3.0.0/24, via: middle}]
          middle:
            forwarding: true
            interfaces: {eth0: {bridge: "outer:one"}}
            bridges: {in: {subnet: 10.3.0.0/24}}
            gateway: auto
          inner: {interfaces: {eth0: {bridge: "middle:in"}}, gateway: auto}
          side: {interfaces: {eth0: {bridge: "outer:free", address: 10.2.0.2/24}}, gateway: 10.2.0.1}
        """
    )
    check(stage, stage.wants())
    for node, address in (("inner", "10.1.0.1"), ("side", "10.2.0.1")):
        with pings(stage, node, address):
            pass


@made_up
def test_a_line_of_three_hundred_cabled_nodes(stage: Stage) -> None:
    nodes = "".join(
        f"  n{i}: {{forwarding: true, interfaces: {{{_cable(i)}}}, routes: [{_way(i)}]}}\n" for i in range(300)
    )
    text = f"name: line\nnetns:\n{nodes}"
    stage.apply(text)
    assert len(stage.nodes()) == 301
    stage.sh("n0", "ip link set e mtu 1400")
    assert told(stage.plan(text).plan) == ["~ veth n0:e <-> n1:w"]
    stage.apply(text.replace("n150:", "other:").replace("n150:w", "other:w"))


def _cable(number: int) -> str:
    """A link to the next node to the east, and the end of the one from the west."""
    west = f"w: {{address: 10.{number // 256}.{number % 256}.2/24}}" if number else ""
    east = f'e: {{peer: "n{number + 1}:w", address: 10.{(number + 1) // 256}.{(number + 1) % 256}.1/24}}'
    return ", ".join(one for one in (west, east if number < 299 else "") if one)


def _way(number: int) -> str:
    return f"{{to: 10.128.0.0/16, via: 10.{number // 256}.{number % 256}.1}}" if number else ""


@made_up
def test_labs_of_the_same_names_in_sandboxes_do_not_see_each_other(stage: Stage) -> None:
    text = "name: {}\nbridges: {{br0: 10.0.0.0/24}}\nnetns: {{a: br0, b: br0}}\n"
    other = Stage(file=Path("/run/stage/other.yml"))
    stage.apply(text.format("one"))
    other.apply(text.format("two"))
    check(stage, stage.wants())
    check(other, other.wants())
    with connection(stage, "a", "b", "10.0.0.3"), connection(other, "a", "b", "10.0.0.3"):
        other.apply(text.format("two").replace("b: br0", "b: br0, c: br0"))
        assert {status.lab: status.node_count for status in app.status()} == {"one": 2, "two": 3}
        assert [status.lab for status in app.status(str(other.file))] == ["two"]
        assert stage.nodes() == ["host", "a", "b"]
    other.destroy()
    with pytest.raises(UsageError, match=f"no lab 'two' is up\n  fix: netlab apply {other.file}"):
        app.status(str(other.file))
    check(stage, stage.wants())
