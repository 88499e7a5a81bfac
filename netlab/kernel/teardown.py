"""A whole lab off the real machine, by its marks alone: no plan, no store, nothing read of its insides.

Namespaces go first: the kernel then takes all they hold, and the veth ends on the host, in a few large strokes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from netlab.kernel import codec, decode, encode
from netlab.kernel.place import Place
from netlab.kernel.places import Places, mark_of
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
        ours = {place.node for place in places.listed() if mark_of(place) == (lab, place.node)}
        host = places.get(HOST)
        devices = _marked_devices(host, lab)
        places.delete(sorted(ours))
        left = _marked_devices(host, lab)
        host.socket.send([encode.delete_link(name) for name in left], lambda _, number: number == 19)  # ENODEV: gone
        return Removed(len(ours), len(devices))
    finally:
        places.close()


def _marked_devices(host: Place, lab: str) -> list[str]:
    links = host.socket.dump(codec.link_dump(), decode.link)
    return [link.name for link in links if parse_mark(link.alias) == (lab, f"{HOST}/{link.name}")]


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
