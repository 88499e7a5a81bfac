"""Node namespaces and sandboxes on the real kernel, as root and as an ordinary user, each on a made-up machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from netlab.errors import Busy, FileError, NetlabError, Problem, Span, Unavailable
from netlab.names import mark
from netlab.namespaces import (
    Sandbox,
    end_sandbox,
    enter_sandbox,
    find_sandboxes,
    is_alive,
    is_namespace,
    loopback_alias,
    make_sandbox,
    namespace_inode,
    namespace_path,
    open_namespace,
    own_namespace,
    prepare_directory,
    run_inside,
    set_loopback_alias,
)
from netlab.namespaces.processes import await_ends, process_of, reap
from netlab.namespaces.syscalls import CLONE_NEWNET, CLONE_NEWUSER, die_with_parent, setns, unshare
from tests.kernel.made_up_machine import (
    NOBODY,
    User,
    enter_user_namespace,
    left_processes,
    on_made_up_machine,
    open_to_everybody,
)

pytestmark = pytest.mark.kernel

LAB = "held"
both_users = pytest.mark.parametrize("user", ["root", "user"])


def output_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


def kept(lab: str = LAB) -> Sandbox:
    with make_sandbox(lab) as pending:
        pending.keep()
        return pending.sandbox


def ends(pidfd: int, seconds: float = 5.0) -> bool:
    try:
        return not await_ends([pidfd], time.monotonic() + seconds)
    finally:
        os.close(pidfd)


def start_sleeper() -> int:
    """Start a process that outlives whoever calls this, and give its pid."""
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True, stdin=subprocess.DEVNULL)
    process.returncode = 0  # it is not waited for: what reaps it is the first process of the pid namespace
    return process.pid


def fork(function: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            die_with_parent()
            function()
        finally:
            os._exit(0)
    return pid


@both_users
@pytest.mark.parametrize("registry", [True, False])
def test_a_sandbox_is_a_machine_of_its_own(user: User, registry: bool) -> None:
    def body() -> None:
        store = Path(os.environ["XDG_RUNTIME_DIR"], "store")
        store.write_text("before")
        with make_sandbox(LAB) as pending:
            sandbox = pending.sandbox
            assert is_alive(sandbox)
            assert (sandbox.user is None) == (user == "root")
            assert len({sandbox.net, own_namespace()}) == 2

            def inside() -> dict[str, object]:
                (loopback,) = json.loads(output_of("ip", "-j", "link"))
                output_of("ip", "netns", "add", "held-ns0")
                store.write_text(store.read_text() + " and after")
                return {
                    "net": own_namespace(),
                    "lo": (loopback["ifname"], loopback["ifalias"]),
                    "user": os.geteuid(),
                    "mtu": output_of("ip", "netns", "exec", "held-ns0", "cat", "/sys/class/net/lo/mtu").strip(),
                    "registered": is_namespace(namespace_path(LAB, "ns0")),
                    "parent sees": os.getppid(),
                    "first": Path("/proc/1/cmdline").read_bytes().split(b"\0")[4:6],
                    "self": int(os.readlink("/proc/self")) == os.getpid(),
                    "devices": os.listdir("/sys/class/net"),
                }

            assert run_inside(sandbox, inside) == {
                "net": sandbox.net,
                "lo": ("lo", mark(LAB, "host")),
                "user": 0,
                "mtu": "65536",
                "registered": True,
                "parent sees": 0,
                "first": [b"netlab-holder", LAB.encode()],
                "self": True,
                "devices": ["lo"],
            }
            assert store.read_text() == "before and after"
            assert Path("/run/netns").exists() == registry
            assert not registry or not os.listdir("/run/netns")
            # The same sandbox is entered again: what was made is still there.
            assert run_inside(sandbox, lambda: os.listdir("/run/netns")) == ["held-ns0"]
        assert not is_alive(sandbox)
        assert not left_processes()

    on_made_up_machine(body, user, registry)


@both_users
def test_a_sandbox_is_found_without_the_store_by_its_mark(user: User) -> None:
    def body() -> None:
        assert find_sandboxes() == ()
        first, second = kept(), kept("other")
        with make_sandbox("pending"):  # it is nobody's yet, and may end any moment
            assert find_sandboxes() == ((LAB, first), ("other", second))
        # A name is no proof: the holder of a lab that its namespace is not marked for is nobody's.
        run_inside(second, lambda: set_loopback_alias(mark("another", "host")))
        assert find_sandboxes() == ((LAB, first),)
        assert Sandbox.from_json(json.loads(json.dumps(first.to_json()))) == first
        end_sandbox(first)
        end_sandbox(second)

    on_made_up_machine(body, user)


def test_machines_that_share_their_processes_do_not_find_each_others_sandboxes() -> None:
    def body() -> None:
        sandbox = kept()
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        unshare(CLONE_NEWNET)
        assert find_sandboxes(everybody=True) == ()
        setns(home, CLONE_NEWNET)
        os.close(home)
        assert find_sandboxes() == ((LAB, sandbox),)
        end_sandbox(sandbox)

    on_made_up_machine(body, "root" if os.geteuid() == 0 else "user")


def test_root_finds_and_ends_a_users_sandbox_but_does_not_enter_it() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs two users")

    def body() -> None:
        reading, writing = os.pipe()

        def as_user() -> None:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, json.dumps(kept().to_json()).encode())

        open_to_everybody()
        reap(fork(as_user))
        assert find_sandboxes() == ()  # a name is its user's own
        ((lab, sandbox),) = find_sandboxes(everybody=True)
        assert lab == LAB
        assert sandbox == Sandbox.from_json(json.loads(os.read(reading, 4096)))
        with pytest.raises(Unavailable, match="another user's"):
            run_inside(sandbox, os.getpid)
        end_sandbox(sandbox)

    on_made_up_machine(body)


@both_users
def test_a_holder_ends_with_a_maker_that_is_killed_before_the_store_names_it(user: User) -> None:
    def body() -> None:
        reading, writing = os.pipe()

        def make() -> None:
            with make_sandbox(LAB) as pending:
                os.write(writing, b"%d" % pending.sandbox.pid)
                signal.pause()

        maker = fork(make)
        holder = int(os.read(reading, 16))
        pidfd = os.pidfd_open(holder)
        assert await_ends([pidfd], 0.0), "the holder lives as long as its maker"
        os.kill(maker, signal.SIGKILL)
        assert ends(pidfd)
        reap(maker)
        assert find_sandboxes() == ()

    on_made_up_machine(body, user)


@both_users
def test_a_kept_holder_outlives_its_maker_and_owes_it_nothing(user: User) -> None:
    def body() -> None:
        reading, writing = os.pipe()
        own_session = os.getsid(0)

        def make() -> None:
            os.write(writing, json.dumps(kept().to_json()).encode())

        reap(fork(make))
        sandbox = Sandbox.from_json(json.loads(os.read(reading, 4096)))
        assert is_alive(sandbox)
        pid = sandbox.pid
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        assert int(fields[3]) != own_session  # the session
        assert fields[4] == "0"  # no terminal
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        streams = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)}
        assert streams == {"/dev/null"}
        deadline = time.monotonic() + 5.0
        # Its interpreter starts, reads it, and it reads the word; then it holds nothing but what it obeys by.
        while len(os.listdir(f"/proc/{pid}/fd")) != 4 and time.monotonic() < deadline:
            os.sched_yield()
        (other,) = (os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd") if int(fd) > 2)
        assert other == "anon_inode:[signalfd]"
        assert b"SECRET" not in Path(f"/proc/{pid}/environ").read_bytes()
        end_sandbox(sandbox)
        end_sandbox(sandbox)  # what is gone is a success

    os.environ["NETLAB_TEST"] = "SECRET"
    try:
        on_made_up_machine(body, user)
    finally:
        del os.environ["NETLAB_TEST"]


@both_users
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("inside", [False, True])
def test_a_holder_obeys(user: User, number: signal.Signals, inside: bool) -> None:
    def body() -> None:
        sandbox = kept()
        pidfd = os.pidfd_open(sandbox.pid)

        def end_from_inside() -> None:
            os.kill(1, number)
            signal.pause()

        if inside:
            with pytest.raises(NetlabError):  # the worker dies with the holder, before it can answer
                run_inside(sandbox, end_from_inside)
        else:
            os.kill(sandbox.pid, number)
        assert ends(pidfd)
        assert not is_alive(sandbox)

    on_made_up_machine(body, user)


@both_users
def test_a_pending_holder_obeys_too(user: User) -> None:
    def body() -> None:
        with make_sandbox(LAB) as pending:
            pidfd = os.pidfd_open(pending.sandbox.pid)
            os.kill(pending.sandbox.pid, signal.SIGTERM)
            assert ends(pidfd)
            with pytest.raises(Unavailable, match="ended while"):
                pending.keep()

    on_made_up_machine(body, user)


@both_users
def test_everything_in_a_sandbox_dies_with_its_holder(user: User) -> None:
    def body() -> None:
        with make_sandbox(LAB) as pending:
            sandbox = pending.sandbox
            run_inside(sandbox, start_sleeper)
            (sleeper,) = (line for line in left_processes() if "sleep" in line)
            pidfd = os.pidfd_open(int(sleeper.split()[0]))
            assert await_ends([pidfd], 0.0)
            os.kill(sandbox.pid, signal.SIGKILL)
            assert ends(pidfd)
            assert not is_alive(sandbox)
            with pytest.raises(Unavailable, match="gone"):
                run_inside(sandbox, os.getpid)

    on_made_up_machine(body, user)


@both_users
def test_orphans_in_a_sandbox_leave_no_zombies(user: User) -> None:
    def body() -> None:
        def end(pid: int) -> bool:
            pidfd = os.pidfd_open(pid)
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + 5.0
            # It is buried a moment after it has ended; a zombie would stay.
            return ends(pidfd) and any(
                process_of(pid) is None for _ in iter(lambda: time.monotonic() < deadline, False)
            )

        with make_sandbox(LAB) as pending:
            orphan = run_inside(pending.sandbox, start_sleeper)
            assert run_inside(pending.sandbox, lambda: end(orphan))

    on_made_up_machine(body, user)


@both_users
def test_a_holder_costs_less_than_8_mb(user: User) -> None:
    def body() -> None:
        with make_sandbox(LAB) as pending:
            path = Path(f"/proc/{pending.sandbox.pid}/smaps_rollup")
            sizes = dict(line.split()[:2] for line in path.read_text().splitlines()[1:])
            assert int(sizes["Pss:"]) < 8 * 1024
            assert int(sizes["Private_Dirty:"]) < 4 * 1024

    on_made_up_machine(body, user)


def test_end_sandbox_ends_no_other_process_and_names_who_keeps_it() -> None:
    def body() -> None:
        with make_sandbox(LAB) as pending:
            sandbox = pending.sandbox
            # The same pid with another start time is another process.
            stranger = Sandbox(sandbox.pid, sandbox.start_time + 1, 1, 2, 3)
            end_sandbox(stranger)
            assert is_alive(sandbox)
            reading, writing = os.pipe()

            def visit() -> None:
                with open(f"/proc/{sandbox.pid}/ns/net") as file:
                    setns(file.fileno(), CLONE_NEWNET)
                os.write(writing, b"in")
                signal.pause()

            visitor = fork(visit)
            os.read(reading, 2)
            with pytest.raises(Busy, match=f"process {visitor} is inside"):
                end_sandbox(sandbox, timeout=0.2)
            assert not is_alive(sandbox)
            os.kill(visitor, signal.SIGKILL)
            reap(visitor)

    on_made_up_machine(body)


@both_users
def test_run_inside_gives_what_the_function_returns_or_raises(user: User) -> None:
    span = Span("a.yml", 3, 5, 9)
    problem = Problem("bad", "is bad", span, "do better", "error", "  ns0: br9")

    def raising(error: BaseException) -> Callable[[], None]:
        def function() -> None:
            raise error

        return function

    def body() -> None:
        with make_sandbox(LAB) as pending:
            sandbox = pending.sandbox
            big = run_inside(sandbox, lambda: bytes(3_000_000))
            assert big == bytes(3_000_000)
            os.chdir(os.environ["XDG_RUNTIME_DIR"])
            assert run_inside(sandbox, os.getcwd) == os.environ["XDG_RUNTIME_DIR"]
            with pytest.raises(FileError) as wrong:
                run_inside(sandbox, raising(FileError([problem])))
            assert wrong.value.problems() == (problem,)
            assert str(wrong.value) == str(problem)
            with pytest.raises(Unavailable, match="no veth\n  fix: load it"):
                run_inside(sandbox, raising(Unavailable("no veth", "load it")))
            for error in (SystemExit(3), KeyboardInterrupt(), OSError(2, "none", "file")):
                with pytest.raises(type(error)) as same:
                    run_inside(sandbox, raising(error))
                assert same.value.args[:2] == error.args[:2]
            with pytest.raises(ZeroDivisionError) as noted:
                run_inside(sandbox, lambda: 1 // 0)
            assert "test_namespaces.py" in noted.value.__notes__[0]
            with pytest.raises(TypeError, match="cannot be sent"):
                run_inside(sandbox, lambda: sys.stdout)
            with pytest.raises(NetlabError, match="killed by SIGKILL before it was done"):
                run_inside(sandbox, lambda: os.kill(os.getpid(), signal.SIGKILL))
            with pytest.raises(NetlabError, match="ended with exit code 7"):
                run_inside(sandbox, lambda: os._exit(7))
        assert run_inside(None, os.getpid) == os.getpid()

    on_made_up_machine(body, user)


def test_run_inside_does_not_wait_for_what_the_function_left_behind() -> None:
    def body() -> None:
        with make_sandbox(LAB) as pending:

            def leave() -> int:
                pid = os.fork()
                if pid == 0:
                    signal.pause()  # holds the answer's pipe open, as any child does that execs nothing
                return pid

            assert run_inside(pending.sandbox, leave) > 0

    on_made_up_machine(body)


@pytest.mark.parametrize("group", [False, True])
def test_an_interrupt_reaches_the_worker_once_and_the_caller_waits_for_it(group: bool) -> None:
    def body() -> None:
        with make_sandbox(LAB) as pending:
            reading, writing = os.pipe()
            heard_reading, heard = os.pipe()

            def work() -> None:
                try:
                    os.write(writing, b"go")
                    signal.pause()
                except KeyboardInterrupt:
                    # A second one would come at once: it would cut this wait.
                    assert os.read(heard_reading, 1) == b"x"
                    os.write(writing, b"undone")
                    raise

            def call() -> None:
                os.setpgid(0, 0)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                try:
                    run_inside(pending.sandbox, work)
                except KeyboardInterrupt:
                    os.write(writing, b" raised")
                finally:
                    os._exit(0)

            caller = fork(call)
            assert os.read(reading, 2) == b"go"
            (os.killpg if group else os.kill)(caller, signal.SIGINT)
            pidfd = os.pidfd_open(caller)
            assert await_ends([pidfd], time.monotonic() + 0.3), "the caller waits for the worker"
            os.write(heard, b"x")
            assert ends(pidfd)
            assert os.read(reading, 64) == b"undone raised"
            reap(caller)

    on_made_up_machine(body)


def test_a_worker_dies_with_a_caller_that_is_killed() -> None:
    def body() -> None:
        with make_sandbox(LAB) as pending:
            reading, writing = os.pipe()

            def work() -> None:
                os.write(writing, b"go")
                signal.pause()

            caller = fork(lambda: run_inside(pending.sandbox, work))
            assert os.read(reading, 2) == b"go"
            os.close(writing)
            os.kill(caller, signal.SIGKILL)
            reap(caller)
            assert os.read(reading, 1) == b"", "the worker held the pipe's last end"

    on_made_up_machine(body)


def test_a_process_with_threads_does_not_enter() -> None:
    def body() -> None:
        with make_sandbox(LAB) as pending:
            stop = threading.Event()
            thread = threading.Thread(target=stop.wait)
            thread.start()
            with pytest.raises(AssertionError, match="2 threads"):
                enter_sandbox(pending.sandbox)
            # run_inside forks, and only the forking thread goes along.
            assert run_inside(pending.sandbox, own_namespace) == pending.sandbox.net
            stop.set()
            thread.join()

    on_made_up_machine(body)


def test_without_user_namespaces_it_says_what_to_type() -> None:
    def body() -> None:
        enter_user_namespace(1000)
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        with pytest.raises(Unavailable) as lacking:
            make_sandbox(LAB)
        assert "user.max_user_namespaces is 0" in lacking.value.what
        assert lacking.value.fix == "sudo sysctl -w user.max_user_namespaces=15000"

    on_made_up_machine(body)


def test_a_holder_that_cannot_be_started_is_reported() -> None:
    def body() -> None:
        sys.executable = "/nowhere/python"
        with pytest.raises(Unavailable, match="starting the holder: No such file"):
            make_sandbox(LAB)

    on_made_up_machine(body)


@pytest.mark.parametrize("registry", [True, False])
def test_node_namespaces_are_those_of_iproute2(registry: bool) -> None:
    def body() -> None:
        prepare_directory()
        prepare_directory()
        mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if " /run/netns " in line]
        assert len(mounts) == 1
        assert "shared:" in mounts[0]
        output_of("ip", "netns", "add", "held-ns0")
        path = namespace_path(LAB, "ns0")
        fd = open_namespace(LAB, "ns0")
        assert is_namespace(path)
        assert namespace_inode(fd) == namespace_inode(path) != own_namespace()
        inside: list[int] = []

        def enter() -> None:
            setns(fd, CLONE_NEWNET)
            inside.append(own_namespace())
            set_loopback_alias(mark(LAB, "ns0"))
            inside.append(loopback_alias() == mark(LAB, "ns0"))

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert inside == [namespace_inode(fd), True]
        assert loopback_alias() == ""
        os.close(fd)
        output_of("ip", "netns", "delete", "held-ns0")
        path.touch()  # what a kill between the file and its mount leaves
        assert not is_namespace(path)
        with pytest.raises(FileNotFoundError, match="not a network namespace"):
            open_namespace(LAB, "ns0")
        with pytest.raises(FileNotFoundError):
            open_namespace(LAB, "ns1")

    on_made_up_machine(body, registry=registry)


def test_refused_calls_say_which_and_why() -> None:
    with pytest.raises(OSError, match="Invalid argument: 'unshare'"):
        unshare(-1)
    with pytest.raises(OSError, match="Bad file descriptor: 'setns'"):
        setns(-1, CLONE_NEWUSER)
