"""What is observed of probes in one real lab is what that network does, for root and for an ordinary user.

a   b   c   host's br0
└───┴─┬─┘
 eth0 r eth1 ── d          d's link is smaller
   eth2│eth3 ── hill       nobody but r knows the way there
      out                  sees everybody behind r as r
"""

from __future__ import annotations

import errno
import os
import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from netlab import app
from netlab.namespaces import find_sandboxes, run_inside
from tests.conformance.hurry import GIVEN_UP, hurry
from tests.conformance.observe import observe
from tests.conformance.probe_packets import Answer, Arrival, Observation, Probe, Seen
from tests.kernel.made_up_machine import User, on_made_up_machine
from tests.kernel.stage import Stage

pytestmark = pytest.mark.kernel

LAB = """
name: watched
bridges: {br0: {address: none}}
netns:
  a:
    interfaces: {eth0: {bridge: br0, addresses: [10.0.0.1/24, "fd00::1/64"]}}
    gateway: [10.0.0.254, "fd00::fe"]
    neighbours: [{address: 10.0.0.66, mac: "02:00:00:00:00:66"}]
  b: {interfaces: {eth0: {bridge: br0, addresses: [10.0.0.2/24, "fd00::2/64"]}}, gateway: [10.0.0.254, "fd00::fe"]}
  c:
    interfaces: {eth0: {bridge: br0, addresses: [10.0.0.3/24, "fd00::3/64"]}}
    firewall: {output: {drop: [{tcp: 22}]}}
  r:
    forwarding: true
    interfaces:
      eth0: {bridge: br0, addresses: [10.0.0.254/24, "fd00::fe/64"]}
      eth1: {peer: "d:eth0", addresses: [10.0.1.254/24, "fd01::fe/64"], mtu: 1400}
      eth2: {peer: "out:eth0", addresses: [192.0.2.1/24, "fd02::fe/64"]}
    routes:
      - {to: 203.0.113.0/24, unreachable: true}
      - {to: "fd0f::/64", unreachable: true}
      - {to: 10.7.0.0/24, via: 10.0.0.2}
    nat: [{masquerade: {from: 10.0.0.0/24, out: eth2}}, {publish: {port: 8080, to: "d:80"}}]
    firewall: {forward: {drop: [{tcp: 81}], reject: [{tcp: 82}]}}
  d:
    interfaces: {eth0: {addresses: [10.0.1.1/24, 10.0.1.2/24, "fd01::1/64", "fd01::2/64"], mtu: 1400}}
    gateway: [10.0.1.254, "fd01::fe"]
    firewall: {input: {drop: [{udp: 99}]}}
  out: {interfaces: {eth0: {addresses: [192.0.2.9/24, "fd02::9/64"]}}, routes: [{to: "fd00::/16", via: "fd02::fe"}]}
"""
LISTENERS = (("d", "tcp", 80), ("d", "udp", 53), ("b", "udp", 53), ("out", "tcp", 80), ("a", "tcp", 80))
#: Seconds after the last probe: a neighbour that is given up is told by then, on a machine that has other work too.
PATIENCE = GIVEN_UP + 0.7


def probe(source: str, destination: str, to: str = "", **more: object) -> Probe:
    """Make a probe without a number; `to` is like "tcp 80"."""
    kind, _, port = to.partition(" ")
    return Probe(1, source, destination, kind or "icmp", int(port) if port else None, **more)  # type: ignore[arg-type]


def reply(source: str) -> tuple[Answer, ...]:
    return (Answer("reply", source),)


def is_open(source: str) -> tuple[Answer, ...]:
    return (Answer("open", source),)


def refused(source: str) -> tuple[Answer, ...]:
    return (Answer("refused", source),)


def icmp(source: str, kind: int, code: int) -> tuple[Answer, ...]:
    return (Answer("icmp", source, (kind, code)),)


BIG = 1450
#: Probe -> what the sender is told.
TOLD: dict[Probe, int | tuple[Answer, ...]] = {
    probe("a", "10.0.0.2"): reply("10.0.0.2"),
    probe("a", "10.0.0.2", "udp 53"): reply("10.0.0.2"),
    probe("a", "10.0.0.2", "udp 54"): icmp("10.0.0.2", 3, 3),
    probe("a", "10.0.0.2", "tcp 54"): refused("10.0.0.2"),
    probe("a", "10.0.0.1"): reply("10.0.0.1"),
    probe("a", "127.0.0.1", "tcp 80"): is_open("127.0.0.1"),
    probe("b", "10.0.1.1"): reply("10.0.1.1"),
    probe("b", "10.0.1.2", "udp 53"): reply("10.0.1.2"),
    probe("b", "10.0.1.1", "tcp 80"): is_open("10.0.1.1"),
    probe("b", "10.0.1.1", ttl=1): icmp("10.0.0.254", 11, 0),
    # Translated, and led on.
    probe("a", "192.0.2.9"): reply("192.0.2.9"),
    probe("b", "192.0.2.9"): reply("192.0.2.9"),
    probe("b", "192.0.2.9", "tcp 80"): is_open("192.0.2.9"),
    probe("b", "192.0.2.9", "udp 54"): icmp("192.0.2.9", 3, 3),
    probe("out", "192.0.2.1", "tcp 8080"): is_open("192.0.2.1"),
    # Nobody there, and no way. Of the first a router tells that it could go to b at once; b is no router.
    probe("a", "10.7.0.1"): (),
    probe("a", "10.0.0.77"): icmp("10.0.0.1", 3, 1),
    probe("a", "10.0.1.77"): icmp("10.0.0.254", 3, 1),
    probe("a", "203.0.113.5", "tcp 80"): icmp("10.0.0.254", 3, 1),
    probe("a", "198.51.100.5", "udp 53"): icmp("10.0.0.254", 3, 0),
    probe("c", "10.0.1.1"): errno.ENETUNREACH,
    probe("a", "10.0.0.66"): (),
    # Filtered: where it is sent, on its way, where it arrives.
    probe("c", "10.0.0.2", "tcp 22"): errno.EPERM,
    probe("a", "10.0.1.1", "tcp 81"): (),
    probe("a", "10.0.1.1", "tcp 82"): icmp("10.0.0.254", 3, 3),
    probe("a", "10.0.1.1", "udp 99"): (),
    # Too big: for r's next link, and for the sender's own.
    probe("a", "10.0.1.1", size=BIG): reply("10.0.1.1"),
    probe("a", "10.0.1.1", size=BIG, dont_fragment=True): icmp("10.0.0.254", 3, 4),
    probe("a", "10.0.1.2", "udp 53", size=BIG, dont_fragment=True): icmp("10.0.0.254", 3, 4),
    probe("d", "10.0.0.1", size=BIG, dont_fragment=True): errno.EMSGSIZE,
    probe("d", "10.0.0.1", "udp 54", size=BIG): icmp("10.0.0.1", 3, 3),
    # The same of IPv6.
    probe("a", "fd00::2"): reply("fd00::2"),
    probe("a", "fd00::2", "udp 53"): reply("fd00::2"),
    probe("a", "fd00::2", "udp 54"): icmp("fd00::2", 1, 4),
    probe("a", "fd00::2", "tcp 54"): refused("fd00::2"),
    probe("a", "fd00::1"): reply("fd00::1"),
    probe("b", "fd01::1"): reply("fd01::1"),
    probe("b", "fd01::2", "udp 53"): reply("fd01::2"),
    probe("b", "fd01::1", "tcp 80"): is_open("fd01::1"),
    probe("b", "fd01::1", ttl=1): icmp("fd00::fe", 3, 0),
    probe("out", "fd02::fe", "tcp 8080"): refused("fd02::fe"),
    probe("a", "fd00::77"): icmp("fd00::1", 1, 3),
    probe("a", "fd01::77"): icmp("fd00::fe", 1, 3),
    probe("a", "fd0f::5", "tcp 80"): icmp("fd00::fe", 1, 0),
    probe("a", "fdff::5", "udp 53"): icmp("fd00::fe", 1, 0),
    probe("c", "fd01::1"): errno.ENETUNREACH,
    probe("c", "fd00::2", "tcp 22"): errno.EPERM,
    probe("a", "fd01::1", "tcp 81"): (),
    probe("a", "fd01::1", "tcp 82"): icmp("fd00::fe", 1, 4),
    probe("a", "fd01::1", "udp 99"): (),
    probe("a", "fd01::1", size=BIG): icmp("fd00::fe", 2, 0),
    probe("b", "fd01::1", "udp 53", size=BIG): icmp("fd00::fe", 2, 0),
    probe("d", "fd00::1", size=BIG, dont_fragment=True): errno.EMSGSIZE,
    probe("d", "fd00::1", "udp 54", size=BIG): icmp("fd00::1", 1, 4),
}


def in_lab(user: User, text: str, look: Callable[[], tuple[Observation, ...]]) -> tuple[Observation, ...]:
    """Apply a lab as a user on a made-up machine, look at it from inside its sandbox, and give what was seen."""
    given = os.memfd_create("observations")

    def play() -> None:
        stage = Stage(file=Path(os.environ["XDG_RUNTIME_DIR"], "stage", "lab.yml"))
        stage.apply(text)
        ((_, sandbox),) = find_sandboxes()
        with open(os.dup(given), "wb") as file:
            file.write(pickle.dumps(run_inside(sandbox, look)))
        app.destroy(stage.lab)

    try:
        on_made_up_machine(play, user=user)
        os.lseek(given, 0, os.SEEK_SET)
        with open(os.dup(given), "rb") as file:
            return pickle.loads(file.read())  # type: ignore[no-any-return]
    finally:
        os.close(given)


NODES = ("host", "a", "b", "c", "r", "d", "out")
USERS: tuple[User, ...] = ("root", "user")
users = pytest.mark.parametrize("user", USERS)


@cache
def seen_twice(user: User) -> tuple[Observation, ...]:
    """Give what becomes of all probes, in their order, and of all once more in the reverse order."""

    def look() -> tuple[Observation, ...]:
        hurry("watched", NODES)
        probes = [replace(one, number=number) for number, one in enumerate(TOLD, 1)]
        there = observe("watched", NODES, probes, LISTENERS, patience=PATIENCE)
        return there + observe("watched", NODES, probes[::-1], LISTENERS, patience=PATIENCE)

    return in_lab(user, LAB, look)


def seen_by(user: User) -> dict[Probe, Observation]:
    """Give what became of each probe the first time, by the probe without its number."""
    return {replace(one.probe, number=1): one for one in seen_twice(user)[: len(TOLD)]}


def name_of(one: Probe) -> str:
    words = [f"{one.source}-{one.destination}", one.kind, *([str(one.port)] if one.port else [])]
    words += [f"ttl {one.ttl}"] * (one.ttl != 64) + [f"{one.size} bytes"] * (one.size == BIG)
    return " ".join([*words, *["whole"] * one.dont_fragment])


@users
@pytest.mark.parametrize("asked", TOLD, ids=name_of)
def test_the_sender_is_told(user: User, asked: Probe) -> None:
    found, told = seen_by(user)[asked], TOLD[asked]
    assert (found.errno, found.answers) == ((told, ()) if isinstance(told, int) else (None, told))


@users
def test_no_probe_changes_what_becomes_of_another(user: User) -> None:
    observations = seen_twice(user)
    assert observations[: len(TOLD)] == observations[: len(TOLD) - 1 : -1]


def arrivals(found: Observation) -> set[Arrival]:
    return set(found.arrivals)


@users
@pytest.mark.parametrize(("a", "b"), [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")])
def test_a_bridge_hands_on_what_arrives_at_one_node(user: User, a: str, b: str) -> None:
    found = seen_by(user)[probe("a", b)]
    assert arrivals(found) == {Arrival("b", "eth0", a, b, 64)}
    nodes = [(one.node, one.device == "eth0") for one in found.seen]
    assert sorted(nodes) == [("b", True), ("host", False)], "the bridge's port, and the far end of one other"


@users
def test_what_is_for_nobody_there_is_seen_and_does_not_arrive(user: User) -> None:
    flooded = seen_by(user)[probe("a", "10.0.0.66")]
    assert not flooded.arrivals
    assert {one for one in flooded.seen if one.node != "host"} == {Seen(node, "eth0") for node in "bcr"}


@users
@pytest.mark.parametrize(
    ("b", "r", "d"), [("10.0.0.2", "10.0.0.254", "10.0.1.1"), ("fd00::2", "fd00::fe", "fd01::1")], ids=["IPv4", "IPv6"]
)
def test_a_router_takes_one_from_the_ttl(user: User, b: str, r: str, d: str) -> None:
    for to, port in (("icmp", None), ("tcp 80", 80)):
        found = seen_by(user)[probe("b", d, to)]
        assert arrivals(found) == {Arrival("r", "eth0", b, d, 64, port), Arrival("d", "eth0", b, d, 63, port)}
    assert arrivals(seen_by(user)[probe("b", d, ttl=1)]) == {Arrival("r", "eth0", b, d, 1)}


@users
def test_the_far_end_sees_the_translated_addresses(user: User) -> None:
    found = seen_by(user)
    for to, port in (("icmp", None), ("tcp 80", 80), ("udp 54", 54)):
        assert arrivals(found[probe("b", "192.0.2.9", to)]) == {
            Arrival("r", "eth0", "10.0.0.2", "192.0.2.9", 64, port),
            Arrival("out", "eth0", "192.0.2.1", "192.0.2.9", 63, port),
        }
    assert arrivals(found[probe("out", "192.0.2.1", "tcp 8080")]) == {
        Arrival("r", "eth2", "192.0.2.9", "192.0.2.1", 64, 8080),
        Arrival("d", "eth0", "192.0.2.9", "10.0.1.1", 63, 80),
    }


@users
def test_a_router_on_the_same_link_is_still_on_the_way(user: User) -> None:
    passed_on = {("r", 64), ("b", 63)}
    assert {(one.node, one.ttl) for one in seen_by(user)[probe("a", "10.7.0.1")].arrivals} == passed_on


@users
def test_what_is_dropped_is_seen_until_there(user: User) -> None:
    found = seen_by(user)
    for a, d in (("10.0.0.1", "10.0.1.1"), ("fd00::1", "fd01::1")):
        on_its_way = {Arrival("r", "eth0", a, d, 64, 81)}
        assert arrivals(found[probe("a", d, "tcp 81")]) == on_its_way
        there = {Arrival("r", "eth0", a, d, 64, 99), Arrival("d", "eth0", a, d, 63, 99)}
        assert arrivals(found[probe("a", d, "udp 99")]) == there, "arrived, though not let in"
    for unsent in (probe("c", "10.0.0.2", "tcp 22"), probe("a", "10.0.0.77"), probe("c", "fd01::1")):
        assert not found[unsent].seen


@users
def test_what_a_node_sends_itself_comes_in_by_lo(user: User) -> None:
    for a in ("10.0.0.1", "fd00::1"):
        found = seen_by(user)[probe("a", a)]
        assert arrivals(found) == {Arrival("a", "lo", a, a, 64)}
        assert set(found.seen) == {Seen("a", "lo")}


@users
def test_a_packet_in_pieces_arrives_by_its_first(user: User) -> None:
    found = seen_by(user)
    assert arrivals(found[probe("a", "10.0.1.1", size=BIG)]) == {
        Arrival("r", "eth0", "10.0.0.1", "10.0.1.1", 64),
        Arrival("d", "eth0", "10.0.0.1", "10.0.1.1", 63),
    }
    # Of addresses that are equally good, IPv6 takes the one that came last.
    for d, a in (("10.0.1.1", "10.0.0.1"), ("fd01::2", "fd00::1")):
        pieces = found[probe("d", a, "udp 54", size=BIG)]
        assert arrivals(pieces) == {Arrival("r", "eth1", d, a, 64, 54), Arrival("a", "eth0", d, a, 63, 54)}


CROWD = """
name: crowd
bridges: {br0: {subnets: [10.0.0.0/24, "fd00::/64"], address: none}}
netns:
  n{0..7}: br0
  outside: {interfaces: {eth0: {peer: "n0:out", address: 192.0.2.1/24}}}
"""
N = [f"n{i}" for i in range(8)]


@users
def test_no_error_is_lost_among_hundreds_and_it_takes_no_longer_than_the_network(user: User) -> None:
    """Two hundred probes of two nodes that each get an error, and all of them once more."""
    nodes = ("host", *N, "outside")
    targets = [f"10.0.0.{i}" for i in range(1, 6)] + [f"fd00::{i}" for i in range(1, 6)]

    def look() -> tuple[Observation, ...]:
        hurry("crowd", nodes)
        probes = [Probe(i + 1, N[i % 2], targets[i // 2 % 10], "udp", 1000 + i) for i in range(200)]
        first = observe("crowd", nodes, probes, patience=PATIENCE)
        start = time.monotonic()
        again = observe("crowd", nodes, probes, patience=0.3)
        took = time.monotonic() - start
        assert took < 2.0 + 0.3, took
        assert [one.answers for one in again] == [one.answers for one in first]
        return again

    for one in in_lab(user, CROWD, look):
        ((what, _, icmp),) = ((answer.what, answer.source, answer.icmp) for answer in one.answers)
        assert (what, icmp) == ("icmp", (3, 3) if one.probe.version == 4 else (1, 4))


LAYERS = """
name: layers
netns:
  a:
    interfaces:
      eth0: {peer: "b:eth0", address: none}
      eth1: {peer: "b:eth1"}
      eth2: {peer: "b:eth2"}
      eth3: {peer: "b:eth3", address: 10.0.3.1/24}
    vlans: {eth0.10: {dev: eth0, id: 10, address: 10.0.10.1/24}}
    bonds: {bond0: {devices: [eth1, eth2], primary: eth1, address: 10.0.12.1/24}}
  b:
    interfaces: {eth0: , eth1: , eth2: , eth3: {address: 10.0.3.2/24}}
    vlans: {eth0.10: {dev: eth0, id: 10, address: 10.0.10.2/24}}
    bonds: {bond0: {devices: [eth1, eth2], primary: eth1, address: 10.0.12.2/24}}
    vrfs: {red: {table: 10, devices: [eth3]}}
"""


@pytest.mark.needs("vlan", "bond", "vrf")
def test_it_arrives_at_the_device_that_has_the_addresses() -> None:
    def look() -> tuple[Observation, ...]:
        hurry("layers", ["a", "b"])
        targets = enumerate(("10.0.10.2", "10.0.12.2", "10.0.3.2"), 1)
        return observe("layers", ["a", "b"], [Probe(i, "a", to, "icmp") for i, to in targets], patience=PATIENCE)

    tagged, bonded, in_vrf = in_lab("root", LAYERS, look)
    for found, device, others in ((tagged, "eth0.10", {"eth0"}), (bonded, "bond0", {"eth1"}), (in_vrf, "eth3", set())):
        assert [one.what for one in found.answers] == ["reply"]
        assert {one.device for one in found.arrivals} == {device}
        assert {one.device for one in found.seen} == {device, *others}
