"""The lab while it is being worked out: nodes, their devices, and the problems found so far.

A draft is filled stage by stage (nodes, wiring, addressing, routing, ...) and is thrown away once the facts stand.
It is the only thing in this package that changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice

from netlab.errors import Problem, Severity, Span
from netlab.facts import Chain, Neighbour, PolicyRule, Route
from netlab.kinds.device import DeviceSection
from netlab.source import Document, Path
from netlab.topology.ip import Ip
from netlab.topology.spec import NodeSection, Topology

#: How many names a problem's fix lists, and how many an unknown name is compared with.
_SHOWN = 8
_COMPARED = 2000


@dataclass(slots=True, eq=False)
class Device:
    """A device of a node. A veth end has a `peer`; one that is plugged into a bridge has that `bridge`."""

    node: str
    name: str
    #: `lo`, `bridge`, `veth`, or a kind of `netlab.kinds.registry`.
    kind: str
    path: Path
    section: DeviceSection | None = None
    #: Whether the key at `path`, and not its value, names the device.
    keyed: bool = True
    peer: Device | None = None
    bridge: Device | None = None
    #: Sections that add addresses to this device, with their paths.
    sources: list[tuple[DeviceSection, Path]] = field(default_factory=list)
    #: Addresses with the path of whatever asked for them.
    addresses: list[tuple[Ip, Path]] = field(default_factory=list)
    #: For bridges: the subnets that addresses are given from, and the number of ports.
    subnets: list[Ip] = field(default_factory=list)
    ports: int = 0
    #: The device that it stands on.
    over: Device | None = None
    #: The bond or VRF that it is a member of, and of those the members.
    master: Device | None = None
    members: list[Device] = field(default_factory=list)
    #: Whether a port gives frames back where they came from.
    hairpin: bool = False

    @property
    def up(self) -> bool:
        return self.section is None or self.section.up

    @property
    def on(self) -> Device | None:
        """The bridge that this device is on: the one that its other end is plugged into."""
        return self.peer.bridge if self.peer is not None and self.bridge is None else None

    @property
    def bond(self) -> Device | None:
        """The bond that this device is a member of."""
        return self.master if self.master is not None and self.master.kind == "bond" else None

    @property
    def vrf(self) -> Device | None:
        """The VRF that this device is, or is a member of."""
        return self if self.kind == "vrf" else self.master if self.bond is None else None

    def __str__(self) -> str:
        return f"{self.node}:{self.name}"


@dataclass(frozen=True, slots=True)
class AskedChain:
    """A chain, and the paths of what asked for it and for each of its rules."""

    chain: Chain
    path: Path
    rules: tuple[Path, ...]


@dataclass(slots=True, eq=False)
class NodeDraft:
    """A node: its sections (`host` has two, the top level and `host:`), its devices and its routes."""

    name: str
    path: Path
    parts: tuple[tuple[NodeSection, Path], ...]
    devices: dict[str, Device] = field(default_factory=dict)
    routes: list[tuple[Route, Path]] = field(default_factory=list)
    policy: list[tuple[PolicyRule | Neighbour, Path]] = field(default_factory=list)
    #: Networks that are on the link of a device, by address or by a route without a gateway.
    connected: list[tuple[Ip, Device]] = field(default_factory=list)
    #: Numbers of the node's own addresses.
    own: set[tuple[int, int]] = field(default_factory=set)
    #: What it filters and translates, and the settings that this needs, each with the path of what asked for it.
    chains: list[AskedChain] = field(default_factory=list)
    needed: dict[str, tuple[str, Path]] = field(default_factory=dict)
    forwarding: bool | None = None
    ipv6: bool = False
    #: Whether a device of this node could not be wired: what follows from that is not told as well.
    doubtful: bool = False

    def addresses(self) -> list[Ip]:
        """Give all addresses of the node, in the order of its devices."""
        return [ip for device in self.devices.values() for ip, _ in device.addresses]


class Draft:
    """The lab in the making, and every problem found in it."""

    def __init__(self, topology: Topology, sandboxed: bool) -> None:
        self.topology = topology
        self.document: Document = topology.document
        self.lab = topology.name
        self.sandboxed = sandboxed
        self.nodes: dict[str, NodeDraft] = {}
        self.allocated: dict[tuple[str, str], str] = {}
        #: Numbers of the addresses that the file names, by the device that stands for their link.
        self.taken: dict[Device, set[int]] = {}
        self.problems: list[Problem] = []
        self._told: set[tuple[str, Path, bool]] = set()
        self._nearest: dict[tuple[str, str | None], str | None] = {}
        self._spans: dict[tuple[Path, bool], Span] = {}

    def tell(
        self,
        code: str,
        what: str,
        path: Path,
        fix: str | None = None,
        severity: Severity = "error",
        key: bool = False,
    ) -> None:
        """Note a problem; a range of nodes has each of its problems told once."""
        if (code, path, key) not in self._told:
            self._told.add((code, path, key))
            self.problems.append(self.document.problem(code, what, path, fix, severity, key))

    def warn(self, code: str, what: str, path: Path, fix: str | None = None, key: bool = False) -> None:
        """Note a problem that does not stop the lab."""
        self.tell(code, what, path, fix, "warning", key)

    def span(self, path: Path, key: bool = False) -> Span:
        """Give the place of a path."""
        found = self._spans.get((path, key))
        if found is None:
            found = self._spans[path, key] = self.document.span(path, key)
        return found

    def place(self, path: Path, key: bool = False) -> str:
        """Give the place of a path in short, LINE:COLUMN."""
        span = self.span(path, key)
        return f"{span.line}:{span.column}"

    def nearest_node(self, name: str, without: str | None = None) -> str | None:
        """Give the node whose name is nearest to one that no node has; each name is looked up once."""
        key = (name, without)
        if key not in self._nearest:
            self._nearest[key] = nearest(name, [one for one in self.nodes if one != without])
        return self._nearest[key]

    def some_nodes(self) -> str:
        """Name the first few nodes, for a problem's fix."""
        return "nodes: " + ", ".join(islice(self.nodes, _SHOWN))

    def sorted_problems(self) -> list[Problem]:
        """Give the problems in file order."""
        return sorted(self.problems, key=lambda p: (p.span.line, p.span.column) if p.span else (0, 0))


def nearest(name: str, known: list[str]) -> str | None:
    """Give the known name that is nearest to one that is not, or None; of very many, only the first are compared.

    >>> nearest("br00", ["br0", "lan"])
    'br0'
    """
    found = get_close_matches(name, known[:_COMPARED], 1, 0.6)
    return found[0] if found else None
