"""The checks of a lab, run: live by probes from inside its nodes, in the simulator, or in both to be compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from netlab.app.look import drift, open_node
from netlab.app.results import Checked, CheckMode
from netlab.app.simulated import subject_of
from netlab.app.targets import Found, existing, is_file, lab_of, look_up, name_of
from netlab.app.wanted import parse_file
from netlab.app.world import World
from netlab.errors import Disagreement, UsageError
from netlab.names import HOST

if TYPE_CHECKING:
    from netlab.app.comparing import Simulated
    from netlab.probe import Verdict
    from netlab.topology.lab import Lab

#: Called with each verdict as it comes, in file order: with one of comparing.py where the simulator was asked.
OnVerdict = Callable[["Verdict"], None]


def check(
    target: str | None = None,
    *,
    mode: CheckMode | None = None,
    on_verdict: OnVerdict | None = None,
    world: World | None = None,
) -> Checked:
    """Run a lab's checks: of a FILE those that stand there now, of a LAB those of the file as it was applied.

    live      by probes from inside its nodes; raises UsageError where the lab is not applied
    simulate  in the simulator, without privileges: on the facts that a FILE asks for, or that were applied to a LAB
    both      live, and in the simulator on the facts that were applied; a check on which they disagree is probed again

    Without a `mode` live, and of a FILE that is not applied in the simulator.
    """
    world = world or World.here()
    mode = mode or _mode_for(world, target)
    if mode == "simulate":
        return _simulate(world, target, on_verdict)
    found = existing(world, target)
    lab = _resolved(found, target)
    if not lab.checks:
        return Checked(found.lab, (), lab.warnings, mode)
    if mode == "both":
        return _compare(world, found, lab, on_verdict)
    return Checked(found.lab, found.run(lambda: _probe(lab, found, on_verdict)), lab.warnings)


def _mode_for(world: World, target: str | None) -> CheckMode:
    """Choose by whether there is anything to probe; a lab that has gone is missed, not simulated."""
    if target is None or not is_file(target):
        return "live"
    found = look_up(world, name_of(world, target))
    if found.record is not None or found.sandbox is not None:
        return "live"
    from netlab.kernel.teardown import is_on_machine

    return "live" if world.privileged and is_on_machine(found.lab) else "simulate"


def _simulate(world: World, target: str | None, on_verdict: OnVerdict | None) -> Checked:
    from netlab.app.simulated_checks import simulate_checks

    subject = subject_of(target, world=world)
    verdicts = simulate_checks(
        subject.checks, subject.facts, subject.origin, machine=subject.machine, on_verdict=on_verdict
    )
    return Checked(subject.lab, verdicts, subject.warnings, "simulate")


def _compare(world: World, found: Found, lab: Lab, on_verdict: OnVerdict | None) -> Checked:
    """Run the checks in both worlds; where these disagree, probe again, and find out whether the lab has drifted."""
    from netlab.app.comparing import compare
    from netlab.app.simulated_checks import simulate_checks

    subject = subject_of(found.lab, world=world)
    simulated = simulate_checks(lab.checks, subject.facts, subject.origin, machine=subject.machine)
    tell: OnVerdict = on_verdict or (lambda _verdict: None)
    live = found.run(lambda: _probe(lab, found, _until_doubt(simulated, tell)))
    verdicts = [compare(one, other) for one, other in zip(live, simulated, strict=True)]
    doubtful = [number for number, verdict in enumerate(verdicts) if not verdict.agrees]
    if not doubtful:
        return Checked(found.lab, tuple(verdicts), lab.warnings, "both")
    again = replace(lab, checks=tuple(lab.checks[number] for number in doubtful))
    for number, one in zip(doubtful, found.run(lambda: _probe(again, found, None)), strict=True):
        verdicts[number] = compare(one, simulated[number])
    for verdict in verdicts[doubtful[0] :]:
        tell(verdict)
    agreed = all(verdict.agrees for verdict in verdicts)
    drifted = None if agreed else bool(drift(found.lab, world=world).changes)
    return Checked(found.lab, tuple(verdicts), lab.warnings, "both", drifted)


def _until_doubt(simulated: Sequence[Simulated], tell: OnVerdict) -> OnVerdict:
    """Tell verdicts beside the simulated ones as they come, up to the first disagreement: it is probed again."""
    from netlab.app.comparing import compare

    others, doubted = iter(simulated), False

    def told(live: Verdict) -> None:
        nonlocal doubted
        both = compare(live, next(others))
        doubted = doubted or not both.agrees
        if not doubted:
            tell(both)

    return told


def _resolved(found: Found, target: str | None) -> Lab:
    if target is None or not is_file(target):
        if found.record is None:
            raise UsageError(f"the store has lost the file of {found.lab!r}\n  fix: name it: netlab check FILE")
        return lab_of(found.record)
    _, topology = parse_file(target)
    from netlab.topology import resolve

    held = found.record.allocated if found.record is not None else {}
    return resolve(topology, sandboxed=not found.machine, held=held)


def _probe(lab: Lab, found: Found, on_verdict: OnVerdict | None) -> tuple[Verdict, ...]:
    from netlab.probe import run_checks

    wanted = {HOST, *(check.source for check in lab.checks), *(c.target_node for c in lab.checks if c.target_node)}
    programs = frozenset(fact.key[1] for fact in lab.facts.values() if fact.family == "program")
    with ExitStack() as stack:
        nodes: dict[str, int] = {}
        for node in sorted(wanted):
            try:
                nodes[node] = open_node(found.lab, node)
            except UsageError:
                fix = f"netlab drift {found.lab} shows what else has gone; apply its file again"
                raise Disagreement(f"node {node!r} of lab {found.lab!r} is gone\n  fix: {fix}") from None
            stack.callback(os.close, nodes[node])
        return run_checks(lab.checks, nodes, on_verdict=on_verdict, programs=programs, machine=found.machine)
