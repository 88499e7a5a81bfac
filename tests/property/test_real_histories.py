"""Random histories on the real kernel: labs follow each other, cut anywhere; one whole apply ends in what is wanted.

What is there in the end is read by iproute2, too. A cut is a kill: the next door knows nothing of the one before.
"""

from __future__ import annotations

import subprocess
from random import Random

import pytest

from netlab.app.transaction import scope_of
from netlab.facts import Facts, Namespace
from netlab.kernel.real import RealKernel
from netlab.plan import plan
from netlab.plan.present import located
from tests.kernel.made_up_machine import on_made_up_machine
from tests.kernel.second_opinion import check
from tests.kernel.stage import FILE, Stage, differences, machine_now
from tests.real_labs import real_lab
from tests.strategies import DEVICES

pytestmark = pytest.mark.kernel

LAB = "history"
#: Histories: so many chunks of so many.
CHUNKS, SIZE = 10, 6


class History:
    """One lab's life on one machine."""

    def __init__(self, machine: bool) -> None:
        self.machine = machine
        self._seen: Facts = {}

    def apply(self, want: Facts, cut: int | None = None) -> None:
        """Do what an apply does, and if `cut` is given die after so many steps."""
        door = RealKernel(LAB, self.machine)
        try:
            scope = scope_of(LAB, self.machine, want, self._seen)
            have = door.read(scope).facts
            self._seen = {**self._seen, **want}
            door.prepare(want, have)
            made = plan(want, have)
            door.do(made.steps[:cut])
            again = door.read(scope, made.nodes()).facts
            assert again == RealKernel(LAB, self.machine).read(scope).facts, "steps changed nodes that they do not name"
        finally:
            door.close()

    def check_reached(self, want: Facts) -> None:
        door = RealKernel(LAB, self.machine)
        try:
            left = plan(want, door.read(scope_of(LAB, self.machine, want, self._seen)).facts)
        finally:
            door.close()
        assert not left, [f"{c.action} {c.fact.label()}: {c.differences}" for c in left.changes]


def intrude(lab: Facts, rng: Random) -> None:
    """Do what somebody else does in a node: make a device, take one down, delete one."""
    nodes = [fact.node for fact in lab.values() if isinstance(fact, Namespace) and fact.node != "host"]
    if not nodes:
        return
    typed = rng.choice(
        ("link add tap0 type ifb", "link add x type veth peer name y", "link set DEVICE down", "link delete DEVICE")
    )
    words = typed.replace("DEVICE", rng.choice(DEVICES)).split()
    subprocess.run(["ip", "-n", f"{LAB}-{rng.choice(nodes)}", *words], capture_output=True, check=False, timeout=20)


def live(rng: Random, machine: bool) -> None:
    """Apply labs one after the other, most of them cut off; then the last one for good; then nothing."""
    FILE.parent.mkdir(exist_ok=True)
    before = machine_now()
    history, lab = History(machine), real_lab(rng, machine)
    for _ in range(rng.randint(1, 4)):
        history.apply(lab, rng.randint(0, 40) if rng.random() < 0.7 else None)
        if rng.random() < 0.5:
            intrude(lab, rng)
        lab = real_lab(rng, machine, lab if rng.random() < 0.7 else None)
    history.apply(lab)
    history.check_reached(lab)
    stage = Stage(sandbox=not machine)
    stage.lab = LAB
    check(stage, located(lab))
    if machine:
        if rng.random() < 0.5:
            history.apply({}, rng.randint(0, 40))
        history.apply({})
        history.check_reached({})
        assert not differences(before, machine_now())


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_any_history_ends_in_what_is_wanted_and_leaves_nothing(chunk: int) -> None:
    for seed in range(chunk * SIZE, (chunk + 1) * SIZE):
        rng = Random(seed)
        try:
            on_made_up_machine(lambda rng=rng: live(rng, rng.random() < 0.6))  # type: ignore[misc]
        except AssertionError as error:
            raise AssertionError(f"history {seed}: {error}") from error
