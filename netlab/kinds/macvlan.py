"""Macvlans: further devices, each with a MAC of its own, on the wire of the device below (drivers/net/macvlan.c)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from netlab.kinds.kind import Kind, Option, OverSection

#: enum macvlan_mode of include/uapi/linux/if_link.h.
MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}


class MacvlanSection(OverSection):
    """A macvlan on a device: {dev: eth0}."""

    mode: Literal["private", "vepa", "bridge", "passthru"] = Field(
        "bridge", description="Whether those on one device see each other: bridge (yes), private, vepa, passthru."
    )


MACVLAN = Kind(
    name="macvlan",
    plural="macvlans",
    section=MacvlanSection,
    options_of=lambda section: (("mode", MODES[section.mode]),),
    layout={"mode": Option(1, "u32")},
    words=lambda options: ["mode", next(name for name, number in MODES.items() if number == options["mode"])],
    config="CONFIG_MACVLAN",
    caption=lambda options: "macvlan",
)
