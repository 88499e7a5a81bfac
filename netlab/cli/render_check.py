"""Verdicts -> text: a line for each check, and for one that fails what was sent, what came back, where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click import style

from netlab.cli.call import nearby
from netlab.cli.render_lab import seconds_text

if TYPE_CHECKING:
    from netlab.app.results import Checked
    from netlab.probe import Verdict


def verdict_text(verdict: Verdict) -> str:
    """Turn a verdict into text."""
    check = verdict.check
    mark = style("✓", fg="green") if verdict.ok else style("✗", fg="red", bold=True)
    head = f"{mark} {check.name}  {style(seconds_text(verdict.elapsed), dim=True)}"
    if verdict.ok:
        return head if verdict.measured is None else f"{head}  {style(verdict.received, dim=True)}"
    said = [
        ("expected", expected(verdict)),
        ("sent", verdict.sent),
        ("came back", verdict.received),
        ("look at", verdict.hint),
        ("asked in", nearby(str(check.span))),
    ]
    return "\n".join([head, *(f"    {style(name.ljust(9), dim=True)}  {words}" for name, words in said if words)])


def expected(verdict: Verdict) -> str:
    """Say what was expected, of whom, and what it came to."""
    check = verdict.check
    if check.bounds is not None:
        wanted = f"a {check.kind} of {check.bounds}"
        return wanted if verdict.ok else f"{wanted}, not {verdict.outcome}"
    by = f" from {check.by}" if check.by else ""
    return f"{check.expect}{by}, not {verdict.outcome}" if verdict.outcome != check.expect else f"{check.expect}{by}"


def checked_text(found: Checked) -> str:
    """Turn the verdicts of all checks into a last line."""
    name = style(found.lab, bold=True)
    total = len(found.verdicts)
    failed = sum(not verdict.ok for verdict in found.verdicts)
    if not total:
        return f"{name}: no checks in its file"
    if failed:
        return f"{name}: {style(f'{failed} of {total} checks failed', fg='red')}"
    return f"{name}: {style('the check passed' if total == 1 else f'all {total} checks passed', fg='green')}"
