"""Problems -> text: what str(problem) says, in colours, and a last line that counts them."""

from __future__ import annotations

from collections.abc import Sequence

from click import style

from netlab.errors import Problem

HUE = {"error": "red", "warning": "yellow"}


def problem_text(problem: Problem) -> str:
    """Turn a problem into the words of str(problem), coloured; one without a place says that it is an error."""
    hue = HUE[problem.severity]
    place = style(f"{problem.span}: ", bold=True) if problem.span else ""
    kind = f"{problem.severity}: " if problem.severity == "warning" or not problem.span else ""
    rest = str(Problem(problem.code, "", problem.span, None, "error", problem.line)).split("\n")[1:]
    lines = [f"{place}{style(kind, fg=hue, bold=True) if kind else ''}{problem.what}"]
    if rest:
        lines += [rest[0], style(rest[1], fg=hue, bold=True)]
    if problem.fix:
        lines.append(f"  {style('fix:', fg='green')} {problem.fix}")
    return "\n".join(lines)


def problems_text(problems: Sequence[Problem], counted: bool = False) -> str:
    """Turn problems into blocks of text; `counted`, or more than one: a last line says how many there are."""
    lines = [problem_text(problem) for problem in problems]
    if problems and (counted or len(problems) > 1):
        lines.append(_counts(problems))
    return "\n".join(lines)


def _counts(problems: Sequence[Problem]) -> str:
    warnings = sum(problem.severity == "warning" for problem in problems)
    counts = ((len(problems) - warnings, "problem"), (warnings, "warning"))
    return ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for count, name in counts if count)
