"""A machine on which Docker drops what is forwarded: recognised and told, where it matters."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from netlab import app
from tests.kernel.killing import PATIENCE, write
from tests.kernel.made_up_machine import on_made_up_machine

pytestmark = pytest.mark.kernel

HELLO = "name: hello\nbridges: {br0: 10.0.0.0/24}\nnetns: {ns0: br0, ns1: br0}\nchecks: [{ping: ns0 -> ns1}]\n"
ROUTED = "name: routed\nhost: {forwarding: true}\nveths: [[{name: left}, {netns: ns0, name: eth0}]]\nnetns: {ns0: {}}\n"
CABLE = "name: cable\nnetns: {ns0: {interfaces: {eth0: {peer: 'ns1:eth0'}}}, ns1: {}}\n"
#: As dockerd 20.10 leaves it.
DOCKER = """
table ip filter {
    chain FORWARD { type filter hook forward priority filter; policy drop; jump DOCKER-USER; }
    chain DOCKER-USER { return; }
}
"""
NAMES = ("iptables", "ip6tables")


def dock(bridged: str = "1", rules: str = DOCKER) -> None:
    for name in NAMES:
        Path(f"/proc/sys/net/bridge/bridge-nf-call-{name}").write_text(bridged)
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True, timeout=PATIENCE)


def warnings(text: str, sandbox: bool | None = None) -> list[str]:
    """Give the warnings of a plan, and find those of the apply to be the same."""
    path = write("lab.yml", text)
    planned = [str(problem) for problem in app.plan(path, sandbox=sandbox).warnings if problem.code == "forward-drop"]
    done = app.apply(path, sandbox=sandbox)
    assert done.outcome == "applied"
    assert [str(problem) for problem in done.warnings if problem.code == "forward-drop"] == planned
    return planned


def test_two_nodes_on_a_bridge_do_not_reach_each_other_and_the_plan_says_so() -> None:
    def body() -> None:
        dock()
        (warning,) = warnings(HELLO)
        assert warning.startswith("warning: chain FORWARD of table filter on this machine drops what it forwards")
        assert "even two nodes on one bridge of the host will not reach each other" in warning
        assert "fix: apply with --sandbox; or accept the lab's bridge: iptables -I DOCKER-USER -i" in warning
        assert not app.check("hello").ok, "it is as the warning says"
        # What the warning says to type helps, and goes with nothing of netlab's.
        subprocess.run(["nft", "insert", "rule", "ip", "filter", "DOCKER-USER", "iifname", "br0", "accept"], check=True)
        assert app.check("hello").ok
        app.destroy("hello")

    on_made_up_machine(body)


def test_without_bridge_netfilter_only_routing_is_warned_of() -> None:
    def body() -> None:
        dock(bridged="0")
        assert warnings(HELLO) == []
        assert app.check("hello").ok
        app.destroy("hello")
        (warning,) = warnings(ROUTED)
        assert "nodes will not reach each other through the host" in warning
        app.destroy("routed")

    on_made_up_machine(body)


@pytest.mark.parametrize(
    "rules",
    [
        "table inet f { chain c { type filter hook forward priority 0; policy accept; }\n}",
        "table inet f { chain c { type filter hook input priority 0; policy drop; }\n}",
        "table bridge f { chain c { type filter hook forward priority 0; policy accept; }\n}",
        "",
    ],
)
def test_where_nothing_drops_nothing_is_said(rules: str) -> None:
    def body() -> None:
        dock(rules=rules)
        assert warnings(HELLO) == []
        assert app.check("hello").ok
        app.destroy("hello")

    on_made_up_machine(body)


def test_a_firewall_of_the_inet_family_counts_too() -> None:
    def body() -> None:
        dock(rules="table inet firewall { chain through { type filter hook forward priority 0; policy drop; }\n}")
        (warning,) = warnings(HELLO)
        assert "chain through of table firewall" in warning
        app.destroy("hello")
        assert warnings(CABLE) == [], "a cable goes past the host"
        app.destroy("cable")

    on_made_up_machine(body)


def test_in_a_sandbox_all_of_that_is_nothing() -> None:
    def body() -> None:
        dock()
        assert warnings(HELLO, sandbox=True) == []
        assert app.check("hello").ok
        app.destroy("hello")
        assert [problem.code for problem in app.doctor().obstacles] == ["forward-drop"]

    on_made_up_machine(body)
