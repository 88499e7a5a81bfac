"""The topology files that ship with netlab: examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from netlab.cli.call import Call
from netlab.cli.verb import verb

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from netlab.app.results import Example


def _names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from netlab import app

    return [CompletionItem(one.name, help=one.teaches) for one in app.examples() if one.name.startswith(incomplete)]


@verb(
    "examples",
    kind="examples",
    examples=[
        "netlab examples                       # what there is",
        "netlab examples bridge3               # print one",
        "netlab examples --copy . bridge3      # copy it here; without a name, all",
    ],
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=_names)
@click.option("--copy", metavar="DIR", help="Copy the files to a directory; what exists is not overwritten.")
def examples_command(call: Call, names: tuple[str, ...], copy: str | None) -> None:
    """List, print or copy the topology files that ship with netlab."""
    from netlab import app

    if copy is not None:
        written = app.copy_examples(copy, names)
        if call.json:
            call.document({"written": list(written)})
        else:
            call.show("\n".join(written))
            call.say(f"  next: netlab plan {written[0]}" if written else "")
        return
    found = _chosen(app.examples(), names)
    if call.json:
        call.document({"examples": [{"name": one.name, "teaches": one.teaches, "text": one.text} for one in found]})
    elif names:
        call.show("\n".join(one.text.rstrip("\n") for one in found))
    else:
        _list(call, found)


def _chosen(examples: Sequence[Example], names: Sequence[str]) -> list[Example]:
    """Give the examples of these names, all if there are none."""
    from difflib import get_close_matches

    known = {example.name: example for example in examples}
    if len(names) > 1:
        raise click.UsageError("one example is printed at a time\n  fix: netlab examples --copy DIR NAME...")
    for name in (name.removesuffix(".yml") for name in names):
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f": did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"there is no example {name!r}{hint}\n  fix: netlab examples lists them")
        return [known[name]]
    return list(examples)


def _list(call: Call, found: Sequence[Example]) -> None:
    import shutil
    import textwrap

    width = max(len(one.name) for one in found) + 2
    # In a pipe a line for each, uncut; on a terminal the words are folded beside the names.
    room = max(40, shutil.get_terminal_size().columns) - width if call.coloured() else 1 << 20
    for one in found:
        first, *more = textwrap.wrap(one.teaches, room) or [""]
        call.show(
            "\n".join([click.style(one.name.ljust(width), bold=True) + first, *(" " * width + line for line in more)])
        )
    call.say("  next: netlab examples NAME prints one, netlab examples --copy DIR copies them")
