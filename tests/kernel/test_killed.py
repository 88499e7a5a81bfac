"""Killed by SIGKILL at any deed, in a sandbox or on the machine: the next apply or destroy finishes the job."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from netlab import app
from netlab.namespaces.processes import await_ends
from tests.kernel.killing import PATIENCE, ip, kill_points, machine
from tests.kernel.made_up_machine import PROJECT, on_made_up_machine

pytestmark = pytest.mark.kernel

LAB = "cut"
FIRST = """
name: cut
host: {forwarding: true}
bridges: {br0: 10.0.0.254/24}
routes: [{to: 192.0.2.0/24, blackhole: true}]
netns:
  a: br0
  b: {bridge: br0, sysctls: {net.ipv4.ip_default_ttl: 33}}
"""
#: Another bridge, a node that goes, one that comes, a cable, a route that goes and one that comes.
SECOND = """
name: cut
bridges: {br0: 10.0.0.254/24, br1: {address: 10.0.1.254/24, mac: "02:00:00:00:00:99"}}
routes: [{to: 198.51.100.0/24, unreachable: true}]
veths: [[{name: left}, {name: right}]]
netns:
  b: {interfaces: {eth0: {bridge: br0, mtu: 1400}, eth1: {bridge: br1}}}
  c: br1
"""

where = pytest.mark.parametrize("sandbox", [False, True], ids=["machine", "sandbox"])
finish = pytest.mark.parametrize("mended", [True, False], ids=["apply", "destroy"])


def write(name: str, text: str) -> str:
    directory = Path("/run/stage")
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(text)
    return str(path)


def finish_and_look(before: object, path: str, sandbox: bool, mended: bool, deed: int) -> None:
    """Finish the job, and find nothing left of it."""
    if mended:
        done = app.apply(path, sandbox=sandbox)
        assert done.outcome == "applied", (deed, done.problems)
        left = app.plan(path, sandbox=sandbox).plan
        assert not left, (deed, [(change.action, change.fact.label()) for change in left.changes])
        assert [status.state for status in app.status()] == ["up"], deed
    app.destroy(LAB)
    assert app.status() == (), deed
    after = machine()
    assert after == before, deed


@where
@finish
def test_an_apply(sandbox: bool, mended: bool) -> None:
    def body() -> None:
        path = write("first.yml", FIRST)
        before = machine()
        for deed in kill_points(lambda: app.apply(path, sandbox=sandbox)):
            finish_and_look(before, path, sandbox, mended, deed)
        finish_and_look(before, path, sandbox, mended, -1)

    on_made_up_machine(body, timeout=240)


@where
@finish
def test_an_edit(sandbox: bool, mended: bool) -> None:
    def body() -> None:
        first, second = write("first.yml", FIRST), write("second.yml", SECOND)
        before = machine()

        def edit() -> None:
            app.apply(second, sandbox=sandbox)

        assert app.apply(first, sandbox=sandbox).outcome == "applied"
        for deed in kill_points(edit):
            # Half of the time it is the earlier file that the lab is brought to.
            finish_and_look(before, (first, second)[deed % 2], sandbox, mended, deed)
            assert app.apply(first, sandbox=sandbox).outcome == "applied"
        finish_and_look(before, second, sandbox, mended, -1)

    on_made_up_machine(body, timeout=400)


@where
@finish
def test_a_destroy(sandbox: bool, mended: bool) -> None:
    def body() -> None:
        path = write("first.yml", FIRST)
        before = machine()
        assert app.apply(path, sandbox=sandbox).outcome == "applied"
        for deed in kill_points(lambda: app.destroy(LAB)):
            finish_and_look(before, path, sandbox, mended, deed)
            assert app.apply(path, sandbox=sandbox).outcome == "applied"
        finish_and_look(before, path, sandbox, False, -1)

    on_made_up_machine(body, timeout=240)
