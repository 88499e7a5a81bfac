"""Random labs of many nodes that are alike, as facts, each spoilt in a few ways that tell some of them apart.

Leaves hang on the bridges of two hubs; a spoiler adds, changes or takes facts so that one leaf, or some, or the way to
them are no longer as the others': what groups nodes must see each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from netlab.facts import (
    Address,
    Bridge,
    Chain,
    Device,
    DeviceSettings,
    End,
    Fact,
    Facts,
    Impairment,
    Namespace,
    Neighbour,
    PolicyRule,
    Port,
    Route,
    Rule,
    Settings,
    Veth,
    facts_of,
    veth,
)
from netlab.names import derived_mac

#: Bridges, by hub, and the subnet of each.
BRIDGES = (("h0", "br0", 0), ("h0", "br1", 1), ("h1", "br0", 2))
LEAVES = 9

_Soup = dict[tuple[str, ...], Fact]
_Leaf = tuple[str, int]


def alike_lab(rng: Random) -> Facts:
    """Draw a lab: leaves on bridges, everybody reaching everybody, and up to four spoilers."""
    soup: _Soup = {}
    six = rng.random() < 0.4
    for hub in ("h0", "h1"):
        _add(soup, Namespace(hub), _settings(hub, forwarding=rng.random() < 0.85))
    for hub, bridge, subnet in BRIDGES:
        _add(soup, Bridge(hub, bridge, derived_mac("lab", hub, bridge), 1500))
        _add(soup, Address(hub, bridge, f"10.0.{subnet}.1/24"))
        if six:
            _add(soup, Address(hub, bridge, f"fd00:{subnet}::1/64"))
    _join_hubs(soup, rng, six)
    numbers = list(range(LEAVES))
    rng.shuffle(numbers)
    leaves = [(f"n{number}", rng.choice((0, 0, 0, 1, 1, 2))) for number in numbers]
    for name, subnet in leaves:
        _leaf(soup, name, subnet, int(name[1:]) + 10, six)
    for spoil in rng.choices(SPOILERS, k=rng.choice((0, 1, 1, 2, 2, 3, 4))):
        spoil(soup, leaves, rng)
    return facts_of(soup.values())


def _add(soup: _Soup, *facts: Fact) -> None:
    soup.update((fact.key, fact) for fact in facts)


def _change_bridge(soup: _Soup, hub: str, name: str, **fields: bool) -> None:
    bridge = soup["bridge", hub, name]
    assert isinstance(bridge, Bridge)
    _add(soup, replace(bridge, **fields))  # type: ignore[arg-type]


def _settings(node: str, forwarding: bool) -> Settings:
    on = str(int(forwarding))
    return Settings(node, (("net.ipv4.ip_forward", on), ("net.ipv6.conf.all.forwarding", on)))


def _cable(soup: _Soup, one: tuple[str, str], other: tuple[str, str]) -> None:
    a, b = (End(node, name, derived_mac("lab", node, name), 1500) for node, name in (one, other))
    _add(soup, veth(a, b))


def _join_hubs(soup: _Soup, rng: Random, six: bool) -> None:
    """Join the hubs by a cable between them, or one between two of their bridges, or both, or not at all."""
    way = rng.choice(("routed", "routed", "routed", "bridged", "both", "none"))
    if way in ("routed", "both"):
        _cable(soup, ("h0", "x0"), ("h1", "x0"))
        for number, (hub, subnets) in enumerate((("h0", (2,)), ("h1", (0, 1)))):
            _add(soup, Address(hub, "x0", f"192.168.0.{number + 1}/24"))
            for subnet in subnets:
                _add(soup, Route(hub, f"10.0.{subnet}.0/24", f"192.168.0.{2 - number}", "x0"))
            if six:
                _add(soup, Address(hub, "x0", f"fd99::{number + 1}/64"))
                _add(soup, *(Route(hub, f"fd00:{one}::/64", f"fd99::{2 - number}", "x0") for one in subnets))
    if way in ("bridged", "both"):
        bridge = rng.choice(("br0", "br1"))
        cables = rng.choice((1, 1, 1, 1, 1, 2))
        stp = cables > 1 and rng.random() < 0.7  # without it frames go round, and it takes long to see that
        for hub, name in (("h0", bridge), ("h1", "br0")):
            _change_bridge(soup, hub, name, stp=stp)
        for number in range(cables):
            _cable(soup, ("h0", f"y{number}"), ("h1", f"y{number}"))
            _add(soup, Port("h0", f"y{number}", bridge), Port("h1", f"y{number}", "br0"))


def _leaf(soup: _Soup, name: str, subnet: int, number: int, six: bool, device: str = "eth0") -> None:
    hub, bridge, _ = BRIDGES[subnet]
    port = f"{name}-{device}"[:15]
    _add(soup, Namespace(name), _settings(name, forwarding=False))
    _cable(soup, (name, device), (hub, port))
    _add(soup, Port(hub, port, bridge), Address(name, device, f"10.0.{subnet}.{number}/24"))
    _add(soup, Route(name, "0.0.0.0/0", f"10.0.{subnet}.1", device))
    if six:
        _add(soup, Address(name, device, f"fd00:{subnet}::{number}/64"))
        _add(soup, Route(name, "::/0", f"fd00:{subnet}::1", device))


# -- spoilers


def _some(leaves: list[_Leaf], rng: Random) -> list[_Leaf]:
    return rng.sample(leaves, rng.choice((1, 1, 2, 4)))


def _down(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    for name, _ in _some(leaves, rng):
        pair = next(fact for fact in soup.values() if fact.family == "veth" and name in fact.nodes)
        end = rng.choice(("a", "b"))
        what = rng.choice(({"up": False}, {"mtu": rng.choice((1000, 1400))}, {"mac": "02:00:00:00:00:07"}))
        soup[pair.key] = replace(pair, **{end: replace(getattr(pair, end), **what)})


def _filter(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    """Let a hub or a leaf filter or translate: by prefixes, single addresses, devices."""
    name, subnet = rng.choice(leaves)
    number = int(name[1:]) + 10
    node = rng.choice(("h0", "h1", rng.choice(leaves)[0]))
    target = rng.choice((f"10.0.{subnet}.{number}", f"10.0.{subnet}.{number & ~3}/30", f"10.0.{subnet}.0/24", None))
    device = rng.choice((None, None, "br0", f"{name}-eth0", "!eth0", "x0", "eth0"))
    verdict = rng.choice(("drop", "drop", "reject", "masquerade", "snat", "dnat"))
    states = rng.choice(((), (), (), ("established", "related")))
    if verdict in ("drop", "reject"):
        hook, kind = rng.choice(("input", "output", "forward", "prerouting", "postrouting")), "filter"
    else:
        hook, kind = ("prerouting" if verdict == "dnat" else "postrouting"), "nat"
    source, destination = rng.choice(((target, None), (None, target)))
    to = {"snat": f"10.0.{subnet}.1", "dnat": f"10.0.{subnet}.{number}"}.get(verdict)
    rule = Rule(verdict, rng.choice((None, device)), device, source, destination, states=states, to=to)
    _add(soup, Chain(node, f"c{rng.randint(0, 2)}", kind, hook, rng.choice((-100, 0, 100)), "accept", (rule,)))


def _route(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    """Give a node a route to a part of a subnet: to nowhere, to a leaf as its gateway, by two ways."""
    name, subnet = rng.choice(leaves)
    number = int(name[1:]) + 10
    node = rng.choice(("h0", "h1", *(leaf for leaf, _ in leaves)))
    length = rng.choice((24, 28, 29, 30, 32))
    base = number >> (32 - length) << (32 - length) if length > 24 else 0
    to = f"10.0.{subnet}.{base}/{length}"
    kind = rng.choice(("blackhole", "unreachable", "prohibit", "unicast", "hops"))
    if kind == "unicast":
        device = "eth0" if node.startswith("n") else rng.choice(("br0", "br1", "x0"))
        via = rng.choice((None, f"10.0.{rng.choice((0, 1, 2))}.{rng.randint(10, 18)}"))
        _add(soup, Route(node, to, via, device, onlink=via is not None))
    elif kind == "hops":
        ways = sorted({("10.0.0.1", "br0", 1), (f"10.0.1.{number}", "br1", rng.choice((1, 2, 3)))})
        _add(soup, Route("h0", f"10.0.{subnet}.0/25", hops=tuple(ways)))
    else:
        _add(soup, Route(node, to, kind=kind))


def _no_gateway(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    for name, _ in _some(leaves, rng):
        soup.pop(("route", name, rng.choice(("0.0.0.0/0", "::/0")), "254", "0"), None)


def _readdress(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    """Give leaves another mask, an address that another has too, a second one, one that ends a subnet."""
    for name, subnet in _some(leaves, rng):
        number = int(name[1:]) + 10
        other = rng.choice(leaves)
        text = rng.choice(
            (
                f"10.0.{subnet}.{number}/{rng.choice((8, 16, 23, 25, 28, 30, 32))}",
                f"10.0.{other[1]}.{int(other[0][1:]) + 10}/24",
                f"10.0.{subnet}.{number + 100}/24",
                f"10.0.{subnet}.{rng.choice((31, 63, 127, 255))}/24",
                f"fd00:{subnet}::{number}/{rng.choice((16, 60, 120, 128))}",
                f"fd00:{rng.randint(0, 3)}::{number + 100}/64",
            )
        )
        if rng.random() < 0.5:
            soup.pop(("address", name, "eth0", f"10.0.{subnet}.{number}/24"), None)
        _add(soup, Address(name, rng.choice(("eth0", "eth0", "lo")), text))


def _set(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    """Set kernel settings of nodes, or of one device: of a leaf, or of a hub's end of its cable."""
    said = rng.choice(
        (
            ("ipv4", "rp_filter", ("1", "2")),
            ("ipv4", "proxy_arp", ("1",)),
            ("ipv4", "arp_ignore", ("1", "2", "8")),
            ("ipv4", "accept_local", ("1",)),
            ("ipv4", "forwarding", ("0", "1")),
            ("ipv6", "disable_ipv6", ("1",)),
        )
    )
    version, name, values = said
    for node, _ in [*_some(leaves, rng), (rng.choice(("h0", "h1")), 0)]:
        device = rng.choice(("eth0", "all", "br0", f"{rng.choice(leaves)[0]}-eth0"))
        value = (f"net.{version}.conf.{device}.{name}", rng.choice(values))
        if device == "all":
            old = soup["settings", node]
            assert isinstance(old, Settings)
            _add(soup, replace(old, values=(*old.values, value)))
        else:
            _add(soup, DeviceSettings(node, device, (value,)))


def _forward(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    for name, _ in _some(leaves, rng):
        _add(soup, _settings(name, forwarding=True))


def _know(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    """Let a node know a neighbour for good: rightly, or at somebody else's MAC."""
    name, subnet = rng.choice(leaves)
    whose = rng.choice((name, name, rng.choice(leaves)[0]))
    address = f"10.0.{subnet}.{int(name[1:]) + 10}"
    node, device = rng.choice(((rng.choice(leaves)[0], "eth0"), ("h0", "br0"), ("h1", "br0")))
    _add(soup, Neighbour(node, device, address, derived_mac("lab", whose, "eth0")))


def _port(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    """Say something of ports: isolated, closed to VLANs, not learning, not flooded to."""
    filtering = rng.random() < 0.4
    for name, subnet in _some(leaves, rng):
        hub, bridge, _ = BRIDGES[subnet]
        if filtering:
            _change_bridge(soup, hub, bridge, vlan_filtering=True)
            vlans = rng.choice((("1 pvid untagged",), ("10 pvid untagged",), ("1", "10 pvid untagged")))
            _add(soup, Port(hub, f"{name}-eth0", bridge, vlans=vlans))
        else:
            flag = rng.choice(("isolated", "hairpin", "learning", "flood"))
            said = {flag: flag in ("isolated", "hairpin")}
            _add(soup, Port(hub, f"{name}-eth0", bridge, **said))  # type: ignore[arg-type]


def _impair(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    for name, subnet in _some(leaves, rng):
        place = rng.choice(((name, "eth0"), (BRIDGES[subnet][0], f"{name}-eth0")))
        _add(soup, Impairment(*place, loss="100%"))


def _plug_again(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    """Give leaves a second cable, to the same bridge or to another."""
    subnet = rng.randint(0, 2)
    for name, _ in _some(leaves, rng):
        _leaf(soup, name, subnet, int(name[1:]) + 60, False, "eth1")


def _stack(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    """Give leaves devices of their own: a dummy, a bridge that takes in their cable."""
    bridged = rng.random() < 0.5
    for name, subnet in _some(leaves, rng):
        number = int(name[1:]) + 10
        if bridged:
            stp = rng.random() < 0.3
            _add(soup, Bridge(name, "own", derived_mac("lab", name, "own"), 1500, stp=stp), Port(name, "eth0", "own"))
            _add(soup, Address(name, "own", f"10.0.{subnet}.{number + 50}/24"))
        else:
            _add(soup, Device(name, "d0", "dummy", None, derived_mac("lab", name, "d0"), 1500))
            _add(soup, Address(name, "d0", rng.choice(("10.7.0.1/24", f"10.7.0.{number}/24", f"10.7.0.{number}/32"))))
            _add(soup, Route("h0", "10.7.0.0/24", f"10.0.{subnet}.{number}", onlink=True, device="br0"))


def _rule(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    """Give a node a policy rule: by source, destination or device."""
    name, subnet = rng.choice(leaves)
    address = f"10.0.{subnet}.{int(name[1:]) + 10}/32"
    part = rng.choice((address, f"10.0.{subnet}.0/28", f"10.0.{subnet}.0/24"))
    said: dict[str, str] = rng.choice(({"source": part}, {"to": part}, {"iif": "br0"}, {"iif": "eth0"}, {"iif": "lo"}))
    node = rng.choice(("h0", "h1", name))
    action = rng.choice(("blackhole", "unreachable", "table"))
    _add(soup, PolicyRule(node, 4, rng.choice((100, 40000)), action=action, table=77 * (action == "table"), **said))
    _add(soup, Route(node, "0.0.0.0/0", rng.choice(("10.0.0.1", "10.0.0.12")), None, table=77))


def _slightly(soup: _Soup, leaves: list[_Leaf], rng: Random) -> None:
    """Give leaves the same kind of thing, but not quite the same thing."""
    what = rng.choice(("chain", "rule", "route", "setting", "port-setting", "mac"))
    part = [f"10.0.{subnet}.0/24" for subnet in (0, 1, 2)]
    for name, subnet in rng.sample(leaves, 5):
        hub = BRIDGES[subnet][0]
        if what == "chain":
            rule = Rule(rng.choice(("drop", "accept")), "eth0", rng.choice((*part, None)))
            hook = rng.choice(("input", "output", "prerouting"))
            _add(soup, Chain(name, "own", "filter", hook, 0, "accept", (rule,)))
        elif what == "rule":
            action = rng.choice(("blackhole", "unreachable"))
            _add(soup, PolicyRule(name, 4, rng.choice((100, 40000)), to=rng.choice(part), action=action))
        elif what == "route":
            _add(soup, Route(name, rng.choice(part), kind=rng.choice(("blackhole", "unreachable")), metric=7))
        elif what == "setting":
            one = (rng.choice(("net.ipv4.icmp_echo_ignore_all", "net.ipv4.ip_forward")), rng.choice("01"))
            _add(soup, Settings(name, (one,)))
        elif what == "port-setting":
            name_ = f"net.ipv4.conf.eth0.{rng.choice(('arp_ignore', 'rp_filter'))}"
            _add(soup, DeviceSettings(name, "eth0", ((name_, rng.choice("018")),)))
        else:
            pair = soup["veth", hub, f"{name}-eth0", name, "eth0"]
            assert isinstance(pair, Veth)
            _add(soup, replace(pair, b=replace(pair.b, mac=f"02:00:00:00:00:0{rng.randint(1, 3)}")))


SPOILERS: tuple[Callable[[_Soup, list[_Leaf], Random], None], ...] = (
    _down,
    _filter,
    _filter,
    _route,
    _route,
    _no_gateway,
    _readdress,
    _readdress,
    _set,
    _set,
    _forward,
    _know,
    _port,
    _impair,
    _plug_again,
    _stack,
    _rule,
    _slightly,
    _slightly,
    _slightly,
    _slightly,
)
