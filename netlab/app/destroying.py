"""`destroy`: a lab gone, by name or file, with or without the store. Reads no insides and imports nothing heavy."""

from __future__ import annotations

import contextlib
import shutil

from netlab.app.guard import cancel
from netlab.app.host_settings import settle
from netlab.app.results import Destroyed
from netlab.app.targets import name_of
from netlab.app.world import World
from netlab.errors import Unavailable
from netlab.namespaces.sandbox import Sandbox, end_sandbox, find_sandboxes, is_alive


def destroy(target: str | None = None, *, wait: float = 10.0, world: World | None = None) -> Destroyed:
    """Take a lab off the machine with everything of it; nothing to take is success.

    Raises UsageError (no such file, no lab named), Busy, or Unavailable where the kernel refuses.
    """
    world = world or World.here()
    lab = name_of(world, target)
    with world.store.lock(lab, wait=wait):
        record = world.store.record(lab)
        journal = world.store.pending(lab)
        cancel(record)
        if record is not None or journal is not None:
            world.store.begin(lab, {**(journal or {}), "verb": "destroy"})
        sandboxes = _sandboxes(lab, record.sandbox if record else None, (journal or {}).get("sandbox"))
        for sandbox in sandboxes:
            end_sandbox(sandbox)
        namespaces = devices = 0
        notes: tuple[str, ...] = ()
        on_machine = record is None or record.sandbox is None
        if world.privileged and on_machine:
            namespaces, devices = _off_the_machine(lab)
            notes = settle(world.store, lab)
        world.store.forget(lab)
        shutil.rmtree(world.logs / lab, ignore_errors=True)
        with contextlib.suppress(OSError):
            world.logs.rmdir()  # other labs have files there
    existed = bool(sandboxes or namespaces or devices or record is not None)
    return Destroyed(lab, existed, bool(sandboxes), namespaces, devices, notes)


def _sandboxes(lab: str, *named: object) -> list[Sandbox]:
    """Find the lab's sandboxes: those that the store names, and any that it has lost."""
    found: dict[tuple[int, int], Sandbox] = {}
    for value in named:
        if isinstance(value, dict):
            sandbox = Sandbox.from_json(value)
            if is_alive(sandbox):
                found[sandbox.pid, sandbox.start_time] = sandbox
    for name, sandbox in find_sandboxes():
        if name == lab:
            found[sandbox.pid, sandbox.start_time] = sandbox
    return list(found.values())


def _off_the_machine(lab: str) -> tuple[int, int]:
    from netlab.kernel.teardown import tear_down
    from netlab.runtime import end_all

    try:
        end_all(lab)
        removed = tear_down(lab)
    except OSError as error:
        what = f"the kernel refused: {error.strerror}"
        raise Unavailable(what, f"netlab destroy {lab} again: what is left is found by its marks") from error
    return removed.namespaces, removed.devices
