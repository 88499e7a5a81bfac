"""Commands on a file that change nothing: validate, plan, schema."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from netlab.cli.arguments import file_argument, sandbox_option
from netlab.cli.call import Call
from netlab.cli.verb import verb

if TYPE_CHECKING:
    from netlab.app.results import Planned

CHANGES_PENDING = 3


@verb("validate", kind="validation", examples=["netlab validate bridge3.yml"])
@file_argument()
def validate_command(call: Call, file: str) -> None:
    """Check FILE without touching anything.

    Every problem is told at once, each with its line and column and what to type instead.
    """
    from netlab import app

    found = app.validate(file)
    call.lab = found.lab
    if call.json:
        call.document(found.to_json(), found.warnings)
        return
    call.warn(found.warnings)
    counts = [_counted(found.nodes, "node"), _counted(found.facts, "fact"), _counted(found.checks, "check")]
    call.show(f"{click.style(found.lab, bold=True)}: the file is right ({', '.join(counts)})")


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


@verb(
    "plan",
    kind="plan",
    examples=[
        "netlab plan bridge3.yml",
        "netlab plan --sandbox --commands bridge3.yml   # the same as ip, bridge, nft and sysctl commands",
        "netlab plan --check bridge3.yml || echo 'something is to be done'",
    ],
)
@file_argument()
@sandbox_option()
@click.option("--commands", is_flag=True, help="Print the commands that a person would type, runnable by sh.")
@click.option("--dot", is_flag=True, help="Print the steps as a graph, in Graphviz' language.")
@click.option("--check", is_flag=True, help="Exit with 3 when changes are pending.")
def plan_command(call: Call, file: str, sandbox: bool | None, commands: bool, dot: bool, check: bool) -> int:
    """Show what apply would do, field by field, and why."""
    from netlab import app
    from netlab.cli.progress import progress

    if commands + dot + call.json > 1:
        raise click.UsageError("--json, --commands and --dot are three forms of one result: choose one")
    with progress(call, "planning"):
        planned = app.plan(file, sandbox=sandbox)
    call.lab = planned.lab
    if call.json:
        call.document(planned.to_json(), planned.warnings)
    else:
        call.warn(planned.warnings)
        if commands:
            call.show("\n".join((*_guarded(planned), *app.plan_commands(planned))))
        elif dot:
            call.show(app.plan_dot(planned).rstrip("\n"))
        else:
            from netlab.cli.render_plan import plan_text

            call.show(plan_text(planned, every_field=call.verbose))
    return CHANGES_PENDING if check and planned.pending else 0


@verb("schema", examples=["netlab schema > netlab.schema.json   # editors complete and check with it"])
def schema_command(call: Call) -> None:
    """Print the JSON Schema of the topology file."""
    import json

    from netlab import app

    call.show(json.dumps(app.schema(), indent=2, ensure_ascii=False))


def _guarded(planned: Planned) -> tuple[str, ...]:
    """Give the lines before a sandbox's commands that keep them off this machine: they change the whole namespace."""
    if not planned.sandboxed:
        return ()
    here = os.readlink("/proc/self/ns/net")
    return (
        f"# The host of lab {planned.lab} is a namespace of its own: run this in one, for example by",
        "#   unshare -nm sh -c 'mount --make-rprivate / && mount -t tmpfs t /run && mkdir /run/netns && sh -e FILE'",
        f'[ "$(readlink /proc/self/ns/net)" != "{here}" ] || {{ echo "not on the machine itself" >&2; exit 1; }}',
    )
