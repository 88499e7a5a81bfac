"""One run of netlab: what was asked of it, and where its results (stdout) and its talk (stderr) go."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from netlab.errors import Problem


def nearby(path: str) -> str:
    """Give a path as one would type it here: relative, where it is below the working directory."""
    here = os.path.join(os.getcwd(), "")
    return path.removeprefix(here) or path


@dataclass(slots=True)
class Call:
    """What is known of this run so far; the one value that changes while a command is being read and done."""

    argv: tuple[str, ...] = ()
    #: Of which kind its document is: `netlab` until the command's name is read; None of one that has none.
    kind: str | None = "netlab"
    json: bool = False
    verbose: bool = False
    #: None: as the stream decides, colour for a terminal and none for a pipe.
    color: bool | None = None
    #: The lab's name, once it is known.
    lab: str | None = None
    #: Whether Ctrl-C was heard.
    interrupted: bool = False

    def paint(self, when: str | None) -> None:
        """Take `--color`; `auto` leaves it to NO_COLOR (no-color.org), a dumb terminal, and the stream."""
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self.color = {"always": True, "never": False}.get(when or "auto", False if plain else None)

    def show(self, text: str) -> None:
        """Print a result."""
        if text:
            click.echo(text, color=self.color)

    def say(self, text: str) -> None:
        """Print talk."""
        if text:
            click.echo(text, err=True, color=self.color)

    def log(self, text: str) -> None:
        """Print talk that only --verbose wants."""
        if self.verbose:
            self.say(click.style(text, dim=True))

    def coloured(self) -> bool:
        """Tell whether results are shown in colour, on a terminal or as if on one."""
        return sys.stdout.isatty() if self.color is None else self.color

    def document(self, result: Any, problems: Sequence[Problem] = (), *, line: bool = False) -> None:
        """Print the one JSON document of this run, or one of many, each on a line of its own."""
        import json

        from netlab import app
        from netlab.cli.json_text import indented

        found = app.document(self.kind or "netlab", self.lab, result, problems)
        self.show(json.dumps(found, ensure_ascii=False) if line else indented(found))

    def warn(self, problems: Sequence[Problem]) -> None:
        """Say warnings, where a document does not carry them."""
        from netlab.cli.render_problems import problems_text

        if problems and not self.json:
            self.say(problems_text(problems))
