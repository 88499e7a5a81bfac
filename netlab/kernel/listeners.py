"""Who listens in a namespace: the TCP sockets that wait for connections, and the UDP sockets that take from anybody.

Source: proc_pid_net(5); net/ipv4/tcp_ipv4.c (get_tcp4_sock), udp.c (udp4_format_sock), and those of IPv6.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Final

#: TCP_LISTEN; TCP_CLOSE, which UDP sockets are in unless they are connected (include/net/tcp_states.h).
_STATES: Final = {"tcp": "0A", "udp": "07"}

#: tcp or udp, the address that it is bound to (all zeros: any), and the port.
Listener = tuple[str, str, int]


def listeners_here() -> frozenset[Listener]:
    """Give who listens in the calling thread's namespace; nobody where /proc does not tell."""
    return frozenset(one for kind in _STATES for version in ("", "6") for one in _listeners(kind, version))


def _listeners(kind: str, version: str) -> Iterator[Listener]:
    with suppress(OSError), open(f"/proc/thread-self/net/{kind}{version}", encoding="ascii") as table:
        for line in list(table)[1:]:
            _, local, _, state, *_ = line.split()
            if state == _STATES[kind]:
                address, _, port = local.partition(":")
                yield kind, _address(address), int(port, 16)


def _address(text: str) -> str:
    """Turn an address, told as words of the machine's own byte order, into its usual form.

    >>> _address("00000000"), _address("0" * 32)
    ('0.0.0.0', '::')
    """
    words = [bytes.fromhex(text[at : at + 8]) for at in range(0, len(text), 8)]
    found = ip_address(b"".join(word[::-1] if sys.byteorder == "little" else word for word in words))
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)
