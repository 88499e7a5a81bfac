"""Classes of nodes and a label for each pair of them -> groups that no label tells apart, and a matrix of those.

Classes are what the simulator cannot tell apart; groups are what the reader of a result need not: two bridges' worth of
nodes that reach the same others, and are reached by the same, are one row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

#: What becomes of packets from one class to another; None where there is no such pair.
Label = Callable[[int, int], Hashable]


def merged(sizes: Sequence[int], label: Label) -> list[list[int]]:
    """Turn classes, given by their sizes, into groups: lists of their numbers, in order.

    Two classes are of one group if whatever lies in a third is the same to both, and they to it, and between and within
    the two all is the same as well. (That is an equivalence, so the first of a group speaks for all of it.)
    """
    count = len(sizes)
    groups: list[list[int]] = []
    near: dict[Hashable, list[list[int]]] = {}
    rows = [[label(i, j) for j in range(count)] for i in range(count)]
    for i in range(count):
        looks = (_counted(rows[i], i), _counted([row[i] for row in rows], i))
        found = next((group for group in near.get(looks, ()) if _same(rows, sizes, group[0], i)), None)
        if found is not None:
            found.append(i)
        else:
            groups.append([i])
            near.setdefault(looks, []).append(groups[-1])
    return groups


def _counted(labels: Sequence[Hashable], own: int) -> Hashable:
    return frozenset(Counter(labels[:own] + labels[own + 1 :]).items())  # type: ignore[operator]


def _same(rows: Sequence[Sequence[Hashable]], sizes: Sequence[int], a: int, b: int) -> bool:
    inner = {rows[a][b], rows[b][a], *(rows[one][one] for one in (a, b) if sizes[one] > 1)}
    if len(inner) > 1:
        return False
    others = [one for one in range(len(rows)) if one not in (a, b)]
    return all(rows[a][one] == rows[b][one] and rows[one][a] == rows[one][b] for one in others)


def matrix_of(groups: Sequence[Sequence[int]], sizes: Sequence[int], label: Label) -> list[list[Hashable]]:
    """Give the label of each pair of groups; None where there is no pair."""
    return [[_between(one, other, sizes, label) for other in groups] for one in groups]


def _between(one: Sequence[int], other: Sequence[int], sizes: Sequence[int], label: Label) -> Hashable:
    i, j = one[0], other[0]
    if i != j or sizes[i] > 1:
        return label(i, j)
    return label(i, one[1]) if len(one) > 1 else None
