"""Settings of the real machine that a lab needs: joined in the ledger before they are written, restored by the last."""

from __future__ import annotations

from netlab.errors import Problem
from netlab.facts import Facts, Settings
from netlab.kernel.machine import read_host_settings, write_setting
from netlab.names import HOST
from netlab.plan import Reading
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

    def join(self, before: Reading) -> None:
        """Write into the ledger what is about to be written; raises Obstructed where labs contradict each other."""
        if not self._wanted:
            return
        found = before.facts.get(("settings", HOST))
        now = dict(found.values) if isinstance(found, Settings) else {}
        self._store.ledger.join(self._lab, {name: (now.get(name, ""), value) for name, value in self._wanted.items()})

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
        return ()
    relied = _relied_on()
    outcomes = store.ledger.leave(lab, read_host_settings(entries), names=names, relied_on=relied)
    notes = []
    for outcome in outcomes:
        if isinstance(outcome, Restore):
            write_setting(outcome.name, outcome.value)
        elif isinstance(outcome, Kept):
            notes.append(f"{outcome.name} stays {outcome.value}: {outcome.reason}")
    store.ledger.settle([outcome.name for outcome in outcomes if isinstance(outcome, Restore)])
    return tuple(notes)


def _relied_on() -> dict[str, str]:
    """Say who else has come to need forwarding: a bridge or NAT on this machine that is not netlab's."""
    from netlab.kernel.machine import foreign_users_of_forwarding

    users = foreign_users_of_forwarding()
    return {"net.ipv4.ip_forward": users, "net.ipv6.conf.all.forwarding": users} if users else {}
