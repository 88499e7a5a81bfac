"""The two kernels behind the Door protocol, for contracts that both must keep: the fake, and the real one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from netlab.app.transaction import scope_of
from netlab.facts import Fact, Facts, facts_of
from netlab.kernel.fake import FakeKernel
from netlab.kernel.real import RealKernel
from netlab.plan import Action, Door, Step, StepRefused, plan
from tests.kernel.made_up_machine import on_made_up_machine

LAB = "contract"


class Kernel:
    """A door and all that was ever asked of it, which is what it is read by."""

    def __init__(self, door: Door, machine: bool) -> None:
        self.door, self._machine = door, machine
        self._asked: dict[Any, Fact] = {}

    def do(self, steps: Iterable[Step]) -> None:
        """Do steps; raises StepRefused."""
        batch = list(steps)
        self._asked |= {step.fact.key: step.fact for step in batch}
        self.door.do(batch)

    def make(self, *facts: Fact) -> None:
        self.do(Step(Action.CREATE, fact) for fact in facts)

    def change(self, before: Fact, after: Fact) -> None:
        self.do([Step(Action.UPDATE, after, before, after.differences(before))])

    def delete(self, *facts: Fact) -> None:
        self.do(Step(Action.DELETE, fact) for fact in facts)

    def refusal(self, *steps: Step) -> int:
        """Give the errno with which the last of these steps is refused."""
        with pytest.raises(StepRefused) as caught:
            self.do(steps)
        assert caught.value.step == steps[-1]
        return caught.value.number

    def facts(self, wanted: Facts) -> Facts:
        """Read everything that is there, as an apply of what is wanted does."""
        return self.door.read(scope_of(LAB, self._machine, wanted, self._asked)).facts

    def holds(self, facts: Iterable[Fact]) -> None:
        """Fail unless these facts are there, and nothing else."""
        wanted = facts_of(facts)
        left = plan(wanted, self.facts(wanted))
        assert not left, [f"{c.action} {c.fact.label()} {c.differences}" for c in left.changes]


def _both(machine: bool, contract: Callable[..., None]) -> Callable[..., None]:
    def test(kind: str, **parameters: Any) -> None:
        if kind == "fake":
            contract(Kernel(FakeKernel(machine), machine), **parameters)
        else:
            on_made_up_machine(lambda: _real(machine, contract, parameters))

    signature = inspect.signature(contract)
    kind = inspect.Parameter("kind", inspect.Parameter.KEYWORD_ONLY)
    parameters: Sequence[inspect.Parameter] = [*list(signature.parameters.values())[1:], kind]
    test.__dict__["__signature__"] = signature.replace(parameters=parameters)
    test.__name__, test.__doc__ = contract.__name__, contract.__doc__
    kinds = ["fake", pytest.param("real", marks=pytest.mark.kernel)]
    found: Callable[..., None] = pytest.mark.parametrize("kind", kinds)(test)
    return found


def both(contract: Callable[..., None]) -> Callable[..., None]:
    """Turn a function that takes a Kernel first, and perhaps parameters, into a test of both kernels in a sandbox."""
    return _both(False, contract)


def both_on_a_machine(contract: Callable[..., None]) -> Callable[..., None]:
    """Do the same where `host` is the machine itself, which is no fact, and cannot be deleted."""
    return _both(True, contract)


def _real(machine: bool, contract: Callable[..., None], parameters: dict[str, Any]) -> None:
    door = RealKernel(LAB, machine)
    try:
        contract(Kernel(door, machine), **parameters)
    finally:
        door.close()
