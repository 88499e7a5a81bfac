"""Turns a name with ranges, `ns{0..99}`, into the names that it stands for."""

from __future__ import annotations

import re
from itertools import product

from netlab import names
from netlab.kinds.fields import fault, suggested_name
from netlab.source import quote

#: The most nodes that a lab may have. Far beyond what one kernel carries, and still quick to refuse.
MOST_NODES = 100_000

_RANGE = re.compile(r"\{([0-9]{1,9})\.\.([0-9]{1,9})\}")


def size_of(pattern: str) -> int:
    """Count the names that a pattern stands for, without making them.

    >>> size_of("ns{0..99}")
    100
    """
    total = 1
    for low, high in _RANGE.findall(pattern):
        total *= int(high) - int(low) + 1
    return total


def expand(pattern: str) -> list[str]:
    """Give the names that a pattern stands for, in order; digits written with leading zeros keep their width.

    >>> expand("ns{08..10}")
    ['ns08', 'ns09', 'ns10']
    >>> expand("r{1..2}p{0..1}")
    ['r1p0', 'r1p1', 'r2p0', 'r2p1']
    """
    if "{" not in pattern:
        return [pattern]
    parts = _RANGE.split(pattern)
    choices = [_numbers(low, high) for low, high in zip(parts[1::3], parts[2::3], strict=True)]
    rest = parts[0::3]
    return [
        rest[0] + "".join(number + text for number, text in zip(chosen, rest[1:], strict=True))
        for chosen in product(*choices)
    ]


def _numbers(low: str, high: str) -> list[str]:
    padded = (len(low) > 1 and low[0] == "0") or (len(high) > 1 and high[0] == "0")
    width = max(len(low), len(high)) if padded else 1
    return [f"{number:0{width}d}" for number in range(int(low), int(high) + 1)]


def check_pattern(pattern: str) -> str:
    """Let the name of a node, or of a range of nodes, pass; else say what is wrong with it."""
    for low, high in _RANGE.findall(pattern):
        if int(high) < int(low):
            raise fault("range", f"the range {{{low}..{high}}} runs backwards", f"write {{{high}..{low}}}")
    plain = _RANGE.sub("0", pattern)
    if "{" in plain or "}" in plain:
        raise fault("range", f"{quote(pattern)} is not a range of names", "write ranges of numbers, as in ns{0..99}")
    size = size_of(pattern)
    if size > MOST_NODES:
        raise fault("too-many", f"{pattern} stands for {size:,} nodes; a lab has at most {MOST_NODES:,}")
    if "{" in pattern:
        plain = _RANGE.sub(lambda match: max(match[1], match[2], key=len), pattern)
    if plain == names.HOST:
        fix = "describe the machine itself at the top level, or under host:"
        raise fault("name", f"the name {quote(pattern)} is a word of the language", fix)
    if wrong := names.fault_of_name(plain):
        better = suggested_name(pattern, names.fault_of_name, names.LONGEST_NAME) if plain == pattern else None
        raise fault("name", f"the name {quote(pattern)} {wrong}", better)
    return pattern
