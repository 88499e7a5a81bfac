"""A network -> the bridges on which a frame could go round: there what a packet meets first is a matter of order."""

from __future__ import annotations

from netlab.simulator.network import Network, Nic

#: Stands for all that is neither a cable nor a bridge: tunnels, tags and bonds may lead from anywhere to anywhere.
_ELSEWHERE = None


def looped_bridges(network: Network) -> set[Nic]:
    """Give the bridges that are, or may be, joined with one another in more than one way."""
    bridges = [nic for node in network.nodes.values() for nic in node.devices.values() if nic.kind == "bridge"]
    parents: dict[Nic | None, Nic | None] = {}
    closing: list[Nic | None] = []

    def root(one: Nic | None) -> Nic | None:
        while one in parents:
            above = parents[one]
            if above in parents:
                parents[one] = above = parents[above]
            one = above
        return one

    for bridge in bridges:
        for other in _joined(bridge):
            a, b = root(bridge), root(other)
            if a is b:
                closing.append(a)
            elif a is _ELSEWHERE:
                parents[b] = a
            else:
                parents[a] = b
    looped = {root(one) for one in closing}
    return {bridge for bridge in bridges if root(bridge) in looped} if looped else set()


def _joined(bridge: Nic) -> list[Nic | None]:
    """Give what a bridge is joined with, once for each way; of two bridges' cable one end tells."""
    found: list[Nic | None] = []
    for port in bridge.members:
        if port.name in bridge.closed or not port.carrier:
            continue
        far = port.peer
        master = far.master if far is not None else None
        if port.kind != "veth" or far is None or _leads_on(far) or _leads_on(port) or _is_bond(master):
            found.append(_ELSEWHERE)
        elif _is_bridge(master) and (port.node.name, port.name) < (far.node.name, far.name):
            found.append(master)
    return [*found, _ELSEWHERE] if _leads_on(bridge) else found


def _leads_on(nic: Nic) -> bool:
    """Tell whether what stands on a device hands its frames to others: a VLAN of it that is a bridge's port."""
    return any(_is_bond(upper.master) or _is_bridge(upper.master) or _leads_on(upper) for upper in nic.uppers)


def _is_bond(nic: Nic | None) -> bool:
    return nic is not None and nic.kind == "bond"


def _is_bridge(nic: Nic | None) -> bool:
    return nic is not None and nic.kind == "bridge"
