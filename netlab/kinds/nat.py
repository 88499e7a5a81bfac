"""Translation and filtering: the sections `nat` and `firewall` of a node."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator

from netlab.kinds.fields import Address, DeviceName, Flag, MayBeNone, Section, Text, fault
from netlab.source import quote

_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?\Z")


def read_ports(value: Any) -> tuple[int, int]:
    """Turn 80 or `8000-8010` into the first and the last port."""
    match = _RANGE.match(str(value).strip()) if isinstance(value, int | str) and not isinstance(value, bool) else None
    if match is None:
        raise fault("port", f"{quote(value)} is no port", "write 80, or 8000-8010")
    low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= low <= high <= 65535:
        raise fault("port", f"{quote(value)} is no range of ports, which are 1 to 65535", "write 80, or 8000-8010")
    return low, high


def _read_many(value: Any) -> tuple[tuple[int, int], ...]:
    return tuple(read_ports(one) for one in (value if isinstance(value, list | tuple) else [value]))


OnePort = Annotated[tuple[int, int], PlainValidator(read_ports, json_schema_input_type=int | str)]
ManyPorts = Annotated[
    tuple[tuple[int, int], ...], PlainValidator(_read_many, json_schema_input_type=int | str | list[int | str])
]


class MasqueradeSection(Section):
    """Have what leaves look as if it came from the device that it leaves by: {from: 10.0.0.0/24, out: eth0}."""

    source: Text | None = Field(None, alias="from", description="Whose packets: a network, an address, a node.")
    out: DeviceName | None = Field(None, description="The device that they leave by.")

    @model_validator(mode="after")
    def _bounded(self) -> MasqueradeSection:
        if self.source is None and self.out is None:
            raise fault("nat", "this would hide everything that this node sends", "add from: NETWORK, out: DEVICE")
        return self


class SnatSection(MasqueradeSection):
    """The same with an address of one's choice: {from: 10.2.0.0/24, out: eth0, to: 192.168.0.8}."""

    to: Address = Field(description="The address that they come from then.")


class PublishSection(Section):
    """Have a port of this node lead to another: {port: 8080, to: "ns0:80"}, as docker run -p 8080:80."""

    address: Address | None = Field(None, description="Only for packets to this address of the node; else to any.")
    port: OnePort = Field(description="The port, or a range 8000-8010.")
    to: Text = Field(description="The target, NODE:PORT or ADDRESS:PORT; a range leads to one as long.")
    protocol: Literal["tcp", "udp"] = Field("tcp", description="tcp or udp.")

    @model_validator(mode="after")
    def _specific(self) -> PublishSection:
        if self.address is not None and self.address.is_unspecified:
            raise fault("nat", f"{self.address} stands for every address", "remove address: that is for every address")
        return self


class NatSection(Section):
    """One translation: masquerade, snat or publish."""

    masquerade: MasqueradeSection | None = Field(None, description="Hide behind the device that packets leave by.")
    snat: SnatSection | None = Field(None, description="Hide behind an address.")
    publish: PublishSection | None = Field(None, description="Lead a port of this node to another node.")

    @model_validator(mode="after")
    def _one(self) -> NatSection:
        said = [key for key in ("masquerade", "snat", "publish") if getattr(self, key) is not None]
        if len(said) != 1:
            what = f"{' and '.join(said)} stand in one entry" if said else "the entry says nothing"
            raise fault("nat", what, "write one entry for each: masquerade, snat or publish")
        return self


class MatchSection(Section):
    """What a rule is about; what is left out matches everything."""

    into: DeviceName | None = Field(None, alias="in", description="The device that packets come in by.")
    out: DeviceName | None = Field(None, description="The device that they go out by.")
    source: Text | None = Field(None, alias="from", description="A network, an address, a node, or any.")
    to: Text | None = Field(None, description="A network, an address, a node, or any.")
    tcp: ManyPorts | None = Field(None, description="TCP ports: 80, [80, 443], 8000-8010.")
    udp: ManyPorts | None = Field(None, description="UDP ports.")
    icmp: Flag = Field(False, description="ICMP, and ICMPv6.")
    established: Flag = Field(
        False, description="What belongs to a connection that was let through, or an error of it."
    )

    @model_validator(mode="after")
    def _one_protocol(self) -> MatchSection:
        said = [key for key in ("tcp", "udp", "icmp") if getattr(self, key)]
        if len(said) > 1:
            raise fault("firewall", f"{' and '.join(said)} stand in one rule", "write a rule for each")
        return self


class ChainSection(Section):
    """What becomes of packets; the lists are gone through in the order drop, reject, accept, then the policy."""

    policy: Literal["accept", "drop"] = Field("accept", description="What becomes of those that no rule is about.")
    drop: Annotated[tuple[MatchSection, ...], MayBeNone] = Field((), description="What vanishes.")
    reject: Annotated[tuple[MatchSection, ...], MayBeNone] = Field((), description="What is answered with an error.")
    accept: Annotated[tuple[MatchSection, ...], MayBeNone] = Field((), description="What is let through.")


class FirewallSection(Section):
    """What a node lets through (forward), in (input) and out (output)."""

    forward: ChainSection | None = Field(None, description="Packets that pass through.")
    input: ChainSection | None = Field(None, description="Packets to the node itself.")
    output: ChainSection | None = Field(None, description="Packets of the node itself.")


__all__ = [
    "ChainSection",
    "FirewallSection",
    "MatchSection",
    "NatSection",
    "PublishSection",
    "read_ports",
]
