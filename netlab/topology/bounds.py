"""Turns what a measurement may come to into numbers: `[38ms, 60ms]` into seconds, `[1%, 6%]` into shares from 0 to 1.

Times and shares are written as those of an impairment; here nothing at all (0ms, 0%) is one, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainValidator

from netlab.facts.impairment import microseconds_of
from netlab.kinds.fields import fault
from netlab.kinds.impair import read_share, read_time
from netlab.source import quote
from netlab.topology.lab import CheckKind, amount_text

#: Beyond this, in seconds, an echo is not waited for.
LONGEST_ROUND_TRIP = 60.0
_NO_TIME = re.compile(r"0+(\.0+)?(us|ms|s)\Z")
_NO_SHARE = re.compile(r"0+(\.0+)?%\Z")

Bounds = tuple[float, float]


def read_round_trip(value: Any) -> float:
    """Turn `38ms` into seconds, at most a minute."""
    text = str(value).strip()
    seconds = 0.0 if _NO_TIME.match(text) else microseconds_of(read_time(value)) / 1_000_000
    if seconds > LONGEST_ROUND_TRIP:
        raise fault("duration", f"{quote(text)} is more than a minute, and no echo is waited for so long", "write 60s")
    return seconds


def read_lost(value: Any) -> float:
    """Turn `1%` into a share from 0 to 1."""
    return 0.0 if _NO_SHARE.match(str(value).strip()) else float(read_share(value).rstrip("%")) / 100


def _pair(example: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise fault("between", "between is two bounds, the least and the most", f"write between: {example}")
        return value

    return read


def _in_order(kind: CheckKind) -> Callable[[Bounds], Bounds]:
    def read(value: Bounds) -> Bounds:
        low, high = (amount_text(kind, bound) for bound in value)
        if value[0] > value[1]:
            raise fault("between", f"{low} is more than {high}: the least stands first", f"write [{high}, {low}]")
        return value

    return read


_RoundTrip = Annotated[float, PlainValidator(read_round_trip, json_schema_input_type=str)]
_Lost = Annotated[float, PlainValidator(read_lost, json_schema_input_type=str)]
RoundTrips = Annotated[
    tuple[_RoundTrip, _RoundTrip], BeforeValidator(_pair("[38ms, 60ms]")), AfterValidator(_in_order("latency"))
]
Losses = Annotated[tuple[_Lost, _Lost], BeforeValidator(_pair("[1%, 6%]")), AfterValidator(_in_order("loss"))]
