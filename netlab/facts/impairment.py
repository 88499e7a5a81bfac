"""The family of impairments: what makes a wire worse than it is, on what leaves by a device.

Times are text such as `20ms`, shares `1%`, rates `10mbit`: the words that tc(8) takes, each in one normal form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netlab.facts.fact import Difference, Fact, Key, Need

#: What can be said of a device, in the order in which it is told.
PROPERTIES = ("delay", "jitter", "loss", "duplicate", "reorder", "corrupt", "rate")
#: Probabilities are parts of this (net/sched/sch_netem.c).
_WHOLE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Impairment(Fact):
    """How what leaves by a device is delayed, lost, doubled, shuffled, spoilt and slowed down."""

    family: ClassVar[str] = "impairment"
    rank: ClassVar[int] = 5
    live: ClassVar[frozenset[str]] = frozenset(PROPERTIES)

    node: str
    device: str
    delay: str | None = None
    jitter: str | None = None
    loss: str | None = None
    duplicate: str | None = None
    reorder: str | None = None
    corrupt: str | None = None
    rate: str | None = None

    @property
    def key(self) -> Key:
        return ("impairment", self.node, self.device)

    @property
    def slows_only(self) -> bool:
        """Whether it asks for nothing but a rate, which needs no netem."""
        return all(getattr(self, name) is None for name in PROPERTIES[:-1])

    def needs(self) -> tuple[Need, ...]:
        return (("device", self.node, self.device),)

    def differences(self, have: Fact) -> tuple[Difference, ...]:
        """Give the properties that differ; what is not asked for is not to be there."""
        assert isinstance(have, Impairment)
        pairs = ((name, getattr(have, name), getattr(self, name)) for name in PROPERTIES)
        return tuple(Difference(name, now, want) for name, now, want in pairs if now != want)

    def label(self) -> str:
        return f"impairment of {self.node}:{self.device}"

    def words(self) -> list[str]:
        """Give what `tc qdisc ... netem` is followed by."""
        found = []
        for name in PROPERTIES:
            value = getattr(self, name)
            if value is not None:
                found += [value] if name == "jitter" else [name, value]
        return found


def time_text(microseconds: int) -> str:
    """Write a time in its normal form.

    >>> time_text(20_000), time_text(1_500), time_text(2_000_000)
    ('20ms', '1500us', '2s')
    """
    for unit, size in (("s", 1_000_000), ("ms", 1_000)):
        if microseconds % size == 0:
            return f"{microseconds // size}{unit}"
    return f"{microseconds}us"


def microseconds_of(text: str) -> int:
    """Read a time in its normal form."""
    for unit, size in (("us", 1), ("ms", 1_000), ("s", 1_000_000)):
        if text.endswith(unit) and text[: -len(unit)].isdigit():
            return int(text[: -len(unit)]) * size
    raise ValueError(f"{text!r} is no time")


def share_text(raw: int) -> str:
    """Write a share, given as parts of 2^32 - 1, in its normal form.

    >>> share_text(raw_share(1.0)), share_text(raw_share(0.25)), share_text(raw_share(100.0))
    ('1%', '0.25%', '100%')
    """
    return f"{raw / _WHOLE * 100:.5g}%"


def raw_share(percent: float) -> int:
    """Give parts of 2^32 - 1, as the kernel counts."""
    return round(percent / 100 * _WHOLE)


def rate_text(bits: int) -> str:
    """Write a rate, in bits a second, in its normal form.

    >>> rate_text(10_000_000), rate_text(1_500_000), rate_text(8)
    ('10mbit', '1500kbit', '8bit')
    """
    for unit, size in (("gbit", 10**9), ("mbit", 10**6), ("kbit", 10**3)):
        if bits % size == 0:
            return f"{bits // size}{unit}"
    return f"{bits}bit"


def burst_of(bits: int) -> int:
    """Give how many bytes may pass at once at a rate: a hundredth of a second's, and at least two full packets."""
    return max(bits // 800, 3200)


def bits_of(text: str) -> int:
    """Read a rate in its normal form."""
    for unit, size in (("gbit", 10**9), ("mbit", 10**6), ("kbit", 10**3), ("bit", 1)):
        if text.endswith(unit) and text[: -len(unit)].isdigit():
            return int(text[: -len(unit)]) * size
    raise ValueError(f"{text!r} is no rate")
