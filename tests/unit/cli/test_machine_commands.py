"""doctor and completion."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from netlab.errors import UsageError
from tests.unit.cli.conftest import Run, Stand, document_of
from tests.unit.cli.samples import EXAMINED, STATUS, WARNING


def test_doctor_lists_what_is_here_and_what_to_type_for_the_rest(run: Run, stand: Stand) -> None:
    stand("doctor", replace(EXAMINED, lacking=()))
    result = run("doctor")
    assert result.exit_code == 0
    assert result.stdout == (
        "✓ bridge     bridges\n"
        "- wireshark  reading captures\n"
        "             fix: apt-get install wireshark\n"
        "✗ veth       cables\n"
        "             fix: another kernel\n"
    )
    assert result.stderr == f"{WARNING}\n"


def test_doctor_of_a_file_fails_where_it_needs_what_is_lacking(run: Run, stand: Stand) -> None:
    stand("doctor", EXAMINED)
    result = run("doctor", "x.yml")
    assert result.exit_code == 1
    assert result.stdout.endswith("\nthis machine lacks what x.yml needs: veth\n")
    as_json = run("doctor", "--json", "x.yml")
    assert as_json.exit_code == 1
    assert document_of(as_json)["result"]["lacking"] == ["veth"]
    assert document_of(as_json)["problems"][0]["code"] == "overlap"
    stand("doctor", replace(EXAMINED, lacking=()))
    result = run("doctor", "x.yml")
    assert result.exit_code == 0
    assert result.stdout.endswith("\nthis machine has all that x.yml needs\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_one_that_the_shell_can_read(run: Run, tmp_path: Path, shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_NETLAB_COMPLETE" in result.stdout
    if shutil.which(shell):
        (tmp_path / "script").write_text(result.stdout)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True, timeout=30)


def completed(words: str) -> list[str]:
    """Give what TAB after these words offers, as bash asks for it."""
    environment = {"_NETLAB_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    code = "from tests.unit.cli.test_machine_commands import stand_in; stand_in()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.split()


def stand_in() -> None:
    """Be netlab on a machine with one lab."""
    from netlab import app
    from netlab.cli.main import main

    def status(lab: str | None = None) -> object:
        if os.environ.get("BROKEN"):
            raise UsageError("no")
        return (STATUS,)

    app.status = status  # type: ignore[assignment]
    main()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("netlab de", ["plain,destroy"]),
        ("netlab destroy b", ["plain,bridge3", "file,b"]),
        ("netlab drift b", ["plain,bridge3", "file,b"]),
        ("netlab confirm b", ["plain,bridge3"]),
        ("netlab plan x", ["file,x"]),
        ("netlab exec n", ["plain,ns0"]),
        ("netlab exec bridge3/n", ["plain,bridge3/ns0"]),
        ("netlab capture ns0", ["plain,ns0:eth0", "plain,ns0:eth1", "plain,ns0:any"]),
        ("netlab apply --on-error ", ["plain,undo", "plain,keep"]),
    ],
)
def test_completion(words: str, offered: list[str]) -> None:
    assert completed(words) == offered


def test_completion_says_nothing_where_the_store_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKEN", "1")
    assert completed("netlab exec n") == []
