"""Turns the sections of a file into nodes: `host` first, then each netns, ranges expanded."""

from __future__ import annotations

from netlab import names
from netlab.kinds.registry import KINDS
from netlab.source import Path
from netlab.topology.draft import Draft, NodeDraft
from netlab.topology.ranges import MOST_NODES, expand, size_of
from netlab.topology.spec import NodeSection

#: The most devices that a lab may have; with more, even saying what is wrong would take long.
MOST_DEVICES = 400_000


def make_nodes(draft: Draft) -> bool:
    """Fill the draft's nodes; give False where there are too many of them to go on."""
    topology = draft.topology
    host = NodeDraft(names.HOST, ("host",), ((topology, ()), (topology.host, ("host",))))
    draft.nodes[names.HOST] = host
    if not _affordable(draft):
        return False
    first: dict[str, str] = {}
    for pattern, section in topology.netns.items():
        path: Path = ("netns", pattern)
        parts = ((section, path),)
        for name in expand(pattern):
            if name in draft.nodes:
                place = draft.place(("netns", first[name]), key=True)
                draft.tell("duplicate-name", f"the node {name} stands twice, at {place} and here", path, key=True)
                continue
            first[name] = pattern
            draft.nodes[name] = NodeDraft(name, path, parts)
    _switches(draft, host)
    for node in draft.nodes.values():
        if node is not host:
            node.forwarding = node.parts[0][0].forwarding
    return True


def _affordable(draft: Draft) -> bool:
    """Refuse a file of a few bytes that stands for millions of nodes or devices."""
    nodes = devices = 0
    for pattern, section in draft.topology.netns.items():
        size = size_of(pattern)
        nodes += size
        devices += size * (1 + _devices_of(section))
        path = ("netns", pattern)
        if nodes > MOST_NODES:
            draft.tell("too-many", f"with this the lab has {nodes:,} nodes; at most {MOST_NODES:,} go", path, key=True)
            return False
        if devices > MOST_DEVICES:
            what = f"with this the lab has {devices:,} devices; at most {MOST_DEVICES:,} go"
            draft.tell("too-many", what, path, key=True)
            return False
    return True


def _devices_of(section: NodeSection) -> int:
    others = sum(len(getattr(section, kind.plural)) for kind in KINDS.values())
    return 2 * (len(section.bridge) + len(section.interfaces) + len(section.veths)) + len(section.bridges) + others


def _switches(draft: Draft, host: NodeDraft) -> None:
    """Settle what may stand at the top level or under `host:`, but not in both."""
    topology, section = draft.topology, draft.topology.host
    for key in ("forwarding", "ipv6", "gateway", "firewall"):
        if getattr(topology, key) is not None and getattr(section, key) is not None:
            place = draft.place((key,), key=True)
            what = f"{key} of the host stands twice, at {place} and here"
            draft.tell("duplicate-key", what, ("host", key), "remove one", key=True)
    host.forwarding = topology.forwarding if topology.forwarding is not None else section.forwarding
