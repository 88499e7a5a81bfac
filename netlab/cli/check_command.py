"""The command that proves a lab by probes: check."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from netlab.cli.arguments import name_lab, target_argument
from netlab.cli.call import Call
from netlab.cli.verb import verb

if TYPE_CHECKING:
    from netlab.app.results import Checked

CHECKS_FAILED = 4


@verb(
    "check",
    kind="check",
    examples=["netlab check bridge3", "netlab check --junit results.xml bridge3.yml"],
)
@target_argument()
@click.option("--live", is_flag=True, help="Probe the lab as it is in the kernel (the default).")
@click.option("--junit", metavar="PATH", help="Write a JUnit XML report too.")
def check_command(call: Call, target: str | None, live: bool, junit: str | None) -> int:
    """Run the checks of a lab, by probes from inside its nodes.

    Exit with 4 when one fails. Of a FILE, its checks as they stand there now;
    of a LAB, those of the file as it was applied.
    """
    from netlab import app
    from netlab.cli.render_check import checked_text, verdict_text

    name_lab(call, target)
    if junit is not None:
        _must_be_writable(junit)
    found = app.check(target, on_verdict=None if call.json else lambda verdict: call.show(verdict_text(verdict)))
    call.lab = found.lab
    if junit is not None:
        _write_report(junit, found)
    if call.json:
        call.document(found.to_json(), found.warnings)
    else:
        call.show(checked_text(found))
        call.warn(found.warnings)
        if not found.ok:
            call.say(click.style(f"  next: netlab drift {found.lab} tells whether it still is as applied", dim=True))
    return 0 if found.ok else CHECKS_FAILED


def _must_be_writable(path: str) -> None:
    """Find out before the probes rather than after them."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path) or not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise click.UsageError(f"cannot write {path}\n  fix: --junit PATH, in a directory that is there")


def _write_report(path: str, found: Checked) -> None:
    from netlab.cli.junit import report

    with open(path, "wb") as file:
        file.write(report(found))
