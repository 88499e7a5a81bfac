"""Who needs which setting of the machine, and what it was before: one ledger for all labs of a machine.

Rules, by the value that is found when a lab joins:

    nobody has joined, value is as wanted       joins; nothing will be restored
    nobody has joined, value differs            joins; the value is what to go back to
    others have joined, value is as they want   joins; what to go back to stays
    others have joined, value differs           somebody changed it since: that is now what to go back to

and when the last lab leaves:

    netlab never changed it                     nothing to do
    it still has our value, nobody relies on it Restore
    it has another value, or somebody relies    Kept, with the reason

A lab joins *before* the setting is written, and an entry whose last lab has left stays until `settle`, after the
setting is restored: a kill between the two loses nothing, whoever leaves next finishes it. The ledger knows values
only; reading and writing settings is the caller's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netlab.errors import Obstructed, Problem
from netlab.store.files import make_directory, read_json, remove, remove_empty, set_aside, write_json
from netlab.store.lock import Lock

#: Not a possible name of a lab, which never begins with a dot.
_DIRECTORY = ".ledger"
_VERSION = 1
#: Seconds to wait for the ledger's lock; changes take milliseconds, so a longer wait means a stopped process.
_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Restore:
    """A setting of the machine to set back to what it was; call `settle` then."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A setting of the machine that stays as it is, and why."""

    name: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting: the value to go back to, the values that netlab wrote since (the last is wanted), and the labs.

    More than one value is ours where a lab changed its mind: a kill may leave any of them in the kernel.
    """

    before: str
    ours: tuple[str, ...]
    labs: tuple[str, ...]

    @property
    def wanted(self) -> str:
        return self.ours[-1]


class Ledger:
    """The settings of one machine that labs have asked for."""

    def __init__(self, root: Path, machine: str) -> None:
        self._root, self._machine = root, machine
        self._directory = root / machine / _DIRECTORY
        self._path = self._directory / "ledger.json"
        self._is_held = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the ledger for more than one of its methods; raises Busy. Within a block it is held already."""
        if self._is_held:
            yield
            return
        with self._lock():
            self._is_held = True
            try:
                yield
            finally:
                self._is_held = False

    def entries(self) -> dict[str, Entry]:
        """Give every setting that labs have asked for; a ledger without sense is moved aside and counts as lost."""
        found = read_json(self._path)
        if found is None:
            return {}
        try:
            return _decode(found)
        except ValueError:
            set_aside(self._path)
            return {}

    def conflicts(self, lab: str, wanted: Mapping[str, str]) -> tuple[Problem, ...]:
        """Give a problem for each setting that other labs want to have another value."""
        return _conflicts(self.entries(), lab, wanted)

    def join(self, lab: str, settings: Mapping[str, tuple[str, str]]) -> None:
        """Say that a lab needs settings, by name (value now, value wanted); call it before writing them.

        Raises Obstructed, and changes nothing, where another lab wants another value.
        """
        with self.held():
            entries = self.entries()
            found = _conflicts(entries, lab, {name: wanted for name, (_, wanted) in settings.items()})
            if found:
                raise Obstructed(found)
            for name, (now, wanted) in settings.items():
                entries[name] = _joined(entries.get(name), lab, now, wanted)
            self._write(entries)

    def leave(
        self,
        lab: str,
        current: Mapping[str, str],
        *,
        names: Collection[str] | None = None,
        relied_on: Mapping[str, str] | None = None,
    ) -> tuple[Restore | Kept, ...]:
        """Say that a lab no longer needs its settings (or only those in `names`); give what becomes of each.

        `current` holds the values now, `relied_on` says by name who else has come to need a setting. Do each
        Restore, then call `settle`. Settings that an earlier, killed leaver did not settle are given again.
        """
        with self.held():
            entries = self.entries()
            for name, entry in entries.items():
                if names is None or name in names:
                    entries[name] = replace(entry, labs=tuple(other for other in entry.labs if other != lab))
            left = {name: entry for name, entry in entries.items() if not entry.labs}
            found = [(name, _left(name, entry, current, relied_on or {})) for name, entry in sorted(left.items())]
            done = {name for name, outcome in found if not isinstance(outcome, Restore)}
            self._write({name: entry for name, entry in entries.items() if name not in done})
        return tuple(outcome for _, outcome in found if outcome is not None)

    def settle(self, names: Collection[str]) -> None:
        """Forget settings that have been restored; one that a lab has joined meanwhile stays."""
        with self.held():
            entries = self.entries()
            self._write({name: entry for name, entry in entries.items() if entry.labs or name not in names})

    def sweep(self) -> None:
        """Remove what a killed process left of a ledger that it did not get to write."""
        if self._directory.exists() and not self._path.exists():
            with self.held():
                pass  # leaving it does that

    def _lock(self) -> Lock:
        def make() -> None:
            make_directory(self._root, self._machine, _DIRECTORY)

        def leave() -> None:
            if not self._path.exists():
                remove(self._path)
                (self._directory / "lock").unlink(missing_ok=True)
                remove_empty(self._directory, 3)

        return Lock(self._directory / "lock", "the ledger of host settings", _WAIT, make, leave)

    def _write(self, entries: Mapping[str, Entry]) -> None:
        if not entries:
            remove(self._path)
            return
        settings = {
            name: {"before": entry.before, "ours": list(entry.ours), "labs": list(entry.labs)}
            for name, entry in sorted(entries.items())
        }
        write_json(self._path, {"version": _VERSION, "settings": settings})


def _joined(entry: Entry | None, lab: str, now: str, wanted: str) -> Entry:
    """Give the entry after a lab that wants `wanted` has joined and found `now`."""
    labs = () if entry is None else tuple(other for other in entry.labs if other != lab)
    if entry is None or now not in entry.ours:
        # Nobody of ours wrote `now`: it is what to go back to.
        return Entry(now, (wanted,), (*labs, lab))
    return Entry(entry.before, (*(value for value in entry.ours if value != wanted), wanted), (*labs, lab))


def _left(name: str, entry: Entry, current: Mapping[str, str], relied_on: Mapping[str, str]) -> Restore | Kept | None:
    """Give what becomes of a setting that no lab needs any more."""
    now = current.get(name)
    if now is None or now == entry.before or entry.ours == (entry.before,):
        return None
    if now not in entry.ours:
        return Kept(name, now, f"somebody else has set it since (netlab had set {entry.wanted})")
    if name in relied_on:
        return Kept(name, now, f"{relied_on[name]} has come to rely on it")
    return Restore(name, entry.before)


def _conflicts(entries: Mapping[str, Entry], lab: str, wanted: Mapping[str, str]) -> tuple[Problem, ...]:
    found = []
    for name, value in wanted.items():
        entry = entries.get(name)
        others = [other for other in entry.labs if other != lab] if entry else []
        if entry and others and entry.wanted != value:
            found.append(
                Problem(
                    code="setting-conflict",
                    what=f"lab {lab} wants {name} = {value} on the host, but lab {others[0]} needs {entry.wanted}",
                    fix=f"netlab destroy {others[0]}, or apply {lab} with --sandbox",
                )
            )
    return tuple(found)


def _decode(value: Any) -> dict[str, Entry]:
    try:
        if value["version"] != _VERSION:
            raise ValueError(f"version {value['version']!r}")
        return {
            str(name): Entry(str(entry["before"]), _some(_texts(entry["ours"])), _texts(entry["labs"]))
            for name, entry in value["settings"].items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a ledger: {error!r}") from error


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list")
    return tuple(str(value) for value in values)


def _some(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise TypeError("no value")
    return values
