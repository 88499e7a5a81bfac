"""`doctor`: what this machine can do for labs, what is missing, and what to type to get it."""

from __future__ import annotations

import os
import shutil

from netlab.app.results import Capability, Examined
from netlab.app.wanted import parse_file
from netlab.app.world import World
from netlab.errors import Problem
from netlab.facts import Bridge, Facts
from netlab.kernel.capability import Abilities, abilities
from netlab.kernel.machine import obstacles, read_setting

_USER_NAMESPACES = (
    ("kernel.unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
    ("user.max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
)


def doctor(path: str | None = None, *, world: World | None = None) -> Examined:
    """Examine this machine, and whether it has what a file needs; nothing is changed."""
    world = world or World.here()
    kernel = abilities()
    found = (*_rights(world, kernel), *_kernel(kernel), *_programs())
    lacking = tuple(_lacking(path, found)) if path is not None else ()
    found_obstacles: tuple[Problem, ...] = ()
    if world.privileged:
        found_obstacles = obstacles(bridges=True, forwards=True)
    return Examined(found, lacking, found_obstacles)


def _rights(world: World, kernel: Abilities) -> tuple[Capability, ...]:
    advice = next((fix for name, bad, fix in _USER_NAMESPACES if read_setting(name) == bad), None)
    if not kernel.rootless and advice is None:
        advice = "in Docker: docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
    root = "run as root; without it, labs live in sandboxes"
    return (
        Capability("root", world.privileged, "labs on the machine itself", root),
        Capability("network namespaces", kernel.namespaces, "every lab", advice, required=True),
        Capability("user namespaces", kernel.rootless, "labs without root", advice, required=not world.privileged),
    )


def _kernel(kernel: Abilities) -> tuple[Capability, ...]:
    install = "a kernel with {}; on Debian and Ubuntu: apt-get install linux-image-amd64".format
    filtering = install("CONFIG_BRIDGE_VLAN_FILTERING")
    return (
        Capability("bridge", kernel.bridge, "bridges", install("CONFIG_BRIDGE"), required=True),
        Capability("veth", kernel.veth, "interfaces and veths", install("CONFIG_VETH"), required=True),
        Capability("ipv6", kernel.ipv6, "IPv6 addresses", "boot without ipv6.disable=1"),
        Capability("vlan filtering", kernel.vlan_filtering, "vlan_filtering", filtering),
        Capability("bridge netfilter", kernel.bridge_netfilter, "filters on bridges", "modprobe br_netfilter"),
    )


def _programs() -> tuple[Capability, ...]:
    return tuple(
        Capability(package, any(shutil.which(name) for name in names), purpose, f"apt-get install {package}")
        for package, names, purpose in (
            ("graphviz", ("dot",), "svg, png and pdf diagrams"),
            ("iproute2", ("ip",), "running what plan --commands prints"),
            ("nftables", ("nft",), "looking at filter rules by hand"),
            ("wireshark", ("wireshark", "tshark", "tcpdump"), "reading captures"),
        )
    )


def _lacking(path: str, found: tuple[Capability, ...]) -> list[str]:
    _, topology = parse_file(path)
    from netlab.topology import resolve

    facts = resolve(topology, sandboxed=True).facts
    needed = {"network namespaces", *_needs(facts)}
    if os.geteuid() != 0:
        needed.add("user namespaces")
    return [capability.name for capability in found if capability.name in needed and not capability.present]


def _needs(facts: Facts) -> set[str]:
    needed = {fact.family for fact in facts.values() if fact.family in ("bridge", "veth")}
    if any(isinstance(fact, Bridge) and fact.vlan_filtering for fact in facts.values()):
        needed.add("vlan filtering")
    if any(fact.family == "address" and ":" in fact.key[3] for fact in facts.values()):
        needed.add("ipv6")
    return needed
