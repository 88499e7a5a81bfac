"""A lab on a made-up machine as its user has it: files applied one after the other, and programs run in its nodes.

`made_up` turns a function that takes a Stage into a test: it runs on a made-up machine of its own, and fails where
anything of it is left in the end. Nothing here looks by netlab's own code, but for where a sandbox's holder is.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import subprocess
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from netlab import app
from netlab.app.results import Applied, Planned
from netlab.facts import Facts
from netlab.plan import Plan
from netlab.topology import read
from tests.kernel.made_up_machine import on_made_up_machine

#: Seconds that a program run in a node may take.
PATIENCE = 20.0
#: Where a stage keeps its file, outside of what is compared before and after.
FILE = Path("/run/stage/lab.yml")


class Stage:
    """One lab, by the file that is applied, in a sandbox or on the machine itself."""

    def __init__(self, sandbox: bool = True, file: Path = FILE) -> None:
        self.sandbox, self.file = sandbox, file
        self.lab = ""
        self._holder: int | None = None

    def write(self, text: str) -> str:
        """Put a text where the file is; give its path."""
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(textwrap.dedent(text))
        return str(self.file)

    def apply(self, text: str) -> Applied:
        """Apply a text, and find that a second apply would do nothing."""
        done = self.try_to_apply(text)
        assert done.outcome == "applied", "\n".join(map(str, done.problems))
        left = self.plan(text).plan
        assert not left, f"the second plan is not empty: {told(left)}"
        return done

    def try_to_apply(self, text: str, **options: Any) -> Applied:
        """Apply a text, whatever comes of it."""
        done = app.apply(self.write(text), sandbox=self.sandbox, **options)
        self.lab = done.lab
        self._holder = next((status.holder for status in app.status() if status.lab == self.lab), None)
        return done

    def plan(self, text: str) -> Planned:
        return app.plan(self.write(text), sandbox=self.sandbox)

    def wants(self) -> Facts:
        """Give the facts that the file means, in a lab that has no addresses yet."""
        return read(self.file.read_bytes(), str(self.file), sandboxed=self.sandbox).facts

    def destroy(self) -> None:
        destroyed = app.destroy(self.lab)
        assert destroyed.existed
        self._holder = None

    def enter(self, node: str) -> list[str]:
        """Give the words that put a command line into a node."""
        words = []
        if self._holder is not None:
            words = ["nsenter", f"--target={self._holder}", "--pid", "--mount", "--net", "--"]
        if node != "host":
            words += ["nsenter", f"--net=/run/netns/{self.lab}-{node}", "--"]
        return words

    def namespace(self, node: str) -> str:
        """Give a file of a node's network namespace."""
        process = "self" if self._holder is None else str(self._holder)
        return f"/proc/{process}/ns/net" if node == "host" else f"/proc/{process}/root/run/netns/{self.lab}-{node}"

    def run(self, node: str, *argv: str, ok: bool = True) -> str:
        """Run a program in a node; give what it says."""
        done = subprocess.run([*self.enter(node), *argv], capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert not ok or done.returncode == 0, f"{argv} in {node}: {done.stdout}{done.stderr}"
        return done.stdout

    def sh(self, node: str, script: str) -> str:
        """Run a line of shell in a node."""
        return self.run(node, "sh", "-ec", script)

    def ip(self, node: str, *words: str) -> list[dict[str, Any]]:
        """Ask `ip -j` in a node."""
        return list(json.loads(self.run(node, "ip", "-j", *words) or "[]"))

    def nodes(self) -> list[str]:
        """Give the nodes that are registered, `host` first."""
        listed = self.run("host", "ls", "/run/netns").split()
        assert all(name.startswith(f"{self.lab}-") for name in listed), listed
        return ["host", *(name[len(self.lab) + 1 :] for name in listed)]

    def devices(self) -> dict[str, int]:
        """Give every device as NODE:NAME, with its index."""
        return {f"{node}:{link['ifname']}": link["ifindex"] for node in self.nodes() for link in self.ip(node, "link")}


def told(plan: Plan) -> list[str]:
    """Give the changes of a plan, each as its glyph and what it is about."""
    return [f"{change.action.glyph} {change.fact.label()}" for change in plan.changes]


def machine_now() -> dict[str, str]:
    """Give everything of the present machine that a lab could leave something in."""
    asked = {
        what: subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
        for what, command in {
            "links": ["ip", "-j", "link"],
            "addresses": ["ip", "-j", "address"],
            "routes": ["ip", "-j", "route", "show", "table", "all"],
            "IPv6 routes": ["ip", "-j", "-6", "route", "show", "table", "all"],
            "rules": ["ip", "-j", "rule"],
            "firewall": ["nft", "list", "ruleset"],
            "settings": ["sysctl", "-a", "--pattern", r"^net\.(ipv4|ipv6|bridge)\."],
        }.items()
    }
    files = [str(path) for path in sorted(Path("/run").rglob("*")) if FILE.parent not in (path, *path.parents)]
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if "/run/netns tmpfs" not in line]
    return {**asked, "files": "\n".join(files), "mounts": "\n".join(mounts)}


def differences(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Give what is not the same of two readings of a machine."""
    return {what: (before[what], after[what]) for what in before if before[what] != after[what]}


def made_up(test: Callable[..., None]) -> Callable[..., None]:
    """Turn a function that takes a Stage first, and perhaps parameters, into a test on a made-up machine.

    The parameter `sandbox` says where the lab's host is: else it is in a sandbox.
    """

    @functools.wraps(test)
    def on_its_own(**parameters: Any) -> None:
        sandbox = bool(parameters.get("sandbox", True))
        on_made_up_machine(lambda: _play(test, sandbox, parameters), timeout=120)

    # pytest is to see the parameters, but not the stage.
    signature = inspect.signature(test)
    del on_its_own.__wrapped__
    on_its_own.__dict__["__signature__"] = signature.replace(parameters=list(signature.parameters.values())[1:])
    return on_its_own


def _play(test: Callable[..., None], sandbox: bool, parameters: dict[str, Any]) -> None:
    FILE.parent.mkdir()
    before = machine_now()
    stage = Stage(sandbox)
    test(stage, **parameters)
    for status in app.status():
        app.destroy(status.lab)
    assert app.status() == ()
    left = differences(before, machine_now())
    assert not left, left
    assert sorted(os.listdir("/run/netns")) == []


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Look again and again until something is so, for what nobody tells of."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        os.sched_yield()
