"""Steps as shell commands, word for word; tests/kernel runs them."""

from __future__ import annotations

import shlex

import pytest

from netlab.facts import (
    Address,
    Bridge,
    DeviceSettings,
    End,
    Fact,
    Namespace,
    Port,
    Program,
    Route,
    Settings,
    Stray,
    Veth,
    veth,
)
from netlab.plan import Action, Step
from netlab.plan.commands import commands


def create(*facts: Fact, sandboxed: bool = False) -> list[str]:
    return list(commands([Step(Action.CREATE, fact) for fact in facts], "lab", sandboxed=sandboxed))


def delete(fact: Fact, sandboxed: bool = False) -> list[str]:
    return list(commands([Step(Action.DELETE, fact)], "lab", sandboxed=sandboxed))


def update(before: Fact, after: Fact, sandboxed: bool = False) -> list[str]:
    differences = after.differences(before)
    assert differences
    return list(commands([Step(Action.UPDATE, after, before, differences)], "lab", sandboxed=sandboxed))


def test_a_node_is_registered_and_marked() -> None:
    assert create(Namespace("ns0")) == [
        "ip netns add lab-ns0",
        "ip -n lab-ns0 link set dev lo alias netlab:lab/ns0 up",
    ]
    assert create(Namespace("ns0", up=False))[1] == "ip -n lab-ns0 link set dev lo alias netlab:lab/ns0"
    assert update(Namespace("ns0"), Namespace("ns0", up=False)) == ["ip -n lab-ns0 link set dev lo down"]
    assert delete(Namespace("ns0")) == ["ip netns delete lab-ns0"]


def test_the_host_of_a_sandbox_is_where_the_commands_run() -> None:
    assert create(Namespace("host"), sandboxed=True) == ["ip link set dev lo alias netlab:lab/host up"]
    (comment,) = delete(Namespace("host"), sandboxed=True)
    assert comment.startswith("#")


def test_devices_of_the_real_host_are_born_in_the_group_and_marked() -> None:
    bridge = Bridge("host", "br0", "02:00:00:00:00:01", 1500)
    assert create(bridge) == [
        "ip link add name br0 group 28268 address 02:00:00:00:00:01 mtu 1499 type bridge",
        "ip link set dev br0 alias netlab:lab/host/br0 mtu 1500 up",
    ]
    assert create(bridge, sandboxed=True) == [
        "ip link add name br0 address 02:00:00:00:00:01 mtu 1499 type bridge",
        "ip link set dev br0 mtu 1500 up",
    ]


def test_a_cable_to_the_host_is_laid_from_the_host() -> None:
    ends = (End("host", "v0", "02:00:00:00:00:01", 1500), End("a", "eth0", "02:00:00:00:00:02", 1400, up=False))
    far = "type veth peer name eth0 address 02:00:00:00:00:02 mtu 1400 netns lab-a"
    assert create(veth(*ends)) == [
        f"ip link add name v0 group 28268 address 02:00:00:00:00:01 mtu 1500 {far}",
        "ip link set dev v0 alias netlab:lab/host/v0 up",
    ]
    assert delete(veth(*ends)) == ["ip link delete dev v0"]


def test_a_cable_inside_one_node_and_one_between_two() -> None:
    assert create(veth(End("a", "x"), End("a", "y")))[0] == "ip -n lab-a link add name x type veth peer name y"
    assert create(veth(End("b", "x"), End("a", "y"))) == [
        "ip -n lab-a link add name y type veth peer name x netns lab-b",
        "ip -n lab-a link set dev y up",
        "ip -n lab-b link set dev x up",
    ]


def test_only_the_end_that_changes_is_changed() -> None:
    before = Veth(End("a", "x", "02:00:00:00:00:01", 1500), End("b", "y", "02:00:00:00:00:02", 1500))
    after = Veth(before.a, End("b", "y", "02:00:00:00:00:03", 1400, up=False))
    assert update(before, after) == ["ip -n lab-b link set dev y address 02:00:00:00:00:03 mtu 1400 down"]


def test_bridge_options_have_their_words() -> None:
    bridge = Bridge("a", "br0", stp=True, forward_delay=400, ageing_time=0, priority=100, vlan_filtering=False)
    assert create(bridge)[0] == (
        "ip -n lab-a link add name br0 type bridge"
        " forward_delay 400 ageing_time 0 stp_state 1 priority 100 vlan_filtering 0"
    )
    off = Bridge("a", "br0", stp=False, forward_delay=0, ageing_time=0, priority=100, vlan_filtering=False)
    assert update(bridge, off) == [
        "ip -n lab-a link set dev br0 type bridge stp_state 0",
        "ip -n lab-a link set dev br0 type bridge forward_delay 0",
    ]


def test_the_least_mtu_of_a_bridge_is_reached_from_above() -> None:
    assert "mtu 69" in create(Bridge("a", "br0", mtu=68))[0]


def test_a_port_that_moves_gets_all_its_options_again() -> None:
    before = Port("a", "e0", "br0", hairpin=True, cost=7)
    assert create(before) == [
        "ip -n lab-a link set dev e0 master br0",
        "bridge -n lab-a link set dev e0 hairpin on cost 7",
    ]
    assert update(before, Port("a", "e0", "br1", hairpin=True, cost=7)) == [
        "ip -n lab-a link set dev e0 master br1",
        "bridge -n lab-a link set dev e0 hairpin on cost 7",
    ]
    after = Port("a", "e0", "br0", isolated=True, learning=False, cost=7)
    assert update(before, after) == ["bridge -n lab-a link set dev e0 hairpin off isolated on learning off"]
    assert delete(before) == ["ip -n lab-a link set dev e0 nomaster"]
    assert create(Port("host", "v0", "br0")) == ["ip link set dev v0 master br0"]


def test_ipv6_addresses_skip_duplicate_detection() -> None:
    assert create(Address("a", "e0", "10.0.0.1/24")) == ["ip -n lab-a address add 10.0.0.1/24 dev e0"]
    assert create(Address("a", "e0", "fd00::1/64")) == ["ip -n lab-a address add fd00::1/64 dev e0 nodad"]
    assert create(Address("host", "e0", "fd00::1/64")) == ["ip address add fd00::1/64 dev e0 nodad"]
    assert delete(Address("a", "e0", "fd00::1/64")) == ["ip -n lab-a address delete fd00::1/64 dev e0"]


ROUTES = [
    (Route("a", "0.0.0.0/0", "10.0.0.9"), "route add default via 10.0.0.9 proto 110"),
    (Route("a", "::/0", "fd00::9", "e0"), "-6 route add default via fd00::9 dev e0 proto 110"),
    (Route("a", "10.1.0.0/16", None, "e0", 100, 7), "route add 10.1.0.0/16 dev e0 table 100 metric 7 proto 110"),
    (Route("a", "10.1.0.0/16", kind="blackhole"), "route add blackhole 10.1.0.0/16 proto 110"),
    (
        Route("a", "10.1.0.0/16", "10.9.9.9", "e0", source="10.0.0.1", onlink=True, mtu=1400),
        "route add 10.1.0.0/16 via 10.9.9.9 dev e0 src 10.0.0.1 onlink mtu 1400 proto 110",
    ),
]


@pytest.mark.parametrize(("route", "words"), ROUTES, ids=[words for _, words in ROUTES])
def test_routes_are_marked_by_their_protocol(route: Route, words: str) -> None:
    assert create(route) == [f"ip -n lab-a {words}"]


def test_a_route_is_replaced_in_place_and_deleted_by_its_own_metric() -> None:
    before, after = Route("a", "::/0", "fd00::9", "e0"), Route("a", "::/0", "fd00::8", "e0")
    assert update(before, after) == ["ip -n lab-a -6 route replace default via fd00::8 dev e0 proto 110"]
    # Without the metric, the kernel's own route to the same place might be the one that goes.
    assert delete(before) == ["ip -n lab-a -6 route delete default metric 1024 proto 110"]
    assert delete(Route("a", "9.0.0.0/8", "10.0.0.1", "e0")) == ["ip -n lab-a route delete 9.0.0.0/8 proto 110"]


def test_settings_of_a_node_are_one_command_and_those_that_may_be_missing_another() -> None:
    values = (("net.ipv4.ip_forward", "1"), ("net.ipv4.ping_group_range", "0 7"), ("net.ipv6.conf.all.accept_ra", "0"))
    assert create(Settings("a", values)) == [
        "ip netns exec lab-a sysctl -qw net.ipv4.ip_forward=1 'net.ipv4.ping_group_range=0 7'",
        "ip netns exec lab-a sysctl -qew net.ipv6.conf.all.accept_ra=0",
    ]
    changed = (("net.ipv4.ip_forward", "0"), *values[1:])
    assert update(Settings("a", values), Settings("a", changed)) == [
        "ip netns exec lab-a sysctl -qw net.ipv4.ip_forward=0"
    ]
    assert create(Settings("host", values[:1])) == ["sysctl -qw net.ipv4.ip_forward=1"]
    (comment,) = delete(Settings("host", values))
    assert comment.startswith("#")


def test_a_setting_of_a_device_goes_back_to_its_nodes_default() -> None:
    name = "net.ipv4.conf.eth0.7.rp_filter"
    before = DeviceSettings("a", "eth0.7", ((name, "1"), ("net.ipv6.conf.eth0.7.accept_ra", "2")))
    assert create(before) == [
        "ip netns exec lab-a sysctl -qw net.ipv4.conf.eth0/7.rp_filter=1",
        "ip netns exec lab-a sysctl -qew net.ipv6.conf.eth0/7.accept_ra=2",
    ]
    (line,) = update(before, DeviceSettings("a", "eth0.7", ((name, "1"),)))
    assert shlex.split(line)[-1] == (
        'sysctl -qew net.ipv6.conf.eth0/7.accept_ra="$(sysctl -ne net.ipv6.conf.default.accept_ra)"'
    )
    assert len(delete(before)) == 2


def test_a_program_carries_its_marks_and_is_found_by_them() -> None:
    program = Program("a", "echo 'it is'; sleep 9")
    (line,) = create(program)
    words = shlex.split(line)
    assert words[:6] == ["ip", "netns", "exec", "lab-a", "env", "NETLAB_PROGRAM=lab/a"]
    assert words[6:11] == ["NETLAB_COMMAND=echo 'it is'; sleep 9", "setsid", "sh", "-c", "echo 'it is'; sleep 9"]
    assert line.endswith(" &")
    assert create(Program("host", "true"))[0].startswith("env NETLAB_PROGRAM=lab/host")
    (line,) = delete(program)
    assert "NETLAB_PROGRAM=lab/a" in line


def test_stray_devices_are_deleted() -> None:
    assert delete(Stray("a", "tap0", "tun")) == ["ip -n lab-a link delete dev tap0"]


def test_every_command_quotes_what_it_is_given() -> None:
    lines = create(Settings("a", (("net.ipv4.x", "$(reboot); rm"),)))
    assert shlex.split(lines[0])[-1] == "net.ipv4.x=$(reboot); rm"
