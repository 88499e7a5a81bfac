"""Which checks start a listener, and which must not run at the same time."""

from __future__ import annotations

import pytest

from netlab.probe.run import conflict, needs_listener, run_checks
from netlab.probe.server import check_of
from netlab.topology.lab import Check
from tests.unit.probe.test_outcome import check


@pytest.mark.parametrize(
    ("asked", "starts"),
    [
        (check("tcp"), True),
        (check("tcp", "refused"), False),
        (check("tcp", "filtered"), False),
        (check("udp"), True),
        (check("udp", "refused"), False),
        (check("udp", "timeout"), False),
        (check("ping"), False),
        (check("arp"), False),
        (check("tcp", target_node=None), False),
        (check("tcp", target_node="program"), False),
        (check("tcp", target_node="host"), True),
    ],
)
def test_needs_listener(asked: Check, starts: bool) -> None:
    assert needs_listener(asked, frozenset({"program"}), machine=False) is starts


def test_never_on_the_machine_itself() -> None:
    assert not needs_listener(check("tcp", target_node="host"), frozenset(), machine=True)


def test_conflicts() -> None:
    def of(source: str, kind: str = "tcp", port: int = 80) -> Check:
        found = check(kind, port=port)
        return check_of({**{name: getattr(found, name) for name in Check.__slots__}, "span": SPAN, "source": source})

    assert conflict(of("ns0"), of("ns0"), listening=False)
    assert not conflict(of("ns0"), of("ns2"), listening=False)
    assert conflict(of("ns0"), of("ns2"), listening=True)
    assert not conflict(of("ns0"), of("ns2", port=81), listening=True)
    assert not conflict(of("ns0"), of("ns2", kind="udp"), listening=True)


SPAN = {"file": "lab.yml", "line": 7, "column": 5, "end_column": None}


def test_no_checks_need_no_process() -> None:
    assert run_checks([], {}) == ()
