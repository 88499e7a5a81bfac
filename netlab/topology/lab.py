"""The resolved lab: what a topology file means once every short form is expanded and every name is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from netlab.errors import Problem, Span
from netlab.facts import Facts, Key
from netlab.facts.impairment import time_text

CheckKind = Literal["ping", "arp", "tcp", "udp", "latency", "loss"]


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation of the file, every name in it resolved.

    expect: ping reply|unreachable|no-route|timeout|ttl-exceeded; tcp open|refused|filtered; udp reply|refused|timeout;
    arp reply|timeout; latency and loss inside. Times in seconds.
    """

    kind: CheckKind
    #: As given by `name:`, else as written: "ping ns0 -> ns1".
    name: str
    #: The node that sends.
    source: str
    #: The target as written.
    target: str
    #: The target's address, without a prefix length.
    address: str
    #: The node that holds that address, if one of the lab does.
    target_node: str | None
    span: Span
    port: int | None = None
    expect: str = "reply"
    #: The node that must have sent the answer or the ICMP error, and all its addresses.
    by: str | None = None
    by_addresses: tuple[str, ...] = ()
    #: Payload to send and payload to expect (udp).
    send: str | None = None
    reply: str | None = None
    #: Retry until it holds, for this long.
    within: float | None = None
    #: It must hold all along, for this long.
    lasting: float | None = None
    #: The device that an ARP question leaves by.
    device: str | None = None
    #: How many echo requests are measured, and the least and the most that it may come to: latency in seconds, loss as
    #: a share from 0 to 1.
    count: int | None = None
    between: tuple[float, float] | None = None

    @property
    def bounds(self) -> str | None:
        """What a measurement may come to, in words; None for a check that measures nothing.

        >>> check = Check("loss", "", "a", "b", "10.0.0.2", "b", Span("lab.yml", 1, 1), between=(0.01, 0.06))
        >>> check.bounds
        '1% to 6%'
        """
        if self.between is None:
            return None
        return " to ".join(amount_text(self.kind, bound) for bound in self.between)


def amount_text(kind: CheckKind, amount: float) -> str:
    """Write a bound of a latency (seconds) or of a loss (a share) as a file does.

    >>> amount_text("latency", 0.0385), amount_text("loss", 0.035)
    ('38500us', '3.5%')
    """
    return time_text(round(amount * 1_000_000)) if kind == "latency" else f"{amount * 100:.5g}%"


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab: its name, its nodes in file order (`host` first), the facts it wants and where each was asked for."""

    name: str
    #: Whether the file itself demands a sandbox (`host: {sandbox: true}`).
    sandbox: bool
    nodes: tuple[str, ...]
    facts: Facts
    origin: Mapping[Key, Span]
    checks: tuple[Check, ...] = ()
    #: Subnets of bridges, by (node, bridge).
    subnets: Mapping[tuple[str, str], str] = field(default_factory=dict)
    #: Addresses that netlab chose rather than the file, by (node, device).
    allocated: Mapping[tuple[str, str], str] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
