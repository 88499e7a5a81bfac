"""What the nodes of a sketch translate and filter, drawn as changes of its document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.conformance.labs_sketch import Change, Document, Member, Sketch, add, both, path_of, put

#: Ports that rules are about; those of the first are listened on by many.
TCP_PORTS: tuple[int | str, ...] = (80, 443, "8000-8010")
UDP_PORTS: tuple[int | str, ...] = (53, "5000-5010")


def translations(sketch: Sketch) -> Iterator[Change]:
    """Draw what routers hide, and which of their ports lead to others."""
    for node in sketch.routers():
        for feature, chance, draw in (
            ("masquerade", 0.15, _masquerade),
            ("snat", 0.08, _snat),
            ("publish", 0.2, _publish),
            ("publish", 0.1, _publish),
        ):
            if sketch.has(feature, chance):
                yield from draw(sketch, node)


def _whose(sketch: Sketch, node: str, version: int) -> str | None:
    """Draw whose packets a translation is about: a subnet of the node's, a node, or everybody's."""
    own = [link.subnets[version] for link, _ in sketch.members_of(node) if version in link.subnets]
    others = [one for one, _ in _addressed(sketch, version) if one != node]
    kind = sketch.rng.random()
    if own and kind < 0.6:
        return str(sketch.rng.choice(own))
    return sketch.rng.choice(others) if others and kind < 0.8 else None


def _addressed(sketch: Sketch, version: int) -> list[tuple[str, Member]]:
    return [(member.node, member) for _, member in sketch.members() if member.of_version(version)]


def _versions(sketch: Sketch, node: str) -> list[int]:
    return sorted({one.version for _, member in sketch.members_of(node) for one in member.addresses})


def _masquerade(sketch: Sketch, node: str) -> Iterator[Change]:
    out = sketch.rng.choice([member.device for _, member in sketch.members_of(node)])
    whose = _whose(sketch, node, sketch.rng.choice(_versions(sketch, node) or [4]))
    said: Document = {} if whose is None else {"from": whose}
    if whose is None or sketch.rng.random() < 0.7:
        said["out"] = out
    yield add(path_of(node), "nat", {"masquerade": said})


def _snat(sketch: Sketch, node: str) -> Iterator[Change]:
    rng = sketch.rng
    own = [member for _, member in sketch.members_of(node) if member.addresses]
    if not own:
        return
    member = rng.choice(own)
    to = rng.choice(member.addresses)
    whose = _whose(sketch, node, to.version)
    said = {**({} if whose is None else {"from": whose}), "out": member.device, "to": str(to.ip)}
    yield add(path_of(node), "nat", {"snat": said})


def _publish(sketch: Sketch, node: str) -> Iterator[Change]:
    rng = sketch.rng
    version = rng.choice(_versions(sketch, node) or [4])
    targets = [member for one, member in _addressed(sketch, version) if one != node]
    if not targets:
        return
    target = rng.choice(targets).of_version(version)[0].ip
    bare = f"[{target}]" if version == 6 else str(target)
    port: int | str = rng.choice((8080, 8081, 8443, "9000-9002"))
    inner: int | str = rng.choice((80, 443)) if isinstance(port, int) else rng.choice(("9000-9002", "7000-7002"))
    said: dict[str, Any] = {"port": port, "to": f"{bare}:{inner}"}
    if rng.random() < 0.3:
        said["protocol"] = "udp"
    own = [str(one.ip) for _, member in sketch.members_of(node) for one in member.of_version(version)]
    if rng.random() < 0.3:
        said["address"] = rng.choice([*own, "127.0.0.1" if version == 4 else own[0]])
    yield add(path_of(node), "nat", {"publish": said})


def firewalls(sketch: Sketch) -> Iterator[Change]:
    """Draw what some nodes let through, in and out."""
    for node in sketch.nodes:
        hooks = (("forward", 0.18), ("input", 0.07), ("output", 0.04))
        for hook, chance in hooks:
            if (hook != "forward" or sketch.forwards(node)) and sketch.suffers("firewall", chance):
                yield put((*path_of(node), "firewall"), **{hook: _chain(sketch, node, hook)})


def _chain(sketch: Sketch, node: str, hook: str) -> Document:
    """Draw one chain; one that drops most lets through what belongs to connections, and a few things more."""
    rng = sketch.rng
    drops = rng.random() < 0.6
    said: Document = {"policy": "drop"} if drops else {}
    for verdict, most in (("drop", 1), ("reject", 1)):
        rules = [_rule(sketch, node, hook) for _ in range(rng.randint(0 if drops else 1 - ("drop" in said), most))]
        if rules:
            said[verdict] = rules
    if drops:
        rules = [_rule(sketch, node, hook) for _ in range(rng.randint(1, 3))]
        first: list[Document] = [{"established": True}] if rng.random() < 0.8 else []
        said["accept"] = first + rules
    return said


def _rule(sketch: Sketch, node: str, hook: str) -> Document:
    """Draw what a rule matches: a protocol, devices, addresses, each of them perhaps."""
    rng = sketch.rng
    devices = [member.device for _, member in sketch.members_of(node)]
    said: Document = {}
    for key, never in (("in", "output"), ("out", "input")):
        if devices and hook != never and rng.random() < 0.3:
            said[key] = rng.choice(devices)
    version = rng.choice([v for link in sketch.links for v in sorted(link.subnets)] or [4])
    for key in ("from", "to"):
        if rng.random() < 0.2:
            said[key] = _what(sketch, version)
    protocol: Document = rng.choice(
        (
            {"icmp": True},
            {"icmp": True},
            {"tcp": rng.choice(TCP_PORTS)},
            {"tcp": [80, 443]},
            {"udp": rng.choice(UDP_PORTS)},
            {},
        )
    )
    return {**said, **protocol}


def _what(sketch: Sketch, version: int) -> str:
    """Draw whom a rule is about: a subnet, an address, or a node by its name."""
    rng = sketch.rng
    subnets = [link.subnets[version] for link in sketch.links if version in link.subnets]
    addressed = _addressed(sketch, version)
    kind = rng.random()
    if not addressed or (subnets and kind < 0.5):
        return str(rng.choice(subnets)) if subnets else "any"
    node, member = rng.choice(addressed)
    return node if kind < 0.75 else str(member.of_version(version)[0].ip)


def bridge_filters(sketch: Sketch) -> Iterator[Change]:
    """Have what a bridge forwards go through the filters of its node, as some machines are set up."""
    holders = sorted({node for link in sketch.links for node, _ in link.bridges})
    if holders and sketch.has("bridge-nf", 0.8):
        node = sketch.rng.choice(holders)
        names = [f"net.bridge.bridge-nf-call-{tables}" for tables in ("iptables", "ip6tables")]
        yield both(
            put((*path_of(node), "sysctls"), **dict.fromkeys(names, 1)),
            put((*path_of(node), "firewall"), forward=_chain(sketch, node, "forward")),
        )
