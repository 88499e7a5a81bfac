"""The door of programs on the real kernel: on a made-up machine, and in sandboxes on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from netlab.facts import Program
from netlab.namespaces import Sandbox, make_sandbox, namespace_inode, namespace_path, own_namespace, run_inside
from netlab.namespaces.processes import await_ends, namespace_of, process_of, reap
from netlab.namespaces.syscalls import CLONE_NEWPID, unshare
from netlab.plan.steps import Action, Reading, Scope, Step, StepRefused
from netlab.runtime import ProgramDoor, end_all, log_path
from tests.kernel.made_up_machine import User, left_processes, on_made_up_machine

pytestmark = pytest.mark.kernel

LAB = "running"
T = TypeVar("T")
Here = Callable[[Callable[[bool], None]], None]


def logs() -> Path:
    return Path(os.environ["XDG_RUNTIME_DIR"], "logs")


def door(machine: bool = True, lab: str = LAB) -> ProgramDoor:
    return ProgramDoor(lab, machine, logs())


def read(of: ProgramDoor, lab: str = LAB) -> Reading:
    return of.read(Scope(lab, machine=True))


def create(*programs: Program) -> list[Step]:
    return [Step(Action.CREATE, program) for program in programs]


def delete(*programs: Program) -> list[Step]:
    return [Step(Action.DELETE, program) for program in programs]


def add_node(name: str, lab: str = LAB) -> None:
    subprocess.run(["ip", "netns", "add", namespace_path(lab, name).name], check=True, timeout=20)


def pid_of(reading: Reading, program: Program) -> int:
    return int(reading.observed[program.key]["pid"])


def log_of(program: Program) -> Path:
    return log_path(logs(), program.node, program.command)


def until(condition: Callable[[], T], seconds: float = 10.0) -> T:
    """Look again and again until there is something; a program says nothing to its starter, so there is no event."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not come"
        os.sched_yield()
    return found


def bury() -> None:
    """Bury the dead, as the first process of a machine does."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


@pytest.fixture(params=["machine as root", "sandbox as root", "sandbox as user"])
def here(request: pytest.FixtureRequest) -> Here:
    """Give what calls a function where a lab's host is, and tells it whether that is the machine."""
    where, _, who = str(request.param).partition(" as ")
    user: User = "user" if who == "user" else "root"

    def call(function: Callable[[bool], None]) -> None:
        def body() -> None:
            if where == "machine":
                try:
                    function(True)
                finally:
                    end_all(LAB)
                    bury()
                return
            with make_sandbox(LAB) as pending:
                run_inside(pending.sandbox, lambda: function(False))

        on_made_up_machine(body, user)

    return call


def test_a_program_runs_in_its_node_and_is_read_back(here: Here) -> None:
    listen = Program("ns0", "echo up; echo wrong >&2; sleep 1000")
    quoted = Program("ns0", """sh -c 'echo "$0 \\"$1\\"" "a  b"' x y; exec sleep 999""")
    hosted = Program("host", "sleep 1000")

    def body(machine: bool) -> None:
        add_node("ns0")
        programs = door(machine)
        assert read(programs) == Reading({})
        programs.do(create(listen, quoted, hosted))
        reading = read(programs)
        assert set(reading.facts.values()) == {listen, quoted, hosted}
        assert reading.facts[listen.key] == listen
        node = namespace_inode(namespace_path(LAB, "ns0"))
        assert namespace_of(pid_of(reading, listen), "net") == node
        assert namespace_of(pid_of(reading, hosted), "net") == own_namespace() != node
        log = Path(reading.observed[listen.key]["log"])
        assert log == log_of(listen)
        assert until(lambda: log.read_text() if log.read_text().count("\n") == 2 else "") == "up\nwrong\n"
        assert log.stat().st_mode & 0o777 == 0o600
        assert until(log_of(quoted).read_text) == 'x "y" a  b\n'
        leader = process_of(pid_of(reading, listen))
        assert leader is not None
        assert leader.session == leader.group == leader.pid
        assert os.readlink(f"/proc/{leader.pid}/fd/0") == "/dev/null"
        assert {int(fd) for fd in os.listdir(f"/proc/{leader.pid}/fd")} == {0, 1, 2}
        programs.do(delete(listen))
        assert set(read(programs).facts.values()) == {quoted, hosted}
        programs.do(delete(listen, quoted, hosted))  # what is gone already is a success
        assert read(programs) == Reading({})
        programs.do(create(listen))
        assert until(lambda: log.read_text() if log.read_text().count("\n") == 4 else "") == "up\nwrong\n" * 2
        programs.close()

    here(body)


def test_a_program_that_ended_is_absent(here: Here) -> None:
    brief = Program("host", "echo done")

    def body(machine: bool) -> None:
        programs = door(machine)
        programs.do(create(brief))
        ended = "netlab: ended, exit code 0\n"
        assert until(lambda: log if (log := log_of(brief).read_text()).endswith(ended) else "") == f"done\n{ended}"
        assert until(lambda: not read(programs).facts)

    here(body)


def test_the_whole_session_ends_even_where_it_ignores_sigterm(here: Here) -> None:
    deaf = Program("host", "trap '' TERM; echo deaf; sleep 1000 & while :; do sleep 1000; done")
    # What overwrites its own environment, as programs that set a title do, is still a member of its session.
    titled = Program("host", f"{sys.executable} -S -c \"import os; os.execve('/bin/sleep', ['sleep', '1001'], {{}})\"")

    def body(machine: bool) -> None:
        programs = door(machine)
        programs.do(create(deaf, titled))
        until(log_of(deaf).read_text)
        until(lambda: any("1001" in line.split()[-1] and "python" not in line for line in left_processes()))
        assert set(read(programs).facts.values()) == {deaf, titled}
        started = time.monotonic()
        programs.do(delete(deaf, titled))
        assert 1.5 < time.monotonic() - started < 4.5
        assert not any("sleep" in line for line in left_processes())

    here(body)


def test_only_the_labs_own_programs_count_and_end(here: Here) -> None:
    """Labs `a` with node `b-c` and `a-b` with node `c` share the registered name's form, and nothing else."""
    mine, theirs = Program("b-c", "sleep 1000"), Program("c", "sleep 1000")

    def body(machine: bool) -> None:
        add_node("b-c", "a")  # registered as a-b-c, as node c of lab a-b would be
        first, second = door(machine, "a"), door(machine, "a-b")
        first.do(create(mine))
        second.do(create(theirs))
        assert list(read(first, "a").facts.values()) == [mine]
        assert list(read(second, "a-b").facts.values()) == [theirs]
        end_all("a")
        end_all("a")
        assert list(read(first, "a").facts.values()) == []
        assert list(read(second, "a-b").facts.values()) == [theirs]
        second.do(delete(theirs))

    here(body)


def test_what_was_left_in_a_namespace_that_is_gone_is_no_fact_and_ends_with_the_next_start() -> None:
    program = Program("ns0", "sleep 1000")

    def body() -> None:
        add_node("ns0")
        door().do(create(program))
        left = os.pidfd_open(pid_of(read(door()), program))
        subprocess.run(["ip", "netns", "delete", f"{LAB}-ns0"], check=True, timeout=20)
        assert read(door()).facts == {}
        add_node("ns0")
        assert read(door()).facts == {}
        door().do(create(program))
        assert not await_ends([left], 0.0)
        assert list(read(door()).facts.values()) == [program]
        end_all(LAB)
        bury()

    on_made_up_machine(body)


def test_a_node_that_is_not_there_is_refused_by_step() -> None:
    def body() -> None:
        missing, present = Program("ns1", "sleep 1000"), Program("host", "sleep 1000")
        with pytest.raises(StepRefused) as refused:
            door().do(create(present, missing))
        assert refused.value.step.fact == missing
        assert refused.value.number == 2
        assert list(read(door()).facts.values()) == [present]
        end_all(LAB)
        bury()

    on_made_up_machine(body)


def test_a_program_dies_with_its_sandbox_and_outlives_its_starter() -> None:
    program = Program("host", "sleep 1000")

    def start() -> int:
        door(machine=False).do(create(program))
        return pid_of(read(door(machine=False)), program)

    def body() -> None:
        with make_sandbox(LAB) as pending:
            sandbox: Sandbox = pending.sandbox
            pid = run_inside(sandbox, start)
            assert run_inside(sandbox, lambda: pid_of(read(door(machine=False)), program)) == pid
            # The machine's own lab of that name is another one: a sandbox's processes are not its programs.
            assert read(door()).facts == {}
            end_all(LAB)
            assert run_inside(sandbox, lambda: pid_of(read(door(machine=False)), program)) == pid
            os.kill(sandbox.pid, signal.SIGKILL)

    on_made_up_machine(body)


def test_programs_are_found_and_ended_where_proc_shows_another_pid_namespaces_numbers() -> None:
    """As in a sandbox in a masked container, which cannot mount a /proc of its own."""
    program = Program("host", "sleep 1000")

    def inner() -> None:
        assert os.readlink("/proc/self") != str(os.getpid())
        door().do(create(program))
        assert list(read(door()).facts.values()) == [program]
        door().do(delete(program))
        assert read(door()).facts == {}

    def body() -> None:
        child = os.fork()
        if child == 0:
            unshare(CLONE_NEWPID)
            first = os.fork()
            if first == 0:
                try:
                    inner()
                    os._exit(0)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
            os._exit(reap(first))
        assert reap(child) == 0

    on_made_up_machine(body)


def test_other_users_processes_on_the_machine_are_not_ours() -> None:
    """A mark in an environment is easily forged; another user's process is never ended by it."""
    if os.geteuid() != 0:
        pytest.skip("needs two users")
    program = Program("host", "sleep 1000")

    def body() -> None:
        process = subprocess.Popen(
            ["sleep", "1000"],
            env={"NETLAB_PROGRAM": f"{LAB}/host", "NETLAB_COMMAND": program.command},
            start_new_session=True,
            user=65534,
        )
        assert read(door()).facts == {}
        end_all(LAB)
        assert process.poll() is None
        assert list(read(door(machine=False)).facts.values()) == [program]
        process.kill()
        process.wait(10)

    on_made_up_machine(body)


def test_a_program_that_has_ended_is_told_with_the_end_of_its_log(here: Here) -> None:
    ends = Program("host", "echo one; echo two; echo three; echo four; echo five >&2; exit 7")

    def body(machine: bool) -> None:
        programs = door(machine)
        programs.do(create(ends))
        reading = until(lambda: found if "said" in (found := read(programs)).observed.get(ends.key, {}) else None)
        until(lambda: b"ended" in log_of(ends).read_bytes())
        reading = read(programs)
        assert reading.facts == {}
        assert reading.observed[ends.key]["log"] == str(log_of(ends))
        assert reading.observed[ends.key]["said"] == ("two", "three", "four", "five", "netlab: ended, exit code 7")
        assert read(door(machine)).observed == {}, "another door knows nothing of it"

    here(body)
