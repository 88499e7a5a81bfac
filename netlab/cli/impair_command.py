"""The command that makes a wire worse, or better, while a lab is up: impair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from netlab.cli.arguments import place_argument
from netlab.cli.call import Call
from netlab.cli.verb import verb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netlab.app.results import Impaired


@verb(
    "impair",
    kind="impair",
    examples=[
        "netlab impair ns0:eth0 delay=50ms jitter=5ms loss=1%",
        "netlab impair bridge3/ns0:eth0 rate=10mbit   # the rest stays",
        "netlab impair ns0:eth0 loss=                 # takes loss away",
        "netlab impair ns0:eth0 --clear",
        "netlab impair ns0:eth0                       # shows what there is",
    ],
)
@place_argument(device=True)
@click.argument("wishes", metavar="KEY=VALUE...", nargs=-1)
@click.option("--clear", is_flag=True, help="Take away all that is not named.")
def impair_command(call: Call, place: str, wishes: tuple[str, ...], clear: bool) -> None:
    """Delay, lose or slow down what leaves by a device.

    KEY is delay, jitter, loss, duplicate, reorder, corrupt or rate. The file stays as it is: drift shows the
    difference, and the next apply takes it back.
    """
    from netlab import app

    values: dict[str, str] = {}
    for wish in wishes:
        name, equals, value = wish.partition("=")
        if not equals:
            raise click.UsageError(f"{wish!r} is no KEY=VALUE\n  fix: netlab impair {place} delay=20ms loss=1%")
        if name in values:
            raise click.UsageError(f"{name} is given twice\n  fix: give it once")
        values[name] = value
    found = app.impair(place, values, clear=clear)
    call.lab = found.lab
    if call.json:
        call.document(found.to_json())
    else:
        call.show(_text(found))


def _text(found: Impaired) -> str:
    return f"{found.node}:{found.device}  {_words(found.after)}" + (
        f"  (before: {_words(found.before)})" if found.before != found.after else ""
    )


def _words(properties: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in properties.items()) or "not impaired"
