"""Policy rules and neighbours on the real kernel: packets take the table's way, and ask nobody."""

from __future__ import annotations

import pytest

from netlab.errors import FileError
from tests.kernel.stage import Stage, made_up, told
from tests.kernel.traffic import echo

pytestmark = pytest.mark.kernel

#: Two ways from a to `far`, by r1 and by r2; packets of a's second address go by r2.
LAB = """
name: ways
netns:
  a:
    interfaces:
      eth1: {peer: "r1:eth0", addresses: [10.1.0.1/24, "fd01::1/64"]}
      eth2: {peer: "r2:eth0", addresses: [10.2.0.1/24, "fd02::1/64"]}
    routes:
      - {to: default, via: 10.1.0.2}
      - {to: default, via: 10.2.0.2, table: 100}
      - {to: default, via: "fd02::2", table: 100}
    rules: [RULES]
  r1: {forwarding: true, interfaces: {eth0: {addresses: [10.1.0.2/24, "fd01::2/64"]}}}
  r2: {forwarding: true, interfaces: {eth0: {addresses: [10.2.0.2/24, "fd02::2/64"]}}}
"""
RULES = (
    '{from: 10.2.0.0/16, table: 100}, {from: "fd02::/16", table: 100, priority: 7}, {to: 192.0.2.0/24, prohibit: true}'
)
NEIGHBOURS = """
name: known
netns:
  a: {interfaces: {eth0: {peer: "b:eth0", addresses: [10.0.0.1/24, "fd00::1/64"]}}, neighbours: [KNOWN]}
  b: {interfaces: {eth0: {addresses: [10.0.0.2/24, "fd00::2/64"], mac: "02:00:00:00:00:02"}}}
"""
KNOWN = '{address: 10.0.0.2, mac: "02:00:00:00:00:02"}, {address: "fd00::2", mac: "02:00:00:00:00:02", dev: eth0}'


def lab(rules: str = RULES) -> str:
    return LAB.replace("RULES", rules)


def known(neighbours: str = KNOWN) -> str:
    return NEIGHBOURS.replace("KNOWN", neighbours)


def rules(stage: Stage, version: int = 4) -> list[str]:
    """Give the rules that are not the kernel's, by ip."""
    own = [rule for rule in stage.ip("a", f"-{version}", "rule") if rule["priority"] not in (0, 32766, 32767)]
    return [f"{rule['priority']} {rule['src']} {rule.get('table', rule.get('action'))}" for rule in own]


def way(stage: Stage, source: str, to: str = "203.0.113.1") -> str:
    return str(stage.ip("a", "route", "get", to, "from", source)[0]["dev"])


@made_up
def test_packets_take_the_way_of_their_rule(stage: Stage) -> None:
    stage.apply(lab())
    assert rules(stage) == ["10000 10.2.0.0 100", "10002 all prohibit"]
    assert rules(stage, 6) == ["7 fd02:: 100"]
    assert (way(stage, "10.1.0.1"), way(stage, "10.2.0.1")) == ("eth1", "eth2")
    assert way(stage, "fd02::1", "2001:db8::1") == "eth2"
    assert "Permission denied" in stage.sh("a", "ip route get 192.0.2.1 2>&1 || true")
    devices = stage.devices()
    done = stage.apply(lab("{from: 10.2.0.0/16, table: main, priority: 5}"))
    assert sorted(told(done.plan)) == [
        "+ rule 5: from 10.2.0.0/16 lookup main in a",
        "- rule 10000: from 10.2.0.0/16 lookup 100 in a",
        "- rule 10002: from all to 192.0.2.0/24 prohibit in a",
        "- rule 7: from fd02::/16 lookup 100 in a",
    ]
    assert stage.devices() == devices
    assert way(stage, "10.2.0.1") == "eth1"


@made_up
def test_rules_by_hand_are_drift(stage: Stage) -> None:
    stage.apply(lab())
    stage.sh(
        "a", "ip rule delete priority 10000; ip rule add from 10.9.0.0/16 ipproto tcp dport 80 lookup 7 priority 9"
    )
    stage.sh("r1", "ip -6 rule add fwmark 0x1/0xff iif eth0 blackhole priority 3")
    done = stage.apply(lab())
    assert sorted(told(done.plan)) == [
        "+ rule 10000: from 10.2.0.0/16 lookup 100 in a",
        "- rule 3: from all fwmark 0x1/0xff iif eth0 blackhole in r1",
        "- rule 9: something else in a",
    ]
    assert rules(stage) == ["10000 10.2.0.0 100", "10002 all prohibit"]


@made_up
def test_who_is_known_is_not_asked_for(stage: Stage) -> None:
    stage.apply(known())
    assert echo(stage, "a", "10.0.0.2") is not None
    found = {(one["dst"], one["lladdr"], one["state"][0]) for one in stage.ip("a", "neighbour")}
    assert {("10.0.0.2", "02:00:00:00:00:02", "PERMANENT"), ("fd00::2", "02:00:00:00:00:02", "PERMANENT")} <= found
    devices = stage.devices()
    done = stage.apply(known(KNOWN.replace("00:02", "00:03", 1)))
    assert told(done.plan) == ["~ neighbour 10.0.0.2 on a:eth0"]
    assert stage.devices() == devices
    assert echo(stage, "a", "10.0.0.2") is None, "nobody has that MAC, and nobody was asked"
    stage.sh("a", "ip neighbour delete fd00::2 dev eth0; ip neighbour add 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0")
    done = stage.apply(known())
    assert sorted(told(done.plan)) == [
        "+ neighbour fd00::2 on a:eth0",
        "- neighbour 10.0.0.9 on a:eth0",
        "~ neighbour 10.0.0.2 on a:eth0",
    ]


@made_up
def test_neighbours_come_back_after_what_makes_the_kernel_forget_them(stage: Stage) -> None:
    stage.apply(known())
    for key in ("mac: '02:00:00:00:00:77'", "mtu: 1400"):
        stage.apply(known().replace("eth0: {peer", f"eth0: {{{key}, peer"))
    stage.sh("a", "ip link set dev eth0 down; ip link set dev eth0 up")
    done = stage.apply(known())
    assert "+ neighbour 10.0.0.2 on a:eth0" in told(done.plan)


def test_the_machines_own_rules_are_not_a_labs() -> None:
    from netlab.topology import read

    with pytest.raises(FileError, match="would be everybody's"):
        read(b"name: x\nrules: [{from: 10.0.0.0/8, table: 7}]\n", "x.yml", sandboxed=False)


WAYS = """
name: several
netns:
  a:
    interfaces:
      eth1: {peer: "r1:eth0", addresses: [10.1.0.1/24, "fd01::1/64"] ONE}
      eth2: {peer: "r2:eth0", addresses: [10.2.0.1/24, "fd02::1/64"]}
    routes:
      - {to: 10.9.0.0/16, HOPS4}
      - {to: "fd09::/16", HOPS6}
  r1: {interfaces: {eth0: {addresses: [10.1.0.2/24, "fd01::2/64"]}}}
  r2: {interfaces: {eth0: {addresses: [10.2.0.2/24, "fd02::2/64"]}}}
"""
HOPS4 = "hops: [{via: 10.1.0.2, weight: 3}, {via: 10.2.0.2}]"
HOPS6 = 'hops: [{via: "fd01::2"}, {via: "fd02::2", weight: 7}]'


def ways(four: str = HOPS4, six: str = HOPS6, one: str = "") -> str:
    return WAYS.replace("HOPS4", four).replace("HOPS6", six).replace("ONE", one)


def hops(stage: Stage, version: int, to: str) -> list[tuple[str, int]]:
    (route,) = stage.ip("a", f"-{version}", "route", "show", to)
    return sorted((hop["gateway"], hop["weight"]) for hop in route.get("nexthops", ()))


@made_up
def test_flows_are_shared_out_over_several_ways(stage: Stage) -> None:
    stage.apply(ways())
    assert hops(stage, 4, "10.9.0.0/16") == [("10.1.0.2", 3), ("10.2.0.2", 1)]
    assert hops(stage, 6, "fd09::/16") == [("fd01::2", 1), ("fd02::2", 7)]
    devices = stage.devices()
    done = stage.apply(ways("hops: [{via: 10.1.0.2}, {via: 10.2.0.2, weight: 2}]", 'via: "fd02::2"'))
    assert sorted(told(done.plan)) == ["~ route 10.9.0.0/16 by 2 ways in a", "~ route fd09::/16 via fd02::2 in a"]
    assert stage.devices() == devices
    assert hops(stage, 4, "10.9.0.0/16") == [("10.1.0.2", 1), ("10.2.0.2", 2)]
    assert hops(stage, 6, "fd09::/16") == []
    done = stage.apply(ways("via: 10.1.0.2"))
    assert sorted(told(done.plan)) == ["~ route 10.9.0.0/16 via 10.1.0.2 in a", "~ route fd09::/16 by 2 ways in a"]
    stage.sh("a", "ip route replace 10.9.0.0/16 nexthop via 10.1.0.2 nexthop via 10.2.0.2")
    assert told(stage.apply(ways("via: 10.1.0.2")).plan) == ["~ route 10.9.0.0/16 via 10.1.0.2 in a"]


@made_up
def test_a_device_of_several_changes_and_goes(stage: Stage) -> None:
    stage.apply(ways())
    for one in (", mtu: 1400", ", mac: '02:00:00:00:00:99'", ""):
        stage.apply(ways(one=one))
    stage.sh("a", "ip link set dev eth1 down; ip link set dev eth1 up")
    stage.apply(ways())
    stage.sh(
        "a", "ip link set dev eth1 down; ip link set dev eth2 down; ip link set dev eth1 up; ip link set dev eth2 up"
    )
    stage.apply(ways())
    stage.sh("a", "ip link delete dev eth1")
    stage.apply(ways())
    assert hops(stage, 4, "10.9.0.0/16") == [("10.1.0.2", 3), ("10.2.0.2", 1)]
    stage.apply(ways().replace('eth1: {peer: "r1:eth0"', 'eth7: {peer: "r1:eth0"'))
    assert hops(stage, 6, "fd09::/16") == [("fd01::2", 1), ("fd02::2", 7)]
    stage.apply(ways().replace("10.1.0.1/24", "10.1.0.7/24"))
    assert hops(stage, 4, "10.9.0.0/16") == [("10.1.0.2", 3), ("10.2.0.2", 1)]
