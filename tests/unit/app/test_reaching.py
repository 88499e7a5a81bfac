"""reach, of files: what is asked for is what is walked, and places lead to where a file asks for what is in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab import app
from netlab.app.reaching import Reached
from netlab.errors import FileError, UsageError
from netlab.simulator.verdicts import Verdict

LAB = """\
name: shop
host: {forwarding: true}
bridges: {front: 10.0.1.0/24, back: 10.0.2.0/24}
netns:
  till{1..3}: front
  stock:
    interfaces: {eth0: {bridge: back}}
    gateway: auto
    firewall:
      input: {drop: [{tcp: 22}]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yml"
    path.write_text(LAB)
    return path


def reasons(found: Reached) -> list[tuple[Verdict, int, int | None]]:
    (view,) = found.views
    places = [found.place(reason.outcome) for reason in view.reasons]
    return [
        (reason.outcome.end.verdict, reason.pairs, place.line if place is not None else None)
        for reason, place in zip(view.reasons, places, strict=True)
    ]


def test_a_file_is_walked_as_it_asks(file: Path) -> None:
    found = app.reach(str(file))
    assert (found.lab, found.kind, found.live, found.against) == ("shop", "icmp", False, None)
    assert reasons(found) == []
    filtered = app.reach(str(file), kind="tcp", port=22)
    assert reasons(filtered) == [(Verdict.FILTERED, 4, 10)]
    assert (
        reasons(app.reach(str(file), kind="tcp", port=23)) == reasons(app.reach(str(file), kind="udp", port=22)) == []
    )


def test_one_pair_can_be_asked_for(file: Path) -> None:
    found = app.reach(str(file), kind="tcp", port=22)
    there, back = found.between("till2", "stock"), found.between("stock", "till3")
    assert there is not None
    assert back is not None
    assert (there.reaches, there.end.verdict, back.reaches) == (False, Verdict.FILTERED, True)
    assert found.between("till2", "stock", 6) is None
    with pytest.raises(UsageError, match="shop has no node 'nobody'"):
        found.between("till2", "nobody")


def test_another_file_is_what_it_was_before(file: Path, tmp_path: Path) -> None:
    open_ = tmp_path / "open.yml"
    open_.write_text(LAB.replace("tcp: 22", "tcp: 23"))
    found = app.reach(str(open_), kind="tcp", port=22, against=str(file))
    assert found.against is not None
    assert [(way.opens, way.pairs) for way in found.against.changes.ways] == [(True, 4)]
    again = app.reach(str(file), kind="tcp", port=22, against=str(open_))
    assert again.against is not None
    assert [(way.opens, way.pairs) for way in again.against.changes.ways] == [(False, 4)]


def test_what_is_not_there_or_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        app.reach(str(tmp_path / "none.yml"))
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("name: wrong\nnetns: {a: nowhere}\n")
    with pytest.raises(FileError, match="nowhere"):
        app.reach(str(wrong))
