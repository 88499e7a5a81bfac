"""Plans as commands, run by `sh -e` on the real kernel in a made-up machine, and read back by `ip -j`."""

from __future__ import annotations

from random import Random

import pytest

from netlab.facts import Facts, facts_of
from netlab.kernel.fake import FakeKernel
from netlab.plan import plan
from netlab.plan.commands import commands
from tests.kernel.ip_json import run
from tests.strategies import edited, random_lab

pytestmark = pytest.mark.kernel

READ = ("netns", "bridge", "veth", "port", "address", "route")


def script(want: Facts, have: Facts) -> tuple[str, ...]:
    return commands(plan(want, have).steps, "lab", sandboxed=True)


def check(have: Facts, want: Facts) -> None:
    """Hold what was read against what was wanted, field by field, nothing more and nothing less."""
    wanted = {key: fact for key, fact in want.items() if fact.family in READ}
    assert set(have) == set(wanted)
    for key, fact in wanted.items():
        assert not fact.differences(have[key]), (fact, have[key])


def nodes_of(lab: Facts) -> list[str]:
    return [node for family, node in (key[:2] for key in lab) if family == "netns"]


@pytest.mark.parametrize("seed", range(20))
def test_commands_make_a_random_lab_on_an_empty_machine(seed: int) -> None:
    want = random_lab(Random(seed))
    check(facts_of(run("lab", nodes_of(want), [script(want, {})])), want)


@pytest.mark.parametrize("seed", range(20))
def test_commands_change_a_random_lab_into_another(seed: int) -> None:
    rng = Random(1000 + seed)
    before = random_lab(rng)
    after = edited(before, rng)
    while not set(nodes_of(before)) <= set(nodes_of(after)):
        # The kernel takes a deleted namespace apart in its own time, so its veths may still be in the way.
        after = edited(before, rng)
    kernel = FakeKernel()
    kernel.do(plan(before, {}).steps)
    check(facts_of(run("lab", nodes_of(after), [script(before, {}), script(after, kernel.facts)])), after)
