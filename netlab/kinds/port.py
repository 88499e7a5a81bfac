"""The keys of a device's port in a bridge: what is forwarded by it, and the VLANs that it takes.

`vlan` is of an access port, `trunk` and `native` are of a trunk.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, PlainValidator, model_validator

from netlab.facts.links import PORT_SWITCHES, PORT_VLANS
from netlab.kinds.device import DeviceSection
from netlab.kinds.fields import Flag, Whole, fault
from netlab.source import quote

_MOST = 4094


def _read_trunk(value: Any) -> tuple[int, ...]:
    found: set[int] = set()
    for one in value if isinstance(value, list) else [value]:
        range_ = re.fullmatch(r"([0-9]+)-([0-9]+)", one.strip()) if isinstance(one, str) else None
        first, last = (int(range_[1]), int(range_[2])) if range_ else (one, one)
        if isinstance(first, bool) or not isinstance(first, int) or not 1 <= first <= last <= _MOST:
            raise fault("vlan", f"{quote(one)} is neither a VLAN nor a range of them", "write trunk: [20, 30-40]")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


Vlan = Annotated[Whole, Field(ge=1, le=_MOST)]


class PortSection(DeviceSection):
    """The keys of a device that may be a port of a bridge."""

    vlan: Vlan | None = Field(None, description="An access port: the VLAN of its bridge that what is not tagged is in.")
    trunk: Annotated[
        tuple[int, ...], PlainValidator(_read_trunk, json_schema_input_type=list[int | str] | int | str)
    ] = Field((), description="A trunk: the VLANs of its bridge that go in and out tagged, as in [20, 30-40].")
    native: Vlan | None = Field(None, description="Of a trunk, the VLAN that what is not tagged is in; left out, none.")
    isolated: Flag = Field(False, description="Whether its bridge forwards nothing from it to other isolated ports.")
    hairpin: Flag = Field(False, description="Whether its bridge gives frames back by the port that they came in by.")
    learning: Flag = Field(True, description="Whether its bridge learns which MACs are behind the port.")
    flood: Flag = Field(True, description="Whether its bridge sends it the frames for MACs that it does not know.")

    @model_validator(mode="after")
    def _one_sort(self) -> PortSection:
        if self.vlan is not None and self.trunk:
            raise fault(
                "vlan", "a port is an access port (vlan) or a trunk, not both", "write native for the one not tagged"
            )
        if self.native is not None and not self.trunk:
            raise fault("vlan", "native is of a trunk", f"write vlan: {self.native}, or add trunk")
        return self

    def vlans(self) -> tuple[str, ...]:
        """Give the VLANs of the port, in the words of `bridge vlan`; a new port's where nothing is said."""
        alone = self.vlan if self.vlan is not None else self.native
        if alone is None and not self.trunk:
            return PORT_VLANS
        found = {number: str(number) for number in self.trunk}
        if alone is not None:
            found[alone] = f"{alone} pvid untagged"
        return tuple(found[number] for number in sorted(found))

    @property
    def switches(self) -> dict[str, bool]:
        """What the port is switched to, by the kernel's names."""
        return {name: getattr(self, name) for name in PORT_SWITCHES}

    @property
    def says_vlans(self) -> bool:
        """Whether the section says anything of VLANs."""
        return self.vlan is not None or bool(self.trunk)
