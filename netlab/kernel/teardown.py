"""A whole lab off the real machine, by its marks alone: no plan, no store, nothing read of its insides.

The host's devices go all at once, and with them the veth pairs that lead into namespaces: what is left in those costs
the kernel little. Their names are taken out of /run/netns at the same time, which needs none of the same locks.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, AF_INET6

from netlab.facts import PROTOCOL, Key, Route
from netlab.kernel import codec, decode, encode
from netlab.kernel.decode import LinkRecord
from netlab.kernel.machine import chains
from netlab.kernel.marks import is_half_made, owner
from netlab.kernel.place import Place
from netlab.kernel.places import Places, mark_of, unregister
from netlab.names import HOST, TABLE_PREFIX, parse_mark, registered_name, table_name
from netlab.namespaces.nodes import NETNS_DIRECTORY, open_path, reservation


@dataclass(frozen=True, slots=True)
class Removed:
    """How many namespaces and devices of the host a teardown took."""

    namespaces: int
    devices: int


def tear_down(lab: str, names: Collection[str] = (), routes: Collection[Key] | None = None) -> Removed:
    """Delete every namespace and every device of the host that bears the lab's mark; raises OSError.

    `names`: of devices that the lab was making, as marks.py says. `routes`: keys of its routes on the host, which bear
    netlab's mark but no lab's; None, where nobody knows them: all such routes, if no other lab is there.
    """
    places = Places(lab, machine=True)
    try:
        host = places.get(HOST)
        ours = [place.node for place in places.listed() if mark_of(place) == (lab, place.node)]
        for node in ours:
            places.forget(node)  # a namespace lives on while a socket made in it is open
        devices = _devices(host, lab, names)
        with ThreadPoolExecutor(1) as aside:
            unregistering = aside.submit(_unregister_all, lab, ours)
            _delete_devices(host, devices)
            unregistering.result()
        for path in _reserved(lab):
            path.unlink(missing_ok=True)
        if any(chain.table == table_name(lab) for chain in chains()):
            from netlab.kernel.nftables import delete_table

            delete_table(lab)
        # Of a lab of which nothing is found, and nobody knows a route, no route is taken for its.
        if routes or (routes is None and (ours or devices)):
            _delete_routes(host, routes)
        return Removed(len(ours), len(devices))
    finally:
        places.close()


def _unregister_all(lab: str, nodes: Sequence[str]) -> None:
    for node in nodes:
        unregister(lab, node)


def _devices(host: Place, lab: str, names: Collection[str]) -> list[LinkRecord]:
    links = host.socket.dump(codec.link_dump(), decode.link)
    return [link for link in links if owner(link) == lab or is_half_made(link, lab, names)]


def _delete_devices(host: Place, devices: Sequence[LinkRecord]) -> None:
    """Delete devices of the host; veth pairs go whole.

    They are gathered in a group of their own first, which the kernel deletes as one: it waits out its readers once. Not
    those without an alias: their group is all that tells whose they are.
    """
    if not devices:
        return
    host.socket.send([encode.delete_link(link.name) for link in devices if not link.alias], _gone)
    taken = {link.group for link in host.socket.dump(codec.link_dump(), decode.link)}
    group = next(number for number in iter(lambda: secrets.randbelow(1 << 31), 0) if number not in taken)
    host.socket.send([encode.regroup_link(link.index, group) for link in devices if link.alias], _gone)
    host.socket.send([encode.delete_group(group)], _gone)


def _delete_routes(host: Place, keys: Collection[Key] | None) -> None:
    """Delete routes of the host that netlab made and that no device took with it."""
    found = [
        record.fact(HOST, {})
        for family in (AF_INET, AF_INET6)
        for record in host.socket.dump(codec.route_dump(family), decode.route)
        if record.protocol == PROTOCOL
    ]
    if found and keys is None and labs_on_machine():
        return
    doomed: list[Route] = [route for route in found if keys is None or route.key in keys]
    host.socket.send([encode.delete_route(route, PROTOCOL) for route in doomed], _gone)


def _gone(_: int, number: int) -> bool:
    return number in (errno.ENODEV, errno.ESRCH)


def _reserved(lab: str) -> Iterator[Path]:
    """Find the files of a lab's namespaces that were to be mounted when netlab was killed."""
    for name in _listed(registered_name(lab, "")):
        found = parse_mark(reservation(NETNS_DIRECTORY / name) or "")
        if found is not None and found[0] == lab and registered_name(*found) == name:
            yield NETNS_DIRECTORY / name


def is_on_machine(lab: str) -> bool:
    """Tell whether anything on the real machine bears a lab's mark."""
    places = Places(lab, machine=True)
    try:
        links = places.get(HOST).socket.dump(codec.link_dump(), decode.link)
        if any(owner(link) == lab for link in links) or any(chain.table == table_name(lab) for chain in chains()):
            return True
        return any(mark_of(place) == (lab, place.node) for place in places.listed())
    finally:
        places.close()


def labs_on_machine() -> dict[str, int]:
    """Find labs on the real machine by their marks alone: how many namespaces each has."""
    found: dict[str, int] = {}
    host = Place.here(HOST)
    try:
        for link in host.socket.dump(codec.link_dump(), decode.link):
            lab = owner(link)
            if lab is not None:
                found.setdefault(lab, 0)
    finally:
        host.close()
    for chain in chains():
        if chain.table.startswith(TABLE_PREFIX):
            found.setdefault(chain.table.removeprefix(TABLE_PREFIX), 0)
    for name in _listed(""):
        try:
            place = Place.at(name, open_path(NETNS_DIRECTORY / name))
        except OSError:
            continue
        try:
            marked = mark_of(place)
            if marked is not None and name == registered_name(*marked):
                found[marked[0]] = found.get(marked[0], 0) + 1
        finally:
            place.close()
    return found


def _listed(prefix: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(NETNS_DIRECTORY) if name.startswith(prefix))
    except FileNotFoundError:
        return []
