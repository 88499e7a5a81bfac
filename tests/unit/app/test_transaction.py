"""The transaction over the fake kernel: its outcomes, what it tells, and what stands in the way."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from netlab.app.transaction import carry_out, obstructions, scope_of, with_initial
from netlab.errors import Obstructed, Span
from netlab.facts import (
    Address,
    Bridge,
    DeviceSettings,
    End,
    Facts,
    Namespace,
    Program,
    Route,
    Settings,
    Stray,
    facts_of,
    veth,
)
from netlab.kernel.fake import FakeKernel
from netlab.plan import Action, Plan, Reading, Scope, Step, StepRefused, plan

HOST = Namespace("host")
A = facts_of([HOST, Namespace("a"), Bridge("a", "br0"), Address("a", "br0", "10.0.0.1/24")])
B = facts_of([HOST, Namespace("a"), Bridge("a", "br0"), Address("a", "br0", "10.0.0.2/24"), Bridge("a", "br1")])
SCOPE = Scope("lab", False)


class Failing(FakeKernel):
    """A kernel that fails at some steps, by their numbers from 0, and counts on after an undo has begun."""

    def __init__(self, *failing: int, error: BaseException | None = None) -> None:
        super().__init__()
        self.failing, self.error, self.seen = failing, error, 0

    def do(self, steps: Sequence[Step]) -> None:
        for step in steps:
            number, self.seen = self.seen, self.seen + 1
            if number in self.failing:
                raise self.error or StepRefused(step, 12)
            super().do([step])


def kernel_with(facts: Facts, kernel: FakeKernel) -> FakeKernel:
    FakeKernel.do(kernel, plan(facts, kernel.facts).steps)
    return kernel


def test_applied() -> None:
    kernel = FakeKernel()
    told: list[str] = []
    attempt = carry_out(A, [kernel], SCOPE, origin={}, tell=told.append)
    assert (attempt.outcome, attempt.problems) == ("applied", ())
    assert told == [str(step) for step in attempt.plan.steps]
    assert kernel.facts == A
    again = carry_out(A, [kernel], SCOPE, origin={})
    assert (again.outcome, again.plan) == ("applied", Plan())


@pytest.mark.parametrize("number", range(3))
def test_undone(number: int) -> None:
    kernel = kernel_with(A, Failing(number))
    span = Span("lab.yml", 3, 1)
    attempt = carry_out(B, [kernel], SCOPE, origin=dict.fromkeys(B, span))
    assert attempt.outcome == "undone"
    (problem,) = attempt.problems
    assert "the kernel has no memory for it" in problem.what
    assert problem.span == (span if attempt.plan.steps[number].fact.key in B else None)
    assert kernel.facts == A


def test_kept_as_asked() -> None:
    kernel = kernel_with(A, Failing(2))
    attempt = carry_out(B, [kernel], SCOPE, origin={}, keep=True)
    assert (attempt.outcome, len(attempt.problems)) == ("kept", 1)
    assert kernel.facts not in (A, B)


def test_partial_where_the_undo_fails_too() -> None:
    kernel = kernel_with(A, Failing(1, 2))
    attempt = carry_out(B, [kernel], SCOPE, origin={})
    assert attempt.outcome == "partial"
    first, second = attempt.problems
    assert second.what.startswith("while undoing: could not")
    assert not first.what.startswith("while undoing")


def test_an_interrupt_is_a_failure_like_any_other() -> None:
    kernel = kernel_with(A, Failing(1, error=KeyboardInterrupt()))
    attempt = carry_out(B, [kernel], SCOPE, origin={})
    assert attempt.outcome == "undone"
    assert [problem.code for problem in attempt.problems] == ["interrupted"]
    assert kernel.facts == A


def test_a_stray_that_was_removed_is_not_made_again() -> None:
    stray = Stray("a", "tap0", "tap")
    labels = [step.fact.label() for step in plan(B, {**A, stray.key: stray}).steps]
    kernel = kernel_with(A, Failing(labels.index(stray.label()) + 1))
    kernel.intrude(stray)
    assert carry_out(B, [kernel], SCOPE, origin={}).outcome == "undone"
    assert kernel.facts == A


def test_a_stray_that_is_still_there_stays() -> None:
    kernel = kernel_with(A, Failing(0))
    stray = Stray("a", "tap0", "tap")
    kernel.intrude(stray)
    assert carry_out(B, [kernel], SCOPE, origin={}).outcome == "undone"
    assert kernel.facts == {**A, stray.key: stray}


def test_what_is_taken_stops_it_before_anything_is_done_or_joined() -> None:
    kernel = FakeKernel(machine=True, foreign={("device", "host", "br0"): "a bridge br0 exists: not netlab's"})
    joined: list[Plan] = []

    def ready(made: Plan, before: Reading) -> None:
        joined.append(made)

    with pytest.raises(Obstructed, match=r"cannot make bridge host:br0: a bridge br0 exists: not netlab's"):
        carry_out(facts_of([Bridge("host", "br0")]), [kernel], Scope("lab", True), origin={}, ready=ready)
    assert (joined, kernel.done) == ([], 0)


def create(fact: Bridge | Address | Namespace | Route) -> Step:
    return Step(Action.CREATE, fact)


def test_only_what_is_made_is_obstructed() -> None:
    foreign = {
        ("device", "host", "br0"): "taken",
        ("address", "10.0.0.1"): "taken",
        ("netns", "a"): "taken",
        ("route", "host", "192.0.2.0/24", "254", "0"): "taken",
    }
    taken = [
        create(Bridge("host", "br0")),
        create(Address("host", "br1", "10.0.0.1/24")),
        create(Namespace("a")),
        create(Route("host", "192.0.2.0/24", kind="blackhole")),
    ]
    free = [
        create(Bridge("a", "br0")),
        create(Address("a", "br0", "10.0.0.1/24")),
        create(Route("a", "192.0.2.0/24", kind="blackhole")),
        create(Route("host", "192.0.2.0/24", metric=5, kind="blackhole")),
        Step(Action.DELETE, Bridge("host", "br0")),
    ]
    assert len(obstructions(taken, foreign, {})) == len(taken)
    assert obstructions(free, foreign, {}) == []


def test_the_scope_of_a_machine_names_what_bears_no_mark() -> None:
    route = Route("host", "192.0.2.0/24", kind="blackhole")
    pair = veth(End("host", "left"), End("host", "right"))
    cable = veth(End("host", "up"), End("a", "eth0"))
    facts = facts_of([Bridge("host", "br0"), pair, cable, route, Namespace("a"), Bridge("a", "br1")])
    scope = scope_of("lab", True, facts)
    assert scope.unmarked == {"br0", "left", "right"}
    assert scope.routes == {route.key}
    assert scope.nodes == frozenset({"a"})
    inside = scope_of("lab", False, facts)
    assert (inside.unmarked, inside.routes) == (frozenset(), frozenset())


def test_settings_of_the_machine_are_the_plans_only_while_they_are_wanted() -> None:
    applied = facts_of([Settings("host", (("net.ipv4.ip_forward", "1"),)), Settings("a", (("x", "1"),))])
    wanted = facts_of([Settings("a", (("x", "1"), ("y", "2")))])
    assert scope_of("lab", True, wanted, applied).settings == {"a": ("x", "y")}
    assert scope_of("lab", False, wanted, applied).settings == {"a": ("x", "y"), "host": ("net.ipv4.ip_forward",)}
    assert scope_of("lab", True, applied).settings["host"] == ("net.ipv4.ip_forward",)


def test_settings_of_devices_are_asked_for_by_whoever_wanted_them() -> None:
    now = facts_of([DeviceSettings("a", "eth0", (("net.ipv4.conf.eth0.rp_filter", "1"),))])
    before = facts_of([DeviceSettings("a", "eth0", (("net.ipv4.conf.eth0.log_martians", "1"),))])
    scope = scope_of("lab", False, now, before)
    assert scope.device_settings == {"a": ("net.ipv4.conf.eth0.rp_filter",)}
    assert scope.former_device_settings == {"a": ("net.ipv4.conf.eth0.log_martians",)}


def test_settings_that_are_no_longer_named_go_back() -> None:
    applied = facts_of([Settings("a", (("net.x", "1"), ("net.y", "2"), ("net.z", "3")))])
    want = facts_of([Settings("a", (("net.x", "1"),))])
    found = with_initial(want, applied, {"a": {"net.y": "0"}})
    assert found["settings", "a"] == Settings("a", (("net.x", "1"), ("net.y", "0")))
    assert with_initial(want, applied, {}) == want


class Programs:
    """A door whose programs all end at once."""

    families = frozenset({"program"})

    def __init__(self) -> None:
        self.started: list[Program] = []

    def read(self, scope: Scope, changed: Collection[str] | None = None) -> Reading:
        return Reading({}, observed={one.key: {"log": "/log", "said": ("oops", "code 7")} for one in self.started})

    def prepare(self, want: Facts, have: Facts) -> None: ...

    def do(self, steps: Sequence[Step]) -> None:
        self.started += [step.fact for step in steps if isinstance(step.fact, Program)]

    def close(self) -> None: ...


def test_a_program_that_ends_at_once_is_told_by_its_last_words() -> None:
    program = Program("a", "server --wrong")
    want = facts_of([*A.values(), program])
    kernel, span = FakeKernel(), Span("lab.yml", 9, 4)
    attempt = carry_out(want, [kernel, Programs()], SCOPE, origin={program.key: span})
    assert attempt.outcome == "undone"
    (problem,) = attempt.problems
    assert (problem.code, problem.span) == ("ended", span)
    assert "server --wrong" in problem.what
    assert problem.what.endswith("has ended at once, and said:\n    oops\n    code 7")
    assert kernel.facts == {}
