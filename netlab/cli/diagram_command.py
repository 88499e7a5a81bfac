"""The command that draws: diagram."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from netlab.cli.arguments import name_lab, target_argument
from netlab.cli.call import Call
from netlab.cli.progress import progress
from netlab.cli.verb import verb

FORMATS = ("svg", "png", "pdf", "dot", "mermaid")
#: Formats that would do a terminal harm.
BINARY = frozenset({"png", "pdf"})
ENDINGS = {f".{name}": name for name in FORMATS} | {".gv": "dot", ".mmd": "mermaid"}


@verb(
    "diagram",
    examples=[
        "netlab diagram bridge3.yml -o bridge3.svg",
        "netlab diagram bridge3 --live -o now.png",
        "netlab diagram bridge3.yml --plan -o changes.pdf",
        "netlab diagram bridge3 --format mermaid",
    ],
)
@target_argument()
@click.option("-o", "--output", metavar="PATH", help="Where to write; - is stdout.  [default: stdout]")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="What to write.  [default: by the ending of PATH, else svg]"
)
@click.option(
    "--live", is_flag=True, help="Draw what is in the kernel now, with carrier, rather than what was asked for."
)
@click.option("--plan", is_flag=True, help="Draw what an apply of FILE would change.")
def diagram_command(
    call: Call, target: str | None, output: str | None, form: str | None, live: bool, plan: bool
) -> None:
    """Draw a network, as asked for or as it is.

    A FILE is drawn as it asks for, a LAB as it was applied.
    """
    from netlab import app

    if live and plan:
        raise click.UsageError("--live draws what is there, --plan what would be: choose one")
    where = None if output in (None, "-") else output
    form = form or _by_ending(where)
    if where is None and form in BINARY and sys.stdout.isatty():
        raise click.UsageError(f"{form} is not for a terminal\n  fix: -o {_name(target)}.{form}")
    name_lab(call, target)
    with progress(call, "drawing"):
        drawn = app.diagram(target, format=form, live=live, plan=plan)
    if where is None:
        stream = sys.stdout.buffer
        stream.write(drawn)
        stream.flush()
        return
    Path(where).write_bytes(drawn)
    call.say(f"wrote {where}")


def _by_ending(path: str | None) -> str:
    """Give the format that a path's ending names; svg where there is no path."""
    if path is None:
        return "svg"
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise click.UsageError(f"{path} does not say what to draw\n  fix: --format FORMAT, or an ending {_choices()}")
    return ENDINGS[ending]


def _choices() -> str:
    return f"{', '.join(list(ENDINGS)[:-1])} or {list(ENDINGS)[-1]}"


def _name(target: str | None) -> str:
    return Path(target).stem if target else "lab"
