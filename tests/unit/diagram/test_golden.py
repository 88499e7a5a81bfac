"""DOT and Mermaid text of small labs, byte for byte; `pytest --update` writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from netlab import diagram
from netlab.diagram import Scene
from netlab.facts import Key
from tests.unit.diagram import labs, ways

GOLDEN = Path(__file__).parents[2] / "golden" / "diagram"


def plan() -> Scene:
    facts, actions = labs.planned()
    return diagram.scene("plan", facts, sandboxed=False, actions=actions)


def pod_network_plan() -> Scene:
    """What a plan does to a machine that loses its tunnel, whose dummy is new, and whose VXLAN is changed."""
    lab = labs.Builder()
    lab.found = list(labs.pod_network().values())
    lab.device("node1", "kube-ipvs0", "dummy", "10.96.0.10/32")
    lab.device("pod11", "vip0", "dummy", "192.0.2.1/32")
    facts = lab.facts()
    actions = {key: "create" for key in facts if key[:2] in (("device", "pod11"), ("address", "pod11"))}
    actions |= {key: "delete" for key in facts if key[0] == "forwarding" or key[2:3] == ("flannel.1",)}
    return diagram.scene("pod-network-plan", facts, sandboxed=True, actions=actions)


def translated_plan() -> Scene:
    """What a plan does to a machine whose firewall changes, whose published port is new, and whose wire gets well."""
    facts = labs.translated()
    actions: dict[Key, str] = {("chain", "machine", f"nat-{hook}"): "create" for hook in ("prerouting", "output")}
    actions |= {("chain", "machine", "filter-forward"): "update", ("impairment", "outside", "eth0"): "delete"}
    return diagram.scene("translated-plan", facts, sandboxed=True, actions=actions)


def way(name: str) -> Scene:
    facts, found = ways.ALL[name]
    return diagram.scene(name, facts, sandboxed=True, checks=labs.CHECKS, way=found)


SCENES: dict[str, Callable[[], Scene]] = {
    "bridge3": lambda: diagram.scene("bridge3", labs.bridge3(), sandboxed=True, checks=labs.CHECKS),
    "dual-stack": lambda: diagram.scene("dual-stack", labs.dual_stack(), sandboxed=True),
    "live": lambda: diagram.scene("live", labs.bridge3(), sandboxed=True, live=labs.DEAD),
    "machines": lambda: diagram.scene("machines", labs.machines(), sandboxed=True),
    "others": lambda: diagram.scene("others", labs.others(), sandboxed=True),
    "overlay": lambda: diagram.scene("overlay", labs.overlay(), sandboxed=True),
    "plan": plan,
    "pod-network": lambda: diagram.scene("pod-network", labs.pod_network(), sandboxed=True),
    "pod-network-plan": pod_network_plan,
    "router-chain": lambda: diagram.scene("router-chain", labs.router_chain(), sandboxed=True),
    "thousand": lambda: diagram.scene("thousand", labs.islands(20, 50), sandboxed=True),
    "translated": lambda: diagram.scene("translated", labs.translated(), sandboxed=True),
    "translated-plan": translated_plan,
    "two-cables": lambda: diagram.scene("two-cables", labs.two_cables(), sandboxed=True),
    **{f"way-{name}": partial(way, name) for name in ways.ALL},
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
