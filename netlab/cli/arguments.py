"""What commands name on their line (FILE, LAB, [LAB/]NODE), and what completes it on TAB.

Completion asks the store of the labs that are up; whatever goes wrong there completes nothing and says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from netlab.app.results import LabStatus
    from netlab.cli.call import Call

F = TypeVar("F", bound=Callable[..., object])
#: A year: whoever wants longer wants something else.
_LONGEST = 365 * 86400.0


class Seconds(click.FloatRange):
    """A number of seconds, up to a year; neither nan nor infinity, which floats can be."""

    def __init__(self, zero: bool = False) -> None:
        super().__init__(min=0, min_open=not zero, max=_LONGEST)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(super().convert(value, param, ctx))
        if found != found:
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return found


def file_argument(*, required: bool = True) -> Callable[[F], F]:
    return click.argument("file", metavar="FILE" if required else "[FILE]", required=required, shell_complete=_files)


def lab_argument(*, required: bool = False) -> Callable[[F], F]:
    return click.argument("lab", metavar="LAB" if required else "[LAB]", required=required, shell_complete=_labs)


def target_argument() -> Callable[[F], F]:
    return click.argument("target", metavar="[LAB|FILE]", required=False, shell_complete=_targets)


def place_argument(*, device: bool = False) -> Callable[[F], F]:
    if device:
        return click.argument("place", metavar="[LAB/]NODE:DEV", shell_complete=_devices)
    return click.argument("place", metavar="[LAB/]NODE", shell_complete=_nodes)


def sandbox_option() -> Callable[[F], F]:
    return click.option(
        "--sandbox/--no-sandbox",
        default=None,
        help="Whether the lab's host is a namespace of its own rather than this machine.  "
        "[default: as the file says; always without root]",
    )


def wait_option() -> Callable[[F], F]:
    return click.option(
        "--wait",
        metavar="SECONDS",
        type=Seconds(zero=True),
        default=10.0,
        show_default=True,
        help="How long to wait for another netlab that is at work on the lab.",
    )


def _files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def _labs(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _beginning(incomplete, [status.lab for status in _status()])


def _targets(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [*_labs(context, parameter, incomplete), *_files(context, parameter, incomplete)]


def _nodes(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _beginning(incomplete, [f"{before}{node}" for before, node, _ in _places(incomplete)])


def _devices(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    found = [
        f"{before}{node}:{device}" for before, node, devices in _places(incomplete) for device in (*devices, "any")
    ]
    return _beginning(incomplete, found)


def _beginning(incomplete: str, words: list[str]) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _places(incomplete: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Give (`LAB/` or nothing, node, its devices) of the only lab, or of the one that the word begins with."""
    labs = [status.lab for status in _status()]
    lab, slash, _ = incomplete.partition("/")
    if not slash and len(labs) != 1:
        return [(f"{name}/", "", ()) for name in labs]
    before = f"{lab}/" if slash else ""
    return [
        (before, node.name, tuple(device.name for device in node.devices))
        for status in _status(lab if slash else labs[0])
        for node in status.nodes
    ]


def _status(lab: str | None = None) -> tuple[LabStatus, ...]:
    try:
        from netlab import app

        return app.status(lab)
    except Exception:
        return ()  # a TAB is no place for an error


def name_lab(call: Call, target: str | None) -> None:
    """Take the lab's name from an argument that is no file, for the document of a run that fails."""
    if target is not None and "/" not in target and not target.endswith((".yml", ".yaml")):
        call.lab = target
