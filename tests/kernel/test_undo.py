"""An apply that fails, or is interrupted, anywhere: it is undone to what was there, and says why and where."""

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
from tests.kernel.stage import Stage, differences, machine_now, made_up, until

pytestmark = pytest.mark.kernel

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
