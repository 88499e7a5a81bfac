"""`doctor`: what this machine can do for labs, what is missing, and what to type to get it."""

from __future__ import annotations

import os
import shutil

from netlab.app.results import Capability, Examined
from netlab.app.wanted import parse_file
from netlab.app.world import World
from netlab.errors import Problem, Unavailable
from netlab.facts import Bridge, Device, Facts, Impairment
from netlab.kernel.capability import Abilities, abilities, has_kind, has_netem, has_nftables
from netlab.kernel.machine import obstacles, read_setting
from netlab.kernel.others import STAND_INS
from netlab.kinds.kind import Kind
from netlab.kinds.registry import KINDS

_KERNEL = "a kernel with {}; on Debian and Ubuntu: apt-get install linux-image-amd64"
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
    install = _KERNEL.format
    filtering = install("CONFIG_BRIDGE_VLAN_FILTERING")
    return (
        Capability("bridge", kernel.bridge, "bridges", install("CONFIG_BRIDGE"), required=True),
        Capability("veth", kernel.veth, "interfaces and veths", install("CONFIG_VETH"), required=True),
        Capability("ipv6", kernel.ipv6, "IPv6 addresses", "boot without ipv6.disable=1"),
        Capability("vlan filtering", kernel.vlan_filtering, "vlan_filtering", filtering),
        *(_of_kind(kind) for kind in KINDS.values()),
        Capability("netem", has_netem(), "impair, all but rate", _KERNEL.format("CONFIG_NET_SCH_NETEM")),
        _nftables(),
        Capability("bridge netfilter", kernel.bridge_netfilter, "filters on bridges", "modprobe br_netfilter"),
    )


def _of_kind(kind: Kind) -> Capability:
    stand_in = STAND_INS.get(kind.name)
    purpose = f"{kind.plural} ({stand_in} stands in)" if stand_in else kind.plural
    present = has_kind(kind.name)
    return Capability(kind.name, present, purpose, _KERNEL.format(kind.config))


def _nftables() -> Capability:
    try:
        present, fix = has_nftables(), _KERNEL.format("CONFIG_NF_TABLES_INET and CONFIG_NFT_NAT")
    except Unavailable as lacking:
        present, fix = False, str(lacking.fix)
    return Capability("nftables filtering", present, "nat and firewall", fix)


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
    needed |= {fact.kind for fact in facts.values() if isinstance(fact, Device) and fact.kind not in STAND_INS}
    if any(isinstance(fact, Impairment) and not fact.slows_only for fact in facts.values()):
        needed.add("netem")
    if any(fact.family == "chain" for fact in facts.values()):
        needed.add("nftables filtering")
    if any(fact.family == "address" and ":" in fact.key[3] for fact in facts.values()):
        needed.add("ipv6")
    return needed
