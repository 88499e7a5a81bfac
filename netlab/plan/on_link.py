"""Which prefixes are on the link of which device: a question costs one look-up for each prefix length in use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Generic, TypeVar

from netlab.facts import OnLink

T = TypeVar("T")


@lru_cache(maxsize=65536)
def _network(text: str) -> tuple[int, int, int]:
    network = ip_network(text)
    return network.version, network.prefixlen, int(network.network_address)


@lru_cache(maxsize=65536)
def _address(text: str) -> tuple[int, int, int]:
    address = ip_address(text)
    return address.version, int(address), address.max_prefixlen


class OnLinkIndex(Generic[T]):
    """Prefixes by node, each with its device and whatever makes it on-link."""

    def __init__(self) -> None:
        self._by_prefix: dict[tuple[str, int, int, int], dict[tuple[str, T], None]] = defaultdict(dict)
        self._lengths: dict[tuple[str, int], set[int]] = defaultdict(set)

    def add(self, node: str, device: str, network: str, what: T) -> None:
        version, length, base = _network(network)
        self._by_prefix[node, version, length, base][device, what] = None
        self._lengths[node, version].add(length)

    def remove(self, node: str, device: str, network: str, what: T) -> None:
        del self._by_prefix[node, *_network(network)][device, what]

    def find(self, need: OnLink) -> Iterator[tuple[int, str, T]]:
        """Give the prefix length, the device and the cause of each prefix that meets a need."""
        version, number, longest = _address(need.address)
        for length in self._lengths.get((need.node, version), ()):
            base = number >> (longest - length) << (longest - length)
            for device, what in self._by_prefix.get((need.node, version, length, base), ()):
                if need.device in (None, device):
                    yield length, device, what
