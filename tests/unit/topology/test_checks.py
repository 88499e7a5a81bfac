"""Checks with every name resolved."""

import pytest

from netlab.topology import read
from netlab.topology.lab import Check, Lab

LAB = """
name: x
bridges: {left: 10.1.0.0/24, right: 10.2.0.0/24}
netns:
  client: left
  router:
    forwarding: true
    interfaces: {eth0: {bridge: right, address: 10.2.0.254/24}, eth1: {bridge: left, address: 10.1.0.254/24}}
  server: {interfaces: {lo: {address: 192.0.2.1/32}, eth0: {bridge: right}}, gateway: 10.2.0.254}
  six: {interfaces: {lo: {addresses: ["fd00::1/128", 10.1.0.77/32]}}}
checks:
"""


def read_lab(checks: str) -> Lab:
    return read(LAB + checks + "\n", "f.yml")


def one(check: str) -> Check:
    (found,) = read_lab(f"  - {check}").checks
    return found


def test_the_short_form_and_its_defaults() -> None:
    found = one("ping: client -> server")
    assert (found.kind, found.name, found.source, found.target) == ("ping", "ping client -> server", "client", "server")
    assert (found.expect, found.within, found.lasting, found.by) == ("reply", None, None, None)
    assert found.span.line == 12


@pytest.mark.parametrize(
    ("check", "address", "node"),
    [
        ("ping: client -> router", "10.1.0.254", "router"),  # On the client's own link, though not its first address.
        ("ping: server -> router", "10.2.0.254", "router"),
        ("ping: client -> server", "192.0.2.1", "server"),  # The first address that any route holds.
        ("ping: client -> 10.2.0.254", "10.2.0.254", "router"),
        ("ping: client -> 203.0.113.1", "203.0.113.1", None),
        ("ping: client -> host", "10.1.0.1", "host"),
        ("ping: client -> client", "10.1.0.2", "client"),
        ('ping: {from: client, to: "router:eth0"}', "10.2.0.254", "router"),
        ('ping: {from: client, to: "server:lo"}', "192.0.2.1", "server"),
        ('ping: {from: client, to: "fd00::9"}', "fd00::9", None),
    ],
)
def test_names_become_addresses(check: str, address: str, node: str | None) -> None:
    found = one(check)
    assert (found.address, found.target_node) == (address, node)


@pytest.mark.parametrize(
    ("target", "address", "port"),
    [
        ("router:80", "10.1.0.254", 80),
        ("router:eth0:80", "10.2.0.254", 80),
        ("10.2.0.254:80", "10.2.0.254", 80),
        ("[fd00::9]:80", "fd00::9", 80),
    ],
)
def test_ports(target: str, address: str, port: int) -> None:
    found = one(f'tcp: {{from: client, to: "{target}"}}')
    assert (found.address, found.port, found.expect, found.target) == (address, port, "open", target)
    assert one(f'tcp: "client -> {target}"').port == port


def test_keys_may_stand_beside_the_kind_or_inside() -> None:
    inside = one("ping: {from: client, to: router, name: n, within: 5s, for: 3s, expect: unreachable, by: router}")
    beside = one("{ping: client -> router, name: n, within: 5s, for: 3s, expect: unreachable, by: router}")
    assert (beside.name, beside.within, beside.lasting, beside.expect) == ("n", 5.0, 3.0, "unreachable")
    assert (beside.by, beside.by_addresses) == ("router", ("10.2.0.254", "10.1.0.254"))
    assert (inside.name, inside.within, inside.lasting, inside.by) == ("n", 5.0, 3.0, "router")


def test_udp_says_what_to_send_and_what_comes_back() -> None:
    found = one('udp: {from: client, to: "router:53", send: ping, reply: pong}')
    assert (found.send, found.reply, found.expect, found.port) == ("ping", "pong", "reply", 53)


def test_arp_knows_its_device_and_asks_for_ipv4() -> None:
    assert one("arp: router -> 10.1.0.9").device == "eth1"
    assert one("arp: {from: router, to: 10.1.0.9, dev: eth0}").device == "eth0"
    assert one("arp: client -> six").address == "10.1.0.77"


def test_what_the_routes_do_not_allow_is_a_warning() -> None:
    def warned(check: str) -> list[str]:
        return [warning.code for warning in read_lab(f"  - {check}").warnings]

    assert warned("ping: {from: six, to: client}") == ["no-route"]
    assert warned("ping: client -> server") == ["forwarding-off"]  # The client's gateway is the host.
    assert warned("ping: {from: client, to: server, expect: timeout}") == []
    assert warned("ping: server -> router") == []


def test_the_real_machine_is_not_judged_by_the_file() -> None:
    assert read(LAB + "  - ping: client -> server\n", "f.yml", sandboxed=False).warnings == ()


NAT = """
name: x
netns:
  gw:
    forwarding: true
    interfaces: {in: {peer: "inner:eth0", address: 10.0.0.1/24}, out: {peer: "outer:eth0", address: 192.0.2.1/24}}
  inner: {interfaces: {eth0: {address: 10.0.0.2/24}}, gateway: 10.0.0.1}
  outer: {interfaces: {eth0: {address: 192.0.2.2/24}}}
checks:
  - ping: inner -> outer
"""


def test_answers_to_a_hidden_sender_need_no_route_to_it() -> None:
    assert [warning.code for warning in read(NAT, "f.yml").warnings] == ["no-route"]
    hidden = NAT.replace("  inner:", "    nat: [{masquerade: {from: 10.0.0.0/24, out: out}}]\n  inner:")
    assert read(hidden, "f.yml").warnings == ()


def test_measurements_become_numbers() -> None:
    found = one("latency: {from: client, to: server, between: [38ms, 1.5s]}")
    assert (found.kind, found.name, found.expect) == ("latency", "latency client -> server", "inside")
    assert (found.between, found.count, found.bounds) == ((0.038, 1.5), 5, "38ms to 1500ms")
    found = one("{loss: {from: client, to: server, between: [0%, 3.5%], count: 50}, within: 5s}")
    assert (found.between, found.count, found.bounds) == ((0.0, 0.035), 50, "0% to 3.5%")
    assert (found.within, found.lasting) == (5.0, None)
    assert one("latency: {from: client, to: server, between: [0us, 500us]}").bounds == "0s to 500us"
    assert (one("ping: client -> server").between, one("ping: client -> server").bounds) == (None, None)


@pytest.mark.parametrize(
    ("check", "warned"),
    [
        ("latency: {from: client, to: 203.0.113.1, between: [0ms, 1s]}", True),
        ("loss: {from: client, to: 203.0.113.1, between: [0%, 6%]}", True),
        ("loss: {from: client, to: 203.0.113.1, between: [90%, 100%]}", False),
    ],
)
def test_a_measurement_that_cannot_arrive_is_warned_of(check: str, warned: bool) -> None:
    assert bool(read_lab(f"  - {check}").warnings) is warned
