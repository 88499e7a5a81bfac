"""drift --watch and gc: lines as things happen, and what was removed or left."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from netlab.app.collecting import Collected
from tests.unit.cli.conftest import Run, Stand, document_of
from tests.unit.cli.samples import COLLECTED, DRIFT_CHANGE, FILE, watching

NONE = replace(DRIFT_CHANGE, drifted=(), restored=())


def test_the_present_drift_and_then_each_change_with_its_time_and_line(run: Run, stand: Stand) -> None:
    stand("watch", watching(NONE, DRIFT_CHANGE))
    result = run("drift", "bridge3", "--watch")
    assert result.exit_code == 0
    first, *lines = result.stdout.splitlines()
    assert first == "No drift: bridge3 is as it was applied."
    clock = r"\d\d:\d\d:\d\d"
    assert re.fullmatch(rf"{clock} drifted: ~ veth host:veth0-br <-> ns0:veth0-ns  {FILE}:12", lines[0])
    assert lines[1] == "      b.mtu 1400 -> 1500"
    assert re.fullmatch(rf"{clock} as applied again: address 10.0.0.2/24 on ns1:eth0  {FILE}:14", lines[2])
    assert result.stderr == "watching bridge3; Ctrl-C ends\n"


def test_as_json_each_is_a_document_on_a_line(run: Run, stand: Stand) -> None:
    stand("watch", watching(NONE, DRIFT_CHANGE))
    result = run("drift", "bridge3", "--watch", "--json", "--seconds", "5")
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first["kind"], first["lab"], first["result"]["changes"]) == ("drift", "bridge3", [])
    assert second["result"]["restored"] == ["address 10.0.0.2/24 on ns1:eth0"]
    assert result.stderr == "watching bridge3\n"


def test_the_end_of_the_lab_is_said_and_is_no_failure(run: Run, stand: Stand) -> None:
    for end, said in (("destroyed", "has been destroyed"), ("gone", "is gone: its sandbox has ended")):
        stand("watch", watching(NONE, end=end))  # type: ignore[arg-type]
        result = run("drift", "bridge3", "--watch")
        assert (result.exit_code, result.stderr.splitlines()[-1]) == (0, f"bridge3 {said}")


def test_seconds_are_for_watching(run: Run) -> None:
    result = run("drift", "bridge3", "--seconds", "5")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "fix: netlab drift --watch --seconds S" in result.stderr


def test_gc_prints_what_it_removed_and_says_what_it_left(run: Run, stand: Stand) -> None:
    stand("gc", COLLECTED)
    result = run("gc")
    assert result.exit_code == 0
    assert result.stdout == "removed the record of a lab whose sandbox has ended (old)\nremoved a device x\n"
    assert result.stderr == (
        "left cut: an apply of it was cut short\n  fix: netlab destroy cut\n"
        "net.ipv4.ip_forward stays 1: Docker relies on it\n"
    )
    stand("gc", lambda *, dry_run: replace(COLLECTED, dry_run=dry_run))
    assert run("gc", "--dry-run").stdout.startswith("would remove the record")
    assert document_of(run("gc", "--dry-run", "--json"))["result"]["dry_run"] is True
    stand("gc", Collected(False, (), ()))
    assert run("gc").stdout == "nothing to remove\n"
