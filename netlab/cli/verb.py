"""What every command has: examples in its help, --verbose, --color, and --json where it has a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from netlab.cli.call import Call

WHEN = click.Choice(("auto", "always", "never"))


def _set_json(context: click.Context, _parameter: click.Parameter, given: bool) -> None:
    if given:
        context.ensure_object(Call).json = True


def _set_verbose(context: click.Context, _parameter: click.Parameter, given: bool) -> None:
    if given:
        context.ensure_object(Call).verbose = True


def _set_color(context: click.Context, _parameter: click.Parameter, when: str | None) -> None:
    call = context.ensure_object(Call)
    if when is not None or context.parent is None:
        call.paint(when)
    context.color = call.color


def common_options(json: bool, *, hidden: bool = False) -> list[click.Parameter]:
    """Give the options that every command takes, and `--json`; they may stand before the command's name too."""
    found: list[click.Parameter] = [
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_set_verbose,
            help="Log each step to stderr; show where a fault of netlab's own comes from.",
        ),
        click.Option(
            ["--color"],
            type=WHEN,
            is_eager=True,
            expose_value=False,
            callback=_set_color,
            help="When to use colours.  [default: auto, which respects NO_COLOR and pipes]",
        ),
    ]
    if json:
        words = "Print one JSON document instead (docs/json.md), on failure too."
        flag = {"is_flag": True, "is_eager": True, "expose_value": False}
        option = click.Option(["--json"], callback=_set_json, help=words, hidden=hidden, **flag)
        found.insert(0, option)
    return found


class Verb(click.Command):
    """A command; `kind` is the kind of its JSON document, if it has one, `examples` are lines that users type."""

    def __init__(self, *args: Any, kind: str | None = None, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.kind = kind
        self.examples = tuple(examples)
        self.params += common_options(kind is not None)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Tell the call which command it is, before anything of its line is read and may be wrong."""
        call = parent.find_object(Call) if parent is not None else None
        if call is not None:
            call.kind = self.kind
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        call = ctx.find_object(Call)
        if self.kind is None and call is not None and call.json:
            raise click.UsageError(f"{self.name} has no result that a document could hold: it takes no --json", ctx)
        return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
            for line in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def verb(
    name: str, *, kind: str | None = None, examples: Sequence[str], **settings: Any
) -> Callable[[Callable[..., int | None]], Verb]:
    """Turn a function of a Call and its own options into a command; it gives its exit code, None for 0."""

    def made(function: Callable[..., int | None]) -> Verb:
        wrap = click.command(name, cls=Verb, kind=kind, examples=examples, **settings)
        return wrap(click.pass_obj(function))

    return made
