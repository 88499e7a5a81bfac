"""Turns a Topology into a Lab: every short form expanded, every name known, every fault told at once."""

from __future__ import annotations

import re
from collections.abc import Mapping

from netlab import names
from netlab.errors import FileError
from netlab.source import quote
from netlab.topology.address_faults import find_address_faults
from netlab.topology.addressing import address
from netlab.topology.bridge_ports import find_port_faults
from netlab.topology.checks import resolve_checks
from netlab.topology.discovery import find_silenced
from netlab.topology.draft import Draft
from netlab.topology.emit import NodeSettings, emit
from netlab.topology.firewall import filter_and_translate
from netlab.topology.ipv6 import find_ipv6_faults, speak_ipv6
from netlab.topology.lab import Check, Lab
from netlab.topology.nodes import make_nodes
from netlab.topology.paths import Paths
from netlab.topology.policy import set_policy
from netlab.topology.routing import route
from netlab.topology.segments import segments
from netlab.topology.settings import settle
from netlab.topology.spec import Topology
from netlab.topology.stacking import find_stacking_faults
from netlab.topology.wiring import wire


def resolve(topology: Topology, *, sandboxed: bool, held: Mapping[tuple[str, str], str] | None = None) -> Lab:
    """Work out the lab that a file means; raise FileError with every problem, in file order.

    `sandboxed` False: `host` is the real machine, and gets only what the file asks for. `held`: the addresses that an
    applied lab has, `Lab.allocated` of then.
    """
    draft = Draft(topology, sandboxed)
    checks: tuple[Check, ...] = ()
    settings: dict[str, NodeSettings] = {}
    if make_nodes(draft):
        wire(draft)
        links = segments(draft)
        address(draft, links, held or {})
        find_address_faults(draft, links)
        find_stacking_faults(draft)
        find_port_faults(draft)
        route(draft)
        speak_ipv6(draft)
        paths = Paths(draft, links)
        filter_and_translate(draft, paths)
        find_silenced(draft)
        set_policy(draft)
        find_ipv6_faults(draft)
        settings = {node.name: settle(draft, node) for node in draft.nodes.values()}
        _check_programs(draft)
        _spare_loopback(draft)
        checks = resolve_checks(draft, paths)
    problems = draft.sorted_problems()
    if any(problem.severity == "error" for problem in problems):
        raise FileError(problems)
    facts, origin = emit(draft, settings)
    subnets = {
        (device.node, device.name): " ".join(str(subnet) for subnet in device.subnets)
        for node in draft.nodes.values()
        for device in node.devices.values()
        if device.subnets
    }
    return Lab(
        name=topology.name,
        sandbox=topology.host.sandbox,
        nodes=tuple(draft.nodes),
        facts=facts,
        origin=origin,
        checks=checks,
        subnets=subnets,
        allocated=draft.allocated,
        warnings=tuple(problems),
    )


def _spare_loopback(draft: Draft) -> None:
    """The machine's own `lo` is not netlab's: neither its addresses nor its settings are a lab's to change."""
    host = draft.nodes.get(names.HOST)
    if host is None or draft.sandboxed:
        return
    fix = "give the address to a bridge or a node, or add host: {sandbox: true}"
    for section, path in host.parts:
        if "lo" in section.interfaces:
            what = "on the machine itself, lo is the machine's: a lab does not change it"
            draft.tell("loopback", what, (*path, "interfaces", "lo"), fix, key=True)
        for name in section.sysctls:
            if re.match(r"net\.ipv[46]\.(conf|neigh)\.lo\.", name):
                what = f"on the machine itself, lo is the machine's: a lab does not change {name}"
                draft.tell("loopback", what, (*path, "sysctls", name), "add host: {sandbox: true}", key=True)


def _check_programs(draft: Draft) -> None:
    """Programs run in nodes; one that stands twice in a node is one, and the real machine runs none."""
    for node in draft.nodes.values():
        seen = set()
        for section, path in node.parts:
            for number, command in enumerate(section.run):
                at = (*path, "run", number)
                if node.name == names.HOST and not draft.sandboxed:
                    what = "run starts programs in nodes, or in the host of a sandbox, never on the machine itself"
                    draft.tell("run", what, at, "give the program a node, or add host: {sandbox: true}")
                if not command.strip():
                    draft.tell("run", "the command line is empty", at, "remove it")
                if command in seen:
                    draft.tell("run", f"{node.name} runs {quote(command)} twice", at, "remove one")
                seen.add(command)
