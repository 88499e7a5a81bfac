"""`reach --live`: what somebody changed by hand is in the way, though the file asks for nothing of the kind."""

from __future__ import annotations

import pytest

from netlab import app
from netlab.simulator.verdicts import Verdict
from tests.kernel.stage import FILE, Stage, made_up

pytestmark = pytest.mark.kernel

TEXT = """\
name: reaching
host: {forwarding: true}
bridges: {one: 10.0.1.0/24, two: 10.0.2.0/24}
netns:
  a{1..3}: one
  b: two
"""


@made_up
def test_what_is_there_is_walked(stage: Stage) -> None:
    stage.apply(TEXT)
    assert [view.pairs - view.reaching for view in app.reach("reaching", live=True).views] == [0]
    stage.run("b", "ip", "route", "del", "default")
    stage.run("a2", "ip", "link", "set", "eth0", "down")
    (asked,), (view,) = app.reach("reaching").views, (found := app.reach("reaching", live=True)).views
    assert (asked.pairs, asked.reaching) == (20, 20)
    assert (view.pairs, view.reaching) == (20, 8)
    back, down = found.between("a1", "b"), found.between("a2", "host")
    assert back is not None
    assert down is not None
    assert (back.back, back.end.verdict, back.end.node) == (True, Verdict.NO_ROUTE, "b")
    assert (down.reaches, down.end.verdict) == (False, Verdict.NO_ROUTE)
    against = app.reach(str(FILE), against="reaching").against
    assert against is not None
    assert against.changes.ways == ()
    stage.destroy()
