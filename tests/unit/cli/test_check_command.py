"""check: verdicts as they come, exit codes, the JUnit report."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from netlab.app.results import Checked
from netlab.cli.junit import report
from netlab.errors import Span
from netlab.probe import Verdict
from netlab.topology.lab import Check
from tests.unit.cli.conftest import Run, Stand, document_of
from tests.unit.cli.samples import BAD, FILE, GOOD, WARNING, checking, verdict


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
