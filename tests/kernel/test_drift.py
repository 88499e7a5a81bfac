"""What somebody changes by hand in a lab: `drift` names it and its line, `apply` repairs it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, NoReturn

import pytest

from netlab import app
from netlab.app.results import Drift
from netlab.kernel import ahead
from netlab.names import far_end_name
from tests.kernel.second_opinion import check
from tests.kernel.stage import FILE, Stage, made_up, until

pytestmark = pytest.mark.kernel

TEXT = """\
name: drifting
bridges:
  lan: {address: 10.0.0.1/24}
  other:
netns:
  a:
    interfaces:
      eth0: {bridge: lan, addresses: [10.0.0.2/24, "fd00::2/64"]}
      lo: {address: 10.255.0.2/32}
    gateway: 10.0.0.1
    routes:
      - {to: 172.16.0.0/16, via: 10.0.0.9}
      - {to: 172.17.0.0/16, blackhole: true}
      - {to: "fd99::/64", via: "fd00::9"}
    sysctls:
      net.ipv4.ip_default_ttl: 33
      net.ipv4.conf.eth0.rp_filter: 1
  b: {interfaces: {eth0: {peer: "c:eth0", address: 10.1.0.1/24}}}
  c: {interfaces: {eth0: {address: 10.1.0.2/24}}}
"""
PORT = far_end_name("drifting", "a", "eth0")
CABLE = f"veth a:eth0 <-> host:{PORT}"


@dataclass(frozen=True)
class ByHand:
    """What is typed in a node; then what drift says of it, each with what stands in the file where it points."""

    name: str
    node: str
    typed: str
    drift: tuple[tuple[str, str | None], ...]


def by_hand(name: str, node: str, typed: str, drift: dict[str, str | None]) -> ByHand:
    return ByHand(name, node, typed, tuple(drift.items()))


GATEWAY = {"+ route 0.0.0.0/0 via 10.0.0.1 in a": "10.0.0.1"}
ROUTE = {"+ route 172.16.0.0/16 via 10.0.0.9 in a": "{to: 172.16"}
IPV6_ROUTE = {"+ route fd99::/64 via fd00::9 in a": '{to: "fd99'}
IPV6_ADDRESS = {"+ address fd00::2/64 on a:eth0": '"fd00::2/64"'}

CHANGES = [
    by_hand(
        "address-removed",
        "a",
        "ip address delete 10.0.0.2/24 dev eth0",
        {"+ address 10.0.0.2/24 on a:eth0": "10.0.0.2/24", **GATEWAY, **ROUTE},
    ),
    by_hand(
        "address-of-lo-removed",
        "a",
        "ip address delete 10.255.0.2/32 dev lo",
        {"+ address 10.255.0.2/32 on a:lo": "10.255.0.2/32"},
    ),
    by_hand(
        "addresses-added",
        "a",
        "ip address add 10.0.0.7/24 dev eth0; ip address add fd00::7/64 dev eth0; ip address add fe80::7/64 dev eth0",
        dict.fromkeys([f"- address {a} on a:eth0" for a in ("10.0.0.7/24", "fd00::7/64", "fe80::7/64")]),
    ),
    by_hand("ipv6-address-removed", "a", "ip address delete fd00::2/64 dev eth0", {**IPV6_ADDRESS}),
    by_hand("ipv6-route-removed", "a", "ip route delete fd99::/64", {**IPV6_ROUTE}),
    by_hand("gateway-removed", "a", "ip route delete default", {**GATEWAY}),
    by_hand(
        "gateway-changed",
        "a",
        "ip route replace default via 10.0.0.3",
        {"~ route 0.0.0.0/0 via 10.0.0.1 in a": "10.0.0.1"},
    ),
    by_hand(
        "source-and-mtu-of-a-route",
        "a",
        "ip route replace 172.16.0.0/16 via 10.0.0.9 src 10.255.0.2 mtu 1400",
        {"~ route 172.16.0.0/16 via 10.0.0.9 in a": "{to: 172.16"},
    ),
    by_hand(
        "routes-added",
        "a",
        "ip route add 172.20.0.0/16 via 10.0.0.3 metric 9; ip route add prohibit 172.21.0.0/16 table 77; "
        "ip route add unreachable fd98::/64; ip route add fd97::/64 via fd00::9 table 77",
        dict.fromkeys(
            [
                "- route 172.20.0.0/16 via 10.0.0.3 in a",
                "- route 172.21.0.0/16 prohibit table 77 in a",
                "- route fd98::/64 unreachable in a",
                "- route fd97::/64 via fd00::9 table 77 in a",
            ]
        ),
    ),
    by_hand(
        "same-route-of-another-metric",
        "a",
        "ip route add 172.16.0.0/16 via 10.0.0.3 metric 9; ip route add fd99::/64 via fd00::8 metric 9",
        {"- route 172.16.0.0/16 via 10.0.0.3 in a": None, "- route fd99::/64 via fd00::8 in a": None},
    ),
    by_hand(
        "black-hole-filled",
        "a",
        "ip route delete blackhole 172.17.0.0/16",
        {"+ route 172.17.0.0/16 blackhole in a": "{to: 172.17"},
    ),
    by_hand(
        "device-down",
        "a",
        "ip link set eth0 down",
        {f"~ {CABLE}": "eth0", **IPV6_ADDRESS, **GATEWAY, **ROUTE, **IPV6_ROUTE},
    ),
    by_hand("port-down", "host", f"ip link set {PORT} down", {f"~ {CABLE}": "eth0"}),
    by_hand("mtu", "a", "ip link set eth0 mtu 1400", {f"~ {CABLE}": "eth0"}),
    by_hand(
        "mtu-too-low-for-ipv6",
        "a",
        "ip link set eth0 mtu 1000",
        {f"~ {CABLE}": "eth0", **IPV6_ADDRESS, **IPV6_ROUTE},
    ),
    by_hand("mac", "a", "ip link set eth0 address 02:00:00:00:00:99", {f"~ {CABLE}": "eth0"}),
    by_hand("port-unplugged", "host", f"ip link set {PORT} nomaster", {f"+ port host:{PORT} in lan": "eth0"}),
    by_hand("port-moved", "host", f"ip link set {PORT} master other", {f"~ port host:{PORT} in lan": "eth0"}),
    by_hand(
        "port-isolated",
        "host",
        f"bridge link set dev {PORT} isolated on hairpin on learning off flood off",
        {f"~ port host:{PORT} in lan": "eth0"},
    ),
    by_hand(
        "bridge-options",
        "host",
        "ip link set lan type bridge stp_state 1; ip link set lan mtu 1400 address 02:00:00:00:00:98",
        {"~ bridge host:lan": "lan"},
    ),
    by_hand(
        "bridge-deleted",
        "host",
        "ip link delete lan",
        {
            "+ bridge host:lan": "lan",
            f"+ port host:{PORT} in lan": "eth0",
            "+ address 10.0.0.1/24 on host:lan": "10.0.0.1/24",
        },
    ),
    by_hand(
        "stray-devices",
        "c",
        "ip link add x type veth peer y; ip link add br9 type bridge; ip link set x master br9 up; "
        "ip link add z type ifb; ip address add 10.7.0.1/24 dev y",
        {
            "- veth c:x <-> c:y": None,
            "- bridge c:br9": None,
            "- port c:x in br9": None,
            "- dummy c:z": None,
            "- address 10.7.0.1/24 on c:y": None,
        },
    ),
    by_hand(
        "device-renamed",
        "b",
        "ip link set eth0 down; ip link set eth0 name wan",
        {
            "+ veth b:eth0 <-> c:eth0": "eth0",
            "- veth b:wan <-> c:eth0": None,
            "+ address 10.1.0.1/24 on b:eth0": "10.1.0.1/24",
            "- address 10.1.0.1/24 on b:wan": None,
            "± address 10.1.0.2/24 on c:eth0": "10.1.0.2/24",
        },
    ),
    by_hand(
        "device-deleted",
        "b",
        "ip link delete eth0",
        {
            "+ veth b:eth0 <-> c:eth0": "eth0",
            "+ address 10.1.0.1/24 on b:eth0": "10.1.0.1/24",
            "+ address 10.1.0.2/24 on c:eth0": "10.1.0.2/24",
        },
    ),
    by_hand(
        "device-moved-to-another-node",
        "b",
        "ip link set eth0 netns drifting-a name eth7",
        {
            "+ veth b:eth0 <-> c:eth0": "eth0",
            "- veth a:eth7 <-> c:eth0": None,
            "+ address 10.1.0.1/24 on b:eth0": "10.1.0.1/24",
            "± address 10.1.0.2/24 on c:eth0": "10.1.0.2/24",
        },
    ),
    by_hand("setting", "a", "sysctl -qw net.ipv4.ip_default_ttl=99", {"~ settings of a": "a"}),
    by_hand("setting-nobody-named", "a", "sysctl -qw net.ipv4.conf.all.arp_ignore=1", {"~ settings of a": "a"}),
    by_hand("forwarding", "a", "sysctl -qw net.ipv4.ip_forward=1", {"~ settings of a": "a"}),
    by_hand(
        "setting-of-a-device",
        "a",
        "sysctl -qw net.ipv4.conf.eth0.rp_filter=2",
        {"~ settings of a:eth0": "net.ipv4.conf.eth0.rp_filter"},
    ),
    by_hand(
        "setting-of-a-device-nobody-named",
        "b",
        "sysctl -qw net.ipv4.conf.eth0.proxy_arp=1",
        {"- settings of b:eth0": None},
    ),
    by_hand(
        "ipv6-off",
        "a",
        "sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
        {"~ settings of a": "a", **IPV6_ADDRESS, **IPV6_ROUTE},
    ),
    by_hand("lo-down", "a", "ip link set lo down", {"~ netns a": "a"}),
    by_hand(
        "namespace-deleted",
        "host",
        "ip netns delete drifting-b",
        {
            "+ netns b": "b",
            "+ settings of b": "b",
            "+ veth b:eth0 <-> c:eth0": "eth0",
            "+ address 10.1.0.1/24 on b:eth0": "10.1.0.1/24",
            "+ address 10.1.0.2/24 on c:eth0": "10.1.0.2/24",
        },
    ),
]


def seen(drift: Drift) -> dict[str, str | None]:
    """Give what drift says: each change, and the text of the file from where it points on."""
    lines = TEXT.splitlines()
    found: dict[str, str | None] = {}
    for change in drift.changes:
        span = drift.origin.get(change.fact.key)
        text = lines[span.line - 1][span.column - 1 :] if span is not None else None
        found[f"{change.action.glyph} {change.fact.label()}"] = text
    return found


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
@made_up
def test_what_is_changed_by_hand_is_named_and_repaired(stage: Stage, change: ByHand) -> None:
    stage.apply(TEXT)
    assert app.drift("drifting").changes == ()
    stage.sh(change.node, change.typed)
    if "netns delete" in change.typed:
        # The kernel takes a namespace apart in its own time.
        until(lambda: "eth0" not in stage.run("c", "ip", "-br", "link"))
    found = seen(app.drift("drifting"))
    assert set(found) == {said for said, _ in change.drift}
    for said, text in change.drift:
        assert (found[said] or "").startswith(text or "")
        assert (text is None) == (found[said] is None)
    done = stage.apply(TEXT)
    assert {f"{c.action.glyph} {c.fact.label()}" for c in done.plan.changes} == set(found)
    check(stage, stage.wants())
    assert app.drift("drifting").changes == ()


@made_up
def test_a_program_that_was_killed_is_named_and_started_again(stage: Stage) -> None:
    text = "name: killed\nnetns:\n  a:\n    run:\n      - sleep 1000\n      - sleep 2000\n"
    stage.apply(text)
    pid = next(pid for pid in stage.run("a", "pgrep", "-x", "sleep").split() if _argument(stage, pid) == "2000")
    stage.run("a", "kill", "-KILL", pid)
    until(lambda: app.drift("killed").changes)
    drift = app.drift("killed")
    (change,) = drift.changes
    assert (change.action.glyph, change.fact.label()) == ("+", "program 'sleep 2000' in a")
    assert drift.origin[change.fact.key].line == 6
    stage.apply(text)
    assert sorted(_argument(stage, pid) for pid in stage.run("a", "pgrep", "-x", "sleep").split()) == ["1000", "2000"]
    assert app.drift("killed").changes == ()


def _argument(stage: Stage, pid: str) -> str:
    return stage.run("a", "cat", f"/proc/{pid}/cmdline").split("\0")[1]


@pytest.mark.parametrize("fails", [False, True], ids=["ahead", "ahead fails"])
@made_up
def test_settings_of_many_nodes(stage: Stage, fails: bool) -> None:
    text = "name: many\nbridges: {br0: 10.0.0.0/16}\nnetns: {'n{0..119}': br0}\n"
    stage.apply(text)
    stage.sh("n7", "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore")
    stage.sh("n98", "echo 1 > /proc/sys/net/ipv4/conf/default/rp_filter")
    serve, trace = ahead._serve, FILE.parent / "begun"

    def begin(*arguments: Any) -> NoReturn:
        trace.touch()
        if fails:
            os._exit(1)
        serve(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "_serve", begin)
        found = app.drift("many").changes
    assert trace.exists()
    told = {(change.fact.nodes[0], d.field, d.before, d.after) for change in found for d in change.differences}
    assert told == {
        ("n7", "net.ipv4.conf.all.arp_ignore", "1", "0"),
        ("n98", "net.ipv4.conf.default.rp_filter", "1", "0"),
    }
