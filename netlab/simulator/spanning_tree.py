"""Which ports the spanning tree closes, once it has settled (IEEE 802.1D; net/bridge/br_stp.c).

Only bridges with STP take part; the others hand its frames on no further.
"""

from __future__ import annotations

from netlab.simulator.network import Network, Nic

#: The cost of a port of 10 Gbit/s, which is what a veth says it is (net/bridge/br_if.c, port_cost).
_COST = 2
#: The priority of a port of which nothing is said (BR_PORT_BITS: 0x8000 >> 10 of 6 bits).
_PRIORITY = 32

_Identity = tuple[int, str]
#: What a bridge announces: the root, the cost to it, itself, its port.
_Vector = tuple[_Identity, int, _Identity, tuple[int, int]]


def close_ports(network: Network) -> None:
    """Set which ports of each bridge with STP are closed."""
    bridges = [nic for node in network.nodes.values() for nic in node.devices.values() if _takes_part(nic)]
    best = _settled(bridges)
    for bridge in bridges:
        bridge.closed = frozenset(port.name for port in _open_ports(bridge) if _is_closed(bridge, port, best))


def _takes_part(nic: Nic) -> bool:
    return nic.kind == "bridge" and nic.up and bool(nic.options.get("stp"))


def _open_ports(bridge: Nic) -> list[Nic]:
    return [port for port in bridge.members if port.carrier]


def _identity(bridge: Nic) -> _Identity:
    return int(bridge.options.get("priority", 0x8000)), bridge.mac


def _port_identity(bridge: Nic, port: Nic) -> tuple[int, int]:
    priority = port.port.priority if port.port is not None and port.port.priority is not None else _PRIORITY
    return priority, bridge.members.index(port)


def _neighbour(port: Nic) -> Nic | None:
    """Give the port of another bridge with STP at the other end of a port's cable."""
    far = port.peer
    return far if far is not None and far.master is not None and _takes_part(far.master) else None


def _cost(port: Nic) -> int:
    return port.port.cost if port.port is not None and port.port.cost is not None else _COST


def _settled(bridges: list[Nic]) -> dict[int, tuple[_Identity, int, Nic | None]]:
    """Give for each bridge the root, the cost to it, and the port that leads there; as announcements settle."""
    best: dict[int, tuple[_Identity, int, Nic | None]] = {id(one): (_identity(one), 0, None) for one in bridges}
    for _ in range(len(bridges) + 1):
        changed = False
        for bridge in bridges:
            found = _choose(bridge, best)
            if found != best[id(bridge)]:
                best[id(bridge)], changed = found, True
        if not changed:
            break
    return best


def _choose(bridge: Nic, best: dict[int, tuple[_Identity, int, Nic | None]]) -> tuple[_Identity, int, Nic | None]:
    offers: list[tuple[_Vector, tuple[int, int], Nic]] = []
    for port in _open_ports(bridge):
        far = _neighbour(port)
        if far is None or far.master is None:
            continue
        root, cost, towards = best[id(far.master)]
        if towards is far:
            continue  # it would come back to us
        vector = (root, cost + _cost(port), _identity(far.master), _port_identity(far.master, far))
        offers.append((vector, _port_identity(bridge, port), port))
    own = _identity(bridge)
    if not offers or min(offers, key=lambda one: one[:2])[0][0] >= own:
        return own, 0, None
    vector, _, port = min(offers, key=lambda one: one[:2])
    return vector[0], vector[1], port


def _is_closed(bridge: Nic, port: Nic, best: dict[int, tuple[_Identity, int, Nic | None]]) -> bool:
    """Tell whether a port is neither the way to the root nor the one that speaks for its cable."""
    far = _neighbour(port)
    if far is None or far.master is None:
        return False
    root, cost, towards = best[id(bridge)]
    if towards is port:
        return False
    theirs = best[id(far.master)]
    ours = (root, cost, _identity(bridge), _port_identity(bridge, port))
    return (theirs[0], theirs[1], _identity(far.master), _port_identity(far.master, far)) < ours
