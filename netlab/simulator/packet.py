"""Packets and frames as the simulator moves them: what the kernel looks at when it decides, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final, Literal

Version = Literal[4, 6]
#: What a packet is to whoever gets it. `error` is an ICMP error; `syn`, `syn-ack` and `rst` are TCP's; a `solicitation`
#: and an `advertisement` are neighbour discovery as the chains of a node see it.
Message = Literal[
    "echo", "echo-reply", "error", "syn", "syn-ack", "rst", "datagram", "carried", "solicitation", "advertisement"
]

#: Source and destination, and the port of each.
Ends = tuple[str, str, int, int]

#: The length of an address, in bits.
BITS: Final[Mapping[int, int]] = {4: 32, 6: 128}
BROADCAST = "ff:ff:ff:ff:ff:ff"
#: Bytes of an Ethernet header (ETH_HLEN) and of a VLAN tag (VLAN_HLEN).
ETHERNET, TAG = 14, 4
#: Bytes of a ping as ping(8) sends it, headers included; of a SYN with its options; of a short datagram.
PING_SIZE, SYN_SIZE, DATAGRAM_SIZE = 84, 60, 34
#: Bytes of a TCP reset, and of an answer to a SYN, by version.
RST_SIZE: Final[Mapping[int, int]] = {4: 40, 6: 60}
SYN_ACK_SIZE: Final[Mapping[int, int]] = {4: 60, 6: 80}
#: What the kernel quotes of a packet in an ICMP error, at most (net/ipv4/icmp.c; RFC 4443, 2.4).
QUOTED4, QUOTED6 = 576, 1280


#: ICMP errors by version, type and code (RFC 792, RFC 1812, RFC 4443).
_ERRORS = {
    (4, 3, 0): "net unreachable",
    (4, 3, 1): "host unreachable",
    (4, 3, 2): "protocol unreachable",
    (4, 3, 3): "port unreachable",
    (4, 3, 4): "fragmentation needed",
    (4, 3, 9): "net prohibited",
    (4, 3, 10): "host prohibited",
    (4, 3, 13): "administratively prohibited",
    (4, 11, 0): "time exceeded",
    (6, 1, 0): "no route to destination",
    (6, 1, 1): "administratively prohibited",
    (6, 1, 2): "beyond scope of source",
    (6, 1, 3): "address unreachable",
    (6, 1, 4): "port unreachable",
    (6, 1, 5): "source address failed ingress/egress policy",
    (6, 1, 6): "reject route to destination",
    (6, 2, 0): "packet too big",
    (6, 3, 0): "time exceeded",
}


@dataclass(frozen=True, slots=True)
class IcmpError:
    """What an ICMP error says: type and code, the packet that it is about, and the MTU of one that is too big."""

    type: int
    code: int
    about: Packet
    mtu: int = 0

    def words(self) -> str:
        """Say what it says, as ping(8) does."""
        words = _ERRORS.get((self.about.version, self.type, self.code), f"error {self.type}/{self.code}")
        return f"{words}, mtu {self.mtu}" if self.mtu else words


@dataclass(frozen=True, slots=True)
class Packet:
    """An IP packet. `sport` and `dport` are ports; of an echo both are its identifier. `size` counts the IP header.

    `piece` is the size of its largest fragment, 0 while it is whole.
    """

    source: str
    destination: str
    protocol: str
    message: Message
    sport: int = 0
    dport: int = 0
    ttl: int = 64
    size: int = PING_SIZE
    dont_fragment: bool = False
    piece: int = 0
    error: IcmpError | None = None
    carried: Frame | None = None
    #: Of a packet that carries a frame: the number of the network (VNI).
    vni: int = 0
    #: Whether a checksum is left for a device to make (CHECKSUM_PARTIAL): its own, as of what programs send, or that
    #: of what it carries. Then its own was made for these addresses and ports (lco_csum).
    offloaded: bool = False
    summed: Ends | None = None
    #: Whether an ipvlan that routes has sent it on, of the node's `own` or of others, to be routed once more.
    detour: Literal["", "own", "others"] = ""
    #: Whether its checksum is wrong, and whether a node has found it to be right (csum_valid).
    spoilt: bool = False
    checked: bool = False

    @property
    def version(self) -> Version:
        return 6 if ":" in self.destination else 4

    @property
    def ends(self) -> Ends:
        return self.source, self.destination, self.sport, self.dport

    def settled(self) -> Packet:
        """Give it with all checksums made, as by a device that can make none of what a tunnel carries.

        Until then a translation takes the checksum of what carries the tunnel for one that is yet to be made, and
        changes it wrongly (skb_checksum_help, inet_proto_csum_replace4).
        """
        if not self.offloaded:
            return self
        carried, spoilt = self.carried, self.spoilt
        if carried is not None and isinstance(carried.payload, Packet):
            carried, spoilt = replace(carried, payload=carried.payload.settled()), self.ends != self.summed
        return replace(self, offloaded=False, carried=carried, spoilt=spoilt)

    @property
    def largest(self) -> int:
        """The size of what goes over a wire at once."""
        return self.piece or self.size

    def __str__(self) -> str:
        return f"{self.source} -> {self.destination} {self.words()}"

    def words(self) -> str:
        """Say what kind of packet it is."""
        if self.message == "error" and self.error is not None:
            return f"icmp {self.error.words()}"
        if self.message in ("echo", "echo-reply"):
            return "echo request" if self.message == "echo" else "echo reply"
        if self.message == "carried":
            return f"vxlan {self.vni}"
        return f"{self.protocol} {self.message} {self.sport} -> {self.dport}"


@dataclass(frozen=True, slots=True)
class Question:
    """An ARP request or a neighbour solicitation: who has `target`; `asker` is empty where it has no address."""

    target: str
    asker: str


@dataclass(frozen=True, slots=True)
class Told:
    """An ARP reply or a neighbour advertisement: `target` is at the frame's source."""

    target: str
    asker: str


@dataclass(frozen=True, slots=True)
class Frame:
    """An Ethernet frame; `tags` are VLANs, the outermost first. `hops` counts the wires and bridges it has crossed."""

    source: str
    destination: str
    payload: Packet | Question | Told
    tags: tuple[int, ...] = ()
    hops: int = 0
    #: Whether chains of the bridge's node have seen it come in, and the connection that they found (bridge-netfilter).
    looked_at: bool = False
    tracked: Any = None
    #: How the node that it is in has sent what it carries (skb_dst); no longer known once it is in another.
    passage: Any = None
    #: Whether it counts as being for whoever gets it, whatever its MAC (PACKET_HOST).
    for_host: bool = False

    @property
    def is_group(self) -> bool:
        """Whether it is for more than one: broadcast or multicast (the first byte's lowest bit)."""
        return self.destination[1] in "13579bdf"

    @property
    def counted(self) -> int:
        """Bytes that count where it may be too long: of its tags the outermost is kept beside it (skb_vlan_tag)."""
        return self.length + TAG * max(0, len(self.tags) - 1)

    @property
    def length(self) -> int:
        """Bytes of what follows the Ethernet header, tags left out."""
        return self.payload.largest if isinstance(self.payload, Packet) else 28


@lru_cache(maxsize=65536)
def number_of(address: str) -> int:
    """Give an address as a number.

    >>> number_of("10.0.0.1")
    167772161
    """
    return int(ip_address(address))


@lru_cache(maxsize=65536)
def group_mac(address: str) -> str:
    """Give the MAC that stands for an IPv4 multicast address (RFC 1112) or an IPv6 one (RFC 2464).

    >>> group_mac("ff02::1:ff00:1"), group_mac("224.0.0.5")
    ('33:33:ff:00:00:01', '01:00:5e:00:00:05')
    """
    number = number_of(address)
    if ":" in address:
        raw = b"\x33\x33" + (number & 0xFFFFFFFF).to_bytes(4, "big")
    else:
        raw = b"\x01\x00\x5e" + (number & 0x7FFFFF).to_bytes(3, "big")
    return raw.hex(":")


def question_mac(target: str) -> str:
    """Give the MAC that a question goes to: everybody, or the solicited-node group (RFC 4291, 2.7.1)."""
    if ":" not in target:
        return BROADCAST
    return (b"\x33\x33\xff" + (number_of(target) & 0xFFFFFF).to_bytes(3, "big")).hex(":")


@lru_cache(maxsize=65536)
def link_local(mac: str, number: int = 0) -> str:
    """Give the address that the kernel makes of a MAC by itself (EUI-64, RFC 4291 appendix A).

    `number` tells devices of one MAC apart (dev_id; addrconf_ifid_eui48), 0 where there is but one.

    >>> link_local("02:00:00:00:00:01")
    'fe80::ff:fe00:1'
    """
    raw = bytes.fromhex(mac.replace(":", ""))
    middle = number.to_bytes(2, "big") if number else b"\xff\xfe"
    host = bytes((raw[0] if number else raw[0] ^ 2, raw[1], raw[2])) + middle + raw[3:]
    return str(ip_address(b"\xfe\x80" + bytes(6) + host))


def is_link_local(address: str) -> bool:
    """Tell whether an address is of IPv6's link-local scope (fe80::/10)."""
    return ":" in address and number_of(address) >> 118 == 0x3FA


def is_multicast(address: str) -> bool:
    """Tell whether an address stands for a group."""
    return number_of(address) >> 120 == 0xFF if ":" in address else number_of(address) >> 28 == 0xE


def is_loopback(address: str) -> bool:
    """Tell whether an address is of 127.0.0.0/8, or ::1."""
    return number_of(address) == 1 if ":" in address else number_of(address) >> 24 == 127
