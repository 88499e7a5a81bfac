"""Who speaks IPv6, which devices are too small for it, and which filters would silence it."""

from __future__ import annotations

import pytest

from netlab.errors import FileError, Problem
from netlab.facts import PolicyRule, Settings
from netlab.topology import read


def problems(text: str) -> tuple[Problem, ...]:
    try:
        return read(f"name: x\n{text}", "f.yml").warnings
    except FileError as error:
        return tuple(error.problems())


@pytest.mark.parametrize(
    ("section", "speaks"),
    [
        ("interfaces: {eth0: {peer: 'b:eth0'}}", False),
        ("interfaces: {eth0: {peer: 'b:eth0', address: 'fd00::1/64'}}", True),
        ("interfaces: {eth0: {peer: 'b:eth0'}}, routes: [{to: 'fd00::/64', dev: eth0}]", True),
        ("interfaces: {eth0: {peer: 'b:eth0'}}, neighbours: [{address: 'fd00::2', mac: MAC, dev: eth0}]", True),
        ("interfaces: {eth0: {peer: 'b:eth0'}}, neighbours: [{address: 10.0.0.2, mac: MAC, dev: eth0}]", False),
        ("interfaces: {eth0: {peer: 'b:eth0'}}, ipv6: true", True),
    ],
)
def test_a_node_speaks_ipv6_where_it_has_anything_of_it(section: str, speaks: bool) -> None:
    rules = "rules: [{mark: 1, table: 100}]"
    section = section.replace("MAC", "'02:00:00:00:00:02'")
    found = read(f"name: x\nnetns: {{a: {{{section}, {rules}}}, b: }}", "f.yml").facts
    settings = found["settings", "a"]
    assert isinstance(settings, Settings)
    assert dict(settings.values)["net.ipv6.conf.all.disable_ipv6"] == ("0" if speaks else "1")
    versions = {fact.version for fact in found.values() if isinstance(fact, PolicyRule)}
    assert versions == ({4, 6} if speaks else {4}), "a rule without a network is of each that the node speaks"


@pytest.mark.parametrize(
    ("text", "fixes"),
    [
        (
            'bridges: {br0: {address: "fd00::1/64"}}\ndummies: {d0: {bridge: br0, mtu: 1279}}',
            ["give host:d0 a larger MTU"],
        ),
        ('bridges: {br0: {address: "fd00::1/64"}}\ndummies: {d0: {bridge: br0, mtu: 1280}}', []),
        ('bridges: {br0: {address: "fd00::1/64", mtu: 1280}}\ndummies: {d0: {bridge: br0, mtu: 1000}}', []),
        ('dummies: {d0: {addresses: ["fd00::1/64", "fd01::1/64"], mtu: 1000}}', ["write mtu: 1280 or more"]),
        ("dummies: {d0: {address: 10.0.0.1/24, mtu: 1000}}", []),
        ('dummies: {d0: {mtu: 1000}}\nroutes: [{to: "fd00::/64", dev: d0}]', ["write mtu: 1280 or more"]),
        (
            "dummies: {d0: {mtu: 1000}}\nneighbours: [{address: 'fe80::1', mac: '02:00:00:00:00:02', dev: d0}]",
            ["write mtu: 1280 or more"],
        ),
        (
            'netns: {a: {interfaces: {eth0: {peer: "host:v0", mtu: 1000}}}}\ninterfaces: {v0: {address: "fd00::1/64"}}',
            ["give a:eth0 a larger MTU"],
        ),
        (
            'dummies: {d0: {mtu: 1300}}\nvlans: {v0: {dev: d0, id: 1, mtu: 1200, address: "fd00::1/64"}}',
            ["write mtu: 1280 or more"],
        ),
    ],
)
def test_a_device_that_is_too_small_is_told_once(text: str, fixes: list[str]) -> None:
    assert [problem.fix for problem in problems(text)] == fixes


FILTERED = """\
bridges: {br0: {subnets: [10.0.0.0/24, "fd00::/64"]}, br1: "fd01::/64", br2: 10.1.0.0/24}
netns:
  a: {bridge: [BRIDGES], firewall: {HOOK: {SAID}}}
"""


def silenced(said: str, hook: str = "input", bridges: str = "br0") -> list[str]:
    found = problems(FILTERED.replace("BRIDGES", bridges).replace("HOOK", hook).replace("SAID", said))
    assert all((problem.code, problem.severity) == ("neighbour-discovery", "warning") for problem in found)
    return [problem.what for problem in found]


@pytest.mark.parametrize(
    ("said", "drops"),
    [
        ("policy: drop", True),
        ("policy: accept", False),
        ("policy: drop, accept: [{icmp: true}]", False),
        ("policy: drop, accept: [{}]", False),
        ("policy: drop, accept: [{icmp: true, from: '::/0', to: any}]", False),
        ("policy: drop, accept: [{established: true}]", True),
        ("policy: drop, accept: [{icmp: true, from: 'fd00::/64'}]", True),
        ("policy: drop, accept: [{icmp: true, established: true}]", True),
        ("policy: drop, accept: [{tcp: 22}]", True),
        ("drop: [{}], accept: [{icmp: true}]", True),
        ("reject: [{icmp: true}]", True),
        ("drop: [{icmp: true, from: 10.0.0.0/24}]", False),
        ("drop: [{from: 0.0.0.0/0}]", False),
        ("drop: [{from: '::/0'}]", True),
        ("drop: [{tcp: 22}]", False),
    ],
)
def test_a_filter_drops_neighbour_discovery_unless_it_takes_all_icmp(said: str, drops: bool) -> None:
    assert silenced(said) == (["input drops neighbour discovery: nobody will find a by IPv6"] if drops else [])
    assert silenced(said, "output") == (
        ["output drops neighbour discovery: a will find nobody by IPv6"] if drops else []
    )
    assert silenced(said, "forward") == []
    assert silenced(said, bridges="br2") == [], "a node without IPv6"


def test_each_device_with_ipv6_counts() -> None:
    only = "policy: drop, accept: [{icmp: true, in: eth0}]"
    assert silenced(only) == []
    assert silenced(only, bridges="br0, br2") == []
    assert silenced(only, bridges="br0, br1") == [
        "input drops neighbour discovery on eth1: nobody will find a by IPv6",
    ]
    assert silenced("drop: [{in: eth1}]", bridges="br0, br1") == [], "who drops all of a device has said so"
    assert silenced("drop: [{in: eth1, icmp: true}]", bridges="br0, br1") != []
