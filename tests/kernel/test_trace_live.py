"""`trace --live`: why a real lab does not answer is told of what is there, not of what was asked for."""

from __future__ import annotations

import pytest

from netlab import app
from netlab.app.tracing import Traced
from netlab.errors import UsageError
from netlab.simulator.verdicts import Verdict
from tests.kernel.stage import FILE, Stage, made_up

pytestmark = pytest.mark.kernel

TEXT = """\
name: tracing
netns:
  a: {interfaces: {eth0: {peer: "r:eth0", address: 10.0.0.2/24}}, gateway: 10.0.0.1}
  r:
    forwarding: true
    interfaces:
      eth0: {address: 10.0.0.1/24}
      eth1: {peer: "b:eth0", address: 10.1.0.1/24}
  b: {interfaces: {eth0: {address: 10.1.0.2/24}}, gateway: 10.1.0.1}
"""


def live() -> Traced:
    return app.trace("tracing", "a", "10.1.0.2", live=True)


@made_up
def test_what_somebody_has_done_by_hand_is_what_ends_the_packet(stage: Stage) -> None:
    stage.apply(TEXT)
    answered = live()
    assert answered.trace.ok
    assert answered.to_json()["live"] is True
    assert {leg.node for leg in answered.trace.legs} == {"a", "b"}

    stage.run("r", "sysctl", "-qw", "net.ipv4.ip_forward=0")
    stopped = live()
    assert (stopped.trace.verdict, stopped.trace.deciding.end.node) == (Verdict.NOT_FORWARDED, "r")
    place = stopped.place(stopped.trace.deciding.end.key)
    assert place is not None
    assert (place.file, place.line) == (str(FILE), 4)
    assert app.trace("tracing", "a", "10.1.0.2").trace.ok, "of what was applied nothing has changed"
    stage.run("r", "sysctl", "-qw", "net.ipv4.ip_forward=1")

    stage.run("r", "ip", "route", "add", "blackhole", "10.1.0.2/32")
    assert live().trace.verdict is Verdict.BLACKHOLE
    stage.run("r", "ip", "route", "del", "blackhole", "10.1.0.2/32")

    stage.run("r", "ip", "link", "set", "eth0", "mtu", "1300")
    assert app.trace("tracing", "b", "a", live=True, size=1400, dont_fragment=True).trace.verdict is Verdict.TOO_BIG
    stage.run("r", "ip", "link", "set", "eth0", "mtu", "1500")

    stage.run("b", "ip", "link", "set", "eth0", "down")
    lost = live().trace
    assert (lost.verdict, lost.deciding.end.node) == (Verdict.NO_NEIGHBOUR, "r")
    assert lost.deciding.end.words == "r:eth1 has no carrier, so nobody tells where 10.1.0.2 is: b:eth0 is down"
    stage.destroy()
    with pytest.raises(UsageError, match="no lab 'tracing' is up"):
        live()
