"""What a probe observes, as values: a list of Events goes in, a verdict comes out (see judge).

An Event is made in the process that probes, crosses to the process that judges as JSON, and says one thing:

    route      the kernel's routing answer: device, source, gateway; or errno
    listener   a listener was started in the target's node (errno None), or could not be (EADDRINUSE: one is there)
    sent       a socket or a device took a request from us
    failed     a socket refused a request, or a connection ended: errno
    reply      an answer came through the socket (arp: to the device): source, text
    open       a TCP handshake was completed
    icmp       an ICMP error came through the socket: source, icmp (type, code)
    asked      seen on a device: this node asks for a neighbour's link-layer address (ARP, neighbour solicitation)
    told       seen on a device: the neighbour's answer
    out, in    seen on a device: a packet to, or from, the target (text says which; icmp for an ICMP error)
    measured   of so many echo requests (number) so many were lost, the others took so long; errno: the first refusal

The first seven and the last are what the node's own sockets were given, after its routing, filter and NAT: they
decide. The rest is what scapy saw on the devices: it explains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

What = Literal["route", "listener", "sent", "failed", "reply", "open", "icmp", "asked", "told", "out", "in", "measured"]

#: What a UDP check sends where the file does not say.
PAYLOAD: Final = "netlab"
#: The longest message between the process that judges and the one that probes; a socket's default buffer takes it.
LONGEST_MESSAGE: Final = 192 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One observation, `at` seconds after its check began, in the check's try number `attempt` (from 1)."""

    at: float
    what: What
    attempt: int = 1
    #: Which request of the attempt this is, or answers (from 1).
    number: int | None = None
    device: str | None = None
    source: str | None = None
    target: str | None = None
    gateway: str | None = None
    errno: int | None = None
    #: Type and code of an ICMP error.
    icmp: tuple[int, int] | None = None
    #: A payload, a link-layer address, or the kind of packet.
    text: str | None = None
    #: A measurement: how many requests had no answer, and the seconds that each of the others took (latency only). What
    #: is only expected may be no whole number.
    lost: float | None = None
    took: tuple[float, ...] | None = None

    def encode(self) -> dict[str, Any]:
        """Give the event as JSON values, unset fields left out.

        >>> Event(0.5, "icmp", source="10.0.0.254", icmp=(3, 1)).encode()
        {'at': 0.5, 'what': 'icmp', 'attempt': 1, 'source': '10.0.0.254', 'icmp': [3, 1]}
        """
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.icmp is not None:
            found["icmp"] = list(self.icmp)
        if self.took is not None:
            found["took"] = list(self.took)
        return {name: value for name, value in found.items() if value is not None}


def decode(values: Mapping[str, Any]) -> Event:
    """Turn what `encode` gave back into the event.

    >>> decode(Event(0.5, "icmp", icmp=(3, 1)).encode()) == Event(0.5, "icmp", icmp=(3, 1))
    True
    """
    tuples = {name: tuple(values[name]) for name in ("icmp", "took") if values.get(name) is not None}
    return Event(**{**values, **tuples})
