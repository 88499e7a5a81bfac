"""Addresses and networks as plain numbers: what ipaddress knows, at a price that thousands of nodes can pay."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import NamedTuple

from netlab.kinds.fields import AnyInterface, AnyNetwork

#: Bits of an address, by IP version.
BITS = {4: 32, 6: 128}
#: Network masks, by IP version and prefix length.
_MASKS = {version: [((1 << n) - 1) << (bits - n) for n in range(bits + 1)] for version, bits in BITS.items()}


def text_of(version: int, value: int) -> str:
    """Write an address in its normal form.

    >>> text_of(4, 167772161), text_of(6, 1)
    ('10.0.0.1', '::1')
    """
    if version == 4:
        return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"
    return str(IPv6Address(value))


class Ip(NamedTuple):
    """An address with its prefix length; a network is one whose host bits are zero."""

    version: int
    value: int
    prefix: int

    @property
    def host(self) -> str:
        """The address alone, `A`."""
        return text_of(self.version, self.value)

    @property
    def base(self) -> int:
        """The number of the network's first address."""
        return self.value & _MASKS[self.version][self.prefix]

    @property
    def network(self) -> Ip:
        return Ip(self.version, self.base, self.prefix)

    @property
    def is_single(self) -> bool:
        """Whether this is a /32 or /128: an address that has no neighbours."""
        return self.prefix == BITS[self.version]

    @property
    def is_link_local(self) -> bool:
        return self.version == 6 and self.value >> 118 == 0x3FA

    def holds(self, version: int, value: int) -> bool:
        """Tell whether an address is in this network."""
        return version == self.version and value & _MASKS[version][self.prefix] == self.base

    def overlaps(self, other: Ip) -> bool:
        """Tell whether two networks share an address."""
        shorter = min(self.prefix, other.prefix)
        mask = _MASKS[self.version][shorter]
        return self.version == other.version and self.value & mask == other.value & mask

    def __str__(self) -> str:
        return f"{text_of(self.version, self.value)}/{self.prefix}"


def of_interface(found: AnyInterface) -> Ip:
    """Turn an address with its network into numbers."""
    return Ip(found.version, int(found), found.network.prefixlen)


def of_network(found: AnyNetwork) -> Ip:
    """Turn a network into numbers."""
    return Ip(found.version, int(found.network_address), found.prefixlen)


def of_text(text: str) -> Ip:
    """Turn `A/n` into numbers; raise ValueError where it is none.

    >>> str(of_text("10.0.0.1/24"))
    '10.0.0.1/24'
    """
    return of_interface(ip_interface(text))


def literal(text: str) -> tuple[int, int] | None:
    """Turn an address `A` into (version, number), or give None where the text is no address.

    >>> literal("10.0.0.1"), literal("ns0")
    ((4, 167772161), None)
    """
    if not text or not (text[0].isdigit() or ":" in text):
        return None
    try:
        found: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return None
    return found.version, int(found)
