"""A whole lab off the real machine, by its marks alone: no plan, no store, nothing read of its insides.

The host's devices go first, all at once, and with them the veth pairs that lead into namespaces: what is left in
those then costs the kernel little.
"""

from __future__ import annotations

import errno
import os
import secrets
from dataclasses import dataclass

from netlab.kernel import codec, decode, encode
from netlab.kernel.place import Place
from netlab.kernel.places import Places, mark_of, unregister
from netlab.names import HOST, parse_mark
from netlab.namespaces.nodes import NETNS_DIRECTORY, open_path


@dataclass(frozen=True, slots=True)
class Removed:
    """How many namespaces and devices of the host a teardown took."""

    namespaces: int
    devices: int


def tear_down(lab: str) -> Removed:
    """Delete every namespace and every device of the host that bears the lab's mark; raises OSError."""
    places = Places(lab, machine=True)
    try:
        host = places.get(HOST)
        devices = _delete_devices(host, lab)
        ours = [place.node for place in places.listed() if mark_of(place) == (lab, place.node)]
        for node in ours:
            places.forget(node)
            unregister(lab, node)
        return Removed(len(ours), devices)
    finally:
        places.close()


def _delete_devices(host: Place, lab: str) -> int:
    """Delete the lab's devices on the host; veth pairs go whole. Gives how many there were.

    They are gathered in a group of their own first, which the kernel deletes as one: it waits out its readers once.
    """
    links = host.socket.dump(codec.link_dump(), decode.link)
    ours = [link.index for link in links if parse_mark(link.alias) == (lab, f"{HOST}/{link.name}")]
    if ours:
        taken = {link.group for link in links}
        group = next(number for number in iter(lambda: secrets.randbelow(1 << 31), 0) if number not in taken)
        host.socket.send([encode.regroup_link(index, group) for index in ours], _gone)
        host.socket.send([encode.delete_group(group)], _gone)
    return len(ours)


def _gone(_: int, number: int) -> bool:
    return number in (errno.ENODEV, errno.ESRCH)


def labs_on_machine() -> dict[str, int]:
    """Find labs on the real machine by their marks alone: how many namespaces each has."""
    found: dict[str, int] = {}
    host = Place.here(HOST)
    try:
        for link in host.socket.dump(codec.link_dump(), decode.link):
            owner = parse_mark(link.alias)
            if owner is not None and owner[1] == f"{HOST}/{link.name}":
                found.setdefault(owner[0], 0)
    finally:
        host.close()
    for name in _listed():
        try:
            place = Place.at(name, open_path(NETNS_DIRECTORY / name))
        except OSError:
            continue
        try:
            owner = mark_of(place)
            if owner is not None and name == f"{owner[0]}-{owner[1]}":
                found[owner[0]] = found.get(owner[0], 0) + 1
        finally:
            place.close()
    return found


def _listed() -> list[str]:
    try:
        return sorted(os.listdir(NETNS_DIRECTORY))
    except FileNotFoundError:
        return []
