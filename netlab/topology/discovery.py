"""Filters that drop what IPv6 neighbours are found by: told, for they silence IPv6 as a whole.

Neighbours are asked for by ICMPv6 (RFC 4861), which chains see like any packet; ARP they never see. The kernel tracks
no connection of these messages (nf_conntrack_proto_icmpv6.c), so `established` does not let them through.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from netlab.kinds.nat import ChainSection, MatchSection
from netlab.source import Path
from netlab.topology.draft import Draft, NodeDraft

_LIMITS = {"input": "from", "output": "to"}
_CONSEQUENCES = {"input": "nobody will find {} by IPv6", "output": "{} will find nobody by IPv6"}


def find_silenced(draft: Draft) -> None:
    """Warn of every chain that drops neighbour discovery of a node that has IPv6 addresses."""
    for node in draft.nodes.values():
        for section, path in node.parts:
            if section.firewall is None:
                continue
            chains = {"input": section.firewall.input, "output": section.firewall.output}
            devices = _of_ipv6(node)
            for hook, chain in chains.items():
                if chain is not None and devices:
                    _check(draft, node, chain, hook, (*path, "firewall", hook), devices)


def _of_ipv6(node: NodeDraft) -> list[str]:
    """Give the devices of a node behind which somebody might look for one of its IPv6 addresses."""
    devices = (device for device in node.devices.values() if device.kind != "lo" and device.up)
    return [device.name for device in devices if any(ip.version == 6 for ip, _ in device.addresses)]


def _check(draft: Draft, node: NodeDraft, chain: ChainSection, hook: str, path: Path, devices: Sequence[str]) -> None:
    """Warn at the first place of a chain that drops neighbour discovery: of a rule, or the policy."""
    for verdict, matches in (("drop", chain.drop), ("reject", chain.reject)):
        for number, match in enumerate(matches):
            dropped = [device for device in devices if _holds(match, device)]
            # Who drops all that goes by one of several devices has said so.
            if dropped and (match.icmp or len(dropped) == len(devices)):
                fix = f"add {_LIMITS[hook]}: NETWORK" if match.icmp else "remove it, and write policy: drop"
                _warn(draft, node, hook, (*path, verdict, number), fix, dropped, devices)
                return
    lost = [device for device in devices if not any(_holds(match, device) for match in chain.accept)]
    if chain.policy == "drop" and lost:
        _warn(draft, node, hook, (*path, "policy"), "add accept: [{icmp: true}]", lost, devices)


def _warn(
    draft: Draft, node: NodeDraft, hook: str, path: Path, fix: str, dropped: Sequence[str], devices: Sequence[str]
) -> None:
    where = "" if len(dropped) == len(devices) else f" on {', '.join(dropped)}"
    what = f"{hook} drops neighbour discovery{where}: {_CONSEQUENCES[hook].format(node.name)}"
    draft.warn("neighbour-discovery", what, path, fix)


def _holds(match: MatchSection, device: str) -> bool:
    """Tell whether a rule is about all ICMPv6 that goes by a device."""
    by_another = any(name not in (None, device) for name in (match.into, match.out))
    limited = match.tcp or match.udp or match.established or not (_is_any(match.source) and _is_any(match.to))
    return not by_another and not limited


def _is_any(text: str | None) -> bool:
    """Tell whether what a rule is limited to is all of IPv6."""
    if text in (None, "any"):
        return True
    try:
        network = ip_network(str(text), strict=False)
    except ValueError:
        return False
    return network.version == 6 and network.prefixlen == 0
