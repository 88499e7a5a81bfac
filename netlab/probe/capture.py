"""A device of a node becomes a pcap stream, packet by packet, until told to end.

The socket is made inside the node by a thread of its own, which ends at once: the caller stays where it is, and a
socket stays where it was made. Nothing is missed between `on_ready` and the first packet: the kernel queues.
"""

from __future__ import annotations

import errno
import fcntl
import selectors
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from netlab.errors import Unavailable
from netlab.namespaces.syscalls import CLONE_NEWNET, setns
from netlab.probe import pcap

#: The device name that means all of them.
ANY = "any"
_ETH_P_ALL = 3
_SIOCGIFHWADDR, _SIOCGIFINDEX = 0x8927, 0x8933
_SOL_PACKET, _ADD_MEMBERSHIP, _STATISTICS, _AUXDATA = 263, 1, 6, 8
_PROMISCUOUS = 1
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35
_VLAN_VALID, _VLAN_PROTOCOL_VALID = 1 << 4, 1 << 6
#: linux/if_arp.h: devices whose frames begin with an Ethernet header (lo among them).
_ETHERNET_LIKE = (1, 772)
#: Bytes of packets that the kernel may keep for us while the reader is slow.
_ROOM = 8 << 20


@dataclass(frozen=True, slots=True)
class Captured:
    """How many packets were written, and how many the kernel dropped because they came too fast."""

    packets: int
    dropped: int


def capture(
    node_fd: int,
    device: str,
    write: BinaryIO,
    *,
    count: int | None = None,
    timeout: float | None = None,
    stop: int | None = None,
    on_ready: Callable[[], None] | None = None,
) -> Captured:
    """Write what passes a device of a node (or `any`) to `write` as pcap, flushed packet by packet.

    It ends after `count` packets, after `timeout` seconds, when the descriptor `stop` becomes readable, at Ctrl-C
    (KeyboardInterrupt), when the reader of `write` has gone, or when the device is deleted; all of these are a good
    end. `on_ready` is called when everything from then on will be seen. Ethernet devices give LINKTYPE_ETHERNET with
    VLAN tags in place, devices without a link layer LINKTYPE_RAW, `any` LINKTYPE_LINUX_SLL2. Raises Unavailable where
    there is no such device, or no right to look.
    """
    with ThreadPoolExecutor(1) as inside:
        listener, link_type = inside.submit(_open, node_fd, device).result()
    with listener:
        taker = _Taker(listener, link_type, write)
        with suppress(KeyboardInterrupt, BrokenPipeError):
            taker.put(pcap.file_header(link_type))
            if on_ready is not None:
                on_ready()
            taker.run(count, time.monotonic() + timeout if timeout is not None else None, stop)
        return Captured(taker.packets, taker.dropped())


def _open(node_fd: int, device: str) -> tuple[socket.socket, int]:
    """Make the packet socket inside the node; the calling thread stays there."""
    try:
        setns(node_fd, CLONE_NEWNET)
        link_type, promiscuous = pcap.LINUX_SLL2, b""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asking:
            if device != ANY:
                name = struct.pack("256s", device.encode())
                hardware = struct.unpack_from("=H", fcntl.ioctl(asking, _SIOCGIFHWADDR, name), 16)[0]
                index = struct.unpack_from("=i", fcntl.ioctl(asking, _SIOCGIFINDEX, name), 16)[0]
                link_type = pcap.ETHERNET if hardware in _ETHERNET_LIKE else pcap.RAW_IP
                promiscuous = struct.pack("=iHH8s", index, _PROMISCUOUS, 0, b"")
        kind = socket.SOCK_RAW if link_type == pcap.ETHERNET else socket.SOCK_DGRAM
        # With a protocol from the start it hears all devices; without one nothing, until it is bound to one.
        protocol = socket.htons(_ETH_P_ALL) if device == ANY else 0
        listener = socket.socket(socket.AF_PACKET, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise Unavailable(f"there is no device {device!r} in that node") from error
        raise Unavailable(f"cannot capture on {device!r}: {error.strerror}", "netlab doctor") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
    except PermissionError:
        # Without root outside the user namespace: as much as net.core.rmem_max allows.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
    listener.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    listener.setsockopt(_SOL_PACKET, _AUXDATA, 1)
    if device != ANY:
        listener.bind((device, _ETH_P_ALL))
        listener.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, promiscuous)
    return listener, link_type


class _Taker:
    """Takes packets from the socket and puts records into the stream."""

    def __init__(self, listener: socket.socket, link_type: int, write: BinaryIO) -> None:
        self.listener, self.link_type, self.write = listener, link_type, write
        self.packets = 0
        self.indexes: dict[str, int] = {}

    def put(self, data: bytes) -> None:
        self.write.write(data)
        self.write.flush()

    def run(self, count: int | None, until: float | None, stop: int | None) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            if stop is not None:
                selector.register(stop, selectors.EVENT_READ)
            while count is None or self.packets < count:
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    return
                ready = {key.fd for key, _ready in selector.select(left)}
                # What came before the order to stop is still written.
                if self.listener.fileno() in ready and not self._take(count):
                    return
                if stop in ready:
                    return

    def _take(self, count: int | None) -> bool:
        """Write what is there; say whether more can come."""
        while count is None or self.packets < count:
            try:
                packet, ancillary, _flags, origin = self.listener.recvmsg(pcap.SNAP, 256)
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno != errno.ENETDOWN:
                    raise
                if not self._bound():
                    return False
                continue
            self.put(self._record(packet, ancillary, origin))
            self.packets += 1
        return True

    def _bound(self) -> bool:
        """Say whether the device is still there; one that is only down may come up again."""
        return self.link_type == pcap.LINUX_SLL2 or bool(self.listener.getsockname()[0])

    def _record(
        self, packet: bytes, ancillary: list[tuple[int, int, bytes]], origin: tuple[str, int, int, int, bytes]
    ) -> bytes:
        seconds, nanoseconds, length = 0, 0, len(packet)
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack_from("@ll", value)
            elif level == _SOL_PACKET and kind == _AUXDATA:
                # struct tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid.
                status, length, _snap, _mac, _net, tag, protocol = struct.unpack_from("=IIIHHHH", value)
                if status & _VLAN_VALID and self.link_type == pcap.ETHERNET:
                    packet = pcap.tagged(packet, protocol if status & _VLAN_PROTOCOL_VALID else 0x8100, tag)
                    length += 4
        if self.link_type == pcap.LINUX_SLL2:
            name, protocol, direction, hardware, link = origin
            index = self._index(name)
            packet = pcap.cooked(packet, protocol, index, hardware, direction, link)
            length += pcap.COOKED_HEADER
        return pcap.record(seconds, nanoseconds, packet, length)

    def _index(self, name: str) -> int:
        if name not in self.indexes:
            request = struct.pack("256s", name.encode())
            try:
                self.indexes[name] = struct.unpack_from("=i", fcntl.ioctl(self.listener, _SIOCGIFINDEX, request), 16)[0]
            except OSError:
                return 0
        return self.indexes[name]

    def dropped(self) -> int:
        """Give how many packets the kernel has dropped since the start (packet(7), PACKET_STATISTICS)."""
        _seen, lost = struct.unpack("=II", self.listener.getsockopt(_SOL_PACKET, _STATISTICS, 8))
        return int(lost)
