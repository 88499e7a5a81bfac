"""VLANs: devices that tag what leaves by the device below, and take what comes so tagged (net/8021q)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netlab.kinds.fields import Whole
from netlab.kinds.kind import Kind, Option, OverSection

#: EtherTypes of the two sorts of tags (include/uapi/linux/if_ether.h).
PROTOCOLS = {"802.1q": 0x8100, "802.1ad": 0x88A8}


class VlanSection(OverSection):
    """A VLAN on a device: {dev: eth0, id: 10}."""

    id: Annotated[Whole, Field(ge=1, le=4094)] = Field(description="The VLAN's number, 1 to 4094.")
    protocol: Literal["802.1q", "802.1ad"] = Field("802.1q", description="The sort of tag.")


VLAN = Kind(
    name="vlan",
    plural="vlans",
    section=VlanSection,
    options_of=lambda section: (("id", section.id), ("protocol", PROTOCOLS[section.protocol])),
    layout={"id": Option(1, "u16"), "protocol": Option(5, "be16")},
    config="CONFIG_VLAN_8021Q",
    words=lambda options: [
        *("protocol", next(name for name, number in PROTOCOLS.items() if number == options["protocol"])),
        *("id", str(options["id"])),
    ],
    caption=lambda options: f"vlan {options['id']}",
)
