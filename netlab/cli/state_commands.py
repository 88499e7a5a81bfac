"""Commands that look at what is there: status, drift."""

from __future__ import annotations

import time

from netlab.cli.arguments import lab_argument, name_lab
from netlab.cli.call import Call
from netlab.cli.file_commands import CHANGES_PENDING
from netlab.cli.progress import progress
from netlab.cli.verb import verb


@verb("status", kind="status", examples=["netlab status", "netlab status bridge3   # its nodes, devices and addresses"])
@lab_argument()
def status_command(call: Call, lab: str | None) -> None:
    """Show the labs that are up, or all that is in LAB."""
    from netlab import app

    name_lab(call, lab)
    found = app.status(lab)
    if call.json:
        call.document({"labs": [status.to_json() for status in found]})
        return
    from netlab.cli import render_status

    if not found:
        call.say("no lab is up\n  fix: netlab apply FILE (netlab examples has files to start from)")
        return
    now = time.time()
    if lab is None:
        call.show(render_status.labs_text(found, now, rich=call.coloured()))
    else:
        call.show(render_status.lab_text(found[0], now, rich=call.coloured()))
    call.say(render_status.advice_text(found, now))


@verb("drift", kind="drift", examples=["netlab drift bridge3", "netlab drift || netlab apply bridge3.yml"])
@lab_argument()
def drift_command(call: Call, lab: str | None) -> int:
    """Show how LAB differs from what was applied.

    Exit with 3 if it does. What is shown is what would repair it.
    """
    from netlab import app

    name_lab(call, lab)
    with progress(call, "reading"):
        found = app.drift(lab)
    call.lab = found.lab
    if call.json:
        call.document(found.to_json())
    else:
        from netlab.cli.render_plan import drift_text

        call.show(drift_text(found))
    return CHANGES_PENDING if found.changes else 0
