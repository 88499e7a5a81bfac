"""Adds devices that stand on others to a sketch: macvlans beside a node's own device, VXLANs between two nodes."""

from __future__ import annotations

from typing import Any

from tests.conformance.labs_addresses import address_link
from tests.conformance.labs_sketch import Link, Member, Sketch, bridge_text, path_of, place

_MODES = ("bridge", "bridge", "private", "vepa", "passthru")


def draw_macvlans(sketch: Sketch) -> None:
    """Give a node one or two macvlans on its device; the device below may go without addresses then."""
    rng = sketch.rng
    if not sketch.has("macvlan", 0.2):
        return
    found = [(link, member) for link in sketch.links if link.bridges for member in link.members if _is_cable(member)]
    if not found:
        return
    link, below = rng.choice(found)
    mode = rng.choice(_MODES)
    macvlans = sketch.section(below.node, "macvlans")
    for _ in range(1 if mode == "passthru" else rng.choice((1, 2))):
        name = f"mv{len(macvlans)}"
        macvlans[name] = {"dev": below.device, "mode": mode}
        link.members.append(Member(below.node, name, (*path_of(below.node), "macvlans", name)))
    if rng.random() < 0.5:
        link.members.remove(below)
        place(sketch.document, below.path)["address"] = "none"


def _is_cable(member: Member) -> bool:
    """Tell whether a device may have macvlans: the end of a cable that is no port."""
    return member.path[-2] != "bridges"


def draw_vxlans(sketch: Sketch) -> None:
    """Join two nodes that have addresses by a VXLAN: nodes on a bridge at either end of it, or the ends alone."""
    rng = sketch.rng
    if not sketch.has("vxlan", 0.2):
        return
    by_version = {version: [m for _, m in sketch.members() if m.of_version(version)] for version in (4, 6)}
    version = rng.choice([v for v, members in by_version.items() if len({m.node for m in members}) > 1] or [0])
    if not version:
        return
    one = rng.choice(by_version[version])
    other = rng.choice([member for member in by_version[version] if member.node != one.node])
    bridged = len(sketch.nodes) < 12 and rng.random() < 0.7
    link = Link([])
    number = rng.randint(1, 99)
    for here, there in ((one, other), (other, one)):
        said: dict[str, Any] = {
            "id": number + int(sketch.suffers("vxlan", 0.05)),
            "local": str(here.of_version(version)[0].ip),
            "remotes": [_remote(sketch, there, version)],
        }
        _end(sketch, link, here.node, said, bridged)
    sketch.links.append(link)
    for of_link in (4, 6) if rng.random() < 0.3 and "ipv6" in sketch.features else (4,):
        address_link(sketch, link, of_link, len(sketch.links))


def _remote(sketch: Sketch, there: Member, version: int) -> str:
    address = there.of_version(version)[0].ip
    return str(address + 1 if sketch.suffers("vxlan", 0.05) else address)


def _end(sketch: Sketch, link: Link, node: str, said: dict[str, Any], bridged: bool) -> None:
    """Add one end of a VXLAN: a port of a new bridge with a node on it, or a device with addresses."""
    vxlans = sketch.section(node, "vxlans")
    if sketch.rng.random() < 0.2:
        said["learning"] = False
    vxlans["vx0"] = said
    if not bridged:
        link.members.append(Member(node, "vx0", (*path_of(node), "vxlans", "vx0")))
        return
    bridge = sketch.new_bridge(node)
    said["bridge"] = bridge[1]
    link.bridges.append(bridge)
    inner = sketch.add_node(f"v{1 + sum(one.startswith('v') for one in sketch.nodes)}")
    # Room for VXLAN's 50 bytes, or none.
    mtu = {"mtu": 1430} if sketch.rng.random() < 0.6 else {}
    device, path = sketch.new_interface(inner, bridge=bridge_text(bridge), **mtu)
    link.members.append(Member(inner, device, path))
    if sketch.rng.random() < 0.4:
        link.members.append(Member(node, bridge[1], (*path_of(node), "bridges", bridge[1])))
