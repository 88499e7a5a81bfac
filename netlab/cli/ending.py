"""How a run that fails ends: its problems in words or as a JSON document, and its exit code.

    0 fine   1 failed   2 the command line or the file is wrong   3 changes are pending   4 checks failed
    130 interrupted (128 + SIGINT)   141 the reader of stdout has gone (128 + SIGPIPE), as shells count

Three families: the file or the command line is wrong, the machine refused, and netlab is wrong; only the last asks
for a report, and only --verbose shows its traceback.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import click

from netlab.cli.call import Call
from netlab.errors import NetlabError, Problem

INTERRUPTED = 130
NO_READER = 141


def failed(error: Exception, call: Call) -> int:
    """Tell how a run failed, and give its exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        call.say(error.format_message())
        return error.exit_code
    from netlab.cli.render_problems import problems_text

    problems, code, usage = _explained(error)
    if call.verbose and any(problem.code == "fault" for problem in problems):
        import traceback

        call.log("".join(traceback.format_exception(error)).rstrip())
    if _wants_json(call):
        with suppress(OSError):  # perhaps it is stdout that cannot be written to: then it is said below
            call.document(None, problems)
            return code
    call.say(usage)
    call.say(problems_text(problems, counted=any(problem.span for problem in problems)))
    return code


def interrupted(call: Call) -> int:
    """Say in one line that the user stopped it; a document says it too."""
    if _wants_json(call):
        from netlab.errors import Problem

        call.document(None, (Problem("interrupted", "interrupted by Ctrl-C"),))
    else:
        call.say("interrupted")
    return INTERRUPTED


def is_fault(error: Exception) -> bool:
    """Tell whether an error is one that nobody has foreseen."""
    return any(problem.code == "fault" for problem in _explained(error)[0])


def _explained(error: Exception) -> tuple[tuple[Problem, ...], int, str]:
    """Turn an error into its problems, the exit code, and the command's usage where it was used wrongly."""
    if isinstance(error, NetlabError):
        return error.problems(), error.exit_code, ""
    if isinstance(error, click.ClickException):
        what, _, fix = error.format_message().partition("\n  fix: ")
        context = getattr(error, "ctx", None)
        if context is None or fix:
            return (Problem("usageerror", what, fix=fix or None),), error.exit_code, ""
        value = isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter)
        usage = "" if value else context.get_usage().replace("Usage:", "usage:", 1)
        return (Problem("usageerror", what, fix=f"{context.command_path} --help"),), error.exit_code, usage
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
        return (Problem("oserror", f"{where}{error.strerror or error}"),), 1, ""
    what = f"this is a fault of netlab's, please report it: {type(error).__name__}: {error}".rstrip(": ")
    return (Problem("fault", what, fix="add -v to the command to see where, and send that along"),), 1, ""


def _wants_json(call: Call) -> bool:
    """Tell whether a document is wanted, also where the command line was too wrong to be read to its end."""
    if call.kind is None:
        return False
    if call.json:
        return True
    given = call.argv[: call.argv.index("--")] if "--" in call.argv else call.argv
    return "--json" in given


def let_go_of_stdout() -> None:
    """Point stdout at nothing: what could not be written must not complain again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
