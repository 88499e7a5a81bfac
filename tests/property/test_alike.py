"""Nodes of one class are alike: what the classes say of a pair is what a walk of that very pair comes to."""

from __future__ import annotations

from collections.abc import Hashable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.facts import Facts
from netlab.simulator.compiling import network_of
from netlab.simulator.network import Network
from netlab.simulator.reach import Outcome, Reach, addresses_of, outcome_of, reach
from netlab.topology import read
from tests.alike_labs import alike_lab
from tests.conformance.labs import random_topology
from tests.strategies import random_lab

#: Labs of the seeded loops.
LABS = 80


def seen(network: Network, numbers: dict[str, int], found: Outcome, source: str, target: str) -> Hashable:
    """Give what is to be the same of all pairs of two classes: how it ends, where, and by which address."""
    end = found.end
    place: Hashable = "source" if end.node == source else "target" if end.node == target else numbers[end.node]
    device = (
        list(network.nodes[end.node].devices).index(end.device)
        if place in ("source", "target") and end.device
        else None
    )
    held = [address for addresses in addresses_of(network.nodes[target]).values() for address in addresses]
    return found.reaches, found.back, end.verdict, place, device, end.errno, held.index(found.address)


def check(facts: Facts, kind: str = "icmp") -> int:
    """Walk every pair of a lab and compare; give how many pairs the classes have saved."""
    network = network_of(facts)
    found = reach(network, kind, 80)  # type: ignore[arg-type]
    numbers = dict(found.numbers)
    walked = 0
    for source in network.nodes:
        for target in network.nodes:
            if source == target:
                continue
            targets, held = addresses_of(network.nodes[target]), addresses_of(network.nodes[source])
            for version in targets:
                told = found.between(source, target, version)
                assert (told is not None) == (version in held)
                if told is None:
                    continue
                walked += 1
                really = outcome_of(network, source, target, targets[version], kind, 80)  # type: ignore[arg-type]
                example = found.example((version, numbers[source], numbers[target]))
                said = seen(network, numbers, told, *example)
                assert said == seen(network, numbers, really, source, target), (
                    f"{source} -> {target}: {really.end.words}, but {' -> '.join(example)}: {told.end.words}"
                )
    return walked - len(found.cells)


def classes(found: Reach) -> list[int]:
    return sorted(map(len, found.classes))


@settings(deadline=None, max_examples=40)
@given(st.randoms(use_true_random=False), st.sampled_from(("icmp", "tcp", "udp")))
def test_alike_nodes_are_alike(rng: Random, kind: str) -> None:
    check(alike_lab(rng), kind)


@pytest.mark.slow
def test_alike_nodes_are_alike_in_many_labs_and_it_saves_something() -> None:
    saved = sum(check(alike_lab(Random(seed))) for seed in range(LABS))
    assert saved > 10 * LABS


@settings(deadline=None, max_examples=30)
@given(st.randoms(use_true_random=False))
def test_classes_hold_in_labs_of_every_kind_of_device(rng: Random) -> None:
    check(random_lab(rng))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32))
def test_classes_hold_in_labs_that_are_compared_with_the_kernel(seed: int) -> None:
    check(read(random_topology(Random(seed)).encode(), "lab.yml", sandboxed=True).facts)
