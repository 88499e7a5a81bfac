"""ICMP errors: who tells whom of what, from which address, and of what nobody is told."""

from __future__ import annotations

import pytest

from netlab.simulator.network import Network
from netlab.simulator.packet import Packet
from netlab.simulator.simulating import simulate
from netlab.simulator.verdicts import Verdict
from tests.unit.simulator.networks import errors_told, network, send

CHAIN = """
  client:
    interfaces: {eth0: {peer: "r1:eth0", addresses: [10.0.0.2/24, "fd00::2/64"]}}
    gateway: [10.0.0.1, "fd00::1"]
  r1:
    forwarding: true
    interfaces:
      eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}
      eth1: {peer: "r2:eth0", addresses: [10.1.0.1/24, "fd00:1::1/64"]}
    gateway: [10.1.0.2, "fd00:1::2"]
  r2:
    forwarding: true
    interfaces:
      eth0: {addresses: [10.1.0.2/24, "fd00:1::2/64"]}
      eth1: {peer: "server:eth0", addresses: [10.2.0.1/24, "fd00:2::1/64"], mtu: 1400}
    routes:
      - {to: 10.0.0.0/24, via: 10.1.0.1}
      - {to: "fd00::/64", via: "fd00:1::1"}
      - {to: 10.8.0.0/24, unreachable: true}
      - {to: 10.8.1.0/24, prohibit: true}
      - {to: 10.8.2.0/24, blackhole: true}
      - {to: "fd00:8::/64", prohibit: true}
  server:
    interfaces: {eth0: {addresses: [10.2.0.2/24, "fd00:2::2/64"], mtu: 1400}}
    gateway: [10.2.0.1, "fd00:2::1"]
"""


@pytest.fixture(scope="module")
def chain() -> Network:
    return network(CHAIN)


@pytest.mark.parametrize(
    ("destination", "asked", "error"),
    [
        ("10.9.9.9", {}, ("r2", "10.1.0.2", (3, 0))),
        ("fd00:9::9", {}, ("r2", "fd00:1::2", (1, 0))),
        ("10.8.0.9", {}, ("r2", "10.1.0.2", (3, 1))),
        ("10.8.1.9", {}, ("r2", "10.1.0.2", (3, 13))),
        ("fd00:8::9", {}, ("r2", "fd00:1::2", (1, 1))),
        ("10.2.0.99", {}, ("r2", "10.1.0.2", (3, 1))),
        ("fd00:2::99", {}, ("r2", "fd00:1::2", (1, 3))),
        ("10.2.0.2", {"ttl": 1}, ("r1", "10.0.0.1", (11, 0))),
        ("10.2.0.2", {"ttl": 2}, ("r2", "10.1.0.2", (11, 0))),
        ("fd00:2::2", {"ttl": 2}, ("r2", "fd00:1::2", (3, 0))),
        ("10.2.0.2", {"size": 1401, "dont_fragment": True}, ("r2", "10.1.0.2", (3, 4))),
        ("fd00:2::2", {"size": 1401}, ("r2", "fd00:1::2", (2, 0))),
        ("10.2.0.2", {"kind": "udp", "port": 9}, ("server", "10.2.0.2", (3, 3))),
        ("fd00:2::2", {"kind": "udp", "port": 9}, ("server", "fd00:2::2", (1, 4))),
        ("10.1.0.2", {"kind": "udp", "port": 9}, ("r2", "10.1.0.2", (3, 3))),  # from the address that was asked
    ],
)
def test_who_tells_what_from_which_address(
    chain: Network, destination: str, asked: dict[str, object], error: tuple[str, str, tuple[int, int]]
) -> None:
    found = send(chain, "client", destination, **asked)
    node, source, code = error
    assert errors_told(found) == [(node, source, "fd00::2" if ":" in destination else "10.0.0.2", code)]
    assert found.answer == ("refused" if asked.get("kind") == "udp" else "error")


def test_an_error_tells_the_mtu_and_quotes_the_packet(chain: Network) -> None:
    found = send(chain, "client", "10.2.0.2", size=1450, dont_fragment=True)
    error = found.legs[1].packet
    assert error.error is not None
    assert (error.error.mtu, error.error.about.destination, error.size) == (1400, "10.2.0.2", 576)
    assert send(chain, "client", "10.9.9.9").legs[1].packet.size == 84 + 28
    assert send(chain, "client", "fd00:2::2", size=1450).legs[1].packet.size == 1280


def test_a_black_hole_and_a_node_that_does_not_forward_tell_nobody(chain: Network) -> None:
    assert (send(chain, "client", "10.8.2.9").answer, errors_told(send(chain, "client", "10.8.2.9"))) == ("silence", [])
    deaf = network(CHAIN.replace("r2:\n    forwarding: true", "r2:"))
    for destination in ("10.2.0.2", "10.9.9.9", "fd00:2::2"):
        found = send(deaf, "client", destination)
        assert (found.verdict, found.answer) == (Verdict.NOT_FORWARDED, "silence"), destination


def test_nobody_is_told_of_an_errors_error(chain: Network) -> None:
    # The way back is gone: r2 cannot tell r2's own error, and tells nobody so.
    lost = network(CHAIN.replace("      - {to: 10.0.0.0/24, via: 10.1.0.1}\n", ""))
    found = send(lost, "client", "10.2.0.99")
    assert [leg.packet.message for leg in found.legs] == ["echo", "error"]
    assert (found.answer, found.verdict) == ("silence", Verdict.NO_NEIGHBOUR)


@pytest.mark.parametrize("source", ["0.0.0.0", "224.0.0.5"])
def test_nobody_is_told_who_cannot_be(chain: Network, source: str) -> None:
    walk = simulate(chain, "client", Packet(source, "10.9.9.9", "udp", "datagram", 1, 9))
    assert [leg.packet.message for leg in walk.legs] == ["datagram"]


def test_of_an_answer_too_its_sender_is_told() -> None:
    found = send(network(CHAIN.replace("      - {to: 10.0.0.0/24, via: 10.1.0.1}\n", "")), "client", "10.2.0.2")
    assert errors_told(found) == [("r2", "10.2.0.1", "10.2.0.2", (3, 0))]
    assert [leg.reason for leg in found.legs] == [None, 0, 1]
    assert (found.answer, found.deciding.number) == ("silence", 1)


def test_a_filters_rejection_is_told_as_port_unreachable() -> None:
    text = CHAIN.replace(
        "  r2:\n    forwarding: true", "  r2:\n    forwarding: true\n    firewall: {forward: {reject: [{tcp: 80}]}}"
    )
    assert errors_told(send(network(text), "client", "10.2.0.2", kind="tcp", port=80)) == [
        ("r2", "10.1.0.2", "10.0.0.2", (3, 3))
    ]
    assert errors_told(send(network(text), "client", "fd00:2::2", kind="tcp", port=80)) == [
        ("r2", "fd00:1::2", "fd00::2", (1, 4))
    ]
    assert errors_told(send(network(text), "client", "10.2.0.2", kind="tcp", port=81)) == []


def test_an_error_of_ipv6_speaks_with_the_address_that_the_route_back_prefers() -> None:
    text = CHAIN.replace(
        '{to: "fd00::/64", via: "fd00:1::1"}', '{to: "fd00::/64", via: "fd00:1::1", source: "fd00:2::1"}'
    )
    assert errors_told(send(network(text), "client", "fd00:9::9")) == [("r2", "fd00:2::1", "fd00::2", (1, 0))]
