"""Probes, and what the real kernel makes of each: the values that a simulator's prediction is compared with.

Everything is seen from outside, by sockets: what the sender's system calls said, what reached the sender's sockets, and
which devices of which nodes a request came in by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["icmp", "udp", "tcp"]
What = Literal["reply", "open", "refused", "icmp"]


@dataclass(frozen=True, slots=True)
class Probe:
    """One request: an echo request, a datagram or a SYN, from a node to an address.

    >>> Probe(1, "a", "fd00::2", "tcp", 80).version
    6
    """

    #: 1 to 65535, unique in a run.
    number: int
    #: The node that sends.
    source: str
    destination: str
    kind: Kind
    #: The destination port of udp and tcp.
    port: int | None = None
    #: Of the whole IP packet, in bytes. A SYN has no payload and is as long as its headers, whatever stands here.
    size: int = 84
    ttl: int = 64
    #: Of IPv6 only the sender fragments; this forbids it.
    dont_fragment: bool = False

    def __post_init__(self) -> None:
        assert 1 <= self.number <= 0xFFFF, self
        assert (self.port is None) == (self.kind == "icmp"), self

    @property
    def version(self) -> int:
        return 6 if ":" in self.destination else 4


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that came in by a device in a frame for that device, or for everybody: with the addresses it had there.

    Ports of bridges and members of bonds have none: what comes in by them is their master's. A frame with a VLAN tag
    arrives at the device of that VLAN. Of a fragmented packet the first fragment counts.
    """

    node: str
    device: str
    source: str
    destination: str
    ttl: int
    #: The destination port; NAT may have changed it.
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A request came in by a device, whomever the frame was for: where a bridge sends it, the far ends see it."""

    node: str
    device: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What reached a raw socket of the sender, behind its input filter.

    reply: an echo reply, or a datagram of a listener; open: SYN-ACK; refused: RST; icmp: an ICMP error about the
    request, by type and code.
    """

    what: What
    source: str
    icmp: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What became of one probe; the answers in the order that they came, each once."""

    probe: Probe
    #: What the sender's own system calls said: no route, too big, forbidden by the output filter.
    errno: int | None
    answers: tuple[Answer, ...]
    arrivals: frozenset[Arrival]
    seen: frozenset[Seen]
