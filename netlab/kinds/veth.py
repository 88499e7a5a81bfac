"""Veth pairs: the sections `veths` and `interfaces` of a file, and how a pair becomes a fact."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from netlab import names
from netlab.facts import End
from netlab.kinds.device import DEFAULT_MTU, DeviceSection
from netlab.kinds.fields import DeviceName, Short, Text
from netlab.kinds.port import PortSection


class EndSection(PortSection):
    """One end of a veth pair: in a netns (default: the node that the section stands in), or plugged into a bridge."""

    name: DeviceName = Field(description="The name of the device, at most 15 bytes.")
    netns: Text | None = Field(None, description="The node that this end is in.")
    bridge: Text | None = Field(None, description="The bridge that this end is plugged into: br0, or node1:br0.")


class InterfaceSection(PortSection):
    """A device of a node: one end of a veth pair whose other end is on a bridge or is another node's device."""

    bridge: Text | None = Field(None, description="The bridge that the interface is on: br0, or node1:br0.")
    peer: Text | None = Field(None, description="The other end of a direct cable: ns1:eth0.")


def _expand(value: Any) -> Any:
    return {} if value is None else {"bridge": value} if isinstance(value, str) else value


AnyInterfaceSection = Annotated[
    InterfaceSection,
    Short(
        _expand,
        (
            {"type": "string", "description": "The bridge that the interface is on"},
            {"type": "null", "description": "The other end of a cable that another node's `peer` line describes"},
        ),
    ),
]

#: The two ends of a veth pair.
Pair = Annotated[tuple[EndSection, ...], Field(min_length=2, max_length=2)]


def end(section: DeviceSection | None, lab: str, node: str, name: str, mtu: int | None) -> End:
    """Turn one end's section (none for an end that netlab names) into its part of the fact.

    `mtu` counts where this end says nothing.
    """
    mac = (section.mac if section else None) or names.derived_mac(lab, node, name)
    own = section.mtu if section else None
    return End(node, name, mac, own or mtu or DEFAULT_MTU, section.up if section else True)
