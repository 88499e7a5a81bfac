"""Golden traces: what `netlab trace` says, byte for byte; `--update` writes the words anew.

Each folder of `verdicts/` holds a file in which packets come to that verdict, each of `ways/` one in which they go by
what is seldom used, each file of `scenarios/` is about the file of that name in topologies/. `expected.txt` is a
terminal: the lines that begin with `$ ` are what is typed.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from netlab.app.world import World
from netlab.cli.commands import cli
from netlab.simulator.verdicts import MEANINGS, Verdict
from netlab.store import Store

HERE = Path(__file__).parent
TOPOLOGIES = HERE.parents[1] / "topologies"
DOCS = HERE.parents[1] / "docs"
VERDICTS = sorted(folder.name for folder in (HERE / "verdicts").iterdir() if (folder / "topology.yml").exists())
WAYS = sorted(folder.name for folder in (HERE / "ways").iterdir() if (folder / "topology.yml").exists())
SCENARIOS = sorted(file.stem for file in (HERE / "scenarios").glob("*.txt"))
#: A trace in the documentation: what is before what is told, the line that is typed, and what is behind.
BLOCK = re.compile(r"(```console\n\$ (netlab trace [^\n]+)\n).*?(```)", flags=re.DOTALL)

Type = Callable[[str], str]


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Type:
    """Give a function that types a command line in a directory, on a machine where no lab is up."""
    world = World(Store(tmp_path, 1), tmp_path / "logs", privileged=False)
    monkeypatch.setattr(World, "here", classmethod(lambda cls: world))
    monkeypatch.setattr("netlab.app.targets.find_sandboxes", lambda: ())

    def go(line: str) -> str:
        program, *words = shlex.split(line)
        assert program == "netlab"
        return CliRunner(env={"NO_COLOR": "1"}).invoke(cli, words, catch_exceptions=False).output

    return go


def typed(text: str) -> list[str]:
    """Give the command lines of a terminal's text."""
    return re.findall(r"^\$ (.+)$", text, flags=re.MULTILINE)


def as_told(expected: Path, where: Path, type_in: Type, monkeypatch: pytest.MonkeyPatch, update: bool) -> str:
    """Type all lines of a golden file in a directory, and hold the file against what is said."""
    monkeypatch.chdir(where)
    lines = typed(expected.read_text(encoding="utf-8"))
    assert lines
    found = "\n".join(f"$ {line}\n{type_in(line)}" for line in lines)
    if update:
        expected.write_text(found, encoding="utf-8")
    assert found == expected.read_text(encoding="utf-8")
    return found


@pytest.mark.parametrize("case", VERDICTS)
def test_a_verdict_is_told_in_these_words(
    case: str, type_in: Type, monkeypatch: pytest.MonkeyPatch, update: bool
) -> None:
    found = as_told(HERE / "verdicts" / case / "expected.txt", HERE / "verdicts" / case, type_in, monkeypatch, update)
    for line in typed(found):
        assert json.loads(type_in(f"{line} --json"))["result"]["verdict"] == case, line


def test_every_verdict_has_its_case() -> None:
    assert set(VERDICTS) == {verdict.value for verdict in Verdict}


@pytest.mark.parametrize("case", WAYS)
def test_a_way_is_told_in_these_words(case: str, type_in: Type, monkeypatch: pytest.MonkeyPatch, update: bool) -> None:
    as_told(HERE / "ways" / case / "expected.txt", HERE / "ways" / case, type_in, monkeypatch, update)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_packets_of_a_scenario_go_as_told(
    scenario: str, type_in: Type, monkeypatch: pytest.MonkeyPatch, update: bool
) -> None:
    as_told(HERE / "scenarios" / f"{scenario}.txt", TOPOLOGIES, type_in, monkeypatch, update)


def test_every_scenario_has_its_traces() -> None:
    assert set(SCENARIOS) == {file.stem for file in TOPOLOGIES.rglob("*.yml")}


@pytest.mark.parametrize("name", ["simulator.md", "cli.md"])
def test_a_documented_trace_is_what_is_told(
    name: str, type_in: Type, monkeypatch: pytest.MonkeyPatch, update: bool
) -> None:
    monkeypatch.chdir(TOPOLOGIES)
    text = (DOCS / name).read_text(encoding="utf-8")
    found, count = BLOCK.subn(lambda block: f"{block[1]}{type_in(block[2])}{block[3]}", text)
    assert count
    if update:
        (DOCS / name).write_text(found, encoding="utf-8")
    assert found == (DOCS / name).read_text(encoding="utf-8")


def test_the_table_of_verdicts_is_the_one_that_holds() -> None:
    section = (DOCS / "simulator.md").read_text(encoding="utf-8").partition("## Verdicts")[2].partition("\n## ")[0]
    documented = [tuple(cell.strip() for cell in row.split("|")[1:4]) for row in re.findall(r"^\| `.+$", section, re.M)]
    assert documented == [(f"`{verdict}`", found.condition, found.mend or "") for verdict, found in MEANINGS.items()]
    assert list(MEANINGS) == list(Verdict)
