"""Turns `rules` and `neighbours` of a node into facts."""

from __future__ import annotations

from netlab.facts import Neighbour, PolicyRule
from netlab.kinds.policy import NeighbourSection, PolicySection
from netlab.names import HOST
from netlab.source import Path, quote
from netlab.topology.draft import Draft, NodeDraft, nearest
from netlab.topology.gateways import on_link
from netlab.topology.others import has_no_frames

#: The priority of the first rule that names none.
_FIRST = 10000


def set_policy(draft: Draft) -> None:
    """Fill the policy rules and neighbours of all nodes."""
    for node in draft.nodes.values():
        count = 0
        for section, path in node.parts:
            for number, rule in enumerate(section.rules):
                _rule(draft, node, rule, _FIRST + count, (*path, "rules", number))
                count += 1
            for number, one in enumerate(section.neighbours):
                _neighbour(draft, node, one, (*path, "neighbours", number))
        if not draft.sandboxed and node.name == HOST and count:
            at = next((*path, "rules") for section, path in node.parts if section.rules)
            what = "policy rules of the machine itself would be everybody's"
            draft.tell("rules", what, at, "add host: {sandbox: true}, or set them in a node", key=True)


def _rule(draft: Draft, node: NodeDraft, section: PolicySection, priority: int, path: Path) -> None:
    versions = {net.version for net in (section.source, section.to) if net is not None}
    if len(versions) == 2:
        draft.tell("rules", "from and to are of different IP versions", path, "make it two rules")
        return
    for key, name in (("in", section.into), ("out", section.out)):
        if name is not None and name not in node.devices:
            _no_device(draft, node, name, (*path, key))
            return
    priority = section.priority if section.priority is not None else priority
    source, to = (str(net) if net is not None else None for net in (section.source, section.to))
    for version in sorted(versions or ({4, 6} if node.ipv6 else {4})):
        found = PolicyRule(
            node.name, version, priority, source, to, section.into, section.out, section.mark, section.action,
            section.table or 0,
        )  # fmt: skip
        if any(other.key == found.key for other, _ in node.policy):
            what = f"{node.name} has that rule already"
            draft.tell("duplicate-rule", what, path, "remove one")
            return
        node.policy.append((found, path))


def _neighbour(draft: Draft, node: NodeDraft, section: NeighbourSection, path: Path) -> None:
    address = section.address
    if section.dev is not None:
        device = node.devices.get(section.dev)
        if device is None:
            _no_device(draft, node, section.dev, (*path, "dev"))
            return
    else:
        device = on_link(node, address.version, int(address))
        if device is None:
            if not node.doubtful:
                what = f"{node.name} has no device on the subnet of {address}"
                draft.tell("neighbour", what, (*path, "address"), "name the device: add dev: eth0")
            return
    if device.kind == "lo" or not device.up:
        what = f"{device} is down: it has no neighbours" if device.kind != "lo" else "lo has no neighbours"
        draft.tell("neighbour", what, path, "name another device")
        return
    if has_no_frames(device):
        draft.tell("neighbour", f"{device} carries no frames: its neighbours have no MACs", path, "remove it")
        return
    if (address.version, int(address)) in node.own:
        what = f"{address} is {node.name}'s own address"
        draft.tell("neighbour", what, (*path, "address"), "name the neighbour's address, not the node's own")
        return
    found = Neighbour(node.name, device.name, str(address), section.mac)
    if any(other.key == found.key for other, _ in node.policy):
        draft.tell("duplicate-neighbour", f"{node.name} has {address} on {device.name} already", path, "remove one")
        return
    node.policy.append((found, path))


def _no_device(draft: Draft, node: NodeDraft, name: str, path: Path) -> None:
    near = nearest(name, list(node.devices))
    fix = f"write {near}" if near else f"devices of {node.name}: {', '.join(list(node.devices)[:8])}"
    draft.tell("unknown-device", f"{node.name} has no device {quote(name)}", path, fix)
