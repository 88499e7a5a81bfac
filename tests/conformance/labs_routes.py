"""Gives the nodes of a sketch the routes by which most of them reach most others, and then what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

from tests.conformance.labs_sketch import Change, Document, Link, Member, Network, Sketch, add, both, path_of, place

Ip = IPv4Address | IPv6Address
DEAD_ENDS = ("blackhole", "unreachable", "prohibit")
#: Where nobody is.
_ELSEWHERE = {4: ("203.0.113.0/24", "198.51.100.0/25"), 6: ("2001:db8:1::/64", "2001:db8:2::/48")}


def draw_routes(sketch: Sketch) -> None:
    """Write static routes: each node goes by the gateway that is nearest to a network, by any of several as near."""
    for version in (4, 6):
        ways: dict[str, dict[Network, Ip]] = {}
        for network, holders, own in _targets(sketch, version):
            for node, gateway in _gateways(sketch, version, holders, own).items():
                ways.setdefault(node, {})[network] = gateway
        for node, found in ways.items():
            # What is on a link of the node goes by that: two links may have one subnet.
            found = {network: gateway for network, gateway in found.items() if not _is_near(sketch, node, network)}
            sketch.section(node).setdefault("routes", []).extend(_condensed(sketch, node, found))


def _targets(sketch: Sketch, version: int) -> Iterator[tuple[Network, list[str], bool]]:
    """Give every network with those who have it on a link, and whether it is the one's own."""
    for link in sketch.links:
        if version in link.subnets:
            yield link.subnets[version], [member.node for member in link.of_version(version)], False
    for network, node in sketch.behind:
        if network.version == version and sketch.rng.random() < 0.8:
            yield network, [node], True


def _gateways(sketch: Sketch, version: int, holders: list[str], own: bool) -> dict[str, Ip]:
    """Find the first gateway of every node on its way to those who have a network, wave by wave."""
    found: dict[str, Ip] = {}
    wave, known = list(dict.fromkeys(holders)), set(holders)
    first = own
    while wave:
        sketch.rng.shuffle(wave)
        following: list[str] = []
        for node in wave:
            if not (first or sketch.forwards(node)):
                continue
            for link, member in sketch.members_of(node):
                for address in member.of_version(version)[:1]:
                    for other in link.of_version(version):
                        if other.node not in known:
                            known.add(other.node)
                            following.append(other.node)
                            found[other.node] = address.ip
        wave, first = following, False
    return found


def _is_near(sketch: Sketch, node: str, network: Network) -> bool:
    return any(address.network == network for _, member in sketch.members_of(node) for address in member.addresses)


def _condensed(sketch: Sketch, node: str, ways: dict[Network, Ip]) -> list[Document]:
    """Write routes; of many nodes, most of them as one default route."""
    rest = list(ways.items())
    found: list[Document] = []
    if ways and sketch.rng.random() < (0.35 if sketch.forwards(node) else 0.8):
        default = Counter(ways.values()).most_common(1)[0][0]
        found.append({"to": "default", "via": str(default)})
        rest = [(network, gateway) for network, gateway in rest if gateway != default]
    return found + [{"to": str(network), "via": str(gateway)} for network, gateway in rest]


def wrong_routes(sketch: Sketch) -> Iterator[Change]:
    """Draw what is unusual or wrong about routes, each as a change of the document."""
    for feature, chance, draw in _FAULTS:
        for _ in range(2):
            if sketch.suffers(feature, chance):
                yield from draw(sketch)
    for feature, chance, draw in _HARMLESS:
        if sketch.has(feature, chance):
            yield from draw(sketch)


def _routes(sketch: Sketch) -> list[tuple[str, Document]]:
    return [
        (node, route) for node in sketch.nodes for route in sketch.section(node).get("routes", ()) if "via" in route
    ]


def _edit(node: str, route: Document, **values: Any) -> Change:
    """Change a route, told by what it is now; it may be gone by then."""
    return partial(_edit_now, node, dict(route), values)


def _edit_now(node: str, route: Document, values: dict[str, Any], document: Document) -> None:
    routes = place(document, path_of(node)).get("routes", [])
    for number, one in enumerate(routes):
        if one == route:
            routes[number] = {key: value for key, value in {**one, **values}.items() if value is not None}


def drop_routes(node: str, gone: Callable[[Document], bool]) -> Change:
    """Take away the routes of a node that have something in common."""

    def change(document: Document) -> None:
        section = place(document, path_of(node))
        section["routes"] = [route for route in section.get("routes", []) if not gone(route)]

    return change


def _beside(sketch: Sketch, version: int, forwarding: bool = True) -> list[tuple[Link, Member, Member]]:
    """Give pairs of neighbours: a link, one on it, and another one, which forwards if that is asked for."""
    return [
        (link, one, other)
        for link in sketch.links
        for one in link.of_version(version)
        for other in link.of_version(version)
        if one.node != other.node and (not forwarding or sketch.forwards(other.node))
    ]


def _destination(sketch: Sketch, version: int) -> str:
    """Draw a destination: a network of the lab or half of it, one address of it, or what is nowhere."""
    rng = sketch.rng
    subnets = [link.subnets[version] for link in sketch.links if version in link.subnets]
    if not subnets or rng.random() < 0.2:
        return rng.choice(_ELSEWHERE[version])
    subnet = rng.choice(subnets)
    addresses = [one for _, member in sketch.members() for one in member.of_version(version)]
    kind = rng.random()
    if kind < 0.4:
        return f"{rng.choice(addresses).ip}/{subnet.max_prefixlen}"
    if kind < 0.6 and subnet.prefixlen < 30:
        return str(rng.choice(list(subnet.subnets())))
    return str(subnet.supernet(2)) if kind < 0.7 else str(subnet)


def _version(sketch: Sketch) -> int:
    return sketch.rng.choice([v for link in sketch.links for v in sorted(link.subnets)] or [4])


def _lost(sketch: Sketch) -> Iterator[Change]:
    found = _routes(sketch)
    if found:
        node, route = sketch.rng.choice(found)
        yield drop_routes(node, lambda one: one["to"] == route["to"])


def _misled(sketch: Sketch) -> Iterator[Change]:
    """Have a route go by another node, router or not, or by an address that nobody has."""
    rng = sketch.rng
    pairs = _beside(sketch, _version(sketch), forwarding=False)
    if not pairs:
        return
    link, one, other = rng.choice(pairs)
    version = other.addresses[0].version
    found = [route for node, route in _routes(sketch) if node == one.node and (":" in route["via"]) == (version == 6)]
    gateway: Ip | str = rng.choice(other.of_version(version)).ip
    subnet = link.subnets.get(version)
    if subnet is not None and subnet.num_addresses > 64 and rng.random() < 0.4:
        gateway = subnet[rng.randint(40, 60)]
    if found:
        yield _edit(one.node, rng.choice(found), via=str(gateway))


def _dead_end(sketch: Sketch) -> Iterator[Change]:
    version, rng = _version(sketch), sketch.rng
    nodes = sorted({member.node for _, member in sketch.members() if member.of_version(version)})
    if nodes:
        route = {"to": _destination(sketch, version), rng.choice(DEAD_ENDS): True}
        yield add(path_of(rng.choice([*nodes, *sketch.routers()])), "routes", route)


def _detour(sketch: Sketch) -> Iterator[Change]:
    """Have what is for one address, or half a subnet, go by a neighbour."""
    version = _version(sketch)
    pairs = _beside(sketch, version, forwarding=sketch.rng.random() < 0.8)
    if pairs:
        _, one, other = sketch.rng.choice(pairs)
        yield add(path_of(one.node), "routes", _by(sketch, other, version))


def _by(sketch: Sketch, gateway: Member, version: int, **more: Any) -> Document:
    return {"to": _destination(sketch, version), "via": str(gateway.of_version(version)[0].ip), **more}


def _loop(sketch: Sketch) -> Iterator[Change]:
    """Have two routers point at each other."""
    version = _version(sketch)
    pairs = [pair for pair in _beside(sketch, version) if sketch.forwards(pair[1].node)]
    if pairs:
        _, one, other = sketch.rng.choice(pairs)
        there = _by(sketch, other, version)
        back = {**there, "via": str(one.of_version(version)[0].ip)}
        yield both(add(path_of(one.node), "routes", there), add(path_of(other.node), "routes", back))


def _ranked(sketch: Sketch) -> Iterator[Change]:
    """Give a route a metric, and another one beside it that is better or worse."""
    rng, found = sketch.rng, _routes(sketch)
    if not found:
        return
    node, route = rng.choice(found)
    version = 6 if ":" in route["via"] else 4
    others = [other for _, one, other in _beside(sketch, version) if one.node == node]
    yield _edit(node, route, metric=100)
    if others:
        via = str(rng.choice(others).of_version(version)[0].ip)
        yield add(path_of(node), "routes", {"to": route["to"], "via": via, "metric": rng.choice((50, 200))})
    else:
        yield add(path_of(node), "routes", {"to": route["to"], "unreachable": True, "metric": rng.choice((50, 200))})


def _sourced(sketch: Sketch) -> Iterator[Change]:
    found = _routes(sketch)
    if found:
        node, route = sketch.rng.choice(found)
        version = 6 if ":" in route["via"] else 4
        own = [one for _, member in sketch.members_of(node) for one in member.of_version(version)]
        yield _edit(node, route, source=str(sketch.rng.choice(own).ip))


def _narrow(sketch: Sketch) -> Iterator[Change]:
    found = [one for one in _routes(sketch) if sketch.forwards(one[0])] or _routes(sketch)
    if found:
        node, route = sketch.rng.choice(found)
        yield _edit(node, route, mtu=sketch.rng.choice((1400, 1300, 1280)))


def _policy(sketch: Sketch) -> Iterator[Change]:
    """Have some packets of a node looked up in a table of their own."""
    rng, version = sketch.rng, _version(sketch)
    pairs = [pair for pair in _beside(sketch, version) if sketch.forwards(pair[1].node) or rng.random() < 0.4]
    if not pairs:
        return
    _, one, other = rng.choice(pairs)
    table = rng.choice((100, 200))
    selector = rng.choice(("from", "from", "to", "in"))
    rule: Document = {selector: one.device if selector == "in" else _destination(sketch, version)}
    if rng.random() < 0.15:
        rule[rng.choice(DEAD_ENDS)] = True
    else:
        rule["table"] = table
    if rng.random() < 0.3:
        rule["priority"] = rng.randint(1, 32000)
    ways = [_by(sketch, other, version, table=table), {**_by(sketch, other, version, table=table), "to": "default"}]
    if rng.random() < 0.3:
        ways[1] = {"to": str(ip_network("::/0" if version == 6 else "0.0.0.0/0")), "table": table, "unreachable": True}
    path = path_of(one.node)
    yield both(add(path, "rules", rule), add(path, "routes", *rng.choice((ways[1:], ways[1:], ways, []))))


def _several(sketch: Sketch) -> Iterator[Change]:
    """Have a route share its packets out over two gateways."""
    rng, version = sketch.rng, _version(sketch)
    for node in rng.sample(sketch.nodes, len(sketch.nodes)):
        gateways = {
            str(other.of_version(version)[0].ip) for _, one, other in _beside(sketch, version) if one.node == node
        }
        if len(gateways) > 1:
            hops = [{"via": via, "weight": rng.choice((1, 1, 3))} for via in rng.sample(sorted(gateways), 2)]
            yield add(path_of(node), "routes", {"to": _destination(sketch, version), "hops": hops})
            return


_Draw = Callable[[Sketch], Iterator[Change]]
_FAULTS: tuple[tuple[str, float, _Draw], ...] = (
    ("routes", 0.12, _lost),
    ("routes", 0.1, _misled),
    ("dead-ends", 0.1, _dead_end),
    ("routes", 0.1, _detour),
    ("loops", 0.12, _loop),
    ("policy", 0.1, _policy),
)
_HARMLESS: tuple[tuple[str, float, _Draw], ...] = (
    ("metrics", 0.12, _ranked),
    ("sources", 0.15, _sourced),
    ("route-mtu", 0.15, _narrow),
    ("multipath", 0.5, _several),
)
