"""A lab's namespaces and programs -> descriptors that tell of their changes, sent out to whoever waits for them.

    ("node", NODE, DEVICE, INODE)   a route socket of the namespace, in every group that a fact could change by; a
                                    second one of nftables' where the lab has rules
    ("registry",)                   the directory in which namespaces are registered
    ("mounts",)                     the table of mounts, by which they come and go
    ("program", PID)                a process of a program, which ends

Called where the lab is: a socket tells of the namespace that it was made in, wherever it is read.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from netlab.kernel.place import inside
from netlab.kernel.places import allow_descriptors
from netlab.kernel.socket import NETLINK_NETFILTER
from netlab.names import HOST, parse_mark
from netlab.namespaces.loopback import loopback_alias
from netlab.namespaces.nodes import NETNS_DIRECTORY, namespace_path, open_path
from netlab.namespaces.processes import open_process, process_of

#: include/uapi/linux/rtnetlink.h: RTNLGRP_LINK, NEIGH, TC, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE,
#: IPV6_RULE, IPV4_NETCONF, IPV6_NETCONF, NSID.
_GROUPS: Final = (1, 3, 4, 5, 7, 8, 9, 11, 19, 24, 25, 28)
_NFNLGRP_NFTABLES: Final = 7
#: SCM_MAX_FD is 253 (include/net/scm.h).
_A_MESSAGE: Final = 250
#: Bytes of the labels that go with as many.
_LARGEST: Final = 1 << 17

Label = tuple[str | int, ...]
#: A namespace by device and inode of its file.
Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Interest:
    """What is to be listened to: a lab's nodes, and those of them with rules.

    `known` holds the labels of what is listened to already.
    """

    lab: str
    nodes: Collection[str]
    chains: Collection[str] = ()
    known: Collection[Label] = ()


def identity(path: str | os.PathLike[str] | int, directory: int | None = None) -> Identity:
    """Give what tells a namespace from every other that lives."""
    found = os.stat(path, dir_fd=directory)
    return found.st_dev, found.st_ino


def listen(channel: socket.socket, interest: Interest) -> None:
    """Open what tells of the nodes that are there and not listened to yet, and send it; raise OSError."""
    allow_descriptors(min(len(interest.nodes), _A_MESSAGE))
    _send(channel, _registry(interest))
    _send(channel, _nodes(interest))


def listen_to_programs(channel: socket.socket, interest: Interest, pids: Iterable[int]) -> None:
    """Open what tells of the ends of programs, and send it; one that has ended already is for the next reading."""
    _send(channel, _programs(interest, pids))


def _registry(interest: Interest) -> Iterable[tuple[Label, int]]:
    # The directory last: with it, all is there that tells of namespaces.
    for label, path in ((("mounts",), "/proc/self/mountinfo"), (("registry",), str(NETNS_DIRECTORY))):
        if ("registry",) not in interest.known and NETNS_DIRECTORY.is_dir():
            yield label, os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _nodes(interest: Interest) -> Iterable[tuple[Label, int]]:
    for node in dict.fromkeys((HOST, *interest.nodes)):
        path = "/proc/thread-self/ns/net" if node == HOST else os.fspath(namespace_path(interest.lab, node))
        try:
            label = ("node", node, *identity(path))
            if label in interest.known:
                continue
            namespace = open_path(path)
        except FileNotFoundError:
            continue
        try:
            with inside(namespace):
                if node == HOST or parse_mark(loopback_alias()) == (interest.lab, node):
                    yield from ((label, fd) for fd in _sockets(interest, node))
        finally:
            os.close(namespace)


def _sockets(interest: Interest, node: str) -> Sequence[int]:
    opened = [_socket(socket.NETLINK_ROUTE, _GROUPS)]
    if node in interest.chains:
        opened.append(_socket(NETLINK_NETFILTER, (_NFNLGRP_NFTABLES,)))
    return opened


def _socket(protocol: int, groups: Sequence[int]) -> int:
    listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    try:
        listener.bind((0, sum(1 << group - 1 for group in groups)))
    except OSError:
        listener.close()
        raise
    return listener.detach()


def _programs(interest: Interest, pids: Iterable[int]) -> Iterable[tuple[Label, int]]:
    for pid in pids:
        process = process_of(pid) if ("program", pid) not in interest.known else None
        fd = open_process(process) if process is not None else None
        if fd is not None:
            yield ("program", pid), fd


def _send(channel: socket.socket, found: Iterable[tuple[Label, int]]) -> None:
    """Send descriptors, each with its label, and close them here."""
    rest = iter(found)
    while part := list(islice(rest, _A_MESSAGE)):
        try:
            socket.send_fds(channel, [json.dumps([label for label, _ in part]).encode()], [fd for _, fd in part])
        finally:
            for _, fd in part:
                os.close(fd)


def receive(channel: socket.socket) -> list[tuple[Label, int]]:
    """Take all that has been sent out, each descriptor with its label; the channel's end does not block."""
    found: list[tuple[Label, int]] = []
    while True:
        try:
            raw, fds, _, _ = socket.recv_fds(
                channel, 1 << 17, _A_MESSAGE, socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return found
        if not raw:
            return found
        found += zip(map(tuple, json.loads(raw)), fds, strict=True)
