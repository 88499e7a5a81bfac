"""What a kind of device is, as a value: its section of the file, its options, its netlink form, the words of `ip`.

A kind has a file of its own in this package, and a line in `netlab.kinds.registry`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from netlab.facts.devices import Options
from netlab.kinds.device import DEFAULT_MTU
from netlab.kinds.fields import Text
from netlab.kinds.port import PortSection

#: What an option is to netlink: a number of so many bits (`be16`: in network order), an address, or a device's index.
Code = Literal["u8", "u16", "u32", "be16", "address", "device"]
Values = Mapping[str, int | str]


class OtherSection(PortSection):
    """The keys of every device but a bridge and the ends of a cable."""

    bridge: Text | None = Field(None, description="The bridge of this node that the device is plugged into.")


class OverSection(OtherSection):
    """The keys of a device that stands on another."""

    dev: Text = Field(description="The device of this node that it stands on.")


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a kind: the number of its netlink attribute and what that holds; of an address, IPv6 has its own."""

    number: int
    code: Code
    number6: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of device: its name to netlink, its section of the file, and what it has of its own."""

    name: str
    #: The name of the section that lists them.
    plural: str
    section: type[Any]
    #: The options that a section asks for.
    options_of: Callable[[Any], Options]
    #: How netlink holds each option (IFLA_INFO_DATA).
    layout: Mapping[str, Option]
    #: What `ip link add ... type KIND` is followed by; `ip link set`, where only some options change, by those.
    words: Callable[[Values], list[str]]
    #: The option that a kernel is built with to have it.
    config: str
    #: The attribute of the kind's own that says which device it stands on; 0 where the link itself says it.
    over_number: int = 0
    #: Whether it has a MAC that may be chosen.
    has_mac: bool = True
    #: Bytes that it takes from every packet of the device below, over IPv4 and IPv6.
    overhead: tuple[int, int] = (0, 0)
    #: The MTU of one that neither says one nor stands on a device.
    mtu: int = DEFAULT_MTU
    #: Which of the options that the kernel tells of say anything, where it tells of more.
    counts: Callable[[str, Values], bool] = lambda name, options: True
    #: What is drawn beside its name.
    caption: Callable[[Values], str] = lambda options: ""
