"""Commands that work from inside a node: exec, shell, capture."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import click

from netlab.cli.arguments import Seconds, place_argument
from netlab.cli.call import Call
from netlab.cli.verb import verb


@verb(
    "exec",
    examples=[
        "netlab exec ns0 ping -c 1 10.0.0.2      # options after NODE are the command's",
        "netlab exec bridge3/ns0 -- ip -brief address",
        "netlab exec host ip route",
    ],
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
@place_argument()
@click.argument("command", metavar="CMD...", nargs=-1, type=click.UNPROCESSED)
def exec_command(call: Call, place: str, command: tuple[str, ...]) -> int:
    """Run CMD inside a node, and pass on its exit code.

    LAB/ may be left out while only one lab is up. The node `host` is the lab's own host.
    """
    from netlab import app

    argv = command[1:] if command[:1] == ("--",) else command
    if not argv:
        raise click.UsageError(f"which command?\n  fix: netlab exec {place} CMD..., or netlab shell {place}")
    return app.execute(place, argv)


@verb("shell", examples=["netlab shell ns0", "netlab shell bridge3/host"])
@place_argument()
def shell_command(call: Call, place: str) -> int:
    """Open a shell inside a node, and pass on its exit code."""
    from netlab import app

    return app.shell(place)


@verb(
    "capture",
    examples=[
        "netlab capture ns0:eth0 -c 10 -w ns0.pcap",
        "netlab capture bridge3/ns0:eth0 | wireshark -k -i -",
        "netlab capture ns0:any --seconds 5 | tcpdump -n -r -",
    ],
)
@place_argument(device=True)
@click.option("-w", "--write", metavar="FILE", help="Where to write pcap; - is stdout.  [default: stdout]")
@click.option("-c", "--count", metavar="COUNT", type=click.IntRange(min=1), help="End after so many packets.")
@click.option("--seconds", metavar="S", type=Seconds(), help="End after so many seconds.")
def capture_command(call: Call, place: str, write: str | None, count: int | None, seconds: float | None) -> None:
    """Write the packets that pass a device, as pcap.

    Ctrl-C ends it well. DEV `any` is every device of the node.
    """
    from netlab import app

    where = None if write in (None, "-") else write
    if where is None and sys.stdout.isatty():
        raise click.UsageError(
            f"pcap is not for a terminal\n  fix: netlab capture {place} -w FILE, or a pipe to Wireshark"
        )

    def ready() -> None:
        call.say(f"capturing on {place}" + ("" if count or seconds else "; Ctrl-C ends"))

    with _opened(where) as stream:
        packets = app.capture(place, stream, count=count, seconds=seconds, on_ready=ready)
    call.say(f"{packets} packet{'' if packets == 1 else 's'}{f' in {where}' if where else ''}")


@contextmanager
def _opened(path: str | None) -> Iterator[BinaryIO]:
    """Give the stream to write to; a file made for a capture that did not begin is taken away again."""
    if path is None:
        yield sys.stdout.buffer
        return
    new = not os.path.exists(path)
    with open(path, "wb") as file:
        try:
            yield file
        except BaseException:
            if new and not os.path.getsize(path):
                os.unlink(path)
            raise
