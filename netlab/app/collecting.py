"""`gc`: what dead labs left, found and removed.

    in the store, but its sandbox or all its namespaces have ended     removed
    cut short, and nothing is left of it                               removed
    cut short, and something is there                                  somebody's lab: left, and told
    on the machine by its marks, but unknown to the store              removed, unless something says that it lives
    in a sandbox that lives, but unknown to the store                  left, and told
    files and settings of labs that are not there                      removed
    a lab that another netlab is at work on                            left, and told

What lives: a process in one of its namespaces, another store that knows it, devices that lead to namespaces registered
elsewhere. Removed is as `destroy` does it, under the lab's lock, and only what is still so once the lock is held.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from netlab.app.destroying import take_down
from netlab.app.host_settings import settle
from netlab.app.look import leaves_marks
from netlab.app.targets import look_up
from netlab.app.world import World
from netlab.errors import Busy, NetlabError
from netlab.kernel.leftovers import Marked, bare_devices, delete_bare, is_guest, marked_on_machine
from netlab.names import fault_of_name
from netlab.namespaces.sandbox import find_sandboxes
from netlab.store import Store
from netlab.store.elsewhere import other_stores

Kind = Literal["gone", "interrupted", "orphaned", "half-made", "files", "settings", "busy"]


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that a lab left, or may have left: why it was left alone stands in `reason`, and what to type."""

    kind: Kind
    lab: str | None
    what: str
    reason: str | None = None
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed (would be, on a dry run), what was left alone, and notes on settings that stay."""

    dry_run: bool
    removed: tuple[Leftover, ...]
    left: tuple[Leftover, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        gone = [{"kind": one.kind, "lab": one.lab, "what": one.what} for one in self.removed]
        kept = [asdict(one) for one in self.left]
        return {"dry_run": self.dry_run, "removed": gone, "left": kept, "notes": list(self.notes)}


@dataclass(frozen=True, slots=True)
class _Look:
    """What there is now: marks on the machine by lab, names of labs with files or settings, other stores."""

    marked: Mapping[str, Marked]
    guest: bool
    others: tuple[tuple[str, Store], ...]
    named: frozenset[str] = field(default_factory=frozenset)


def gc(*, dry_run: bool = False, world: World | None = None) -> Collected:
    """Remove what dead labs of this user left on this machine; `dry_run` only says what that is.

    The machine's own namespace is looked at by root only. Never raises for what cannot be removed: that is left, with
    the reason.
    """
    world = world or World.here()
    removed: list[Leftover] = []
    left: list[Leftover] = []
    notes: list[str] = []
    look = _look(world)
    for lab in sorted(look.named):
        found = judge(world, lab, look)
        if found is None:
            continue
        if found.reason is None and not dry_run:
            found = _removed(world, lab, found, notes)
        if found is not None:
            (left if found.reason else removed).append(found)
    for one in _nobodys(world, look, dry_run, notes):
        (left if one.reason else removed).append(one)
    return Collected(dry_run, tuple(removed), tuple(left), tuple(notes))


def _look(world: World) -> _Look:
    marked = marked_on_machine() if world.privileged else {}
    ledger = {lab for entry in world.store.ledger.entries().values() for lab in entry.labs}
    files = set(os.listdir(world.logs)) if world.logs.is_dir() else set()
    sandboxes = {lab for lab, _ in find_sandboxes()}
    named = {*world.store.labs(), *world.store.unremembered(), *marked, *ledger, *files, *sandboxes}
    others = tuple((str(root), store) for root, store in other_stores(world.store, Store.machine_here()))
    return _Look(marked, is_guest(), others, frozenset(lab for lab in named if fault_of_name(lab) is None))


def judge(world: World, lab: str, look: _Look, *, locked: bool = False) -> Leftover | None:
    """Say what a lab is: a leftover to remove, one to leave with a reason, or None: it is up."""
    if not locked and world.store.busy(lab):
        return Leftover("busy", lab, "a lab", "another netlab is at work on it", "netlab gc, once that is done")
    found, marks = look_up(world, lab), look.marked.get(lab, Marked())
    record, mend = found.record, f"netlab apply FILE, or netlab destroy {lab}"
    unmarked = record is not None and record.sandbox is None and not leaves_marks(record)
    there = found.sandbox is not None or marks.there or unmarked
    if look.guest and (record is not None or marks.there) and found.sandbox is None:
        reason = "this is a container in the machine's network: what lives outside of it cannot be seen"
        return Leftover("gone", lab, "a lab", reason, "netlab gc, outside of the container")
    if world.store.pending(lab) is not None:
        what = "what an apply or destroy that was cut short remembered"
        if there or (found.machine and not world.privileged):
            return Leftover("interrupted", lab, "a lab", "an apply or destroy of it was cut short", mend)
        return Leftover("interrupted", lab, what)
    if record is not None:
        if found.gone:
            return Leftover("gone", lab, "the record of a lab whose sandbox has ended")
        if found.machine and world.privileged and not there:
            return Leftover("gone", lab, "the record of a lab whose namespaces and devices are gone")
        return None
    if found.sandbox is not None:
        reason = f"its sandbox lives, held by process {found.sandbox.pid}, though its record is lost"
        return Leftover("orphaned", lab, "a lab", reason, mend)
    if marks.there or marks.files:
        lives = _sign_of_life(lab, marks, look)
        return Leftover("orphaned", lab, marks.words(), lives, mend if lives else None)
    return Leftover("files", lab, "files and settings of a lab that is not there")


def _sign_of_life(lab: str, marks: Marked, look: _Look) -> str | None:
    """Say why something that bears marks, and is unknown to the store, may be a lab that somebody uses."""
    for root, store in look.others:
        if lab in store.labs() or store.busy(lab):
            return f"another store, {root}, knows it"
    if marks.elsewhere:
        return f"its node {marks.elsewhere[0]} is there, but not registered in this /run/netns: another netlab's has it"
    pid = marks.living()
    return None if pid is None else f"process {pid} lives in it"


def _removed(world: World, lab: str, found: Leftover, notes: list[str]) -> Leftover | None:
    """Remove a leftover, if it still is one once the lab is locked; give what became of it, None where it is none."""
    try:
        with world.store.lock(lab):
            again = judge(world, lab, _look(world), locked=True)
            if again is not None and again.reason is None:
                notes += take_down(world, lab).notes
            return again
    except Busy as error:
        return Leftover("busy", lab, found.what, str(error), "netlab gc, once that is done")
    except NetlabError as error:
        problem = error.problems()[0]
        return Leftover(found.kind, lab, found.what, problem.what, problem.fix)


def _nobodys(world: World, look: _Look, dry_run: bool, notes: list[str]) -> Iterator[Leftover]:
    """Remove from the machine what a kill left that bears no lab's name: settings, and devices without a mark."""
    if not world.privileged:
        return
    entries = world.store.ledger.entries()
    loose = [name for name, entry in entries.items() if not entry.labs]
    if loose:
        if not dry_run:
            notes += settle(world.store, "")
        yield Leftover("settings", None, f"{', '.join(loose)} of this machine, which no lab needs any more")
    found = bare_devices()
    if not found:
        return
    what = f"half-made devices: {', '.join(found.values())}"
    # Looked at after the devices were: one that was being made then, and is bare still, is made by nobody.
    labs = world.store.labs()
    cut_short = [lab for lab in labs if world.store.pending(lab) is not None]
    if look.guest or look.others:
        yield Leftover("half-made", None, what, "another netlab of this machine may be making them")
    elif world.store.others_busy(""):
        yield Leftover("half-made", None, what, "another netlab is at work", "netlab gc, once that is done")
    elif cut_short:
        fix = f"netlab apply FILE, or netlab destroy {cut_short[0]}"
        yield Leftover("half-made", None, what, f"they may be of {cut_short[0]}, which was cut short", fix)
    else:
        if not dry_run:
            delete_bare(found)
        yield Leftover("half-made", None, what)
