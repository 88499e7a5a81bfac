"""Names of nodes -> as few words as a file would need for them: a{0..49}."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: A name by its last number, and a range by the first number before it; numbers do not begin with zeros.
_LAST = re.compile(r"(.*?)(0|[1-9]\d*)(\D*)")
_FIRST = re.compile(r"(\D*)(0|[1-9]\d*)(\D.*\{.*)")
#: Fewer names than this are easier to read one by one.
_WORTH = 3


def in_ranges(names: Sequence[str]) -> list[str]:
    """Give names as ranges where they count on, in the order of the first name of each.

    >>> in_ranges(["a0", "a1", "a2", "gw", "b7", "a10"])
    ['a{0..2}', 'gw', 'b7', 'a10']
    >>> in_ranges([f"n{i}-{j}" for i in (1, 2, 3) for j in (7, 8, 9)])
    ['n{1..3}-{7..9}']
    """
    return _folded(_folded(names, _LAST), _FIRST)


def _folded(words: Sequence[str], pattern: re.Pattern[str]) -> list[str]:
    """Fold words that differ in one number and count on into one."""
    numbers: dict[tuple[str, str], list[tuple[int, int]]] = {}
    places: dict[int, str] = {}
    for place, word in enumerate(words):
        found = pattern.fullmatch(word)
        if found is None:
            places[place] = word
        else:
            numbers.setdefault((found[1], found[3]), []).append((int(found[2]), place))
    for (before, after), held in numbers.items():
        for run in _runs(sorted(held)):
            if len(run) < _WORTH:
                places.update((place, f"{before}{number}{after}") for number, place in run)
            else:
                places[min(place for _, place in run)] = f"{before}{{{run[0][0]}..{run[-1][0]}}}{after}"
    return [places[place] for place in sorted(places)]


def _runs(held: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Cut numbers, in order, where one is left out."""
    runs: list[list[tuple[int, int]]] = []
    for one in held:
        if runs and one[0] == runs[-1][-1][0] + 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs
