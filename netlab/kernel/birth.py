"""New namespaces, many at once: children of this process make them while the door goes on with those that are ready.

Making a namespace is the dearest thing a lab asks of the kernel (0.5 to 1 ms), and the one that kernels do in
parallel. Children, not threads: what this process does meanwhile in Python would hold up every system call of a thread.
A child sends each namespace as two descriptors, of the namespace and of a socket made inside; until they are taken and
registered, nothing else holds it.

A namespace is born with nothing in it but `lo` and, on some kernels, fall-back tunnels; what it is born with (settings,
the first free device index) is read from the first one and holds for those made with it.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from netlab.facts.settings import Values
from netlab.kernel import codec, decode
from netlab.kernel.place import Place, SettingRefused, journey, needed_writes, read_settings, write_settings
from netlab.kernel.socket import RouteSocket
from netlab.kernel.sysctl import SettingsTree
from netlab.namespaces.processes import fork, reap
from netlab.namespaces.syscalls import CLONE_NEWNET, die_with_parent, unshare

#: So many are made here and now rather than by children, whose start costs as much.
_FEW = 8


@dataclass(frozen=True, slots=True)
class _Child:
    """A child that makes namespaces: its pid, and where they come from, in the order of its nodes."""

    pid: int
    receiving: socket.socket


class Nursery:
    """Makes namespaces for nodes, in order; `take` waits for one."""

    def __init__(self, nodes: Sequence[str], settings: Mapping[str, Values], tree: SettingsTree, children: int) -> None:
        self._settings, self._tree = settings, tree
        self._writes: dict[int, tuple[Values, dict[str, str]]] = {}
        self._ready: dict[str, Place] = {}
        #: What namespaces made now are born with.
        self.born: dict[str, str] = {}
        self._next_index = 2
        few = list(nodes) if len(nodes) <= _FEW else list(nodes[:1])
        rest = nodes[len(few) :]
        children = min(children, len(rest))
        self._queues = [list(rest[number::children]) for number in range(children)]
        self._turns = {node: turn for turn, queue in enumerate(self._queues) for node in queue}
        self._few = few
        self._children: list[_Child] = []
        self._failed: OSError | None = None

    def start(self) -> None:
        """Make the first namespace, learn from it, and begin with the others; what fails, `take` raises."""
        try:
            with journey():
                for node in self._few:
                    unshare(CLONE_NEWNET)
                    place = Place.here(node, self._tree)
                    if node == self._few[0]:
                        self._learn(place)
                    write_settings(place, self._writes_of(node)[0])
                    self._ready[node] = place
            for queue in self._queues:
                self._children.append(self._fork(queue))
        except OSError as error:
            self._failed = error

    def take(self, node: str) -> Place:
        """Wait until a node's namespace is made; raise the OSError that making it met."""
        child = self._turns.get(node)
        while node not in self._ready:
            if self._failed is not None:
                raise self._failed
            assert child is not None, f"nobody makes a namespace for {node}"
            self._receive(child)
        place = self._ready.pop(node)
        place.written, place.next_index = dict(self._writes_of(node)[1]), self._next_index
        return place

    def stop(self) -> None:
        """End the children and let go of every namespace that nobody took: it vanishes."""
        children, self._children = self._children, []
        for child in children:
            child.receiving.close()  # with what is on its way; the child's next send fails
        for child in children:
            reap(child.pid)
        for place in self._ready.values():
            place.close()
        self._ready.clear()

    def _learn(self, place: Place) -> None:
        names: dict[str, None] = {}
        distinct = {id(values): values for values in self._settings.values()}
        for values in distinct.values():
            for name, _ in values:
                names[name] = None
                if name.startswith("net.ipv4.conf.default."):
                    names[name.replace(".default.", ".lo.")] = None
        self.born = read_settings(place, tuple(names))
        self._writes = {key: needed_writes(values, self.born) for key, values in distinct.items()}
        self._next_index = max(link.index for link in place.socket.dump(codec.link_dump(), decode.link)) + 1

    def _writes_of(self, node: str) -> tuple[Values, dict[str, str]]:
        values = self._settings.get(node)
        return ((), self.born) if values is None else self._writes[id(values)]

    def _fork(self, nodes: Sequence[str]) -> _Child:
        receiving, sending = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = fork()
        if pid == 0:
            for other in (receiving, *(child.receiving for child in self._children)):
                other.close()  # a sender learns that nobody listens only when every copy is closed
            self._serve(nodes, sending)
        sending.close()
        return _Child(pid, receiving)

    def _serve(self, nodes: Sequence[str], sending: socket.socket) -> NoReturn:
        """Make namespaces and send them, until all are made or nobody takes them any more."""
        try:
            die_with_parent()
            tree = SettingsTree()
            for node in nodes:
                unshare(CLONE_NEWNET)
                place = Place.here(node, tree)
                write_settings(place, self._writes_of(node)[0])
                socket.send_fds(sending, [b"made"], [place.fd, place.socket.fileno()])
                place.close()
        except BrokenPipeError:
            pass
        except SettingRefused as error:
            sending.send(f"{error.errno} {error.strerror}".encode())
        except OSError as error:
            sending.send(f"{error.errno or errno.EIO}".encode())
        finally:
            os._exit(0)

    def _receive(self, turn: int) -> None:
        """Take the next namespace of a child."""
        word, descriptors, _, _ = socket.recv_fds(self._children[turn].receiving, 4096, 2, socket.MSG_CMSG_CLOEXEC)
        node = self._queues[turn].pop(0)
        if word != b"made":
            raise _failure(node, word.decode())
        if len(descriptors) != 2:
            for descriptor in descriptors:
                os.close(descriptor)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), f"namespace of {node}")
        made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE, fileno=descriptors[1])
        self._ready[node] = Place(node, descriptors[0], RouteSocket(made), self._tree)


def _failure(node: str, word: str) -> OSError:
    """Turn a child's last words into the error that it met: an errno, and the setting that was refused if one was."""
    text, _, setting = word.partition(" ")
    number = int(text) if text else errno.ECHILD
    if setting:
        name, _, value = setting.partition(" = ")
        return SettingRefused(number, node, name, value)
    return OSError(number, os.strerror(number), f"namespace of {node}")
