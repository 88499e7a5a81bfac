"""Random histories on the fake kernel: labs follow each other, cut anywhere; one whole apply ends in what is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.facts import DeviceSettings, Facts, Namespace, Stray
from netlab.kernel.fake import Cut, FakeKernel
from netlab.plan import Action, Step, StepRefused, plan
from tests.strategies import DEVICES, edited, pairs_of_labs, random_lab

#: Histories of the seeded loop: so many chunks of so many.
CHUNKS, SIZE = 8, 400


def apply(kernel: FakeKernel, want: Facts, cut: int | None = None) -> None:
    """Do what an apply does, and if `cut` is given die after so many steps."""
    before = kernel.facts
    made = plan(want, before)
    steps, touched = made.steps, made.nodes()
    kernel.done, kernel.cut_after = 0, cut
    try:
        kernel.do(steps)
    except Cut:
        assert cut is not None
    except StepRefused as refused:
        listed = "\n".join(f"  {number}. {step}" for number, step in enumerate(steps, 1))
        raise AssertionError(f"{refused}; the plan was\n{listed}") from refused
    finally:
        kernel.cut_after = None
    elsewhere = [{f for f in facts.values() if touched.isdisjoint(f.nodes)} for facts in (before, kernel.facts)]
    assert elsewhere[0] == elsewhere[1], "steps changed nodes that they do not name"


def check_reached(kernel: FakeKernel, want: Facts) -> None:
    left = plan(want, kernel.facts)
    assert not left, [f"{c.action} {c.fact.label()}: {c.differences}" for c in left.changes]
    assert set(kernel.facts) == set(want)
    for key, fact in kernel.facts.items():
        if isinstance(fact, DeviceSettings):
            # The plan takes a missing setting of IPv6 as met; here every setting has its file.
            assert fact == want[key]


def live(rng: Random, labs: Iterator[Facts], machine: bool) -> None:
    """Apply labs one after the other, most of them cut off; then the last one for good; then nothing."""
    kernel = FakeKernel(machine)
    lab: Facts = {}
    for lab in labs:
        apply(kernel, lab, rng.randint(0, 40) if rng.random() < 0.7 else None)
        intrude(kernel, rng)
    apply(kernel, lab)
    check_reached(kernel, lab)
    if rng.random() < 0.5:
        apply(kernel, {}, rng.randint(0, 40))
    apply(kernel, {})
    check_reached(kernel, {})


def intrude(kernel: FakeKernel, rng: Random) -> None:
    """Do what somebody else does to a lab: a device of their own, in the way or not, or one of ours deleted."""
    facts = list(kernel.facts.values())
    nodes = [fact.node for fact in facts if isinstance(fact, Namespace)]
    taken = {claim for fact in facts for claim in fact.claims()}
    if nodes and rng.random() < 0.2:
        node, name = rng.choice(nodes), rng.choice((*DEVICES, "tap0"))
        if ("name", node, name) not in taken:
            kernel.intrude(Stray(node, name, "tap"))
    if facts and rng.random() < 0.2:
        kernel.do([Step(Action.DELETE, rng.choice(facts))])


def random_labs(rng: Random, machine: bool) -> Iterator[Facts]:
    lab = random_lab(rng, machine)
    yield lab
    for _ in range(rng.randint(1, 3)):
        lab = edited(lab, rng, machine) if rng.random() < 0.7 else random_lab(rng, machine)
        yield lab


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_any_history_ends_in_what_is_wanted_and_leaves_nothing(chunk: int) -> None:
    for number in range(SIZE):
        seed = chunk * SIZE + number
        rng = Random(seed)
        machine = rng.random() < 0.3
        try:
            live(rng, random_labs(rng, machine), machine)
        except AssertionError as error:
            raise AssertionError(f"history {seed}: {error}") from error


@settings(max_examples=200, deadline=None)
@given(pairs_of_labs(), st.integers(0, 60), st.integers(0, 60))
def test_two_applies_cut_anywhere_then_one_that_is_not(labs: tuple[Facts, Facts], first: int, second: int) -> None:
    kernel = FakeKernel()
    apply(kernel, labs[0], first)
    apply(kernel, labs[1], second)
    apply(kernel, labs[1])
    check_reached(kernel, labs[1])
