"""Taps: devices whose other end is a program: an emulator, a tunnel of its own (drivers/net/tun.c).

They are there whether or not a program holds them; while none does they have no carrier.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from netlab.facts.devices import TUN_OF_IP, Options
from netlab.kinds.fields import Whole, fault
from netlab.kinds.kind import Kind, Option, OtherSection, Values

#: IFF_TUN and IFF_TAP of include/uapi/linux/if_tun.h.
MODES = {"tun": TUN_OF_IP, "tap": 2}


class TapSection(OtherSection):
    """A tap: {} for one of root's."""

    mode: Literal["tap", "tun"] = Field("tap", description="What the program is given: Ethernet frames, or packets.")
    owner: Annotated[Whole, Field(ge=0, lt=(1 << 32) - 1)] | None = Field(
        None, description="The user (UID) whose programs may hold it; left out, root's."
    )

    @model_validator(mode="after")
    def _plain(self) -> TapSection:
        if self.mode == "tun" and self.mac is not None:
            raise fault("mac", "in mode tun there are no frames, and so no MAC", "remove mac")
        if self.mode == "tun" and self.bridge is not None:
            raise fault(
                "port", "in mode tun there are no frames: it cannot be plugged into a bridge", "write mode: tap"
            )
        return self


def _options(section: TapSection) -> Options:
    owner = () if section.owner is None else (("owner", section.owner),)
    return (("mode", MODES[section.mode]), *owner)


def _words(options: Values) -> list[str]:
    mode = next(name for name, number in MODES.items() if number == options["mode"])
    return ["mode", mode, *(["user", str(options["owner"])] if "owner" in options else [])]


TAP = Kind(
    name="tun",
    plural="taps",
    section=TapSection,
    options_of=_options,
    layout={"mode": Option(3, "u8"), "owner": Option(1, "u32")},
    words=_words,
    config="CONFIG_TUN",
    caption=lambda options: next((name for name, number in MODES.items() if number == options.get("mode")), "tun"),
)
