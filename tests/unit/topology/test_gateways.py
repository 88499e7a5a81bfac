"""Which gateways and routes the kernel would refuse: told; what is near to them and works is not."""

from __future__ import annotations

import pytest

from netlab.errors import FileError
from netlab.facts import Route
from netlab.topology import read

LAB = """\
name: x
netns:
  n:
    interfaces:
      eth0: {peer: "far:eth0", addresses: [10.0.0.9/16, 10.1.0.9/31, "fd00:1::9/64"]}
      eth1: {peer: "far:eth1", addresses: [10.2.0.9/24, "fd00:2::9/64"], up: UP}
      lo: {addresses: [10.3.0.9/24, "fd00:3::9/64"]}
    routes: [ROUTES]
  far:
    interfaces:
      eth0: {addresses: [10.0.0.1/16, 10.1.0.8/31, "fd00:1::1/64", "fd00:1::2/64"]}
      eth1: {addresses: [10.2.0.1/24, "fd00:2::1/64"]}
"""


def told(routes: str, up: str = "true") -> list[str]:
    """Give the codes of what is told of these routes, warnings of unknown gateways left out."""
    try:
        problems = read(LAB.replace("ROUTES", routes).replace("UP", up), "f.yml").warnings
    except FileError as error:
        problems = tuple(error.problems())
    return [problem.code for problem in problems if problem.code != "gateway-unknown"]


@pytest.mark.parametrize(
    "route",
    [
        "{to: 10.0.0.0/16, via: 10.0.0.1}",
        "{to: 10.0.0.0/16, via: 10.2.0.1}",
        "{to: 10.1.0.8/31, via: 10.0.0.1}",
        "{to: 10.0.0.0/16, hops: [{via: 10.0.0.1}, {via: 10.2.0.1}]}",
        "{to: 10.0.0.0/16, unreachable: true}",
        "{to: 10.0.0.0/16, dev: eth1}",
    ],
)
def test_the_kernel_has_a_route_to_what_an_address_connects(route: str) -> None:
    assert told(route) == ["duplicate-route"]
    assert told(route.replace("}", ", metric: 1}") if "hops" not in route else route[:-1] + ", metric: 1}") == []
    assert told(route[:-1] + ", table: 100}") == []


@pytest.mark.parametrize(
    "route",
    [
        "{to: 10.0.0.0/17, via: 10.0.0.1}",
        "{to: 10.3.0.0/24, via: 10.0.0.1}",
        '{to: "fd00:1::/64", via: "fd00:1::1"}',
    ],
)
def test_another_network_that_of_lo_and_ipv6_may_have_a_gateway(route: str) -> None:
    assert told(route) == []


def test_a_device_that_is_down_connects_nothing() -> None:
    assert told("{to: 10.2.0.0/24, via: 10.0.0.1}") == ["duplicate-route"]
    assert told("{to: 10.2.0.0/24, via: 10.0.0.1}", up="false") == []


@pytest.mark.parametrize(
    ("via", "code"),
    [
        ("10.0.255.255", ["gateway-broadcast"]),
        ("10.2.0.255", ["gateway-broadcast"]),
        ("10.0.0.0", []),
        ("10.1.0.8", []),
        ("10.0.0.255", []),
        ("224.0.0.1", ["gateway"]),
        ("0.0.0.0", ["gateway"]),
        ("127.0.0.2", ["gateway"]),
        ("255.255.255.255", ["gateway"]),
    ],
)
def test_a_gateway_is_one_nodes_address(via: str, code: list[str]) -> None:
    assert told(f"{{to: default, via: {via}}}") == code
    assert told(f"{{to: default, hops: [{{via: {via}}}, {{via: 10.0.0.1}}]}}") == code
    assert told(f"{{to: default, via: {via}, dev: eth0, onlink: true}}") == code


@pytest.mark.parametrize(
    ("via", "code"),
    [
        ("10.3.0.255", ["gateway-broadcast"]),
        ("10.2.0.9", ["gateway-own"]),
        ("10.9.9.9", []),
        ('"fd00:2::9"', ["gateway-own"]),
        ('"fd00:2::1"', ["gateway-onlink"]),
        ('"fd00:3::1"', ["gateway-hidden"]),
        ('"fd00:1::1"', []),
        ('"fd00:9::1"', []),
        ('"ff02::1"', ["gateway"]),
    ],
)
def test_a_gateway_that_is_said_to_be_on_the_link(via: str, code: list[str]) -> None:
    to = '"fd09::/64"' if ":" in via else "10.9.0.0/16"
    assert told(f"{{to: {to}, via: {via}, dev: eth0, onlink: true}}") == code


USE = '{to: "fd09::/64", via: "fd00:1::2"}'


@pytest.mark.parametrize(
    "route",
    [
        '{to: "fd00:1::2/128", via: "fd00:1::1"}',
        '{to: "fd00:1::/65", via: "fd00:2::1"}',
        '{to: "fd00:1::/64", via: "fd00:2::1", metric: 255}',
        '{to: "fd00:1::/96", blackhole: true}',
        '{to: "fd00:1::/96", hops: [{via: "fd00:2::1"}, {via: "fd00:2::3"}]}',
    ],
)
def test_an_ipv6_gateway_that_a_route_leads_away_is_none(route: str) -> None:
    for routes in (f"{route}, {USE}", f"{USE}, {route}"):
        assert told(routes) == ["gateway-hidden"]
    near = '{to: "fd00:1::2/128", dev: eth0, metric: 9}'
    assert told(f"{route}, {USE}, {near}") == []
    assert told(f"{route[:-1]}, table: 100}}, {USE}") == []


def test_a_route_does_not_lead_to_its_own_gateway() -> None:
    assert told('{to: "fd00:1::2/128", via: "fd00:1::2"}') == ["gateway-hidden"]


@pytest.mark.parametrize(
    "route",
    [
        '{to: "fd00:1::/64", via: "fd00:2::1"}',
        '{to: "fd00::/16", via: "fd00:2::1"}',
        '{to: default, via: "fd00:2::1"}',
        '{to: "fd00:1::/65", dev: eth0}',
    ],
)
def test_an_ipv6_gateway_that_is_still_on_the_link(route: str) -> None:
    assert told(f"{route}, {USE}") == []


def test_a_gateway_of_another_table_is_looked_up_there_first() -> None:
    away, use = '{to: "fd00:1::/96", via: "fd00:2::1"}', '{to: "fd09::/64", via: "fd00:1::2", table: 100}'
    near = '{to: "fd00:1::2/128", dev: eth0, table: 100}'
    assert told(f"{away}, {use}") == ["gateway-hidden"]
    assert told(f"{away}, {use}, {near}") == []


def test_ipv4_takes_a_gateway_behind_another() -> None:
    routes = "{to: 10.0.0.2/32, via: 10.0.0.1}, {to: 10.9.0.0/16, via: 10.0.0.2}"
    assert told(routes) == []
    found = read(LAB.replace("ROUTES", routes).replace("UP", "true"), "f.yml").facts.values()
    assert {fact.to for fact in found if isinstance(fact, Route)} == {"10.0.0.2/32", "10.9.0.0/16"}


def test_a_vrf_has_links_of_its_own() -> None:
    lab = """\
name: x
netns:
  n:
    interfaces: {eth0: {peer: "far:eth0", address: "fd00:1::9/64"}, eth1: {peer: "two:eth0", address: "fd00:1::9/64"}}
    vrfs: {red: {table: 10, devices: [eth0]}, blue: {table: 20, devices: [eth1]}}
    routes:
      - {to: "fd09::/64", via: "fd00:1::1", dev: eth0, table: 10}
      - {to: "fd09::/64", via: "fd00:1::2", dev: eth1, table: 20}
      - {to: default, via: "fd00:1::1", dev: eth0}
      - {to: "fd00:1::2/128", via: "fd00:1::1", dev: eth0, table: 10}
      - {to: "fd08::/64", via: "fd00:1::2", dev: eth0, table: 10}
  far: {interfaces: {eth0: {addresses: ["fd00:1::1/64", "fd00:1::2/64"]}}}
  two: {interfaces: {eth0: {address: "fd00:1::2/64"}}}
"""
    with pytest.raises(FileError) as caught:
        read(lab, "f.yml")
    found = [(one.code, one.span.line) for one in caught.value.problems() if one.severity == "error" and one.span]
    assert found == [("gateway-hidden", 11)]
