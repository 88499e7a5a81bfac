"""An ordinary user has the whole of a lab, in a sandbox; two users do not meet; what is missing is told."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from netlab import app
from netlab.errors import NetlabError, Unavailable, UsageError
from netlab.namespaces.processes import reap
from netlab.namespaces.syscalls import MS_BIND, MS_REC, mount, own_proc_files
from tests.kernel.killing import PATIENCE, machine, write
from tests.kernel.made_up_machine import (
    NOBODY,
    PROJECT,
    User,
    enter_user_namespace,
    on_made_up_machine,
    open_to_everybody,
)

pytestmark = pytest.mark.kernel
several_users = pytest.mark.skipif(os.geteuid() != 0, reason="needs several users")

BRIDGE3 = str(PROJECT / "topologies" / "bridge3.yml")
HELLO = "name: hello\nbridges: {br0: 10.0.0.0/24}\nnetns: {ns0: br0, ns1: br0}\nchecks: [{ping: ns0 -> ns1}]\n"


def all_of_bridge3() -> None:
    """Do everything with bridge3 that there is to do with a lab."""
    before = machine()
    planned = app.plan(BRIDGE3)
    assert planned.sandboxed
    assert planned.pending
    done = app.apply(BRIDGE3)
    assert (done.outcome, done.sandboxed) == ("applied", True)
    checked = app.check("bridge3")
    assert [verdict.ok for verdict in checked.verdicts] == [True] * 3
    assert app.execute("ns0", ["sh", "-c", "exit 7"]) == 7
    assert app.execute("bridge3/ns1", ["ping", "-c", "1", "-W", "5", "10.0.0.3"]) in (0, 127)
    assert capture() >= 1
    assert b"veth0-ns" in app.diagram("bridge3", format="dot", live=True)
    (status,) = app.status("bridge3")
    assert (status.state, status.node_count, status.sandboxed) == ("up", 3, True)
    ns0 = next(node for node in status.nodes if node.name == "ns0")
    assert [(device.name, device.addresses, device.carrier) for device in ns0.devices] == [
        ("veth0-ns", ("10.0.0.1/24",), True)
    ]
    assert app.drift("bridge3").changes == ()
    app.execute("ns0", ["ip", "address", "add", "10.0.0.99/24", "dev", "veth0-ns"])
    assert len(app.drift("bridge3").changes) == 1
    assert app.apply(BRIDGE3).outcome == "applied"
    assert app.drift("bridge3").changes == ()
    app.apply(BRIDGE3, confirm=600.0)
    app.confirm("bridge3")
    assert not app.plan(BRIDGE3).pending
    assert app.destroy(BRIDGE3).existed
    assert app.status() == ()
    assert machine() == before


def capture() -> int:
    """Capture a ping of the bridge; give the number of packets."""
    packets = io.BytesIO()
    ready = threading.Event()
    pinging = threading.Thread(target=lambda: ready.wait(PATIENCE) and app.check("bridge3"))
    reading, writing = os.pipe()

    def pass_on() -> None:
        os.write(writing, b"x")

    def listen() -> None:
        os.read(reading, 1)
        ready.set()

    listening = threading.Thread(target=listen)
    pinging.start()
    listening.start()
    with open(os.path.join(os.environ.get("XDG_RUNTIME_DIR", "/tmp"), "capture.pcap"), "w+b") as file:
        count = app.capture("bridge3/host:br0", file, count=1, seconds=PATIENCE, on_ready=pass_on)
        file.seek(0)
        packets.write(file.read())
        os.unlink(file.name)
    pinging.join(PATIENCE)
    listening.join(PATIENCE)
    assert packets.getvalue()[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1")
    return count


@pytest.mark.parametrize("registry", [True, False], ids=["netns", "no-netns"])
def test_an_ordinary_user_has_the_whole_of_bridge3(registry: bool) -> None:
    def body() -> None:
        assert not os.access("/run", os.W_OK)
        assert not app.doctor(BRIDGE3).lacking
        all_of_bridge3()

    on_made_up_machine(body, "user", registry, timeout=120)


@several_users
def test_without_a_runtime_directory_either() -> None:
    def body() -> None:
        before = machine()
        Path(os.environ["XDG_RUNTIME_DIR"], "stage").mkdir(exist_ok=True)
        runtime = os.environ.pop("XDG_RUNTIME_DIR")
        place = Path(f"/tmp/netlab-{os.geteuid()}")
        assert not place.exists()
        assert app.apply(BRIDGE3).outcome == "applied"
        assert place.stat().st_mode & 0o777 == 0o700
        assert app.check("bridge3").ok
        assert [status.state for status in app.status()] == ["up"]
        app.destroy("bridge3")
        assert not place.exists()
        os.environ["XDG_RUNTIME_DIR"] = runtime
        assert machine() == before

    in_a_private_tmp(body)


def in_a_private_tmp(body: Callable[[], None], user: User = "user") -> None:
    """Call a function on a made-up machine whose /tmp is its own, as everybody's /tmp is."""

    def first() -> None:
        # The checkout itself, or its Python, may lie in /tmp.
        paths = [path for path in (sys.base_prefix, sys.prefix, str(PROJECT)) if path.startswith("/tmp/")]
        # The outer first: the inner may come with it.
        held = {path: os.open(path, os.O_PATH) for path in sorted(paths, key=len)}
        mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777")
        for path, fd in held.items():
            if not Path(path).exists():
                Path(path).mkdir(parents=True)
                mount(f"/proc/self/fd/{fd}", path, "none", MS_BIND | MS_REC)
            os.close(fd)
        if user == "user":
            open_to_everybody()
            become(NOBODY)
        body()

    on_made_up_machine(first)


def become(user: int) -> None:
    """Be another user for good, with a runtime directory of one's own."""
    runtime = Path(f"/run/user/{user}")
    if os.geteuid() == 0:
        runtime.mkdir(parents=True, exist_ok=True)
        os.chown(runtime, user, user)
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        own_proc_files()
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)


def netlab(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netlab", *words]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_the_machine_itself_is_refused_to_a_user() -> None:
    def body() -> None:
        before = machine()
        with pytest.raises(UsageError, match=r"only root can apply to the machine itself\n  fix: "):
            app.apply(BRIDGE3, sandbox=False)
        with pytest.raises(UsageError, match="only root"):
            app.plan(BRIDGE3, sandbox=False)
        assert machine() == before
        assert app.status() == ()

    on_made_up_machine(body, "user")


@pytest.mark.parametrize("kind", ["user", "net", "mnt", "pid"])
def test_without_namespaces_it_says_what_is_missing(kind: str) -> None:
    def body() -> None:
        before = machine()
        enter_user_namespace(1000)
        Path(f"/proc/sys/user/max_{kind}_namespaces").write_text("0")
        with pytest.raises(Unavailable) as lacking:
            app.apply(BRIDGE3)
        (problem,) = lacking.value.problems()
        assert problem.what == f"this machine allows no {kind} namespaces: user.max_{kind}_namespaces is 0"
        assert problem.fix == f"sudo sysctl -w user.max_{kind}_namespaces=15000"
        assert app.status() == ()
        if kind in ("user", "net"):
            assert "network namespaces" in app.doctor(BRIDGE3).lacking
        done = netlab("apply", BRIDGE3, "--json")
        assert done.returncode == 1
        (told,) = json.loads(done.stdout)["problems"]
        assert told["what"] == problem.what
        assert machine() == before

    on_made_up_machine(body, "user")


CAPABILITIES = [
    ("-net_admin", True),  # a user namespace gives it
    ("-net_admin,-sys_admin", True),
    ("-all", False),  # user_namespaces(7): without CAP_SETFCAP nobody may map root
]


@pytest.mark.parametrize(("bounds", "works"), CAPABILITIES)
def test_root_without_rights_works_in_a_sandbox_or_is_told(bounds: str, works: bool) -> None:
    def body() -> None:
        path = write("hello.yml", HELLO)
        before = machine()
        drop = ["setpriv", f"--bounding-set={bounds}", f"--inh-caps={bounds}"]
        script = (
            "from netlab import app\n"
            "from netlab.errors import NetlabError\n"
            "try:\n"
            f"    done = app.apply({path!r})\n"
            "    print(done.outcome, done.sandboxed, app.check('hello').ok)\n"
            "    app.destroy('hello')\n"
            "except NetlabError as error:\n"
            "    print(error)\n"
        )
        done = subprocess.run(
            [*drop, sys.executable, "-c", script],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.stderr == ""
        if works:
            assert done.stdout == "applied True True\n"
        else:
            assert "may not make namespaces" in done.stdout
            assert "\n  fix: " in done.stdout
        assert machine() == before

    on_made_up_machine(body)


def test_root_of_a_user_namespace_has_no_right_to_the_machine() -> None:
    def body() -> None:
        # As by `unshare -r`: every capability, and none over the network outside.
        before = machine()
        enter_user_namespace(0)
        with pytest.raises(UsageError, match="only root can apply"):
            app.apply(BRIDGE3, sandbox=False)
        done = app.apply(BRIDGE3)
        assert (done.outcome, done.sandboxed) == ("applied", True)
        assert app.check("bridge3").ok
        app.destroy("bridge3")
        assert machine() == before

    on_made_up_machine(body, "user")


def as_user(user: int, function: Callable[[], None]) -> None:
    """Call a function in a child that is another user."""

    def other() -> None:
        become(user)
        function()

    in_child(other)


def in_child(function: Callable[[], None]) -> None:
    """Call a function in a child, which is not the first process: nobody's children are not its own."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            function()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    assert reap(child) == 0


@several_users
def test_users_do_not_meet() -> None:
    def body() -> None:
        open_to_everybody()
        os.environ["XDG_RUNTIME_DIR"] = "/run/user/0"
        Path("/run/user/0").mkdir()
        paths = {}
        for user in (1001, 1002):
            paths[user] = f"/run/hello-{user}.yml"
            Path(paths[user]).write_text(HELLO)
            as_user(user, lambda: None)  # who then has a runtime directory
        before = machine()

        def apply_first() -> None:
            assert app.apply(paths[1001]).outcome == "applied"

        def second() -> None:
            assert app.status() == ()
            assert not app.destroy("hello").existed
            for look in (
                lambda: app.execute("hello/ns0", ["true"]),
                lambda: app.drift("hello"),
                lambda: app.check("hello"),
            ):
                with pytest.raises(UsageError, match="no lab 'hello' is up"):
                    look()
            with pytest.raises(OSError, match="Permission denied"):
                os.listdir("/run/user/1001/netlab")
            # A name is its user's own.
            assert app.apply(paths[1002]).outcome == "applied"
            assert app.check("hello").ok
            assert app.destroy("hello").existed

        def first_again() -> None:
            assert [status.state for status in app.status()] == ["up"]
            assert app.check("hello").ok
            app.destroy("hello")

        as_user(1001, apply_first)
        as_user(1002, second)
        # Root may do all that, and does not do it by accident.
        assert app.status() == ()
        assert not app.destroy("hello").existed
        assert app.apply(paths[1001]).outcome == "applied"
        app.destroy("hello")
        as_user(1001, first_again)
        assert machine() == before

    on_made_up_machine(body)


@several_users
@pytest.mark.parametrize("squat", ["other", "link", "file", "open"])
def test_a_squatted_store_is_refused(squat: str) -> None:
    def body() -> None:
        place = Path(f"/tmp/netlab-{NOBODY}")
        if squat == "other":
            place.mkdir(mode=0o777)
        elif squat == "link":
            place.symlink_to("/run")
        elif squat == "file":
            place.write_text("")
        else:
            place.mkdir()
            os.chown(place, NOBODY, NOBODY)
            place.chmod(0o777)

        def user() -> None:
            shutil.rmtree(os.environ.pop("XDG_RUNTIME_DIR"), ignore_errors=True)
            words = {
                "other": "belongs to user 0",
                "link": "symbolic link",
                "file": "not a directory",
                "open": "mode 0777",
            }
            for attempt in (lambda: app.apply(BRIDGE3), app.status, lambda: app.destroy("bridge3")):
                with pytest.raises(Unavailable, match=words[squat]) as refused:
                    attempt()
                assert str(place) in refused.value.what
                assert refused.value.fix

        before = machine()
        as_user(NOBODY, user)
        after = machine()
        assert {**after, "files": []} == {**before, "files": []}

    def first() -> None:
        open_to_everybody()
        body()

    in_a_private_tmp(first, "root")


def descriptors() -> dict[str, str]:
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:  # the one by which we look
            continue
    return found


def namespaces() -> dict[str, str]:
    return {
        f"{task}/{kind}": os.readlink(f"/proc/self/task/{task}/ns/{kind}")
        for task in os.listdir("/proc/self/task")
        for kind in ("net", "mnt", "pid", "pid_for_children", "user")
    }


@pytest.mark.parametrize(("user", "sandbox"), [("root", False), ("root", True), ("user", True)])
def test_calls_leave_the_calling_process_as_it_was(user: User, sandbox: bool) -> None:
    def body() -> None:
        path = write("hello.yml", HELLO)
        everything(path, sandbox)  # imports what there is to import
        before = machine(), descriptors(), namespaces(), os.getcwd(), os.umask(0o022), threading.active_count()
        signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        everything(path, sandbox)
        with pytest.raises(NetlabError):
            app.apply("/nowhere.yml")
        after = machine(), descriptors(), namespaces(), os.getcwd(), os.umask(0o022), threading.active_count()
        assert after == before
        assert {number: signal.getsignal(number) for number in signals} == signals
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    on_made_up_machine(lambda: in_child(body), user, timeout=120)


def everything(path: str, sandbox: bool) -> None:
    """Call every function of the API that touches a lab."""
    app.plan(path, sandbox=sandbox)
    assert app.apply(path, sandbox=sandbox, confirm=600.0).outcome == "applied"
    app.confirm("hello")
    app.apply(path)
    app.status("hello")
    app.drift("hello")
    assert app.check("hello").ok
    app.diagram("hello", format="dot", live=True)
    assert app.execute("hello/ns0", ["true"]) == 0
    app.doctor(path)
    app.destroy("hello")


@pytest.mark.parametrize(("user", "sandbox"), [("root", False), ("root", True), ("user", True)])
def test_a_thread_may_apply_while_others_work(user: User, sandbox: bool) -> None:
    def body() -> None:
        path = write("hello.yml", HELLO)
        before = machine()
        home, stop = os.readlink("/proc/self/ns/net"), threading.Event()
        strayed: list[str] = []
        failed: list[BaseException] = []

        def watch() -> None:
            while not stop.is_set():
                own = os.readlink("/proc/thread-self/ns/net")
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
                    index = len(os.listdir("/proc/self/task")) and datagram.fileno()
                main = os.readlink("/proc/self/ns/net")
                strayed.extend(place for place in (own, main) if place != home or index < 0)

        def work() -> None:
            try:
                for _ in range(3):
                    everything(path, sandbox)
            except BaseException as error:
                failed.append(error)

        watcher, worker = threading.Thread(target=watch), threading.Thread(target=work)
        watcher.start()
        worker.start()
        worker.join(PATIENCE * 2)
        assert not worker.is_alive()
        stop.set()
        watcher.join(PATIENCE)
        if failed:
            raise failed[0]
        assert strayed == []
        assert threading.active_count() == 1
        assert machine() == before

    on_made_up_machine(body, user, timeout=120)
