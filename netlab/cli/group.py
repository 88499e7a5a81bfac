"""The group of commands: each is loaded from its module when it is called, and every end of a run is told here."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from types import FrameType
from typing import Any

import click

from netlab.cli.call import Call
from netlab.cli.verb import common_options

#: What users of other tools type.
ALIKE = {
    "clean": "destroy",
    "cleanup": "gc",
    "create": "apply",
    "delete": "destroy",
    "deploy": "apply",
    "diff": "drift",
    "down": "destroy",
    "draw": "diagram",
    "graph": "diagram",
    "inspect": "status",
    "list": "status",
    "lint": "validate",
    "ls": "status",
    "prune": "gc",
    "ps": "status",
    "rm": "destroy",
    "run": "exec",
    "sh": "shell",
    "show": "status",
    "ssh": "shell",
    "start": "apply",
    "stop": "destroy",
    "tcpdump": "capture",
    "test": "check",
    "up": "apply",
    "verify": "check",
}


class Netlab(click.Group):
    """The group; `sections` says, in the order of the help, which command lies in which module of netlab.cli."""

    def __init__(self, sections: Mapping[str, Mapping[str, str]], **settings: Any) -> None:
        super().__init__(**settings)
        self.sections = sections
        self.modules = {name: module for section in sections.values() for name, module in section.items()}
        self.params += common_options(json=True, hidden=True)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.modules:
            return None
        found: click.Command = getattr(import_module(f"netlab.cli.{self.modules[cmd_name]}"), f"{cmd_name}_command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; where there is none of that name, name the nearest."""
        given = args[0]
        if given in self.modules or given.startswith("-"):
            return super().resolve_command(ctx, args)
        message = f"there is no command {given!r}"
        if "/" in given or given.endswith((".yml", ".yaml")):
            raise click.UsageError(f"{message}: it looks like a file\n  fix: netlab plan {given}", ctx)
        near = [ALIKE[given]] if given in ALIKE else get_close_matches(given, self.modules, 2)
        if near:
            message += f": did you mean {' or '.join(near)}?"
        if len(near) == 1:
            message += f"\n  fix: {' '.join(['netlab', near[0], *args[1:]])}"
        raise click.UsageError(message, ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections, their columns aligned with one another."""
        width = max(map(len, self.modules))
        for title, names in self.sections.items():
            with formatter.section(title):
                for name in names:
                    command = self.get_command(ctx, name)
                    assert command is not None, f"no command {name}"
                    formatter.write(f"  {name:{width}}  {command.get_short_help_str(100)}\n")

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> None:
        """Run a command line to its end and leave with its exit code; no error leaves as a traceback."""
        argv = list(sys.argv[1:] if args is None else args)
        extra.pop("standalone_mode", None)
        name = prog_name or "netlab"
        self._main_shell_completion({**extra, "obj": Call()}, name)
        sys.exit(self._run(argv, name, extra))

    def _run(self, argv: list[str], name: str, extra: dict[str, Any]) -> int:
        call = Call(tuple(argv))
        call.paint(None)
        _never_fail_to_print()
        with _noting_interrupts(call):
            code = self._done(argv, name, call, extra)
        try:
            sys.stdout.flush()
        except OSError as error:
            from netlab.cli import ending

            ending.let_go_of_stdout()
            if isinstance(error, BrokenPipeError):
                return ending.NO_READER
            return code or ending.failed(error, Call(verbose=call.verbose, color=call.color))
        return code

    def _done(self, argv: list[str], name: str, call: Call, extra: dict[str, Any]) -> int:
        """Do what the command line says, tell what goes wrong, and give the exit code."""
        try:
            with self.make_context(name, argv, **{**extra, "obj": call}) as context:
                return self.invoke(context) or 0
        except click.exceptions.Exit as end:
            return end.exit_code
        except (KeyboardInterrupt, click.Abort):
            from netlab.cli import ending

            return ending.interrupted(call)
        except Exception as error:
            from netlab.cli import ending

            if isinstance(error, BrokenPipeError) and _reader_has_gone():
                return ending.NO_READER
            if call.interrupted and ending.is_fault(error):
                # Whose code it came in has made another error of it, as pydantic does where it builds a model.
                return ending.interrupted(call)
            return ending.failed(error, call)


@contextmanager
def _noting_interrupts(call: Call) -> Iterator[None]:
    """Note that Ctrl-C was heard; it is raised as KeyboardInterrupt, as ever."""

    def hear(number: int, frame: FrameType | None) -> None:
        call.interrupted = True
        signal.default_int_handler(number, frame)

    alone = threading.current_thread() is threading.main_thread()
    if not alone or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _never_fail_to_print() -> None:
    """Show escaped what the terminal's encoding lacks, and let a closed stream take all and say nothing."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # started with `>&-`
            stream = open(os.devnull, "w")  # noqa: SIM115
            setattr(sys, name, stream)
        stream.reconfigure(errors="backslashreplace")


def _reader_has_gone() -> bool:
    """Tell whether nobody reads stdout or stderr any more: else the broken pipe is one of netlab's own."""
    import select

    asked = select.poll()
    for stream in (sys.stdout, sys.stderr):
        try:
            asked.register(stream.fileno(), 0)
        except (OSError, ValueError):
            continue
    return any(what & select.POLLERR for _fd, what in asked.poll(0))
