"""Translation and filtering on the real kernel: seen from both ends, changed in place, drifting and mended."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

import pytest

from netlab import app
from netlab.store import Store
from tests.kernel.stage import Stage, made_up, until

pytestmark = pytest.mark.kernel

#: Says to each client what address it comes from.
SERVER = (
    "python3 -c 'import socketserver as s;"
    'H=type("H",(s.BaseRequestHandler,),{"handle":lambda h:h.request.sendall(h.client_address[0].encode())});'
    "s.ThreadingTCPServer.allow_reuse_address=True;"
    's.ThreadingTCPServer(("",80),H).serve_forever()\''
)
CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 1.5) as connection:
    print(connection.recv(100).decode(), end="")
"""
LAB = """
name: nat
netns:
  gw:
    forwarding: true
    bridges: {docker0: 172.17.0.1/16}
    interfaces: {eth0: {peer: "out:eth0", address: 192.168.0.8/24}}
    sysctls: {net.bridge.bridge-nf-call-iptables: NF}
    nat:
      - masquerade: {from: 172.17.0.0/16, out: eth0}
      - publish: {port: 8080, to: "c1:80"}
    FIREWALL
  c1: {bridge: "gw:docker0", run: [RUN]}
  c2: "gw:docker0"
  out: {interfaces: {eth0: {address: 192.168.0.1/24}}, routes: [{to: 172.17.0.0/16, via: 192.168.0.8}], run: [RUN]}
"""
FIREWALL = (
    "firewall: {forward: {policy: drop, accept: [{in: docker0, out: docker0}, {established: true}, "
    "{from: 172.17.0.0/16, out: eth0}]}}"
)


def lab(firewall: str = FIREWALL, netfilter: int = 0) -> str:
    quoted = json.dumps(SERVER)
    return LAB.replace("FIREWALL", firewall).replace("RUN", quoted).replace("NF", str(netfilter))


def seen_as(stage: Stage, node: str, address: str, port: int) -> str:
    """Give the address that a client in a node is seen as; empty where there is no connection."""
    return stage.run(node, sys.executable, "-c", CLIENT, address, str(port), ok=False)


def await_servers(stage: Stage) -> None:
    until(lambda: seen_as(stage, "c1", "127.0.0.1", 80) and seen_as(stage, "out", "127.0.0.1", 80))


def ruleset(stage: Stage, node: str) -> list[dict[str, Any]]:
    found = json.loads(stage.run(node, "nft", "-j", "list", "ruleset"))["nftables"]
    return [one for one in found if "metainfo" not in one]


def handles(stage: Stage, node: str) -> dict[str, int]:
    rules = [one["rule"] for one in ruleset(stage, node) if "rule" in one]
    return {json.dumps([rule["chain"], rule["expr"]]): rule["handle"] for rule in rules}


@made_up
def test_masquerade_hides_and_does_not_isolate(stage: Stage) -> None:
    stage.apply(lab(firewall=""))
    await_servers(stage)
    assert seen_as(stage, "c2", "192.168.0.1", 80) == "192.168.0.8"
    assert seen_as(stage, "out", "172.17.0.2", 80) == "192.168.0.1", "whoever has a route gets in"


@made_up
def test_a_forward_policy_of_drop_isolates(stage: Stage) -> None:
    stage.apply(lab())
    await_servers(stage)
    assert seen_as(stage, "c2", "192.168.0.1", 80) == "192.168.0.8"
    assert seen_as(stage, "out", "172.17.0.2", 80) == ""
    assert seen_as(stage, "c2", "172.17.0.2", 80) == "172.17.0.3"


@pytest.mark.parametrize("netfilter", [0, 1], ids=["", "bridge-netfilter"])
@made_up
def test_a_published_port_is_there_from_everywhere(stage: Stage, netfilter: int) -> None:
    stage.apply(lab(netfilter=netfilter))
    await_servers(stage)
    assert seen_as(stage, "out", "192.168.0.8", 8080) == "192.168.0.1", "the client's address is kept"
    for address, source in (("127.0.0.1", "172.17.0.1"), ("192.168.0.8", "192.168.0.8"), ("172.17.0.1", "172.17.0.1")):
        assert seen_as(stage, "gw", address, 8080) == source, address
    for node in ("c2", "c1"):  # a neighbour, and the target itself
        assert seen_as(stage, node, "172.17.0.1", 8080) == "172.17.0.1", node
        assert seen_as(stage, node, "192.168.0.8", 8080) == "172.17.0.1", node
    assert seen_as(stage, "out", "192.168.0.8", 8081) == ""


@made_up
def test_nobody_else_may_send_to_loopback(stage: Stage) -> None:
    stage.apply(lab(firewall=""))
    await_servers(stage)
    # A neighbour that routes 127.0.0.1 to the gateway, as nobody should.
    stage.sh("out", "echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet")
    stage.sh(
        "out", "ip route del local 127.0.0.1 dev lo table local; ip route del local 127.0.0.0/8 dev lo table local"
    )
    stage.sh("out", "ip route add 127.0.0.1 via 192.168.0.8 dev eth0 src 192.168.0.1")
    stage.sh("gw", "echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet")
    # Answers from 127.0.0.1 nobody takes from a wire: so what gets through is counted.
    watch = "add table ip watch; add chain ip watch c { type filter hook forward priority 9; }; add rule ip watch c {}"
    stage.run("gw", "nft", watch.replace("{}", "ip daddr 172.17.0.2 counter"))

    def passed() -> int:
        rules = [one["rule"] for one in ruleset(stage, "gw") if one.get("rule", {}).get("table") == "watch"]
        return int(rules[0]["expr"][-1]["counter"]["packets"])

    assert seen_as(stage, "out", "127.0.0.1", 8080) == ""
    assert passed() == 0
    stage.run("gw", "nft", "flush chain inet netlab-nat guard")
    seen_as(stage, "out", "127.0.0.1", 8080)
    assert passed() > 0, "it was the guard that kept it out"


@made_up
def test_only_what_differs_is_changed(stage: Stage) -> None:
    text = lab()
    stage.apply(text)
    await_servers(stage)
    before = handles(stage, "gw")
    more = text.replace(
        '- publish: {port: 8080, to: "c1:80"}',
        '- publish: {port: 8080, to: "c1:80"}\n      - publish: {port: "9000-9002", to: "c2:7000-7002", protocol: udp}',
    )
    stage.apply(more)
    after = handles(stage, "gw")
    assert {rule: after.get(rule) for rule in before} == before, "rules that stay are not touched"
    assert len(after) == len(before) + 3 + 3 + 1 + 1
    stage.apply(text)
    assert handles(stage, "gw") == before
    assert seen_as(stage, "out", "192.168.0.8", 8080) == "192.168.0.1"


@made_up
def test_snat_and_the_node_s_own_filter(stage: Stage) -> None:
    text = lab(
        firewall="firewall: {input: {policy: drop, accept: [{established: true}, {in: docker0, icmp: true}]}, "
        'output: {reject: [{to: out, tcp: [80, "90-99"]}]}}'
    )
    stage.apply(
        text.replace(
            "masquerade: {from: 172.17.0.0/16, out: eth0}", "snat: {from: 172.17.0.0/16, out: eth0, to: 192.168.0.99}"
        ).replace("address: 192.168.0.8/24", "addresses: [192.168.0.8/24, 192.168.0.99/24]")
    )
    await_servers(stage)
    assert seen_as(stage, "c2", "192.168.0.1", 80) == "192.168.0.99"
    assert seen_as(stage, "gw", "192.168.0.1", 80) == ""
    stage.write(
        stage.file.read_text() + "checks:\n  - ping: c1 -> gw\n  - ping: {from: out, to: gw, expect: timeout}\n"
    )
    assert app.check(str(stage.file)).ok


BY_HAND = {
    "a rule more": "nft insert rule inet netlab-nat nat-prerouting tcp dport 99 counter accept",
    "a rule less": "nft flush chain inet netlab-nat nat-postrouting",
    "another policy": "nft chain inet netlab-nat filter-forward '{ policy accept; }'",
    "a chain more": "nft add chain inet netlab-nat more '{ type filter hook input priority 5; policy drop; }'",
    "a chain less": "nft flush chain inet netlab-nat nat-output; nft delete chain inet netlab-nat nat-output",
    "no table": "nft delete table inet netlab-nat",
}


@pytest.mark.parametrize("typed", BY_HAND.values(), ids=BY_HAND.keys())
@made_up
def test_what_is_changed_by_hand_is_seen_and_mended(stage: Stage, typed: str) -> None:
    text = lab()
    stage.apply(text)
    # Handles tell what was made anew, and the order of chains is by when they were made.
    plain = [
        sorted(handles(stage, "gw")),
        sorted(json.dumps(one["chain"].get("policy")) for one in ruleset(stage, "gw") if "chain" in one),
    ]
    stage.sh("gw", typed)
    found = app.drift("nat")
    assert found.changes
    assert all(change.fact.key in found.origin or change.action == "delete" for change in found.changes)
    stage.apply(text)
    assert not app.drift("nat").changes
    assert [
        sorted(handles(stage, "gw")),
        sorted(json.dumps(one["chain"].get("policy")) for one in ruleset(stage, "gw") if "chain" in one),
    ] == plain


MACHINE = """
name: own
host: {forwarding: true}
bridges: {br9: 10.77.0.1/24}
netns: {c1: {bridge: br9, run: [RUN]}}
nat:
  - masquerade: {from: 10.77.0.0/24}
  - publish: {port: 8080, to: "c1:80"}
"""


@pytest.mark.parametrize("sandbox", [False], ids=["machine"])
@made_up
def test_on_the_machine_only_its_own_table(stage: Stage, sandbox: bool) -> None:
    stage.sh("host", "nft add table inet other; nft add chain inet other c")
    before = ruleset(stage, "host")
    stage.apply(MACHINE.replace("RUN", json.dumps(SERVER)))
    until(lambda: seen_as(stage, "c1", "127.0.0.1", 80))
    assert seen_as(stage, "c1", "10.77.0.1", 8080) == "10.77.0.1"
    assert [one["table"]["name"] for one in ruleset(stage, "host") if "table" in one] == ["other", "netlab-own"]
    shutil.rmtree("/run/netlab")
    assert [status.lab for status in app.status()] == ["own"]
    stage.destroy()
    assert ruleset(stage, "host") == before
    # What is the test's own, and the setting that the store alone remembered.
    stage.sh("host", "nft delete table inet other; echo 0 > /proc/sys/net/ipv4/ip_forward")


@made_up
def test_what_a_lost_store_does_not_tell_is_found_and_taken_away(stage: Stage) -> None:
    stage.apply(lab())
    assert ruleset(stage, "gw")
    shutil.rmtree(Store.locate())
    without = lab(firewall="")
    start, end = without.index("    nat:"), without.index("  c1:")
    done = stage.try_to_apply(without[:start] + without[end:])
    assert done.outcome == "applied"
    assert not ruleset(stage, "gw")
