"""Apply on the real kernel: every normal form, large and odd labs, and what becomes of an apply that fails."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from netlab import app
from netlab.app.world import World, real_doors
from netlab.errors import Obstructed
from netlab.facts import Namespace
from netlab.plan import Action, Door, Step, StepRefused
from tests.kernel.second_opinion import check
from tests.kernel.stage import Stage, differences, machine_now, made_up, told, until
from tests.kernel.traffic import connection, pings

pytestmark = pytest.mark.kernel

ROUTES = """\
name: forms
netns:
  a:
    interfaces:
      eth0:
        peer: "b:eth0"
        addresses:
          [10.0.0.0/31, 192.0.2.1/32, 10.1.0.1/24, 10.1.0.2/24, 10.1.0.3/16, 169.254.7.7/16, "fd00::1/64", "fd00::2/64",
          "fd01::1/128", "fe80::1/64", "2001:db8::1/127"]
      lo: {addresses: [10.255.0.1/32, "fd0f::1/128", 127.0.0.2/8]}
    routes:
      - {to: default, via: 10.0.0.1}
      - {to: default, blackhole: true, metric: 4278198272}
      - {to: default, dev: eth0, table: 56}
      - {to: 172.16.0.0/16, via: 198.51.100.1, dev: eth0, onlink: true}
      - {to: 172.17.0.0/16, via: 10.0.0.1, metric: 50}
      - {to: 172.17.0.0/16, via: 10.0.0.1, metric: 100, mtu: 1400}
      - {to: 172.18.0.0/16, via: 10.0.0.1, table: 100}
      - {to: 172.18.0.0/16, via: 10.0.0.1, table: 1000, source: 10.1.0.2}
      - {to: 172.19.0.0/16, dev: eth0}
      - {to: 172.20.0.0/16, dev: eth0, source: 10.255.0.1}
      - {to: 172.21.0.0/16, blackhole: true}
      - {to: 172.22.0.0/16, unreachable: true, metric: 10}
      - {to: 172.23.0.0/16, prohibit: true, table: 7}
      - {to: 198.51.100.7/32, dev: eth0}
      - {to: 172.24.0.0/16, via: 198.51.100.7}
      - {to: 224.0.0.0/4, dev: eth0}
      - {to: 10.98.0.0/16, dev: lo}
      - {to: "::/0", via: "fe80::99", dev: eth0}
      - {to: "::/0", dev: eth0, table: 55}
      - {to: "::/0", unreachable: true, table: 300, metric: 4294967295}
      - {to: "fd10::/64", via: "fd00::99"}
      - {to: "fd11::/64", via: "fd00::99", metric: 5}
      - {to: "fd12::/64", via: "fd00::99", metric: 1024}
      - {to: "fd13::/64", via: "fd00::99", table: 100}
      - {to: "fd14::/64", via: "fd77::99", dev: eth0, onlink: true}
      - {to: "fd15::/64", dev: eth0}
      - {to: "fd16::/64", dev: eth0, source: "fd00::2", mtu: 1400}
      - {to: "fd17::/64", blackhole: true}
      - {to: "fd18::/64", unreachable: true, metric: 77}
      - {to: "fd19::/64", prohibit: true, table: 300}
      - {to: "fd1a::1/128", dev: eth0}
      - {to: "fd1b::/64", via: "2001:db8::"}
      - {to: "fd98::/64", dev: lo}
      - {to: "ff05::/16", dev: eth0}
  b: {interfaces: {eth0: {addresses: [10.0.0.1/31, "fd00::99/64"]}}}
"""
SINGLES = """\
name: singles
netns:
  a:
    interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1, mtu: 1200}}
    routes: [{to: 10.0.0.2/32, dev: eth0}, {to: default, via: 10.0.0.2}]
  b:
    interfaces: {eth0: {address: 10.0.0.2, mtu: 68}}
    routes: [{to: default, via: 10.0.0.1, dev: eth0, onlink: true}]
  c: {interfaces: {eth0: {peer: "d:eth0", address: "fd00::1"}}, routes: [{to: "fd00::2/128", dev: eth0}]}
  d: {interfaces: {eth0: {address: "fd00::2"}}, routes: [{to: "::/0", via: "fd00::1", dev: eth0, onlink: true}]}
"""
BRIDGES = """\
name: bridges
bridges:
  br0: {stp: true, hello_time: 1s, max_age: 6s, ageing: 0s, priority: 0, mtu: 9000, subnet: 10.0.0.0/24}
  br1: {forward_delay: 0, hello_time: 10s, max_age: 40s, ageing: 86400s, priority: 65535, mtu: 68, up: false}
  br2: {ageing: 1.5s, hello_time: 1.23s, forward_delay: 3.33s, max_age: 7.77s, mtu: 1500}
  br3:
  br4: {mtu: 65535}
netns:
  a:
    bridge: [br0, br1]
    bridges: {in0: {address: none, subnet: 10.3.0.0/24}, in1: }
    veths:
      - [{bridge: "a:in0", name: x}, {bridge: "a:in1", name: y}]
      - [{name: p, address: 10.9.0.1/24}, {name: q, up: false}]
  b:
    interfaces:
      eth0: {bridge: "a:in0", mtu: 1400}
      eth1: {bridge: br2, mtu: 9000}
      eth2: {bridge: br3, mtu: 65535}
      eth3: {bridge: br3, mtu: 1280}
"""
SETTINGS = """\
name: settings
bridges: {br0: {subnets: [10.0.0.0/24, "fd00::/64"]}}
netns:
  a:
    bridge: br0
    forwarding: true
    sysctls:
      net.ipv4.conf.all.rp_filter: 1
      net.ipv4.conf.default.rp_filter: 2
      net.ipv4.conf.eth0.rp_filter: 1
      net.ipv4.conf.lo.rp_filter: 1
      net.ipv4.conf.all.forwarding: 1
      net.ipv4.conf.eth0.forwarding: 0
      net.ipv4.conf.eth0.proxy_arp: 1
      net.ipv4.conf.eth0.send_redirects: 0
      net.ipv4.neigh.eth0.gc_stale_time: 99
      net.ipv4.ip_local_port_range: 10000 20000
      net.ipv4.ping_group_range: "0 2147483647"
      net.ipv4.tcp_rmem: 4096 131072 6291456
      net.ipv4.ip_default_ttl: 33
      net.ipv6.conf.eth0.accept_ra: 2
      net.ipv6.conf.eth0.forwarding: 0
      net.ipv6.conf.eth0.hop_limit: 17
      net.ipv6.conf.default.hop_limit: 33
  b: {bridge: br0, sysctls: {net.ipv4.conf.all.arp_ignore: 1, net.ipv4.ip_forward: 1}}
  c: {bridge: br0, ipv6: true, sysctls: {net.ipv6.conf.all.forwarding: 1, net.ipv6.conf.all.accept_ra: 2}}
  d: {sysctls: {net.ipv4.conf.all.forwarding: 1}}
  e: {ipv6: true}
"""


@pytest.mark.parametrize("sandbox", [True, False], ids=["sandbox", "machine"])
@pytest.mark.parametrize("text", [ROUTES, SINGLES, BRIDGES, SETTINGS], ids=lambda text: text.split()[1])
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
        assert stage.nodes() == ["host", "a", "b"]
    other.destroy()
    check(stage, stage.wants())


# -- what fails

BEFORE = """\
name: failing
bridges: {lan: {address: 10.0.0.1/24}, old: {address: 10.5.0.1/24, ageing: 20s}}
netns:
  a: {interfaces: {eth0: {bridge: lan, addresses: [10.0.0.2/24, "fd00::2/64"]}}, gateway: 10.0.0.1}
  b:
    interfaces: {eth0: {peer: "c:eth0", addresses: [10.1.0.1/24, "fd01::1/64"]}}
    routes: [{to: 172.16.0.0/16, via: 10.1.0.2}, {to: "fd99::/64", via: "fd01::2"}, {to: 172.17.0.0/16, prohibit: true}]
    sysctls: {net.ipv4.ip_default_ttl: 33, net.ipv4.conf.eth0.rp_filter: 1}
    run: sleep 1000
  c: {interfaces: {eth0: {addresses: [10.1.0.2/24, "fd01::2/64"]}}}
  gone: old
"""
AFTER = """\
name: failing
bridges: {lan: {address: 10.0.0.254/24, mtu: 1400}, new: {address: 10.6.0.1/24}}
netns:
  a: {interfaces: {eth0: {bridge: lan, address: 10.0.0.3/24, mtu: 1000}}, gateway: 10.0.0.254}
  b:
    interfaces: {wan: {peer: "c:eth0", addresses: [10.1.0.2/24, "fd01::2/64"]}}
    routes: [{to: 172.16.0.0/16, blackhole: true}]
    sysctls: {net.ipv4.ip_default_ttl: 44}
    run: sleep 2000
  c: {interfaces: {eth0: {addresses: [10.1.0.1/24, "fd01::1/64"]}}}
  fresh: {interfaces: {eth0: {bridge: new, address: 10.6.0.2/24}}, gateway: auto, run: sleep 3000}
"""
#: What the kernel counts or numbers, and nobody configures.
VOLATILE = {
    "ifindex",
    "link_index",
    "link_netnsid",
    "promiscuity",
    "operstate",
    "qdisc",
    "root_id",
    "root_port",
    "cache",
}
VOLATILE |= {
    "hello_timer",
    "tcn_timer",
    "topology_change_timer",
    "gc_timer",
    "hold_timer",
    "message_age_timer",
    "state",
}
VOLATILE |= {"forward_delay_timer", "designated_root", "port_id", "no", "inet6_addr_gen_mode", "flags"}


def everything(stage: Stage) -> dict[str, Any]:
    """Give all that iproute2 and sysctl say of a lab, but for what the kernel counts or makes itself."""
    found: dict[str, Any] = {}
    for node in stage.nodes():
        links, addresses = stage.ip(node, "-d", "link"), stage.ip(node, "address")
        for device in addresses:
            device["addr_info"] = [one for one in device["addr_info"] if "ff:fe" not in one["local"]]
        routes = [stage.ip(node, version, "route", "show", "table", "all") for version in ("-4", "-6")]
        steady = [[route for route in one if route.get("protocol") != "kernel"] for one in routes]
        found[node] = [sorted(map(_steady, one), key=json.dumps) for one in (links, addresses, *steady)]
        settings = stage.run(node, "sysctl", "-a", "--pattern", r"^net\.(ipv4|ipv6|bridge)\.").splitlines()
        found[node].append("\n".join(line for line in settings if "addr_gen_mode" not in line))
    return found


def programs(stage: Stage) -> list[str]:
    """Give the command lines of the programs `sleep` that run."""
    listed = stage.run("host", "pgrep", "-r", "R,S,D", "-x", "-a", "sleep", ok=False).splitlines()
    return sorted(line.partition(" ")[2] for line in listed)


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        up = {"up": "UP" in value["flags"]} if "ifname" in value else {}
        return up | {key: _steady(one) for key, one in value.items() if key not in VOLATILE}
    return [_steady(one) for one in value] if isinstance(value, list) else value


def assert_same(before: Any, after: Any, place: str = "") -> None:
    """Fail with the first place where two readings differ."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key in before:
            assert_same(before[key], after[key], f"{place}/{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, pair in enumerate(zip(before, after, strict=True)):
            assert_same(*pair, f"{place}/{number}")
    elif isinstance(before, str) and "\n" in before:
        gone, new = (
            set(before.splitlines()) - set(after.splitlines()),
            set(after.splitlines()) - set(before.splitlines()),
        )
        assert not gone | new, f"{place}: {gone} is {new}"
    else:
        assert before == after, place


class Stumbling:
    """A door that does some steps and then stumbles, once; it does nothing else of its own."""

    def __init__(self, door: Door, steps: int, error: BaseException | None) -> None:
        self._door, self._left, self._error = door, steps, error
        self.families = door.families

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    def do(self, steps: Sequence[Step]) -> None:
        """Do as many steps as are left before the stumble, or one by one what comes after it."""
        error = self._error
        if error is None or self._left >= len(steps):
            self._left -= len(steps)
            self._door.do(steps)
            return
        self._door.do(steps[: self._left])
        self._error = None
        raise StepRefused(steps[self._left], 28) if isinstance(error, StepRefused) else error


def stumbling(steps: int, error: BaseException) -> World:
    """Give a world whose kernel stumbles after some steps."""

    def doors(lab: str, machine: bool, logs: Path, programs: bool) -> tuple[Door, ...]:
        kernel, *others = real_doors(lab, machine, logs, programs)
        return cast("Door", Stumbling(kernel, steps, error)), *others

    return replace(World.here(), doors=doors)


ANY_STEP = Step(Action.CREATE, Namespace("any"))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StepRefused(ANY_STEP, 28)], ids=["interrupted", "refused"])
@pytest.mark.parametrize("sandbox", [True, False], ids=["sandbox", "machine"])
@made_up
def test_cut_anywhere_a_change_is_undone(stage: Stage, sandbox: bool, error: BaseException) -> None:
    stage.apply(BEFORE)
    steps = len(stage.plan(AFTER).plan.steps)
    before = everything(stage)
    assert steps >= 30
    for cut in range(0, steps - 2, 5):
        done = stage.try_to_apply(AFTER, world=stumbling(cut, error))
        assert done.outcome == "undone", (cut, [str(problem) for problem in done.problems])
        assert_same(before, everything(stage), f"cut after {cut}: ")
        assert not stage.plan(BEFORE).plan
        # A program is there a moment before it is what it is named after.
        until(lambda: programs(stage) == ["sleep 1000"])
    check(stage, stage.wants())
    stage.apply(AFTER)
    check(stage, stage.wants())
    until(lambda: programs(stage) == ["sleep 2000", "sleep 3000"])


@pytest.mark.parametrize("sandbox", [True, False], ids=["sandbox", "machine"])
@made_up
def test_cut_anywhere_a_first_apply_leaves_nothing(stage: Stage, sandbox: bool) -> None:
    before = machine_now()
    for cut in range(0, len(stage.plan(BEFORE).plan.steps), 7):
        done = stage.try_to_apply(BEFORE, world=stumbling(cut, KeyboardInterrupt()))
        assert done.outcome == "undone", [str(problem) for problem in done.problems]
        assert not differences(before, machine_now())
        assert app.status() == ()


@made_up
def test_what_is_kept_after_a_failure_is_finished_by_the_next_apply(stage: Stage) -> None:
    stage.apply(BEFORE)
    done = stage.try_to_apply(AFTER, world=stumbling(20, StepRefused(ANY_STEP, 28)), on_error="keep")
    assert done.outcome == "kept"
    assert done.problems
    assert stage.plan(AFTER).plan
    stage.apply(AFTER)
    check(stage, stage.wants())


REFUSALS = {
    "a setting that does not exist": (
        "ttl: 33",
        "ttl: 33, net.ipv4.no_such_setting: 1",
        ("5:3: could not change settings of b: this kernel has no such setting", "net.ipv4.no_such_setting = 1"),
    ),
    "a value of a setting": (
        "ttl: 33",
        "ttl: 0",
        ("5:3: could not change settings of b: the kernel does not take that value", "net.ipv4.ip_default_ttl = 0"),
    ),
    "a setting of a new node": (
        "  gone: old",
        "  gone: old\n  fresh: {sysctls: {net.ipv4.ip_default_ttl: 0}}",
        ("12:3: could not make settings of fresh: the kernel does not take that value", "net.ipv4.ip_default_ttl = 0"),
    ),
    "a setting of a device": (
        "rp_filter: 1",
        "hop_limit: 1",
        (
            "8:44: could not change settings of b:eth0: this kernel has no such setting",
            "net.ipv4.conf.eth0.hop_limit = 1",
        ),
    ),
    "a route to a broadcast address": (
        "via: 10.1.0.2}",
        "via: 10.1.0.255}",
        ("7:14: could not change route 172.16.0.0/16 via 10.1.0.255 in b: ", "Nexthop has invalid gateway"),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
@made_up
def test_what_the_kernel_refuses_is_told_with_its_line_and_undone(stage: Stage, name: str) -> None:
    old, new, words = REFUSALS[name]
    assert old in BEFORE
    stage.apply(BEFORE)
    before = everything(stage)
    done = stage.try_to_apply(BEFORE.replace(old, new).replace("10.0.0.2/24", "10.0.0.22/24"))
    assert done.outcome == "undone"
    (problem,) = done.problems
    assert all(word in str(problem) for word in words), str(problem)
    assert problem.fix
    assert_same(before, everything(stage))
    assert not stage.plan(BEFORE).plan


@made_up
def test_a_name_that_somebody_takes_meanwhile_is_told_and_left_to_them(stage: Stage) -> None:
    stage.sandbox = False
    subprocess.run(["ip", "link", "add", "other", "type", "bridge"], check=True)
    text = "name: clash\nbridges: {lan: 10.0.0.0/24}\nnetns: {a: lan}\n"
    before = machine_now()
    with pytest.raises(
        Obstructed, match=r"lab.yml:2:11: cannot make bridge host:other: a bridge other exists: not netl"
    ):
        stage.try_to_apply(text.replace("lan", "other"))
    assert not differences(before, machine_now())

    def take(said: str) -> None:
        if said == "create bridge host:lan":
            subprocess.run(["ip", "link", "add", "lan", "type", "bridge"], check=True)

    done = stage.try_to_apply(text, on_event=take)
    assert done.outcome == "undone"
    assert "lab.yml:2:11: could not make bridge host:lan: something of that name is there already" in str(
        done.problems[0]
    )
    assert [link["ifname"] for link in stage.ip("host", "link")] == ["lo", "other", "lan"]
    for name in ("other", "lan"):
        subprocess.run(["ip", "link", "delete", name], check=True)
