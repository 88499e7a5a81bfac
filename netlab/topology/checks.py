"""Turns the checks of a file into Checks in which every name is an address.

A node's name means its first address that the other end can route to; after a colon, digits are a port and anything
else a device; IPv6 addresses with a port are `[a]:p`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from netlab.source import Path, quote
from netlab.topology.checks_spec import EXPECTATIONS, CheckSection
from netlab.topology.draft import Draft, NodeDraft, nearest
from netlab.topology.gateways import on_link
from netlab.topology.ip import Ip, literal, text_of
from netlab.topology.lab import Check
from netlab.topology.paths import Number, Paths, next_hop

_BRACKETS = re.compile(r"\[([^\]]+)\](?::([0-9]+))?\Z")


def split_target(text: str) -> tuple[str, str | None, int | None]:
    """Split a target into (address or node, device, port).

    >>> split_target("ns1:80"), split_target("ns1:eth0:80"), split_target("[fd00::1]:53"), split_target("fd00::1")
    (('ns1', None, 80), ('ns1', 'eth0', 80), ('fd00::1', None, 53), ('fd00::1', None, None))
    """
    match = _BRACKETS.match(text)
    if match is not None:
        return match[1], None, int(match[2][:9]) if match[2] else None
    if literal(text) is not None:
        return text, None, None
    parts = text.split(":")
    port = int(parts.pop()[:9]) if len(parts) > 1 and parts[-1].isascii() and parts[-1].isdigit() else None
    return parts[0], ":".join(parts[1:]) or None, port


def resolve_checks(draft: Draft, paths: Paths) -> tuple[Check, ...]:
    """Give the checks of the file; those with faults are left out, and told."""
    found = []
    for number, section in enumerate(draft.topology.checks):
        check = _Resolver(draft, paths, section, ("checks", number)).resolve()
        if check is not None:
            found.append(check)
    return tuple(found)


@dataclass(slots=True)
class _Resolver:
    draft: Draft
    paths: Paths
    section: CheckSection
    path: Path

    def _at(self, key: str) -> Path:
        """Give the path of a key, which may stand beside the kind of check or inside of it."""
        inside = (*self.path, self.section.kind, key)
        return inside if not self.draft.document.has((*self.path, key)) else (*self.path, key)

    def resolve(self) -> Check | None:
        section, kind, probe = self.section, self.section.kind, self.section.probe
        source = self._node(probe.source, "from")
        base, device, port = split_target(probe.to)
        well = self._port_fits(port)
        number = self._number(source, base, device)
        by = self._node(section.of("by"), "by") if section.of("by") is not None else None
        if source is None or number is None or not well or (section.of("by") is not None and by is None):
            return None
        asks, fine = self._asking_device(source, number)
        if not fine:
            return None
        holder = self.paths.holder(number, source.devices.get(asks or ""))
        target = self.draft.nodes.get(base) if device is not None or base in self.draft.nodes else None
        target_node = target.name if target is not None else holder.node if holder is not None else None
        found = Check(
            kind=kind,
            name=section.of("name") or f"{kind} {probe.source} -> {probe.to}",
            source=source.name,
            target=probe.to,
            address=text_of(*number),
            target_node=target_node,
            span=self.draft.span(self.path),
            port=port,
            expect=section.of("expect") or EXPECTATIONS[kind][0],
            by=by.name if by is not None else None,
            by_addresses=tuple(ip.host for ip in by.addresses()) if by is not None else (),
            send=section.of("send"),
            reply=section.of("reply"),
            within=section.of("within"),
            lasting=section.of("lasting"),
            device=asks,
            count=section.of("count"),
            between=section.of("between"),
        )
        self._warn(found, source, number)
        return found

    def _node(self, name: str, key: str) -> NodeDraft | None:
        node = self.draft.nodes.get(name)
        if node is None:
            near = self.draft.nearest_node(name)
            fix = f"write {near}" if near else self.draft.some_nodes()
            self.draft.tell("unknown-node", f"there is no node {quote(name)}", self._at(key), fix)
        return node

    def _port_fits(self, port: int | None) -> bool:
        """Hold the target to its kind: tcp and udp want a port, the others have none."""
        kind, to = self.section.kind, self.section.probe.to
        wants = kind in ("tcp", "udp")
        if wants and port is None:
            shown = f"[{to}]" if literal(to) is not None and ":" in to else to
            self.draft.tell("port", f"{quote(to)} names no port", self._at("to"), f"write {shown}:80")
        elif not wants and port is not None:
            shown = to.rpartition(":")[0].strip("[]")
            self.draft.tell("port", f"{kind} asks no port", self._at("to"), f"write {shown}")
        elif port is not None and not 1 <= port <= 65535:
            self.draft.tell("port", "a port is a number from 1 to 65535", self._at("to"))
        else:
            return True
        return False

    def _number(self, source: NodeDraft | None, base: str, device: str | None) -> Number | None:
        """Turn the target into an address."""
        number = literal(base)
        if number is not None:
            return number
        node = self.draft.nodes.get(base)
        if node is None:
            self._tell_unknown(base)
            return None
        addresses = node.addresses()
        if device is not None:
            if device not in node.devices:
                near = nearest(device, list(node.devices))
                fix = f"write {base}:{near}" if near else f"devices of {base}: {', '.join(list(node.devices)[:8])}"
                self.draft.tell("unknown-device", f"{base} has no device {quote(device)}", self._at("to"), fix)
                return None
            addresses = [ip for ip, _ in node.devices[device].addresses]
        return self._choose(source, base if device is None else f"{base}:{device}", node, addresses)

    def _choose(self, source: NodeDraft | None, shown: str, node: NodeDraft, addresses: list[Ip]) -> Number | None:
        usable = [ip for ip in addresses if not ip.is_link_local and (self.section.kind != "arp" or ip.version == 4)]
        if not usable:
            if not node.doubtful:
                what = f"{shown} has no {'IPv4 ' if self.section.kind == 'arp' else ''}address"
                self.draft.tell("no-address", what, self._at("to"), f"give {shown} an address")
            return None
        found = self.paths.best_address(source, usable) if source is not None else usable[0]
        return (found.version, found.value) if found is not None else None

    def _tell_unknown(self, base: str) -> None:
        owner = next((node.name for node in self.draft.nodes.values() if base in node.devices), None)
        near = self.draft.nearest_node(base)
        fix = f'write "{owner}:{base}"' if owner and base != "lo" else f"write {near}" if near else None
        fix = fix or self.draft.some_nodes()
        what = f"there is no node {quote(base)}, and it is no address"
        self.draft.tell("unknown-node", what, self._at("to"), fix)

    def _asking_device(self, source: NodeDraft, number: Number) -> tuple[str | None, bool]:
        """Give the device that an ARP question leaves by, and whether all is well."""
        if self.section.kind != "arp":
            return None, True
        if number[0] != 4:
            self.draft.tell("arp", "ARP asks for IPv4 addresses only", self._at("to"))
            return None, False
        name = self.section.of("dev")
        if name is not None:
            if name not in source.devices:
                near = nearest(name, list(source.devices))
                what = f"{source.name} has no device {quote(name)}"
                self.draft.tell("unknown-device", what, self._at("dev"), f"write {near}" if near else None)
            return name, name in source.devices
        device = on_link(source, *number)
        if device is None and not source.doubtful:
            what = f"{source.name} has no device on the subnet of {text_of(*number)}, and ARP goes no further"
            self.draft.tell("arp", what, self._at("to"), "name the device that asks: add dev: eth0")
        return (device.name, True) if device is not None else (None, False)

    def _warn(self, check: Check, source: NodeDraft, number: Number) -> None:
        """Warn where a check expects an answer that the routes and forwarding of the file do not allow."""
        answers = check.expect in ("reply", "open", "refused") or (check.between is not None and not _may_be_cut(check))
        if check.kind == "arp" or not answers or check.by is not None:
            return
        target = self.draft.nodes.get(check.target_node or "")
        if source.doubtful or (target is not None and target.doubtful):
            return
        found = self.paths.fault(source, number)
        back = ""
        if found is None and target is not None and target is not source and not self.paths.hides(source, number):
            answer = _source_address(source, number)
            found = self.paths.fault(target, answer) if answer is not None else None
            back = "the answer of "
        if found is None:
            return
        code, words, node = found
        what = f"{back}{check.name} cannot arrive: {words}"
        if code == "forwarding-off":
            where = "host" if node.name == "host" else node.name
            self.draft.warn(code, what, self.path, f"add forwarding: true to {where}")
        else:
            if back:
                what = f"{what.removesuffix(' to it')} back to {source.name}"
            self.draft.warn(code, what, self.path, f"give {node.name} a gateway or a route")


def _may_be_cut(check: Check) -> bool:
    """Say whether a measurement may find nothing at all."""
    return check.kind == "loss" and check.between is not None and check.between[1] == 1


def _source_address(source: NodeDraft, to: Number) -> Number | None:
    """Give the address that a packet leaves with: the first one of its version on the device that it leaves by."""
    hop = next_hop(source, to)
    device = source.devices.get(hop.device or "") if hop is not None else None
    candidates = [ip for ip, _ in device.addresses] if device is not None else []
    candidates = candidates or source.addresses()
    return next(((ip.version, ip.value) for ip in candidates if ip.version == to[0] and not ip.is_link_local), None)
