"""A file as asked for: read, resolved, and held against what is up under its name already."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netlab.app.past import Past
from netlab.app.requirements import require
from netlab.app.targets import Found, look_up, read_text
from netlab.app.world import World
from netlab.errors import UsageError
from netlab.facts import Facts

if TYPE_CHECKING:
    from netlab.topology.lab import Lab
    from netlab.topology.spec import Topology


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file as asked for: its place and text, the lab it means, what is up under its name."""

    path: str
    text: str
    lab: Lab
    past: Past
    sandboxed: bool
    want: Facts

    @property
    def machine(self) -> bool:
        return not self.sandboxed

    @property
    def found(self) -> Found:
        return self.past.found


def parse_file(path: str) -> tuple[str, Topology]:
    """Read and parse a file; raises UsageError or FileError."""
    raw = read_text(path)
    from netlab.source import load
    from netlab.topology import parse

    topology = parse(load(raw, path))
    return raw.decode(), topology


def wanted_of(world: World, path: str, text: str, topology: Topology, sandbox: bool | None) -> Wanted:
    """Resolve a file for where it is to be; raises FileError, UsageError, or Obstructed where the kernel cannot."""
    from netlab.topology import resolve

    found = look_up(world, topology.name)
    record = found.record
    sandboxed = _sandboxed(world, topology, found, sandbox)
    held = record.allocated if record is not None else {}
    lab = resolve(topology, sandboxed=sandboxed, held=held)
    past = Past.of(world, found)
    want = past.complete(lab.facts)
    require(lab, want, sandboxed)
    return Wanted(os.path.abspath(path), text, lab, past, sandboxed, want)


def _sandboxed(world: World, topology: Topology, found: Found, asked: bool | None) -> bool:
    """Decide where the lab's `host` is; raises UsageError where that contradicts where it is already."""
    if asked is False and not world.privileged:
        raise UsageError("only root can apply to the machine itself\n  fix: leave --no-sandbox out")
    default = not world.privileged or topology.host.sandbox
    if topology.host.sandbox and asked is False:
        raise UsageError("the file says host: {sandbox: true}\n  fix: leave --no-sandbox out, or change the file")
    up = found.sandbox is not None or (found.record is not None and not found.gone)
    if not up:
        wish = default if asked is None else asked
        if wish and world.privileged and _is_on_machine(found.lab):
            raise _elsewhere(found.lab, sandboxed=False)
        return wish
    now = found.sandbox is not None
    # A file that has come to demand a sandbox must not reach the machine: its host is a whole namespace of its own.
    if (asked is not None and asked != now) or (topology.host.sandbox and not now):
        raise _elsewhere(found.lab, sandboxed=now)
    return now


def _is_on_machine(lab: str) -> bool:
    """Tell whether an apply to the machine was killed, or its record lost: only marks tell."""
    from netlab.kernel.teardown import is_on_machine

    return is_on_machine(lab)


def _elsewhere(lab: str, sandboxed: bool) -> UsageError:
    where = "in a sandbox" if sandboxed else "on the machine itself"
    return UsageError(f"lab {lab!r} is up {where}\n  fix: netlab destroy {lab}, then apply")
