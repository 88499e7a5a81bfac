"""What `ip -j` says of a made-up machine -> facts: the second reader, which shares no code with netlab's own."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterable, Iterator
from typing import Any

from netlab.facts import Address, Bridge, End, Fact, Namespace, Port, Route, veth
from tests.kernel import ip_devices

#: Seconds that a made-up machine may live.
PATIENCE = 60
_MARK = "@@@"
_QUESTIONS = (
    ("ip", "-d -j link"),
    ("bridge", "-j fdb show"),
    ("ip", "-j address"),
    ("ip", "-j netns list-id"),
    ("ip", "-j -4 route show table all"),
    ("ip", "-j -6 route show table all"),
)
_ROUTE_PROTOCOL = "110"


def said(lines: Iterable[str]) -> str:
    """Run lines by `sh -e` in namespaces of their own, which end with it, and give what they print."""
    script = "\n".join(["mount --make-rprivate /", "mount -t tmpfs tmpfs /run", *lines])
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", script]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{script}"
    assert not done.stderr, done.stderr
    return done.stdout


def run(lab: str, nodes: Iterable[str], scripts: Iterable[Iterable[str]]) -> list[Fact]:
    """Run scripts, each by `sh -e`, on an empty machine made for it; give the facts of these nodes afterwards."""
    lines = [f"sh -e -c {shlex.quote(chr(10).join(script))}" for script in scripts]
    nodes = list(nodes)
    for node in nodes:
        inside = "" if node == "host" else f"-n {lab}-{node} "
        lines += [f"{tool} {inside}{words}; echo {_MARK}" for tool, words in _QUESTIONS]
    answers = [json.loads(text) if text.strip() else [] for text in said(lines).split(_MARK)[:-1]]
    assert len(answers) == len(_QUESTIONS) * len(nodes)
    return list(_facts(lab, nodes, answers))


def _facts(lab: str, nodes: list[str], answers: list[Any]) -> Iterator[Fact]:
    peers: dict[tuple[str, int], tuple[str, int]] = {}
    ends: dict[tuple[str, int], End] = {}
    for place, node in enumerate(nodes):
        links, entries, addresses, ids, *routes = answers[len(_QUESTIONS) * place : len(_QUESTIONS) * (place + 1)]
        others = {entry["nsid"]: entry.get("name", f"{lab}-host").removeprefix(f"{lab}-") for entry in ids}
        indices = {link["ifname"]: link["ifindex"] for link in links}
        for link in links:
            name, index = link["ifname"], link["ifindex"]
            kind = link.get("linkinfo", {}).get("info_kind")
            if name == "lo":
                yield Namespace(node, "UP" in link["flags"])
            elif kind == "bridge":
                yield _bridge(node, link)
            elif kind == "veth":
                far = others[link["link_netnsid"]] if "link_netnsid" in link else node
                peers[node, index] = far, link.get("link_index") or indices[link["link"]]
                ends[node, index] = End(node, name, ip_devices.own_mac(link), link["mtu"], "UP" in link["flags"])
            else:
                yield ip_devices.device(node, link)
            if (member := ip_devices.member(node, link)) is not None:
                yield member
            elif "master" in link:
                yield _port(node, link)
        yield from ip_devices.forwarding(node, entries)
        for device in addresses:
            yield from _addresses(node, device)
        for version, found in zip((4, 6), routes, strict=True):
            yield from (_route(node, route, version) for route in found if route.get("protocol") == _ROUTE_PROTOCOL)
    for one, other in peers.items():
        assert peers[other] == one
        if one < other:
            yield veth(ends[one], ends[other])


def _bridge(node: str, link: dict[str, Any]) -> Bridge:
    own = link["linkinfo"]["info_data"]
    up = "UP" in link["flags"]
    return Bridge(node, link["ifname"], link["address"], link["mtu"], up, bool(own["stp_state"]), own["forward_delay"])


def _port(node: str, link: dict[str, Any]) -> Port:
    own = link["linkinfo"]["info_slave_data"]
    return Port(
        node,
        link["ifname"],
        link["master"],
        own["hairpin"],
        own["isolated"],
        own["learning"],
        own["flood"],
        own["cost"],
    )


def _addresses(node: str, device: dict[str, Any]) -> Iterator[Address]:
    for found in device.get("addr_info", ()):
        if found.get("scope") != "link" and found["local"] not in ("127.0.0.1", "::1"):
            assert found["family"] == "inet" or found.get("nodad"), found
            yield Address(node, device["ifname"], f"{found['local']}/{found['prefixlen']}")


def _route(node: str, route: dict[str, Any], version: int) -> Route:
    anywhere = "0.0.0.0/0" if version == 4 else "::/0"
    kind, metric = route.get("type", "unicast"), route.get("metric", 0)
    return Route(
        node,
        anywhere if route["dst"] == "default" else route["dst"],
        route.get("gateway"),
        route.get("dev") if kind == "unicast" else None,
        int(route.get("table", 254)),
        0 if version == 6 and metric == 1024 else metric,
        kind,
        route.get("prefsrc"),
        "onlink" in route.get("flags", ()),
        route["metrics"][0].get("mtu") if route.get("metrics") else None,
        hops(route),
    )


def hops(route: dict[str, Any]) -> tuple[tuple[str | None, str, int], ...]:
    """Give the ways of a route of several, in the order of facts."""
    found = [(hop.get("gateway"), hop["dev"], hop["weight"]) for hop in route.get("nexthops", ())]
    return tuple(sorted(found, key=repr))
