"""Who has an address? asked by a frame on a device: ARP, or a neighbour solicitation for IPv6.

The only probe that goes by a packet socket: it passes by routing, filters and NAT, as the kernel's own questions do.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from netlab.probe.events import Event
from netlab.probe.route import lookup
from netlab.topology.lab import Check

_ETH_P_ARP, _ETH_P_IPV6 = 0x0806, 0x86DD
_SIOCGIFHWADDR = 0x8927
_BROADCAST = "ff:ff:ff:ff:ff:ff"
_NOBODY = str(IPv4Address(0))


class Arp:
    """Questions on one device, and the answers that come to it."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.version = ip_address(check.address).version
        self.protocol = _ETH_P_ARP if self.version == 4 else _ETH_P_IPV6
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self.socket = socket.socket(socket.AF_PACKET, kind, 0)
        self.frame: bytes | None = None
        self.mine: str | None = None

    def sockets(self) -> list[socket.socket]:
        return [self.socket]

    def send(self, number: int) -> Iterator[Event]:
        try:
            if self.frame is None:
                device = self.check.device or lookup(self.check.address).device
                self.socket.bind((device, self.protocol))
                self.frame = self._question(device)
            self.socket.send(self.frame)
        except OSError as error:
            yield Event(0, "failed", number=number, errno=error.errno)
        else:
            yield Event(0, "sent", number=number, source=self.mine, device=self.socket.getsockname()[0])

    def _question(self, device: str) -> bytes:
        from scapy.layers.l2 import ARP, Ether

        request = fcntl.ioctl(self.socket, _SIOCGIFHWADDR, struct.pack("256s", device.encode()))
        link = ":".join(f"{byte:02x}" for byte in request[18:24])
        self.mine = self._own_address(device)
        if self.version == 6:
            return self._solicitation(link)
        # A device without an address asks as RFC 5227 does, from 0.0.0.0.
        question = ARP(op="who-has", hwsrc=link, psrc=self.mine or _NOBODY, pdst=self.check.address)
        return bytes(Ether(src=link, dst=_BROADCAST, type=_ETH_P_ARP) / question)

    def _own_address(self, device: str) -> str | None:
        try:
            route = lookup(self.check.address, device)
        except OSError:
            return None
        return route.source if route.device == device else None

    def _solicitation(self, link: str) -> bytes:
        """Build a neighbour solicitation to the target's solicited-node group (RFC 4861, sections 4.3 and 7.2.2)."""
        from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
        from scapy.layers.l2 import Ether

        target = IPv6Address(self.check.address)
        low = target.packed[-3:]
        group = IPv6Address(IPv6Address("ff02::1:ff00:0").packed[:-3] + low)
        ether = Ether(src=link, dst=f"33:33:ff:{low[0]:02x}:{low[1]:02x}:{low[2]:02x}", type=_ETH_P_IPV6)
        question = IPv6(src=self.mine or "::", dst=str(group), hlim=255) / ICMPv6ND_NS(tgt=str(target))
        # A question from no address must not name its link-layer address (section 4.3).
        return bytes(ether / question / ICMPv6NDOptSrcLLAddr(lladdr=link) if self.mine else ether / question)

    def read(self) -> Iterator[Event]:
        while True:
            try:
                frame, origin = self.socket.recvfrom(65536)
            except BlockingIOError:
                return
            except OSError as error:
                # A device that goes down says so once (ENETDOWN).
                yield Event(0, "failed", errno=error.errno)
                return
            answer = self._answer(frame) if origin[2] != socket.PACKET_OUTGOING else None
            if answer is not None:
                yield answer

    def _answer(self, frame: bytes) -> Event | None:
        from scapy.layers.inet6 import ICMPv6ND_NA
        from scapy.layers.l2 import ARP, Ether

        packet: Any = Ether(frame)
        if self.version == 4 and ARP in packet and packet[ARP].op == 2:
            return self._from(packet[ARP].psrc, packet[ARP].hwsrc)
        if self.version == 6 and ICMPv6ND_NA in packet:
            link = getattr(packet[ICMPv6ND_NA].payload, "lladdr", None) or packet[Ether].src
            return self._from(packet[ICMPv6ND_NA].tgt, link)
        return None

    def _from(self, address: str, link: str) -> Event | None:
        if ip_address(address) != ip_address(self.check.address):
            return None
        return Event(0, "reply", source=address, text=link, device=self.socket.getsockname()[0])

    def close(self) -> None:
        self.socket.close()
