"""Bonds: several devices that are one, by turns or all together (drivers/net/bonding)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from netlab.facts.devices import Options
from netlab.kinds.fields import Duration, MayBeNone, Text, fault
from netlab.kinds.kind import Kind, Option, OtherSection, Values

#: BOND_MODE_* and BOND_XMIT_POLICY_* of include/uapi/linux/if_bonding.h; the rates of bond_options.c.
MODES = {
    "balance-rr": 0,
    "active-backup": 1,
    "balance-xor": 2,
    "broadcast": 3,
    "802.3ad": 4,
    "balance-tlb": 5,
    "balance-alb": 6,
}
POLICIES = {"layer2": 0, "layer3+4": 1, "layer2+3": 2, "encap2+3": 3, "encap3+4": 4, "vlan+srcmac": 5}
RATES = {"slow": 0, "fast": 1}
#: The modes in which an option means something (bond_opts of bond_options.c); of others the kernel tells a default.
_MODES_OF = {
    "primary": ("active-backup", "balance-tlb", "balance-alb"),
    "xmit_hash_policy": ("balance-xor", "802.3ad", "balance-tlb"),
    "lacp_rate": ("802.3ad",),
}
#: Seconds between two looks at the members; the kernel's own default is never, which no bond can want.
_MIIMON = 0.1

Mode = Literal["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"]
Policy = Literal["layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"]


class BondSection(OtherSection):
    """A bond of devices: {mode: active-backup, devices: [eth0, eth1]}."""

    mode: Mode = Field("active-backup", description="How its members share the work.")
    devices: Annotated[tuple[Text, ...], MayBeNone] = Field((), description="The devices of this node that it is of.")
    miimon: Duration = Field(_MIIMON, description="How often it looks whether its members have a carrier, as in 100ms.")
    primary: Text | None = Field(None, description="The member that works whenever it can.")
    xmit_hash_policy: Policy | None = Field(None, description="What decides which member sends a packet.")
    lacp_rate: Literal["slow", "fast"] | None = Field(None, description="802.3ad: a hello every 30s, or every second.")

    @model_validator(mode="after")
    def _check(self) -> BondSection:
        for key, modes in _MODES_OF.items():
            if getattr(self, key) is not None and self.mode not in modes:
                raise fault(
                    "bond", f"in mode {self.mode} there is no {key}", f"remove {key}, or write mode: {modes[0]}"
                )
        if self.primary is not None and self.primary not in self.devices:
            known = ", ".join(self.devices) or "none yet"
            raise fault("bond", f"the primary {self.primary} is not among the bond's devices", f"devices: {known}")
        if 0 < self.miimon < 0.001:
            raise fault("bond", "miimon is a whole number of milliseconds", "write miimon: 100ms")
        return self


def _options(section: BondSection) -> Options:
    found: dict[str, int | str] = {"mode": MODES[section.mode], "miimon": round(section.miimon * 1000)}
    if section.primary is not None:
        found["primary"] = section.primary
    if section.mode in _MODES_OF["xmit_hash_policy"]:
        found["xmit_hash_policy"] = POLICIES[section.xmit_hash_policy or "layer2"]
    if section.mode in _MODES_OF["lacp_rate"]:
        found["lacp_rate"] = RATES[section.lacp_rate or "slow"]
    return tuple(sorted(found.items()))


def _name(numbers: dict[str, int], value: int | str) -> str:
    return next((name for name, number in numbers.items() if number == value), str(value))


def _words(options: Values) -> list[str]:
    found: list[str] = []
    if "mode" in options:
        found += ["mode", _name(MODES, options["mode"])]
    if "miimon" in options:
        found += ["miimon", str(options["miimon"])]
    if "xmit_hash_policy" in options:
        found += ["xmit_hash_policy", _name(POLICIES, options["xmit_hash_policy"])]
    if "lacp_rate" in options:
        found += ["lacp_rate", _name(RATES, options["lacp_rate"])]
    return found + (["primary", str(options["primary"])] if "primary" in options else [])


BOND = Kind(
    name="bond",
    plural="bonds",
    section=BondSection,
    options_of=_options,
    layout={
        "mode": Option(1, "u8"),
        "miimon": Option(3, "u32"),
        "primary": Option(11, "device"),
        "xmit_hash_policy": Option(14, "u8"),
        "lacp_rate": Option(21, "u8"),
    },
    words=_words,
    config="CONFIG_BONDING",
    counts=lambda name, options: name not in _MODES_OF or _name(MODES, options.get("mode", 0)) in _MODES_OF[name],
    caption=lambda options: f"bond {_name(MODES, options['mode'])}",
)
