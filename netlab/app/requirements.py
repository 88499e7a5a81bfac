"""What a lab asks of the kernel, held against what this one can do, before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.errors import Obstructed, Problem
from netlab.facts import Bridge, Chain, Device, External, Fact, Facts, Impairment
from netlab.kinds.registry import KINDS
from netlab.topology.lab import Lab

_FIX = "leave {} out, or use a kernel that has it; netlab doctor tells"


def require(lab: Lab, want: Facts, sandboxed: bool) -> None:
    """Raise Obstructed, with every fact that this kernel cannot have or would take and silently forget."""
    found = (*_lacking(want), *_missing(want, sandboxed))
    problems = [Problem("unavailable", what, lab.origin.get(fact.key), fix) for fact, what, fix in found]
    if problems:
        raise Obstructed(problems)


def _missing(want: Facts, sandboxed: bool) -> Iterator[tuple[Fact, str, str]]:
    """Give the devices of the machine that are not there."""
    externals = [fact for fact in want.values() if isinstance(fact, External)]
    if externals and sandboxed:
        fix = "apply it to the machine itself, as root and with --no-sandbox"
        yield from (
            (fact, f"{fact.name} is the machine's: a sandbox has none of its devices", fix) for fact in externals
        )
    elif externals:
        from netlab.kernel.machine import devices

        here = devices()
        for fact in externals:
            if fact.name not in here:
                yield fact, f"this machine has no device {fact.name}", f"its devices: {', '.join(sorted(here))}"


def _lacking(want: Facts) -> Iterator[tuple[Fact, str, str]]:
    filtering = [fact for fact in want.values() if isinstance(fact, Bridge) and fact.vlan_filtering]
    kinds: dict[str, list[Device]] = {}
    for fact in want.values():
        if isinstance(fact, Device):
            kinds.setdefault(fact.kind, []).append(fact)
    chains = [fact for fact in want.values() if isinstance(fact, Chain)]
    impaired = [fact for fact in want.values() if isinstance(fact, Impairment) and not fact.slows_only]
    if not (filtering or kinds or chains or impaired):
        return
    from netlab.kernel.capability import abilities, has_kind, has_netem, has_nftables
    from netlab.kernel.others import STAND_INS

    if filtering and not abilities().vlan_filtering:
        what = "this kernel's bridges have no VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING)"
        yield from ((fact, what, _FIX.format("vlan_filtering")) for fact in filtering)
    for kind, devices in kinds.items():
        if not has_kind(kind) and not has_kind(STAND_INS.get(kind, kind)):
            what = f"this kernel has no devices of kind {kind} ({KINDS[kind].config})"
            yield from ((fact, what, _FIX.format("it")) for fact in devices)
    if chains and not has_nftables():
        what = "this kernel has no nftables (CONFIG_NF_TABLES_INET, CONFIG_NFT_NAT)"
        yield from ((fact, what, _FIX.format("nat and firewall")) for fact in chains)
    if impaired and not has_netem():
        what = "this kernel can only slow devices down (rate), not delay or lose packets (CONFIG_NET_SCH_NETEM)"
        yield from ((fact, what, _FIX.format("all but rate")) for fact in impaired)
