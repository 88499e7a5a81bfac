"""What a command line names, turned into a file's text or a lab: `a/b.yml` is a FILE, anything else a LAB."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from netlab.app.world import World
from netlab.errors import FileError, UsageError
from netlab.namespaces.inside import run_inside
from netlab.namespaces.sandbox import Sandbox, find_sandboxes, is_alive
from netlab.store import Record

if TYPE_CHECKING:
    from netlab.topology.lab import Lab

T = TypeVar("T")

#: No topology file is this long; a longer one is a mistake, and not read.
LARGEST = 1 << 20


def is_file(target: str) -> bool:
    """Tell whether an argument means a file.

    >>> is_file("bridge3"), is_file("bridge3.yml"), is_file("./bridge3")
    (False, True, True)
    """
    return "/" in target or target.endswith((".yml", ".yaml"))


def read_text(path: str) -> bytes:
    """Read a topology file; raises UsageError with the reason and a fix."""
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST + 1)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}\n  fix: netlab examples shows files to start from") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{path!r} cannot be the name of a file") from None


@dataclass(frozen=True, slots=True)
class Found:
    """A lab that is up, or was: its name, its record if the store has one, its sandbox if it lives in one."""

    lab: str
    record: Record | None
    sandbox: Sandbox | None

    @property
    def machine(self) -> bool:
        """Whether the lab's `host` is the real machine."""
        return self.sandbox is None and (self.record is None or self.record.sandbox is None)

    @property
    def gone(self) -> bool:
        """Whether the store knows of a sandbox that has ended."""
        return self.sandbox is None and self.record is not None and self.record.sandbox is not None

    def run(self, function: Callable[[], T]) -> T:
        """Call a function where the lab is: in its sandbox, or right here on the machine."""
        assert self.machine or self.sandbox is not None, "what is meant for a sandbox is never done to the machine"
        return run_inside(self.sandbox, function)


def look_up(world: World, lab: str) -> Found:
    """Find a lab by name: its record, and its sandbox even if the store has lost it."""
    record = world.store.record(lab)
    named = sandbox_named(record.sandbox) if record is not None else None
    if named is not None and is_alive(named):
        return Found(lab, record, named)
    if record is None or record.sandbox is not None:
        for name, sandbox in find_sandboxes():
            if name == lab:
                return Found(lab, record, sandbox)
    return Found(lab, record, None)


def sandbox_named(value: object) -> Sandbox | None:
    """Give the sandbox that the store names; None where it names none, or makes no sense."""
    if not isinstance(value, Mapping):
        return None
    try:
        return Sandbox.from_json(value)
    except (KeyError, TypeError, ValueError):
        return None


def name_of(world: World, target: str | None) -> str:
    """Give the lab that an argument means; a FILE need not exist any more if the store remembers it."""
    if target is None:
        return only_lab(world)
    if not is_file(target):
        return target
    path = os.path.abspath(target)
    known = [record for lab in world.store.labs() if (record := world.store.record(lab)) and record.file == path]
    try:
        text = read_text(target)
        for record in known:
            if record.text.encode() == text:
                return record.lab
        from netlab.source import load
        from netlab.topology import parse

        return parse(load(text, target)).name
    except (UsageError, FileError):
        if len(known) == 1:
            return known[0].lab
        raise


def only_lab(world: World) -> str:
    """Give the only lab that is up; raises UsageError where there is none, or a choice."""
    labs = sorted({*world.store.labs(), *(lab for lab, _ in find_sandboxes()), *labs_by_marks(world)})
    if len(labs) == 1:
        return labs[0]
    if not labs:
        raise UsageError("no lab is up\n  fix: netlab apply FILE")
    raise UsageError(f"{len(labs)} labs are up: say which of {', '.join(labs)}")


def labs_by_marks(world: World) -> Mapping[str, int]:
    """Give the labs that the machine itself bears marks of, and how many namespaces each has there."""
    if not world.privileged:
        return {}
    from netlab.kernel.teardown import labs_on_machine

    return labs_on_machine()


def existing(world: World, target: str | None) -> Found:
    """Give a lab that is up; raises UsageError where it is not."""
    lab = name_of(world, target)
    found = look_up(world, lab)
    if found.record is None and found.sandbox is None:
        from netlab.kernel.teardown import is_on_machine

        if not (world.privileged and is_on_machine(lab)):
            up = ", ".join(world.store.labs())
            fix = f"netlab apply {target}" if target and is_file(target) else "netlab apply FILE"
            raise UsageError(f"no lab {lab!r} is up{f'; these are: {up}' if up else ''}\n  fix: {fix}")
    if found.gone:
        raise UsageError(f"lab {lab!r} is gone: its sandbox has ended\n  fix: netlab apply {found.record.file}")  # type: ignore[union-attr]
    return found


def lab_of(record: Record) -> Lab:
    """Give the lab that a record was made of, as it was resolved then."""
    from netlab.topology import read

    return read(record.text.encode(), record.file, sandboxed=record.sandbox is not None, held=record.allocated)
