"""The sketch of a random lab: who is on which link with which addresses, and the document that says so.

A link is one Ethernet segment: bridges joined by cables, or a cable alone. The document is the topology file as plain
values; the sketch knows besides what the file does not say in words, and later stages draw from that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from random import Random
from typing import Any

Document = dict[str, Any]
#: Where something stands in a document.
Path = tuple[str | int, ...]
#: What is done to a document afterwards. It draws nothing itself, so that it can be tried and left out.
Change = Callable[[Document], None]
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

HOST = "host"


@dataclass(eq=False)
class Member:
    """A device on a link: whose it is, where the document describes it, and its addresses, the first one first.

    `far` is where the document describes the other end of its cable, if it does.
    """

    node: str
    device: str
    path: Path
    far: Path | None = None
    addresses: list[Interface] = field(default_factory=list)

    def of_version(self, version: int) -> list[Interface]:
        return [one for one in self.addresses if one.version == version]


@dataclass(eq=False)
class Link:
    """An Ethernet segment: its bridges as (node, name), none for a cable; who is on it; one subnet of each version."""

    bridges: list[tuple[str, str]]
    members: list[Member] = field(default_factory=list)
    subnets: dict[int, Network] = field(default_factory=dict)

    def of_version(self, version: int) -> list[Member]:
        """Give the members that have an address of an IP version."""
        return [member for member in self.members if member.of_version(version)]


class Sketch:
    """A lab in the making."""

    def __init__(self, rng: Random, features: Collection[str]) -> None:
        self.rng, self.features = rng, frozenset(features)
        self.name = f"lab{rng.randrange(10_000):04}"
        self.document: Document = {"name": self.name, "host": {"sandbox": True}, "netns": {}}
        self.nodes: list[str] = [HOST]
        self.links: list[Link] = []
        self._devices: Counter[str] = Counter()
        #: Networks that one node alone is or has: of its `lo`, of dummies, of taps.
        self.behind: list[tuple[Network, str]] = []
        #: How much goes wrong in this lab: some are nearly right, some are a mess.
        self.trouble = rng.choice((0.2, 0.7, 1.0, 1.5, 2.5))

    def has(self, feature: str, chance: float) -> bool:
        """Draw whether something that breaks nothing is there."""
        return feature in self.features and self.rng.random() < chance

    def suffers(self, feature: str, chance: float) -> bool:
        """Draw whether something goes wrong."""
        return feature in self.features and self.rng.random() < min(0.9, chance * self.trouble)

    def add_node(self, name: str) -> str:
        self.document["netns"][name] = {}
        self.nodes.append(name)
        return name

    def section(self, node: str, *keys: str) -> Document:
        """Give a part of a node's section, made where it is not there."""
        return place(self.document, (*path_of(node), *keys))

    def forwards(self, node: str) -> bool:
        return bool(self.section(node).get("forwarding"))

    def routers(self) -> list[str]:
        return [node for node in self.nodes if self.forwards(node)]

    def members_of(self, node: str) -> list[tuple[Link, Member]]:
        return [(link, member) for link in self.links for member in link.members if member.node == node]

    def members(self) -> list[tuple[Link, Member]]:
        """Give every device that has an address, with its link."""
        return [(link, member) for link in self.links for member in link.members if member.addresses]

    def new_interface(self, node: str, **said: Any) -> tuple[str, Path]:
        """Give a node one more device ethN; give its name and its place."""
        name = self._next_name(node)
        self.section(node, "interfaces")[name] = said
        return name, (*path_of(node), "interfaces", name)

    def _next_name(self, node: str) -> str:
        self._devices[node] += 1
        return f"eth{self._devices[node] - 1}"

    def new_bridge(self, node: str) -> tuple[str, str]:
        bridges = self.section(node, "bridges")
        name = f"br{len(bridges)}"
        bridges[name] = {}
        return node, name

    def plug(self, link: Link, node: str) -> Member:
        """Put a node on a link of bridges: by the bridge that it holds itself, or by a device of its own."""
        own = [name for holder, name in link.bridges if holder == node]
        if own and all(member.device != own[0] for member in link.members) and self.rng.random() < 0.8:
            member = Member(node, own[0], (*path_of(node), "bridges", own[0]))
        else:
            member = self._on_bridge(node, bridge_text(self.rng.choice(link.bridges)))
        link.members.append(member)
        return member

    def _on_bridge(self, node: str, bridge: str) -> Member:
        """Give a node a device on a bridge; of some, both ends are described."""
        if self.rng.random() < 0.8:
            device, path = self.new_interface(node, bridge=bridge)
            return Member(node, device, path)
        device, pairs = self._next_name(node), self.section(node).setdefault("veths", [])
        pairs.append([{"name": device}, {"bridge": bridge, "name": f"p-{node}-{device}"}])
        path = (*path_of(node), "veths", len(pairs) - 1)
        return Member(node, device, (*path, 0), (*path, 1))

    def cable(self, one: str, other: str) -> Link:
        """Join two nodes by a cable."""
        far, far_path = self.new_interface(other)
        near, near_path = self.new_interface(one, peer=f"{other}:{far}")
        link = Link([], [Member(one, near, near_path, far_path), Member(other, far, far_path, near_path)])
        self.links.append(link)
        return link


def path_of(node: str) -> Path:
    """Give where a node stands in a document.

    >>> path_of("host"), path_of("n1")
    (('host',), ('netns', 'n1'))
    """
    return (HOST,) if node == HOST else ("netns", node)


def bridge_text(bridge: tuple[str, str]) -> str:
    """Name a bridge as a file does."""
    node, name = bridge
    return name if node == HOST else f"{node}:{name}"


def place(document: Document, path: Path) -> Document:
    """Give the mapping at a place, made where it is not there."""
    found: Any = document
    for key in path:
        found = found[key] if isinstance(key, int) else found.setdefault(key, {})
    assert isinstance(found, dict)
    return found


def put(path: Path, **values: Any) -> Change:
    """Change keys of the mapping at a place."""
    return lambda document: place(document, path).update(values)


def add(path: Path, key: str, *values: Any) -> Change:
    """Add to a list of the mapping at a place."""
    return lambda document: place(document, path).setdefault(key, []).extend(values)


def both(*changes: Change) -> Change:
    """Make one change of several."""

    def change(document: Document) -> None:
        for one in changes:
            one(document)

    return change


def draw_graph(sketch: Sketch) -> None:
    """Draw routers between links, leaves on them, and machines that hold bridges of their own."""
    rng = sketch.rng
    size = rng.choice((3, 4, 4, 5, 6, 6, 7, 8, 9, 10, 12))
    routers = min(size - 2, rng.choice((0, 1, 1, 1, 2, 2, 3, 3, 4, 5)))
    machine = size > 3 and sketch.has("nested", 0.35)
    _new_link(sketch, HOST)
    for number in range(routers):
        inside_host = number == 0 and rng.random() < 0.15
        _router(sketch, HOST if inside_host else sketch.add_node(f"r{number + 1}"))
    if not routers and rng.random() < 0.5:
        _new_link(sketch, HOST)
    for number in range(size - routers - machine):
        _leaf(sketch, sketch.add_node(f"n{number + 1}"))
    if machine:
        _machine(sketch, sketch.add_node("m1"))
    if HOST not in sketch.routers() and rng.random() < 0.3:
        sketch.plug(rng.choice(list(_bridged(sketch))), HOST)
    if sketch.has("joined-bridges", 0.3):
        _join(sketch, rng.choice(list(_bridged(sketch))), HOST)
    if sketch.has("stp", 0.9):
        _ring(sketch, rng.choice(list(_bridged(sketch))))


def _bridged(sketch: Sketch) -> Iterator[Link]:
    return (link for link in sketch.links if link.bridges)


def _new_link(sketch: Sketch, holder: str) -> Link:
    link = Link([sketch.new_bridge(holder)])
    sketch.links.append(link)
    return link


def _router(sketch: Sketch, name: str) -> None:
    """Add a router: on what is there by a cable or a bridge, and with links of its own behind it."""
    rng, others = sketch.rng, sketch.routers()
    sketch.section(name)["forwarding"] = True
    if others and sketch.has("cables", 0.5):
        sketch.cable(name, rng.choice(others))
    else:
        sketch.plug(rng.choice(list(_bridged(sketch))), name)
    for _ in range(rng.choice((0, 1, 1, 1, 2)) if others else 1):
        holder = name if sketch.has("nested", 0.5) else HOST
        sketch.plug(_new_link(sketch, holder), name)
    if others and rng.random() < 0.2:
        # A second way round: a ring of routers.
        beside = [link for link in _bridged(sketch) if all(member.node != name for member in link.members)]
        if beside:
            sketch.plug(rng.choice(beside), name)


def _leaf(sketch: Sketch, name: str) -> None:
    rng, routers = sketch.rng, sketch.routers()
    links = list(_bridged(sketch))
    if routers and sketch.has("cables", 0.15):
        sketch.cable(rng.choice(routers), name)
        return
    first = rng.choice(links)
    sketch.plug(first, name)
    others = [link for link in links if link is not first]
    if others and rng.random() < 0.15:
        sketch.plug(rng.choice(others), name)


def _machine(sketch: Sketch, name: str) -> None:
    """Add a machine within the lab: a bridge of its own, joined to one that is there, and a node on it."""
    rng = sketch.rng
    link = rng.choice(list(_bridged(sketch)))
    if sketch.has("macvlan", 0.2):
        bridge = sketch.new_bridge(name)
        device, _ = sketch.new_interface(name, bridge=bridge_text(rng.choice(link.bridges)), address="none")
        sketch.section(name, "macvlans")["mv0"] = {"dev": device, "mode": "passthru", "bridge": bridge[1]}
        link.bridges.append(bridge)
    else:
        _join(sketch, link, name)
    if rng.random() < 0.6:
        sketch.plug(link, name)
    inner = sketch.add_node(f"{name}n")
    device, path = sketch.new_interface(inner, bridge=bridge_text(link.bridges[-1]))
    link.members.append(Member(inner, device, path))


def _join(sketch: Sketch, link: Link, node: str) -> None:
    """Add a bridge in a node to a link, by a cable to one that is there."""
    bridge = sketch.new_bridge(node)
    _pair(sketch, sketch.rng.choice(link.bridges), bridge)
    link.bridges.append(bridge)


def _pair(sketch: Sketch, one: tuple[str, str], other: tuple[str, str]) -> None:
    """Join two bridges by a cable."""
    pairs = sketch.section(other[0]).setdefault("veths", [])
    ends = ((one, "up"), (other, "down"))
    tag = f"{other[0][:6]}{len(pairs)}"
    pairs.append([{"bridge": bridge_text(bridge), "name": f"{word}-{tag}"} for bridge, word in ends])


def _ring(sketch: Sketch, link: Link) -> None:
    """Join bridges twice: a loop, which the spanning tree protocol breaks in 4 s, the shortest that the kernel lets."""
    if len(link.bridges) < 2:
        _join(sketch, link, HOST)
    one, other = sketch.rng.sample(link.bridges, 2)
    _pair(sketch, one, other)
    for node, name in link.bridges:
        sketch.section(node, "bridges")[name].update(stp=True, forward_delay="2s")
