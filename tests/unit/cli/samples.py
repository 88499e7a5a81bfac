"""Results as netlab.app gives them, one of each kind, every optional field filled in somewhere."""

from __future__ import annotations

from collections.abc import Callable

from netlab import facts
from netlab.app.collecting import Collected, Leftover
from netlab.app.comparing import Simulated, compare, simulated_verdict
from netlab.app.results import (
    Applied,
    Capability,
    Checked,
    CheckMode,
    Destroyed,
    DeviceState,
    Drift,
    Examined,
    Example,
    Impaired,
    LabStatus,
    NodeState,
    Planned,
    Validation,
)
from netlab.app.watching import DriftChange, End, Watched
from netlab.errors import Problem, Span
from netlab.facts import Address, Bridge, Difference, Fact, Namespace, Settings, veth
from netlab.plan import Action, Change, Plan, Step
from netlab.probe import Verdict
from netlab.simulator.verdicts import Verdict as Ending
from netlab.topology.lab import Check

FILE = "topologies/bridge3.yml"
WARNING = Problem(
    "overlap", "10.0.0.0/24 is routed elsewhere", Span(FILE, 6, 3), "another subnet", "warning", "  br0: x"
)
WRONG = Problem("unknown-key", "there is no key 'bridgs'", Span(FILE, 2, 1, 7), "bridges:", line="bridgs:")

BRIDGE = Bridge("host", "br0", mac="02:00:00:00:00:01", mtu=1500)
CABLE = veth(facts.End("host", "veth0-br", mtu=1400), facts.End("ns0", "veth0-ns", mtu=1500))
GONE = Address("ns1", "eth0", "10.0.0.2/24")
NEW = Settings("ns0", (("net.ipv4.ip_forward", "0"),))


def change(action: Action, fact: Fact, *differences: Difference, reason: str = "it is not there") -> Change:
    before = None if action is Action.CREATE else fact
    return Change(action, before, None if action is Action.DELETE else fact, differences, reason)


CHANGES = (
    change(Action.CREATE, Namespace("ns0")),
    change(Action.CREATE, NEW),
    change(Action.UPDATE, CABLE, Difference("b.mtu", 1400, 1500), reason="it differs"),
    change(
        Action.REPLACE, BRIDGE, Difference("mac", None, "02:00:00:00:00:01"), reason="mac cannot be changed in place"
    ),
    change(Action.DELETE, GONE, reason="it is not wanted"),
)
PLAN = Plan(CHANGES, tuple(Step(one.action, one.fact) for one in CHANGES))
ORIGIN = {BRIDGE.key: Span(FILE, 6, 3), CABLE.key: Span(FILE, 12, 5)}

VALIDATION = Validation("bridge3", 4, 22, 3)
PLANNED = Planned("bridge3", True, PLAN, ORIGIN)
NOTHING = Planned("bridge3", True, Plan())
APPLIED = Applied("bridge3", "applied", False, PLAN, 0.2123, checks=1)
IMPAIRED = Impaired("bridge3", "ns0", "eth0", {"rate": "5mbit"}, {"rate": "1mbit", "loss": "1%"})
DESTROYED = Destroyed("bridge3", True, True, 3, 1, ("net.ipv4.ip_forward stays 1: Docker relies on it",))
DEVICE = DeviceState("eth0", ("10.0.0.2/24",), up=True, carrier=False)
NODE = NodeState("ns0", (DEVICE, DeviceState("eth1", (), up=False, carrier=False)), ("10.0.0.1",), ("sleep 9",))
STATUS = LabStatus("bridge3", "up", True, f"/somewhere/{FILE}", 1000.0, 3, (NODE,), 1060.0, 4711, 4712)
DRIFT = Drift("bridge3", CHANGES[2:], ORIGIN)
DRIFT_CHANGE = DriftChange("bridge3", 1000.0, CHANGES[2:3], CHANGES[4:], {**ORIGIN, GONE.key: Span(FILE, 14, 5)})
COLLECTED = Collected(
    False,
    (Leftover("gone", "old", "the record of a lab whose sandbox has ended"), Leftover("half-made", None, "a device x")),
    (Leftover("interrupted", "cut", "a lab", "an apply of it was cut short", "netlab destroy cut"),),
    ("net.ipv4.ip_forward stays 1: Docker relies on it",),
)
EXAMINED = Examined(
    (
        Capability("bridge", True, "bridges"),
        Capability("wireshark", False, "reading captures", "apt-get install wireshark"),
        Capability("veth", False, "cables", "another kernel", required=True),
    ),
    ("veth",),
    (WARNING,),
)
EXAMPLES = (
    Example("bridge3", "Three namespaces on one bridge.", "name: bridge3\n"),
    Example("hello", "The smallest.", "x\n"),
)


def verdict(ok: bool, *, by: str | None = None, payload: str = "") -> Verdict:
    check = Check("ping", "ping ns0 -> ns1", "ns0", "ns1", "10.0.0.2", "ns1", Span(FILE, 16, 5), by=by)
    sent, came = "1 echo request from ns0 to 10.0.0.2", f"an echo reply from 10.0.0.2{payload}"
    if ok:
        return Verdict(check, True, "reply", sent, came, None, 0.0123)
    return Verdict(check, False, "timeout", sent, "nothing came back", f"is ns1 up?{payload}", 2.5)


GOOD = Checked("bridge3", (verdict(True), verdict(True)))
BAD = Checked("bridge3", (verdict(True), verdict(False)))


def simulated(ok: bool, outcome: str = "timeout") -> Simulated:
    """Give a simulated verdict; one that fails ends at a router that does not forward."""
    if ok:
        return simulated_verdict(verdict(True), elapsed=0.0, ending=Ending.DELIVERED, steps=("ns0: sends it",))
    return simulated_verdict(
        verdict(False),
        elapsed=0.0,
        outcome=outcome,
        hint="r1 does not forward (not-forwarded)",
        ending=Ending.NOT_FORWARDED,
        place=Span(FILE, 7, 3),
        steps=("ns0: sends it", "r1: takes it"),
    )


SIMULATED = Checked("bridge3", (simulated(True), simulated(False)), mode="simulate")
AGREED = Checked("bridge3", (compare(verdict(True), simulated(True)),) * 2, mode="both")
DISAGREED = Checked(
    "bridge3",
    (compare(verdict(True), simulated(True)), compare(verdict(True), simulated(False))),
    mode="both",
    drifted=False,
)


def checking(found: Checked, modes: list[CheckMode | None] | None = None) -> Callable[..., Checked]:
    """Give a check that tells its verdicts as they come and comes to `found`; `modes` takes what was asked for."""

    def check(
        target: str | None, *, on_verdict: Callable[[Verdict], None] | None, mode: CheckMode | None = None
    ) -> Checked:
        if modes is not None:
            modes.append(mode)
        for one in found.verdicts if on_verdict is not None else ():
            on_verdict(one)  # type: ignore[misc]
        return found

    return check


def watching(*changes: DriftChange, end: End = "interrupted") -> Callable[..., Watched]:
    """Give a watch that tells these changes and ends."""

    def watch(lab: str | None, *, on_drift: Callable[[DriftChange], object], seconds: float | None) -> Watched:
        for change in changes:
            on_drift(change)
        return Watched(lab or "bridge3", end)

    return watch
