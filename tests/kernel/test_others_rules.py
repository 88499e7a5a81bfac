"""What somebody filters and translates in tables of their own: the simulator says of it what the kernel does.

One ruleset after the other is loaded in a lab's router, and packets of all kinds are sent through it. The judge is
`clients.py`'s own sockets, not netlab's probes.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack

import pytest

from netlab import app
from netlab.simulator.verdicts import Verdict
from tests.kernel.listening import CLIENTS, listening
from tests.kernel.stage import Stage, made_up

pytestmark = pytest.mark.kernel

TEXT = """\
name: others
netns:
  a: {interfaces: {eth0: {peer: "r:eth0", addresses: [10.0.0.2/24, "fd00::2/64"]}}, gateway: [10.0.0.1, "fd00::1"]}
  r:
    forwarding: true
    routes: [{to: 192.0.2.0/24, blackhole: true}]
    sysctls: {net.ipv4.icmp_ratelimit: 0, net.ipv6.icmp.ratelimit: 0}
    interfaces:
      eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}
      eth1: {peer: "b:eth0", addresses: [10.1.0.1/24, "fd00:1::1/64"]}
  b:
    sysctls: {net.ipv4.icmp_ratelimit: 0, net.ipv6.icmp.ratelimit: 0}
    interfaces: {eth0: {addresses: [10.1.0.2/24, "fd00:1::2/64"]}}
    gateway: [10.1.0.1, "fd00:1::1"]
checks:
  - tcp: a -> b:80
  - tcp: a -> [fd00:1::2]:80
  - udp: {from: a, to: "b:53", expect: reply}
  - tcp: a -> r:8080
  - tcp: a -> [fd00::1]:8080
"""
OWN = TEXT.replace("    forwarding: true", "    forwarding: true\n    firewall: {forward: {drop: [{icmp: true}]}}")
#: Rules that each drop a SYN to port 80, in ways that netlab itself never says.
ODD = (
    "tcp flags & (syn|ack) == syn drop",
    'iifname { "eth0", "x" } drop',
    'iifname "eth*" drop',
    "meta l4proto { tcp, udp } drop",
    "ip saddr . tcp dport { 10.0.0.2 . 80 } drop",
    "meta l4proto tcp th dport 80 drop",
    "tcp dport vmap { 80 : drop }",
)
#: How many tests the filters are spread over.
PARTS = 4
#: Who listens: the kind of socket and its port, by node.
LISTENING = {"b": ["tcp:80", "udp:53"], "r": ["tcp:8080"]}
#: Kind, destination, port and size of what is sent from a; in fragments, if it is too long for the wire.
PACKETS = (
    ("icmp", "10.1.0.2", 0),
    ("icmp", "10.0.0.1", 0),
    ("icmp", "fd00:1::2", 0),
    ("icmp", "fd00::1", 0),
    ("tcp", "10.1.0.2", 80),
    ("tcp", "10.1.0.2", 81),
    ("tcp", "fd00:1::2", 80),
    ("tcp", "10.0.0.1", 8080),
    ("tcp", "192.0.2.1", 80),
    ("udp", "10.1.0.2", 53),
    ("udp", "10.1.0.2", 54),
    ("udp", "fd00:1::2", 54),
    ("udp", "10.1.0.2", 53, 3000),
    ("udp", "fd00:1::2", 54, 3000),
)


def forward(rules: str, policy: str = "accept", family: str = "inet", more: str = "") -> str:
    return chain("forward", rules, policy, family, more)


def chain(hook: str, rules: str, policy: str = "accept", family: str = "inet", more: str = "") -> str:
    lines = "\n".join(rule.strip() for rule in rules.split(";"))
    hooked = f"type filter hook {hook} priority 0; policy {policy};"
    return f"table {family} t {{\n{more}\nchain c {{\n{hooked}\n{lines}\n}}\n}}\n"


def nat(hook: str, rules: str, more: str = "") -> str:
    lines = "\n".join(rule.strip() for rule in rules.split(";"))
    return f"table ip n {{\n{more}\nchain c {{\ntype nat hook {hook} priority 0;\n{lines}\n}}\n}}\n"


def late(text: str, name: str = "late", priority: int = 5) -> str:
    """Give a table under another name, that looks later."""
    return text.replace("table inet t", f"table inet {name}").replace("priority 0", f"priority {priority}")


SOME = "set some {\ntype ipv4_addr; flags interval; elements = { 10.1.0.0-10.1.0.2 }\n}"
WHAT = "map what {\ntype inet_service : verdict; elements = { 80 : drop, 81 : accept }\n}"
M = "map m {\ntype inet_service : ipv4_addr; elements = { 80 : 10.1.0.2 }\n}"
SUB = "chain sub {\nicmp type echo-request drop\ntcp dport 81 return\nmeta l4proto tcp reject with tcp reset\n}"
FILTERS = {
    "icmp": forward("icmp type echo-request drop"),
    "icmp of answers": forward("icmp type echo-reply drop"),
    "icmp of errors": forward("icmp type destination-unreachable drop; icmpv6 type destination-unreachable drop"),
    "icmpv6": forward("icmpv6 type { echo-request, echo-reply } drop"),
    "no neighbours": chain("input", "icmpv6 type nd-neighbor-solicit drop"),
    "neighbours alone": chain("input", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept", "drop"),
    "untracked": chain("input", "ct state untracked accept; ip saddr 10.0.0.2 accept", "drop"),
    "icmp code": forward("icmp code port-unreachable drop"),
    "ports": forward("tcp dport { 80, 100-200 } drop; udp dport != 53 drop"),
    "source port": forward("tcp sport 80 drop; udp sport 53 drop"),
    "any transport": forward("meta l4proto { tcp, udp } th dport 53-80 drop"),
    "flags": forward("tcp flags & (syn | ack) == syn drop"),
    "flags of answers": forward("tcp flags & (syn | ack) == (syn | ack) drop"),
    "resets": forward("tcp flags rst drop"),
    "states": forward("ct state vmap { established : accept, related : accept }; tcp dport 80 accept", "drop"),
    "not new": forward("ct state != new drop"),
    "direction": forward("ct direction reply meta l4proto udp drop"),
    "saddr not": forward("ip saddr != 10.0.0.0/30 drop"),
    "named set": forward("ip daddr @some drop", more=SOME),
    "map": forward("tcp dport vmap @what", more=WHAT),
    "two at once": forward("ip daddr . tcp dport { 10.1.0.2 . 80, 10.1.0.3 . 81 } drop"),
    "version": forward("meta nfproto ipv6 drop"),
    "ether": forward("meta protocol ip drop"),
    "devices": forward('iifname "eth1*" oifname { "eth*" } ip protocol udp drop'),
    "device not": forward('iifname != "eth0" drop'),
    "ttl": forward("ip ttl < 64 meta l4proto icmp drop; ip6 hoplimit 63 drop"),
    "length": forward("meta length > 80 drop"),
    "limits": forward(
        "limit rate over 10000/second burst 100 packets drop; limit rate 10000/second burst 100 packets accept; drop"
    ),
    "local": chain("prerouting", "fib daddr type local meta l4proto { tcp, icmp } drop"),
    "not local": chain("prerouting", "fib daddr type != local drop"),
    "jump": forward("jump sub", more=SUB),
    "jump of some": forward("ip daddr 10.1.0.2 ip saddr 10.0.0.2 jump sub; meta nfproto ipv4 drop", more=SUB),
    "goto": forward("ip saddr 10.0.0.2 goto sub; ip6 saddr fd00::/64 drop", more=SUB),
    "return": forward("tcp dport 80 return; accept", "drop"),
    "counting": forward('counter; log prefix "x"; meta l4proto udp counter drop; ip saddr 10.0.0.0/8'),
    "reject": forward("reject"),
    "reject prohibited": forward("reject with icmpx admin-prohibited"),
    "reject of ip": forward("reject with icmp host-prohibited", family="ip"),
    "reject of ip6": forward("reject with icmpv6 addr-unreachable", family="ip6"),
    "reset": forward("meta l4proto tcp reject with tcp reset"),
    "reset of input": chain("input", "tcp dport 8080 reject with tcp reset"),
    "reset filtered": forward("tcp dport 80 reject with tcp reset") + late(chain("output", "tcp flags rst drop")),
    "reset related": forward("tcp dport 80 reject with tcp reset")
    + late(chain("output", "ct state related accept", "drop")),
    "older and newer": forward("meta l4proto udp drop") + late(forward("udp dport 54 reject"), priority=0),
    "reject before routing": chain("prerouting", "meta l4proto { tcp, icmp, ipv6-icmp } reject"),
    "reset of a version": forward(
        "meta nfproto ipv6 meta l4proto tcp reject with tcp reset; meta protocol ip udp dport 53 reject"
    ),
    "neighbours behind routing": chain("postrouting", 'iifname vmap { "eth0" : accept, "eth1" : drop }', "drop", "ip6"),
    "reset in ip": forward("meta l4proto tcp reject with tcp reset", family="ip"),
    "reject of a version": forward("meta nfproto ipv4 reject; meta l4proto tcp reject with icmpv6 no-route"),
    "reject of a port": forward("meta nfproto ipv4 tcp dport 80 reject with icmp host-prohibited"),
    "all others": forward("ct state vmap { established : accept, * : drop }"),
    "all other devices": forward('iifname vmap { "eth0" : jump sub, "eth1" : accept, * : drop }', more=SUB),
    "any at all": forward("tcp dport { 81, * } drop"),
    "dormant": forward("drop", more="flags dormant;"),
    "not a syn": forward("tcp flags ! syn drop"),
    "clamped": forward("tcp flags syn tcp option maxseg size set rt mtu; udp dport 54 drop"),
    "empty set": forward("ip saddr @none drop; udp dport 54 drop", more="set none {\ntype ipv4_addr\n}"),
    "seen reply": forward("ct status seen-reply ct direction reply meta l4proto udp drop"),
    "raw": late(chain("prerouting", "ct state new udp dport 53 drop; ct state invalid udp dport 54 drop"), "raw", -300),
    "raw status": late(chain("prerouting", "ct status snat drop; ct direction original drop"), "raw", -300)
    + forward("ct state established accept; tcp dport 80 drop"),
    "short": forward("meta length 60 meta l4proto tcp drop"),
    "fragments": forward("udp dport 53-54 accept; meta l4proto icmp accept", "drop"),
    "fragments of any": forward("meta l4proto udp th dport 53-54 drop; meta l4proto udp reject"),
    "fragments together": forward("udp dport 53-54 accept; ct state established accept", "drop"),
    "several chains": forward("accept") + late(forward("udp dport 53 drop")),
}
NATS = {
    "dnat": nat("prerouting", "ip daddr 192.0.2.1 dnat to 10.1.0.2"),
    "dnat of ports": nat("prerouting", "ip daddr 192.0.2.1 tcp dport 80 dnat to 10.1.0.2:81"),
    "dnat by map": nat("prerouting", "dnat to tcp dport map { 80 : 10.1.0.2, 81 : 10.0.0.1 }"),
    "redirect": nat("prerouting", "tcp dport 80 redirect to :8080"),
    "redirect of udp": nat("prerouting", "udp dport 53 redirect"),
    "masquerade": nat("postrouting", 'oifname "eth1*" masquerade random')
    + forward('iifname "eth1" ct status snat drop'),
    "dnat is let through": nat("prerouting", "ip daddr 192.0.2.1 dnat to 10.1.0.2")
    + forward("ct status dnat accept; ct state established accept", "drop"),
    "jump": nat("prerouting", "ip daddr 192.0.2.0/24 jump sub", "chain sub {\ntcp dport 80 dnat to 10.1.0.2\n}"),
    "at a place of its own": chain("prerouting", "ip daddr 10.1.0.2 tcp dport 80 drop")
    + nat("prerouting", "ip daddr 192.0.2.1 dnat to 10.1.0.2").replace("priority 0", "priority 50"),
    "before the filters all the same": late(chain("prerouting", "ip daddr 192.0.2.1 drop"), priority=10)
    + nat("prerouting", "ip daddr 192.0.2.1 dnat to 10.1.0.2").replace("priority 0", "priority 50"),
    "dropped": nat("prerouting", "udp dport 53 drop; ip daddr 192.0.2.1 dnat to 10.1.0.2"),
    "dropped by policy": nat("prerouting", "ip daddr 192.0.2.1 dnat to 10.1.0.2; meta l4proto tcp accept").replace(
        "priority 0;", "priority 0; policy drop;"
    ),
    "never entered": nat("prerouting", "udp dport 53 drop"),
    "newer first": nat("prerouting", "ip daddr 192.0.2.1 tcp dport 80 dnat to 10.1.0.2:81")
    + nat("prerouting", "ip daddr 192.0.2.1 dnat to 10.1.0.2").replace("table ip n", "table ip newer"),
    "to itself": nat("prerouting", "tcp dport 80 dnat to 10.1.0.2; tcp dport 8080 redirect")
    + forward("ct status dnat drop"),
    "done already": nat("postrouting", "ip daddr 10.1.0.2 snat to 10.0.0.2")
    + nat("postrouting", "masquerade").replace("table ip n", "table ip m").replace("priority 0", "priority 5")
    + forward("ct status snat ct direction reply drop"),
    "named map": nat("prerouting", "dnat to tcp dport map @m", M),
    "reset of what is translated": nat("prerouting", "ip daddr 192.0.2.1 dnat to 10.1.0.2")
    + forward("tcp dport 80 reject with tcp reset"),
}


def kernel_says(stage: Stage) -> dict[str, str]:
    for node in ("a", "r", "b"):
        stage.run(node, "ip", "neighbour", "flush", "all")
    asked = [",".join(map(str, packet)) for packet in PACKETS]
    return dict(json.loads(stage.run("a", sys.executable, str(CLIENTS), "send", *asked)))


def simulator_says() -> dict[str, str]:
    found = {}
    for kind, destination, port, *size in PACKETS:
        traced = app.trace("others", "a", destination, kind=kind, port=port, live=True, size=size[0] if size else None)
        assert not traced.warnings, traced.warnings
        found[",".join(map(str, (kind, destination, port, *size)))] = traced.trace.answer
    return found


def compare(stage: Stage, rulesets: dict[str, str]) -> None:
    stage.apply(TEXT)
    for end in ("a:eth0", "r:eth0", "r:eth1", "b:eth0"):
        node, device = end.split(":")
        for version in (4, 6):  # a neighbour that does not answer is soon given up
            stage.run(node, "sysctl", "-qw", f"net.ipv{version}.neigh.{device}.retrans_time_ms=50")
    silent = 0
    with ExitStack() as stack:
        for node, ends in LISTENING.items():
            stack.enter_context(listening(stage, node, *ends))
        assert set(kernel_says(stage).values()) == {"reply", "open", "refused", "silence"}, "the lab is as it should be"
        for name, text in rulesets.items():
            stage.sh("r", f"nft -f - <<'END'\nflush ruleset\n{text}\nEND\n")
            simulated, real = simulator_says(), kernel_says(stage)
            # What was asked a moment ago may be known still, or be on its way: what differs is asked again.
            assert real == simulated or kernel_says(stage) == simulated, f"{name}: {text}"
            silent += len(set(real.values())) > 1
    assert silent > len(rulesets) / 2


@pytest.mark.parametrize("part", range(PARTS))
@made_up
def test_what_others_filter(stage: Stage, part: int) -> None:
    compare(stage, dict(list(FILTERS.items())[part::PARTS]))


@made_up
def test_what_others_translate(stage: Stage) -> None:
    compare(stage, NATS)


@made_up
def test_what_others_have_put_into_the_labs_own_table(stage: Stage) -> None:
    """It is drift, whatever it says, and followed until it is mended."""
    stage.apply(OWN)
    for rule in ODD:
        stage.sh("r", f"nft insert rule inet netlab-others filter-forward '{rule}'")
        (change,) = app.drift("others").changes
        assert change.fact.label() == "chain filter-forward of r"
        traced = app.trace("others", "a", "10.1.0.2", kind="tcp", port=80, live=True)
        assert (traced.warnings, traced.trace.verdict) == ((), Verdict.FILTERED), rule
        stage.apply(OWN)
    stage.sh("r", "nft 'add table inet netlab-others { flags dormant; }'")
    assert app.trace("others", "a", "10.1.0.2", live=True).trace.ok, "nothing looks at that table"
    assert len(app.drift("others").changes) == 1
    stage.apply(OWN)
    assert app.trace("others", "a", "10.1.0.2", live=True).trace.verdict is Verdict.FILTERED
    silent = json.loads(stage.run("a", sys.executable, str(CLIENTS), "send", "icmp,10.1.0.2,0"))
    assert silent == {"icmp,10.1.0.2,0": "silence"}
