"""An apply killed at its very end, then the former file or the guard: what only the killed one asked for goes back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from netlab import app
from netlab.app import applying
from tests.kernel.made_up_machine import on_made_up_machine
from tests.kernel.test_confirm import LONG, await_nobody

pytestmark = pytest.mark.kernel

FORMER = "name: k\nbridges:\n  br0: 10.0.0.0/24\nnetns:\n  a: br0\n"
KILLED = """name: k
bridges:
  br0: {subnet: 10.0.0.0/24, ageing: 10}
netns:
  a:
    bridge: br0
    sysctls: {net.ipv4.ip_default_ttl: 42}
    run: ['sleep 999']
"""


def killed_at_its_end(path: str, confirm: float | None = None) -> None:
    """Apply a file in a child that dies after the last step, before it has remembered what it did."""
    child = os.fork()
    if child == 0:
        setattr(applying, "remember", lambda *_: os.kill(os.getpid(), signal.SIGKILL))  # noqa: B010 -- for mypy
        app.apply(path, confirm=confirm)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def seen(directory: Path) -> tuple[str, str, str]:
    """Give the setting, the bridge's ageing and the programs, as others than netlab see them."""
    out = directory / "seen"
    asked = (
        ("a", "cat /proc/sys/net/ipv4/ip_default_ttl"),
        ("host", "ip -d link show br0 | grep -o 'ageing_time [0-9]*'"),
        ("host", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o 'slee[p] 999' | sort -u"),
    )
    found = []
    for node, words in asked:
        # The pattern must not find the command that looks for it.
        assert app.execute(f"k/{node}", ["sh", "-c", f"{words} >{out}"]) == 0
        found.append(out.read_text().strip())
    return found[0], found[1], found[2]


@pytest.mark.parametrize("sandbox", [False, True], ids=["machine", "sandbox"])
def test_the_former_file_brings_back_the_former_lab(tmp_path: Path, sandbox: bool) -> None:
    file = tmp_path / "k.yml"

    def work() -> None:
        file.write_text(FORMER)
        assert app.apply(str(file), sandbox=sandbox).outcome == "applied"
        before = seen(tmp_path)
        file.write_text(KILLED)
        killed_at_its_end(str(file))
        assert app.status()[0].state == "interrupted"
        now = seen(tmp_path)
        assert now[:2] == ("42", "ageing_time 1000")
        assert "sleep 999" in now[2]
        file.write_text(FORMER)
        assert app.apply(str(file)).outcome == "applied"
        assert seen(tmp_path) == before
        assert app.status()[0].state == "up"
        app.destroy("k")

    on_made_up_machine(work)


@pytest.mark.parametrize("sandbox", [False, True], ids=["machine", "sandbox"])
def test_the_guard_brings_back_the_former_lab(tmp_path: Path, sandbox: bool) -> None:
    file = tmp_path / "k.yml"

    def work() -> None:
        file.write_text(FORMER)
        assert app.apply(str(file), sandbox=sandbox).outcome == "applied"
        before = seen(tmp_path)
        file.write_text(KILLED)
        killed_at_its_end(str(file), confirm=LONG)
        await_nobody()
        assert seen(tmp_path) == before
        assert app.status()[0].state == "up"
        file.write_text(FORMER)
        assert not app.plan(str(file)).pending
        app.destroy("k")

    on_made_up_machine(work)
