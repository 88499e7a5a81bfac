"""That DOT and Mermaid text is stable and safe, whatever the facts say."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings

from netlab import diagram
from netlab.diagram.mermaid import _escaped, _id
from netlab.diagram.tables import escaped, quoted
from netlab.facts import Facts, Namespace, Program, facts_of
from tests import strategies
from tests.unit.diagram import labs

NASTY = [
    "<b>&\"'</b>",
    "a -> b; c [label=x]",
    "back\\slash \\N \\n",
    "`code` $$x$$ **bold** #35; end",
    "tab\tline\nreturn\r nul\x00 bell\x07 \x85 \ud800",
    "naïve — 你好 🙂",
    "]]>--><script>alert(1)</script>",
    "x" * 500,
    "",
]


@settings(max_examples=60, deadline=None)
@given(strategies.pairs_of_labs())
def test_any_lab_is_drawn_the_same_from_its_facts_in_any_order(pair: tuple[Facts, Facts]) -> None:
    facts = pair[0]
    scene = diagram.scene("lab", facts, sandboxed=True)
    mixed = list(facts.items())
    random.Random(len(mixed)).shuffle(mixed)
    again = diagram.scene("lab", dict(mixed), sandboxed=True)
    assert diagram.to_dot(scene) == diagram.to_dot(again)
    assert diagram.to_mermaid(scene) == diagram.to_mermaid(again)


@settings(max_examples=15, deadline=None)
@given(strategies.pairs_of_labs())
def test_dot_takes_the_text_of_any_lab(pair: tuple[Facts, Facts]) -> None:
    facts = pair[0]
    assert diagram.render(diagram.to_dot(diagram.scene("lab", facts, sandboxed=True)), "svg")


@settings(max_examples=15, deadline=None)
@given(strategies.pairs_of_labs())
def test_dot_takes_the_text_of_any_plan(pair: tuple[Facts, Facts]) -> None:
    before, after = pair
    actions = {key: "delete" for key in before if key not in after} | {
        key: "update" if key in before else "create" for key in after if before.get(key) != after[key]
    }
    scene = diagram.scene("lab", {**before, **after}, sandboxed=True, actions=actions)
    assert diagram.render(diagram.to_dot(scene), "svg")


@pytest.mark.parametrize("text", NASTY)
def test_dot_takes_any_text_and_keeps_it_text(text: str) -> None:
    facts = facts_of([Namespace("a"), Program("a", text)])
    scene = diagram.scene(text, facts, sandboxed=True)
    svg = diagram.render(diagram.to_dot(scene), "svg").decode()
    assert "<script" not in svg
    assert re.search(r">\$ .*</text>", svg) or not text


@pytest.mark.parametrize("text", NASTY)
def test_mermaid_sees_no_syntax_in_any_text(text: str) -> None:
    found = _escaped(text)
    assert not re.search(r'["<>&`*$\\\n\r\x00]', found)
    assert not re.search(r"#(?!\d+;)", found)


def test_mermaid_stays_one_statement_a_line() -> None:
    facts = facts_of([Namespace("end"), *(Program("end", text) for text in NASTY)])
    lines = diagram.to_mermaid(diagram.scene("lab", facts, sandboxed=True)).splitlines()
    (node,) = [line for line in lines if line.strip().startswith("n_end")]
    assert re.fullmatch(r'\s+n_end\("[^"]*"\)', node)


def test_names_that_differ_have_identifiers_that_differ() -> None:
    names = ["a.b", "a_b", "a-b", "ab", "a:b", "a b", "a_2e_b", "a-2e-b", "end", "END"]
    assert len({_id(name) for name in names}) == len(names)
    assert all(re.fullmatch(r"n_\w+", _id(name)) for name in names)


def test_a_device_named_like_a_point_of_the_compass_is_only_a_name() -> None:
    lab = labs.Builder()
    lab.node("n")
    lab.cable("n:s", "s:n")
    text = diagram.to_dot(diagram.scene("lab", lab.facts(), sandboxed=True))
    assert '"n":"d-s":e -- "s":"d-n":w' in text
    assert diagram.render(text, "svg")


def test_quoting() -> None:
    assert quoted('a"b\\N') == '"a\\"b\\\\N"'
    assert escaped("") == " ", "dot refuses a label's font with nothing in it"
