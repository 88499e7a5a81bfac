"""Every kind of device by a file: read back by iproute2, talked through, changed, spoilt by hand, mended, and gone."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.kernel.second_opinion import check
from tests.kernel.stage import Stage, made_up, told, until
from tests.kernel.traffic import pings

pytestmark = pytest.mark.kernel

BOTH = pytest.mark.parametrize("sandbox", [True, False], ids=["sandbox", "machine"])

DUMMY = """\
name: dummy
bridges: {br0: {subnet: 10.0.0.0/24}}
netns:
  a: {bridge: br0, gateway: b, dummies: {vip: 192.0.2.1/32}}
  b: {bridge: br0, dummies: {vip: {address: 192.0.2.2/32, mtu: 1400}}, routes: [{to: 192.0.2.1/32, via: a}]}
"""
VXLAN = """\
name: vxlan
netns:
  a:
    interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24}}
    vxlans: {vx: {id: 7, local: 10.0.0.1, remotes: [10.0.0.2, 10.0.0.3], address: 192.168.0.1/24}}
  b:
    interfaces: {eth0: {address: 10.0.0.2/24}}
    vxlans: {vx: {id: 7, local: 10.0.0.2, remotes: [10.0.0.1], address: 192.168.0.2/24}}
"""
GROUP = """\
name: group
netns:
  a:
    interfaces: {eth0: {peer: "b:eth0", address: "fd00::1/64"}}
    vxlans: {vx: {id: 7, dev: eth0, group: "ff05::7", address: 192.168.0.1/24}}
  b:
    interfaces: {eth0: {address: "fd00::2/64"}}
    vxlans: {vx: {id: 7, dev: eth0, group: "ff05::7", address: 192.168.0.2/24}}
"""
MACVLAN = """\
name: macvlan
netns:
  a:
    interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24}}
    macvlans: {mv: {dev: eth0, address: 10.0.0.3/24}, mw: {dev: mv, mtu: 1400}}
  b: {interfaces: {eth0: {address: 10.0.0.2/24}}}
"""
VLAN = """\
name: vlan
netns:
  a:
    interfaces: {eth0: {peer: "b:eth0"}}
    vlans: {eth0.10: {dev: eth0, id: 10, address: 10.0.0.1/24}, inner: {dev: eth0.10, id: 20}}
  b:
    interfaces: {eth0: {}}
    vlans: {eth0.10: {dev: eth0, id: 10, address: 10.0.0.2/24}}
"""
STAGS = """\
name: stags
netns:
  a:
    interfaces: {eth0: {peer: "b:eth0"}}
    vlans:
      outer: {dev: eth0, id: 10, protocol: 802.1ad, address: 10.0.0.1/24}
      plain: {dev: eth0, id: 10, bridge: br1}
    bridges: {br1: {address: 10.0.1.1/24}}
  b:
    interfaces: {eth0: {}}
    vlans:
      outer: {dev: eth0, id: 10, protocol: 802.1ad, address: 10.0.0.2/24}
      plain: {dev: eth0, id: 10, address: 10.0.1.2/24}
"""
IPVLAN = """\
name: ipvlan
netns:
  a:
    interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24}}
    ipvlans: {iv: {dev: eth0, address: 10.0.0.3/24}, iw: {dev: eth0, mtu: 1400}}
  b: {interfaces: {eth0: {address: 10.0.0.2/24}}}
"""


def ping(stage: Stage, node: str, address: str) -> None:
    with pings(stage, node, address):
        pass


def link(stage: Stage, node: str, name: str) -> dict[str, Any]:
    (found,) = stage.ip(node, "-d", "link", "show", "dev", name)
    return found


def _kind(stage: Stage, node: str, name: str) -> str:
    return str(link(stage, node, name)["linkinfo"]["info_kind"])


def _expect_silence(stage: Stage, node: str, address: str) -> None:
    """Fail where somebody answers for an address on the wire: ARP is to give up."""
    stage.sh(node, "ip neigh flush all")
    stage.run(node, sys.executable, "-S", "-c", f"import socket; socket.socket(2, 2).sendto(b'', ('{address}', 9))")

    def has_given_up() -> bool:
        states = [state for found in stage.ip(node, "neigh", "show", address) for state in found["state"]]
        assert states in ([], ["INCOMPLETE"], ["FAILED"])
        return states == ["FAILED"]

    until(has_given_up)


def _hosts(stage: Stage, node: str, name: str) -> set[str]:
    """Give the hosts that a VXLAN sends to what is for everybody."""
    rows = json.loads(stage.run(node, "bridge", "-j", "fdb", "show", "dev", name))
    return {row["dst"] for row in rows if row["mac"] == "00:00:00:00:00:00"}


def _applied(stage: Stage, text: str) -> dict[str, int]:
    """Apply a file, hold what is there against it, and give the indices of the devices."""
    stage.apply(text)
    check(stage, stage.wants())
    return stage.devices()


def _changes(stage: Stage, text: str, words: tuple[str, str], plan: list[str], anew: set[str]) -> None:
    """Change words of a file: the plan is this, no devices but those are made anew; then change them back."""
    before = stage.devices()
    assert words[0] in text
    changed = text.replace(*words)
    assert told(stage.plan(changed).plan) == plan
    after = _applied(stage, changed)
    assert {name for name in before if after.get(name) != before[name]} <= anew
    _applied(stage, text)


def _drifts(stage: Stage, text: str, node: str, line: str, plan: list[str]) -> None:
    """Spoil something by hand: the plan says what, and an apply mends it."""
    stage.sh(node, line)
    assert told(stage.plan(text).plan) == plan
    _applied(stage, text)


def _a_dummy(stage: Stage) -> None:
    stage.apply(DUMMY)
    ping(stage, "b", "192.0.2.1")
    assert told(stage.plan(DUMMY.replace("mtu: 1400", "mtu: 1300, up: false")).plan) == ["~ dummy b:vip"]
    mac = ("mtu: 1400", "mtu: 1400, mac: 02:00:00:00:00:77")
    _changes(stage, DUMMY, mac, ["± dummy b:vip", "± address 192.0.2.2/32 on b:vip"], {"b:vip"})
    _drifts(stage, DUMMY, "b", "ip link set dev vip down mtu 1280", ["~ dummy b:vip"])
    ping(stage, "a", "10.0.0.2")


@BOTH
@made_up
def test_a_dummy_carries_addresses(stage: Stage, sandbox: bool) -> None:
    _a_dummy(stage)
    _changes(stage, DUMMY, ("mtu: 1400", "mtu: 1300"), ["~ dummy b:vip"], set())
    made = ["+ dummy a:vip", "+ address 192.0.2.1/32 on a:vip"]
    _drifts(stage, DUMMY, "a", "ip link delete dev vip", made)
    # A device of another kind that has taken the name is replaced.
    swap = "ip link delete dev vip; ip link add name vip type veth peer name other"
    _drifts(stage, DUMMY, "a", swap, [*made, "- veth a:other <-> a:vip"])
    ping(stage, "b", "192.0.2.1")
    assert stage.sandbox == sandbox


@pytest.mark.needs("dummy")
@made_up
def test_a_dummy_of_the_kernels_own_carries_addresses(stage: Stage) -> None:
    _a_dummy(stage)
    assert _kind(stage, "a", "vip") == "dummy"
    # What stood in for it elsewhere is taken for it.
    stage.sh("a", "ip link delete dev vip; ip link add name vip type ifb")
    assert "+ dummy a:vip" not in told(stage.plan(DUMMY).plan)
    stage.apply(DUMMY)
    ping(stage, "b", "192.0.2.1")


@made_up
def test_a_vxlan_joins_two_hosts(stage: Stage) -> None:
    _applied(stage, VXLAN)
    assert link(stage, "a", "vx")["mtu"] == 1450
    assert _hosts(stage, "a", "vx") == {"10.0.0.2", "10.0.0.3"}
    ping(stage, "a", "192.168.0.2")
    _changes(stage, VXLAN, ("[10.0.0.1]", "[10.0.0.1], learning: false, ageing: 60s"), ["~ vxlan b:vx"], set())
    _changes(stage, VXLAN, (", 10.0.0.3]", ", 10.0.0.4]"), [
        "+ forwarding 00:00:00:00:00:00 to 10.0.0.4 on a:vx", "- forwarding 00:00:00:00:00:00 to 10.0.0.3 on a:vx",
    ], set())  # fmt: skip
    anew = ["± vxlan b:vx", "± address 192.168.0.2/24 on b:vx", "± forwarding 00:00:00:00:00:00 to 10.0.0.1 on b:vx"]
    _changes(stage, VXLAN, ("{id: 7, local: 10.0.0.2", "{id: 8, local: 10.0.0.2"), anew, {"b:vx"})
    line = "bridge fdb delete 00:00:00:00:00:00 dev vx dst 10.0.0.2; bridge fdb append 0:0:0:0:0:0 dev vx dst 10.0.0.9"
    _drifts(stage, VXLAN, "a", line, [
        "+ forwarding 00:00:00:00:00:00 to 10.0.0.2 on a:vx", "- forwarding 00:00:00:00:00:00 to 10.0.0.9 on a:vx",
    ])  # fmt: skip
    ping(stage, "b", "192.168.0.1")


@made_up
def test_a_vxlan_joins_a_group_over_ipv6(stage: Stage) -> None:
    _applied(stage, GROUP)
    assert link(stage, "a", "vx")["mtu"] == 1430
    ping(stage, "a", "192.168.0.2")
    _drifts(stage, GROUP, "b", "ip link set dev vx type vxlan ageing 7", ["~ vxlan b:vx"])
    ping(stage, "b", "192.168.0.1")


@made_up
def test_a_macvlan_is_on_the_wire_of_the_device_below(stage: Stage) -> None:
    _applied(stage, MACVLAN)
    assert stage.plan(MACVLAN).warnings == ()
    assert link(stage, "a", "mw")["link"] == "eth0"
    ping(stage, "b", "10.0.0.3")
    _changes(stage, MACVLAN, ("{dev: eth0,", "{dev: eth0, mode: private,"), ["~ macvlan a:mv"], set())
    alone = MACVLAN.replace(", mw: {dev: mv, mtu: 1400}", "")
    assert told(stage.plan(alone).plan) == ["- macvlan a:mw"]
    _applied(stage, alone)
    anew = ["± macvlan a:mv", "± address 10.0.0.3/24 on a:mv"]
    _changes(stage, alone, ("{dev: eth0,", "{dev: eth0, mode: passthru,"), anew, {"a:mv"})
    line = "ip link set dev mv type macvlan mode vepa; ip link set dev mv mtu 1300"
    _drifts(stage, alone, "a", line, ["~ macvlan a:mv"])
    ping(stage, "b", "10.0.0.3")
    made = ["+ macvlan a:mv", "+ address 10.0.0.3/24 on a:mv"]
    _drifts(stage, alone, "a", "ip link delete dev mv", made)
    ping(stage, "b", "10.0.0.3")


@made_up
def test_a_device_below_that_is_made_anew_takes_along_what_stands_on_it(stage: Stage) -> None:
    """A cable that leads elsewhere, and one that somebody deleted: all that stood on it is back."""
    _applied(stage, MACVLAN)
    elsewhere = MACVLAN.replace("b:eth0", "b:eth1").replace("b: {interfaces: {eth0", "b: {interfaces: {eth1")
    anew = {"± macvlan a:mv", "± macvlan a:mw", "± address 10.0.0.3/24 on a:mv"}
    assert anew <= set(told(stage.plan(elsewhere).plan))
    _applied(stage, elsewhere)
    ping(stage, "b", "10.0.0.3")
    stage.sh("a", "ip link delete dev eth0")
    made = {"+ macvlan a:mv", "+ macvlan a:mw", "+ address 10.0.0.3/24 on a:mv"}
    assert made <= set(told(stage.plan(elsewhere).plan))
    _applied(stage, elsewhere)
    ping(stage, "b", "10.0.0.3")


@pytest.mark.needs("vlan")
@made_up
def test_a_vlan_is_apart_from_the_wire_it_is_on(stage: Stage) -> None:
    _applied(stage, VLAN)
    ping(stage, "a", "10.0.0.2")
    before = stage.devices()
    other = VLAN.replace("{dev: eth0, id: 10, address: 10.0.0.2/24}", "{dev: eth0, id: 11, address: 10.0.0.2/24}")
    assert told(stage.plan(other).plan) == ["± vlan b:eth0.10", "± address 10.0.0.2/24 on b:eth0.10"]
    stage.apply(other)
    _expect_silence(stage, "a", "10.0.0.2")
    small = VLAN.replace("id: 10, address: 10.0.0.1/24", "id: 10, mtu: 1400, address: 10.0.0.1/24")
    stage.apply(small)
    assert {name: link(stage, "a", name)["mtu"] for name in ("eth0.10", "inner")} == {"eth0.10": 1400, "inner": 1400}
    after = stage.devices()
    assert {name for name in before if after[name] != before[name]} <= {"b:eth0.10"}
    # What goes down with the device below is drift, and is up again.
    stage.sh("a", "ip link set dev eth0 down")
    assert "~ vlan a:eth0.10" in told(stage.plan(small).plan)
    stage.apply(small)
    ping(stage, "a", "10.0.0.2")
    stage.sh("a", "ip link delete dev inner; ip link delete dev eth0.10")
    stage.apply(VLAN)
    ping(stage, "a", "10.0.0.2")


@pytest.mark.needs("vlan")
@made_up
def test_tags_of_both_sorts_and_vlans_in_a_bridge(stage: Stage) -> None:
    _applied(stage, STAGS)
    assert link(stage, "a", "outer")["linkinfo"]["info_data"]["protocol"] == "802.1ad"
    ping(stage, "a", "10.0.0.2")
    ping(stage, "a", "10.0.1.2")


@pytest.mark.needs("ipvlan")
@made_up
def test_an_ipvlan_has_the_mac_of_the_device_below(stage: Stage) -> None:
    _applied(stage, IPVLAN)
    assert link(stage, "a", "iv")["address"] == link(stage, "a", "eth0")["address"]
    ping(stage, "b", "10.0.0.3")
    before = stage.devices()
    routed = IPVLAN.replace("{dev: eth0,", "{dev: eth0, mode: l3s,")
    assert told(stage.plan(routed).plan) == ["~ ipvlan a:iv", "~ ipvlan a:iw"]
    stage.apply(routed)
    stage.sh("a", "ip link set dev iv type ipvlan mode l3")
    assert told(stage.plan(IPVLAN).plan) == ["~ ipvlan a:iv", "~ ipvlan a:iw"]
    stage.apply(IPVLAN)
    assert stage.devices() == before
    ping(stage, "b", "10.0.0.3")
    stage.sh("a", "ip link delete dev iv")
    assert told(stage.plan(IPVLAN).plan) == ["+ ipvlan a:iv", "+ address 10.0.0.3/24 on a:iv"]
    stage.apply(IPVLAN)
    ping(stage, "b", "10.0.0.3")
