"""Dummies: devices that carry addresses and swallow packets (drivers/net/dummy.c).

A kernel without them lends ifb, which does the same: see `netlab.kernel.capability`.
"""

from __future__ import annotations

from typing import Annotated, Any

from netlab.kinds.fields import NULL, Short, fault
from netlab.kinds.kind import Kind, OtherSection
from netlab.source import kind_of


class DummySection(OtherSection):
    """A dummy: a device that carries addresses and leads nowhere. An address for short."""


def _expand(value: Any) -> Any:
    if value is None:
        return {}
    if isinstance(value, str):
        return {"address": value}
    if isinstance(value, list):
        return {"addresses": value}
    if isinstance(value, dict | DummySection):
        return value
    raise fault("type", f"a dummy is an address, a list of them, or a mapping, not a {kind_of(value)}")


AnyDummy = Annotated[
    DummySection,
    Short(
        _expand,
        (
            {"type": "string", "description": "Its address", "examples": ["192.0.2.1/32"]},
            {"type": "array", "items": {"type": "string"}, "description": "Its addresses"},
            NULL,
        ),
    ),
]

DUMMY = Kind(
    name="dummy",
    plural="dummies",
    section=DummySection,
    options_of=lambda section: (),
    layout={},
    words=lambda options: [],
    config="CONFIG_DUMMY",
)
