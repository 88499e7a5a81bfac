"""Ctrl-C where it may stop things, and kept where it may not."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from netlab.app.interrupts import Interrupts


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def held(done: list[str], windows: int = 0, error: Exception | None = None) -> None:
    """Interrupt what is held, with as many windows before; note what was done."""
    with Interrupts() as interrupts:
        for _ in range(windows):
            with contextlib.suppress(KeyboardInterrupt), interrupts.window():
                press()
                done.append("never")
        press()
        done.append("held")
        if error is not None:
            raise error


def made_into_another() -> None:
    """Be interrupted in a library that makes another error of it."""
    try:
        press()
    except KeyboardInterrupt as error:
        raise RuntimeError(repr(error)) from None


def fail() -> None:
    raise RuntimeError("of its own")


def in_a_window(*deeds: Callable[[], None]) -> None:
    """Do the first deed in a window, and go on with the others behind it, be it interrupted or not."""
    with Interrupts() as interrupts:
        if len(deeds) == 1:
            with interrupts.window():
                deeds[0]()
        with contextlib.suppress(KeyboardInterrupt), interrupts.window():
            deeds[0]()
        for deed in deeds[1:]:
            deed()


def test_what_a_library_makes_another_error_of_is_an_interrupt_still() -> None:
    with pytest.raises(KeyboardInterrupt):
        in_a_window(made_into_another)


def test_another_error_is_that_error() -> None:
    with pytest.raises(RuntimeError, match="of its own"):
        in_a_window(press, fail)
    with pytest.raises(RuntimeError, match="of its own"):
        in_a_window(fail)


@pytest.mark.parametrize("windows", [0, 1, 2])
def test_held_until_the_end(windows: int) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        held(done, windows)
    assert done == ["held"]


def test_held_until_the_next_window() -> None:
    done = []
    with Interrupts() as interrupts:
        press()
        with contextlib.suppress(KeyboardInterrupt), interrupts.window():
            done.append("never")
        done.append("after")
    assert done == ["after"]


def test_another_error_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        held([], error=ZeroDivisionError())


def test_what_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupts() as interrupts:
        press()
        with interrupts.window():
            press()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_in_another_thread_it_does_nothing() -> None:
    done = []

    def work() -> None:
        with Interrupts() as interrupts, interrupts.window():
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]
