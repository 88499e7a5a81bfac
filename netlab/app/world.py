"""The world that a command acts in: who we are, the store, the clock, and the doors. Tests make their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from netlab.errors import UsageError
from netlab.names import parse_mark
from netlab.namespaces.loopback import loopback_alias
from netlab.namespaces.rights import may_change_network
from netlab.plan.steps import Door
from netlab.store import Store

#: Makes the doors of a lab: (lab, whether `host` is the real machine, directory of logs, whether it runs programs).
Doors = Callable[[str, bool, Path, bool], tuple[Door, ...]]


def real_doors(lab: str, machine: bool, logs: Path, programs: bool) -> tuple[Door, ...]:
    """Give the kernel's door, and the door of programs for a lab that has any."""
    from netlab.kernel.real import RealKernel

    if not programs:
        return (RealKernel(lab, machine),)
    from netlab.runtime import ProgramDoor

    return RealKernel(lab, machine), ProgramDoor(lab, machine, logs)


def _refuse_a_node() -> None:
    inside = None
    with contextlib.suppress(OSError):  # where nobody may ask the kernel, nobody has made a node either
        inside = parse_mark(loopback_alias())
    if inside is not None:
        lab, node = inside
        raise UsageError(f"this is node {node!r} of lab {lab!r}, not a machine\n  fix: run netlab outside")


@dataclass(frozen=True, slots=True)
class World:
    """What commands need from outside: the store, whether we may change this machine, the clock, the doors."""

    store: Store
    #: Where labs keep other files, one folder each: the output of programs, a picture.
    logs: Path
    #: Whether this process may change the machine's own network; else labs live in sandboxes.
    privileged: bool
    clock: Callable[[], float] = time.time
    doors: Doors = real_doors

    def forget(self, lab: str) -> None:
        """Remove everything that is remembered of a lab, and its files."""
        self.store.forget(lab)
        shutil.rmtree(self.logs / lab, ignore_errors=True)
        with contextlib.suppress(OSError):  # other labs have theirs there
            self.logs.rmdir()

    @classmethod
    def here(cls) -> World:
        """Give the world of this process; raises Unavailable where its store is not safe to use.

        Raises UsageError inside a node of a lab: that is no machine, and what would be made there is its lab's drift.
        """
        _refuse_a_node()
        root = Store.locate()
        machine = Store.machine_here()
        return cls(Store(root, machine), root / str(machine) / ".files", os.geteuid() == 0 and may_change_network())
