"""A node's name turned into its network namespace: the file in /run/netns, a descriptor, an inode.

A namespace is registered as iproute2 registers one: a file in /run/netns with the namespace bind-mounted on it. A
process that is killed between the two leaves a plain file there, which is no namespace. Ours says whose it is (the mark
that the namespace bears on `lo`), and is born saying it; an empty one is iproute2's, or of a /run without O_TMPFILE.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from netlab.names import registered_name
from netlab.namespaces.syscalls import CLONE_NEWNET, MS_BIND, MS_REC, MS_SHARED, mount

#: Where iproute2 registers network namespaces (ip-netns(8)).
NETNS_DIRECTORY: Final = Path("/run/netns")

#: What a mark may take: two names and the words around them.
_LONGEST_MARK: Final = 256
#: include/uapi/linux/nsfs.h, since Linux 4.11: gives the CLONE_NEW* kind of the namespace that a descriptor is on.
_NS_GET_NSTYPE: Final = 0xB703


def namespace_path(lab: str, node: str) -> Path:
    """Give the file that a node's namespace is registered as.

    >>> namespace_path("bridge3", "ns0").as_posix()
    '/run/netns/bridge3-ns0'
    """
    return NETNS_DIRECTORY / registered_name(lab, node)


def _is_network_namespace(fd: int) -> bool:
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE) == CLONE_NEWNET
    except OSError:
        return False  # ENOTTY: not on nsfs


def open_path(path: str | os.PathLike[str]) -> int:
    """Open the network namespace bind-mounted on `path`; raise FileNotFoundError where none is."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # never waits, should somebody have put a FIFO there
    if _is_network_namespace(fd):
        return fd
    os.close(fd)
    raise FileNotFoundError(errno.ENOENT, "not a network namespace", os.fspath(path))


def open_namespace(lab: str, node: str) -> int:
    """Open a node's namespace; raise FileNotFoundError where it is not registered, or by a plain file only."""
    return open_path(namespace_path(lab, node))


def is_namespace(path: str | os.PathLike[str]) -> bool:
    """Tell whether a network namespace is bind-mounted on `path`."""
    try:
        os.close(open_path(path))
    except OSError:
        return False
    return True


def namespace_inode(namespace: int | str | os.PathLike[str]) -> int:
    """Give the inode that identifies a namespace (`net:[4026532337]`) while it lives; numbers are used again later."""
    return os.stat(namespace).st_ino


def reserve_name(path: Path, mark: str) -> None:
    """Make the file that a namespace is to be mounted on, which says whose it is; what a kill left there is taken over.

    Raise FileExistsError where somebody else's file stands there.
    """
    try:
        fd = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o400)
    except OSError:  # EOPNOTSUPP, or EISDIR of an old kernel: this file system has none
        fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o400)
    try:
        os.write(fd, mark.encode())
        if os.fstat(fd).st_nlink == 0:
            directory = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
            try:
                # Only linkat(2), which a directory asks for, goes through the link in /proc.
                os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=directory)
            finally:
                os.close(directory)
    except FileExistsError:
        if reservation(path) not in ("", mark):
            raise
    finally:
        os.close(fd)


def reservation(path: Path) -> str | None:
    """Give the mark in a file that no namespace is mounted on; empty where it has none, None where it is no such."""
    with suppress(OSError):
        found = os.lstat(path)
        if stat.S_ISREG(found.st_mode) and found.st_size <= _LONGEST_MARK and not is_namespace(path):
            return path.read_text(encoding="utf-8", errors="replace")
    return None


def own_namespace() -> int:
    """Give the inode of the calling thread's network namespace."""
    return os.stat("/proc/thread-self/ns/net").st_ino


def prepare_directory() -> None:
    """Make /run/netns as `ip netns add` does, if it is not so yet: a shared mount, which other mount namespaces follow.

    Needed on the machine only: a sandbox is born with its own.
    """
    NETNS_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = os.open(NETNS_DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # iproute2 takes the same lock: two that start at once would mount the directory twice.
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            mount("none", str(NETNS_DIRECTORY), "none", MS_SHARED | MS_REC)
        except OSError as error:
            if error.errno != errno.EINVAL:  # EINVAL: not a mount point yet
                raise
            mount(str(NETNS_DIRECTORY), str(NETNS_DIRECTORY), "none", MS_BIND | MS_REC)
            mount("none", str(NETNS_DIRECTORY), "none", MS_SHARED | MS_REC)
    finally:
        os.close(lock)
