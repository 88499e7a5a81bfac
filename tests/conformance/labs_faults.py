"""What is unusual or wrong about the nodes and devices of a sketch, drawn as changes of its document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_interface

from netlab.names import derived_mac
from tests.conformance.labs_routes import Ip, drop_routes
from tests.conformance.labs_sketch import (
    Change,
    Document,
    Interface,
    Link,
    Member,
    Path,
    Sketch,
    add,
    both,
    path_of,
    place,
    put,
)

#: Settings of a device, or of all: name and values.
_OF_DEVICE: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("rp_filter", (1, 1, 2)),
    ("rp_filter", (1, 2)),
    ("arp_ignore", (1, 2, 8)),
    ("arp_filter", (1,)),
    ("arp_announce", (1, 2)),
    ("proxy_arp", (1,)),
    ("proxy_arp", (1,)),
    ("accept_local", (1,)),
    ("forwarding", (0,)),
    ("send_redirects", (0,)),
    ("accept_redirects", (0,)),
)
#: Settings of a node.
_OF_NODE: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("net.ipv4.icmp_echo_ignore_all", (1,)),
    ("net.ipv4.icmp_echo_ignore_broadcasts", (0,)),
    ("net.ipv4.ip_default_ttl", (2, 3, 255)),
    ("net.ipv6.conf.all.forwarding", (0,)),
    ("net.ipv6.icmp.echo_ignore_all", (1,)),
)


def faults(sketch: Sketch) -> Iterator[Change]:
    """Draw what is unusual or wrong, each as a change that a valid file may or may not bear."""
    for feature, chance, times, draw in _FAULTS:
        for _ in range(times):
            if sketch.suffers(feature, chance):
                yield from draw(sketch)
    for feature, chance, times, draw in _HARMLESS:
        for _ in range(times):
            if sketch.has(feature, chance):
                yield from draw(sketch)


def _member(sketch: Sketch) -> tuple[Link, Member] | None:
    found = [(link, member) for link, member in sketch.members() if link.subnets]
    return sketch.rng.choice(found) if found else None


def _no_forwarding(sketch: Sketch) -> Iterator[Change]:
    routers = sketch.routers()
    if routers:
        yield put(path_of(sketch.rng.choice(routers)), forwarding=False)


def _down(sketch: Sketch) -> Iterator[Change]:
    """Set a device down, or the far end of its cable; routes by a device that is down go with it."""
    rng, found = sketch.rng, _member(sketch)
    if found is None:
        return
    _, member = found
    if member.far is not None and rng.random() < 0.4:
        near = _holder(sketch, member) or member
        if near is member or near.path == member.far:
            yield put(member.far, up=False) if near is member else _set_down(near)
    elif rng.random() < 0.05:
        yield put((*path_of(member.node), "interfaces", "lo"), up=False)
    else:
        yield _set_down(member)


def _holder(sketch: Sketch, member: Member) -> Member | None:
    """Give the member at the far end of a cable."""
    return next((one for _, one in sketch.members() if one.path == member.far), None)


def _set_down(member: Member) -> Change:
    def leads_by_it(route: Document) -> bool:
        gateways = [route["via"]] if "via" in route else [hop["via"] for hop in route.get("hops", ())]
        by = any(ip_address(via) in one.network for via in gateways for one in member.addresses)
        return by or route.get("dev") == member.device

    return both(put(member.path, up=False), drop_routes(member.node, leads_by_it))


def _mtu(sketch: Sketch) -> Iterator[Change]:
    """Draw an MTU step: a whole cable, one end of it, a device on a bridge, or a bridge."""
    rng, found = sketch.rng, _member(sketch)
    if found is None:
        return
    between = [(link, one) for link, one in sketch.members() if sketch.forwards(one.node)]
    link, member = rng.choice(between) if between and rng.random() < 0.6 else found
    low = 1280 if 6 in link.subnets else 576
    mtu = rng.choice((1400, 1400, 1280, 1480, low, 9000))
    if member.far is not None and rng.random() < 0.4:
        yield both(put(member.path, mtu=mtu), put(member.far, mtu=rng.choice((1500, 1300, 9000))))
    elif link.bridges and rng.random() < 0.2:
        node, name = rng.choice(link.bridges)
        yield put((*path_of(node), "bridges", name), mtu=rng.choice((1400, 1300)))
    else:
        yield put(member.path, mtu=mtu)


def _mask(sketch: Sketch) -> Iterator[Change]:
    """Have a node take its subnet for wider or narrower than it is, or have neighbours by routes alone."""
    rng, found = sketch.rng, _member(sketch)
    if found is None:
        return
    _, member = found
    right = member.addresses[0]
    around = (4, 1, -1, -4, -8, -8) if right.version == 4 else (16, 1, -8, -16)
    prefix = right.network.prefixlen - rng.choice(around)
    single = rng.random() < 0.25 or prefix > right.max_prefixlen
    wrong = ip_interface(f"{right.ip}/{right.max_prefixlen if single else prefix}")
    texts = [str(wrong), *map(str, member.addresses[1:])]
    said = put(member.path, address=texts[0]) if len(texts) == 1 else put(member.path, addresses=texts)
    yield both(said, _stay_on_link(member, right, wrong, keep=single or rng.random() < 0.4))


def _stay_on_link(member: Member, right: Interface, wrong: Interface, keep: bool) -> Change:
    """See to the gateways that are outside of the new subnet: they get a route of their own, or their routes go."""

    def is_lost(gateway: Ip) -> bool:
        return gateway in right.network and gateway not in wrong.network

    def change(document: Document) -> None:
        section = place(document, path_of(member.node))
        routes = section.get("routes", [])
        lost = [route for route in routes if "via" in route and is_lost(ip_address(route["via"]))]
        gateways = dict.fromkeys(route["via"] for route in lost) if keep else {}
        bits = right.max_prefixlen
        kept = [route for route in routes if keep or route not in lost]
        section["routes"] = [{"to": f"{via}/{bits}", "dev": member.device} for via in gateways] + kept

    return change


def _setting(sketch: Sketch) -> Iterator[Change]:
    rng, found = sketch.rng, _member(sketch)
    if found is None:
        return
    _, member = found
    path = (*path_of(member.node), "sysctls")
    if rng.random() < 0.12:
        name, values = rng.choice(_OF_NODE)
        yield put(path, **{name: rng.choice(values)})
        return
    name, values = rng.choice(_OF_DEVICE)
    scope = "all" if name != "forwarding" and rng.random() < 0.4 else member.device
    yield put(path, **{f"net.ipv4.conf.{scope}.{name}": rng.choice(values)})


def _hub(sketch: Sketch) -> Iterator[Change]:
    """Have a bridge learn nothing: it forgets at once, and floods everything."""
    bridges = [bridge for link in sketch.links for bridge in link.bridges]
    if bridges:
        node, name = sketch.rng.choice(bridges)
        yield put((*path_of(node), "bridges", name), ageing=0)


def _known(sketch: Sketch) -> Iterator[Change]:
    """Have a neighbour known for good: by its MAC, by that of another one, or by nobody's."""
    rng, found = sketch.rng, _member(sketch)
    if found is None:
        return
    link, member = found
    others = [one for one in link.members if one.addresses and one.node != member.node]
    if not others:
        return
    other, whose = rng.choice(others), rng.choice(others)
    mac = derived_mac(sketch.name, whose.node, whose.device)
    if rng.random() < 0.3:
        mac = f"02:00:00:00:00:{rng.randint(1, 255):02x}"
    said = {"address": str(rng.choice(other.addresses).ip), "mac": mac, "dev": member.device}
    yield add(path_of(member.node), "neighbours", said)


def _own_mac(sketch: Sketch) -> Iterator[Change]:
    found = _member(sketch)
    if found is not None and found[1].path[-2] != "macvlans":
        yield put(found[1].path, mac=f"02:aa:00:00:00:{sketch.rng.randint(1, 255):02x}")


def _isolated(sketch: Sketch) -> Iterator[Change]:
    """Isolate ports of one segment: from each other, not from those that are not isolated."""
    rng = sketch.rng
    links = [ports for link in sketch.links if len(ports := _ports(link)) > 1]
    if links:
        ports = rng.choice(links)
        for path in rng.sample(ports, rng.randint(2, len(ports))):
            yield put(path, isolated=True)


def _switched(sketch: Sketch) -> Iterator[Change]:
    """Switch ports otherwise than a bridge does by itself."""
    rng = sketch.rng
    ports = [path for link in sketch.links for path in _ports(link)]
    for path in rng.sample(ports, min(len(ports), rng.randint(1, 3))):
        name = rng.choice(("hairpin", "learning", "flood"))
        yield put(path, **{name: name == "hairpin"})


def _ports(link: Link) -> list[Path]:
    """Give where a document describes the ports that the members of a segment have in its bridges."""
    found = [member.far or member.path for member in link.members if link.bridges]
    return [path for path in found if "interfaces" in path or "veths" in path]


_Draw = Callable[[Sketch], Iterator[Change]]
_FAULTS: tuple[tuple[str, float, int, _Draw], ...] = (
    ("forwarding", 0.1, 1, _no_forwarding),
    ("down", 0.1, 1, _down),
    ("masks", 0.12, 2, _mask),
    ("sysctls", 0.25, 3, _setting),
    ("neighbours", 0.08, 2, _known),
    ("isolated", 0.06, 1, _isolated),
    ("ports", 0.1, 1, _switched),
)
_HARMLESS: tuple[tuple[str, float, int, _Draw], ...] = (
    ("mtu", 0.45, 2, _mtu),
    ("hub", 0.12, 1, _hub),
    ("macs", 0.2, 1, _own_mac),
)
