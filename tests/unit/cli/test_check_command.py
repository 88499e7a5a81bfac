"""check: verdicts as they come, exit codes, the JUnit report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from netlab.app.results import Checked, CheckMode
from netlab.cli.junit import report
from netlab.errors import Span
from netlab.probe import Verdict
from netlab.topology.lab import Check
from tests.unit.cli.conftest import Run, Stand, document_of
from tests.unit.cli.samples import AGREED, BAD, DISAGREED, FILE, GOOD, SIMULATED, WARNING, checking, verdict


def test_checks_that_pass(run: Run, stand: Stand) -> None:
    stand("check", checking(GOOD))
    result = run("check", "--live", "bridge3")
    assert result.exit_code == 0
    assert result.stdout == "✓ ping ns0 -> ns1  0.01 s\n" * 2 + "bridge3: all 2 checks passed\n"


def test_a_check_that_fails_says_what_was_sent_what_came_back_and_where_to_look(run: Run, stand: Stand) -> None:
    stand("check", checking(BAD))
    result = run("check")
    assert result.exit_code == 4
    assert result.stdout == (
        "✓ ping ns0 -> ns1  0.01 s\n"
        "✗ ping ns0 -> ns1  2.50 s\n"
        "    expected   reply, not timeout\n"
        "    sent       1 echo request from ns0 to 10.0.0.2\n"
        "    came back  nothing came back\n"
        "    look at    is ns1 up?\n"
        f"    asked in   {FILE}:16:5\n"
        "bridge3: 1 of 2 checks failed\n"
    )
    assert "netlab drift bridge3" in result.stderr


def test_who_must_answer_is_said(run: Run, stand: Stand) -> None:
    stand("check", checking(Checked("bridge3", (verdict(False, by="r1"),))))
    assert "    expected   reply from r1, not timeout\n" in run("check").stdout


def test_the_document_has_every_verdict_and_the_same_exit_code(run: Run, stand: Stand) -> None:
    stand("check", checking(Checked("bridge3", BAD.verdicts, (WARNING,))))
    result = run("check", "--json")
    found = document_of(result)
    assert result.exit_code == 4
    assert found["result"]["ok"] is False
    assert [one["ok"] for one in found["result"]["checks"]] == [True, False]
    assert found["problems"][0]["code"] == "overlap"


def test_a_lab_without_checks_passes_and_says_so(run: Run, stand: Stand) -> None:
    stand("check", checking(Checked("bridge3", ())))
    result = run("check")
    assert (result.exit_code, result.stdout) == (0, "bridge3: no checks in its file\n")


def test_junit(run: Run, stand: Stand, tmp_path: Path) -> None:
    stand("check", checking(BAD))
    path = tmp_path / "report.xml"
    assert run("check", "--junit", str(path)).exit_code == 4
    root = ElementTree.parse(path).getroot()
    assert root.tag == "testsuites"
    suite = root.find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("name", "tests", "failures", "errors")} == {
        "name": "bridge3",
        "tests": "2",
        "failures": "1",
        "errors": "0",
    }
    good, bad = suite.findall("testcase")
    assert (good.get("name"), good.get("classname"), good.get("file"), good.get("line")) == (
        "ping ns0 -> ns1",
        "bridge3.ping",
        FILE,
        "16",
    )
    assert good.find("failure") is None
    failure = bad.find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.get("type")) == ("expected reply, not timeout", "timeout")
    assert (
        failure.text == "sent: 1 echo request from ns0 to 10.0.0.2\ncame back: nothing came back\nlook at: is ns1 up?"
    )


def test_a_report_is_xml_whatever_a_probe_saw() -> None:
    found = Checked("bridge3", (verdict(False, payload=" \x00\x1b\udcff<&\U0001f600"),))
    failure = ElementTree.fromstring(report(found)).find(".//failure")
    assert failure is not None
    assert "\ufffd\ufffd\ufffd<&\U0001f600" in (failure.text or "")


def test_a_report_that_cannot_be_written_is_found_out_before_any_probe(run: Run, stand: Stand, tmp_path: Path) -> None:
    stand("check", AssertionError("it probed"))
    for path in (tmp_path, tmp_path / "nothing" / "report.xml"):
        result = run("check", "--junit", str(path))
        assert result.exit_code == 2
        assert "cannot write" in result.stderr


def measuring(ok: bool) -> Verdict:
    check = Check(
        "latency", "latency ns0 -> ns1", "ns0", "ns1", "10.0.0.2", "ns1", Span(FILE, 16, 5),
        expect="inside", between=(0.038, 0.06), count=5,
    )  # fmt: skip
    came = "median 61 ms of 5 round trips (60 ms to 70 ms), wanted 38ms to 60ms"
    if ok:
        return Verdict(check, True, "inside", "5 echo requests", "median 40 ms of 5 round trips", None, 0.2, (), 0.04)
    return Verdict(check, False, "above", "5 echo requests", came, None, 0.2, (), 0.061)


def test_a_measurement_is_told_whether_it_holds_or_not(run: Run, stand: Stand) -> None:
    stand("check", checking(Checked("bridge3", (measuring(True), measuring(False)))))
    assert run("check").stdout == (
        "✓ latency ns0 -> ns1  0.20 s  median 40 ms of 5 round trips\n"
        "✗ latency ns0 -> ns1  0.20 s\n"
        "    expected   a latency of 38ms to 60ms, not above\n"
        "    sent       5 echo requests\n"
        "    came back  median 61 ms of 5 round trips (60 ms to 70 ms), wanted 38ms to 60ms\n"
        f"    asked in   {FILE}:16:5\n"
        "bridge3: 1 of 2 checks failed\n"
    )


def test_a_measurement_in_documents_and_reports(run: Run, stand: Stand) -> None:
    found = Checked("bridge3", (measuring(False),))
    stand("check", checking(found))
    (one,) = document_of(run("check", "--json"))["result"]["checks"]
    assert (one["kind"], one["expect"], one["outcome"]) == ("latency", "inside", "above")
    assert (one["between"], one["measured"]) == ([0.038, 0.06], 0.061)
    failure = ElementTree.fromstring(report(found)).find(".//failure")
    assert failure is not None
    assert (failure.get("message"), failure.get("type")) == ("expected a latency of 38ms to 60ms, not above", "above")


def test_where_the_checks_are_run_is_one_choice(run: Run, stand: Stand) -> None:
    modes: list[CheckMode | None] = []
    stand("check", checking(GOOD, modes))
    for flags in ((), ("--live",), ("--simulate",), ("--both",)):
        assert run("check", *flags, "bridge3").exit_code == 0
    assert modes == [None, "live", "simulate", "both"]
    result = run("check", "--simulate", "--both", "bridge3")
    assert result.exit_code == 2
    assert "--live, --simulate and --both: choose one" in result.stderr


def test_what_is_simulated_says_so_and_a_failure_says_why(run: Run, stand: Stand) -> None:
    stand("check", checking(SIMULATED))
    result = run("check", "x.yml")
    assert result.exit_code == 4
    assert result.stdout == (
        "✓ ping ns0 -> ns1  simulated\n"
        "✗ ping ns0 -> ns1  simulated\n"
        "    expected   reply, not timeout\n"
        "    sent       1 echo request from ns0 to 10.0.0.2\n"
        "    came back  nothing came back\n"
        "    look at    r1 does not forward (not-forwarded)\n"
        f"    said in    {FILE}:7:3\n"
        f"    asked in   {FILE}:16:5\n"
        "bridge3: 1 of 2 checks failed, simulated\n"
    )
    assert "simulated, for it is not applied: netlab apply x.yml" in result.stderr
    assert "next: netlab trace x.yml ns0 10.0.0.2 shows the whole way" in result.stderr
    assert "not applied" not in run("check", "--simulate", "x.yml").stderr


def test_the_way_of_a_connection_is_traced_by_its_port(run: Run, stand: Stand) -> None:
    one = SIMULATED.verdicts[1]
    check = replace(one.check, kind="tcp", port=80, expect="open")
    stand("check", checking(replace(SIMULATED, verdicts=(replace(one, check=check),))))
    assert "next: netlab trace bridge3 ns0 10.0.0.2 --tcp 80 shows" in run("check", "--simulate").stderr
    stand("check", checking(replace(SIMULATED, verdicts=(replace(one, check=replace(check, kind="arp", port=None)),))))
    assert "trace" not in run("check", "--simulate").stderr


def test_both_that_agree(run: Run, stand: Stand) -> None:
    stand("check", checking(AGREED))
    result = run("check", "--both", "bridge3")
    assert (result.exit_code, result.stderr) == (0, "")
    line = "✓ ping ns0 -> ns1  0.01 s, simulated too\n"
    assert result.stdout == f"{line}{line}bridge3: all 2 checks passed, live and simulated\n"


def test_both_that_disagree_are_a_result_of_their_own(run: Run, stand: Stand) -> None:
    stand("check", checking(DISAGREED))
    result = run("check", "--both", "bridge3")
    assert result.exit_code == 4
    assert result.stdout == (
        "✓ ping ns0 -> ns1  0.01 s, simulated too\n"
        "≠ ping ns0 -> ns1  0.01 s, simulated too\n"
        "    expected   reply\n"
        "    sent       1 echo request from ns0 to 10.0.0.2\n"
        "    kernel     reply: an echo reply from 10.0.0.2\n"
        "    simulator  timeout: nothing came back\n"
        "    because    r1 does not forward (not-forwarded)\n"
        f"    said in    {FILE}:7:3\n"
        f"    asked in   {FILE}:16:5\n"
        "bridge3: all 2 checks passed, kernel and simulator disagree on 1\n"
    )
    assert "that should never be: please report it" in result.stderr
    stand("check", checking(replace(DISAGREED, drifted=True)))
    told = run("check", "--both", "bridge3").stderr
    assert "it is no longer as it was applied: netlab drift bridge3" in told
    assert "report" not in told


def test_a_measurement_on_which_they_disagree_may_be_chance(run: Run, stand: Stand) -> None:
    from netlab.app.comparing import compare, simulated_verdict

    found = compare(measuring(False), simulated_verdict(measuring(True), elapsed=0.0))
    stand("check", checking(Checked("bridge3", (found,), mode="both", drifted=False)))
    assert "chance or a busy machine can do that: if it stays so, please report it" in run("check", "--both").stderr


def test_documents_of_what_was_simulated(run: Run, stand: Stand) -> None:
    def of(found: Checked, *flags: str) -> dict[str, Any]:
        stand("check", checking(found))
        result: dict[str, Any] = document_of(run("check", "--json", *flags))["result"]
        return result

    live = of(GOOD)
    assert (live["mode"], live["drifted"]) == ("live", None)
    assert [(one["simulated"], one["agree"]) for one in live["checks"]] == [(None, None)] * 2
    simulated = of(SIMULATED)
    bad = simulated["checks"][1]
    assert (simulated["mode"], simulated["ok"], bad["outcome"], bad["agree"]) == ("simulate", False, "timeout", None)
    assert bad["simulated"] == {
        "ok": False,
        "outcome": "timeout",
        "measured": None,
        "received": "nothing came back",
        "hint": "r1 does not forward (not-forwarded)",
        "verdict": "not-forwarded",
        "origin": {"file": FILE, "line": 7, "column": 3},
        "steps": ["ns0: sends it", "r1: takes it"],
    }
    both = of(DISAGREED)
    assert (both["mode"], both["ok"], both["drifted"]) == ("both", False, False)
    assert [one["agree"] for one in both["checks"]] == [True, False]
    one = both["checks"][1]
    assert (one["ok"], one["outcome"], one["simulated"]["ok"]) == (True, "reply", False)


def test_reports_of_what_was_simulated(run: Run, stand: Stand) -> None:
    suite = ElementTree.fromstring(report(SIMULATED)).find("testsuite")
    assert suite is not None
    assert [(one.get("name"), one.get("value")) for one in suite.iter("property")] == [("mode", "simulate")]
    failure = suite.find(".//failure")
    assert failure is not None
    assert str(failure.text).endswith(f"look at: r1 does not forward (not-forwarded)\nsaid in: {FILE}:7:3")
    suite = ElementTree.fromstring(report(DISAGREED)).find("testsuite")
    assert suite is not None
    assert suite.get("failures") == "1"
    failure = suite.find(".//failure")
    assert failure is not None
    assert failure.get("type") == "disagreement"
    assert failure.get("message") == "kernel and simulator disagree: expected reply, not reply and timeout"
    assert ElementTree.fromstring(report(GOOD)).find(".//property") is None
