"""VXLANs: Ethernet in UDP between hosts (RFC 7348, drivers/net/vxlan).

Where frames for everybody go: to each of `remotes`, by entries of the forwarding table, or to a multicast `group`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from netlab.facts.devices import Options
from netlab.facts.links import PORT_SWITCHES
from netlab.kinds.fields import Address, Duration, Flag, OneOrMany, Text, Whole, fault
from netlab.kinds.kind import Kind, Option, OtherSection, Values

#: The port that IANA has assigned; Linux's own default, 8472, is older.
PORT = 4789


class VxlanSection(OtherSection):
    """A VXLAN: {id: 1, local: 192.168.50.1, remotes: [192.168.50.2]}."""

    id: Annotated[Whole, Field(ge=0, lt=1 << 24)] = Field(description="The network's number (VNI), 0 to 16777215.")
    local: Address | None = Field(None, description="The address of this node that its packets leave with.")
    remotes: Annotated[tuple[Address, ...], OneOrMany] = Field(
        (), description="The other hosts: each gets what is for everybody, and what nobody is known for."
    )
    group: Address | None = Field(None, description="A multicast group that stands for the other hosts.")
    dev: Text | None = Field(None, description="The device that its packets leave by; a group needs one.")
    port: Annotated[Whole, Field(ge=1, le=65535)] = Field(PORT, description="The UDP port of all hosts.")
    learning: Flag = Field(True, description="Whether it learns from packets which host a MAC is behind.")
    ageing: Duration = Field(300.0, description="How long it remembers what it has learned, as in 300s.")

    @model_validator(mode="after")
    def _whereto(self) -> VxlanSection:
        if self.group is None and not self.remotes:
            raise fault("vxlan", "a VXLAN needs remotes or a group", "add remotes: [ADDRESS, ...]")
        if self.group is not None and self.remotes:
            raise fault("vxlan", "a VXLAN has remotes or a group, not both", "remove one")
        if self.group is not None and not self.group.is_multicast:
            raise fault("vxlan", f"{self.group} is no multicast address", f"write remotes: [{self.group}]")
        if self.group is not None and self.dev is None:
            raise fault("vxlan", "a group needs the device that its packets leave by", "add dev: DEVICE")
        for remote in self.remotes:
            if remote.is_multicast:
                raise fault("vxlan", f"{remote} is a multicast address", f"write group: {remote}")
        ends = [one for one in (self.local, self.group, *self.remotes) if one is not None]
        if len({one.version for one in ends}) > 1:
            raise fault("vxlan", "IPv4 and IPv6 stand mixed: a VXLAN goes over one of them")
        if self.local is None and any(one.version == 6 for one in self.remotes):
            # Nothing else tells the kernel (drivers/net/vxlan/vxlan_core.c, vxlan_config_validate).
            raise fault("vxlan", "remotes over IPv6 need the address of this node", "add local: ADDRESS")
        return self

    @property
    def switches(self) -> dict[str, bool]:
        """What its port in a bridge is switched to: `learning` is the tunnel's own, a port of one learns."""
        return {**super().switches, "learning": PORT_SWITCHES["learning"]}

    @property
    def is_over_ipv6(self) -> bool:
        """Whether its packets are IPv6."""
        return any(one is not None and one.version == 6 for one in (self.local, self.group, *self.remotes))


def _options(section: VxlanSection) -> Options:
    found: dict[str, Any] = {"id": section.id, "learning": int(section.learning), "port": section.port}
    found["ageing"] = round(section.ageing)
    if section.local is not None:
        found["local"] = str(section.local)
    if section.group is not None:
        found["group"] = str(section.group)
    return tuple(sorted(found.items()))


def _words(options: Values) -> list[str]:
    found: list[str] = []
    for name, word in (("id", "id"), ("group", "group"), ("local", "local"), ("port", "dstport"), ("ageing", "ageing")):
        if name in options:
            found += [word, str(options[name])]
    if "learning" in options:
        found.append("learning" if options["learning"] else "nolearning")
    return found


VXLAN = Kind(
    name="vxlan",
    plural="vxlans",
    section=VxlanSection,
    options_of=_options,
    layout={
        "id": Option(1, "u32"),
        "group": Option(2, "address", 16),
        "local": Option(4, "address", 17),
        "learning": Option(7, "u8"),
        "ageing": Option(8, "u32"),
        "port": Option(15, "be16"),
    },
    words=_words,
    config="CONFIG_VXLAN",
    over_number=3,
    overhead=(50, 70),
    caption=lambda options: f"vxlan {options['id']}",
)
