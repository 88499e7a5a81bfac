"""Turns a finished draft into facts, each with the place in the file that asked for it."""

from __future__ import annotations

from collections.abc import Iterator

from netlab import names
from netlab.errors import Span
from netlab.facts import Address, DeviceSettings, Fact, Key, Namespace, Program, Settings, veth
from netlab.facts.firewall import rule_key
from netlab.kinds.bridge import BridgeSection, bridge_fact
from netlab.kinds.registry import KINDS
from netlab.kinds.veth import end
from netlab.source import Path
from netlab.topology.bridge_ports import port_fact
from netlab.topology.draft import Device, Draft, NodeDraft
from netlab.topology.external import external_facts
from netlab.topology.mtus import Mtus
from netlab.topology.others import member_facts, other_facts

Placed = tuple[Fact, Span]
#: The settings of a node and of its devices.
NodeSettings = tuple[Settings | None, list[tuple[DeviceSettings, Path]]]


def emit(draft: Draft, settings: dict[str, NodeSettings]) -> tuple[dict[Key, Fact], dict[Key, Span]]:
    """Give the facts of the lab, family by family, and their origins, those of the rules of chains among them."""
    facts: dict[Key, Fact] = {}
    origin: dict[Key, Span] = {}
    for fact, span in _all(draft, settings):
        key = fact.key
        assert key not in facts, f"two facts with one key: {facts[key]} and {fact}"
        facts[key], origin[key] = fact, span
    for node in draft.nodes.values():
        for asked in node.chains:
            for rule, path in zip(asked.chain.rules, asked.rules, strict=True):
                origin.setdefault(rule_key(asked.chain, rule), draft.span(path))
    return facts, origin


def _all(draft: Draft, settings: dict[str, NodeSettings]) -> Iterator[Placed]:
    nodes = list(draft.nodes.values())
    homes = {node.name: _home(draft, node) for node in nodes}
    for node in nodes:
        if node.name != names.HOST or draft.sandboxed:
            yield Namespace(node.name, node.devices["lo"].up), homes[node.name]
    for node in nodes:
        own = settings[node.name][0]
        if own is not None:
            yield own, homes[node.name]
    for node in nodes:
        for asked in node.chains:
            yield asked.chain, draft.span(asked.path, key=True)
    for node in nodes:
        yield from external_facts(draft, node)
    mtus = Mtus(draft)
    yield from _bridges(draft, nodes, mtus)
    yield from _cables(draft, nodes, mtus)
    others = [device for node in nodes for device in node.devices.values() if device.kind in KINDS]
    for device in others:
        yield from other_facts(draft, device, mtus)
    for node in nodes:
        for device in node.devices.values():
            if device.bridge is not None:
                yield port_fact(device, device.bridge), draft.span(device.path, device.keyed)
            yield from member_facts(draft, device)
    for node in nodes:
        for device in node.devices.values():
            if device.section is not None and device.section.impair is not None:
                at = (*device.path, "impair") if device.keyed else (*device.path[:-1], "impair")
                yield device.section.impair.fact(device.node, device.name), draft.span(at, key=True)
    for node in nodes:
        for device in node.devices.values():
            for ip, path in device.addresses:
                yield Address(node.name, device.name, str(ip)), draft.span(path)
    for node in nodes:
        for found, path in settings[node.name][1]:
            yield found, draft.span(path, key=True)
    for node in nodes:
        for route, path in node.routes:
            yield route, draft.span(path)
    for node in nodes:
        for fact, path in node.policy:
            yield fact, draft.span(path)
    for node in nodes:
        for section, path in node.parts:
            for number, command in enumerate(section.run):
                yield Program(node.name, command), draft.span((*path, "run", number))


def _home(draft: Draft, node: NodeDraft) -> Span:
    """Give the place of a node: its key, or for a host that has no section of its own the lab's name."""
    path = node.path if draft.document.has(node.path) else ("name",)
    return draft.span(path, key=True)


def _cables(draft: Draft, nodes: list[NodeDraft], mtus: Mtus) -> Iterator[Placed]:
    """Give the veth pairs."""
    done: set[Device] = set()
    lab = draft.lab
    for node in nodes:
        for device in node.devices.values():
            peer = device.peer
            if peer is None or device in done or (device.bridge is not None and device.section is None):
                continue  # An end that netlab named comes with its other end.
            done.add(peer)
            near, far = device.section, peer.section
            one = end(near, lab, device.node, device.name, mtus.of(device))
            other = end(far, lab, peer.node, peer.name, mtus.of(peer))
            yield veth(one, other), draft.span(device.path, device.keyed)


def _bridges(draft: Draft, nodes: list[NodeDraft], mtus: Mtus) -> Iterator[Placed]:
    for node in nodes:
        for device in node.devices.values():
            if device.kind == "bridge":
                assert isinstance(device.section, BridgeSection)
                fact = bridge_fact(device.section, draft.lab, node.name, device.name, mtus.of(device))
                yield fact, draft.span(device.path, key=True)
