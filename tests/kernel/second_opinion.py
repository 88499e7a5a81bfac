"""Facts held against what iproute2 and the files of /proc/sys say: everything that is asked for, and nothing else.

The second reader of tests: it shares no code with netlab's own.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from netlab.facts import (
    Address,
    Bridge,
    Chain,
    Device,
    DeviceSettings,
    End,
    Facts,
    Forwarding,
    Member,
    Namespace,
    Port,
    Route,
    Settings,
    Veth,
)
from tests.kernel import ip_devices
from tests.kernel.ip_json import hops
from tests.kernel.stage import Stage

_BRIDGE_WORDS = {
    "stp": "stp_state",
    "forward_delay": "forward_delay",
    "hello_time": "hello_time",
    "max_age": "max_age",
    "ageing_time": "ageing_time",
    "priority": "priority",
}
_PROTOCOL = "110"
#: What netlab's own nodes always have; a missing file (no bridge-netfilter, no IPv6) is no fault.
_OPTIONAL = ("net.bridge.", "net.ipv6.")

Row = tuple[Any, ...]


def check(stage: Stage, facts: Facts) -> None:
    """Hold the machine against facts, family by family, node by node."""
    nodes = {fact.node for fact in facts.values() if isinstance(fact, Namespace)} | {"host"}
    assert set(stage.nodes()) == nodes
    links = {node: stage.ip(node, "-d", "link") for node in nodes}
    for node in nodes:
        _same(f"devices of {node}", _devices(links[node]), _wanted_devices(node, facts))
        _same(f"forwarding of {node}", _forwarding(stage, node, links[node]), _wanted_forwarding(node, facts))
        _same(f"ports of {node}", _ports(links[node]), _wanted_ports(node, facts))
        own = stage.sandbox or node != "host"
        _same(f"addresses of {node}", _addresses(stage, node, own), _wanted_addresses(node, facts))
        _same(f"routes of {node}", _routes(stage, node), _wanted_routes(node, facts))
        _same(f"chains of {node}", _chains(stage, node), _wanted_chains(node, facts))
        _check_settings(stage, node, facts)
    _check_cables(links, facts)


def _same(what: str, found: set[Row], wanted: set[Row]) -> None:
    assert found == wanted, f"{what}: not asked for {found - wanted}, missing {wanted - found}"


def _devices(links: list[dict[str, Any]]) -> set[Row]:
    found: set[Row] = set()
    for link in links:
        up = "UP" in link["flags"]
        info = link.get("linkinfo", {})
        if link["ifname"] == "lo":
            found.add(("lo", up))
        else:
            kind = info["info_kind"]
            if kind in ("bridge", "veth"):
                options = info["info_data"] if kind == "bridge" else {}
                own: Row = tuple(int(options[word]) for word in _BRIDGE_WORDS.values()) if options else ()
                found.add((link["ifname"], kind, ip_devices.own_mac(link), link["mtu"], up, own))
            else:
                found.add(_row(ip_devices.device("", link)))
    return found


def _row(fact: Device) -> Row:
    return (fact.name, fact.kind, fact.mac, fact.mtu, fact.up, (fact.over, *fact.options))


def _forwarding(stage: Stage, node: str, links: list[dict[str, Any]]) -> set[Row]:
    if not any(link.get("linkinfo", {}).get("info_kind") == "vxlan" for link in links):
        return set()
    rows = json.loads(stage.run(node, "bridge", "-j", "fdb", "show"))
    return {fact.key for fact in ip_devices.forwarding(node, rows)}


def _wanted_forwarding(node: str, facts: Facts) -> set[Row]:
    return {key for key, fact in facts.items() if isinstance(fact, Forwarding) and fact.node == node}


def _wanted_devices(node: str, facts: Facts) -> set[Row]:
    #: What the kernel gives a bridge when nothing else is said (net/bridge/br_device.c).
    usual = {"stp": 0, "forward_delay": 1500, "hello_time": 200, "max_age": 2000, "ageing_time": 30000}
    usual["priority"] = 32768
    found: set[Row] = set()
    for fact in facts.values():
        if isinstance(fact, Namespace) and fact.node == node:
            found.add(("lo", fact.up))
        elif isinstance(fact, Bridge) and fact.node == node:
            own = tuple(int(usual[name] if (v := getattr(fact, name)) is None else v) for name in _BRIDGE_WORDS)
            found.add((fact.name, "bridge", fact.mac, fact.mtu, fact.up, own))
        elif isinstance(fact, Device) and fact.node == node:
            found.add(_row(fact))
        elif isinstance(fact, Veth):
            found |= {(e.name, "veth", e.mac, e.mtu, e.up, ()) for e in (fact.a, fact.b) if e.node == node}
    if ("netns", node) not in facts:
        found.add(("lo", False))  # the made-up machine's own
    return found


def _chains(stage: Stage, node: str) -> set[Row]:
    """Give the chains of the lab's table, each with the number of its rules."""
    told = json.loads(stage.run(node, "nft", "-j", "list", "ruleset"))["nftables"]
    ours = [(kind, one) for row in told for kind, one in row.items() if one.get("table") == f"netlab-{stage.lab}"]
    rules = Counter(one["chain"] for kind, one in ours if kind == "rule")
    chains = [one for kind, one in ours if kind == "chain"]
    return {(c["name"], c["type"], c["hook"], c["prio"], c["policy"], rules[c["name"]]) for c in chains}


def _wanted_chains(node: str, facts: Facts) -> set[Row]:
    chains = [fact for fact in facts.values() if isinstance(fact, Chain) and fact.node == node]
    return {(c.name, c.kind, c.hook, c.priority, c.policy, len(c.rules)) for c in chains}


def _ports(links: list[dict[str, Any]]) -> set[Row]:
    found: set[Row] = set()
    for link in links:
        if ip_devices.member("", link) is not None:
            found.add((link["ifname"], link["master"], ()))
        elif "master" in link:
            own = link["linkinfo"]["info_slave_data"]
            switches = tuple(own[name] for name in ("hairpin", "isolated", "learning", "flood"))
            found.add((link["ifname"], link["master"], switches))
    return found


def _wanted_ports(node: str, facts: Facts) -> set[Row]:
    ports = [fact for fact in facts.values() if isinstance(fact, Port) and fact.node == node]
    members = [fact for fact in facts.values() if isinstance(fact, Member) and fact.node == node]
    found: set[Row] = {(one.device, one.master, ()) for one in members}
    return found | {(p.device, p.bridge, (p.hairpin, p.isolated, p.learning, p.flood)) for p in ports}


def _check_cables(links: dict[str, list[dict[str, Any]]], facts: Facts) -> None:
    """Each end of a cable names the index of the other."""
    by_name = {(node, link["ifname"]): link for node, found in links.items() for link in found}
    for fact in facts.values():
        if isinstance(fact, Veth):
            for end, far in ((fact.a, fact.b), (fact.b, fact.a)):
                here, there = by_name[end.node, end.name], by_name[far.node, far.name]
                assert _far_index(here, end, far, by_name) == there["ifindex"], fact.label()
                assert ("link_netnsid" in here) == (end.node != far.node), fact.label()


def _far_index(link: dict[str, Any], end: End, far: End, by_name: dict[tuple[str, str], dict[str, Any]]) -> int:
    # In one namespace iproute2 gives the other end by name, else by index.
    return int(link["link_index"] if "link_index" in link else by_name[end.node, link["link"]]["ifindex"])


def _addresses(stage: Stage, node: str, own: bool) -> set[Row]:
    found: set[Row] = set()
    for device in stage.ip(node, "address"):
        for one in device.get("addr_info", ()):
            # Made from the MAC (EUI-64), or, of what has none, by chance.
            of_kernel = one["scope"] == "link" and ("ff:fe" in one["local"] or one.get("stable-privacy"))
            if of_kernel or one["local"] in ("127.0.0.1", "::1"):
                continue
            if one["family"] == "inet6" and own:
                assert one.get("nodad"), one
                assert not one.get("tentative"), one
            found.add((device["ifname"], f"{one['local']}/{one['prefixlen']}"))
    return found


def _wanted_addresses(node: str, facts: Facts) -> set[Row]:
    return {(f.device, f.address) for f in facts.values() if isinstance(f, Address) and f.node == node}


def _routes(stage: Stage, node: str) -> set[Row]:
    found: set[Row] = set()
    for version in ("-4", "-6"):
        for route in stage.ip(node, version, "-d", "route", "show", "table", "all"):
            if route.get("protocol") == "kernel" or route.get("type") in ("local", "broadcast", "multicast", "anycast"):
                continue
            assert route["protocol"] == _PROTOCOL, route
            kind = route.get("type", "unicast")
            metric = route.get("metric", 0)
            found.add(
                (
                    version,
                    _prefix(route["dst"], version),
                    kind,
                    route.get("gateway"),
                    route.get("dev") if kind == "unicast" else None,
                    str(route.get("table", "main")),
                    0 if version == "-6" and metric == 1024 else metric,
                    route.get("prefsrc"),
                    "onlink" in route.get("flags", ()),
                    next((m["mtu"] for m in route.get("metrics", ()) if "mtu" in m), None),
                    hops(route),
                )
            )
    return found


def _prefix(destination: str, version: str) -> str:
    if destination == "default":
        return "default"
    return destination if "/" in destination else f"{destination}/{32 if version == '-4' else 128}"


def _wanted_routes(node: str, facts: Facts) -> set[Row]:
    return {
        (
            f"-{fact.version}",
            "default" if fact.to in ("0.0.0.0/0", "::/0") else fact.to,
            fact.kind,
            fact.via,
            fact.device,
            {254: "main", 253: "default", 255: "local"}.get(fact.table, str(fact.table)),
            fact.metric,
            fact.source,
            fact.onlink,
            fact.mtu,
            fact.hops,
        )
        for fact in facts.values()
        if isinstance(fact, Route) and fact.node == node
    }


def _check_settings(stage: Stage, node: str, facts: Facts) -> None:
    wanted: dict[str, str] = {}
    for fact in facts.values():
        if isinstance(fact, (Settings, DeviceSettings)) and fact.node == node:
            device = fact.device if isinstance(fact, DeviceSettings) else ""
            wanted |= {path_of(name, device): value for name, value in fact.values}
    read = settings(stage, node, list(wanted))
    optional = tuple(path_of(name) for name in _OPTIONAL)
    met = {path: value for path, value in wanted.items() if read[path] is not None or not path.startswith(optional)}
    _same(f"settings of {node}", {(path, read[path]) for path in met}, set(met.items()))


def path_of(name: str, device: str = "") -> str:
    """Give the file of a setting; dots in the name of a device stay."""
    if device:
        head, _, leaf = name.partition(f".{device}.")
        return f"/proc/sys/{head.replace('.', '/')}/{device}/{leaf}"
    return f"/proc/sys/{name.replace('.', '/')}"


def settings(stage: Stage, node: str, paths: list[str]) -> dict[str, str | None]:
    """Read files of /proc/sys as a node sees them; None where there is none."""
    if not paths:
        return {}
    script = "for path; do if [ -e $path ]; then cat $path; else echo '(none)'; fi; done"
    lines = stage.run(node, "sh", "-ec", script, "sh", *paths).splitlines()
    assert len(lines) == len(paths)
    return {path: None if line == "(none)" else line for path, line in zip(paths, lines, strict=True)}
