"""What holds for every command: help, colours, how a run ends, what is imported when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from netlab import __version__, errors
from netlab.cli.commands import SECTIONS, cli
from tests.unit.cli.conftest import Run, Stand, document_of
from tests.unit.cli.samples import VALIDATION, WRONG

COMMANDS = [name for section in SECTIONS.values() for name in section]
PROGRAM = [sys.executable, "-m", "netlab"]


def netlab(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_gives_an_example_that_begins_with_it(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    examples = result.stdout.partition("Example")[2]
    assert f"  netlab {name}" in examples


def test_the_help_names_every_command_with_a_sentence(run: Run) -> None:
    lines = run("--help").stdout.splitlines()
    for name in COMMANDS:
        words = next(line for line in lines if line.split()[:1] == [name]).strip().removeprefix(name).strip()
        assert words.endswith(".")
        assert not words.endswith("...")


def test_no_arguments_show_the_help_and_are_wrong_use(run: Run) -> None:
    result = run()
    assert result.exit_code == 2
    assert "Make and take down" in result.stderr
    assert result.stdout == ""


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"netlab {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["apply", "--help"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    heavy = ("rich", "pydantic", "networkx", "ruamel", "pyroute2", "scapy", "graphviz", "netlab.app", "netlab.facts")
    code = f"""
import sys
from netlab.cli.commands import cli
try:
    cli.main({arguments!r})
except SystemExit:
    print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.strip() == "[]"


def test_destroy_imports_nothing_heavy() -> None:
    heavy = ("rich", "pydantic", "networkx", "ruamel", "scapy", "graphviz")
    code = f"""
import sys
from netlab import app
from netlab.app.results import Destroyed
from netlab.app.destroying import destroy
app.destroy = lambda target, wait: Destroyed("a", True, True)
from netlab.cli.commands import cli
try:
    cli.main(["destroy", "a"])
except SystemExit:
    print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.strip() == "[]"
    assert "a: destroyed" in done.stdout


@pytest.mark.parametrize(
    ("given", "meant"),
    [("aply", "apply"), ("plna", "plan"), ("up", "apply"), ("down", "destroy"), ("statsu", "status"), ("ps", "status")],
)
def test_an_unknown_command_names_the_near_one(run: Run, given: str, meant: str) -> None:
    result = run(given, "x.yml")
    assert result.exit_code == 2
    assert result.stderr.endswith(
        f"error: there is no command '{given}': did you mean {meant}?\n  fix: netlab {meant} x.yml\n"
    )


def test_a_file_in_the_place_of_a_command(run: Run) -> None:
    result = run("./x.yml")
    assert result.exit_code == 2
    assert "fix: netlab plan ./x.yml" in result.stderr


def test_an_unknown_option_names_the_near_one(run: Run) -> None:
    result = run("plan", "--jsn", "x.yml")
    assert result.exit_code == 2
    assert "--json" in result.stderr
    assert "fix: netlab plan --help" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("plan", "--json"), "plan"),
        (("plan", "--json", "a.yml", "b.yml"), "plan"),
        (("apply", "--json", "--wait", "x", "a.yml"), "apply"),
        (("validate", "--nonsense", "--json"), "validation"),
        (("aply", "--json"), "netlab"),
        (("--color", "pink", "plan", "--json"), "netlab"),
    ],
)
def test_wrong_use_gives_a_document_where_one_was_asked_for(run: Run, arguments: tuple[str, ...], kind: str) -> None:
    result = run(*arguments)
    found = document_of(result)
    assert result.exit_code == 2
    assert result.stderr == ""
    assert (found["kind"], found["result"], found["problems"][0]["code"]) == (kind, None, "usageerror")


def test_json_may_stand_before_the_command(run: Run, stand: Stand) -> None:
    stand("validate", VALIDATION)
    assert document_of(run("--json", "validate", "x.yml"))["lab"] == "bridge3"


def test_a_command_without_a_result_takes_no_json(run: Run) -> None:
    for arguments in (("schema", "--json"), ("--json", "schema")):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("no lab is up\n  fix: netlab apply FILE"), 2),
        (errors.FileError([WRONG]), 2),
        (errors.Busy("another netlab is at work"), 1),
        (errors.Unavailable("no namespaces here", "netlab doctor"), 1),
        (errors.Obstructed([WRONG]), 1),
        (OSError(28, "No space left on device", "/run/netlab/x"), 1),
        (AssertionError("two facts with one key"), 1),
        (RecursionError(), 1),
        (EOFError(), 1),
    ],
)
def test_every_error_has_words_a_document_and_an_exit_code(run: Run, stand: Stand, error: Exception, code: int) -> None:
    stand("validate", error)
    plain = run("validate", "x.yml")
    assert (plain.exit_code, plain.stdout) == (code, "")
    assert plain.stderr.strip()
    assert "Traceback" not in plain.stderr
    as_json = run("validate", "--json", "x.yml")
    found = document_of(as_json)
    assert (as_json.exit_code, as_json.stderr, found["result"]) == (code, "", None)
    assert found["problems"][0]["what"] in plain.stderr


def test_the_fix_of_an_error_is_a_field_of_its_problem(run: Run, stand: Stand) -> None:
    stand("drift", errors.UsageError("no lab is up\n  fix: netlab apply FILE"))
    problem = document_of(run("drift", "--json"))["problems"][0]
    assert (problem["what"], problem["fix"]) == ("no lab is up", "netlab apply FILE")


def test_the_problems_of_a_file_are_told_as_they_say_themselves_and_counted(run: Run, stand: Stand) -> None:
    stand("validate", errors.FileError([WRONG, WRONG]))
    assert run("validate", "x.yml").stderr == f"{WRONG}\n{WRONG}\n2 problems\n"


def test_a_fault_of_netlabs_asks_for_a_report_and_shows_its_traceback_only_when_asked(run: Run, stand: Stand) -> None:
    stand("validate", AssertionError("two facts with one key"))
    plain = run("validate", "x.yml")
    assert "this is a fault of netlab's, please report it: AssertionError: two facts with one key" in plain.stderr
    assert "add -v" in plain.stderr
    assert "Traceback" in run("validate", "-v", "x.yml").stderr
    assert "Traceback" in run("-v", "validate", "x.yml").stderr


def test_interrupted(run: Run, stand: Stand) -> None:
    stand("validate", KeyboardInterrupt())
    plain = run("validate", "x.yml")
    assert (plain.exit_code, plain.stderr) == (130, "interrupted\n")
    found = document_of(run("validate", "--json", "x.yml"))
    assert found["problems"][0]["code"] == "interrupted"


def test_an_interrupt_that_a_library_makes_another_error_of_is_one_still(run: Run, stand: Stand) -> None:
    def wrap(*arguments: object, **options: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise RuntimeError(f"building a validator: {error!r}") from None

    stand("validate", wrap)
    before = signal.getsignal(signal.SIGINT)
    done = run("validate", "x.yml")
    assert (done.exit_code, done.stderr) == (130, "interrupted\n")
    assert signal.getsignal(signal.SIGINT) is before
    stand("validate", RuntimeError("of its own"))
    assert run("validate", "x.yml").exit_code == 1, "a fault without an interrupt is a fault"


def test_ctrl_c_is_one_line(tmp_path: Path) -> None:
    # A writer that never writes keeps netlab at work on its file.
    os.mkfifo(tmp_path / "x.yml")
    child = subprocess.Popen(
        [*PROGRAM, "validate", str(tmp_path / "x.yml")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    writer = os.open(tmp_path / "x.yml", os.O_WRONLY)  # opens when netlab has opened its end
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    os.close(writer)
    assert (child.returncode, out, err) == (130, "", "interrupted\n")


def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run([*PROGRAM, "--help"], stdout=gone, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_full_disk_is_said_once() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PROGRAM, "--version"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


def test_a_closed_stdout_is_no_error() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *PROGRAM, "--version"], stderr=subprocess.PIPE, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = netlab("validate", "--json", str(tmp_path / "nothing.yml"))
    assert done.returncode == 2
    assert "there is no file" in json.loads(done.stdout)["problems"][0]["what"]


def test_a_name_that_the_terminal_cannot_show_is_escaped() -> None:
    done = subprocess.run(
        [*PROGRAM, "validate", b"a\xff\xe2\x9c\x93.yml"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "1"},
        timeout=60,
    )
    assert done.returncode == 2
    assert b"a\\udcff\\u2713.yml" in done.stderr


@pytest.mark.parametrize(
    ("before", "after", "environment", "coloured"),
    [
        ([], [], {}, False),
        (["--color", "always"], [], {}, True),
        ([], ["--color", "always"], {}, True),
        (["--color", "always"], ["--color", "never"], {}, False),
        ([], ["--color", "always"], {"NO_COLOR": "1"}, True),
    ],
)
def test_colours(
    run: Run,
    stand: Stand,
    monkeypatch: pytest.MonkeyPatch,
    before: list[str],
    after: list[str],
    environment: dict[str, str],
    coloured: bool,
) -> None:
    stand("validate", VALIDATION)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = run(*before, "validate", *after, "x.yml")
    assert result.exit_code == 0
    assert ("\x1b[" in result.stdout) is coloured


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colours(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    from netlab.cli.call import Call

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    call = Call()
    call.paint("auto")
    assert call.color is None
    monkeypatch.setenv(name, value)
    call.paint("auto")
    assert call.color is False


def test_commands_are_found_in_their_modules() -> None:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
