"""Commands that look at what is there: status, drift."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from netlab.cli.arguments import Seconds, name_lab, target_argument
from netlab.cli.call import Call
from netlab.cli.file_commands import CHANGES_PENDING
from netlab.cli.progress import progress
from netlab.cli.verb import verb

if TYPE_CHECKING:
    from netlab.app.watching import DriftChange


@verb("status", kind="status", examples=["netlab status", "netlab status bridge3   # its nodes, devices and addresses"])
@target_argument()
def status_command(call: Call, target: str | None) -> None:
    """Show the labs that are up, or all that is in LAB, or in that of FILE."""
    from netlab import app

    name_lab(call, target)
    found = app.status(target)
    if call.json:
        call.document({"labs": [status.to_json() for status in found]})
        return
    from netlab.cli import render_status

    if not found:
        call.say("no lab is up\n  fix: netlab apply FILE (netlab examples has files to start from)")
        return
    now = time.time()
    if target is None:
        call.show(render_status.labs_text(found, now, rich=call.coloured()))
    else:
        call.show(render_status.lab_text(found[0], now, rich=call.coloured()))
    call.say(render_status.advice_text(found, now))


@verb(
    "drift",
    kind="drift",
    examples=["netlab drift bridge3", "netlab drift || netlab apply bridge3.yml", "netlab drift bridge3 --watch"],
)
@target_argument()
@click.option("--watch", is_flag=True, help="Go on, and tell each change of the drift as it happens; Ctrl-C ends.")
@click.option("--seconds", metavar="S", type=Seconds(), help="With --watch: end after so many seconds.")
def drift_command(call: Call, target: str | None, watch: bool, seconds: float | None) -> int:
    """Show how LAB differs from what was applied.

    Exit with 3 if it does; with --watch always with 0. What is shown is what would repair it.
    """
    from netlab import app

    name_lab(call, target)
    if watch:
        _watch(call, target, seconds)
        return 0
    if seconds is not None:
        raise click.UsageError("--seconds is for --watch\n  fix: netlab drift --watch --seconds S")
    with progress(call, "reading"):
        found = app.drift(target)
    call.lab = found.lab
    if call.json:
        call.document(found.to_json())
    else:
        from netlab.cli.render_plan import drift_text

        call.show(drift_text(found))
    return CHANGES_PENDING if found.changes else 0


def _watch(call: Call, lab: str | None, seconds: float | None) -> None:
    """Print the present drift, and each change of it: as JSON, a document on each line."""
    from netlab import app
    from netlab.app.results import Drift
    from netlab.cli.render_plan import drift_change_text, drift_text

    first = True

    def tell(change: DriftChange) -> None:
        nonlocal first
        call.lab = change.lab
        if call.json:
            call.document(change.to_json(), line=True)
        elif first:
            call.show(drift_text(Drift(change.lab, change.drifted, change.origin)))
        else:
            call.show(drift_change_text(change))
        if first:
            call.say(f"watching {change.lab}" + ("" if seconds else "; Ctrl-C ends"))
        first = False

    watched = app.watch(lab, on_drift=tell, seconds=seconds)
    ends = {"destroyed": "has been destroyed", "gone": "is gone: its sandbox has ended"}
    if watched.end in ends:
        call.say(f"{watched.lab} {ends[watched.end]}")
