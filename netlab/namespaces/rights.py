"""What this process may do to the network around it, by its capabilities and by whose that network is."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

#: include/uapi/linux/capability.h.
_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21
#: include/uapi/linux/nsfs.h: gives the user namespace that owns a namespace; EPERM where that is not within our own.
_NS_GET_USERNS = 0xB701


def has_capabilities() -> bool:
    """Tell whether this process has CAP_NET_ADMIN and CAP_SYS_ADMIN, in whichever user namespace it is."""
    with suppress(OSError), open("/proc/self/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("CapEff:"):
                effective = int(line.split()[1], 16)
                return bool(effective & 1 << _CAP_NET_ADMIN) and bool(effective & 1 << _CAP_SYS_ADMIN)
    return os.geteuid() == 0


def may_change_network() -> bool:
    """Tell whether this process may change its own network namespace and make others.

    Root of a user namespace has every capability, but none over a network that belongs outside (user_namespaces(7)).
    """
    if not has_capabilities():
        return False
    with suppress(OSError), open("/proc/self/ns/net", "rb") as network:
        try:
            os.close(fcntl.ioctl(network.fileno(), _NS_GET_USERNS))
        except PermissionError:
            return False
    return True
