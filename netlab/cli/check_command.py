"""The command that proves a lab: check, by probes, in the simulator, or by both."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from netlab.cli.arguments import name_lab, target_argument
from netlab.cli.call import Call
from netlab.cli.verb import verb

if TYPE_CHECKING:
    from netlab.app.results import Checked, CheckMode

CHECKS_FAILED = 4


@verb(
    "check",
    kind="check",
    examples=[
        "netlab check bridge3",
        "netlab check --simulate topologies/bridge3.yml     # nothing need be applied",
        "netlab check --both --junit results.xml bridge3",
    ],
)
@target_argument()
@click.option("--live", is_flag=True, help="Probe the lab as it is in the kernel (the default where it is applied).")
@click.option("--simulate", is_flag=True, help="Send no packets: simulate them (the default where it is not).")
@click.option("--both", is_flag=True, help="Do both, and tell where kernel and simulator disagree.")
@click.option("--junit", metavar="PATH", help="Write a JUnit XML report too.")
def check_command(call: Call, target: str | None, live: bool, simulate: bool, both: bool, junit: str | None) -> int:
    """Run the checks of a lab, by probes from inside its nodes or in the simulator.

    Exit with 4 when one fails, or kernel and simulator disagree. Of a FILE, its checks
    as they stand there now; of a LAB, those of the file as it was applied.
    """
    from netlab import app
    from netlab.cli.render_check import checked_text, next_texts, verdict_text

    mode = _mode(live, simulate, both)
    name_lab(call, target)
    if junit is not None:
        _must_be_writable(junit)
    shown = None if call.json else lambda verdict: call.show(verdict_text(verdict))
    found = app.check(target, mode=mode, on_verdict=shown)
    call.lab = found.lab
    if junit is not None:
        _write_report(junit, found)
    if call.json:
        call.document(found.to_json(), found.warnings)
    else:
        call.show(checked_text(found))
        call.warn(found.warnings)
        for line in next_texts(found, target, asked=mode is not None):
            call.say(click.style(f"  {line}", dim=True))
    return 0 if found.ok else CHECKS_FAILED


def _mode(live: bool, simulate: bool, both: bool) -> CheckMode | None:
    if live + simulate + both > 1:
        raise click.UsageError("--live, --simulate and --both: choose one\n  fix: --both does all that the others do")
    return "both" if both else "simulate" if simulate else "live" if live else None


def _must_be_writable(path: str) -> None:
    """Find out before the probes rather than after them."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path) or not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise click.UsageError(f"cannot write {path}\n  fix: --junit PATH, in a directory that is there")


def _write_report(path: str, found: Checked) -> None:
    from netlab.cli.junit import report

    with open(path, "wb") as file:
        file.write(report(found))
