"""Policy rules and neighbours: the sections `rules` and `neighbours` of a node."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PlainValidator, model_validator

from netlab.kinds.fields import Address, AnyNetwork, DeviceName, Flag, Mac, Section, Text, Whole, fault
from netlab.source import quote

#: Tables that iproute2 knows by name (/etc/iproute2/rt_tables).
TABLES = {"default": 253, "main": 254, "local": 255}
#: What becomes of packets that no table is asked for.
DEAD_ENDS = ("blackhole", "unreachable", "prohibit")
_WHOLE = 0xFFFFFFFF
#: Priorities between the kernel's own rules, local (0) and main (32766).
_FIRST, _LAST = 1, 32765


def read_table(value: Any) -> int:
    """Turn a table's number, or the name of one of the kernel's, into the number."""
    if isinstance(value, str) and value in TABLES:
        return TABLES[value]
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 1 << 32:
        return value
    raise fault("table", f"{quote(value)} is not a routing table", "write a number from 1 to 4294967295, or main")


def _read_mark(value: Any) -> str:
    """Turn 1, `0x1` or `0x1/0xff` into the mark's normal form."""
    text, slash, mask = str(value).partition("/")
    try:
        number, whole = int(text, 0), int(mask, 0) if slash else _WHOLE
    except ValueError:
        number, whole = -1, 0
    if isinstance(value, bool) or not 0 <= number <= _WHOLE or not 0 < whole <= _WHOLE or number & ~whole:
        raise fault("mark", f"{quote(value)} is no mark of packets", "write 0x1, or 0x1/0xff")
    return f"{number:#x}" if whole == _WHOLE else f"{number:#x}/{whole:#x}"


Table = Annotated[int, PlainValidator(read_table, json_schema_input_type=int | str)]
Mark = Annotated[str, PlainValidator(_read_mark, json_schema_input_type=int | str)]


class PolicySection(Section):
    """A policy rule: which routing table packets are routed by: {from: 10.1.0.0/16, table: 100}."""

    source: AnyNetwork | None = Field(None, alias="from", description="Packets from this network or address.")
    to: AnyNetwork | None = Field(None, description="Packets to this network or address.")
    into: DeviceName | None = Field(None, alias="in", description="Packets that come in by this device.")
    out: DeviceName | None = Field(None, description="Packets of the node's own programs bound to this device.")
    mark: Mark | None = Field(None, description="Packets with this firewall mark, perhaps behind a mask: 0x1/0xff.")
    table: Table | None = Field(None, description="The routing table, by number, or `main`.")
    priority: Annotated[Whole, Field(ge=_FIRST, le=_LAST)] | None = Field(
        None, description="The lower comes first; 10000, 10001, ... in file order unless said."
    )
    blackhole: Flag = Field(False, description="Drop such packets in silence.")
    unreachable: Flag = Field(False, description="Answer `network unreachable`.")
    prohibit: Flag = Field(False, description="Answer `administratively prohibited`.")

    @model_validator(mode="after")
    def _one_end(self) -> PolicySection:
        ends = [name for name in DEAD_ENDS if getattr(self, name)] + (["table"] if self.table is not None else [])
        if len(ends) != 1:
            what = (
                "the rule does not say what becomes of packets"
                if not ends
                else f"a rule is {ends[0]} or {ends[1]}, not both"
            )
            raise fault("rule", what, "add table: 100, for one" if not ends else f"remove {ends[1]}")
        return self

    @property
    def action(self) -> str:
        """What becomes of packets: table, blackhole, unreachable or prohibit."""
        return next((name for name in DEAD_ENDS if getattr(self, name)), "table")


class NeighbourSection(Section):
    """A neighbour that need not be asked for its link-layer address: {address: 10.0.0.2, mac: 02:00:00:00:00:02}."""

    address: Address = Field(description="The neighbour's address.")
    mac: Mac = Field(description="The neighbour's MAC.")
    dev: Text | None = Field(None, description="The device that it is on; else the one on the address's subnet.")
