"""What is not ours on the real machine is never changed; what stands in the way stops the plan before it begins."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable

import pytest

from netlab import app
from netlab.app.host_settings import HostSettings
from netlab.errors import Busy, Obstructed, UsageError
from netlab.names import GROUP, derived_mac
from netlab.namespaces.processes import reap
from netlab.plan import Plan, Reading
from tests.kernel.killing import PATIENCE, ip, machine, stop_at, write
from tests.kernel.made_up_machine import on_made_up_machine

pytestmark = pytest.mark.kernel

TEXT = """
name: own
bridges:
  br0: 10.0.0.254/24
routes:
  - {to: 192.0.2.0/24, blackhole: true}
netns:
  a: br0
  b:
    interfaces:
      eth0: {bridge: br0}
"""


def sh(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout


def alias_of(device: str) -> str | None:
    (link,) = ip("link", "show", device)
    found: str | None = link.get("ifalias")
    return found


def furnish() -> None:
    """Put on the machine what others have there: devices of many kinds, addresses, routes, a namespace, settings."""
    sh("ip", "link", "set", "lo", "up")
    sh("ip", "link", "add", "eth9", "type", "veth", "peer", "name", "eth8")
    sh("ip", "link", "add", "docker0", "type", "bridge")
    sh("ip", "link", "set", "docker0", "alias", "somebody's")
    sh("ip", "link", "set", "eth8", "master", "docker0")
    for device in ("eth9", "eth8", "docker0"):
        sh("ip", "link", "set", device, "up")
    sh("ip", "address", "add", "172.17.0.1/16", "dev", "docker0")
    sh("ip", "address", "add", "203.0.113.2/24", "dev", "eth9")
    sh("ip", "route", "add", "default", "via", "203.0.113.1")
    sh("ip", "route", "add", "blackhole", "198.51.100.0/24", "proto", "static")
    sh("ip", "netns", "add", "theirs")
    sh("ip", "-n", "theirs", "link", "add", "br0", "type", "bridge")


@pytest.mark.parametrize(
    ("taken", "line", "words"),
    [
        ("ip link add br0 type bridge", 4, "bridge host:br0: a bridge br0 exists: not netlab's"),
        ("ip link add br0 type veth peer name x", 4, "a veth br0 exists: not netlab's"),
        ("ip netns add own-a", 8, "netns a: the namespace own-a exists: it is something that is not netlab's"),
        ("touch /run/netns/own-a; echo mine > /run/netns/own-a", 8, "/run/netns/own-a exists: it is no namespace"),
        ("ip address add 10.0.0.254/8 dev eth9", 4, "address 10.0.0.254/24 on host:br0: on eth9 of this machine"),
        ("ip route add 192.0.2.0/24 dev eth9", 6, "route 192.0.2.0/24 blackhole in host: a route to 192.0.2.0/24"),
    ],
)
def test_what_is_taken_stops_the_plan_before_it_begins(taken: str, line: int, words: str) -> None:
    def body() -> None:
        furnish()
        path = write("own.yml", TEXT)
        sh("sh", "-ec", taken)
        before = machine()
        for attempt in (app.plan, app.apply):
            with pytest.raises(Obstructed) as stopped:
                attempt(path)
            (problem,) = stopped.value.problems()
            assert words in problem.what
            assert problem.span is not None
            assert (problem.span.file, problem.span.line) == (path, line)
            assert "--sandbox" in str(problem.fix)
        assert app.status() == ()
        assert machine() == before
        # In a sandbox it is nobody's business.
        assert app.apply(path, sandbox=True).outcome == "applied"
        assert app.destroy("own").sandbox
        assert machine() == before

    on_made_up_machine(body)


def test_what_others_have_stays_as_it_is() -> None:
    def body() -> None:
        furnish()
        path = write("own.yml", TEXT)
        before = machine()
        assert app.apply(path).outcome == "applied"
        during = machine()
        names = {link["ifname"] for link in before["links"]}
        assert [link for link in during["links"] if link["ifname"] in names] == before["links"]
        assert {name: during["addresses"][name] for name in names} == before["addresses"]
        assert [route for route in before["routes"] if route not in during["routes"]] == []
        destroyed = app.destroy("own")
        assert (destroyed.namespaces, destroyed.devices) == (2, 3)
        assert machine() == before

    on_made_up_machine(body)


def test_every_device_on_the_machine_bears_the_labs_mark() -> None:
    def body() -> None:
        app.apply(write("own.yml", TEXT))
        links = {link["ifname"]: link for link in ip("link") if link["ifname"] != "lo"}
        assert len(links) == 3
        for name, link in links.items():
            assert link["ifalias"] == f"netlab:own/host/{name}"
            assert link["group"] == str(GROUP)
        for node in ("a", "b"):
            (lo,) = ip("-n", f"own-{node}", "link", "show", "lo")
            assert lo["ifalias"] == f"netlab:own/{node}"
        # A name is a label: a device that somebody has renamed is the lab's still, and drift.
        sh("ip", "link", "set", "br0", "down")
        sh("ip", "link", "set", "br0", "name", "br7")
        assert {change.fact.label() for change in app.drift("own").changes} >= {"bridge host:br0", "bridge host:br7"}
        app.destroy("own")
        assert [link["ifname"] for link in ip("link")] == ["lo"]

    on_made_up_machine(body)


PAIRS = [
    ("name: a\nnetns: {b-c: {}, x: {}}\n", "name: a-b\nnetns: {d: {}}\n", None),
    ("name: bridge3\nbridges: {br0: 10.0.0.0/24}\nnetns: {n: br0}\n", "name: bridge3-outside\nnetns: {n: {}}\n", None),
    (
        "name: a\nnetns: {b-c: {}}\n",
        "name: a-b\nnetns: {c: {}}\n",
        "namespace a-b-c exists: it is node 'b-c' of lab 'a'",
    ),
    ("name: a\nbridges: {br0: {}}\nnetns: {x: {}}\n", "name: b\nbridges: {br0: {}}\n", "bridge br0 exists: of lab 'a'"),
]


@pytest.mark.parametrize(("one", "other", "words"), PAIRS)
@pytest.mark.parametrize("lost", [False, True], ids=["store", "no-store"])
def test_labs_with_alike_names_do_not_harm_each_other(one: str, other: str, words: str | None, lost: bool) -> None:
    def body() -> None:
        first, second = write("one.yml", one), write("other.yml", other)
        empty = machine()
        assert app.apply(first).outcome == "applied"
        alone = machine()
        if words is not None:
            with pytest.raises(Obstructed, match=words):
                app.apply(second)
            assert machine() == alone
        else:
            assert app.apply(second).outcome == "applied"
            assert [status.state for status in app.status()] == ["up", "up"]
        if lost:
            sh("rm", "-r", "/run/netlab")
        app.destroy(other.split()[1])
        assert [status.lab for status in app.status()] == [one.split()[1]]
        if not lost:
            assert machine() == alone
            assert not app.plan(first).pending
        app.destroy(one.split()[1])
        assert machine() == empty

    on_made_up_machine(body)


@pytest.mark.parametrize("sandbox", [False, True], ids=["machine", "sandbox"])
def test_what_is_foreign_inside_is_drift_and_removed(sandbox: bool) -> None:
    def body() -> None:
        path = write("own.yml", TEXT)
        empty = machine()
        app.apply(path, sandbox=sandbox)
        for words in (
            "ip link add tap7 type ifb",
            "ip address add 10.7.0.1/24 dev eth0",
            "ip link add v7 type veth peer name v8",
            "ip route add 198.51.100.0/24 via 10.0.0.254 proto static",
        ):
            assert app.execute("own/b", words.split()) == 0
        drift = {(str(change.action), change.fact.label()) for change in app.drift("own").changes}
        assert drift == {
            ("delete", "dummy b:tap7"),
            ("delete", "address 10.7.0.1/24 on b:eth0"),
            ("delete", "veth b:v7 <-> b:v8"),
            ("delete", "route 198.51.100.0/24 via 10.0.0.254 in b"),
        }
        assert app.apply(path).outcome == "applied"
        assert app.drift("own").changes == ()
        assert not app.plan(path).pending
        app.destroy("own")
        assert machine() == empty

    on_made_up_machine(body)


def half_made(name: str, mac: str = "02:77:00:00:00:01", *more: str) -> None:
    sh("ip", "link", "add", name, "address", mac, "group", str(GROUP), *(more or ("type", "bridge")))


def test_what_a_killed_netlab_left_without_a_mark_is_made_again() -> None:
    def body() -> None:
        path = write("own.yml", TEXT)
        empty = machine()
        half_made("br0")  # the lab wants the name
        sh("ip", "address", "add", "10.0.0.254/24", "dev", "br0")
        half_made("old", derived_mac("own", "host", "old"))  # the MAC says whose it is
        half_made("other")  # nothing says whose it is
        planned = {(str(step.action), step.fact.label()) for step in app.plan(path).plan.steps}
        assert {("delete", "stray bridge host:br0"), ("delete", "stray bridge host:old")} < planned
        assert app.apply(path).outcome == "applied"
        assert alias_of("br0") == "netlab:own/host/br0"
        assert alias_of("other") is None
        assert not [link for link in ip("link") if link["ifname"] == "old"]
        assert not app.plan(path).pending
        half_made("old", derived_mac("own", "host", "old"))
        app.destroy("own")
        assert sorted(link["ifname"] for link in ip("link")) == ["lo", "other"]
        sh("ip", "link", "delete", "other")
        assert machine() == empty

    on_made_up_machine(body)


def test_what_another_netlab_is_making_just_now_is_left_alone() -> None:
    def body() -> None:
        path = write("own.yml", TEXT)
        other = write("other.yml", "name: other\nbridges: {br0: {mac: '02:99:00:00:00:01'}}\n")
        started, going = os.pipe()
        child = os.fork()
        if child == 0:
            from netlab.kernel.work import Work

            # It stops between the birth of its bridge and the bridge's mark, alive, and holding its lock.
            def stop(*_: object) -> None:
                os.write(going, b"x")
                signal.pause()

            Work.mark = stop  # type: ignore[method-assign, assignment]
            app.apply(other)
            os._exit(1)
        assert os.read(started, 1) == b"x"
        assert alias_of("br0") is None
        before = ip("link")
        with pytest.raises(Obstructed, match="another netlab is making it, or was killed while it did"):
            app.apply(path)
        app.destroy("own")
        assert ip("link") == before
        assert [(status.lab, status.state) for status in app.status()] == [("other", "changing")]
        os.kill(child, signal.SIGKILL)
        reap(child)
        assert [(status.lab, status.state) for status in app.status()] == [("other", "interrupted")]
        # Now it is nobody's work any more. The lab that was making it knows it by its journal.
        app.destroy("other")
        assert [link["ifname"] for link in ip("link")] == ["lo"]

    on_made_up_machine(body)


def test_a_device_that_appears_after_the_last_look_is_not_taken_for_ours() -> None:
    def body() -> None:
        path = write("own.yml", TEXT)
        join = HostSettings.join

        def meanwhile(self: HostSettings, made: Plan, before: Reading) -> None:
            sh("ip", "link", "add", "br0", "type", "bridge")
            join(self, made, before)

        HostSettings.join = meanwhile  # type: ignore[method-assign]
        done = app.apply(path)
        assert done.outcome == "undone"
        assert "something of that name is there already" in done.problems[0].what
        (link,) = ip("link", "show", "br0")
        assert "ifalias" not in link
        assert link["mtu"] == 1500
        assert "UP" not in link["flags"]
        assert ip("address", "show", "br0")[0]["addr_info"] == []
        assert app.status() == ()
        app.destroy("own")
        assert [link["ifname"] for link in ip("link")] == ["lo", "br0"]

    on_made_up_machine(body)


def locked(deed: int, function: Callable[[], object]) -> int:
    """Start a process that stops at a deed and stays, holding what it holds; give its pid."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        stop_at(deed, lambda: os.write(writing, b"x"))
        function()
        os._exit(1)
    os.close(writing)
    assert os.read(reading, 1) == b"x"
    os.close(reading)
    return child


def test_one_at_a_time() -> None:
    def body() -> None:
        path = write("own.yml", TEXT)
        empty = machine()
        child = locked(5, lambda: app.apply(path))
        for attempt in (lambda: app.apply(path, wait=0.1), lambda: app.destroy("own", wait=0.1)):
            with pytest.raises(Busy, match=rf"lab own is locked by process {child} \(.*python.*\)"):
                attempt()
        # Who waits goes on when the other is done, however that came about.
        waiting = threading.Thread(target=lambda: app.apply(path, wait=PATIENCE))
        waiting.start()
        os.kill(child, signal.SIGKILL)
        reap(child)
        waiting.join(PATIENCE)
        assert not waiting.is_alive()
        assert [status.state for status in app.status()] == ["up"]
        assert not app.plan(path).pending
        app.destroy("own")
        assert machine() == empty

    on_made_up_machine(body)


@pytest.mark.parametrize("sandbox", [False, True], ids=["machine", "sandbox"])
def test_many_at_once(sandbox: bool) -> None:
    def body() -> None:
        paths = [
            write(
                f"{name}.yml",
                TEXT.replace("own", name)
                .replace("br0", f"br{name}")
                .replace("10.0.", f"10.{n}.")
                .replace("192.0.2", f"192.0.{n}"),
            )
            for n, name in enumerate(("p", "q"), 2)
        ]
        empty = machine()
        children = []
        for turn in range(9):
            child = os.fork()
            if child == 0:
                try:
                    path = paths[turn % 2]
                    if turn % 3 == 2:
                        app.destroy(path, wait=PATIENCE)
                    else:
                        assert app.apply(path, sandbox=sandbox, wait=PATIENCE).outcome == "applied"
                    os._exit(0)
                finally:
                    os._exit(1)
            children.append(child)
        assert [reap(child) for child in children] == [0] * 9
        for path in paths:
            assert app.apply(path, sandbox=sandbox).outcome == "applied"
            assert not app.plan(path, sandbox=sandbox).pending
            app.destroy(path)
        assert machine() == empty

    on_made_up_machine(body, timeout=120)


def test_a_destroy_does_not_wait_for_a_process_inside() -> None:
    def body() -> None:
        path = write("own.yml", TEXT)
        empty = machine()
        app.apply(path)
        inside = subprocess.Popen(["nsenter", "--net=/run/netns/own-a", "sleep", "1000"])
        # A node less: what leads out of it goes, though the namespace lives on.
        fewer = write("fewer.yml", TEXT.replace("  a: br0\n", ""))
        assert app.apply(fewer).outcome == "applied"
        assert not app.plan(fewer).pending
        app.apply(path)
        again = subprocess.Popen(["nsenter", "--net=/run/netns/own-a", "sleep", "1000"])
        assert app.destroy("own").namespaces == 2
        assert [link["ifname"] for link in ip("link")] == ["lo"]
        assert inside.poll() is None
        assert again.poll() is None
        for process in (inside, again):
            process.kill()
            process.wait()
        assert machine() == empty

    on_made_up_machine(body)


def test_a_lab_is_up_in_one_place() -> None:
    def body() -> None:
        path = write("own.yml", TEXT)
        app.apply(path)
        with pytest.raises(UsageError, match="up on the machine itself"):
            app.apply(path, sandbox=True)
        sh("rm", "-r", "/run/netlab")
        with pytest.raises(UsageError, match="up on the machine itself"):
            app.apply(path, sandbox=True)
        app.destroy("own")
        app.apply(path, sandbox=True)
        with pytest.raises(UsageError, match="up in a sandbox"):
            app.apply(path, sandbox=False)
        sh("rm", "-r", "/run/netlab")
        with pytest.raises(UsageError, match="up in a sandbox"):
            app.apply(path, sandbox=False)
        app.destroy("own")
        assert [link["ifname"] for link in ip("link")] == ["lo"]

    on_made_up_machine(body)
