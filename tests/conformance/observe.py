"""Probes that are sent in a real lab, and what is observed of each.

Called inside the lab's sandbox (netlab.namespaces.run_inside), in a process of one thread: it visits the nodes to open
sockets in them, and comes back. A request leaves by a raw socket without an IP header of its own, so that the node's
routing, output filter, NAT and fragmentation apply to it. Answers are what raw sockets of the sender get, which stand
behind its input filter. Requests on their way are what packet sockets see come in, in every node.

The errno of an observation is what `connect` or `send` said at once: the socket is closed thereafter. What the sender's
own kernel finds out later, such as that no neighbour answers, it tells by an ICMP error from and to itself.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from typing import Final

from netlab.kernel import codec
from netlab.kernel.decode import link
from netlab.kernel.socket import RouteSocket
from netlab.probe.sniffer import attach
from tests.conformance.listeners import answer, listener
from tests.conformance.path_mtus import forget_path_mtus
from tests.conformance.probe_bytes import ENOUGH, message, protocol_of, request_in, told_by
from tests.conformance.probe_packets import Answer, Arrival, Observation, Probe, Seen
from tests.conformance.visiting import visiting

#: Probes a second: all namespaces share one short queue a processor (net.core.netdev_max_backlog).
PACE: Final = 1000.0
#: Seconds after an IPv6 packet that a link may find too big, until its sender, or who answered it, has been told so.
LEARNING: Final = 0.02
_SMALLEST_LINK = 1280
#: Packets that are read of one socket in one go, and bytes that may wait in it.
_AT_ONCE, _BUFFER = 64, 16 << 20
_LONGEST = 65535

# linux/socket.h, linux/if_packet.h, linux/in.h, linux/in6.h
_SO_RCVBUFFORCE = 33
_SOL_PACKET, _PACKET_STATISTICS, _PACKET_AUXDATA = 263, 6, 8
_STATISTICS = struct.Struct("=II")
_AUXDATA = struct.Struct("=IIIHHHH")
_VLAN_VALID, _VLAN_ID = 1 << 4, 0xFFF
_ETH_P_ALL = 3
_FOR_OTHERS, _OUTGOING = 3, 4
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PMTUDISC_DONT, _PMTUDISC_DO = 10, 23, 0, 2

#: Classic BPF: of what comes in, the beginning of each IPv4 and IPv6 packet; nothing of what leaves.
_INCOMING: Final = [
    (0x30, 0, 0, 0xFFFFF004),  # load the packet's type (SKF_AD_PKTTYPE)
    (0x15, 4, 0, _OUTGOING),
    (0x28, 0, 0, 0xFFFFF000),  # load the protocol
    (0x15, 1, 0, 0x0800),
    (0x15, 0, 1, 0x86DD),
    (0x06, 0, 0, ENOUGH),
    (0x06, 0, 0, 0),
]
#: Masters that take what comes in by their members before the members themselves do; a VRF does not.
_TAKES_ALL: Final = frozenset({"bridge", "bond", "team", "openvswitch"})

#: A node, "tcp" or "udp", a port.
Listener = tuple[str, str, int]


def observe(
    lab: str,
    nodes: Sequence[str],
    probes: Sequence[Probe],
    listeners: Collection[Listener] = (),
    *,
    patience: float,
    pace: float = PACE,
) -> tuple[Observation, ...]:
    """Send all probes, watch all nodes until `patience` seconds after the last, give one observation a probe, in order.

    `listeners` are there meanwhile, on all addresses of their node. Raises OSError where the sockets cannot be had, and
    RuntimeError where packets came faster than they were read, so that not all was seen.
    """
    assert len({probe.number for probe in probes}) == len(probes), "a number is used twice"
    with _Observer(probes) as observer, visiting(lab, nodes) as enter:
        for node in nodes:
            enter(node)
            observer.watch(node)
        for node, protocol, port in sorted(listeners):
            enter(node)
            observer.listen(protocol, port)
        for node in dict.fromkeys(probe.source for probe in probes):
            enter(node)
            observer.hear(node)
        due = time.monotonic()
        for probe in probes:
            observer.attend(due)
            enter(probe.source)
            observer.send(probe)
            due = time.monotonic() + 1.0 / pace
            if probe.version == 6 and probe.size > _SMALLEST_LINK:
                observer.attend(time.monotonic() + LEARNING)
                for node in nodes:
                    enter(node)
                    forget_path_mtus()
        observer.attend(time.monotonic() + patience)
        return observer.observations()


class _Observer:
    """The sockets of one observation, and what they have told so far."""

    def __init__(self, probes: Sequence[Probe]) -> None:
        #: See tests.conformance.probe_bytes.
        self.run = int.from_bytes(os.urandom(2), "big")
        self._probes = {probe.number: probe for probe in probes}
        self._errno: dict[int, int] = {}
        self._answers: defaultdict[int, dict[Answer, None]] = defaultdict(dict)
        self._arrivals: defaultdict[int, set[Arrival]] = defaultdict(set)
        self._seen: defaultdict[int, set[Seen]] = defaultdict(set)
        self._readers: dict[int, Callable[[], None]] = {}
        self._watching: list[socket.socket] = []
        self._poll = select.epoll()
        self._sockets = ExitStack()
        self._sockets.callback(self._poll.close)

    def __enter__(self) -> _Observer:
        return self

    def __exit__(self, *_: object) -> None:
        self._sockets.close()

    def _opened(self, family: int, kind: int, protocol: int) -> socket.socket:
        kind |= socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        made = self._sockets.enter_context(socket.socket(family, kind, protocol))
        try:
            made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        except PermissionError:  # kernels before 5.19 ask for the right on the machine
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        return made

    def _read_by(self, read: Callable[[socket.socket], None], made: socket.socket) -> None:
        """Have a socket read, one packet a call, when it is ready."""

        def some() -> None:
            with suppress(OSError):  # nothing more now; or a device that went down, which is told once
                for _ in range(_AT_ONCE):
                    read(made)

        self._readers[made.fileno()] = some
        self._poll.register(made.fileno(), select.EPOLLIN)

    def watch(self, node: str) -> None:
        """Watch all devices of a node, which the calling thread is in."""
        # What comes before the filter is there, whichever way it goes, is not ours: nothing of this run has been sent.
        made = self._opened(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        attach(made, _INCOMING)
        made.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        self._watching.append(made)
        members = _members()

        def read(packets: socket.socket) -> None:
            packet, ancillary, _, (device, _, direction, *_) = packets.recvmsg(ENOUGH, _SPACE)
            request = request_in(self.run, packet)
            if request is None or request.number not in self._probes:
                return
            self._seen[request.number].add(Seen(node, device))
            if direction != _FOR_OTHERS and device not in members and not _tagged(ancillary):
                self._arrivals[request.number].add(Arrival(node, device, *request[1:]))

        self._read_by(read, made)

    def hear(self, node: str) -> None:
        """Listen to what is told to a node, which the calling thread is in, about its probes."""
        own = [probe for probe in self._probes.values() if probe.source == node]
        for version in sorted({probe.version for probe in own}):
            icmp = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
            others = {protocol_of(probe) for probe in own if probe.version == version}
            for protocol in sorted({icmp, *others}):
                self._hear(node, version, protocol)

    def _hear(self, node: str, version: int, protocol: int) -> None:
        def read(messages: socket.socket) -> None:
            body, (sender, *_) = messages.recvfrom(_LONGEST)
            if version == 4:  # only there the IP header comes along: raw(7)
                body = body[(body[0] & 0xF) * 4 :]
            told = told_by(self.run, protocol, body)
            if told is not None and told.number in self._probes and self._probes[told.number].source == node:
                self._answers[told.number][Answer(told.what, sender, told.icmp)] = None

        family = socket.AF_INET if version == 4 else socket.AF_INET6
        self._read_by(read, self._opened(family, socket.SOCK_RAW, protocol))

    def listen(self, protocol: str, port: int) -> None:
        """Listen in the node that the calling thread is in; UDP answers from the address that was asked."""
        for version in sorted({probe.version for probe in self._probes.values()}):
            made = self._sockets.enter_context(listener(version, protocol, port))
            if protocol == "udp":
                self._read_by(answer, made)

    def send(self, probe: Probe) -> None:
        """Send a probe from the node that the calling thread is in."""
        family = socket.AF_INET if probe.version == 4 else socket.AF_INET6
        discovery = _PMTUDISC_DO if probe.dont_fragment else _PMTUDISC_DONT
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with socket.socket(family, kind, protocol_of(probe)) as sending:
            if probe.version == 4:
                sending.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, probe.ttl)
                sending.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, discovery)
            else:
                sending.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, probe.ttl)
                sending.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, discovery)
            try:
                sending.connect((probe.destination, 0))
                # Connecting chooses the source, which the checksums cover.
                ends = (socket.inet_pton(family, end) for end in (sending.getsockname()[0], probe.destination))
                sending.send(message(self.run, probe, *ends))
            except OSError as error:
                self._errno[probe.number] = error.errno or 0

    def attend(self, until: float) -> None:
        """Read whatever comes, at least once, until a time of the monotonic clock."""
        left = until - time.monotonic()
        while True:
            for fd, _ in self._poll.poll(max(left, 0.0)):
                self._readers[fd]()
            left = until - time.monotonic()
            if left <= 0:
                return

    def observations(self) -> tuple[Observation, ...]:
        for watching in self._watching:
            lost = _STATISTICS.unpack(watching.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size))[1]
            if lost:
                raise RuntimeError(f"{lost} packets came faster than they were read")
        return tuple(
            Observation(
                probe,
                self._errno.get(number),
                tuple(self._answers[number]),
                frozenset(self._arrivals[number]),
                frozenset(self._seen[number]),
            )
            for number, probe in self._probes.items()
        )


_SPACE = socket.CMSG_SPACE(_AUXDATA.size)


def _tagged(ancillary: list[tuple[int, int, bytes]]) -> bool:
    """Tell whether a packet's frame had the tag of a VLAN, which its device took off; VLAN 0 is a priority only."""
    for level, kind, value in ancillary:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA) and len(value) >= _AUXDATA.size:
            status, _, _, _, _, tag, _ = _AUXDATA.unpack_from(value)
            return bool(status & _VLAN_VALID and tag & _VLAN_ID)
    return False


def _members() -> frozenset[str]:
    """Give the devices of the present namespace that do not take what comes in by them: their masters do."""
    route = RouteSocket.opened()
    try:
        links = {one.index: one for one in route.dump(codec.link_dump(), link)}
    finally:
        route.close()
    return frozenset(one.name for one in links.values() if one.master in links and links[one.master].kind in _TAKES_ALL)
