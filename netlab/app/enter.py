"""Commands that work from inside a node: exec, shell, capture."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import BinaryIO

from netlab.app.look import open_node
from netlab.app.targets import existing
from netlab.app.world import World
from netlab.errors import UsageError
from netlab.namespaces.programs import run_foreground


def split_place(place: str) -> tuple[str | None, str]:
    """Turn `[LAB/]NODE` into (lab or None, node); raises UsageError.

    >>> split_place("bridge3/ns0"), split_place("ns0")
    (('bridge3', 'ns0'), (None, 'ns0'))
    """
    lab, slash, node = place.rpartition("/")
    if not node or (slash and not lab) or "/" in lab:
        raise UsageError(f"{place!r} is no place in a lab\n  fix: NODE, or LAB/NODE")
    return (lab if slash else None), node


def execute(place: str, argv: Sequence[str], *, world: World | None = None) -> int:
    """Run a program inside a node, with our own terminal and files; give its exit code (128 + a signal's number).

    127 where there is no such program, as shells say.
    """
    world = world or World.here()
    lab, node = split_place(place)
    found = existing(world, lab)
    return found.run(lambda: _run(found.lab, node, list(argv)))


def shell(place: str, *, world: World | None = None) -> int:
    """Open an interactive shell inside a node; give its exit code."""
    return execute(place, [os.environ.get("SHELL") or "/bin/sh", "-i"], world=world)


def _run(lab: str, node: str, argv: list[str]) -> int:
    namespace = open_node(lab, node)
    try:
        return run_foreground(namespace, argv, {"NETLAB_LAB": lab, "NETLAB_NODE": node})
    finally:
        os.close(namespace)


def capture(
    place: str,
    write: BinaryIO,
    *,
    count: int | None = None,
    seconds: float | None = None,
    on_ready: Callable[[], None] | None = None,
    world: World | None = None,
) -> int:
    """Write what passes a node's device as pcap, `[LAB/]NODE:DEV` (DEV `any`: every device); give the packets' number.

    Ends after `count` packets, after `seconds`, or at Ctrl-C. Raises UsageError where there is no such device.
    """
    world = world or World.here()
    where, colon, device = place.partition(":")
    if not colon or not device:
        raise UsageError(f"{place!r} names no device\n  fix: NODE:DEV, or LAB/NODE:DEV; netlab status LAB lists them")
    lab, node = split_place(where)
    found = existing(world, lab)
    return found.run(lambda: _capture(found.lab, node, device, write, count, seconds, on_ready))


def _capture(
    lab: str,
    node: str,
    device: str,
    write: BinaryIO,
    count: int | None,
    seconds: float | None,
    on_ready: Callable[[], None] | None,
) -> int:
    from netlab.probe import capture as capture_packets

    namespace = open_node(lab, node)
    try:
        captured = capture_packets(namespace, device, write, count=count, timeout=seconds, on_ready=on_ready)
    finally:
        os.close(namespace)
    return captured.packets
