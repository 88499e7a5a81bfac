"""A file with IPv6 changed and applied again: what the kernel takes along is made again, and nothing else changes."""

from __future__ import annotations

import pytest

from tests.kernel.second_opinion import check
from tests.kernel.stage import Stage, made_up
from tests.kernel.traffic import connection

pytestmark = pytest.mark.kernel

IPV6 = """\
name: sixes
netns:
  r: {forwarding: true, interfaces: {a: {address: "fd00:a::1/64"}, b: {address: "fd00:b::1/64"}}}
  a: {interfaces: {eth0: {peer: "r:a", address: "fd00:a::2/64"}}, gateway: "fd00:a::1"}
  b: {interfaces: {eth0: {peer: "r:b", address: "fd00:b::2/64"}}, gateway: "fd00:b::1"}
  c: {interfaces: {eth0: {peer: "d:eth0", addresses: [10.0.0.1/24, "fd00:c::1/64"]}}, gateway: "fd00:c::2"}
  d: {interfaces: {eth0: {addresses: [10.0.0.2/24, "fd00:c::2/64"]}}, routes: [{to: "fd00:d::/64", via: "fd00:c::1"}]}
"""
C_LINK, C_IPV6 = 'peer: "d:eth0"', ', "fd00:c::1/64"]}}, gateway: "fd00:c::2"}'
D_IPV6 = ', "fd00:c::2/64"]}}, routes: [{to: "fd00:d::/64", via: "fd00:c::1"}]}'
D_ROUTE = '{to: "fd00:d::/64", via: "fd00:c::1"}'
IPV6_EDITS = {
    "address": {"fd00:c::1/64": "fd00:c::11/64", 'via: "fd00:c::1"': 'via: "fd00:c::11"'},
    "gateway": {'gateway: "fd00:c::2"': 'gateway: "fd00:c::3"'},
    "metric-and-kind-of-route": {D_ROUTE: '{to: "fd00:d::/64", unreachable: true, metric: 7}'},
    "kind-of-route": {D_ROUTE: '{to: "fd00:d::/64", unreachable: true}'},
    "source-of-route": {D_ROUTE: D_ROUTE.replace("}", ', source: "fd00:c::2"}')},
    "mtu": {C_LINK: C_LINK + ", mtu: 1280"},
    "mtu-too-low-for-ipv6": {C_LINK: C_LINK + ", mtu: 1000", C_IPV6: "]}}}", D_IPV6: "]}}}"},
    "no-ipv6": {C_IPV6: "]}}}", D_IPV6: "]}}}"},
    "end-down": {D_IPV6: ', "fd00:c::2/64"], up: false}}}'},
    "settings": {"  c: {": "  c: {sysctls: {net.ipv6.conf.eth0.hop_limit: 17, net.ipv6.conf.eth0.accept_ra: 1}, "},
    "forwarding": {"  c: {": "  c: {forwarding: true, "},
}


@pytest.mark.parametrize("name", IPV6_EDITS)
@made_up
def test_an_edit_of_ipv6_there_and_back(stage: Stage, name: str) -> None:
    text = IPV6
    for old, new in IPV6_EDITS[name].items():
        assert old in text
        text = text.replace(old, new)
    stage.apply(IPV6)
    before = stage.devices()
    with connection(stage, "a", "b", "fd00:b::2"):
        for one in (text, IPV6):
            stage.apply(one)
            check(stage, stage.wants())
            assert stage.devices() == before
