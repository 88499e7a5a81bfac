"""What was refused to random labs, or came back in other words: what works of it, and that warnings are right."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.kernel.stage import Stage, made_up, until

pytestmark = pytest.mark.kernel

PUBLISHED = """\
name: published
netns:
  r1:
    forwarding: true
    interfaces: {eth0: {peer: "web:eth0", addresses: [10.1.0.23/32, "fd00::1/128"]}}
    routes: [{to: 10.1.0.12/32, dev: eth0}, {to: "fd00::2/128", dev: eth0}]
    nat:
      - publish: {port: 8081, to: "10.1.0.12:80", protocol: udp, address: 10.1.0.23}
      - publish: {port: 8082, to: "[fd00::2]:80"}
      - publish: {port: 8083, to: "10.1.0.12:80"}
  web:
    interfaces: {eth0: {addresses: [10.1.0.12/32, "fd00::2/128"]}}
    routes: [{to: 10.1.0.23/32, dev: eth0}, {to: "fd00::1/128", dev: eth0}]
    run: python3 -m http.server 80
"""
EVERYWHERE = """\
name: everywhere
netns:
  r1:
    forwarding: true
    interfaces: {eth0: {peer: "web:eth0", address: 10.1.0.23/32}}
    routes: [{to: 0.0.0.0/0, dev: eth0}]
    nat: [{publish: {port: 8081, to: "10.1.0.12:80"}}]
  web: {interfaces: {eth0: {address: 10.1.0.12/24}}}
"""
CONNECTED = """\
name: connected
netns:
  a:
    interfaces:
      eth0: {peer: "b:eth0", addresses: [10.0.0.9/16, "fd00::9/64"]}
      eth1: {peer: "b:eth1", address: 10.1.0.9/24, up: false}
      lo: {address: 10.2.0.1/24}
    routes:
      - {to: 10.0.0.0/16, via: 10.0.0.10, metric: 1}
      - {to: 10.0.0.0/16, via: 10.0.0.10, table: 100}
      - {to: 10.1.0.0/24, via: 10.0.0.10}
      - {to: 10.2.0.0/24, via: 10.0.0.10}
      - {to: "fd00::/64", via: "fd00::a"}
      - {to: 10.0.0.10/32, via: 10.0.0.10}
      - {to: 10.3.0.0/24, via: 10.0.0.10}
  b: {interfaces: {eth0: {addresses: [10.0.0.10/16, "fd00::a/64"]}, eth1: }}
"""
KNOWN = """\
name: known
netns:
  a: {interfaces: {eth0: {peer: "b:eth0"}}, neighbours: [{address: "fe80::2", mac: "02:00:00:00:00:02", dev: eth0}]}
  b:
"""
RULES = """\
name: rules
netns:
  a: {interfaces: {eth0: {peer: "b:eth0", address: "fd00::1/64"}}, rules: [{mark: 1, table: 100}]}
  b: {interfaces: {eth0: {address: 10.0.0.1/24}}, rules: [{mark: 1, table: 100}]}
"""
#: Connects to an IPv6 address and port, within a second.
CLIENT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()"
FILTERED = """\
name: filtered
netns:
  a: {interfaces: {eth0: {peer: "b:eth0", address: "fd00::1/64"}}, FIREWALL}
  b: {interfaces: {eth0: {address: "fd00::2/64"}}, run: python3 -m http.server --bind fd00::2 80}
"""


def answers(stage: Stage, node: str, address: str, port: int) -> bool:
    argv = [*stage.enter(node), sys.executable, "-c", CLIENT, address, str(port)]
    return subprocess.run(argv, capture_output=True, timeout=20, check=False).returncode == 0


@made_up
def test_a_port_is_published_to_one_who_is_beside_by_a_route(stage: Stage) -> None:
    stage.apply(PUBLISHED)
    until(lambda: answers(stage, "r1", "10.1.0.12", 80))
    assert answers(stage, "r1", "10.1.0.23", 8083)
    assert answers(stage, "web", "10.1.0.23", 8083), "the target itself"
    stage.apply(EVERYWHERE)


@made_up
def test_routes_to_a_network_that_is_connected_otherwise(stage: Stage) -> None:
    stage.apply(CONNECTED)
    assert len(stage.ip("a", "route", "show", "10.0.0.0/16")) == 2
    for device in ("eth0", "eth1"):
        stage.apply(CONNECTED.replace(f"{device}: {{peer", f"{device}: {{mtu: 1400, peer"))


@made_up
def test_a_neighbour_of_ipv6_switches_it_on(stage: Stage) -> None:
    stage.apply(KNOWN)
    (known,) = stage.ip("a", "-6", "neighbour", "show", "nud", "permanent")
    assert known["dst"] == "fe80::2"


@made_up
def test_a_rule_without_a_network_is_of_the_versions_that_a_node_speaks(stage: Stage) -> None:
    stage.apply(RULES)
    found = {(n, v): [r for r in stage.ip(n, f"-{v}", "rule") if r.get("fwmark")] for n in "ab" for v in (4, 6)}
    assert {place for place, rules in found.items() if rules} == {("a", 4), ("a", 6), ("b", 4)}


@pytest.mark.parametrize(
    ("said", "finds"),
    [
        ("input: {policy: drop, accept: [{established: true}]}", False),
        ("output: {policy: drop, accept: [{established: true}, {tcp: 80}]}", False),
        ("input: {drop: [{icmp: true}]}", False),
        ("input: {policy: drop, accept: [{established: true}, {icmp: true}]}", True),
        ("output: {policy: drop, accept: [{tcp: 80}, {icmp: true, out: eth0}]}", True),
    ],
)
@made_up
def test_a_warning_is_given_where_a_filter_hides_neighbours(stage: Stage, said: str, finds: bool) -> None:
    text = FILTERED.replace("FIREWALL", "firewall: {}")
    stage.apply(text)
    until(lambda: answers(stage, "a", "fd00::2", 80))
    done = stage.apply(text.replace("firewall: {}", f"firewall: {{{said}}}"))
    stage.run("a", "ip", "neighbour", "flush", "dev", "eth0")
    assert answers(stage, "a", "fd00::2", 80) == finds
    assert [warning.code for warning in done.warnings] == ([] if finds else ["neighbour-discovery"])
