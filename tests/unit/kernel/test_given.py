"""The order in which addresses were given, of what the kernel tells."""

from __future__ import annotations

import pytest

from netlab.facts import Bridge, End, veth
from netlab.kernel.given import Connected, Given, as_given, as_made


def never() -> list[Connected]:
    pytest.fail("there is nothing to ask")


def routes(*found: tuple[str, int]) -> list[Connected]:
    return [Connected(254, network, index) for network, index in found]


def test_of_a_device_ipv4_is_told_in_order_and_ipv6_backwards() -> None:
    told = [(2, "10.0.0.1/24"), (2, "10.0.0.2/24"), (3, "10.1.0.1/24"), (2, "fd00::2/64"), (2, "fd00::1/64")]
    assert as_given(told, never) == [*told[:3], (2, "fd00::1/64"), (2, "fd00::2/64")]


def test_of_two_devices_in_one_network_their_routes_say_which_is_older() -> None:
    told = [(2, "10.0.0.1/24"), (2, "10.0.0.2/24"), (3, "10.1.0.1/24"), (3, "10.0.0.3/24")]
    found = as_given(told, lambda: routes(("10.0.0.0/24", 3), ("10.0.0.0/24", 2), ("10.1.0.0/24", 3)))
    assert [one for one in found if one[0] == 2] == told[:2]
    assert found.index((3, "10.1.0.1/24")) < found.index((3, "10.0.0.3/24")) < found.index((2, "10.0.0.1/24"))
    found = as_given(told, lambda: routes(("10.0.0.0/24", 2), ("10.0.0.0/24", 3)))
    assert found.index((2, "10.0.0.1/24")) < found.index((3, "10.0.0.3/24"))


def test_routes_that_are_newer_than_their_addresses_put_nothing_in_order() -> None:
    told: list[Given] = [(2, "10.0.0.1/24"), (2, "10.1.0.1/24"), (3, "10.1.0.2/24"), (3, "10.0.0.2/24")]
    found = routes(("10.0.0.0/24", 3), ("10.0.0.0/24", 2), ("10.1.0.0/24", 2), ("10.1.0.0/24", 3))
    assert as_given(told, lambda: found) == told


def test_networks_of_different_tables_are_not_beside_each_other() -> None:
    told: list[Given] = [(2, "10.0.0.1/24"), (3, "10.0.0.2/24")]
    found = [Connected(254, "10.0.0.0/24", 3), Connected(10, "10.0.0.0/24", 2)]
    assert sorted(as_given(told, lambda: found)) == told


def test_links_are_put_in_the_order_of_each_nodes_devices() -> None:
    ring = [("a", "b"), ("b", "c"), ("a", "c")]
    pairs = [veth(End(one, f"to-{other}"), End(other, f"to-{one}")) for one, other in ring]
    within, bridge = veth(End("a", "x"), End("a", "y")), Bridge("a", "br0")
    nodes = [("a", ["lo", "x", "to-c", "y", "br0", "to-b"]), ("b", ["to-c", "to-a"]), ("c", ["to-a", "to-b"])]
    ab, bc, ac = pairs
    found = as_made([*pairs, bridge, within], nodes)
    assert [link for link in found if link is not bc] == [within, ac, bridge, ab]
    assert found.index(bc) < found.index(ab)
    assert as_made(pairs, [("a", ["to-b", "to-c"]), ("b", ["to-c", "to-a"]), ("c", ["to-a", "to-b"])]) == pairs
