"""The lock: one holder at a time, free when the holder lets go, dies, or is outlived by its children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netlab.errors import Busy
from netlab.store import Store

PATIENCE = 20.0

#: Takes the lock, says so, and does what it is told until its input ends.
HOLDER = """
import os, subprocess, sys
from pathlib import Path
from netlab.store import Store
with Store(Path(sys.argv[1]), 1).lock("demo", wait=10):
    child = None
    if sys.argv[2] == "fork":
        if os.fork() == 0:
            sys.stdin.read()
            os._exit(0)
    if sys.argv[2] == "exec":
        subprocess.Popen(["cat"], stdout=subprocess.DEVNULL, close_fds=False)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "netlab", 1)


@contextmanager
def holder(tmp_path: Path, children: str = "none") -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "netlab"), children]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()
            assert process.stdin is not None
            process.stdin.close()


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path, store: Store) -> None:
    with holder(tmp_path) as process, pytest.raises(Busy) as caught, store.lock("demo"):
        pass
    assert f"lab demo is locked by process {process.pid} ({sys.executable}" in str(caught.value)


def test_other_labs_are_free(tmp_path: Path, store: Store) -> None:
    with holder(tmp_path), store.lock("another"):
        pass


def test_one_who_waits_gets_it_when_the_holder_lets_go(tmp_path: Path, store: Store) -> None:
    with holder(tmp_path) as process:
        assert process.stdin is not None
        timer = threading.Timer(0.1, process.stdin.close)
        timer.start()
        with store.lock("demo", wait=PATIENCE):
            assert process.wait(PATIENCE) == 0
        timer.join()


@pytest.mark.parametrize("children", ["none", "exec", "fork"])
def test_a_holder_that_is_killed_holds_nothing_nor_do_its_children(tmp_path: Path, store: Store, children: str) -> None:
    with holder(tmp_path, children) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
        # The children live on, waiting for input; a forked one needs a moment to close its copy of the descriptor.
        with store.lock("demo", wait=PATIENCE):
            assert process.stdin is not None
            assert not process.stdin.closed


def test_a_forked_child_does_not_free_its_parents_lock(tmp_path: Path, store: Store) -> None:
    with store.lock("demo"):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        with pytest.raises(Busy), Store(tmp_path / "netlab", 1).lock("demo"):
            pass


def test_the_last_holder_leaves_nothing(tmp_path: Path, store: Store) -> None:
    with store.lock("demo"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_lock_stays_with_a_lab_that_is_remembered(tmp_path: Path, store: Store) -> None:
    with store.lock("demo"):
        store.begin("demo", {})
    assert store.pending("demo") == {}
    with store.lock("demo"):
        store.end("demo")
    assert list(tmp_path.iterdir()) == []


def test_many_who_come_and_go_are_never_inside_together(store: Store) -> None:
    """Each removes the lock file and its directory on leaving, while others wait for the very same file."""
    inside: list[int] = []
    most: list[int] = []

    def visit() -> None:
        for _ in range(25):
            with store.lock("demo", wait=PATIENCE):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(most) == 100
    assert set(most) == {1}
