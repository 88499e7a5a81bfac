"""Settings of the real machine that a lab needs: joined in the ledger before they are written, restored by the last."""

from __future__ import annotations

from netlab.errors import Problem
from netlab.facts import Facts, Settings
from netlab.kernel.machine import read_host_settings, write_setting
from netlab.names import HOST
from netlab.plan import Plan, Reading
from netlab.store import Store
from netlab.store.ledger import Kept, Restore


class HostSettings:
    """What a set of facts asks of the real machine's settings."""

    def __init__(self, store: Store, lab: str, want: Facts) -> None:
        self._store, self._lab = store, lab
        fact = want.get(("settings", HOST))
        self._wanted = dict(fact.values) if isinstance(fact, Settings) else {}

    def conflicts(self) -> list[Problem]:
        """Give a problem for each setting that another lab wants otherwise."""
        return list(self._store.ledger.conflicts(self._lab, self._wanted)) if self._wanted else []

    def join(self, made: Plan, before: Reading) -> None:
        """Write into the ledger what is about to be written; raises Obstructed where labs contradict each other.

        A lab that finds everything right joins too, so that nobody takes the setting away from it.
        """
        if not self._wanted or (not made and self._has_joined()):
            return
        found = before.facts.get(("settings", HOST))
        seen = dict(found.values) if isinstance(found, Settings) else {}
        with self._store.ledger.held():
            now = self._join()
            # The last lab that needed it may have left since the plan was made, which then has no step for it.
            for name, value in self._wanted.items():
                if seen.get(name) == value != now.get(name):
                    write_setting(name, value)

    def _join(self) -> dict[str, str]:
        """Join the ledger; give the values as they are now."""
        with self._store.ledger.held():
            now = read_host_settings(self._wanted)
            self._store.ledger.join(self._lab, {n: (now.get(n, ""), value) for n, value in self._wanted.items()})
        return now

    def _has_joined(self) -> bool:
        entries = self._store.ledger.entries()
        return all(
            name in entries and self._lab in entries[name].labs and entries[name].wanted == value
            for name, value in self._wanted.items()
        )

    def rejoin(self) -> None:
        """Have the ledger say again what the lab wants, after an attempt to want something else was undone."""
        if self._wanted and not self._has_joined():
            self._join()

    def leave_others(self) -> tuple[str, ...]:
        """Give up the settings that the lab no longer asks for, and restore those that nobody else needs."""
        entries = self._store.ledger.entries()
        names = {name for name, entry in entries.items() if name not in self._wanted and self._lab in entry.labs}
        if not names:
            return ()
        return settle(self._store, self._lab, names)


def settle(store: Store, lab: str, names: set[str] | None = None) -> tuple[str, ...]:
    """Have a lab leave the ledger (or only the settings named); restore what it was the last to need.

    Gives words on what was left as it is, and why.
    """
    entries = store.ledger.entries()
    if not any(lab in entry.labs or not entry.labs for entry in entries.values()):
        store.ledger.sweep()
        return ()
    notes = []
    with store.ledger.held():
        now = read_host_settings(store.ledger.entries())
        outcomes = store.ledger.leave(lab, now, names=names, relied_on=_relied_on())
        for outcome in outcomes:
            if isinstance(outcome, Restore):
                try:
                    write_setting(outcome.name, outcome.value)
                except OSError as error:
                    notes.append(f"{outcome.name} could not be set back to {outcome.value!r}: {error.strerror}")
            elif isinstance(outcome, Kept):
                notes.append(f"{outcome.name} stays {outcome.value}: {outcome.reason}")
        store.ledger.settle([outcome.name for outcome in outcomes if isinstance(outcome, Restore)])
    return tuple(notes)


def _relied_on() -> dict[str, str]:
    """Say who else has come to need forwarding: a bridge or NAT on this machine that is not netlab's."""
    from netlab.kernel.machine import foreign_users_of_forwarding

    users = foreign_users_of_forwarding()
    return {"net.ipv4.ip_forward": users, "net.ipv6.conf.all.forwarding": users} if users else {}
