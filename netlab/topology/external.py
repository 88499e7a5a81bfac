"""Devices of the machine that a lab uses: what may be said of them, and the facts."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.errors import Span
from netlab.facts import External, Fact
from netlab.names import HOST
from netlab.source import quote
from netlab.topology.draft import Device, Draft, NodeDraft

KIND = "external"


def external_of(draft: Draft, node: NodeDraft) -> Iterator[Device]:
    """Give the external devices that a node's sections name; only the host has any."""
    for section, path in node.parts:
        for name, _ in section.external.items():
            at = (*path, KIND, name)
            if node.name != HOST:
                what = f"{node.name} is made by netlab: nothing is in it already"
                draft.tell(KIND, what, at, "name the machine's device at the top level", key=True)
            else:
                yield Device(node.name, name, KIND, at)


def plug_external(draft: Draft, host: NodeDraft) -> None:
    """Plug them into their bridges, once all devices are known."""
    for section, path in host.parts:
        for name, one in section.external.items():
            device = host.devices.get(name)
            at = (*path, KIND, name)
            if device is None or device.kind != KIND:
                continue
            if device.addresses or device.sources:
                what = f"the addresses of {name} are the machine's: a lab does not change them"
                draft.tell(KIND, what, at, "give the address to a bridge or a macvlan on it", key=True)
            if one.bridge is None:
                continue
            bridge = host.devices.get(one.bridge)
            if bridge is None or bridge.kind != "bridge":
                fix = f"add bridges: {{{one.bridge}: {{}}}}"
                draft.tell("unknown-bridge", f"host has no bridge {quote(one.bridge)}", (*at, "bridge"), fix)
                continue
            device.bridge = bridge
            bridge.ports += 1


def external_facts(draft: Draft, node: NodeDraft) -> Iterator[tuple[Fact, Span]]:
    """Give the facts that they are there."""
    for device in node.devices.values():
        if device.kind == KIND:
            yield External(device.node, device.name), draft.span(device.path, key=True)
