"""Adds what a plain kernel may lack to a sketch: bonds, ipvlans, VLANs on devices and on bridges, VRFs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any

from tests.conformance.labs_addresses import address_link
from tests.conformance.labs_sketch import Change, Document, Link, Member, Sketch, path_of, place, put

#: What all this is called, and what of the kernel it takes (tests/capabilities.py).
FULL = frozenset({"bond", "ipvlan", "vlans", "vlan-filtering", "vrf"})
NEEDED = ("bond", "ipvlan", "vlan", "vlan_filtering", "vrf")

#: The tables of VRFs; some rule of a lab may name 100 or 200.
_TABLE = 10


def draw_bonds(sketch: Sketch) -> None:
    """Plug a node into its bridge by two cables that are one device."""
    rng = sketch.rng
    if not sketch.has("bond", 0.4):
        return
    found = [member for link in sketch.links for member in link.members if _is_plugged(sketch, member)]
    if not found:
        return
    member = rng.choice(found)
    first = place(sketch.document, member.path)
    second, _ = sketch.new_interface(member.node, bridge=first["bridge"], address="none")
    first["address"] = "none"
    devices = [member.device, second]
    said: dict[str, Any] = {"devices": devices}
    if rng.random() < 0.4:
        said["primary"] = rng.choice(devices)
    sketch.section(member.node, "bonds")["bond0"] = said
    member.device, member.path, member.far = "bond0", (*path_of(member.node), "bonds", "bond0"), None


def _is_plugged(sketch: Sketch, member: Member) -> bool:
    return member.path[-2] == "interfaces" and "bridge" in place(sketch.document, member.path)


def draw_ipvlans(sketch: Sketch) -> None:
    """Give a node one or two ipvlans on its device; the device below may go without addresses then."""
    rng = sketch.rng
    if not sketch.has("ipvlan", 0.4):
        return
    found = [
        (link, member)
        for link in sketch.links
        for member in link.members
        if link.bridges and member.path[-2] in ("interfaces", "bonds") and not _has_macvlans(sketch, member)
    ]
    if not found:
        return
    link, below = rng.choice(found)
    ipvlans = sketch.section(below.node, "ipvlans")
    mode = rng.choice(({}, {}, {"mode": "l3"}, {"mode": "l3s"}))
    for number in range(rng.choice((1, 2))):
        ipvlans[f"iv{number}"] = {"dev": below.device, **mode}
        link.members.append(Member(below.node, f"iv{number}", (*path_of(below.node), "ipvlans", f"iv{number}")))
    if rng.random() < 0.5:
        link.members.remove(below)
        place(sketch.document, below.path)["address"] = "none"


def _has_macvlans(sketch: Sketch, member: Member) -> bool:
    return any(one["dev"] == member.device for one in sketch.section(member.node, "macvlans").values())


def draw_vlans(sketch: Sketch) -> None:
    """Put some who are on one link into a VLAN besides, with a subnet of its own; one may be in another by mistake."""
    rng = sketch.rng
    for turn in (1, 2):
        if not sketch.has("vlans", 0.5):
            continue
        able = [link for link in sketch.links if len(_taggers(link)) > 1]
        if not able:
            return
        taggers = _taggers(rng.choice(able))
        number, link = 10 * turn + rng.randrange(8), Link([])
        for below in rng.sample(taggers, rng.randint(2, min(4, len(taggers)))):
            own = number + int(sketch.suffers("vlans", 0.05))
            vlans = sketch.section(below.node, "vlans")
            name = f"vl{len(vlans)}"
            vlans[name] = {"dev": below.device, "id": own}
            link.members.append(Member(below.node, name, (*path_of(below.node), "vlans", name)))
        sketch.links.append(link)
        for version in (4, 6) if "ipv6" in sketch.features and rng.random() < 0.4 else (4,):
            address_link(sketch, link, version, len(sketch.links))


def _taggers(link: Link) -> list[Member]:
    """Give the members of a link that may have VLANs, one of each node."""
    by_node = {one.node: one for one in link.members if one.path[-2] in ("interfaces", "bonds", "bridges", 0)}
    return list(by_node.values())


def vlan_filtering(sketch: Sketch) -> Iterator[Change]:
    """Have a bridge keep VLANs apart: trunks for those who tag, some access ports elsewhere."""
    rng = sketch.rng
    for link in sketch.links:
        if len(link.bridges) == 1 and sketch.has("vlan-filtering", 0.5):
            node, name = link.bridges[0]
            yield put((*path_of(node), "bridges", name), vlan_filtering=True)
            for member in link.members:
                if _is_plugged(sketch, member) and not sketch.suffers("vlan-filtering", 0.1):
                    yield from _port(sketch, member, rng.random())


def _port(sketch: Sketch, member: Member, drawn: float) -> Iterator[Change]:
    """Say which VLANs a port is in."""
    tags = [one["id"] for one in sketch.section(member.node, "vlans").values() if one["dev"] == member.device]
    if tags:
        native = {"native": 1} if drawn < 0.9 else {}
        yield put(member.path, trunk=sorted({*tags, *((4094,) if drawn < 0.3 else ())}), **native)
    elif drawn < 0.3:
        yield put(member.path, vlan=20 if drawn < 0.2 else 1)


def vrfs(sketch: Sketch) -> Iterator[Change]:
    """Put some devices of a node into a VRF, or all, and its routes by them into the VRF's table."""
    rng = sketch.rng
    for node in sketch.nodes:
        members = [member for _, member in sketch.members_of(node) if member.path[-2] not in ("macvlans", "ipvlans")]
        if members and sketch.has("vrf", 0.4 if sketch.forwards(node) else 0.1):
            chosen = members if rng.random() < 0.5 else rng.sample(members, rng.randint(1, len(members)))
            yield _vrf(node, chosen)


def _vrf(node: str, members: Sequence[Member]) -> Change:
    networks = [address.network for member in members for address in member.addresses]

    def change(document: Document) -> None:
        said = place(document, path_of(node))
        said["vrfs"] = {"red": {"table": _TABLE, "devices": [member.device for member in members]}}
        for route in said.get("routes", []):
            if "via" in route and any(ip_address(route["via"]) in network for network in networks):
                route["table"] = _TABLE

    return change
