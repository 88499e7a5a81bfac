"""Random labs resolve, are the same of the same seed, have what they are asked to have, and can be applied."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from ipaddress import ip_interface
from random import Random

import pytest

from netlab.facts import Address, Route
from netlab.source import load
from netlab.topology import read
from netlab.topology.lab import Lab
from tests.conformance.labs import FEATURES, RARE, USUAL, borne, random_topology, written
from tests.conformance.labs_full import FULL
from tests.conformance.labs_probes import random_probes
from tests.conformance.labs_rulesets import random_rulesets
from tests.conformance.labs_sketch import Document, put
from tests.kernel.stage import Stage, made_up

SEEDS = 300
#: Labs in which a feature must turn up.
_TRIES = 150


@cache
def text_of(seed: int) -> str:
    return random_topology(Random(seed), FEATURES if seed % 4 == 0 else USUAL)


def lab_of(seed: int) -> Lab:
    return read(text_of(seed), "lab.yml")


@pytest.mark.parametrize("first", range(0, SEEDS, 100))
def test_every_lab_resolves(first: int) -> None:
    for seed in range(first, first + 100):
        lab = lab_of(seed)
        assert lab.sandbox
        assert 3 <= len(lab.nodes) <= 14, f"seed {seed}"


def test_a_file_says_all_of_its_lab() -> None:
    for seed in range(0, SEEDS, 10):
        document = load(text_of(seed), "lab.yml").value
        assert written(document) == text_of(seed)


def test_one_seed_is_one_lab_in_every_process() -> None:
    """Whatever Python's strings hash to, on which the order of sets depends."""
    program = (
        "from random import Random; from tests.conformance.labs import random_topology, FEATURES;"
        "from tests.conformance.labs_probes import random_probes; from netlab.topology import read;"
        "from tests.conformance.labs_rulesets import random_rulesets;"
        "texts = [random_topology(Random(seed), FEATURES) for seed in range(8)];"
        "print(texts, [sorted(map(repr, part)) for t in texts for part in random_probes(Random(0), read(t, ''), 20)],"
        "[random_rulesets(Random(0), read(t, '')) for t in texts])"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": number}, capture_output=True, text=True, timeout=60, check=True,
        ).stdout
        for number in ("1", "2")
    }  # fmt: skip
    assert len(told) == 1


def test_rulesets_of_others_say_what_netlab_never_says() -> None:
    drawn = [
        text for seed in range(12) for texts in random_rulesets(Random(seed), lab_of(seed)).values() for text in texts
    ]
    assert len(drawn) > 100
    words = " ".join(drawn)
    assert all(word in words for word in ("vmap", "reject", "dnat", "jump sub", "ct state", "ip6 saddr", "tcp flags"))


def test_a_change_that_no_file_can_bear_is_left_out() -> None:
    lab: Document = {"name": "x", "netns": {"a": {"interfaces": {"lo": {"address": "10.0.0.1/32"}}}}}
    good = put(("netns", "a"), forwarding=True)
    bad = put(("netns", "a"), routes=[{"to": "default", "via": "192.0.2.1"}])
    later = put(("netns", "a"), sysctls={"net.ipv4.ip_default_ttl": 7})
    assert borne(lab, [good, bad, later]) == borne(lab, [good, later])
    assert borne(lab, [good, bad, later])["netns"]["a"].keys() == {"interfaces", "forwarding", "sysctls"}


def test_what_is_rare_is_asked_for_by_name() -> None:
    assert RARE < FEATURES
    assert FEATURES - RARE == USUAL


def _overlap(lab: Lab) -> bool:
    """Tell whether nodes are of different minds on how large a subnet is."""
    found = {ip_interface(fact.address).network for fact in lab.facts.values() if isinstance(fact, Address)}
    return any(str(one) != str(other) and one.overlaps(other) for one in found for other in found)


def _circle(lab: Lab) -> bool:
    """Tell whether two nodes send packets for one destination to each other, by routes that name it."""
    facts = lab.facts.values()
    holders = {fact.address.partition("/")[0]: fact.node for fact in facts if isinstance(fact, Address)}
    routes = [fact for fact in facts if isinstance(fact, Route) and not fact.to.endswith("/0")]
    ways = {(fact.node, holders.get(str(fact.via)), fact.to) for fact in routes}
    return any((other, one, to) in ways for one, other, to in ways)


def _doubled(lab: Lab) -> bool:
    """Tell whether a subnet is on two links: somebody is on both, or two have the same address."""
    return any(problem.code in ("overlap", "duplicate-address") for problem in lab.warnings)


def _found(pattern: str) -> Callable[[Lab, str], bool]:
    return lambda _, text: re.search(pattern, text) is not None


#: By what a feature is told, where it is the only one.
MARKS: dict[str, Callable[[Lab, str], bool]] = {
    "bond": _found("bonds:"),
    "bridge-nf": _found("bridge-nf-call-iptables: 1"),
    "cables": _found("peer: "),
    "dead-ends": _found("(blackhole|unreachable|prohibit): true"),
    "down": _found("up: false"),
    "duplicate-subnets": lambda lab, _: _doubled(lab),
    "firewall": _found("firewall:"),
    "forwarding": _found("forwarding: false"),
    "hub": _found("ageing: 0"),
    "ipv6": _found("fd00:"),
    "ipvlan": _found("ipvlans:"),
    "isolated": _found("isolated: true"),
    "joined-bridges": _found("up-host0"),
    "loops": lambda lab, _: _circle(lab),
    "loose": _found("(lo|vip0|tap0): "),
    "macs": _found('mac: "02:aa'),
    "macvlan": _found("macvlans:"),
    "masks": lambda lab, _: _overlap(lab),
    "masquerade": _found("masquerade"),
    "metrics": _found("metric: "),
    "mtu": _found("mtu: "),
    "multipath": _found("hops: "),
    "neighbours": _found("neighbours:"),
    "nested": _found('bridge: "[mr]'),
    "policy": _found("rules:"),
    "ports": _found("(hairpin: true|learning: false|flood: false)"),
    "publish": _found("publish"),
    "route-mtu": _found("mtu: "),
    "secondaries": _found("addresses: "),
    "snat": _found("snat"),
    "sources": _found("source: "),
    "stp": _found("stp: true"),
    "sysctls": _found("sysctls:"),
    "vlan-filtering": _found("vlan_filtering: true"),
    "vlans": _found(" vlans:"),
    "vrf": _found("vrfs:"),
    "vxlan": _found("vxlans:"),
}


def test_every_feature_has_its_mark() -> None:
    assert MARKS.keys() == FEATURES - {"routes"}, "of which there is a test of its own"


@pytest.mark.parametrize("feature", sorted(MARKS))
def test_a_lab_has_what_it_is_asked_to_have(feature: str) -> None:
    """And no lab has it that is not."""
    for seed in range(_TRIES):
        text = random_topology(Random(seed), {feature})
        if MARKS[feature](read(text, "lab.yml"), text):
            break
    else:
        raise AssertionError(f"no lab of {_TRIES} has {feature}")
    for seed in range(10):
        text = random_topology(Random(seed), ())
        assert not MARKS[feature](read(text, "lab.yml"), text), seed


def test_routes_go_wrong() -> None:
    """What is lost, misled or led about differs from the routes that are right, and in nothing else."""
    pairs = [(random_topology(Random(seed), {"routes"}), random_topology(Random(seed), ())) for seed in range(20)]
    different = [(wrong, right) for wrong, right in pairs if wrong != right]
    assert different
    for wrong, right in different:
        changed = set(wrong.splitlines()) ^ set(right.splitlines())
        assert all(line.strip().startswith(("- {to: ", "routes:")) for line in changed), changed


def test_probes_ask_for_what_is_there_and_what_is_not() -> None:
    kinds, sizes, ttls, strangers = set(), set(), set(), 0
    for seed in range(0, SEEDS, 12):
        lab = lab_of(seed)
        probes, listeners = random_probes(Random(seed), lab, 60)
        held = {fact.address.partition("/")[0] for fact in lab.facts.values() if isinstance(fact, Address)}
        assert [probe.number for probe in probes] == list(range(1, 61))
        assert {probe.source for probe in probes} | {node for node, _, _ in listeners} <= set(lab.nodes)
        kinds |= {(probe.kind, probe.version) for probe in probes}
        sizes |= {(probe.size, probe.dont_fragment) for probe in probes}
        ttls |= {probe.ttl for probe in probes}
        strangers += sum(probe.destination not in held for probe in probes)
    assert kinds == {(kind, version) for kind in ("icmp", "udp", "tcp") for version in (4, 6)}
    assert {(84, False), (1500, True), (3000, False)} <= sizes
    assert {1, 2, 3, 4, 64} <= ttls
    assert strangers > 100


@pytest.mark.kernel
@pytest.mark.parametrize("first", [0, 5, 10])
@made_up
def test_every_lab_can_be_applied(stage: Stage, first: int) -> None:
    """Read back as asked, and the second plan is empty."""
    for seed in range(first, first + 5):
        stage.apply(random_topology(Random(seed), FEATURES - FULL))
        stage.destroy()
