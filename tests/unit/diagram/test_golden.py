"""DOT and Mermaid text of small labs, byte for byte; `pytest --update` writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from netlab import diagram
from netlab.diagram import Scene
from tests.unit.diagram import labs

GOLDEN = Path(__file__).parents[2] / "golden" / "diagram"


def plan() -> Scene:
    facts, actions = labs.planned()
    return diagram.scene("plan", facts, sandboxed=False, actions=actions)


SCENES: dict[str, Callable[[], Scene]] = {
    "bridge3": lambda: diagram.scene("bridge3", labs.bridge3(), sandboxed=True, checks=labs.CHECKS),
    "dual-stack": lambda: diagram.scene("dual-stack", labs.dual_stack(), sandboxed=True),
    "live": lambda: diagram.scene("live", labs.bridge3(), sandboxed=True, live=labs.DEAD),
    "machines": lambda: diagram.scene("machines", labs.machines(), sandboxed=True),
    "plan": plan,
    "router-chain": lambda: diagram.scene("router-chain", labs.router_chain(), sandboxed=True),
    "thousand": lambda: diagram.scene("thousand", labs.islands(20, 50), sandboxed=True),
    "two-cables": lambda: diagram.scene("two-cables", labs.two_cables(), sandboxed=True),
}


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize(("suffix", "write"), [("dot", diagram.to_dot), ("mmd", diagram.to_mermaid)])
def test_the_text_is_the_golden_one(name: str, suffix: str, write: Callable[[Scene], str], update: bool) -> None:
    path, found = GOLDEN / f"{name}.{suffix}", write(SCENES[name]())
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {f"{name}.{end}" for name in SCENES for end in ("dot", "mmd")}
