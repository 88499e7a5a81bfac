"""External devices: those of the machine that are there already, such as its own eth0; used, never made or deleted."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from netlab.kinds.fields import NULL, Section, Short, Text, fault
from netlab.source import kind_of


class ExternalSection(Section):
    """A device of the machine that is there already. `eth0:` alone for short."""

    bridge: Text | None = Field(None, description="The bridge of the host that the device is plugged into.")


def _expand(value: Any) -> Any:
    if value is None:
        return {}
    if isinstance(value, dict | ExternalSection):
        return value
    raise fault("type", f"an external device is a mapping, not a {kind_of(value)}", "write eth0: {}, for one")


AnyExternal = Annotated[ExternalSection, Short(_expand, (NULL,))]
