"""Checks in both worlds: the simulator comes to what the kernel comes to; where it does not, that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab import app
from netlab.app.comparing import Compared
from tests.kernel.made_up_machine import PROJECT
from tests.kernel.stage import Stage, made_up

pytestmark = pytest.mark.kernel

NAMES = ("bridge3-outside", "docker0", "dual-stack", "dummy-vip", "programs", "publish", "router", "settings", "xocker")
FILES = [PROJECT / "topologies" / f"{name}.yml" for name in NAMES]
#: Programs whose packets the kernel itself spoils.
SPOILT = PROJECT / "tests" / "traces" / "verdicts" / "kernel-fault" / "topology.yml"


@pytest.mark.parametrize("file", [*FILES, SPOILT], ids=lambda file: file.stem)
@made_up
def test_kernel_and_simulator_agree_on_an_example(stage: Stage, file: Path) -> None:
    done = stage.apply(file.read_text())
    checked = app.check(done.lab, mode="both")
    assert (checked.ok, checked.drifted) == (True, None), [
        f"{v.check.name}: {v.received}; simulated {v.simulated.received}: {v.simulated.hint}"
        for v in checked.verdicts
        if isinstance(v, Compared) and not (v.ok and v.agrees)
    ]
    assert len(checked.verdicts) == done.checks


@pytest.mark.parametrize("sandbox", [False], ids=["machine"])
@made_up
def test_they_agree_on_the_machine_itself(stage: Stage, sandbox: bool) -> None:
    done = stage.apply((PROJECT / "topologies" / "bridge3.yml").read_text())
    assert done.sandboxed is sandbox
    checked = app.check(done.lab, mode="both")
    assert (checked.ok, checked.disagreements) == (True, ())


#: What is asked for, each by a node of its own: routers send one sender few errors.
ASKED = (
    *("10.2.0.2", "10.1.0.1", "127.0.0.1", "10.1.9.77", "10.2.0.99", "10.3.0.2", "10.5.0.1", "10.9.9.9", "10.7.0.1"),
    *("192.0.2.1", "192.0.2.17", "192.0.2.33", "198.51.100.1", "198.51.100.17", "198.51.100.33", "10.1.255.255"),
    *("fd00:2::2", "fd00:1::77", "fd00:2::99", "fd00:3::2", "2001:db8:99::1", "10.2.0.77", "10.2.0.78"),
)
#: A router between a bridge full of senders and a server, and all that can go wrong on the way.
MISFORTUNES = """
name: misfortunes
netns:
  r:
    forwarding: true
    bridges: {br0: {addresses: [10.1.0.1/16, "fd00:1::1/64"]}}
    interfaces:
      eth1: {peer: "b:eth0", addresses: [10.2.0.1/24, "fd00:2::1/64"], mtu: 1400}
      eth2: {peer: "c:eth0", addresses: [10.3.0.1/24, "fd00:3::1/64"]}
    routes:
      - {to: 198.51.100.0/28, unreachable: true}
      - {to: 198.51.100.16/28, prohibit: true}
      - {to: 198.51.100.32/28, blackhole: true}
      - {to: 10.5.0.0/24, via: 10.3.0.2}
    firewall: {forward: {drop: [{to: 10.2.0.2, tcp: 9}], reject: [{to: 10.2.0.2, tcp: 10}, {to: 10.2.0.2, udp: 10}]}}
  b:
    interfaces: {eth0: {addresses: [10.2.0.2/24, "fd00:2::2/64"], mtu: 1400}}
    gateway: [10.2.0.1, "fd00:2::1"]
  c:
    interfaces: {eth0: {addresses: [10.3.0.2/24, "fd00:3::2/64"]}}
  dark: {interfaces: {DARK}}
SENDERS
checks:
CHECKS
"""
SENDER = """
  {name}:
    interfaces:
      eth0: {{bridge: "r:br0", addresses: [10.1.1.{number}/16, "fd00:1::{number:x}:2/64"]}}
      eth1: {{peer: "dark:e{number}", address: 10.7.{number}.2/16}}
    gateway: [10.1.0.1, "fd00:1::1"]
    routes: [{{to: 192.0.2.0/28, unreachable: true}}, {{to: 192.0.2.16/28, prohibit: true}},
             {{to: 192.0.2.32/28, blackhole: true}}]
    firewall:
      output:
        drop: [{{to: 10.2.0.2, tcp: 7}}, {{to: 10.2.0.77}}]
        reject: [{{to: 10.2.0.2, tcp: 8}}, {{to: 10.2.0.78}}]
"""


def misfortunes() -> str:
    """Give a lab in which every check is asked for twice, for silence and for an answer, whichever comes."""
    asked = []
    for to in ASKED:
        end = f"[{to}]" if ":" in to else to
        asked += [[f'ping: {{from: FROM, to: "{to}", expect: {expect}}}' for expect in ("timeout", "reply")]]
        asked += [[f'tcp: {{from: FROM, to: "{end}:80", expect: {expect}}}' for expect in ("filtered", "open")]]
        asked += [[f'udp: {{from: FROM, to: "{end}:53", expect: {expect}}}' for expect in ("timeout", "reply")]]
    for port in (7, 8, 9, 10):
        asked += [[f'tcp: {{from: FROM, to: "10.2.0.2:{port}", expect: refused, by: FROM}}']]
        asked += [[f'udp: {{from: FROM, to: "10.2.0.2:{port}", expect: {expect}}}' for expect in ("refused", "reply")]]
    for to in ("10.2.0.2", "[fd00:2::2]"):
        for expect in ("timeout", "reply"):
            asked += [[f'udp: {{from: FROM, to: "{to}:2000", send: {"x" * 1390}, expect: {expect}}}']]
    for to in ("10.1.0.1", "10.1.9.77", "10.7.0.1"):
        asked += [[f"arp: {{from: FROM, to: {to}, expect: {expect}}}" for expect in ("timeout", "reply")]]
    senders = "".join(SENDER.format(name=f"s{n}", number=n) for n, _ in enumerate(asked, 1))
    checks = "\n".join(f"  - {one}".replace("FROM", f"s{n}") for n, some in enumerate(asked, 1) for one in some)
    dark = ", ".join(f"e{n}: {{up: false}}" for n, _ in enumerate(asked, 1))
    return MISFORTUNES.replace("DARK", dark).replace("SENDERS", senders).replace("CHECKS", checks)


@made_up
def test_they_agree_on_all_that_goes_wrong(stage: Stage) -> None:
    done = stage.apply(misfortunes())
    checked = app.check(done.lab, mode="both")
    assert not checked.disagreements, [
        f"{v.check.name}, {v.check.expect}: {v.outcome}: {v.received}; {v.simulated.outcome}: {v.simulated.hint}"
        for v in checked.disagreements
        if isinstance(v, Compared)
    ]
    outcomes = {verdict.outcome for verdict in checked.verdicts}
    assert outcomes >= {"reply", "open", "refused", "filtered", "timeout", "unreachable", "no-route", "impossible"}


@made_up
def test_a_lab_that_has_drifted_is_told_from_a_simulator_that_is_wrong(stage: Stage) -> None:
    done = stage.apply((PROJECT / "topologies" / "cable.yml").read_text())
    (device,) = (link["ifname"] for link in stage.ip("right", "link") if link["ifname"] != "lo")
    stage.sh("right", f"ip link set {device} down")
    checked = app.check(done.lab, mode="both")
    assert (checked.ok, checked.drifted) == (False, True)
    assert checked.verdicts[0] in checked.disagreements


@pytest.mark.needs("netem")
@made_up
def test_they_agree_on_impaired_wires(stage: Stage) -> None:
    """What a rate makes of small packets is netem's arithmetic; what corruption makes of them, all but a loss."""
    stage.apply("""
        name: impaired
        netns:
          a:
            interfaces:
              slow: {peer: "b:slow", address: 10.0.0.1/24, impair: {delay: 50ms, rate: 10kbit}}
              bad: {peer: "b:bad", address: 10.0.1.1/24, impair: {loss: 10%, corrupt: 40%}}
          b:
            interfaces:
              slow: {address: 10.0.0.2/24, impair: {delay: 50ms}}
              bad: {address: 10.0.1.2/24}
        checks:
          - latency: {from: a, to: 10.0.0.2, between: [140ms, 300ms]}
          - loss: {from: a, to: 10.0.1.2, between: [33%, 59%], count: 400}
          - ping: {from: a, to: 10.0.1.2}
        """)
    checked = app.check(str(stage.file), mode="both")
    assert (checked.ok, checked.drifted) == (True, None), [verdict.received for verdict in checked.verdicts]
    latency, loss = (v.simulated.measured for v in checked.verdicts[:2] if isinstance(v, Compared))
    assert latency == 0.14
    assert loss == pytest.approx(0.46)
