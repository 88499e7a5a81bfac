"""Verdicts -> text: a line for each check, and for one that fails what was sent, what came back, where to look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from click import style

from netlab.cli.call import nearby
from netlab.cli.render_lab import seconds_text

if TYPE_CHECKING:
    from netlab.app.comparing import Compared
    from netlab.app.results import Checked
    from netlab.probe import Verdict

#: What is said of disagreements, and where all of them are about measurements.
REPORT = "that should never be: please report it, with the file and what netlab trace says"
CHANCE = "chance or a busy machine can do that: if it stays so, please report it"


def verdict_text(verdict: Verdict) -> str:
    """Turn a verdict into text."""
    from netlab.app.comparing import Compared, Simulated

    if isinstance(verdict, Compared) and not verdict.agrees:
        return _disagreement_text(verdict)
    place = verdict.place if isinstance(verdict, Simulated) else None
    took = "simulated" if isinstance(verdict, Simulated) else seconds_text(verdict.elapsed)
    took = f"{took}, simulated too" if isinstance(verdict, Compared) else took
    mark = style("✓", fg="green") if verdict.ok else style("✗", fg="red", bold=True)
    head = f"{mark} {verdict.check.name}  {style(took, dim=True)}"
    if verdict.ok:
        return head if verdict.measured is None else f"{head}  {style(verdict.received, dim=True)}"
    said = [
        ("expected", expected(verdict)),
        ("sent", verdict.sent),
        ("came back", verdict.received),
        ("look at", verdict.hint),
        ("said in", nearby(str(place)) if place is not None else None),
        ("asked in", nearby(str(verdict.check.span))),
    ]
    return _rows(head, said)


def _disagreement_text(verdict: Compared) -> str:
    """Turn what kernel and simulator do not agree on into text."""
    check, other = verdict.check, verdict.simulated
    took = style(f"{seconds_text(verdict.elapsed)}, simulated too", dim=True)
    head = f"{style('≠', fg='red', bold=True)} {check.name}  {took}"
    said = [
        ("expected", expected_of(verdict)),
        ("sent", verdict.sent),
        ("kernel", f"{verdict.outcome}: {verdict.received}"),
        ("simulator", f"{other.outcome}: {other.received}"),
        ("because", other.hint),
        ("said in", nearby(str(other.place)) if other.place is not None else None),
        ("asked in", nearby(str(check.span))),
    ]
    return _rows(head, said)


def _rows(head: str, said: Sequence[tuple[str, str | None]]) -> str:
    return "\n".join([head, *(f"    {style(name.ljust(9), dim=True)}  {words}" for name, words in said if words)])


def expected_of(verdict: Verdict) -> str:
    """Say what was expected, and of whom."""
    check = verdict.check
    if check.bounds is not None:
        return f"a {check.kind} of {check.bounds}"
    return f"{check.expect} from {check.by}" if check.by else check.expect


def expected(verdict: Verdict) -> str:
    """Say what was expected, of whom, and what it came to."""
    wanted = expected_of(verdict)
    measured = verdict.check.bounds is not None
    return wanted if verdict.ok or (not measured and verdict.outcome == verdict.check.expect) else (
        f"{wanted}, not {verdict.outcome}"
    )  # fmt: skip


def checked_text(found: Checked) -> str:
    """Turn the verdicts of all checks into a last line."""
    name = style(found.lab, bold=True)
    total = len(found.verdicts)
    failed = sum(not verdict.ok for verdict in found.verdicts)
    where = {"live": "", "simulate": ", simulated", "both": ", live and simulated"}[found.mode]
    if not total:
        return f"{name}: no checks in its file"
    text = style("the check passed" if total == 1 else f"all {total} checks passed", fg="green")
    if failed:
        text = style(f"{failed} of {total} checks failed", fg="red")
    if found.disagreements:
        where = f", {style(f'kernel and simulator disagree on {len(found.disagreements)}', fg='red')}"
    return f"{name}: {text}{where}"


def next_texts(found: Checked, target: str | None, *, asked: bool) -> Iterator[str]:
    """Say what to type next; `asked`: where the checks run was asked for, not chosen."""
    if found.mode == "simulate" and not asked:
        yield f"simulated, for it is not applied: netlab apply {target}"
    if found.disagreements:
        drifted = f"it is no longer as it was applied: netlab drift {found.lab}"
        measured = all(verdict.check.bounds is not None for verdict in found.disagreements)
        yield f"kernel and simulator disagree; {drifted if found.drifted else CHANCE if measured else REPORT}"
    elif found.mode == "simulate":
        yield from _traces(found, target)
    elif not found.ok:
        yield f"next: netlab drift {found.lab} tells whether it still is as applied"


def _traces(found: Checked, target: str | None) -> Iterator[str]:
    """Give the command that shows the way of the first packet that fails."""
    failed = (verdict.check for verdict in found.verdicts if not verdict.ok and verdict.check.kind != "arp")
    check = next(failed, None)
    if check is None:
        return
    port = f" --{check.kind} {check.port}" if check.port is not None else ""
    yield f"next: netlab trace {target or found.lab} {check.source} {check.address}{port} shows the whole way"
