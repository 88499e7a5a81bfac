"""Every file in topologies/ on the real kernel: applied, read back by iproute2, checked live, drawn, and gone again."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab import app
from tests.kernel.made_up_machine import PROJECT
from tests.kernel.second_opinion import check
from tests.kernel.stage import Stage, differences, machine_now, made_up

pytestmark = pytest.mark.kernel

MANY = PROJECT / "topologies" / "many.yml"
FILES = sorted(set((PROJECT / "topologies").rglob("*.yml")) - {MANY})


@pytest.mark.parametrize("sandbox", [True, False], ids=["sandbox", "machine"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@made_up
def test_an_example_becomes_what_it_says(stage: Stage, file: Path, sandbox: bool) -> None:
    machine = machine_now()
    done = stage.apply(file.read_text())
    assert done.sandboxed is sandbox
    check(stage, stage.wants())
    if sandbox:
        seen = differences(machine, machine_now())
        assert not set(seen) - {"files"}, "a sandbox shows on the machine"
    checked = app.check(done.lab)
    assert checked.ok, [f"{v.check.name}: sent {v.sent}, {v.received}" for v in checked.verdicts if not v.ok]
    assert app.drift(done.lab).changes == ()
    for live in (False, True):
        assert app.diagram(done.lab, format="svg", live=live).lstrip().startswith(b"<?xml")
        assert done.lab in app.diagram(done.lab, format="mermaid", live=live).decode()
    stage.destroy()
    assert not differences(machine, machine_now())


@made_up
def test_the_example_of_a_thousand_nodes(stage: Stage) -> None:
    """Its nodes are all alike: to hold each against iproute2 would take a minute, and tell what one of them tells."""
    machine = machine_now()
    done = stage.apply(MANY.read_text())
    assert len(stage.nodes()) > 1000
    checked = app.check(done.lab)
    assert checked.ok, [f"{v.check.name}: sent {v.sent}, {v.received}" for v in checked.verdicts if not v.ok]
    assert app.drift(done.lab).changes == ()
    assert app.diagram(done.lab, format="svg", live=True).lstrip().startswith(b"<?xml")
    stage.destroy()
    assert not differences(machine, machine_now())
