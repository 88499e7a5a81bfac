"""Places: the namespaces that a door works in, each with its descriptor, its socket and its device indices.

A place is opened once and kept. The calling thread goes into a namespace for a moment (to open a socket or a file
of /proc/sys, which are of the namespace that opens them) and always comes back.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from netlab.facts.settings import OPTIONAL_PREFIXES, Values
from netlab.kernel import codec, encode
from netlab.kernel.codec import LINK
from netlab.kernel.socket import RouteSocket
from netlab.kernel.sysctl import ROOT, SettingsTree
from netlab.names import parse_mark
from netlab.namespaces.syscalls import CLONE_NEWNET, setns

_CONF = "net.ipv4.conf."
#: Ids of namespaces are signed; a dump shows -1 as the largest of the unsigned.
_LARGEST_ID = 0x7FFFFFFF


class SettingRefused(OSError):
    """A setting that the kernel does not take: its node, its name and the value."""

    def __init__(self, number: int, node: str, name: str, value: str) -> None:
        super().__init__(number, f"{name} = {value}")
        self.node, self._given = node, (number, node, name, value)

    def __reduce__(self) -> tuple[type[SettingRefused], tuple[int, str, str, str]]:
        return SettingRefused, self._given


class Place:
    """One network namespace: its descriptor, a socket opened inside, and the indices of the devices met so far."""

    def __init__(self, node: str, fd: int, socket: RouteSocket, tree: SettingsTree) -> None:
        self.node, self.fd, self.socket = node, fd, socket
        self.indices: dict[str, int] = {"lo": 1}
        #: In a namespace that this process has just made: the next free index, which nobody else can take.
        self.next_index: int | None = None
        #: What was written to the settings of a namespace that this process has just made.
        self.written: dict[str, str] | None = None
        self._ipv4_conf: int | None = None
        #: Where settings are looked up: by one thread at a time.
        self.tree = tree

    @classmethod
    def here(cls, node: str, tree: SettingsTree | None = None) -> Place:
        """Open the namespace that the calling thread is in."""
        fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return cls(node, fd, RouteSocket.opened(), tree or SettingsTree())
        except OSError:
            os.close(fd)
            raise

    @classmethod
    def at(cls, node: str, fd: int, tree: SettingsTree | None = None) -> Place:
        """Open the namespace of a descriptor, which the place then owns."""
        with inside(fd):
            return cls(node, fd, RouteSocket.opened(), tree or SettingsTree())

    @classmethod
    def visited(cls, node: str, fd: int, tree: SettingsTree) -> Place:
        """Do the same on a journey, and stay there."""
        setns(fd, CLONE_NEWNET)
        return cls(node, fd, RouteSocket.opened(), tree)

    def visit(self) -> None:
        """Take the calling thread, which is on a journey, inside."""
        setns(self.fd, CLONE_NEWNET)

    def close(self) -> None:
        self.socket.close()
        os.close(self.fd)
        if self._ipv4_conf is not None:
            os.close(self._ipv4_conf)

    def new_index(self, device: str) -> int:
        """Give the index that a new device is to get: chosen in a namespace just made, else 0 (the kernel chooses)."""
        if self.next_index is None:
            # One of that name that has gone, perhaps with another device, had an index of its own.
            self.indices.pop(device, None)
            return 0
        found = self.indices[device] = self.next_index
        self.next_index += 1
        return found

    def index(self, device: str) -> int | None:
        """Give a device's index, asking the kernel the first time; None where there is no such device."""
        if device not in self.indices:
            answer = self.socket.ask(encode.find_link(device))
            if answer is None:
                return None
            raw, start, _ = answer
            self.indices[device] = LINK.unpack_from(raw, start)[2]
        return self.indices[device]

    def namespace_id(self, fd: int) -> int:
        """Give the id by which this namespace knows another; -1 if it has never met it."""
        body = b"\0\0\0\0" + codec.attribute_u32(codec.NETNSA_FD, fd)
        answer = self.socket.ask((codec.RTM_GETNSID, codec.NLM_F_REQUEST, body))
        if answer is None:
            return -1
        from netlab.kernel.decode import namespace_id

        return namespace_id(*answer)

    def mark_beyond(self, namespace_id: int) -> tuple[str, str] | None:
        """Give whose the namespace is that this one knows by an id, by the alias of its `lo`; None if not netlab's.

        One question (IFLA_TARGET_NETNSID, since Linux 4.20), however many namespaces there are. A namespace that the
        kernel is taking down has no id any more (NETNSA_NSID_NOT_ASSIGNED, -1), and is nobody's.
        """
        if namespace_id > _LARGEST_ID:
            return None
        body = codec.link_body(1) + codec.attribute(codec.IFLA_TARGET_NETNSID, codec.I32.pack(namespace_id))
        answer = self.socket.ask((codec.RTM_GETLINK, codec.NLM_F_REQUEST, body))
        from netlab.kernel.decode import link

        return parse_mark(link(*answer).alias) if answer is not None else None

    def open_setting(self, name: str, flags: int) -> int:
        """Open a setting's file; the calling thread must be inside. The commonest directory is looked up once."""
        if not name.startswith(_CONF) and name != "net.ipv4.ip_forward":
            return self.tree.open(setting_path(name)[len(ROOT) :], flags)
        if self._ipv4_conf is None:
            self._ipv4_conf = self.tree.open("net/ipv4/conf", os.O_RDONLY | os.O_DIRECTORY)
        relative = "../ip_forward" if name == "net.ipv4.ip_forward" else _relative(name)
        return os.open(relative, flags | os.O_CLOEXEC, dir_fd=self._ipv4_conf)


def _relative(name: str) -> str:
    device, _, leaf = name[len(_CONF) :].rpartition(".")
    return f"{device}/{leaf}"


def setting_path(name: str) -> str:
    """Give the file of a setting; a device's own dots stay dots.

    >>> setting_path("net.ipv4.conf.eth0.100.rp_filter")
    '/proc/sys/net/ipv4/conf/eth0.100/rp_filter'
    >>> setting_path("net.bridge.bridge-nf-call-iptables")
    '/proc/sys/net/bridge/bridge-nf-call-iptables'
    """
    parts = name.split(".")
    if len(parts) > 5 and parts[2] in ("conf", "neigh"):
        parts = [*parts[:3], ".".join(parts[3:-1]), parts[-1]]
    return ROOT + "/".join(parts)


def split_setting(name: str) -> tuple[str, str, str]:
    """Split the name of a device's setting into its table, the device and the setting.

    >>> split_setting("net.ipv4.conf.eth0.100.rp_filter")
    ('net.ipv4.conf', 'eth0.100', 'rp_filter')
    """
    parts = name.split(".")
    return ".".join(parts[:3]), ".".join(parts[3:-1]), parts[-1]


@contextmanager
def journey() -> Iterator[None]:
    """Bring the calling thread back to its own namespace, whichever it visits in the block."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            yield
        finally:
            setns(home, CLONE_NEWNET)
    finally:
        os.close(home)


@contextmanager
def inside(fd: int) -> Iterator[None]:
    """Take the calling thread into a network namespace and back."""
    with journey():
        setns(fd, CLONE_NEWNET)
        yield


def read_settings(place: Place, names: tuple[str, ...]) -> dict[str, str]:
    """Read settings of a place; the calling thread must be inside. Those without a file are left out."""
    found: dict[str, str] = {}
    for name in names:
        try:
            fd = place.open_setting(name, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            found[name] = os.read(fd, 4096).decode(errors="replace").strip()
        except OSError:
            continue  # a setting that can only be written
        finally:
            os.close(fd)
    return found


def born_setting(place: Place, name: str) -> str | None:
    """Read what a new device of a place would have for a device's setting; the calling thread must be inside.

    Tables without defaults of their own (`neigh`, outside of the first namespace) show them by `lo`.
    """
    table, _, leaf = split_setting(name)
    names = f"{table}.default.{leaf}", f"{table}.lo.{leaf}"
    found = read_settings(place, names)
    return next((found[one] for one in names if one in found), None)


def write_settings(place: Place, values: Values) -> None:
    """Write settings in order; the calling thread must be inside. A missing file of an optional one is no fault.

    Raises SettingRefused.
    """
    for name, value in values:
        try:
            fd = place.open_setting(name, os.O_WRONLY)
            try:
                os.write(fd, value.encode())
            finally:
                os.close(fd)
        except FileNotFoundError as error:
            if not name.startswith(OPTIONAL_PREFIXES):
                raise SettingRefused(errno.ENOENT, place.node, name, value) from error
        except OSError as error:
            raise SettingRefused(error.errno or 0, place.node, name, value) from error


#: Writing the one overwrites the others (net/ipv4/devinet.c devinet_sysctl_forward, net/ipv6/addrconf.c).
OVERWRITES = {
    "net.ipv4.ip_forward": ("net.ipv4.conf.all.forwarding", "net.ipv4.conf.default.forwarding"),
    "net.ipv6.conf.all.forwarding": ("net.ipv6.conf.default.forwarding",),
    "net.ipv6.conf.all.disable_ipv6": ("net.ipv6.conf.default.disable_ipv6",),
}


def needed_writes(values: Values, born: Mapping[str, str]) -> tuple[Values, dict[str, str]]:
    """Give the writes that turn what a namespace is born with into `values`, and what it has then."""
    now = dict(born)
    writes: list[tuple[str, str]] = []
    for name, value in values:
        if name not in now and name.startswith(OPTIONAL_PREFIXES):
            continue
        if now.get(name) != value:
            writes.append((name, value))
            now[name] = value
            for other in OVERWRITES.get(name, ()):
                now[other] = value
        if name.startswith("net.ipv4.conf.default."):
            # `lo` is older than any write to the defaults.
            own = name.replace(".default.", ".lo.")
            if now.get(own) != value:
                writes.append((own, value))
                now[own] = value
    return tuple(writes), now
