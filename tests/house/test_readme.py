"""README's commands run as written: on a fresh copy of the checkout, on a made-up machine of their own."""

import os
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.house.readme import Command, NotRun, Ran, commands_of, differences, script_of, split

ROOT = Path(__file__).parents[2]
SECONDS = 600
COPIED_NOT = shutil.ignore_patterns(
    ".venv", ".git", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info", "build", "dist"
)

SAMPLE = """\
# Two commands

```console
$ printf 'one\\ntwo\\nthree %s\\n' \\
    "$((6 * 7))"
one
three ...
$ sh -c 'exit 3'
$ echo $?
3
```

Later:

<!-- not run: it opens a window -->

```console
$ wireshark -k -i -
```

```yaml
name: no console
```
"""


def in_made_up_machine(script: str, cwd: Path, scratch: Path) -> str:
    """Run a script as the root of a machine with network, mounts, processes and /run of its own; give what it printed.

    Output goes to a file: what a command leaves in the background cannot hold it open, and ends with the machine.
    """
    out = scratch / "output"
    machine = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--"]
    inside = ["sh", "-c", 'mount -t tmpfs none /run && ip link set lo up && exec "$@"', "sh", "bash", "-c", script]
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    with out.open("wb") as stream:
        process = subprocess.Popen(
            [*machine, *inside], cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return out.read_text(errors="replace")


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="CAP_SYS_ADMIN is missing: a made-up machine is root's to make"
)


def test_commands_are_found_with_what_they_promise() -> None:
    commands, left_out = commands_of(SAMPLE)
    assert commands == [
        Command("printf 'one\\ntwo\\nthree %s\\n' \"$((6 * 7))\"", ("one", "three ..."), 4),
        Command("sh -c 'exit 3'", (), 8),
        Command("echo $?", ("3",), 9),
    ]
    assert left_out == [NotRun("it opens a window", 17)]


def test_a_block_that_begins_without_a_command_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2: expected a command"):
        commands_of("```console\nnetlab apply\n```\n")


def test_a_block_that_does_not_end_is_refused() -> None:
    with pytest.raises(ValueError, match="not closed"):
        commands_of("```console\n$ true\n")


def test_a_mark_counts_for_the_next_block_only() -> None:
    text = "<!-- not run: why -->\nwords between\n```console\n$ true\n```\n"
    assert commands_of(text) == ([Command("true", (), 4)], [])


@pytest.mark.parametrize(
    ("expected", "output", "status", "fault"),
    [
        (("b",), "a\nb\nc\n", 0, None),
        (("a", "c"), "a\nb\nc\n", 0, None),
        (("c", "a"), "a\nb\nc\n", 0, "expected the line: a"),
        (("took ... ms",), "took 12 ms  \n", 0, None),
        (("took ... ms",), "took 12 s\n", 0, "expected the line: took ... ms"),
        (("...", "b", ""), "a\nb\n", 0, None),
        ((), "broken\n", 1, "exit status 1"),
        ((), "on and on\n", None, "did not end"),
    ],
)
def test_output_is_compared_in_order_with_dots_for_anything(
    expected: tuple[str, ...], output: str, status: int | None, fault: str | None
) -> None:
    found = differences([Command("x", expected, 1)], [Ran(output, status)])
    assert len(found) == (0 if fault is None else 1)
    assert fault is None or fault in found[0]


def test_a_status_that_the_readme_shows_is_no_fault() -> None:
    commands = [Command("false", (), 1), Command("echo $?", ("1",), 2)]
    assert differences(commands, [Ran("", 1), Ran("1\n", 0)]) == []


def test_a_command_that_was_never_reached_is_named() -> None:
    found = differences([Command("exit 7", (), 1), Command("later", (), 2)], split("", 2))
    assert ["did not end" in found[0], "line 2: $ later\nwas not reached" in found[1]] == [True, True]


@pytest.mark.kernel
@needs_root
def test_the_sample_runs_in_a_made_up_machine(tmp_path: Path) -> None:
    text = SAMPLE + textwrap.dedent("""
        ```console
        $ here=made-up; sleep 600 & ip -br link
        lo ...
        $ echo $here; ls /run
        made-up
        ```
        """)
    commands, _ = commands_of(text)
    ran = split(in_made_up_machine(script_of(commands), tmp_path, tmp_path), len(commands))
    assert differences(commands, ran) == []
    assert ran[0].output == "one\ntwo\nthree 42\n"
    assert ran[-2].output.count("\n") == 1, "the machine has lo and nothing else"
    assert ran[-1].output == "made-up\n"


@pytest.mark.kernel
@pytest.mark.slow
@needs_root
def test_the_readme_does_what_it_shows(tmp_path: Path) -> None:
    """The set-up needs pip's packages and so runs outside; every command of the README then runs without a network."""
    copy = tmp_path / "netlab"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=COPIED_NOT)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    first = subprocess.run(
        ["scripts/netlab", "--version"],
        cwd=copy, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    assert len(first.stdout.splitlines()) == 1, "the set-up's talk belongs to stderr"
    commands, left_out = commands_of((copy / "README.md").read_text())
    assert commands, "a README without commands proves nothing"
    assert all(block.reason for block in left_out)
    ran = split(in_made_up_machine(script_of(commands), copy, tmp_path), len(commands))
    assert not (faults := differences(commands, ran)), "\n\n".join(faults)
