"""What `ip -d -j link` and `bridge -j fdb` say of devices on devices -> facts, without netlab's own code for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pwd import getpwnam
from typing import Any

from netlab.facts import Device, Forwarding, Member

#: What a kernel makes in place of a kind, and what iproute2 calls a kind's options.
_KINDS = {"ifb": "dummy"}
_MODES = {
    "macvlan": {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8},
    "ipvlan": {"l2": 0, "l3": 1, "l3s": 2},
}
_BONDS = {"balance-rr": 0, "active-backup": 1, "balance-xor": 2}
_POLICIES = {"layer2": 0, "layer3+4": 1}
_TAPS = {"tun": 1, "tap": 2}
_TAGS = {"802.1Q": 0x8100, "802.1ad": 0x88A8}


def device(node: str, link: dict[str, Any]) -> Device:
    """Turn a link that is neither `lo`, nor a bridge, nor a veth, into the fact."""
    info = link["linkinfo"]
    kind, said = _KINDS.get(info["info_kind"], info["info_kind"]), info.get("info_data", {})
    options = tuple(sorted(_options(kind, said).items()))
    over = said.get("link") if kind == "vxlan" else link.get("link")
    # The MAC of the device below is none of its own.
    mac = None if kind == "ipvlan" or ("mode", _MODES["macvlan"]["passthru"]) in options else own_mac(link)
    return Device(node, link["ifname"], kind, over, mac, link["mtu"], "UP" in link["flags"], options)


def own_mac(link: dict[str, Any]) -> str | None:
    """Give the MAC that a device has when it is no bond's; a tun has none."""
    member = link.get("linkinfo", {})
    own = member.get("info_slave_data", {}) if member.get("info_slave_kind") == "bond" else {}
    found = own.get("perm_hwaddr", link.get("address"))
    return None if found is None else str(found)


def member(node: str, link: dict[str, Any]) -> Member | None:
    """Give what a device is a member of, but for a bridge."""
    kind = link.get("linkinfo", {}).get("info_slave_kind", "bridge")
    return None if kind == "bridge" or "master" not in link else Member(node, link["ifname"], link["master"], kind)


def _options(kind: str, said: dict[str, Any]) -> dict[str, int | str]:
    if kind == "vlan":
        return {"id": said["id"], "protocol": _TAGS[said["protocol"]]}
    if kind in _MODES:
        return {"mode": _MODES[kind][said["mode"]]}
    if kind == "tun":
        owner = {"owner": getpwnam(said["user"]).pw_uid} if "user" in said else {}
        return {"mode": _TAPS[said["type"]], **owner}
    if kind == "vrf":
        return {"table": said["table"]}
    if kind == "bond":
        policy = {"xmit_hash_policy": _POLICIES[said["xmit_hash_policy"]]} if said["mode"] == "balance-xor" else {}
        return {"mode": _BONDS[said["mode"]], "miimon": said["miimon"], **policy}
    if kind != "vxlan":
        return {}
    found: dict[str, int | str] = {name: int(said[name]) for name in ("ageing", "id", "learning", "port")}
    ends = {"group": said.get("group", said.get("group6")), "local": said.get("local", said.get("local6"))}
    return found | {name: end for name, end in ends.items() if end is not None}


def forwarding(node: str, rows: Iterable[dict[str, Any]]) -> Iterator[Forwarding]:
    """Turn the rows of a node's tables into facts: those that somebody made, not a group's, which is the kernel's."""
    for row in rows:
        if "dst" in row and row["state"] == "permanent" and not ip_address(row["dst"]).is_multicast:
            yield Forwarding(node, row["ifname"], row["mac"], row["dst"])
