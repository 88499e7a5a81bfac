"""Commands that change what is there: apply, confirm, destroy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

import click

from netlab.cli.arguments import (
    Seconds,
    file_argument,
    lab_argument,
    name_lab,
    sandbox_option,
    target_argument,
    wait_option,
)
from netlab.cli.call import Call
from netlab.cli.progress import progress
from netlab.cli.verb import verb

if TYPE_CHECKING:
    from netlab.app.results import Applied


@verb(
    "apply",
    kind="apply",
    examples=[
        "netlab apply bridge3.yml",
        "netlab apply --sandbox bridge3.yml         # in namespaces of its own: this machine is not touched",
        "netlab apply --confirm 60 bridge3.yml      # undone after a minute unless: netlab confirm bridge3",
    ],
)
@file_argument()
@sandbox_option()
@click.option(
    "--on-error",
    type=click.Choice(("undo", "keep")),
    default="undo",
    show_default=True,
    help="When a step fails: undo all to the state before, or keep what was done, to look at.",
)
@click.option(
    "--confirm",
    metavar="SECONDS",
    type=Seconds(),
    help="Undo it after so many seconds, unless `netlab confirm LAB` comes first.",
)
@click.option("--no-check", is_flag=True, help="Leave out the checks of FILE.")
@click.option("--no-picture", is_flag=True, help="Leave out the picture of the lab.")
@wait_option()
def apply_command(
    call: Call,
    file: str,
    sandbox: bool | None,
    on_error: Literal["undo", "keep"],
    confirm: float | None,
    no_check: bool,
    no_picture: bool,
    wait: float,
) -> int:
    """Bring the network to what FILE says. Does not ask: look first with plan.

    A lab that is up already gets the difference only. Whatever fails, all is undone.
    When something has changed, the checks of FILE are run (exit with 4 when one
    fails) and a picture is drawn; not with --json.
    """
    from netlab import app
    from netlab.cli.ending import INTERRUPTED

    with progress(call, f"applying {file}"):
        done = app.apply(file, sandbox=sandbox, on_error=on_error, confirm=confirm, wait=wait, on_event=call.log)
    call.lab = done.lab
    if call.json:
        call.document(done.to_json(), (*done.problems, *done.warnings))
    else:
        _tell(call, done)
    if done.outcome == "applied":
        return 0 if call.json or not done.plan.changes else _prove(call, done, no_check, no_picture)
    return INTERRUPTED if any(problem.code == "interrupted" for problem in done.problems) else 1


def _tell(call: Call, done: Applied) -> None:
    from netlab.cli import render_lab

    call.warn((*done.problems, *done.warnings))
    if done.outcome != "applied":
        call.say(render_lab.failed_apply_text(done))
        return
    call.show(render_lab.applied_text(done))
    call.say(render_lab.next_text(done, time.time()))


def _prove(call: Call, done: Applied, no_check: bool, no_picture: bool) -> int:
    """Run the checks of a lab that has just been applied, and draw it; give the exit code."""
    from netlab import app
    from netlab.cli.check_command import CHECKS_FAILED
    from netlab.cli.render_check import checked_text, verdict_text

    lab, status = done.lab, 0
    if done.checks and not no_check:
        found = app.check(lab, on_verdict=lambda verdict: call.show(verdict_text(verdict)))
        call.show(checked_text(found))
        status = 0 if found.ok else CHECKS_FAILED
    if not no_picture and (path := app.picture(lab)) is not None:
        call.show(f"{click.style(lab, bold=True)}: picture in {path}")
    return status


@verb("confirm", kind="confirm", examples=["netlab confirm bridge3"])
@lab_argument(required=True)
def confirm_command(call: Call, lab: str) -> None:
    """Keep what `apply --confirm` made."""
    from netlab import app

    call.lab = lab
    app.confirm(lab)
    if call.json:
        call.document({"confirmed": True})
    else:
        call.show(f"{click.style(lab, bold=True)}: confirmed, it stays")


@verb(
    "destroy",
    kind="destroy",
    examples=["netlab destroy bridge3", "netlab destroy bridge3.yml", "netlab destroy   # the only lab that is up"],
)
@target_argument()
@wait_option()
def destroy_command(call: Call, target: str | None, wait: float) -> None:
    """Take a lab away, with everything of it and nothing else. It needs no file.

    What is gone already counts as done.
    """
    from netlab import app

    name_lab(call, target)
    with progress(call, f"destroying {target or 'the lab'}"):
        started = time.monotonic()
        found = app.destroy(target, wait=wait)
        seconds = time.monotonic() - started
    call.lab = found.lab
    if call.json:
        call.document(found.to_json())
        return
    from netlab.cli import render_lab

    call.show(render_lab.destroyed_text(found, seconds))
    for note in found.notes:
        call.say(f"{click.style('note:', fg='yellow')} {note}")
