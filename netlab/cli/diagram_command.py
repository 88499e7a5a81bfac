"""The command that draws: diagram."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from netlab.cli.arguments import name_lab, target_argument
from netlab.cli.call import Call
from netlab.cli.progress import progress
from netlab.cli.verb import verb
from netlab.errors import Problem

FORMATS = ("svg", "png", "pdf", "dot", "mermaid")
PORT = click.IntRange(1, 65535)
#: Formats that would do a terminal harm.
BINARY = frozenset({"png", "pdf"})
ENDINGS = {f".{name}": name for name in FORMATS} | {".gv": "dot", ".mmd": "mermaid"}


@verb(
    "diagram",
    examples=[
        "netlab diagram bridge3.yml -o bridge3.svg",
        "netlab diagram bridge3 --live -o now.png",
        "netlab diagram bridge3.yml --plan -o changes.pdf",
        "netlab diagram bridge3.yml --trace ns0 ns1 -o way.png",
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
@click.option(
    "--trace", "ends", nargs=2, metavar="SRC DST", help="Draw the way of a packet, there and back, without sending one."
)
@click.option("--tcp", metavar="PORT", type=PORT, help="With --trace: a TCP SYN to that port, not a ping.")
@click.option("--udp", metavar="PORT", type=PORT, help="With --trace: a UDP datagram to that port, not a ping.")
def diagram_command(
    call: Call,
    target: str | None,
    output: str | None,
    form: str | None,
    live: bool,
    plan: bool,
    ends: tuple[str, str] | None,
    tcp: int | None,
    udp: int | None,
) -> None:
    """Draw a network, as asked for or as it is, or a packet's way through it.

    A FILE is drawn as it asks for, a LAB as it was applied. What is not on a packet's way is drawn faintly.
    """
    from netlab import app

    if live and plan:
        raise click.UsageError("--live draws what is there, --plan what would be: choose one")
    if plan and ends:
        raise click.UsageError("--trace follows a packet through what is there or asked for, not through a change")
    if tcp is not None and udp is not None:
        raise click.UsageError("--tcp, --udp: choose one")
    if (tcp or udp) and not ends:
        raise click.UsageError("--tcp and --udp say what is sent\n  fix: add --trace SRC DST")
    where = None if output in (None, "-") else output
    form = form or _by_ending(where)
    if where is None and form in BINARY and sys.stdout.isatty():
        raise click.UsageError(f"{form} is not for a terminal\n  fix: -o {_name(target)}.{form}")
    name_lab(call, target)
    unread: list[Problem] = []
    traced = {**_packet(ends, tcp, udp), "warn": unread.extend} if ends else {}
    with progress(call, "drawing"):
        drawn = app.diagram(target, format=form, live=live, plan=plan, **traced)
    call.warn(unread)
    if where is None:
        stream = sys.stdout.buffer
        stream.write(drawn)
        stream.flush()
        return
    Path(where).write_bytes(drawn)
    call.say(f"wrote {where}")


def _packet(ends: tuple[str, str], tcp: int | None, udp: int | None) -> dict[str, Any]:
    """Say whose way is drawn, as app.diagram is told it."""
    kind, port = ("tcp", tcp) if tcp is not None else ("udp", udp) if udp is not None else ("icmp", 0)
    return {"trace": ends, "kind": kind, "port": port}


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
