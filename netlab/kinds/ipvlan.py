"""Ipvlans: further devices with addresses of their own and the MAC of the device below (drivers/net/ipvlan)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from netlab.kinds.kind import Kind, Option, OverSection

#: enum ipvlan_mode of include/uapi/linux/if_link.h.
MODES = {"l2": 0, "l3": 1, "l3s": 2}


class IpvlanSection(OverSection):
    """An ipvlan on a device: {dev: eth0}. Its MAC is that of the device."""

    mode: Literal["l2", "l3", "l3s"] = Field("l2", description="Whether it switches (l2) or routes (l3, l3s).")


IPVLAN = Kind(
    name="ipvlan",
    plural="ipvlans",
    section=IpvlanSection,
    options_of=lambda section: (("mode", MODES[section.mode]),),
    layout={"mode": Option(1, "u16")},
    words=lambda options: ["mode", next(name for name, number in MODES.items() if number == options["mode"])],
    config="CONFIG_IPVLAN",
    has_mac=False,
    caption=lambda options: "ipvlan",
)
