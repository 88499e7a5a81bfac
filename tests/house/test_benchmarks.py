"""The benchmark harness: the networks are the same for all, the figures are right, and a small run works end to end."""

import ipaddress
import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from benchmarks.alone import Planning, Rules, Simulating
from benchmarks.contestants import Sample
from benchmarks.networks import Network, batches, gateway, topology
from benchmarks.report import Alone, Result, document, figures, markdown
from netlab.facts import Chain, Facts
from netlab.topology import read

ROOT = Path(__file__).parents[2]
networks = st.builds(Network, nodes=st.integers(1, 1000), per_bridge=st.integers(1, 1000))


def test_a_network_in_the_words_of_netlab() -> None:
    assert topology(Network(70, 50)) == (
        "name: bench\n"
        "bridges:\n"
        "  br0: 10.64.0.0/24\n"
        "  br1: 10.64.1.0/24\n"
        "netns:\n"
        '  "a{0..49}": br0\n'
        '  "a{50..69}": br1\n'
    )


def test_an_edit_gives_the_last_node_another_address() -> None:
    assert topology(Network(3, 2), edited=True).splitlines()[-2:] == [
        '  "a{0..1}": br0',
        "  a2: {interfaces: {eth0: {bridge: br1, address: 10.64.1.254/24}}, gateway: auto}",
    ]


@settings(deadline=None, max_examples=20)
@given(st.builds(Network, nodes=st.integers(1, 400), per_bridge=st.integers(1, 400)), st.booleans())
def test_an_edit_is_one_address_of_the_same_lab(network: Network, ranges: bool) -> None:
    plain, edited = (facts_of(topology(network, edited=edited, ranges=ranges)) for edited in (False, True))
    assert facts_of(topology(network, ranges=not ranges)) == plain
    last = f"a{network.nodes - 1}"
    assert {key[:3] for key, _ in plain.items() ^ edited.items()} == {("address", last, "eth0")}


def test_an_edit_of_the_gateway_is_one_port() -> None:
    plain, edited = facts_of(gateway(20)), facts_of(gateway(20, edited=True))
    assert {key[0] for key, _ in plain.items() ^ edited.items()} == {"chain"}
    for key, fact in plain.items():
        changed = edited[key]
        if isinstance(fact, Chain) and isinstance(changed, Chain):
            assert len(fact.rules) == len(changed.rules)
            assert sum(a != b for a, b in zip(fact.rules, changed.rules, strict=True)) in (0, 1)


def facts_of(text: str) -> Facts:
    return read(text.encode(), "bench.yml", sandboxed=True).facts


def test_a_network_in_the_words_of_iproute2() -> None:
    text = batches(Network(2, 1))
    assert text.host.splitlines() == [
        "link add br0 up type bridge",
        "netns add b0",
        "link add h0 up master br0 type veth peer name eth0 netns b0",
        "link add br1 up type bridge",
        "netns add b1",
        "link add h1 up master br1 type veth peer name eth0 netns b1",
    ]
    assert text.inside[1].splitlines()[2:] == [
        "address add 10.64.0.3/16 dev eth0",
        "route add default via 10.64.0.1",
    ]
    assert text.down.splitlines() == ["link del br0", "netns del b0", "link del br1", "netns del b1"]


@settings(deadline=None)
@given(networks)
def test_every_node_stands_on_one_bridge_and_every_subnet_holds_its_nodes(network: Network) -> None:
    numbers = [number for bridge in range(network.bridges) for number in network.on_bridge(bridge)]
    assert numbers == list(range(network.nodes))
    subnets = [ipaddress.IPv4Network(text) for text in YAML(typ="safe").load(topology(network))["bridges"].values()]
    assert not any(left.overlaps(right) for left, right in pairwise(subnets))
    assert subnets == sorted(subnets)
    assert all(subnet.num_addresses - 3 >= len(network.on_bridge(i)) for i, subnet in enumerate(subnets))
    assert len(batches(network).inside) == network.nodes


RESULT = Result(
    Network(100, 50),
    {
        "floor": [Sample(1.0, 1.0, 10_000), Sample(2.0, 1.0, 10_000), Sample(4.0, 2.0, 10_000)],
        "netlab": [
            Sample(2.0, 2.0, 90_000, 0.5, 0.2),
            Sample(2.0, 1.0, 95_000, 1.0, 0.6),
            Sample(2.0, 1.0, 90_000, 0.5, 0.4),
        ],
        "mininet": [Sample(30.0, 20.0, 40_000), None, None],
    },
)


ALONE = Alone(
    rules={200: [Rules(0.2, 0.5, 1, 0.2, 1, 0.1), Rules(0.2, 0.5, 2, 0.4, 1, 0.1)]},
    plans={1000: [Planning(0.5, 2.0, 100_000)]},
    simulations={1000: [Simulating(1.5, 60_000, 0.5, 50_000), Simulating(2.5, 61_000, 0.6, 50_000)]},
    commands={"netlab --help": [0.05, 0.07, 0.06]},
)


def test_ratios_are_taken_within_a_round() -> None:
    found = figures(RESULT, "netlab")
    assert found is not None
    assert (found.up, found.up_to_floor, found.down_to_floor) == ((2.0, 2.0, 2.0), 1.0, 1.0)
    assert (found.again, found.again_to_up, found.memory) == ((0.5, 0.5, 1.0), 0.25, 95_000)
    assert (found.edit, found.edit_to_up) == ((0.4, 0.2, 0.6), 0.2)
    assert (found.rounds, figures(RESULT, "ip")) == (3, None)


def test_who_sat_out_a_round_is_compared_in_the_others() -> None:
    found = figures(RESULT, "mininet")
    assert found is not None
    assert (found.rounds, found.up_to_floor) == (1, 30.0)


def test_the_table_names_who_was_missing_and_hides_memory_that_is_not_known() -> None:
    names = {"floor": "C floor", "netlab": "netlab", "ip": "ip -batch", "mininet": "Mininet"}
    text = markdown([RESULT], ALONE, names, {"ip": "no ip"}, 16_000)
    lines = text.splitlines()
    assert lines[2] == (
        "| 100, 50 to a bridge | C floor | 2.00 (1.00-4.00) | 1.00 |  |  |  |  | 1.00 (1.00-2.00) | 1.00 | < 16 | 3 |"
    )
    assert "| 0.40 (0.20-0.60) | 0.20 |" in lines[3]
    assert "| 93 | 3 |" in lines[3]
    assert "| `netlab --help` | 60 (50-70) |" in lines
    assert "| 200 | 0.20 (0.20-0.20) | 0.50 (0.50-0.50) | 1, 2 | 0.30 (0.20-0.40) | 1 | 0.10 (0.10-0.10) |" in lines
    assert "| 1000 | 0.50 (0.50-0.50) | 0.50 | 2.00 (2.00-2.00) | 2.00 | 98 |" in lines
    assert "| 1000 | 2.00 (1.50-2.50) | 2.00 | 60 | 0.55 (0.50-0.60) | 49 |" in lines
    assert lines[-1] == "Not measured: ip -batch: no ip."


def test_the_document_holds_every_sample() -> None:
    found = json.loads(json.dumps(document([RESULT], ALONE, {}, {"processors": 2})))
    contestants = found["networks"][0]["contestants"]
    assert (found["version"], found["kind"], found["networks"][0]["nodes"]) == (1, "benchmark", 100)
    assert contestants["netlab"]["samples"][0] == {
        "up": 2.0, "down": 2.0, "memory": 90_000, "again": 0.5, "edit": 0.2,
    }  # fmt: skip
    assert found["rules"][0]["samples"][1]["transactions"] == 2
    assert found["plans"] == [{"nodes": 1000, "samples": [{"validate": 0.5, "plan": 2.0, "memory": 100_000}]}]
    assert found["simulations"][0]["samples"][1] == {
        "reach": 2.5, "reach_memory": 61_000, "trace": 0.6, "trace_memory": 50_000,
    }  # fmt: skip
    assert contestants["mininet"]["samples"][1:] == [None, None]


MACHINE = ["unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--"]


def small_run(*words: str) -> dict[str, Any]:
    """Run it as benchmarks/run starts it; it fails by itself when a device or a namespace is left behind."""
    inside = ["sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh", sys.executable, "-m", "benchmarks"]
    done = subprocess.run(
        [*MACHINE, *inside, *words, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.kernel
@pytest.mark.skipif(not shutil.which("nft"), reason="needs nftables")
def test_a_small_run_of_netlab() -> None:
    words = ("--nodes", "4", "--per-bridge", "2", "--rounds", "1", "--only", "netlab", "--no-one-bridge")
    found = small_run(*words, "--rules", "5", "--plan", "3,0", "--simulate", "3", "--no-commands")
    (network,) = found["networks"]
    (sample,) = network["contestants"]["netlab"]["samples"]
    assert all(sample[what] > 0 for what in ("up", "again", "edit", "down"))
    kinds = ("rules", "plans", "simulations")
    ((rules,), (plans,), (simulations,)) = (one["samples"] for kind in kinds for one in found[kind])
    assert (rules["transactions"], rules["edit_transactions"]) == (1, 1)
    assert all(rules[what] > 0 for what in ("without", "all", "edit", "nft"))
    assert plans["validate"] > 0
    assert plans["plan"] > 0
    assert all(simulations[what] > 0 for what in ("reach", "reach_memory", "trace", "trace_memory"))


@pytest.mark.kernel
@pytest.mark.skipif(not (shutil.which("cc") and shutil.which("ip")), reason="needs a C compiler and iproute2")
def test_a_small_run_of_the_floor_and_iproute2() -> None:
    found = small_run("--nodes", "5", "--per-bridge", "2", "--rounds", "2", "--only", "floor,ip")
    assert [(network["nodes"], network["per_bridge"]) for network in found["networks"]] == [(5, 2), (5, 5)]
    for network in found["networks"]:
        for key in ("floor", "ip"):
            samples = network["contestants"][key]["samples"]
            assert len(samples) == 2
            assert all(sample["up"] > 0 and sample["down"] > 0 for sample in samples)


@pytest.mark.parametrize(
    "words",
    [
        ["--nodes", "2000"],
        ["--plan", "x"],
        ["--simulate", "x"],
        ["--simulate", "100000"],
        ["--plan", "100000"],
        ["--rules", "-1"],
        ["--nodes", "x"],
        ["--only", "floor,nobody"],
        ["--rounds", "0"],
    ],
)
def test_a_wrong_command_line_ends_with_2_before_anything_is_made(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "error:" in done.stderr
