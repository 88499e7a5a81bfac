"""Descriptors that tell of changes in a lab, gathered in one epoll -> "something has changed", once all is quiet.

What has changed is not taken from the messages, which say half of it, and none of what they were too many for
(ENOBUFS): whoever is told reads the lab again. Nothing here enters a namespace.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from netlab.kernel.codec import messages
from netlab.kernel.listening import Identity, Label, identity, receive
from netlab.names import HOST, registered_name
from netlab.namespaces.syscalls import (
    IN_CLOSE_WRITE,
    IN_DELETE,
    IN_DELETE_SELF,
    IN_MOVED_TO,
    inotify,
    watch_directory,
)

#: Seconds without another notification after which a change counts as done.
QUIET: Final = 0.05
#: How many times as long it is waited for quiet at most.
_PATIENCE: Final = 10
_DATAGRAM: Final = 1 << 18
_RTM_NEWNEIGH, _RTM_DELNEIGH = 28, 29
#: struct ndmsg (linux/neighbour.h): family and state.
_NEIGHBOUR: Final = struct.Struct("=B7xH")
#: Entries that somebody made are permanent; those of neighbours fail before they are deleted by hand (neigh_delete).
_NUD_FAILED, _NUD_PERMANENT = 0x20, 0x80
#: A lock that is let go is closed, a file of the store is renamed into place or deleted.
_ACTS: Final = IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF


class Notifications:
    """All that tells of changes in a lab; a context. `channel` is where `listen` sends to."""

    def __init__(self, lab: str) -> None:
        self._prefix = registered_name(lab, "")
        self._epoll = select.epoll()
        self._labels: dict[int, Label] = {}
        self._registered: dict[str, Identity] = {}
        self._inbox, self.channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._inbox.setblocking(False)
        self._acts = inotify()
        self._epoll.register(self._acts, select.EPOLLIN)

    def __enter__(self) -> Notifications:
        return self

    def __exit__(self, *_: object) -> None:
        self.take()
        self.reset()
        for one in (self._inbox, self.channel, self._epoll):
            one.close()
        os.close(self._acts)

    @property
    def known(self) -> Collection[Label]:
        """The labels of all that is listened to."""
        return frozenset(self._labels.values())

    def follow_store(self, directory: Path) -> None:
        """Hear of those who act on the lab; a directory that is not there tells nothing."""
        with suppress(FileNotFoundError):
            watch_directory(self._acts, str(directory), _ACTS)

    def follow(self, label: Label, fd: int) -> None:
        """Hear of what a descriptor tells, and own it."""
        # The table of mounts tells of changes by an exceptional condition (proc_pid_mountinfo(5)).
        self._labels[fd] = label
        if label[0] != "registry":
            self._epoll.register(fd, select.EPOLLPRI if label[0] == "mounts" else select.EPOLLIN)

    def take(self) -> None:
        """Follow what was sent to `channel`; what it replaces is let go."""
        for label, fd in receive(self._inbox):
            self.follow(label, fd)
        self._drop_vanished()

    def reset(self) -> None:
        """Let everything go but the store: a namespace lives on while a socket made in it is open."""
        for fd in list(self._labels):
            self._drop(fd)
        self._registered = {}

    def wait(self, until: float | None, quiet: float = QUIET) -> bool:
        """Wait for a notification, and then until it is quiet; False where none comes until a time.monotonic()."""
        if not self._hear(until):
            return False
        patience = time.monotonic() + quiet * _PATIENCE
        while (now := time.monotonic()) < patience and self._hear(now + quiet):
            pass
        return True

    def _hear(self, until: float | None) -> bool:
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            ready = self._epoll.poll(left)
            # Every one is taken, whatever the first says.
            told = [self._tells(fd) for fd, _ in ready]
            if any(told):
                return True
            if until is not None and time.monotonic() >= until:
                return False

    def _tells(self, fd: int) -> bool:
        """Take what a descriptor has to tell; say whether that may be a change."""
        if fd == self._acts:
            os.read(fd, _DATAGRAM)
            return True
        label = self._labels.get(fd)
        if label is None:
            return False  # let go by one that was ready before it
        if label[0] == "node":
            return _drained(fd)
        if label[0] == "mounts":
            return self._drop_vanished()
        self._drop(fd)  # a process that has ended
        return True

    def _drop(self, fd: int) -> None:
        if self._labels.pop(fd)[0] != "registry":
            self._epoll.unregister(fd)
        os.close(fd)

    def _drop_vanished(self) -> bool:
        """Let go of namespaces that are registered no more, or were replaced; tell whether any of the lab's was."""
        registry = next((fd for fd, label in self._labels.items() if label[0] == "registry"), None)
        if registry is None:
            return True
        before, self._registered = self._registered, self._now(registry)
        for fd, label in list(self._labels.items()):
            if label[0] == "node" and label[1] != HOST and self._registered.get(str(label[1])) != label[2:]:
                self._drop(fd)
        return before != self._registered

    def _now(self, registry: int) -> dict[str, Identity]:
        found: dict[str, Identity] = {}
        for name in os.listdir(registry):
            if name.startswith(self._prefix):
                with suppress(FileNotFoundError):
                    found[name[len(self._prefix) :]] = identity(name, registry)
        return found


def _drained(fd: int) -> bool:
    """Take everything that waits; tell whether any of it counts."""
    counts = False
    while True:
        try:
            counts = _counts(os.read(fd, _DATAGRAM)) or counts
        except BlockingIOError:
            return counts
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            counts = True  # there were more than it could hold


def _counts(raw: bytes) -> bool:
    """Tell whether a datagram may be of a change that somebody made: what is learned, and forgotten again, is none.

    >>> from netlab.kernel.codec import HEAD
    >>> def told(kind: int, state: int) -> bool:
    ...     return _counts(HEAD.pack(28, kind, 0, 0, 0) + _NEIGHBOUR.pack(2, state) + bytes(2))
    >>> told(_RTM_NEWNEIGH, 0x02), told(_RTM_NEWNEIGH, _NUD_PERMANENT), told(_RTM_DELNEIGH, _NUD_FAILED)
    (False, True, True)
    """
    for kind, _, _, start, end in messages(raw):
        if kind not in (_RTM_NEWNEIGH, _RTM_DELNEIGH) or end - start < _NEIGHBOUR.size:
            return True
        state = _NEIGHBOUR.unpack_from(raw, start)[1]
        if state & _NUD_PERMANENT or (kind == _RTM_DELNEIGH and state & _NUD_FAILED):
            return True
    return False
