"""What every device takes: addresses, MAC, MTU, and whether it is up."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from netlab.kinds.fields import AnyInterface, Flag, Interface, Mac, MayBeNone, Mtu, Section, read_interface
from netlab.kinds.impair import ImpairSection

#: The MTU of a device for which neither the file nor another device says one.
DEFAULT_MTU = 1500
#: The least MTU at which the kernel keeps IPv6 on a device (RFC 8200, section 5).
LEAST_IPV6_MTU = 1280


def _read_choice(value: Any) -> AnyInterface | Literal["none"]:
    return "none" if value == "none" else read_interface(value)


class DeviceSection(Section):
    """The keys that every device takes."""

    address: Annotated[
        AnyInterface | Literal["none"] | None, PlainValidator(_read_choice, json_schema_input_type=str)
    ] = Field(None, description="An address A/n, IPv4 or IPv6; `none` to be given none. No /n means /32 or /128.")
    addresses: Annotated[tuple[Interface, ...], MayBeNone] = Field((), description="Several addresses, IPv4 and IPv6.")
    mac: Mac | None = Field(None, description="A unicast MAC; left out, netlab derives one that is always the same.")
    mtu: Mtu | None = Field(None, description="The largest packet, in bytes: 68 to 65535.")
    up: Flag = Field(True, description="Whether the device is up.")
    impair: ImpairSection | None = Field(None, description="What happens to packets that leave by it.")

    def given(self) -> tuple[tuple[AnyInterface, tuple[str | int, ...]], ...]:
        """Give the addresses that the section names, each with its path in the section."""
        first = () if self.address in (None, "none") else ((self.address, ("address",)),)
        return first + tuple((one, ("addresses", i)) for i, one in enumerate(self.addresses))  # type: ignore[return-value]

    @property
    def wants_address(self) -> bool:
        """Whether the section leaves its address to netlab."""
        return self.address is None and not self.addresses
