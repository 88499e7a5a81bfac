"""Settings of the machine that labs need: set by the first, kept by all, set back by the last."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from netlab import app
from netlab.app.host_settings import HostSettings
from netlab.errors import Obstructed
from netlab.plan import Plan, Reading
from netlab.store import Store
from tests.kernel.killing import DEEDS, PATIENCE, kill_points, killed_at, machine, write
from tests.kernel.made_up_machine import on_made_up_machine

pytestmark = pytest.mark.kernel

IPV4 = "net.ipv4.ip_forward"


def read(name: str) -> str:
    return Path("/proc/sys", *name.split(".")).read_text().strip()


def put(name: str, value: str) -> None:
    Path("/proc/sys", *name.split(".")).write_text(value)


def lab(name: str, host: str = "forwarding: true", more: str = "") -> str:
    return write(f"{name}.yml", f"name: {name}\nhost: {{{host}}}\nbridges: {{br{name}: {{}}}}\n{more}")


def sh(*words: str) -> None:
    subprocess.run(words, check=True, timeout=PATIENCE)


@pytest.mark.parametrize("value", ["0", "1"])
def test_the_last_lab_sets_back_what_was_before(value: str) -> None:
    def body() -> None:
        put(IPV4, value)
        before = machine()
        one, two = lab("one"), lab("two")
        for path in (one, two, one):
            assert app.apply(path).outcome == "applied"
            assert read(IPV4) == "1"
            assert not app.plan(path).pending
        app.destroy("one")
        assert read(IPV4) == "1", "the other lab needs it"
        assert app.destroy("two").notes == ()
        assert machine() == before
        assert not Store.locate().exists()

    on_made_up_machine(body)


def test_a_lab_with_nothing_to_do_joins_too() -> None:
    def body() -> None:
        assert read(IPV4) == "0"
        one = lab("one")
        two = write("two.yml", "name: two\nhost: {forwarding: true}\n")  # all it asks for is there already
        app.apply(one)
        done = app.apply(two)
        assert (done.outcome, len(done.plan.steps)) == ("applied", 0)
        assert [status.state for status in app.status()] == ["up", "up"]
        app.destroy("one")
        assert read(IPV4) == "1"
        app.destroy("two")
        assert read(IPV4) == "0"

    on_made_up_machine(body)


def test_a_lab_that_joins_while_the_last_one_leaves_has_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    def body() -> None:
        before = machine()
        app.apply(lab("one"))
        two = write("two.yml", "name: two\nhost: {forwarding: true}\n")
        join = HostSettings.join

        def late(self: HostSettings, made: Plan, reading: Reading) -> None:
            app.destroy("one")
            assert read(IPV4) == "0", "the plan was made while it was 1"
            join(self, made, reading)

        monkeypatch.setattr(HostSettings, "join", late)
        assert app.apply(two).outcome == "applied"
        assert read(IPV4) == "1"
        app.destroy("two")
        assert machine() == before

    on_made_up_machine(body)


def test_labs_that_contradict_each_other_are_told_by_the_plan() -> None:
    def body() -> None:
        one, two = lab("one"), lab("two", "forwarding: false")
        app.apply(one)
        before = machine()
        for attempt in (app.plan, app.apply):
            with pytest.raises(Obstructed) as stopped:
                attempt(two)
            (problem,) = stopped.value.problems()
            assert problem.what == f"lab two wants {IPV4} = 0 on the host, but lab one needs 1"
            assert problem.fix == "netlab destroy one, or apply two with --sandbox"
        assert machine() == before
        assert app.apply(two, sandbox=True).outcome == "applied"
        app.destroy("two")
        app.destroy("one")
        assert app.apply(two).outcome == "applied"
        assert read(IPV4) == "0"
        app.destroy("two")

    on_made_up_machine(body)


def test_a_lab_that_no_longer_asks_gives_it_back() -> None:
    def body() -> None:
        before = machine()
        path = lab("one", "forwarding: true, sysctls: {net.ipv4.ip_default_ttl: 99}")
        app.apply(path)
        assert (read(IPV4), read("net.ipv4.ip_default_ttl")) == ("1", "99")
        assert app.apply(lab("one")).outcome == "applied"
        assert (read(IPV4), read("net.ipv4.ip_default_ttl")) == ("1", "64")
        assert app.apply(lab("one", "forwarding: false")).outcome == "applied"
        assert read(IPV4) == "0"
        bare = write("one.yml", "name: one\nbridges: {brone: {}}\n")
        assert app.apply(bare).outcome == "applied"
        assert not app.plan(bare).pending
        app.destroy("one")
        assert machine() == before

    on_made_up_machine(body)


def test_an_undone_apply_leaves_the_ledger_as_it_was() -> None:
    def body() -> None:
        app.apply(lab("one"))
        wrong = "routes: [{to: 192.0.2.0/24, via: 10.0.0.9, dev: brone, onlink: true}]\n"
        done = app.apply(lab("one", "forwarding: false", wrong))
        assert done.outcome == "undone", "brone is up, but has no address"
        assert read(IPV4) == "1"
        # The lab still needs 1: another that wants 0 is told, one that wants 1 is welcome.
        with pytest.raises(Obstructed, match="but lab one needs 1"):
            app.plan(lab("two", "forwarding: false"))
        assert app.apply(lab("two")).outcome == "applied"
        app.destroy("one")
        app.destroy("two")
        assert read(IPV4) == "0"

    on_made_up_machine(body)


def test_a_value_that_somebody_else_has_set_since_stays() -> None:
    def body() -> None:
        put("net.ipv4.ip_default_ttl", "60")
        app.apply(lab("one", "sysctls: {net.ipv4.ip_default_ttl: 99}"))
        put("net.ipv4.ip_default_ttl", "70")
        assert [change.fact.label() for change in app.drift("one").changes] == ["settings of host"]
        (note,) = app.destroy("one").notes
        assert note.startswith("net.ipv4.ip_default_ttl stays 70: somebody else has set it since")
        assert read("net.ipv4.ip_default_ttl") == "70"

    on_made_up_machine(body)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("ip link add docker0 type bridge; ip address add 172.17.0.1/16 dev docker0", "the bridge docker0"),
        (
            "nft add table ip theirs; nft add chain ip theirs post '{ type nat hook postrouting priority 100; }';"
            "nft add rule ip theirs post masquerade",
            "address translation in table theirs",
        ),
    ],
)
def test_what_somebody_else_has_come_to_rely_on_stays(made: str, words: str) -> None:
    def body() -> None:
        app.apply(lab("one"))
        sh("sh", "-ec", made)
        assert app.destroy("one").notes == (f"{IPV4} stays 1: {words} has come to rely on it",)
        assert read(IPV4) == "1"
        assert not Store.locate().exists()

    on_made_up_machine(body)


def test_killed_around_the_ledger() -> None:
    def body() -> None:
        assert ("netlab.kernel.do_settings", "write_settings") in DEEDS
        path, other = lab("one"), lab("two")
        before = machine()
        for deed in kill_points(lambda: app.apply(path)):
            assert app.apply(other).outcome == "applied"
            assert read(IPV4) == "1"
            app.destroy("two")
            app.destroy("one")
            assert machine() == before, deed
        app.destroy("one")
        app.apply(path)
        for deed in kill_points(lambda: app.destroy("one")):
            # Whoever leaves next sets back what the killed one did not.
            assert app.apply(other).outcome == "applied"
            app.destroy("two")
            app.destroy("one")
            assert machine() == before, deed
            app.apply(path)
        assert machine() == before

    on_made_up_machine(body, timeout=240)


def test_a_killed_lab_counts_until_it_is_destroyed() -> None:
    def body() -> None:
        path, other = lab("one"), lab("two")
        app.apply(other)
        deed = 0
        while read_labs() != ["one", "two"]:
            app.destroy("one")
            assert killed_at(deed, lambda: app.apply(path))
            deed += 1
        app.destroy("two")
        assert read(IPV4) == "1"
        app.destroy("one")
        assert read(IPV4) == "0"

    on_made_up_machine(body)


def read_labs() -> list[str]:
    return sorted(
        {name for entry in Store(Store.locate(), Store.machine_here()).ledger.entries().values() for name in entry.labs}
    )
