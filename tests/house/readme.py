"""README's text -> the commands it shows, the output it promises -> what differs from the real output.

Rules: a fenced block marked `console` holds commands, lines that begin with `$ `, each followed by the output that is
expected. A command goes on in the next line after a backslash. Each expected line must appear in the real output, in
order; `...` stands for anything. A command must succeed, unless the next one is `echo $?`, whose expected line then
says the status. `<!-- not run: reason -->` before a block keeps it from being run.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

MARK = "--- netlab readme ---"
STATUS = "echo $?"

_NOT_RUN = re.compile(r"<!--\s*not run:\s*(.*?)\s*-->")


@dataclass(frozen=True, slots=True)
class Command:
    """One command as written, the lines expected of it, and its line in the file."""

    words: str
    expected: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class NotRun:
    """A block that its author keeps from being run, and why."""

    reason: str
    line: int


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command printed, both streams in one, and its exit status; None when it never ended."""

    output: str
    status: int | None


def commands_of(text: str) -> tuple[list[Command], list[NotRun]]:
    """Find the commands of all console blocks, in order, and the blocks that are not to be run."""
    commands: list[Command] = []
    left_out: list[NotRun] = []
    lines = list(enumerate(text.splitlines(), 1))
    reason: str | None = None
    while lines:
        number, line = lines.pop(0)
        if found := _NOT_RUN.fullmatch(line.strip()):
            reason = found[1]
        elif line.strip() == "```console":
            block = _block(lines)
            if reason is not None:
                left_out.append(NotRun(reason, number))
            else:
                commands += _commands(block)
            reason = None
        elif line.strip():
            reason = None
    return commands, left_out


def _block(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Take the lines of a block up to its fence from the front of the lines left."""
    block: list[tuple[int, str]] = []
    while lines:
        number, line = lines.pop(0)
        if line.strip() == "```":
            return block
        block.append((number, line))
    raise ValueError("a console block is not closed")


def _commands(block: list[tuple[int, str]]) -> list[Command]:
    found: list[Command] = []
    while block:
        number, line = block.pop(0)
        if not line.startswith("$ "):
            raise ValueError(f"line {number}: expected a command that begins with '$ ', found {line!r}")
        words = line[2:]
        while words.endswith("\\") and block:
            words = words[:-1] + block.pop(0)[1].lstrip()
        expected = []
        while block and not block[0][1].startswith("$ "):
            expected.append(block.pop(0)[1])
        found.append(Command(words, tuple(expected), number))
    return found


def script_of(commands: Sequence[Command]) -> str:
    """Write one shell script that runs all commands in one shell and marks where each one's output ends."""
    parts = []
    for number, command in enumerate(commands):
        parts.append(command.words)
        parts.append(f"readme_status=$?; printf '\\n%s %s %s\\n' {shlex.quote(MARK)} {number} $readme_status")
        parts.append("(exit $readme_status)")
    return "\n".join([*parts, "exit 0", ""])


def split(output: str, count: int) -> list[Ran]:
    """Cut the script's output into what each of so many commands printed."""
    pieces = re.split(rf"\n{re.escape(MARK)} \d+ (\d+)\n", output)
    ran = [Ran(pieces[i], int(pieces[i + 1])) for i in range(0, len(pieces) - 1, 2)]
    if len(ran) < count:
        ran.append(Ran(pieces[-1], None))
    return ran


def _matches(expected: str, real: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in expected.rstrip().split("..."))
    return re.fullmatch(pattern, real.rstrip()) is not None


def missing_line(expected: Sequence[str], output: str) -> str | None:
    """Give the first expected line that does not appear after the ones before it."""
    real = iter(output.splitlines())
    for line in expected:
        if line.strip() and line.strip() != "..." and not any(_matches(line, found) for found in real):
            return line
    return None


def differences(commands: Sequence[Command], ran: Sequence[Ran]) -> list[str]:
    """Say for each command that did not do as written what it did instead."""
    faults = []
    for number, command in enumerate(commands):
        where = f"line {command.line}: $ {command.words}"
        if number >= len(ran):
            faults.append(f"{where}\nwas not reached")
            continue
        output, status = ran[number].output, ran[number].status
        shown = number + 1 < len(commands) and commands[number + 1].words == STATUS
        if status is None:
            faults.append(f"{where}\ndid not end; it printed:\n{output}")
        elif status and not shown:
            faults.append(f"{where}\nexit status {status}; it printed:\n{output}")
        elif (line := missing_line(command.expected, output)) is not None:
            faults.append(f"{where}\nexpected the line: {line}\nin the output:\n{output}")
    return faults
