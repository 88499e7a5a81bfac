"""Other stores that this user may have: a lab that one of them knows is not lost, whatever our own says.

Which store is used depends on $XDG_RUNTIME_DIR, and on what is mounted on /run. So the usual places are looked at, and
/run as the processes see it that share our network but not our mounts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from netlab.errors import Unavailable
from netlab.namespaces.processes import namespace_of, pids
from netlab.store.files import refuse_shared
from netlab.store.store import Store


def other_stores(store: Store, machine: int) -> Iterator[tuple[Path, Store]]:
    """Give the stores of this machine that are not `store`, each with its place; those of other users are passed."""
    seen = {_identity(store.root)}
    for root in _places():
        found = _identity(root)
        if found is None or found in seen:
            continue
        seen.add(found)
        with suppress(Unavailable):
            refuse_shared(root)
            yield root, Store(root, machine)


def _places() -> Iterator[Path]:
    user = os.geteuid()
    yield from (Path("/run/netlab"), Path(f"/run/user/{user}/netlab"), Path(f"/tmp/netlab-{user}"))
    if os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(os.environ["XDG_RUNTIME_DIR"], "netlab")
    mounts = {namespace_of(os.getpid(), "mnt")}
    network = namespace_of(os.getpid(), "net")
    for pid in pids():
        mount = namespace_of(pid, "mnt")
        if mount not in mounts and mount is not None and namespace_of(pid, "net") == network:
            mounts.add(mount)
            yield Path(f"/proc/{pid}/root/run/netlab")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
