"""Verdicts -> a JUnit XML report, as CI systems read it (github.com/testmoapp/junitxml)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from netlab.cli.render_check import expected, expected_of

if TYPE_CHECKING:
    from netlab.app.results import Checked
    from netlab.probe import Verdict

#: What XML 1.0 cannot hold, not even escaped (section 2.2); payloads of probes may.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def report(found: Checked) -> bytes:
    """Turn verdicts into a report: one suite for the lab, one case for each check."""
    from netlab.app.comparing import agree

    failures = sum(not verdict.ok or not agree(verdict) for verdict in found.verdicts)
    seconds = sum(verdict.elapsed for verdict in found.verdicts)
    counts = {"tests": str(len(found.verdicts)), "failures": str(failures), "errors": "0", "time": f"{seconds:.4f}"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": _clean(found.lab), **counts})
    if found.mode != "live":
        properties = ElementTree.SubElement(suite, "properties")
        ElementTree.SubElement(properties, "property", {"name": "mode", "value": found.mode})
    for verdict in found.verdicts:
        _case(suite, verdict)
    ElementTree.indent(root)
    whole: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return whole + b"\n"


def _case(suite: ElementTree.Element, verdict: Verdict) -> None:
    from netlab.app.comparing import Compared, Simulated

    check = verdict.check
    place = {"file": _clean(check.span.file), "line": str(check.span.line)}
    head = {"name": _clean(check.name), "classname": f"{suite.get('name')}.{check.kind}"}
    said: list[tuple[str, str | None]]
    case = ElementTree.SubElement(suite, "testcase", {**head, **place, "time": f"{verdict.elapsed:.4f}"})
    if isinstance(verdict, Compared) and not verdict.agrees:
        other = verdict.simulated
        wanted = f"expected {expected_of(verdict)}, not {verdict.outcome} and {other.outcome}"
        said = [("sent", verdict.sent), ("kernel", verdict.received), ("simulator", other.received)]
        said += [("because", other.hint)]
        _fail(case, f"kernel and simulator disagree: {wanted}", "disagreement", said)
    elif not verdict.ok:
        line = verdict.place if isinstance(verdict, Simulated) else None
        said = [("sent", verdict.sent), ("came back", verdict.received), ("look at", verdict.hint)]
        said += [("said in", str(line))] if line is not None else []
        _fail(case, f"expected {expected(verdict)}", verdict.outcome, said)


def _fail(case: ElementTree.Element, message: str, kind: str, said: Sequence[tuple[str, str | None]]) -> None:
    failure = ElementTree.SubElement(case, "failure", {"message": _clean(message), "type": kind})
    failure.text = _clean("\n".join(f"{name}: {words}" for name, words in said if words))


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
