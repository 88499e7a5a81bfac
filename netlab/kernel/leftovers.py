"""What bears netlab's marks on the real machine -> by lab, what there is of it, and what speaks against taking it away.

Marks say whose a thing is, not whether anybody still wants it. A lab that the store does not know may be another
store's: that of a netlab in another mount namespace, which has a /run of its own and sees the same devices. So it is
looked for who lives in its namespaces, and for namespaces of it that are not registered here.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from netlab.kernel import codec, decode, encode
from netlab.kernel.machine import chains
from netlab.kernel.marks import is_bare, owner
from netlab.kernel.place import Place
from netlab.kernel.places import mark_of
from netlab.names import HOST, TABLE_PREFIX, parse_mark, registered_name
from netlab.namespaces.nodes import NETNS_DIRECTORY, open_path, own_namespace, reservation
from netlab.namespaces.processes import namespace_of, pids

#: Of the first pid namespace (PROC_PID_INIT_INO of include/linux/proc_ns.h).
_FIRST_PIDS = 0xEFFFFFFC
#: Only the machine's first network namespace has it (net/core/neighbour.c, neigh_sysctl_register).
_FIRST_NETWORK = Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3")


@dataclass(slots=True)
class Marked:
    """What bears a lab's marks: the inodes of its namespaces, its devices on the host, its table, half-made files."""

    namespaces: dict[str, int] = field(default_factory=dict)
    devices: list[str] = field(default_factory=list)
    table: bool = False
    files: list[Path] = field(default_factory=list)
    #: Its nodes that devices of the host lead to, and that are not registered here.
    elsewhere: list[str] = field(default_factory=list)

    @property
    def there(self) -> bool:
        """Whether anything of a lab's network is there: files are none."""
        return bool(self.namespaces or self.devices or self.table)

    def words(self) -> str:
        """Say what there is.

        >>> Marked({"a": 1, "b": 2}, ["br0"]).words()
        '2 namespaces, 1 device'
        """
        counted = (
            (len(self.namespaces), "namespace"),
            (len(self.devices), "device"),
            (int(self.table), "nftables table"),
            (len(self.files), "half-made namespace"),
        )
        return ", ".join(f"{number} {what}{'' if number == 1 else 's'}" for number, what in counted if number)

    def living(self) -> int | None:
        """Give a process that lives in one of the namespaces."""
        inodes = set(self.namespaces.values())
        return next((pid for pid in pids() if namespace_of(pid, "net") in inodes), None) if inodes else None


def is_guest() -> bool:
    """Tell whether this is a container in the network of the machine, whose labs it knows nothing of."""
    return _FIRST_NETWORK.exists() and os.stat("/proc/self/ns/pid").st_ino != _FIRST_PIDS


def marked_on_machine() -> dict[str, Marked]:
    """Find everything on the real machine that bears the mark of a lab; raises OSError."""
    found: dict[str, Marked] = {}
    for name, path in _registry():
        said = reservation(path)
        marked = parse_mark(said) if said is not None else _mark_in(path)
        if marked is None or name != registered_name(*marked):
            continue
        lab = found.setdefault(marked[0], Marked())
        if said is not None:
            lab.files.append(path)
        else:
            lab.namespaces[marked[1]] = os.stat(path).st_ino
    host = Place.here(HOST)
    try:
        for link in host.socket.dump(codec.link_dump(), decode.link):
            name_of_lab = owner(link)
            if name_of_lab is None:
                continue
            lab = found.setdefault(name_of_lab, Marked())
            lab.devices.append(link.name)
            beyond = host.mark_beyond(link.namespace_id) if link.namespace_id is not None else None
            if beyond is not None and beyond[1] not in found.get(beyond[0], Marked()).namespaces:
                lab.elsewhere.append(beyond[1])
    finally:
        host.close()
    for chain in chains():
        if chain.table.startswith(TABLE_PREFIX):
            found.setdefault(chain.table.removeprefix(TABLE_PREFIX), Marked()).table = True
    return found


def _registry() -> Iterator[tuple[str, Path]]:
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(NETNS_DIRECTORY)):
            yield name, NETNS_DIRECTORY / name


def _mark_in(path: Path) -> tuple[str, str] | None:
    try:
        namespace = open_path(path)
    except OSError:
        return None
    if os.fstat(namespace).st_ino == own_namespace():
        os.close(namespace)
        return None
    place = Place.at(path.name, namespace)
    try:
        return mark_of(place)
    finally:
        place.close()


def bare_devices() -> dict[int, str]:
    """Give the devices of the host, by index, that are netlab's by their group alone.

    One is either being made just now, or was orphaned by a kill. Not those that lead into another namespace: they go
    with it.
    """
    host = Place.here(HOST)
    try:
        links = host.socket.dump(codec.link_dump(), decode.link)
        return {link.index: link.name for link in links if is_bare(link) and link.namespace_id is None}
    finally:
        host.close()


def delete_bare(indices: dict[int, str]) -> None:
    """Delete those of these devices that are still without an alias; raises OSError."""
    host = Place.here(HOST)
    try:
        links = host.socket.dump(codec.link_dump(), decode.link)
        doomed = [encode.delete_link_by_index(link.index) for link in links if is_bare(link) and link.index in indices]
        host.socket.send(doomed, lambda _, number: number == errno.ENODEV)
    finally:
        host.close()
