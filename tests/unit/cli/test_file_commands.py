"""validate, plan, schema, examples: their forms, their exit codes, what they hand to netlab.app."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click import unstyle

from netlab.app.results import Planned
from netlab.cli.render_plan import plan_text
from tests.unit.cli.conftest import Run, Stand, document_of
from tests.unit.cli.samples import EXAMPLES, NOTHING, ORIGIN, PLAN, PLANNED, VALIDATION, WARNING

PLAN_WORDS = """\
bridge3, in a sandbox:

host
  ± bridge host:br0                      topologies/bridge3.yml:6
      mac unset -> 02:00:00:00:00:01
      mac cannot be changed in place

ns0
  + netns ns0
  + settings of ns0
  ~ veth host:veth0-br <-> ns0:veth0-ns  topologies/bridge3.yml:12
      b.mtu 1400 -> 1500

ns1
  - address 10.0.0.2/24 on ns1:eth0

Plan: 2 to create, 1 to change, 1 to replace, 1 to delete.
"""


def test_validate_says_what_is_in_the_file_and_warns(run: Run, stand: Stand) -> None:
    stand("validate", VALIDATION.__class__("bridge3", 1, 22, 3, (WARNING,)))
    result = run("validate", "x.yml")
    assert (result.exit_code, result.stdout) == (0, "bridge3: the file is right (1 node, 22 facts, 3 checks)\n")
    assert result.stderr == f"{WARNING}\n"
    found = document_of(run("validate", "--json", "x.yml"))
    assert found["result"] == {"nodes": 1, "facts": 22, "checks": 3}
    assert found["problems"][0]["severity"] == "warning"


def test_a_plan_is_grouped_by_node_with_fields_reasons_and_places(run: Run, stand: Stand) -> None:
    stand("plan", PLANNED)
    result = run("plan", "x.yml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, PLAN_WORDS, "")


def test_the_colours_of_a_plan_take_nothing_and_add_nothing(run: Run, stand: Stand) -> None:
    stand("plan", PLANNED)
    result = run("plan", "--color", "always", "x.yml")
    assert "\x1b[32m+" in result.stdout
    assert unstyle(result.stdout) == PLAN_WORDS


def test_verbose_shows_the_fields_of_what_is_new(run: Run, stand: Stand) -> None:
    stand("plan", PLANNED)
    result = run("plan", "-v", "x.yml")
    assert "  + settings of ns0\n      net.ipv4.ip_forward 0\n" in result.stdout
    assert "  + netns ns0\n      up yes\n" in result.stdout


def test_an_empty_plan(run: Run, stand: Stand) -> None:
    stand("plan", NOTHING)
    result = run("plan", "--check", "x.yml")
    assert (result.exit_code, result.stdout) == (0, "No changes: the lab is as the file says.\n")


@pytest.mark.parametrize("form", [(), ("--json",), ("--commands",), ("--dot",)])
def test_check_tells_pending_changes_by_its_exit_code_in_every_form(
    run: Run, stand: Stand, form: tuple[str, ...]
) -> None:
    stand("plan", PLANNED)
    stand("plan_commands", ("ip netns add ns0",))
    stand("plan_dot", "digraph {}\n")
    assert run("plan", *form, "x.yml").exit_code == 0
    assert run("plan", "--check", *form, "x.yml").exit_code == 3


def test_other_forms_of_a_plan(run: Run, stand: Stand) -> None:
    stand("plan", PLANNED)
    stand("plan_commands", ("ip netns add ns0", "ip link add br0 type bridge"))
    stand("plan_dot", "digraph {}\n")
    shown = run("plan", "--commands", "x.yml").stdout
    assert shown.endswith("ip netns add ns0\nip link add br0 type bridge\n")
    # A sandbox's commands change the whole namespace that they are run in: the machine itself must refuse them.
    assert subprocess.run(["sh", "-e"], input=shown, capture_output=True, text=True, check=False).returncode == 1
    stand("plan", replace(PLANNED, sandboxed=False))
    assert run("plan", "--commands", "x.yml").stdout == "ip netns add ns0\nip link add br0 type bridge\n"
    assert run("plan", "--dot", "x.yml").stdout == "digraph {}\n"
    result = run("plan", "--dot", "--commands", "x.yml")
    assert (result.exit_code, result.stdout) == (2, "")


def test_the_document_of_a_plan_has_a_reason_and_a_place_for_each_change(run: Run, stand: Stand) -> None:
    stand("plan", PLANNED)
    changes = document_of(run("plan", "--json", "x.yml"))["result"]["changes"]
    assert len(changes) == len(PLAN.changes)
    assert changes[2]["fields"] == [{"field": "b.mtu", "before": 1400, "after": 1500}]
    assert all(change["reason"] for change in changes)
    assert changes[3]["origin"] == {"file": "topologies/bridge3.yml", "line": 6, "column": 3}


@pytest.mark.parametrize(("given", "meant"), [((), None), (("--sandbox",), True), (("--no-sandbox",), False)])
def test_where_a_plan_is_made_for(run: Run, stand: Stand, given: tuple[str, ...], meant: bool | None) -> None:
    seen: list[Any] = []

    def plan(path: str, *, sandbox: bool | None) -> Planned:
        seen.append((path, sandbox))
        return NOTHING

    stand("plan", plan)
    run("plan", *given, "x.yml")
    assert seen == [("x.yml", meant)]


def test_places_below_the_working_directory_are_told_as_one_types_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    key, span = next(iter(ORIGIN.items()))
    origin = {key: span.__class__(f"{tmp_path}/lab.yml", 6, 3)}
    assert "  lab.yml:6\n" in unstyle(plan_text(Planned("bridge3", False, PLAN, origin)))


def test_schema_is_json(run: Run, stand: Stand) -> None:
    stand("schema", {"title": "Topology"})
    assert run("schema").stdout == '{\n  "title": "Topology"\n}\n'


def test_examples_are_listed_printed_and_copied(run: Run, stand: Stand) -> None:
    stand("examples", EXAMPLES)
    stand("copy_examples", lambda directory, names: tuple(f"{directory}/{name}.yml" for name in names))
    assert run("examples").stdout == "bridge3  Three namespaces on one bridge.\nhello    The smallest.\n"
    for name in ("bridge3", "bridge3.yml"):
        assert run("examples", name).stdout == "name: bridge3\n"
    assert run("examples", "--copy", "here", "hello").stdout == "here/hello.yml\n"


def test_documents_of_examples(run: Run, stand: Stand) -> None:
    stand("examples", EXAMPLES)
    stand("copy_examples", ("here/hello.yml",))
    listed = document_of(run("examples", "--json"))["result"]
    assert [one["name"] for one in listed["examples"]] == ["bridge3", "hello"]
    assert document_of(run("examples", "--copy", "here", "--json"))["result"] == {"written": ["here/hello.yml"]}


def test_an_example_that_is_not_there_names_the_near_one(run: Run, stand: Stand) -> None:
    stand("examples", EXAMPLES)
    result = run("examples", "helo")
    assert result.exit_code == 2
    assert "did you mean hello?" in result.stderr
    assert run("examples", "hello", "bridge3").exit_code == 2
