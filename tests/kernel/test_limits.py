"""The kernel runs out of namespaces in the middle of an apply: told as such, and undone to the state before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netlab import app
from tests.kernel.made_up_machine import on_made_up_machine

pytestmark = pytest.mark.kernel

LIMIT = "/proc/sys/user/max_net_namespaces"


def text(nodes: int) -> str:
    return f'name: many\nbridges: {{br0: 10.0.0.0/24}}\nnetns:\n  "n{{0..{nodes - 1}}}": br0\n'


@pytest.mark.parametrize("nodes", [6, 40])
def test_an_apply_that_meets_the_limit_is_undone(nodes: int) -> None:
    def work() -> None:
        file = Path(os.environ["XDG_RUNTIME_DIR"]) / "many.yml"
        file.write_text(text(2))
        assert app.apply(str(file)).outcome == "applied"
        # A limit of the sandbox's own user namespace; the sandbox itself counts as one.
        assert app.execute("host", ["sh", "-c", f"echo 5 > {LIMIT}"]) == 0
        file.write_text(text(nodes))
        done = app.apply(str(file))
        assert done.outcome == "undone", done
        assert any("limit on namespaces" in problem.what for problem in done.problems), done.problems
        assert any("max_net_namespaces" in str(problem.fix) for problem in done.problems)
        (status,) = app.status("many")
        assert [node.name for node in status.nodes] == ["host", "n0", "n1"]
        assert app.drift("many").changes == ()
        assert app.execute("host", ["sh", "-c", f"echo 100 > {LIMIT}"]) == 0
        assert app.apply(str(file)).outcome == "applied"
        app.destroy("many")

    on_made_up_machine(work, "user")
