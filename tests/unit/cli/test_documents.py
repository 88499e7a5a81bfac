"""The references keep up with the code: json.md names every kind and field, cli.md every command and option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import pytest

from netlab.app.documents import problem_to_json
from netlab.cli.commands import SECTIONS, cli
from netlab.cli.verb import Verb
from netlab.facts import FAMILIES, End, Rule
from tests.unit.cli.conftest import Run, Stand, document_of
from tests.unit.cli.reach_samples import AGAINST
from tests.unit.cli.samples import (
    APPLIED,
    COLLECTED,
    DESTROYED,
    DISAGREED,
    DRIFT,
    DRIFT_CHANGE,
    EXAMINED,
    EXAMPLES,
    IMPAIRED,
    PLANNED,
    STATUS,
    VALIDATION,
    WRONG,
    watching,
)
from tests.unit.cli.trace_samples import TOO_BIG

DOCS = Path(__file__).parents[3] / "docs"
COMMANDS = [name for section in SECTIONS.values() for name in section]
#: Kind -> the function that gives its result, what it gives, and the command lines that print its documents.
KINDS: dict[str, tuple[str, Any, list[tuple[str, ...]]]] = {
    "validation": ("validate", VALIDATION, [("validate", "x.yml")]),
    "plan": ("plan", PLANNED, [("plan", "x.yml")]),
    "trace": ("trace", TOO_BIG, [("trace", "x.yml", "client", "server")]),
    "reach": ("reach", AGAINST, [("reach", "x.yml")]),
    "apply": ("apply", replace(APPLIED, confirm_until=1.0), [("apply", "x.yml")]),
    "confirm": ("confirm", None, [("confirm", "a")]),
    "destroy": ("destroy", DESTROYED, [("destroy", "a")]),
    "gc": ("gc", COLLECTED, [("gc",)]),
    "status": ("status", (STATUS,), [("status", "a")]),
    "drift": ("drift", DRIFT, [("drift", "a"), ("drift", "a", "--watch")]),
    "check": ("check", DISAGREED, [("check", "a")]),
    "impair": ("impair", IMPAIRED, [("impair", "a:eth0", "rate=1mbit")]),
    "doctor": ("doctor", EXAMINED, [("doctor",)]),
    "examples": ("examples", EXAMPLES, [("examples",), ("examples", "--copy", "here")]),
}


def sections(name: str, level: str) -> dict[str, str]:
    """Give the text below each heading of a level, up to the next of that level or above, by heading."""
    parts = re.split(rf"^{level} (.+)$", (DOCS / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    above = rf"^#{{1,{len(level) - 1}}} "
    return {
        title: re.split(above, text, maxsplit=1, flags=re.MULTILINE)[0]
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def paths(value: Any, before: str = "") -> Iterator[str]:
    """Give the paths of all fields of a result; facts and places are described in sections of their own."""
    if isinstance(value, list):
        yield f"{before}[]"
        for item in value:
            yield from paths(item, f"{before}[]")
    elif isinstance(value, dict) and before.rpartition(".")[2] not in ("before", "after", "origin"):
        if before and not before.endswith("[]"):
            yield before
        for name, item in value.items():
            yield from paths(item, f"{before}.{name}" if before else name)
    elif before and not before.endswith("[]"):
        yield before


def rows(text: str) -> list[str]:
    """Give the first column of the tables in a section."""
    return re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_every_kind_is_documented_and_no_other(run: Run, stand: Stand, kind: str) -> None:
    function, result, lines = KINDS[kind]
    stand(function, lambda *arguments, **options: result)
    stand("copy_examples", lambda *arguments: ("here/a.yml",))
    stand("watch", watching(DRIFT_CHANGE))
    found: set[str] = set()
    for line in lines:
        document = document_of(run(*line, "--json"))
        assert document["kind"] == kind
        assert document["version"] == 1
        found.update(paths(document["result"]))
    # The counts of an apply are keyed by action, what impairs by its name: the table names their parent.
    found = {path for path in found if not re.fullmatch(r"(changes|before|after)\.\w+", path)}
    documented = rows(sections("json.md", "###")[kind])
    assert len(documented) == len(set(documented))
    assert set(documented) == found


def test_the_kinds_of_the_commands_are_those_documented() -> None:
    context = click.Context(cli)
    kinds = {command.kind for name in COMMANDS if isinstance(command := cli.get_command(context, name), Verb)}
    documented = set(sections("json.md", "###")) - {"A problem", "A place"}
    assert kinds - {None} == documented == set(KINDS)


def test_the_envelope_and_problems_are_documented(run: Run) -> None:
    envelope = sections("json.md", "##")["The envelope"].partition("###")[0]
    assert rows(envelope) == list(document_of(run("aply", "--json")))
    assert rows(sections("json.md", "###")["A problem"]) == list(problem_to_json(WRONG))


def test_every_family_of_facts_is_documented_with_its_fields() -> None:
    lines = sections("json.md", "##")["Facts"].splitlines()
    described = {line.split("`")[1]: set(re.findall(r"`(\w+)`", line.split("|")[2])) for line in lines if "| `" in line}
    described.pop("fact")
    assert set(described) == set(FAMILIES)
    for name, family in FAMILIES.items():
        wanted = {field.name for field in fields(family)}
        if name == "veth":
            wanted |= {field.name for field in fields(End)}
        assert wanted <= described[name], name


def test_every_field_of_a_rule_is_documented() -> None:
    assert rows(sections("json.md", "##")["Rules"]) == [field.name for field in fields(Rule)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_example_of_every_command_is_documented(name: str) -> None:
    text = sections("cli.md", "###")[name]
    command = cli.get_command(click.Context(cli), name)
    assert isinstance(command, Verb)
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            assert parameter.make_metavar(click.Context(command)).strip("[].") in text
        elif not {"--verbose", "--color", "--json"} & set(parameter.opts):
            assert all(f"`{option}" in text for option in (*parameter.opts, *parameter.secondary_opts)), parameter
    assert ("`--json`" in text) is (command.kind is not None)
    assert any(example.split("  ")[0] in text for example in command.examples)


def test_no_command_is_documented_that_is_not_there() -> None:
    assert set(sections("cli.md", "###")) == set(COMMANDS)


def test_every_exit_code_is_documented() -> None:
    text = sections("cli.md", "##")["Exit codes"]
    assert rows(text) == ["0", "1", "2", "3", "4", "130", "141"]
