"""Every way in which netlab says no: problems with places in a file, and the tree of exceptions.

    NetlabError            exit code 1
    ├── UsageError         the command line is wrong                      (2)
    ├── FileError          the file is wrong: a list of Problems          (2)
    ├── Obstructed         something that is not ours stands in the way   (1)
    ├── Busy               another process holds the lab's lock           (1)
    ├── Unavailable        the machine lacks what is asked for            (1)
    └── Disagreement       after an apply the machine is not as wanted    (1)

A Problem is a value, not an exception: a stage collects all of its problems and raises them at once.
This module imports nothing of netlab.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a topology file; line and column count from 1, end_column is one past the last character."""

    file: str
    line: int
    column: int
    end_column: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a stable code, what it is, where it stands, and what to type instead."""

    code: str
    what: str
    span: Span | None = None
    fix: str | None = None
    severity: Severity = "error"
    #: The text of the line that `span` points into, for the caret.
    line: str | None = None

    def __str__(self) -> str:
        """Give the text `FILE:LINE:COL: what`, the line, a caret, and `fix:`."""
        head = f"{self.span}: " if self.span else ""
        text = [f"{head}{'warning: ' if self.severity == 'warning' else ''}{self.what}"]
        if self.line is not None and self.span is not None:
            width = max(1, (self.span.end_column or self.span.column + 1) - self.span.column)
            text += [f"    {self.line}", "    " + " " * (self.span.column - 1) + "^" * width]
        if self.fix:
            text.append(f"  fix: {self.fix}")
        return "\n".join(text)


class NetlabError(Exception):
    """The base of every error that netlab raises on purpose."""

    exit_code = 1

    def problems(self) -> tuple[Problem, ...]:
        """Give the error as problems, the form that every JSON document carries; a last line `  fix:` is the fix."""
        what, _, fix = str(self).partition("\n  fix: ")
        return (Problem(code=type(self).__name__.lower(), what=what, fix=fix or None),)

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors travel out of the process that works in a sandbox; their __init__ takes other arguments than `args`.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[NetlabError], args: tuple[Any, ...], state: dict[str, Any]) -> NetlabError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UsageError(NetlabError):
    """The command line or the call is wrong."""

    exit_code = 2


class FileError(NetlabError):
    """The topology file is wrong; carries every problem of the stage that found them."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.found = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.found))

    def problems(self) -> tuple[Problem, ...]:
        return self.found


class Obstructed(NetlabError):
    """Something that exists and is not ours stands in the way; nothing was done."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.found = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.found))

    def problems(self) -> tuple[Problem, ...]:
        return self.found


class Busy(NetlabError):
    """Another process holds the lab's lock."""


class Unavailable(NetlabError):
    """The machine lacks what is asked for (a kernel feature, a right, a program); says how to get it."""

    def __init__(self, what: str, fix: str | None = None) -> None:
        self.what, self.fix = what, fix
        super().__init__(what + (f"\n  fix: {fix}" if fix else ""))

    def problems(self) -> tuple[Problem, ...]:
        return (Problem(code="unavailable", what=self.what, fix=self.fix),)


class Disagreement(NetlabError):
    """The machine, read back, is not what was asked for."""
