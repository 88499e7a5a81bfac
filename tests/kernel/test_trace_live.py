"""`trace --live`: why a real lab does not answer is told of what is there, not of what was asked for."""

from __future__ import annotations

import json

import pytest

from netlab import app
from netlab.app.tracing import Traced
from netlab.errors import Problem, UsageError
from netlab.simulator.verdicts import Verdict
from tests.kernel.listening import listening
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


#: A table of somebody's own: a chain that looks at what is forwarded, and two that can be jumped to.
MINE = """
table ip mine {
  chain pings { icmp type echo-request drop; }
  chain marked { meta mark 1 drop; }
  chain some { counter; log prefix "x"; ip saddr 10.0.0.2 reject; }
  chain forwarded { type filter hook forward priority 5; RULES; }
}
"""
SIX = "table ip6 six { chain f { type filter hook forward priority 0; policy drop; }\n}"
NAT = """
table ip t {
  chain p { type nat hook prerouting priority -100; ip daddr 192.0.2.1 dnat to 10.1.0.2; }
}
"""


def nft(stage: Stage, text: str) -> None:
    stage.sh("r", f"nft -f - <<'END'\nflush ruleset\n{text}\nEND\n")


@made_up
def test_what_somebody_filters_in_tables_of_their_own_is_looked_at(stage: Stage) -> None:
    stage.apply(TEXT)
    for rules, verdict in (
        ("ip daddr 10.1.0.2 counter drop", Verdict.FILTERED),
        ("ip daddr 10.1.0.9 drop", Verdict.DELIVERED),
        ("ip protocol icmp jump some", Verdict.REJECTED),
        ("jump pings", Verdict.FILTERED),
        ("policy drop; ct state established,related accept", Verdict.FILTERED),
        ("policy drop; iifname eth0 accept; ct state established accept", Verdict.DELIVERED),
    ):
        nft(stage, MINE.replace("RULES", rules))
        found = live()
        assert (found.trace.verdict, found.warnings) == (verdict, ()), rules
        assert app.trace("tracing", "a", "10.1.0.2").trace.ok, "of what was applied nothing has changed"
    assert app.drift("tracing").changes == (), "a table of somebody's own is none of the lab's"
    nft(stage, SIX)
    assert live().trace.ok, "it looks at IPv6 alone"


@made_up
def test_a_rule_that_cannot_be_read_is_told(stage: Stage) -> None:
    stage.apply(TEXT)
    nft(stage, MINE.replace("RULES", "jump marked"))
    (unread,) = live().warnings
    words = "marked: meta mark 0x00000001 drop"
    assert unread.what == f"r: chain ip mine forwarded has a rule that is passed over: {words}"
    assert app.reach("tracing", live=True).warnings == (unread,)
    told: list[Problem] = []
    app.diagram("tracing", format="mermaid", live=True, trace=("a", "b"), warn=told.extend)
    assert told == [unread]


@made_up
def test_what_somebody_translates_is_looked_at(stage: Stage) -> None:
    stage.apply(TEXT)
    nft(stage, NAT)
    found = app.trace("tracing", "a", "192.0.2.1", live=True)
    assert found.trace.ok
    assert found.trace.legs[1].node == "b"
    (step,) = [step for step in found.trace.legs[0].steps if step.what == "translated"]
    assert step.words == "translates: 192.0.2.1:1 becomes 10.1.0.2:1 by ip daddr 192.0.2.1 dnat to 10.1.0.2"


SOURCES = """\
name: tracing
netns:
  a:
    interfaces:
      eth0: {peer: "b:eth0", addresses: ["10.0.0.2/24", "10.0.0.3/24", "fd00::2/64", "fd00::3/64"]}
      eth1: {peer: "b:eth1", addresses: ["10.0.0.4/24", "fd00::4/64"]}
  b:
    interfaces:
      eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}
      eth1: {addresses: [10.0.0.5/24, "fd00::5/64"]}
"""


@made_up
def test_of_several_addresses_the_kernels_choice_is_told(stage: Stage) -> None:
    """It goes by which was given first, or last, and by which of two devices in one network was up first."""
    stage.apply(SOURCES)
    later = "ip link set eth0 down && ip link set eth0 up && ip -6 a add fd00::2/64 dev eth0 nodad"
    chosen = set()
    for change in ("true", later, "ip a del 10.0.0.4/24 dev eth1 && ip a add 10.0.0.4/24 dev eth1"):
        stage.sh("a", change)
        for destination in ("10.0.0.1", "fd00::1"):
            (route,) = json.loads(stage.run("a", "ip", "-j", "route", "get", destination))
            way = app.trace("tracing", "a", destination, live=True).trace.legs[0]
            assert way.packet.source == route["prefsrc"], (change, destination)
            chosen.add(route["prefsrc"])
    assert len(chosen) > 3


@made_up
def test_who_listens_is_read_of_the_nodes_sockets(stage: Stage) -> None:
    """Whatever the checks of the file expect, whom `check` alone starts a listener for."""
    stage.apply(f"{TEXT}checks: [tcp: a -> b:80, udp: {{from: a, to: 'b:53', expect: reply}}]\n")

    def answers() -> dict[str, str]:
        asked = [("tcp", 80), ("tcp", 8080), ("tcp", 81), ("udp", 53), ("udp", 54)]
        return {
            f"{kind} {port}": app.trace("tracing", "a", "10.1.0.2", kind=kind, port=port, live=True).trace.answer
            for kind, port in asked
        }

    assert set(answers().values()) == {"refused"}
    assert app.trace("tracing", "a", "10.1.0.2", kind="tcp", port=80).trace.answer == "open", (
        "as the check will have it"
    )
    with listening(stage, "b", "tcp:80", "udp:54"):
        assert answers() == {
            "tcp 80": "open",
            "tcp 8080": "refused",
            "tcp 81": "refused",
            "udp 53": "refused",
            "udp 54": "reply",
        }
    assert set(answers().values()) == {"refused"}


@made_up
def test_a_policy_rule_that_says_more_is_told(stage: Stage) -> None:
    stage.apply(TEXT)
    assert not live().warnings
    stage.run("r", "ip", "rule", "add", "ipproto", "icmp", "to", "10.1.0.0/16", "blackhole")
    (warning,) = live().warnings
    assert warning.what == "r: the policy rule of priority 32765 says what is not read, and is passed over"
