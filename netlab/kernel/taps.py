"""Taps, which netlink does not make: /dev/net/tun does (Documentation/networking/tuntap.rst)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import ioctl
from functools import partial
from struct import pack

from netlab.facts import Device

_FILE = "/dev/net/tun"
#: include/uapi/linux/if_tun.h; a program that opens a tap says for itself whether it wants more.
_TUNSETIFF, _TUNSETPERSIST, _TUNSETOWNER, _TUNSETIFINDEX = 0x400454CA, 0x400454CB, 0x400454CC, 0x400454DA
_IFF_NO_PI, _IFF_TUN_EXCL = 0x1000, 0x8000


@contextmanager
def born_tap(fact: Device, index: int) -> Iterator[Callable[[], None]]:
    """Make a tap in the namespace of the calling thread; it goes with the block unless what is given is called.

    Index 0 lets the kernel choose. So one that is not yet marked does not outlive a netlab that is killed.
    """
    options = dict(fact.options)
    fd = os.open(_FILE, os.O_RDWR | os.O_CLOEXEC)
    try:
        if index:
            ioctl(fd, _TUNSETIFINDEX, pack("=I", index))
        flags = int(options["mode"]) | _IFF_NO_PI | _IFF_TUN_EXCL
        try:
            ioctl(fd, _TUNSETIFF, pack("=16sH22x", fact.name.encode(), flags))
        except OSError as error:
            # Of a name that is taken the file says otherwise than netlink.
            number = errno.EEXIST if error.errno == errno.EBUSY else error.errno or 0
            raise OSError(number, os.strerror(number)) from error
        if "owner" in options:
            ioctl(fd, _TUNSETOWNER, int(options["owner"]))
        yield partial(_keep, fd)
    finally:
        os.close(fd)


def _keep(fd: int) -> None:
    ioctl(fd, _TUNSETPERSIST, 1)
