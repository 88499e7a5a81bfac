"""VRFs: routing tables of their own for some devices of a node (drivers/net/vrf.c).

The kernel moves the connected routes of a member into the VRF's table; other routes name that table.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from netlab.kinds.device import LEAST_IPV6_MTU, DeviceSection
from netlab.kinds.fields import MayBeNone, Mtu, Text, Whole, fault
from netlab.kinds.kind import Kind, Option

#: RT_TABLE_DEFAULT, RT_TABLE_MAIN and RT_TABLE_LOCAL (include/uapi/linux/rtnetlink.h): everybody's.
_SHARED = range(253, 256)


def _check_table(number: int) -> int:
    if number in _SHARED:
        raise fault("table", f"table {number} is the whole node's, and cannot be a VRF's", "write 10, for one")
    return number


def _check_mtu(value: Any) -> Any:
    if isinstance(value, int) and value < LEAST_IPV6_MTU:
        raise fault("mtu", f"a VRF has an MTU of {LEAST_IPV6_MTU} at least, not {value}", "leave it out")
    return value


class VrfSection(DeviceSection):
    """A VRF: {table: 10, devices: [eth1, eth2]}."""

    table: Annotated[Whole, Field(ge=1, lt=1 << 32), AfterValidator(_check_table)] = Field(
        description="The routing table that its devices' packets are routed by."
    )
    devices: Annotated[tuple[Text, ...], MayBeNone] = Field((), description="The devices of this node that are in it.")
    mtu: Annotated[Mtu, AfterValidator(_check_mtu)] | None = Field(
        None, description="The largest packet of its own, in bytes: 1280 to 65535."
    )


VRF = Kind(
    name="vrf",
    plural="vrfs",
    section=VrfSection,
    options_of=lambda section: (("table", section.table),),
    layout={"table": Option(1, "u32")},
    words=lambda options: ["table", str(options["table"])],
    config="CONFIG_NET_VRF",
    mtu=65535,
    caption=lambda options: f"vrf {options['table']}",
)
