"""Tests that need what a kernel lacks: skipped by name, failed on demand, recorded, and counted where they ran."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.capabilities import PROBES, lacking
from tests.record import Test, left, main, read

ROOT = Path(__file__).parents[2]
SAMPLE = """\
import pytest


@pytest.mark.needs("air")
def test_breathing():
    pass


@pytest.mark.needs("air", "unobtainium")
def test_flying():
    assert FLIES


@pytest.mark.needs("air")
def test_falling(): # skipped for a reason of its own
    pytest.skip("too high")


def test_sitting():
    pass


FLIES = True
"""
#: A kernel that has air and no unobtainium.
KERNEL = """\
import tests.capabilities
import tests.conftest

tests.conftest.PROBES = tests.capabilities.PROBES = {"air": "true", "unobtainium": "false"}
"""


def run(directory: Path, sample: str, *words: str) -> tuple[int, str]:
    """Run pytest on a sample with the hooks of these tests; give its status and what it says."""
    (directory / "kernel.py").write_text(KERNEL)
    (directory / "test_sample.py").write_text(sample)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(directory)]
    command += [
        "-o",
        f"pythonpath={ROOT} {directory}",
        "-p",
        "tests.conftest",
        "-p",
        "kernel",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, "-r", "fs", *words, directory], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_what_the_kernel_lacks_is_skipped_by_name_and_recorded(tmp_path: Path, workers: tuple[str, ...]) -> None:
    record = tmp_path / "record"
    status, said = run(tmp_path, SAMPLE, "--record", str(record), *workers)
    assert status == 0, said
    assert "2 passed, 2 skipped" in said
    assert "this kernel has no unobtainium: scripts/test --full runs this" in said
    tests = read([record])
    assert tests == [
        Test("test_sample.py::test_breathing", ("air",), (), "passed"),
        Test("test_sample.py::test_falling", ("air",), (), "skipped"),
        Test("test_sample.py::test_flying", ("air", "unobtainium"), ("unobtainium",), "skipped"),
    ]
    assert left(tests) == ["test_sample.py::test_flying"]


def test_on_a_full_kernel_what_is_lacking_is_a_failure(tmp_path: Path) -> None:
    record = tmp_path / "record"
    status, said = run(tmp_path, SAMPLE, "--demand", "--record", str(record))
    assert status == 1
    assert "this kernel has no unobtainium\n" in said
    assert {test.id.rpartition("_")[2]: test.outcome for test in read([record])} == {
        "breathing": "passed", "falling": "skipped", "flying": "failed"
    }  # fmt: skip


def test_a_capability_that_has_no_probe_is_refused(tmp_path: Path) -> None:
    status, said = run(tmp_path, SAMPLE.replace("unobtainium", "unobtanium"))
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "test_flying needs unobtanium: not in tests/capabilities.py" in said


def test_a_capability_that_ran_nowhere_fails_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, full = tmp_path / "here", tmp_path / "full"
    run(tmp_path, SAMPLE, "--record", str(here))
    assert main(["left", str(here)]) == 0
    assert capsys.readouterr().out == "test_sample.py::test_flying\n"
    assert main(["table", str(here), "--", str(full)]) == 1
    assert "unobtainium  -         -            ran nowhere\n" in capsys.readouterr().out
    full.write_text(here.read_text().replace('"skipped"', '"passed"'))
    assert main(["table", str(here), "--", str(full)]) == 0
    assert capsys.readouterr().out == (
        "capability   here      full kernel\n"
        "air          1 passed  3 passed\n"
        "unobtainium  -         1 passed\n"
    )  # fmt: skip


@pytest.mark.kernel
def test_probes_find_what_every_kernel_of_ours_has_and_leave_nothing() -> None:
    before = Path("/proc/net/dev").read_text().count(":")
    lacks = lacking(frozenset(PROBES))
    assert not lacks & {"bridge", "nftables", "masquerade"}
    assert Path("/proc/net/dev").read_text().count(":") == before
