"""How the tests that need a capability ended, here and on a full kernel -> what is left to run there, and a table.

    python -m tests.record left NATIVE...           the tests that this kernel could not run, one a line
    python -m tests.record table NATIVE... -- FULL  capability by capability, where tests of it passed

A record is a JSON file that pytest's option --record writes: test, what it needs, what the kernel lacked, how it ended.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Test:
    """One test that needs something of the kernel; `outcome` is passed, failed or skipped."""

    __test__ = False

    id: str
    needs: tuple[str, ...]
    lacks: tuple[str, ...]
    outcome: str


class Record:
    """A plugin of pytest: hears how tests end, those of xdist's workers too, and writes them to a file at the end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._tests: dict[str, Test] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        said = dict(report.user_properties)
        if "needs" not in said:
            return
        before = self._tests.get(report.nodeid)
        if before is None:
            before = Test(report.nodeid, tuple(_words(said["needs"])), tuple(_words(said["lacks"])), "passed")
        # A test is its set-up, its call and what comes after: one that is not passed is the test's outcome.
        outcome = before.outcome if report.outcome == "passed" else report.outcome
        self._tests[report.nodeid] = replace(before, outcome=outcome)

    def pytest_sessionfinish(self) -> None:
        self._file.write_text(json.dumps([asdict(self._tests[name]) for name in sorted(self._tests)], indent=1) + "\n")


def _words(value: object) -> list[str]:
    assert isinstance(value, list)
    return [str(word) for word in value]


def read(files: Iterable[Path]) -> list[Test]:
    """Give the tests of several records. A file that is not there, of a run that died, holds none."""
    entries = [entry for file in files if file.exists() for entry in json.loads(file.read_text())]
    return [Test(one["id"], tuple(one["needs"]), tuple(one["lacks"]), one["outcome"]) for one in entries]


def left(native: Iterable[Test]) -> list[str]:
    """Give the tests that the kernel could not run.

    >>> left([Test("a", ("vlan",), (), "passed"), Test("b", ("vlan", "dummy"), ("dummy",), "skipped")])
    ['b']
    """
    return [test.id for test in native if test.lacks]


def table(native: Sequence[Test], full: Sequence[Test]) -> tuple[list[str], list[str]]:
    """Give the lines of a table, capability by capability, and the capabilities of which no test passed anywhere.

    >>> native = [Test("a", ("vlan",), (), "passed"), Test("b", ("dummy", "vlan"), ("dummy",), "skipped")]
    >>> lines, nowhere = table(native, [])
    >>> print("\\n".join(lines))
    capability  here      full kernel
    dummy       -         -            ran nowhere
    vlan        1 passed  -
    >>> nowhere
    ['dummy']
    """
    names = sorted({name for test in (*native, *full) for name in test.needs})
    rows = [(name, _count(name, native), _count(name, full)) for name in names]
    nowhere = [name for name, *counts in rows if not any("passed" in count for count in counts)]
    cells = [("capability", "here", "full kernel", "")]
    cells += [(*row, "ran nowhere" if row[0] in nowhere else "") for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return lines, nowhere


def _count(name: str, tests: Iterable[Test]) -> str:
    outcomes = [test.outcome for test in tests if name in test.needs]
    said = [f"{outcomes.count(outcome)} {outcome}" for outcome in ("passed", "failed") if outcome in outcomes]
    return ", ".join(said) or "-"


def main(words: Sequence[str]) -> int:
    """Do what the command line asks for; 1 where a capability ran nowhere."""
    verb, *files = words
    if verb == "left":
        sys.stdout.writelines(f"{name}\n" for name in left(read(map(Path, files))))
        return 0
    divide = files.index("--")
    lines, nowhere = table(read(map(Path, files[:divide])), read(map(Path, files[divide + 1 :])))
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if nowhere else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
