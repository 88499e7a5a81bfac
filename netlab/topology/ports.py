"""Ranges of ports: put together as nftables keeps them, and led to others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netlab.facts.rules import Ports

#: So many ports are led one by one to others than themselves.
MOST_PORTS = 1000


def joined(ports: Iterable[tuple[int, int]]) -> Ports:
    """Sort ranges of ports and join those that touch, as nftables keeps them.

    >>> joined([(443, 443), (80, 80), (81, 90)])
    ((80, 90), (443, 443))
    """
    found: list[tuple[int, int]] = []
    for low, high in sorted(ports):
        if found and low <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    return tuple(found)


def pairs(outer: tuple[int, int], inner: tuple[int, int]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Lead ports to ports: a range to itself as a whole, else one by one (nftables would choose any of a range).

    >>> list(pairs((8000, 8001), (80, 81)))
    [((8000, 8000), (80, 80)), ((8001, 8001), (81, 81))]
    """
    if outer == inner or outer[0] == outer[1]:
        yield outer, inner
        return
    for step in range(outer[1] - outer[0] + 1):
        yield (outer[0] + step,) * 2, (inner[0] + step,) * 2
