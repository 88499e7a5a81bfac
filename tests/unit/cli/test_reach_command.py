"""reach: a matrix and reasons in words, what changes against another lab, documents, and what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netlab.app.reaching import Reached
from netlab.cli.render_reach import reach_text
from netlab.simulator.views import views_of
from tests.unit.cli.conftest import Run, Stand, document_of
from tests.unit.cli.reach_samples import AGAINST, OFFICE, REACHED, lab_of, reach_of

MATRIX = """\
office: 34 of 42 pairs reach each other by ping (IPv4)

   from \\ to      1  2  3
1  host, web      ✓  ✓  ✓
2  pc{1..3}, old  ✓  ✓  a
3  db             ✓  b  ·

a  no-route: on the way back: db has no route to 10.0.1.2  4 pairs
   for example pc1 -> db (10.0.2.3)  office.yml:7:3
   fix give the node a gateway, or a route to the destination
b  no-route: db has no route to 10.0.1.2  4 pairs
   for example db -> pc1 (10.0.1.2)  office.yml:7:3
   fix give the node a gateway, or a route to the destination
"""
CHANGES = """\
office against office.yml, by ping: 3 pairs opened, 3 pairs closed
new node new
node gone old
+  pc{1..3} -> db  3 pairs
   was no-route: on the way back: db has no route to 10.0.1.2
   for example pc1 -> db (10.0.2.3)  office.yml:7:3
-  web -> pc{1..3}  3 pairs
   filtered: host: chain filter-forward: policy drop
   for example web -> pc1 (10.0.1.2)  new.yml:2:37
   fix accept it before that rule
"""


def reached(text: str) -> Reached:
    lab = lab_of(text, "lab.yml")
    found = reach_of(lab)
    return Reached(lab.name, "icmp", 0, False, found, views_of(found), lab.origin)


def test_a_matrix_and_what_keeps_the_others_apart(run: Run, stand: Stand) -> None:
    stand("reach", REACHED)
    result = run("reach", "office.yml")
    assert (result.exit_code, result.stdout) == (0, MATRIX)


def test_what_another_opens_and_closes(run: Run, stand: Stand) -> None:
    stand("reach", AGAINST)
    result = run("reach", "new.yml", "--against", "office.yml")
    assert (result.exit_code, result.stdout) == (0, CHANGES)


def test_nothing_that_changes_is_said(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "office.yml"
    file.write_text(OFFICE)
    result = run("reach", str(file), "--against", str(file), "--tcp", "80")
    assert result.exit_code == 0
    assert result.stdout == f"office against {file}, by tcp 80: nothing opens, nothing closes\n"


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], {"kind": "icmp", "port": 0, "live": False, "against": None}),
        (["--tcp", "443"], {"kind": "tcp", "port": 443, "live": False, "against": None}),
        (["--udp", "53", "--live"], {"kind": "udp", "port": 53, "live": True, "against": None}),
        (["--against", "b"], {"kind": "icmp", "port": 0, "live": False, "against": "b"}),
    ],
)
def test_what_is_asked_for(run: Run, stand: Stand, words: list[str], asked: dict[str, Any]) -> None:
    seen: list[Any] = []

    def reach(target: str | None, **options: Any) -> Reached:
        seen.append((target, options))
        return REACHED

    stand("reach", reach)
    assert run("reach", "a", *words, "--json").exit_code == 0
    assert seen == [("a", asked)]


def test_everybody_is_one_line() -> None:
    text = "name: all\nbridges: {lan: 10.0.0.0/24}\nnetns:\n  n{1..3}: lan\n  lone: {}\n"
    assert reach_text(reached(text)) == (
        "\x1b[1mall\x1b[0m: \x1b[32meverybody reaches everybody\x1b[0m, 4 nodes, by ping (IPv4)\n\n"
        "\x1b[2mleft out, without an address that others could know: lone\x1b[0m"
    )


def test_nobody_is_said() -> None:
    assert reach_text(reached("name: lonely\nnetns:\n  a: {}\n")).endswith("there are no two nodes with addresses")


def test_a_matrix_too_large_to_read_is_not_drawn() -> None:
    """Pairs of nodes, each on a cable of its own: every one is a group."""
    pairs = [
        f'  a{number}: {{interfaces: {{eth0: {{peer: "b{number}:eth0", address: 10.0.{number}.1/24}}}}}}\n'
        f"  b{number}: {{interfaces: {{eth0: {{address: 10.0.{number}.2/24}}}}}}\n"
        for number in range(20)
    ]
    text = reach_text(reached(f"name: wide\nnetns:\n{''.join(pairs)}"))
    assert "(40 groups of nodes: --json has the matrix of who reaches whom)" in text
    assert "from \\ to" not in text
    assert "and 20 reasons more: --json has them all" in text


def test_many_names_are_told_by_the_first() -> None:
    names = "\n".join(f"  {name}: lan" for name in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"))
    text = f"name: long\nbridges: {{lan: 10.0.0.0/24}}\nnetns:\n{names}\n"
    text += "  apart: {interfaces: {eth0: {bridge: lan}}, firewall: {input: {policy: drop}}}\n"
    assert "host, alpha, beta, gamma, delta, epsilon … (8 nodes)" in reach_text(reached(text))


def test_the_document_says_it_all(run: Run, stand: Stand) -> None:
    stand("reach", AGAINST)
    result = document_of(run("reach", "new.yml", "--against", "office.yml", "--json"))["result"]
    (view,) = result["versions"]
    assert view["pairs"] == 30
    assert len(view["matrix"]) == len(view["groups"])
    assert [said for row in view["matrix"] for said in row if isinstance(said, int) and said is not True] != []
    assert result["against"]["added"] == ["new"]
    assert result["against"]["opened"][0]["parts"] == [
        {"sources": ["pc1", "pc2", "pc3"], "targets": ["db"], "pairs": 3}
    ]
    assert result["against"]["closed"][0]["reason"]["origin"] == {"file": "new.yml", "line": 2, "column": 37}


def test_live_is_said(run: Run, stand: Stand) -> None:
    stand("reach", replace(REACHED, live=True))
    assert "(IPv4), as it is in the kernel\n" in run("reach", "a", "--live").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no.yml"], "there is no file no.yml"),
        (["nolab"], "no lab 'nolab' is up"),
        (["topologies/hello.yml", "--against", "no.yml"], "there is no file no.yml"),
        (["topologies/hello.yml", "--tcp", "0"], "0 is not in the range"),
        (["topologies/hello.yml", "--udp", "x"], "'x' is not a valid integer"),
        (["topologies/hello.yml", "--tcp", "1", "--udp", "1"], "--tcp and --udp: choose one"),
        (["topologies/hello.yml", "more"], "unexpected extra argument"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_done(run: Run, words: list[str], said: str) -> None:
    result = run("reach", *words)
    assert result.exit_code == 2
    assert said in result.stderr
