"""A lab's name -> what netlab remembers of it on this machine.

    ROOT/MACHINE/LAB/record.json     the lab as applied (records.py)
    ROOT/MACHINE/LAB/journal.json    there is one while an apply or destroy is under way
    ROOT/MACHINE/LAB/lock            held by whoever acts on the lab (lock.py)
    ROOT/MACHINE/.ledger/            the machine's own settings (ledger.py)

MACHINE is the inode of the machine's network namespace, so that machines which share a /run do not mix. Nothing is
made before the first write. Losing all of it loses comfort, never the power to destroy a lab: marks do for that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from netlab.errors import UsageError
from netlab.names import fault_of_name
from netlab.store.files import (
    make_directory,
    read_json,
    refuse_shared,
    remove,
    remove_empty,
    set_aside,
    write_json,
)
from netlab.store.ledger import Ledger
from netlab.store.lock import Lock, is_held
from netlab.store.records import Record, from_json

_RECORD = "record.json"
_JOURNAL = "journal.json"
_LOCK = "lock"


class Store:
    """Everything that netlab remembers, of all labs of one machine."""

    def __init__(self, root: Path, machine: int) -> None:
        self._root, self._machine = root, str(machine)
        self.ledger = Ledger(root, self._machine)

    @staticmethod
    def locate() -> Path:
        """Give the directory that the store of this user belongs in.

        That is /run/netlab for root, $XDG_RUNTIME_DIR/netlab, else /tmp/netlab-UID. Raises Unavailable where the
        place is taken by somebody else, or open to others.
        """
        found = _place()
        refuse_shared(found)
        return found

    @staticmethod
    def machine_here() -> int:
        """Give the inode of the network namespace that this process is in."""
        return os.stat("/proc/self/ns/net").st_ino

    def labs(self) -> tuple[str, ...]:
        """Give the names of the labs that are applied, or that a journal says are half applied."""
        try:
            names = sorted(os.listdir(self._root / self._machine))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(name for name in names if fault_of_name(name) is None and self._remembered(name))

    @property
    def root(self) -> Path:
        """The directory of all machines' labs."""
        return self._root

    def unremembered(self) -> tuple[str, ...]:
        """Give the names of labs that have a directory and nothing in it that counts: a lock, what was spoilt."""
        try:
            names = sorted(os.listdir(self._root / self._machine))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(name for name in names if fault_of_name(name) is None and not self._remembered(name))

    def record(self, lab: str) -> Record | None:
        """Give what is remembered of a lab; None where nothing is, or nothing that makes sense."""
        path = self._directory(lab) / _RECORD
        found = read_json(path)
        if found is None:
            return None
        try:
            record = from_json(found)
        except ValueError:
            set_aside(path)
            return None
        return record

    def save(self, record: Record) -> None:
        """Remember a lab in the place of what was remembered of it."""
        self._write(record.lab, _RECORD, record.to_json())

    def forget(self, lab: str) -> None:
        """Remove everything that is remembered of a lab, the journal too."""
        directory = self._directory(lab)
        for name in (_RECORD, _JOURNAL):
            remove(directory / name)
        # While somebody holds the lock, the directory is not empty, and goes when the lock does.
        self._sweep(directory)

    def lock(
        self, lab: str, *, wait: float = 0.0, window: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> AbstractContextManager[object]:
        """Give the context in which nobody else acts on the lab; entering raises Busy after `wait` seconds.

        `window` gives the context of waiting, for a caller who keeps Ctrl-C elsewhere.
        """
        directory = self._directory(lab)

        def make() -> None:
            make_directory(self._root, self._machine, lab)

        def leave() -> None:
            if not self._remembered(lab):
                for name in (_RECORD, _JOURNAL):
                    remove(directory / name)
                (directory / _LOCK).unlink(missing_ok=True)
                self._sweep(directory)

        return Lock(directory / _LOCK, f"lab {lab}", wait, make, leave, window)

    def busy(self, lab: str) -> bool:
        """Tell whether somebody acts on a lab now."""
        return is_held(self._directory(lab) / _LOCK)

    def others_busy(self, lab: str) -> bool:
        """Tell whether somebody acts on any other lab of this machine now."""
        try:
            names = os.listdir(self._root / self._machine)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return any(self.busy(name) for name in names if name != lab and fault_of_name(name) is None)

    def begin(self, lab: str, journal: Mapping[str, Any]) -> None:
        """Say that an apply or destroy is under way, with plain values that suffice to finish it."""
        self._write(lab, _JOURNAL, dict(journal))

    def pending(self, lab: str) -> dict[str, Any] | None:
        """Give what `begin` was told, where `end` has not been called since: the work was cut short, or is going on."""
        found = read_json(self._directory(lab) / _JOURNAL)
        return found if isinstance(found, dict) else None

    def where(self, lab: str) -> Path:
        """Give the directory in which a file changes whenever somebody acts on a lab, its lock at least."""
        return self._directory(lab)

    def end(self, lab: str) -> None:
        """Say that the apply or destroy is done, or undone."""
        remove(self._directory(lab) / _JOURNAL)

    def _directory(self, lab: str) -> Path:
        fault = fault_of_name(lab)
        if fault:
            raise UsageError(f"the name of the lab, {lab!r}, {fault}")
        return self._root / self._machine / lab

    def _remembered(self, lab: str) -> bool:
        directory = self._root / self._machine / lab
        return (directory / _RECORD).exists() or (directory / _JOURNAL).exists()

    def _write(self, lab: str, name: str, value: Any) -> None:
        path = self._directory(lab) / name
        make_directory(self._root, self._machine, lab)
        write_json(path, value)

    def _sweep(self, directory: Path) -> None:
        """Remove a lab's directory, its machine's and the store's, as far as they are empty."""
        remove_empty(directory, 3)


def _place() -> Path:
    # In a user namespace we may be root and yet have no right to write in /run.
    if os.geteuid() == 0 and os.access("/run", os.W_OK):
        return Path("/run/netlab")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and _ours(runtime):
        return Path(runtime, "netlab")
    return Path(f"/tmp/netlab-{os.geteuid()}")


def _ours(directory: str) -> bool:
    """Tell whether a directory is this user's: after `su`, $XDG_RUNTIME_DIR is still the other user's."""
    try:
        return os.stat(directory).st_uid == os.geteuid() and os.access(directory, os.W_OK)
    except OSError:
        return False
