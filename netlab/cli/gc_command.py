"""gc: what dead labs left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from netlab.cli.call import Call
from netlab.cli.progress import progress
from netlab.cli.verb import verb

if TYPE_CHECKING:
    from netlab.app.collecting import Collected, Leftover


@verb("gc", kind="gc", examples=["netlab gc --dry-run   # what would be removed", "netlab gc"])
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def gc_command(call: Call, dry_run: bool) -> None:
    """Remove what dead labs left.

    What may be somebody's lab is left alone, and said.
    """
    from netlab import app

    with progress(call, "looking"):
        found = app.gc(dry_run=dry_run)
    if call.json:
        call.document(found.to_json())
        return
    call.show(collected_text(found))
    for note in (*map(_left_text, found.left), *found.notes):
        call.say(note)


def collected_text(found: Collected) -> str:
    """Turn what was removed into lines."""
    verb = "would remove" if found.dry_run else "removed"
    lines = [f"{verb} {one.what}{f' ({one.lab})' if one.lab else ''}" for one in found.removed]
    return "\n".join(lines) or "nothing to remove"


def _left_text(one: Leftover) -> str:
    text = f"left {one.lab or one.what}: {one.reason}"
    return click.style(text + (f"\n  fix: {one.fix}" if one.fix else ""), fg="yellow")
