"""diagram, exec, shell, capture: what reaches netlab.app, and where bytes go."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from netlab.app.results import Impaired
from netlab.errors import Problem, UsageError
from tests.unit.cli.conftest import Run, Stand
from tests.unit.cli.samples import IMPAIRED


@pytest.mark.parametrize(
    ("arguments", "argv"),
    [
        (("ns0", "ls"), ("ls",)),
        (("ns0", "ping", "-c", "1", "--help", "--json"), ("ping", "-c", "1", "--help", "--json")),
        (("ns0", "--", "ip", "-j", "a"), ("ip", "-j", "a")),
        (("--", "ns0", "ip", "-v"), ("ip", "-v")),
        (("-v", "ns0", "sh", "-c", "--", "exit 7"), ("sh", "-c", "--", "exit 7")),
    ],
)
def test_options_after_the_node_are_the_commands(
    run: Run, stand: Stand, arguments: tuple[str, ...], argv: tuple[str, ...]
) -> None:
    seen: list[Any] = []

    def execute(place: str, given: tuple[str, ...]) -> int:
        seen.append((place, given))
        return 7

    stand("execute", execute)
    assert run("exec", *arguments).exit_code == 7
    assert seen == [("ns0", argv)]


def test_exec_needs_a_command(run: Run) -> None:
    for arguments in (("ns0",), ("ns0", "--")):
        result = run("exec", *arguments)
        assert result.exit_code == 2
        assert "netlab shell ns0" in result.stderr


def test_a_failure_of_exec_is_no_document_even_if_the_command_has_such_an_option(run: Run, stand: Stand) -> None:
    stand("execute", UsageError("no lab is up"))
    result = run("exec", "ns0", "ip", "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", "error: no lab is up\n")


def test_the_exit_code_of_a_shell_is_passed_on(run: Run, stand: Stand) -> None:
    stand("shell", lambda place: 3 if place == "bridge3/ns0" else 0)
    assert run("shell", "bridge3/ns0").exit_code == 3


@pytest.mark.parametrize(
    ("name", "given", "form"),
    [
        ("a.svg", None, "svg"),
        ("a.PNG", None, "png"),
        ("a.pdf", None, "pdf"),
        ("a.dot", None, "dot"),
        ("a.gv", None, "dot"),
        ("a.mmd", None, "mermaid"),
        ("a.mermaid", None, "mermaid"),
        ("a.txt", "mermaid", "mermaid"),
        ("a.svg", "dot", "dot"),
    ],
)
def test_the_format_of_a_diagram_is_said_or_read_from_its_name(
    run: Run, stand: Stand, tmp_path: Path, name: str, given: str | None, form: str
) -> None:
    stand("diagram", lambda target, *, format, live, plan: f"{target} {format} {live} {plan}".encode())
    options = ["--format", given] if given else []
    result = run("diagram", "bridge3", "-o", str(tmp_path / name), *options)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"wrote {tmp_path / name}\n")
    assert (tmp_path / name).read_bytes() == f"bridge3 {form} False False".encode()


def test_a_diagram_goes_to_stdout_as_it_is(run: Run, stand: Stand) -> None:
    stand("diagram", b"\x89PNG\r\n\x00")
    for output in ((), ("-o", "-")):
        assert run("diagram", "bridge3", "--format", "png", *output).stdout_bytes == b"\x89PNG\r\n\x00"


def test_diagrams_that_make_no_sense(run: Run) -> None:
    for arguments in (("-o", "a.txt"), ("-o", "a"), ("--live", "--plan"), ("--format", "gif")):
        assert run("diagram", "bridge3", *arguments).exit_code == 2


@pytest.mark.parametrize(
    ("options", "kind", "port"),
    [((), "icmp", 0), (("--tcp", "80"), "tcp", 80), (("--udp", "53", "--live"), "udp", 53)],
)
def test_the_way_of_a_packet_is_drawn(run: Run, stand: Stand, options: tuple[str, ...], kind: str, port: int) -> None:
    seen: dict[str, Any] = {}

    def diagram(target: str, **given: Any) -> bytes:
        given.pop("warn")([Problem("unread-rule", "chain c has a rule that is passed over", severity="warning")])
        seen.update(given, target=target)
        return b"<svg/>"

    stand("diagram", diagram)
    done = run("diagram", "a/bridge3.yml", "--trace", "ns0", "ns1", *options)
    assert (done.stdout_bytes, "a rule that is passed over" in done.stderr) == (b"<svg/>", True)
    assert seen == {
        "target": "a/bridge3.yml",
        "format": "svg",
        "live": "--live" in options,
        "plan": False,
        "trace": ("ns0", "ns1"),
        "kind": kind,
        "port": port,
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tcp", "80"), "fix: add --trace SRC DST"),
        (("--udp", "80"), "fix: add --trace SRC DST"),
        (("--trace", "a", "b", "--tcp", "80", "--udp", "80"), "choose one"),
        (("--trace", "a", "b", "--plan"), "not through a change"),
        (("--trace", "a"), "--trace"),
        (("--trace", "a", "b", "--tcp", "0"), "--tcp"),
    ],
)
def test_ways_that_make_no_sense(run: Run, options: tuple[str, ...], words: str) -> None:
    result = run("diagram", "bridge3", *options)
    assert (result.exit_code, words in result.stderr) == (2, True)


def test_capture_writes_says_when_it_is_ready_and_counts(run: Run, stand: Stand, tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def capture(place: str, write: BinaryIO, *, count: int | None, seconds: float | None, on_ready: Any) -> int:
        seen.update(place=place, count=count, seconds=seconds)
        on_ready()
        write.write(b"\xa1\xb2pcap")
        return 1

    stand("capture", capture)
    path = tmp_path / "a.pcap"
    result = run("capture", "bridge3/ns0:eth0", "-c", "5", "--seconds", "1.5", "-w", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"capturing on bridge3/ns0:eth0\n1 packet in {path}\n"
    assert path.read_bytes() == b"\xa1\xb2pcap"
    assert seen == {"place": "bridge3/ns0:eth0", "count": 5, "seconds": 1.5}
    result = run("capture", "ns0:eth0")
    assert result.stdout_bytes == b"\xa1\xb2pcap"
    assert result.stderr == "capturing on ns0:eth0; Ctrl-C ends\n1 packet\n"


def test_a_capture_that_does_not_begin_leaves_no_file_and_takes_none(run: Run, stand: Stand, tmp_path: Path) -> None:
    stand("capture", UsageError("no lab is up"))
    new, old = tmp_path / "new.pcap", tmp_path / "old.pcap"
    old.write_bytes(b"")
    for path in (new, old):
        assert run("capture", "ns0:eth0", "-w", str(path)).exit_code == 2
    assert not new.exists()
    assert old.exists()


def test_a_capture_into_no_directory(run: Run, tmp_path: Path) -> None:
    result = run("capture", "ns0:eth0", "-w", str(tmp_path / "nothing" / "a.pcap"))
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr


@pytest.mark.parametrize("wrong", [("-c", "0"), ("--seconds", "0"), ("-c", "many")])
def test_limits_of_a_capture_that_make_no_sense(run: Run, wrong: tuple[str, str]) -> None:
    assert run("capture", "ns0:eth0", *wrong).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (("capture", "ns0:eth0"), "fix: netlab capture ns0:eth0 -w FILE, or a pipe to Wireshark"),
        (("diagram", "a/bridge3.yml", "--format", "png"), "fix: -o bridge3.png"),
        (("diagram", "bridge3", "--format", "pdf", "-o", "-"), "fix: -o bridge3.pdf"),
    ],
)
def test_binary_output_refuses_a_terminal(arguments: tuple[str, ...], fix: str) -> None:
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "netlab", *arguments], stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=60
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert "is not for a terminal" in done.stderr
    assert fix in done.stderr


def test_what_is_wished_of_a_wire(run: Run, stand: Stand) -> None:
    seen: list[Any] = []

    def impair(place: str, wishes: dict[str, str], clear: bool) -> Impaired:
        seen.append((place, wishes, clear))
        return IMPAIRED

    stand("impair", impair)
    result = run("impair", "a/ns0:eth0", "loss=1%", "rate=", "--clear")
    assert (result.exit_code, result.stdout) == (0, "ns0:eth0  rate=1mbit loss=1%  (before: rate=5mbit)\n")
    assert seen == [("a/ns0:eth0", {"loss": "1%", "rate": ""}, True)]
    for wrong, words in (("fast", "'fast' is no KEY=VALUE"), ("loss=2%", "loss is given twice")):
        result = run("impair", "ns0:eth0", "loss=1%", wrong)
        assert result.exit_code == 2
        assert words in result.stderr
        assert "fix: " in result.stderr
    assert len(seen) == 1
