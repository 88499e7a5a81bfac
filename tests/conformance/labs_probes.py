"""Random probes of a lab, by its facts: who sends what to whom, and who listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, ip_interface, ip_network
from random import Random
from typing import Literal

from netlab.facts import Address, Chain, Device, Route, Rule, Veth
from netlab.topology.lab import Lab
from tests.conformance.probe_packets import Kind, Probe

#: A node, `tcp` or `udp`, and a port on which something answers.
Listener = tuple[str, Literal["tcp", "udp"], int]

#: Ports that are asked for; the first ones are listened on by many nodes.
_PORTS: dict[str, tuple[int, ...]] = {"tcp": (80, 80, 443, 8005, 22), "udp": (53, 53, 5005, 123)}
_LISTENED = (("tcp", 80, 0.6), ("tcp", 443, 0.3), ("tcp", 8005, 0.3), ("udp", 53, 0.6), ("udp", 5005, 0.3))
#: Where nobody is.
_ELSEWHERE = {4: ("203.0.113.9", "198.51.100.5"), 6: ("2001:db8:1::9", "2001:db8:2::5")}
#: Sizes of packets around MTUs.
_SIZES = (576, 577, 1280, 1281, 1300, 1400, 1401, 1420, 1430, 1431, 1500, 1501, 3000)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What probes are drawn from: the nodes, their addresses, and ports that lead elsewhere."""

    lab: Lab
    nodes: tuple[str, ...]
    held: tuple[tuple[str, IPv4Interface | IPv6Interface], ...]
    published: tuple[tuple[str, Rule], ...]
    #: MTUs that are not the usual one.
    steps: tuple[int, ...]
    versions: dict[str, set[int]] = field(default_factory=dict)


def random_probes(rng: Random, lab: Lab, count: int) -> tuple[tuple[Probe, ...], frozenset[Listener]]:
    """Draw so many probes, numbered from 1, and the listeners that should be there: the same of the same seed."""
    ground = _ground(lab)
    if not ground.held:
        return (), frozenset()
    listeners = _listeners(rng, ground)
    probes = tuple(_probe(rng, ground, number) for number in range(1, count + 1))
    return probes, frozenset(listeners)


def _ground(lab: Lab) -> _Ground:
    facts = lab.facts.values()
    held = tuple((fact.node, ip_interface(fact.address)) for fact in facts if isinstance(fact, Address))
    rules = tuple(
        (fact.node, rule)
        for fact in facts
        if isinstance(fact, Chain) and fact.hook == "prerouting"
        for rule in fact.rules
        if rule.verdict == "dnat"
    )
    mtus = {end.mtu for fact in facts if isinstance(fact, Veth) for end in (fact.a, fact.b)}
    mtus |= {fact.mtu for fact in facts if isinstance(fact, (Device, Route))}
    steps = tuple(sorted(mtu for mtu in mtus if mtu is not None and mtu != 1500 and mtu < 9000))
    ground = _Ground(lab, lab.nodes, held, rules, steps)
    for node, address in held:
        ground.versions.setdefault(node, set()).add(address.version)
    return ground


def _listeners(rng: Random, ground: _Ground) -> list[Listener]:
    """Draw who listens: nodes on usual ports, and most of those that a published port leads to."""
    found: list[Listener] = []
    for node in ground.nodes:
        found += [(node, _transport(kind), port) for kind, port, chance in _LISTENED if rng.random() < chance]
    holders = {str(address.ip): node for node, address in ground.held}
    for _, rule in ground.published:
        low, high = rule.to_ports or rule.ports[0]
        if rule.to in holders and rng.random() < 0.8:
            found += [(holders[rule.to], _transport(rule.protocol or "tcp"), port) for port in range(low, high + 1)]
    return found


def _transport(name: str) -> Literal["tcp", "udp"]:
    return "udp" if name == "udp" else "tcp"


def _probe(rng: Random, ground: _Ground, number: int) -> Probe:
    draw = rng.choices([draw for draw, _ in _DESTINATIONS], [weight for _, weight in _DESTINATIONS])[0]
    found = draw(rng, ground, number) or _to_another(rng, ground, number)
    return _sized(rng, ground, found)


def _sender(rng: Random, ground: _Ground, version: int, *, without: str | None = None) -> str:
    """Draw who sends: mostly one that has an address of that version."""
    able = [node for node in ground.nodes if version in ground.versions.get(node, ()) and node != without]
    return rng.choice(able) if able and rng.random() < 0.97 else rng.choice(ground.nodes)


def _of_some_kind(rng: Random, number: int, source: str, destination: str) -> Probe:
    kind: Kind = rng.choice(("icmp", "icmp", "icmp", "icmp", "tcp", "tcp", "udp"))
    return Probe(number, source, destination, kind, None if kind == "icmp" else rng.choice(_PORTS[kind]))


def _to_another(rng: Random, ground: _Ground, number: int) -> Probe:
    holder, address = rng.choice(ground.held)
    source = _sender(rng, ground, address.version, without=holder)
    return _of_some_kind(rng, number, source, str(address.ip))


def _to_itself(rng: Random, ground: _Ground, number: int) -> Probe:
    source, address = rng.choice(ground.held)
    loopback = "127.0.0.1" if address.version == 4 else "::1"
    return _of_some_kind(rng, number, source, loopback if rng.random() < 0.2 else str(address.ip))


def _to_nobody_near(rng: Random, ground: _Ground, number: int) -> Probe:
    """Ask for an address of a subnet of the lab that nobody has."""
    _, address = rng.choice(ground.held)
    network, used = address.network, {str(one.ip) for _, one in ground.held}
    free = [str(network[n]) for n in range(2, min(network.num_addresses - 1, 100)) if str(network[n]) not in used]
    source = _sender(rng, ground, address.version)
    return _of_some_kind(rng, number, source, rng.choice(free or list(_ELSEWHERE[address.version])))


def _to_nowhere(rng: Random, ground: _Ground, number: int) -> Probe:
    """Ask for what is in no subnet of the lab: at the end of a strange route, or nowhere."""
    _, address = rng.choice(ground.held)
    routes = [ip_network(fact.to) for fact in ground.lab.facts.values() if isinstance(fact, Route)]
    ends = [str(to[min(3, to.num_addresses - 1)]) for to in routes if to.version == address.version and to.prefixlen]
    destination = rng.choice(ends if ends and rng.random() < 0.6 else _ELSEWHERE[address.version])
    return _of_some_kind(rng, number, _sender(rng, ground, address.version), destination)


def _to_everybody(rng: Random, ground: _Ground, number: int) -> Probe | None:
    """Ask a whole subnet at once."""
    networks = [a.network for _, a in ground.held if isinstance(a.network, IPv4Network) and a.network.prefixlen < 31]
    if not networks:
        return None
    network = rng.choice(networks)
    kind: Kind = rng.choice(("icmp", "udp"))
    destination = str(network.broadcast_address)
    return Probe(number, _sender(rng, ground, 4), destination, kind, 53 if kind == "udp" else None)


def _to_published(rng: Random, ground: _Ground, number: int) -> Probe | None:
    """Ask for a published port: at the node that publishes it, or at one beside it."""
    if not ground.published:
        return None
    node, rule = rng.choice(ground.published)
    version = 6 if ":" in str(rule.to) else 4
    own = [str(one.ip) for holder, one in ground.held if holder == node and one.version == version]
    source = _sender(rng, ground, version) if rng.random() < 0.85 else node
    local = ["127.0.0.1"] if source == node and version == 4 else []
    destination = rule.destination if rule.destination is not None and rng.random() < 0.8 else None
    low, high = rule.ports[0]
    port = rng.randint(low, high) + int(rng.random() < 0.1)
    kind: Kind = "udp" if rule.protocol == "udp" else "tcp"
    return Probe(number, source, destination or rng.choice([*own, *local] or [str(rule.to)]), kind, port)


def _sized(rng: Random, ground: _Ground, probe: Probe) -> Probe:
    """Give some probes a low TTL, and some a size about an MTU of the lab."""
    if rng.random() < 0.15:
        probe = replace(probe, ttl=rng.choice((1, 1, 2, 2, 3, 4, 255)))
    if probe.kind != "tcp" and rng.random() < (0.45 if ground.steps else 0.2):
        near = [size for step in ground.steps for size in (step, step + 1)]
        size = rng.choice(near if near and rng.random() < 0.5 else _SIZES)
        probe = replace(probe, size=size, dont_fragment=rng.random() < 0.6)
    return probe


_DESTINATIONS: tuple[tuple[Callable[[Random, _Ground, int], Probe | None], int], ...] = (
    (_to_another, 68),
    (_to_published, 8),
    (_to_itself, 6),
    (_to_nobody_near, 7),
    (_to_nowhere, 8),
    (_to_everybody, 2),
)
