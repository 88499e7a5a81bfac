"""That pictures come out, with words for those who cannot see them, and that a missing or stuck dot is told."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from netlab import diagram
from netlab.diagram.elements import Scene
from netlab.errors import NetlabError, Unavailable
from netlab.facts import Facts
from tests.unit.diagram import labs

SVG = "{http://www.w3.org/2000/svg}"
#: Straight enough: rounding to hundredths of an inch on both ends.
STRAIGHT = 1.0


def scene(facts: Facts) -> Scene:
    return diagram.scene("bridge3", facts, sandboxed=True)


def svg_of(facts: Facts) -> ElementTree.Element:
    return ElementTree.fromstring(diagram.render(diagram.to_dot(scene(facts)), "svg"))


def edges(svg: ElementTree.Element) -> list[list[tuple[float, float]]]:
    paths = [path.get("d") or "" for path in svg.findall(f".//{SVG}g[@class='edge']//{SVG}path")]
    return [[(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path)] for path in paths]


def size(svg: ElementTree.Element) -> tuple[float, float]:
    _, _, width, height = (float(number) for number in (svg.get("viewBox") or "").split())
    return width, height


def test_png_and_pdf_are_what_they_say() -> None:
    text = diagram.to_dot(scene(labs.bridge3()))
    assert diagram.render(text, "png").startswith(b"\x89PNG\r\n")
    assert diagram.render(text, "pdf").startswith(b"%PDF-")


def test_formats() -> None:
    assert diagram.FORMATS == ("svg", "png", "pdf", "dot", "mermaid")


def test_an_svg_says_what_it_shows() -> None:
    svg = svg_of(labs.bridge3())
    title, about = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
    assert title is not None
    assert about is not None
    assert title.text == "Network bridge3: 3 namespaces, 1 bridge, 3 veth pairs"
    assert svg.get("role") == "img"
    assert (svg.get("aria-labelledby") or "").split() == [title.get("id"), about.get("id")]
    for words in ("bridge host:br0 10.0.0.254/24", "ns1, veth1-ns 10.0.0.2/24", "host veth2-br — ns2 veth2-ns"):
        assert words in (about.text or "")


def test_every_name_and_address_is_in_the_picture() -> None:
    words = " ".join(text.text or "" for text in svg_of(labs.bridge3(40)).iter(f"{SVG}text"))
    for number in range(40):
        for name in (f"ns{number}", f"veth{number}-ns", f"veth{number}-br", f"10.0.0.{number + 1}/24"):
            assert name in words.split()


@pytest.mark.parametrize("nodes", [3, 8, 40, 60])
def test_the_cables_of_a_star_are_straight(nodes: int) -> None:
    found = edges(svg_of(labs.bridge3(nodes)))
    assert len(found) == nodes
    for points in found:
        along = [x for x, _ in points], [y for _, y in points]
        assert min(max(one) - min(one) for one in along) <= STRAIGHT


@pytest.mark.parametrize(
    "facts", [labs.bridge3(40), labs.islands(20, 50), labs.bridge3(1000), labs.alone(30), labs.machines(5)]
)
def test_no_lab_is_a_strip(facts: Facts) -> None:
    width, height = size(svg_of(facts))
    assert width <= 1600
    assert height <= 1600


def test_a_missing_dot_is_told_with_a_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable) as caught:
        diagram.render("graph {}", "svg")
    assert caught.value.fix == "apt-get install graphviz"


def test_a_stuck_dot_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stuck = tmp_path / "dot"
    stuck.write_text("#!/bin/sh\nexec /usr/bin/tail -f /dev/null\n")
    stuck.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys.modules["netlab.diagram.render"], "LONGEST", 0.2)
    with pytest.raises(NetlabError, match="--format dot"):
        diagram.render("graph {}", "svg")


def test_text_that_dot_refuses_is_a_fault_of_ours() -> None:
    with pytest.raises(AssertionError, match="syntax error"):
        diagram.render("graph {", "svg")


def test_a_graphviz_without_the_format_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    poor = tmp_path / "dot"
    poor.write_text("#!/bin/sh\necho 'Format: \"png\" not recognized. Use one of: dot svg' >&2\nexit 1\n")
    poor.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="cannot write png"):
        diagram.render("graph {}", "png")
