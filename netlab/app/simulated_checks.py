"""Checks and the facts of a lab -> what each check comes to in the simulator. Pure: it touches no machine, no clock.

The packet that a check's probe would send is followed, its way becomes the observations that the probe would make
(foreseeing.py), and probe.judge judges these as it judges live ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from netlab.app.comparing import Simulated, simulated_verdict
from netlab.app.foreseeing import follow, observe, observe_frame
from netlab.app.listening import Listening, listening_of
from netlab.app.probe_packets import question_of
from netlab.errors import Span
from netlab.facts import Facts, Key
from netlab.probe.judge import judge, unprobed
from netlab.probe.outcome import silent
from netlab.simulator.compiling import network_of
from netlab.simulator.network import Network
from netlab.simulator.trace import Trace, trace_of
from netlab.simulator.verdicts import MEANINGS
from netlab.topology.lab import Check


def simulate_checks(
    checks: Sequence[Check],
    facts: Facts,
    origin: Mapping[Key, Span],
    *,
    machine: bool = False,
    on_verdict: Callable[[Simulated], None] | None = None,
) -> tuple[Simulated, ...]:
    """Simulate checks on facts and give their verdicts in file order; `on_verdict` is called with each.

    `origin` says where facts were asked for. `machine`: `host` is the real machine, whose programs nobody knows.
    """
    network = network_of(facts)
    listening = listening_of(network, checks, facts, machine)
    found = []
    for check in checks:
        verdict = _simulated(network, check, listening, origin)
        found.append(verdict)
        if on_verdict is not None:
            on_verdict(verdict)
    return tuple(found)


def _simulated(network: Network, check: Check, listening: Listening, origin: Mapping[Key, Span]) -> Simulated:
    if check.source not in network.nodes:
        return simulated_verdict(unprobed(check, f"there is no node {check.source}"))
    # Time brings nothing new: one attempt tells.
    once = replace(check, within=None, lasting=None)
    if check.kind == "arp":
        verdict = judge(once, list(observe_frame(network, check)), 0.0)
        unheard = not verdict.ok and verdict.outcome == silent(check)
        why = f"nobody on {check.device} of {check.source} says that it has {check.address}" if unheard else None
        return simulated_verdict(verdict, check=check, hint=why or verdict.hint)
    walks = follow(network, check, listening)
    verdict = judge(once, observe(network, once, walks, listening), 0.0)
    trace = trace_of(walks[-1], check.source, question_of(check))
    steps = tuple(f"{step.node}: {step.words}" for step in walks[-1].steps)
    found = simulated_verdict(verdict, check=check, ending=trace.verdict, steps=steps)
    return found if found.ok else _explained(found, trace, origin)


def _explained(found: Simulated, trace: Trace, origin: Mapping[Key, Span]) -> Simulated:
    """Say of a check that fails where its packet ended, why, and what would mend it."""
    if found.measured is not None and found.measured != 1:
        impaired = [step for leg in trace.legs for step in leg.steps if step.what == "impaired"]
        why = "; ".join(f"{step.node}: {step.words}" for step in impaired) or "nothing on the way is impaired"
        place = next((origin[step.key] for step in impaired if step.key is not None and step.key in origin), None)
        return replace(found, hint=why, place=place)
    if trace.ok:
        late = found.outcome == silent(found.check)
        return replace(found, hint=f"the answer takes {trace.delay / 1000:g} ms" if late else found.hint)
    end = trace.deciding.end
    mend = MEANINGS[end.verdict].mend
    way = "" if trace.deciding.reason is None else "the answer: "
    why = f"{way}{end.words} ({end.verdict}){f': {mend}' if mend is not None else ''}"
    return replace(found, hint=why, place=origin.get(end.key) if end.key is not None else None)
