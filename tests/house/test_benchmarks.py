"""The benchmark harness: the networks are the same for all, the figures are right, and a small run works end to end."""

import ipaddress
import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from benchmarks.contestants import Sample
from benchmarks.networks import Network, batches, topology
from benchmarks.report import Result, document, figures, markdown

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
        "netlab": [Sample(2.0, 2.0, 90_000, 0.5), Sample(2.0, 1.0, 95_000, 1.0), Sample(2.0, 1.0, 90_000, 0.5)],
        "mininet": [Sample(30.0, 20.0, 40_000), None, None],
    },
)


def test_ratios_are_taken_within_a_round() -> None:
    found = figures(RESULT, "netlab")
    assert found is not None
    assert (found.up, found.up_to_floor, found.down_to_floor) == ((2.0, 2.0, 2.0), 1.0, 1.0)
    assert (found.again, found.again_to_up, found.memory) == ((0.5, 0.5, 1.0), 0.25, 95_000)
    assert (found.rounds, figures(RESULT, "ip")) == (3, None)


def test_who_sat_out_a_round_is_compared_in_the_others() -> None:
    found = figures(RESULT, "mininet")
    assert found is not None
    assert (found.rounds, found.up_to_floor) == (1, 30.0)


def test_the_table_names_who_was_missing_and_hides_memory_that_is_not_known() -> None:
    names = {"floor": "C floor", "netlab": "netlab", "ip": "ip -batch", "mininet": "Mininet"}
    text = markdown([RESULT], names, {"ip": "no ip"}, {"netlab --help": [0.05, 0.07, 0.06]}, 16_000)
    lines = text.splitlines()
    assert lines[2] == (
        "| 100, 50 to a bridge | C floor | 2.00 (1.00-4.00) | 1.00 |  |  | 1.00 (1.00-2.00) | 1.00 | < 16 | 3 |"
    )
    assert "| 93 | 3 |" in lines[3]
    assert "| `netlab --help` | 60 (50-70) |" in lines
    assert lines[-1] == "Not measured: ip -batch: no ip."


def test_the_document_holds_every_sample() -> None:
    found = json.loads(json.dumps(document([RESULT], {}, {}, {"processors": 2})))
    contestants = found["networks"][0]["contestants"]
    assert (found["version"], found["kind"], found["networks"][0]["nodes"]) == (1, "benchmark", 100)
    assert contestants["netlab"]["samples"][0] == {"up": 2.0, "down": 2.0, "memory": 90_000, "again": 0.5}
    assert contestants["mininet"]["samples"][1:] == [None, None]


@pytest.mark.kernel
@pytest.mark.skipif(not (shutil.which("cc") and shutil.which("ip")), reason="needs a C compiler and iproute2")
def test_a_small_run_of_the_floor_and_iproute2() -> None:
    """As benchmarks/run starts it; the run fails by itself when a device or a namespace is left behind."""
    machine = [
        "unshare",
        "--map-root-user",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        "--",
    ]
    inside = ["sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh", sys.executable, "-m", "benchmarks"]
    words = ["--nodes", "5", "--per-bridge", "2", "--rounds", "2", "--only", "floor,ip", "--json"]
    done = subprocess.run(
        [*machine, *inside, *words], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(network["nodes"], network["per_bridge"]) for network in found["networks"]] == [(5, 2), (5, 5)]
    for network in found["networks"]:
        for key in ("floor", "ip"):
            samples = network["contestants"][key]["samples"]
            assert len(samples) == 2
            assert all(sample["up"] > 0 and sample["down"] > 0 for sample in samples)


@pytest.mark.parametrize(
    "words", [["--nodes", "2000"], ["--nodes", "x"], ["--only", "floor,nobody"], ["--rounds", "0"]]
)
def test_a_wrong_command_line_ends_with_2_before_anything_is_made(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "error:" in done.stderr
