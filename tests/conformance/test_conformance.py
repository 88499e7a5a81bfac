"""The simulator says of random packets in random labs what the kernel does with them."""

from __future__ import annotations

from random import Random

import pytest

from netlab.simulator.compiling import network_of
from netlab.topology import read
from tests.conformance.agreement import comparable, disagreements, predict
from tests.conformance.batch import run_labs
from tests.conformance.cases import case, cases
from tests.conformance.labs import OTHERS, USUAL
from tests.conformance.labs_full import FULL, NEEDED
from tests.conformance.running import LabRun

#: Labs from a fixed seed, and from a random one; packets in each.
FIXED, RANDOM, PACKETS = range(4), 2, 80
FULL_SEEDS = range(4)
OTHERS_SEEDS = (100, 117, 1050, 5084)


def _words(runs: list[LabRun]) -> str:
    lines = [f"seed {run.seed}: {run.fault}" for run in runs if run.fault is not None]
    lines += [f"seed {run.seed}: {one}" for run in runs for one in run.disagreements]
    lines += [f"{node} has, of others:\n{text}" for run in runs if run.disagreements for node, text in run.rulesets]
    return "\n".join(lines)


@pytest.mark.kernel
@pytest.mark.parametrize("seed", FIXED)
def test_simulator_and_kernel_agree(seed: int) -> None:
    (run,) = run_labs((seed,), PACKETS, USUAL)
    assert not _words([run])
    assert run.probes == PACKETS


@pytest.mark.kernel
def test_simulator_and_kernel_agree_on_labs_that_nobody_has_seen() -> None:
    first = Random().randrange(1 << 30)
    runs = run_labs(range(first, first + RANDOM), PACKETS, USUAL)
    assert not _words(runs), "scripts/conformance --save --seed makes a golden case of it"


@pytest.mark.kernel
def test_simulator_and_kernel_agree_on_bridge_netfilter() -> None:
    runs = run_labs((7, 8), PACKETS, USUAL | {"bridge-nf"})
    assert not _words(runs)


@pytest.mark.kernel
def test_what_is_read_of_a_lab_with_rules_of_others_agrees_with_it() -> None:
    runs = run_labs(OTHERS_SEEDS, PACKETS, USUAL | {OTHERS})
    assert not _words(runs)
    assert all(run.rulesets for run in runs)


@pytest.mark.kernel
@pytest.mark.needs(*NEEDED)
@pytest.mark.parametrize("seed", FULL_SEEDS)
def test_simulator_and_kernel_agree_on_devices_that_a_plain_kernel_lacks(seed: int) -> None:
    (run,) = run_labs((seed,), PACKETS, USUAL | FULL)
    assert not _words([run])


@pytest.mark.parametrize("name", cases())
def test_what_was_once_a_disagreement_is_none(name: str) -> None:
    """Needs no kernel: what it did is written down with the case."""
    found = case(name)
    network = network_of(read(found.text.encode(), f"{name}.yml").facts)
    predicted = [predict(network, one.probe, found.listeners) for one in found.observed]
    left = disagreements(predicted, [comparable(network, one) for one in found.observed])
    assert not left, "\n".join(map(str, left))
