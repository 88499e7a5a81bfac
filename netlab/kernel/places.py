"""The places of one lab: its nodes' namespaces, found, made, registered and deleted.

A namespace is ours when the alias of its `lo` says so; that a file in /run/netns has the right name proves nothing. A
new one is registered only when it has its mark: killed before, it vanishes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from struct import unpack_from

from netlab.facts.settings import Values
from netlab.kernel import codec, decode, encode
from netlab.kernel.birth import Nursery
from netlab.kernel.place import Place, inside, journey
from netlab.kernel.sysctl import SettingsTree
from netlab.names import HOST, mark, parse_mark, registered_name
from netlab.namespaces.nodes import (
    NETNS_DIRECTORY,
    namespace_path,
    open_path,
    prepare_directory,
    reservation,
    reserve_name,
)
from netlab.namespaces.syscalls import MNT_DETACH, MS_BIND, mount, umount

_RTMGRP_LINK = 1
#: The kernel deletes namespaces in a worker of its own; 1,000 of them take it a second.
_DELETION_DEADLINE = 120.0
#: Descriptors of a place: its namespace, its socket, and for a moment a directory and a file of /proc/sys.
_DESCRIPTORS_A_PLACE = 3


class Places:
    """The namespaces of a lab. `machine` True: `host` is the real machine's, where only marked things are ours."""

    def __init__(self, lab: str, machine: bool) -> None:
        self.lab, self.machine = lab, machine
        self._open: dict[str, Place] = {}
        self._tree = SettingsTree()
        self._nursery: Nursery | None = None
        self._newborn: list[str] = []
        self.born: Mapping[str, str] = {}
        #: Nodes whose names are taken by files that are no namespaces and not netlab's.
        self.blocked: tuple[str, ...] = ()
        #: Nodes that a netlab that was killed had only made the file for.
        self._reserved: tuple[str, ...] = ()

    def own(self, node: str) -> bool:
        """Tell whether a node's namespace is the lab's own, with everything in it."""
        return node != HOST or not self.machine

    @cached_property
    def machine_speaks_ipv6(self) -> bool:
        """Whether the real machine gives its devices IPv6 addresses (own namespaces do so only where the file asks)."""
        return os.path.exists("/proc/sys/net/ipv6/conf/all")

    def marked(self, node: str) -> bool:
        """Tell whether devices in a node carry marks of their own: only where others' devices are too."""
        return not self.own(node)

    def get(self, node: str) -> Place:
        """Give the place of a node, opened or just made; raise OSError (ENOENT) where there is none."""
        found = self._open.get(node)
        if found is None:
            found = self._open[node] = self._find(node)
        return found

    def _find(self, node: str) -> Place:
        if node in self._newborn:
            assert self._nursery is not None
            return self._nursery.take(node)
        if node == HOST:
            return Place.here(HOST, self._tree)
        return Place.at(node, open_path(namespace_path(self.lab, node)), self._tree)

    def known(self) -> tuple[Place, ...]:
        """Give the places that are open."""
        return tuple(self._open.values())

    def close(self) -> None:
        self.give_up()
        for place in self._open.values():
            place.close()
        self._open.clear()
        self._tree.close()

    def forget(self, node: str) -> None:
        """Close a place, so that its namespace can go."""
        place = self._open.pop(node, None)
        if place is not None:
            place.close()

    def expect(self, nodes: Sequence[str], settings: Mapping[str, Values]) -> None:
        """Begin to make namespaces in the background; `get` waits for those that it asks for.

        Until they are registered nothing but this process holds them: given up, they vanish.
        """
        if list(nodes) == self._newborn:
            return  # begun before
        self.give_up()
        if not nodes:
            return
        allow_descriptors(len(nodes) + len(self._open))
        self._newborn = list(nodes)
        wanted = {node: settings[node] for node in nodes if node in settings}
        self._nursery = Nursery(nodes, wanted, self._tree, children=max(1, min(2, os.cpu_count() or 1)))
        self._nursery.start()

    def give_up(self) -> None:
        """Let go of the namespaces that are not registered."""
        newborn, self._newborn = self._newborn, []
        if self._nursery is not None:
            self._nursery.stop()
            self.born = {**self._nursery.born, **self.born}
            self._nursery = None
        for node in newborn:
            self.forget(node)

    def register_newborn(self, marked: Callable[[str], bool]) -> None:
        """Register the namespaces just made, those that bear their mark; let the others vanish."""
        made = [node for node in self._newborn if node in self._open and marked(node)]
        self._newborn = [node for node in self._newborn if node not in made]
        self.give_up()
        if made and self.machine:
            prepare_directory()
        elif made:
            NETNS_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
        for node in made:
            place = self._open[node]
            place.next_index = None
            self._register(place)

    def _register(self, place: Place) -> None:
        path = namespace_path(self.lab, place.node)
        if self.machine:
            reserve_name(path, mark(self.lab, place.node))
        else:  # in a sandbox nobody else looks, and nothing is left of it
            os.close(os.open(path, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o000))
        mount(f"/proc/self/fd/{place.fd}", str(path), "none", MS_BIND)

    def listed(self) -> tuple[Place, ...]:
        """Open every namespace that is registered under a name of this lab's; whose it is, its `lo` must tell."""
        prefix = registered_name(self.lab, "")
        try:
            nodes = sorted(name[len(prefix) :] for name in os.listdir(NETNS_DIRECTORY) if name.startswith(prefix))
        except FileNotFoundError:
            nodes = []
        allow_descriptors(len(nodes))
        unregistered = set(self._newborn)
        for node in [node for node in self._open if node not in nodes and node != HOST and node not in unregistered]:
            self.forget(node)
        plain: list[str] = []
        with journey():
            for node in nodes:
                if node not in self._open:
                    try:
                        self._open[node] = Place.visited(node, open_path(namespace_path(self.lab, node)), self._tree)
                    except FileNotFoundError:
                        plain.append(node)
                    except OSError:
                        continue
        said = {node: reservation(namespace_path(self.lab, node)) for node in plain}
        self._reserved = tuple(node for node in plain if said[node] == mark(self.lab, node))
        self.blocked = tuple(node for node in plain if said[node] not in ("", mark(self.lab, node)))
        return tuple(self._open[node] for node in nodes if node in self._open)

    def sweep(self) -> None:
        """Remove the files, last listed, of namespaces that never came to be; the lab's lock is held."""
        for node in self._reserved:
            namespace_path(self.lab, node).unlink(missing_ok=True)
        self._reserved = ()

    def delete(self, nodes: Sequence[str]) -> None:
        """Delete namespaces and wait until the kernel has taken what they held; raise OSError if it does not."""
        watched = self._far_ends(nodes)
        for node in nodes:
            if node == HOST:
                continue  # a sandbox's own namespace goes with its holder
            self.forget(node)
            unregister(self.lab, node)
        for watch in watched:
            watch.wait(_DELETION_DEADLINE)

    def _far_ends(self, nodes: Sequence[str]) -> list[_Watch]:
        """Find devices in the places that stay whose other ends are in namespaces that go."""
        leaving = {node: self._open[node] for node in nodes if node in self._open and node != HOST}
        if not leaving:
            return []
        found = []
        inner = {
            (link.index, link.link)
            for place in leaving.values()
            for link in place.socket.dump(codec.link_dump(), decode.link)
            if link.kind == "veth" and link.namespace_id is not None
        }
        for place in self.known():
            if place.node in leaving:
                continue
            links = place.socket.dump(codec.link_dump(), decode.link)
            pairs = [link for link in links if link.kind == "veth" and (link.link, link.index) in inner]
            ids = {place.namespace_id(other.fd) for other in leaving.values()} - {-1} if pairs else set()
            far = {link.index for link in pairs if link.namespace_id in ids}
            if far:
                found.append(_Watch.on(place, far))
        return found


class _Watch:
    """Waits for devices of a place to vanish, by the kernel's own notifications."""

    def __init__(self, place: Place, indices: set[int], events: socket.socket) -> None:
        self._place, self._indices, self._events = place, indices, events
        self._awaited = frozenset(indices)

    @classmethod
    def on(cls, place: Place, indices: set[int]) -> _Watch:
        with inside(place.fd):
            events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        events.bind((0, _RTMGRP_LINK))
        return cls(place, set(indices), events)

    def wait(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        poll = select.poll()  # select() takes no descriptor above 1,023
        poll.register(self._events, select.POLLIN)
        with contextlib.closing(self._events):
            while self._indices:
                if poll.poll(1000):
                    self._hear()
                else:
                    self._cut()
                if time.monotonic() > deadline and self._indices:
                    raise OSError(errno.ETIMEDOUT, "the kernel has not taken the far ends of deleted namespaces")
        for name in [name for name, index in self._place.indices.items() if index in self._awaited]:
            del self._place.indices[name]

    def _cut(self) -> None:
        """Delete what is still there, where nothing happens: some process is inside a namespace, which lives on."""
        self._look()
        messages = [encode.delete_link_by_index(index) for index in sorted(self._indices)]
        self._place.socket.send(messages, lambda _, number: number == errno.ENODEV)

    def _hear(self) -> None:
        try:
            raw = self._events.recv(1 << 18)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._look()
            return
        for kind, _, _, start, _ in codec.messages(raw):
            if kind == codec.RTM_DELLINK:
                self._indices.discard(unpack_from("=i", raw, start + 4)[0])

    def _look(self) -> None:
        self._indices &= {link.index for link in self._place.socket.dump(codec.link_dump(), decode.link)}


def unregister(lab: str, node: str) -> None:
    """Take a namespace's name out of /run/netns; success where it is gone already."""
    path = namespace_path(lab, node)
    with contextlib.suppress(OSError):
        umount(str(path), MNT_DETACH)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def mark_of(place: Place) -> tuple[str, str] | None:
    """Read whose a namespace is: (lab, node) by the alias of its `lo`, or None."""
    answer = place.socket.ask(encode.find_link("lo"))
    return parse_mark(decode.link(*answer).alias) if answer is not None else None


def allow_descriptors(places: int) -> None:
    """Raise this process's limit of open files as far as many places need and the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = 256 + places * _DESCRIPTORS_A_PLACE
    if soft < need:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(need, hard) if hard != resource.RLIM_INFINITY else need, hard))
