"""The command that says who reaches whom: reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from netlab.cli.arguments import name_lab, target_argument
from netlab.cli.call import Call
from netlab.cli.progress import progress
from netlab.cli.verb import verb

if TYPE_CHECKING:
    from netlab.simulator.reach import Kind

_PORT = click.IntRange(1, 65535)


@verb(
    "reach",
    kind="reach",
    examples=[
        "netlab reach bridge3.yml                   # of a file: nothing is applied",
        "netlab reach bridge3 --tcp 80 --live       # in the kernel as it is now",
        "netlab reach new.yml --against bridge3     # what new.yml opens and closes beside what is up",
    ],
)
@target_argument()
@click.option("--tcp", metavar="PORT", type=_PORT, help="Open TCP connections to that port, where all listen.")
@click.option("--udp", metavar="PORT", type=_PORT, help="Send UDP datagrams to that port, where all listen and answer.")
@click.option("--live", is_flag=True, help="Simulate what is in the kernel now, not what was asked for.")
@click.option("--against", metavar="OTHER", help="Tell what is opened and closed beside another FILE or LAB.")
def reach_command(
    call: Call, target: str | None, tcp: int | None, udp: int | None, live: bool, against: str | None
) -> None:
    """Say who reaches whom, and what keeps the others apart, without sending anything.

    A node reaches another if what it sends (a ping, unless said) comes to one of
    the other's addresses, and the answer comes back. Of a FILE nothing need be
    applied, and no privileges are needed.
    """
    from netlab import app

    if tcp is not None and udp is not None:
        raise click.UsageError("--tcp and --udp: choose one")
    kind: Kind = "tcp" if tcp is not None else "udp" if udp is not None else "icmp"
    name_lab(call, target)
    with progress(call, "walking"):
        found = app.reach(target, kind=kind, port=tcp or udp or 0, live=live, against=against)
    call.lab = found.lab
    if call.json:
        call.document(found.to_json(), found.warnings)
        return
    call.warn(found.warnings)
    from netlab.cli.render_reach import against_text, reach_text

    call.show(reach_text(found) if found.against is None else against_text(found, found.against))
