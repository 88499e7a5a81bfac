"""Bridges: the section `bridges` of a file, and how one becomes a fact."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from netlab import names
from netlab.facts import Bridge
from netlab.kinds.device import DeviceSection
from netlab.kinds.fields import Duration, Flag, MayBeNone, Network, Section, Short, Whole, fault
from netlab.source import kind_of, quote

#: Ports that a bridge can hold: 10 bits of port number, zero kept free (net/bridge/br_private.h, BR_PORT_BITS).
MOST_PORTS = 1023
#: The kernel's bounds in seconds (net/bridge/br_private_stp.h); forward_delay's hold while STP is on.
FORWARD_DELAY, HELLO_TIME, MAX_AGE = (2.0, 30.0), (1.0, 10.0), (6.0, 40.0)


def _bounded(name: str, bounds: tuple[float, float]) -> AfterValidator:
    """Hold a duration to the bounds that the kernel has for it."""

    def check(value: float) -> float:
        if not bounds[0] <= value <= bounds[1]:
            what = f"{name} must be between {bounds[0]:g}s and {bounds[1]:g}s, not {value:g}s"
            raise fault("range", what, f"write {min(max(value, bounds[0]), bounds[1]):g}s")
        return value

    return AfterValidator(check)


class BridgeSection(DeviceSection):
    """A bridge: a switch inside a node. `10.0.0.0/24` for short, or the keys below."""

    subnet: Network | None = Field(
        None, description="The subnet of the bridge; it takes the first address, interfaces on it the next ones."
    )
    subnets: Annotated[tuple[Network, ...], MayBeNone] = Field(
        (), description="Several subnets; an interface is given an address in the first one of IPv4 and of IPv6."
    )
    stp: Flag = Field(False, description="Whether the bridge speaks the spanning tree protocol.")
    ageing: Duration | None = Field(None, description="How long a learned MAC is remembered, as in 300s.")
    forward_delay: Duration | None = Field(None, description="STP: how long a port listens, and then learns.")
    hello_time: Annotated[Duration, _bounded("hello_time", HELLO_TIME)] | None = Field(
        None, description="STP: the time between hellos, 1s to 10s."
    )
    max_age: Annotated[Duration, _bounded("max_age", MAX_AGE)] | None = Field(
        None, description="STP: how long a hello counts, 6s to 40s."
    )
    priority: Annotated[Whole, Field(ge=0, le=65535)] | None = Field(
        None, description="STP: the bridge of the lowest priority becomes the root; 32768 by default."
    )
    vlan_filtering: Flag | None = Field(None, description="Whether the bridge keeps VLANs apart.")

    @model_validator(mode="after")
    def _delay(self) -> BridgeSection:
        """Hold forward_delay to what the kernel takes while STP is on; without STP any will do."""
        low, high = FORWARD_DELAY
        if self.stp and self.forward_delay is not None and not low <= self.forward_delay <= high:
            what = f"with STP on, forward_delay must be between {low:g}s and {high:g}s, not {self.forward_delay:g}s"
            raise fault("range", what, f"write forward_delay: {min(max(self.forward_delay, low), high):g}s")
        return self


def expand(value: Any) -> Any:
    """Turn the short form into the full one: a subnet, or the bridge's own address; nothing is a bridge without."""
    if value is None:
        return {}
    if not isinstance(value, str):
        if isinstance(value, dict | Section):
            return value
        raise fault("type", f"a bridge is a subnet such as 10.0.0.0/24, or a mapping, not a {kind_of(value)}")
    try:
        found = ip_interface(value.strip())
    except ValueError:
        fix = "write 10.0.0.0/24, or 10.0.0.254/24 for the bridge's own address"
        raise fault("subnet", f"{quote(value)} is neither a subnet nor an address", fix) from None
    if "/" not in value:
        raise fault("subnet", f"{value} has no prefix length", f"write {value}/{24 if found.version == 4 else 64}")
    return {"subnet" if found.ip == found.network.network_address else "address": value}


AnyBridge = Annotated[
    BridgeSection,
    Short(
        expand,
        (
            {
                "type": "string",
                "description": "A subnet (10.0.0.0/24: the bridge takes its first address), or the bridge's own "
                "address (10.0.0.254/24)",
                "examples": ["10.0.0.0/24"],
            },
            {"type": "null", "description": "A bridge without a subnet"},
        ),
    ),
]


def _hundredths(seconds: float | None) -> int | None:
    """Give hundredths of a second, an even number: a kernel of 250 ticks a second keeps no others."""
    return None if seconds is None else 2 * round(seconds * 50)


def bridge_fact(section: BridgeSection, lab: str, node: str, name: str, mtu: int) -> Bridge:
    """Turn a section into the fact: MAC derived if none is given, times in 1/100 s; `mtu` is its smallest port's."""
    return Bridge(
        node,
        name,
        mac=section.mac or names.derived_mac(lab, node, name),
        mtu=section.mtu or mtu,
        up=section.up,
        stp=section.stp,
        forward_delay=_hundredths(section.forward_delay),
        hello_time=_hundredths(section.hello_time),
        max_age=_hundredths(section.max_age),
        ageing_time=_hundredths(section.ageing),
        priority=section.priority,
        vlan_filtering=section.vlan_filtering,
    )
