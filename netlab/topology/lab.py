"""The resolved lab: what a topology file means once every short form is expanded and every name is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from netlab.errors import Problem, Span
from netlab.facts import Facts, Key

CheckKind = Literal["ping", "arp", "tcp", "udp"]


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation of the file, every name in it resolved.

    expect: ping reply|unreachable|no-route|timeout|ttl-exceeded; tcp open|refused|filtered; udp reply|refused|timeout;
    arp reply|timeout. Times in seconds.
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
