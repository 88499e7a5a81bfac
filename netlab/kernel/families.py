"""What the kernel keeps: the families of facts of its door, real and fake."""

from __future__ import annotations

from typing import Final

#: The families of facts that the kernel keeps.
FAMILIES: Final = frozenset(
    {
        "netns",
        "chain",
        "settings",
        "bridge",
        "veth",
        "device",
        "link",
        "external",
        "port",
        "member",
        "forwarding",
        "impairment",
        "address",
        "device-settings",
        "route",
        "policy-rule",
        "neighbour",
    }
)
