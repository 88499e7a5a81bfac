"""What makes a wire worse than it is: the key `impair` of a device."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from pydantic import Field, PlainValidator, model_validator

from netlab.facts.impairment import PROPERTIES, Impairment, rate_text, raw_share, share_text, time_text
from netlab.kinds.fields import Section, fault
from netlab.source import quote

_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s)\Z")
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)%\Z")
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(bit|kbit|mbit|gbit)\Z", re.IGNORECASE)
_SECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000}
_BITS = {"bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9}
#: The least share that five digits tell, in percent.
_LEAST = 0.001
#: An hour, and what a rate's 32 bits of bytes a second hold.
_LONGEST, _FASTEST = 3_600_000_000, 8 * 0xFFFFFFFF


def read_time(value: Any) -> str:
    """Turn `20ms` into its normal form."""
    match = _TIME.match(str(value).strip())
    if match is None:
        raise fault("duration", f"{quote(value)} is no time", "write 20ms, 500us or 1s")
    found = round(float(match[1]) * _SECONDS[match[2]])
    if not 0 < found <= _LONGEST:
        raise fault("duration", f"{quote(value)} is not between a microsecond and an hour", "write 20ms, for one")
    return time_text(found)


def read_share(value: Any) -> str:
    """Turn `1%` into its normal form."""
    match = _SHARE.match(str(value).strip())
    if match is None or not _LEAST <= float(match[1]) <= 100:
        raise fault("share", f"{quote(value)} is no share of packets", "write 1%, between 0.001% and 100%")
    return share_text(raw_share(float(match[1])))


def read_rate(value: Any) -> str:
    """Turn `10mbit` into its normal form."""
    match = _RATE.match(str(value).strip())
    if match is None:
        raise fault("rate", f"{quote(value)} is no rate", "write 10mbit, 500kbit or 1gbit")
    found = round(float(match[1]) * _BITS[match[2].lower()] / 8) * 8
    if not 8 <= found <= _FASTEST:
        raise fault("rate", f"{quote(value)} is not between 8bit and 34gbit", "write 10mbit, for one")
    return rate_text(found)


Time = Annotated[str, PlainValidator(read_time, json_schema_input_type=str)]
Share = Annotated[str, PlainValidator(read_share, json_schema_input_type=str)]
Rate = Annotated[str, PlainValidator(read_rate, json_schema_input_type=str)]


#: How each property is read.
READ: Final[Mapping[str, Callable[[Any], str]]] = {
    "delay": read_time,
    "jitter": read_time,
    "loss": read_share,
    "duplicate": read_share,
    "reorder": read_share,
    "corrupt": read_share,
    "rate": read_rate,
}


class ImpairSection(Section):
    """What happens to packets that leave by the device: {delay: 20ms, loss: 1%, rate: 10mbit}."""

    delay: Time | None = Field(None, description="How much later they leave.")
    jitter: Time | None = Field(None, description="By how much the delay varies.")
    loss: Share | None = Field(None, description="How many are lost.")
    duplicate: Share | None = Field(None, description="How many leave twice.")
    reorder: Share | None = Field(None, description="How many leave at once, before those that are delayed.")
    corrupt: Share | None = Field(None, description="How many have a bit flipped.")
    rate: Rate | None = Field(None, description="The speed of the wire.")

    @model_validator(mode="after")
    def _delayed(self) -> ImpairSection:
        if all(getattr(self, name) is None for name in PROPERTIES):
            raise fault("impair", "impair says nothing", "write {delay: 20ms}, for one")
        for name in ("jitter", "reorder"):
            if getattr(self, name) is not None and self.delay is None:
                raise fault("impair", f"{name} needs a delay", f"add delay: {self.jitter or '20ms'}")
        return self

    def fact(self, node: str, device: str) -> Impairment:
        """Give the fact that says so of a device."""
        return Impairment(node, device, *(getattr(self, name) for name in PROPERTIES))
