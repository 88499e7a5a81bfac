"""The fake kernel's habits against the real one's: single steps on random labs must take the same along on both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from netlab.facts import Address, Bridge, Fact, Facts, Namespace, Port, Route, Settings, Veth, facts_of
from netlab.kernel.fake import FakeKernel
from netlab.plan import Action, Step, plan
from netlab.plan.commands import commands
from tests.kernel.ip_json import run
from tests.real_labs import kinds_here, stand_ins_here
from tests.strategies import MTUS, random_lab

pytestmark = pytest.mark.kernel

READ = ("netns", "bridge", "veth", "device", "port", "forwarding", "address", "route")


def disturbance(rng: Random, lab: Facts) -> Step:
    """Give a step that no planner chose: something deleted, set down, set up, or given another MTU or setting."""
    updates = [step for fact in lab.values() for step in _updates(rng, fact)]
    # Not namespaces: the kernel takes them apart in its own time.
    gone = (Address, Route, Bridge, Veth, Port)
    deletions = [Step(Action.DELETE, fact) for fact in lab.values() if isinstance(fact, gone)]
    return rng.choice(updates if rng.random() < 0.6 or not deletions else deletions)


def _updates(rng: Random, fact: Fact) -> Iterator[Step]:
    after: Fact = fact
    if isinstance(fact, Veth):
        ends = [replace(end, mtu=rng.choice(MTUS), up=rng.random() < 0.6) for end in (fact.a, fact.b)]
        after = Veth(*ends)
    elif isinstance(fact, Bridge):
        after = replace(fact, mtu=rng.choice(MTUS), up=rng.random() < 0.6)
    elif isinstance(fact, Namespace):
        after = replace(fact, up=not fact.up)
    elif isinstance(fact, Settings):
        name = rng.choice(("net.ipv6.conf.all.disable_ipv6", "net.ipv4.conf.all.promote_secondaries"))
        after = replace(fact, values=tuple((n, rng.choice("01") if n == name else v) for n, v in fact.values))
    differences = after.differences(fact)
    if differences:
        yield Step(Action.UPDATE, after, fact, differences)


@pytest.mark.parametrize("seed", range(40))
def test_a_step_takes_the_same_along_on_the_fake_and_on_the_real_kernel(seed: int) -> None:
    rng = Random(seed)
    lab = random_lab(rng, kinds=kinds_here())
    fake = FakeKernel()
    made = plan(lab, {}).steps
    fake.do(made)
    steps = []
    for _ in range(3):
        steps.append(disturbance(rng, fake.facts))
        fake.do(steps[-1:])
    nodes = [fact.node for fact in fake.facts.values() if isinstance(fact, Namespace)]
    scripts = [commands(done, "lab", sandboxed=True, stand_ins=stand_ins_here()) for done in (made, steps)]
    real = facts_of(run("lab", nodes, scripts))
    expected = {key: fact for key, fact in fake.facts.items() if fact.family in READ}
    assert set(real) == set(expected), [str(step) for step in steps]
    for key, fact in expected.items():
        assert not fact.differences(real[key]), [str(step) for step in steps]
        found = real[key]
        if isinstance(fact, Route) and isinstance(found, Route):
            # What a route leaves open is not compared above, and a source that was forgotten is such a thing.
            assert (fact.source, fact.mtu) == (found.source, found.mtu)
