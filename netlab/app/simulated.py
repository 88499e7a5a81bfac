"""What a simulation works on: the facts that a FILE asks for, that were applied to a LAB, or that are there now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netlab.app.look import reading_of
from netlab.app.targets import Found, existing, is_file, lab_of, look_up
from netlab.app.wanted import parse_file
from netlab.app.world import World
from netlab.errors import FileError, Problem, Span, UsageError
from netlab.facts import Chain, Facts, Key, PolicyRule, Settings
from netlab.facts.other_rules import every_rule
from netlab.names import HOST

if TYPE_CHECKING:
    from netlab.app.listening import Endpoint
    from netlab.plan.steps import Reading
    from netlab.topology.lab import Check

#: What a packet's way through the real machine depends on, of its settings.
_OF_MACHINE = (
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    *(f"net.ipv4.conf.{scope}.{name}" for scope in ("all", "default") for name in ("rp_filter", "arp_ignore")),
    "net.bridge.bridge-nf-call-iptables",
)


#: The code of a warning of a rule that netlab cannot read.
_UNREAD = "unread-rule"
#: How much of such a rule is told.
_TOLD = 100


@dataclass(frozen=True, slots=True)
class Subject:
    """A lab to simulate: its facts, where each was asked for, and its checks."""

    lab: str
    facts: Facts
    origin: Mapping[Key, Span] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    live: bool = False
    #: Whether its host is the real machine, of which more is there than the facts say.
    machine: bool = False
    warnings: tuple[Problem, ...] = ()
    #: Who listens, where that was looked at.
    listening: frozenset[Endpoint] | None = None

    @property
    def unread(self) -> tuple[Problem, ...]:
        """Warnings of what could not be read, and is passed over."""
        return tuple(problem for problem in self.warnings if problem.code == _UNREAD)


def subject_of(target: str | None, *, live: bool = False, world: World | None = None) -> Subject:
    """Find what to simulate. Raises UsageError where a LAB is not up, or its record is lost; FileError for a FILE."""
    if target is not None and is_file(target) and not live:
        return _of_file(target, world)
    world = world or World.here()
    found = existing(world, target)
    if found.record is None:
        fix = f"netlab apply its file again, or name the file: netlab trace FILE ..., of {found.lab}"
        raise UsageError(f"the store has lost what was applied to {found.lab!r}\n  fix: {fix}")
    applied = found.record.applied()
    facts, listening = applied, None
    if live:
        reading = reading_of(world, found, applied, simulated=True)
        facts, listening = reading.facts, frozenset(_listening(reading))
    unread = tuple(_unread(facts))
    try:
        lab = lab_of(found.record)
    except FileError:
        alone = _with_machine(found, facts)
        return Subject(found.lab, alone, live=live, machine=found.machine, warnings=unread, listening=listening)
    facts = _with_machine(found, facts)
    return Subject(found.lab, facts, lab.origin, lab.checks, live, found.machine, (*lab.warnings, *unread), listening)


def _listening(reading: Reading) -> Iterator[Endpoint]:
    """Give the ends at which somebody listens; an address of zeros stands for any."""
    for key, found in reading.observed.items():
        if key[0] == "listeners":
            yield from ((key[1], *one) for one in found["listeners"])


def _unread(facts: Facts) -> Iterator[Problem]:
    """Warn of rules that netlab cannot read, and passes over."""
    for rule in facts.values():
        if isinstance(rule, PolicyRule) and rule.other is not None:
            what = f"{rule.node}: the policy rule of priority {rule.priority} says what is not read, and is passed over"
            version = "-6 " if rule.version == 6 else ""
            fix = f"look at what it does by netlab exec {rule.node} -- ip {version}rule"
            yield Problem(_UNREAD, what, severity="warning", fix=fix)
    for chain in (fact for fact in facts.values() if isinstance(fact, Chain)):
        for one in every_rule(chain.rules):
            if one.other is not None:
                what = f"{chain.node}: chain {chain.name} has a rule that is passed over: {one.other[:_TOLD]}"
                yield Problem(
                    _UNREAD,
                    what,
                    severity="warning",
                    fix=f"look at what it does by netlab exec {chain.node} -- nft list ruleset",
                )


def _of_file(path: str, world: World | None) -> Subject:
    from netlab.topology import resolve

    _, topology = parse_file(path)
    record = look_up(world or World.here(), topology.name).record
    lab = resolve(topology, sandboxed=True, held=record.allocated if record is not None else {})
    return Subject(lab.name, lab.facts, lab.origin, lab.checks, warnings=lab.warnings)


def _with_machine(found: Found, facts: Facts) -> Facts:
    """Add what is set on the real machine, of a lab whose host it is."""
    if not found.machine:
        return facts
    from netlab.kernel.machine import read_host_settings

    own = facts.get(("settings", HOST))
    said = dict(own.values) if isinstance(own, Settings) else {}
    settings = Settings(HOST, tuple({**read_host_settings(_OF_MACHINE), **said}.items()))
    return {**facts, settings.key: settings}
