"""A file changed and applied again: only the difference changes, and traffic elsewhere goes on."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from netlab.names import far_end_name
from tests.kernel.second_opinion import check
from tests.kernel.stage import Stage, made_up, told
from tests.kernel.traffic import all_along

pytestmark = pytest.mark.kernel

BASE = """\
name: edits
bridges:
  lan: {address: 10.0.0.1/24}
  other: {address: 10.1.0.1/24}
netns:
  talker: {interfaces: {eth0: {bridge: lan, address: 10.0.0.11/24}}}
  hearer: {interfaces: {eth0: {bridge: lan, address: 10.0.0.12/24}}}
  east: {interfaces: {eth0: {peer: "router:e", address: 10.8.0.2/24}}, gateway: 10.8.0.1}
  router: {forwarding: true, interfaces: {e: {address: 10.8.0.1/24}, w: {peer: "west:eth0", address: 10.9.0.1/24}}}
  west: {interfaces: {eth0: {address: 10.9.0.2/24}}, gateway: 10.9.0.1}
  a: {interfaces: {eth0: {bridge: lan, address: 10.0.0.21/24}}, gateway: 10.0.0.1}
  b:
    interfaces: {eth0: {bridge: lan, address: 10.0.0.22/24}}
    routes: [{to: 172.16.0.0/16, via: 10.0.0.1}]
    sysctls: {net.ipv4.ip_default_ttl: 33, net.ipv4.conf.eth0.rp_filter: 1}
  c: {interfaces: {p: {peer: "d:p", address: 10.2.0.1/24}, q: {peer: "d:q", address: 10.3.0.1/24}}}
  d: {interfaces: {p: {address: 10.2.0.2/24}, q: {address: 10.3.0.2/24}}}
"""
#: Who talks all along: over the bridge `lan`, and through the node `router`.
WAYS = (("talker", "hearer", "10.0.0.12"), ("east", "west", "10.9.0.2"))

A_PORT = far_end_name("edits", "a", "eth0")
NEW_PORT = far_end_name("edits", "new", "eth0")
A_CABLE, NEW_CABLE = f"veth a:eth0 <-> host:{A_PORT}", f"veth host:{NEW_PORT} <-> new:eth0"
NEW = f"new:lo new:eth0 host:{NEW_PORT}"


@dataclass(frozen=True)
class Edit:
    """Texts replaced in the file, what the plan says then, and the devices that are made anew (by NODE:NAME)."""

    name: str
    replaced: tuple[tuple[str, str], ...]
    plan: tuple[str, ...]
    anew: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        text = BASE
        for old, new in self.replaced:
            assert old in text, old
            text = text.replace(old, new)
        return text


def edit(name: str, replaced: dict[str, str], plan: list[str], anew: str = "") -> Edit:
    return Edit(name, tuple(replaced.items()), tuple(plan), frozenset(anew.split()))


EDITS = [
    edit(
        "address",
        {"10.0.0.21/24": "10.0.0.31/24"},
        ["+ address 10.0.0.31/24 on a:eth0", "- address 10.0.0.21/24 on a:eth0"],
    ),
    edit(
        "second-address",
        {"address: 10.0.0.21/24": "addresses: [10.0.0.21/24, 10.0.0.31/24, 10.0.0.41/32]"},
        [
            "+ address 10.0.0.31/24 on a:eth0",
            "+ address 10.0.0.41/32 on a:eth0",
        ],
    ),
    edit("mtu", {"10.2.0.1/24": "10.2.0.1/24, mtu: 1400"}, ["~ veth c:p <-> d:p"]),
    edit("mtu-of-a-port", {"10.0.0.21/24": "10.0.0.21/24, mtu: 1400"}, [f"~ {A_CABLE}", "~ bridge host:lan"]),
    edit("mtu-of-a-bridge", {"lan: {": "lan: {mtu: 1400, "}, ["~ bridge host:lan"]),
    edit("mtu-below-ipv6", {"10.2.0.1/24": "10.2.0.1/24, mtu: 1000"}, ["~ veth c:p <-> d:p"]),
    edit("mac", {"10.0.0.21/24": '10.0.0.21/24, mac: "02:00:00:00:00:99"'}, [f"~ {A_CABLE}"]),
    edit("route", {"via: 10.0.0.1}]": "via: 10.0.0.21}]"}, ["~ route 172.16.0.0/16 via 10.0.0.21 in b"]),
    edit(
        "route-metric",
        {"via: 10.0.0.1}]": "via: 10.0.0.1, metric: 7}]"},
        [
            "+ route 172.16.0.0/16 via 10.0.0.1 in b",
            "- route 172.16.0.0/16 via 10.0.0.1 in b",
        ],
    ),
    edit("route-to-black-hole", {"via: 10.0.0.1}]": "blackhole: true}]"}, ["~ route 172.16.0.0/16 blackhole in b"]),
    edit("gateway", {"gateway: 10.0.0.1}": "gateway: 10.0.0.11}"}, ["~ route 0.0.0.0/0 via 10.0.0.11 in a"]),
    edit("no-gateway", {", gateway: 10.0.0.1}": "}"}, ["- route 0.0.0.0/0 via 10.0.0.1 in a"]),
    edit("setting", {"ttl: 33": "ttl: 44"}, ["~ settings of b"]),
    edit("setting-removed", {"net.ipv4.ip_default_ttl: 33, ": ""}, ["~ settings of b"]),
    edit("device-setting-removed", {", net.ipv4.conf.eth0.rp_filter: 1": ""}, ["- settings of b:eth0"]),
    edit(
        "device-settings-of-all-sorts",
        {"ttl: 33": "ttl: 33, net.ipv4.conf.eth0.send_redirects: 0, net.ipv4.neigh.eth0.gc_stale_time: 99"},
        [
            "~ settings of b:eth0",
        ],
    ),
    edit("default-of-devices", {"ttl: 33": "ttl: 33, net.ipv4.conf.default.arp_ignore: 1"}, ["~ settings of b"]),
    edit(
        "default-as-a-device-has-it",
        {"ttl: 33": "ttl: 33, net.ipv4.conf.default.rp_filter: 1"},
        [
            "~ settings of b",
            "- settings of b:eth0",
        ],
    ),
    edit("forwarding", {"  a: {": "  a: {forwarding: true, "}, ["~ settings of a"]),
    edit(
        "bridge-options",
        {"lan: {": "lan: {ageing: 20s, priority: 4, hello_time: 1s, max_age: 7s, forward_delay: 3s, "},
        [
            "~ bridge host:lan",
        ],
    ),
    edit("stp-on-a-bridge", {"other: {": "other: {stp: true, forward_delay: 2s, "}, ["~ bridge host:other"]),
    edit(
        "port-to-another-bridge",
        {
            "{bridge: lan, address: 10.0.0.21/24": "{bridge: other, address: 10.1.0.21/24",
            "y: 10.0.0.1}": "y: 10.1.0.1}",
        },
        [
            f"~ port host:{A_PORT} in other",
            "+ address 10.1.0.21/24 on a:eth0",
            "~ route 0.0.0.0/0 via 10.1.0.1 in a",
            "- address 10.0.0.21/24 on a:eth0",
        ],
    ),
    edit(
        "device-name",
        {'p: {peer: "d:p"': 'new: {peer: "d:p"'},
        [
            "+ veth c:new <-> d:p",
            "- veth c:p <-> d:p",
            "+ address 10.2.0.1/24 on c:new",
            "- address 10.2.0.1/24 on c:p",
            "± address 10.2.0.2/24 on d:p",
        ],
        "c:new d:p",
    ),
    edit(
        "swapped-device-names",
        {'p: {peer: "d:p"': 'new: {peer: "d:p"', 'q: {peer: "d:q"': 'p: {peer: "d:q"', "new": "q"},
        [
            "+ veth c:p <-> d:q",
            "+ veth c:q <-> d:p",
            "- veth c:p <-> d:p",
            "- veth c:q <-> d:q",
            "+ address 10.2.0.1/24 on c:q",
            "+ address 10.3.0.1/24 on c:p",
            "- address 10.2.0.1/24 on c:p",
            "- address 10.3.0.1/24 on c:q",
            "± address 10.2.0.2/24 on d:p",
            "± address 10.3.0.2/24 on d:q",
        ],
        "c:p c:q d:p d:q",
    ),
    edit(
        "bridge-name",
        {"other:": "another:"},
        [
            "+ bridge host:another",
            "- bridge host:other",
            "+ address 10.1.0.1/24 on host:another",
            "- address 10.1.0.1/24 on host:other",
        ],
        "host:another",
    ),
    edit(
        "swapped-addresses",
        {"10.0.0.21/24": "10.0.0.xx/24", "10.0.0.22/24": "10.0.0.21/24", "xx": "22"},
        [
            "+ address 10.0.0.21/24 on b:eth0",
            "+ address 10.0.0.22/24 on a:eth0",
            "- address 10.0.0.21/24 on a:eth0",
            "- address 10.0.0.22/24 on b:eth0",
            "± route 0.0.0.0/0 via 10.0.0.1 in a",
        ],
    ),
    edit(
        "address-moves",
        {"  c: {interfaces: {": "  c: {interfaces: {lo: {address: 10.0.0.21/32}, ", "10.0.0.21/24": "10.0.0.31/24"},
        [
            "+ address 10.0.0.21/32 on c:lo",
            "+ address 10.0.0.31/24 on a:eth0",
            "- address 10.0.0.21/24 on a:eth0",
        ],
    ),
    edit(
        "node-renamed",
        {"  a:": "  new:"},
        [
            "+ netns new",
            "- netns a",
            "+ settings of new",
            "- settings of a",
            "+ address 10.0.0.21/24 on new:eth0",
            "- address 10.0.0.21/24 on a:eth0",
            "+ route 0.0.0.0/0 via 10.0.0.1 in new",
            "- route 0.0.0.0/0 via 10.0.0.1 in a",
            f"+ {NEW_CABLE}",
            f"- {A_CABLE}",
            f"+ port host:{NEW_PORT} in lan",
            f"- port host:{A_PORT} in lan",
        ],
        NEW,
    ),
    edit(
        "node-with-a-cable-renamed",
        {"  c:": "  new:"},
        [
            "+ netns new",
            "- netns c",
            "+ settings of new",
            "- settings of c",
            "+ veth d:p <-> new:p",
            "+ veth d:q <-> new:q",
            "- veth c:p <-> d:p",
            "- veth c:q <-> d:q",
            "+ address 10.2.0.1/24 on new:p",
            "+ address 10.3.0.1/24 on new:q",
            "- address 10.2.0.1/24 on c:p",
            "- address 10.3.0.1/24 on c:q",
            "± address 10.2.0.2/24 on d:p",
            "± address 10.3.0.2/24 on d:q",
        ],
        "new:lo new:p new:q d:p d:q",
    ),
    edit(
        "node-added",
        {"  c:": "  new: {interfaces: {eth0: {bridge: lan, address: 10.0.0.99/24}}}\n  c:"},
        [
            "+ netns new",
            "+ settings of new",
            "+ address 10.0.0.99/24 on new:eth0",
            f"+ {NEW_CABLE}",
            f"+ port host:{NEW_PORT} in lan",
        ],
        NEW,
    ),
    edit(
        "node-removed",
        {"  a: {interfaces: {eth0: {bridge: lan, address: 10.0.0.21/24}}, gateway: 10.0.0.1}\n": ""},
        [
            "- netns a",
            "- settings of a",
            "- address 10.0.0.21/24 on a:eth0",
            "- route 0.0.0.0/0 via 10.0.0.1 in a",
            f"- {A_CABLE}",
            f"- port host:{A_PORT} in lan",
        ],
    ),
    edit(
        "ipv6-added",
        {
            "address: 10.2.0.1/24": 'addresses: [10.2.0.1/24, "fd00::1/64"]',
            "address: 10.2.0.2/24": 'addresses: [10.2.0.2/24, "fd00::2/64"]',
        },
        [
            "~ settings of c",
            "~ settings of d",
            "+ address fd00::1/64 on c:p",
            "+ address fd00::2/64 on d:p",
        ],
    ),
    edit("cable-down", {"10.2.0.1/24": "10.2.0.1/24, up: false"}, ["~ veth c:p <-> d:p"]),
    edit(
        "router-gains",
        {"address: 10.8.0.1/24": "addresses: [10.8.0.1/24, 10.8.1.1/24]"},
        ["+ address 10.8.1.1/24 on router:e"],
    ),
    edit("mtu-on-the-way", {"10.8.0.2/24": "10.8.0.2/24, mtu: 1400"}, ["~ veth east:eth0 <-> router:e"]),
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
@made_up
def test_an_edit_changes_just_that_there_and_back(stage: Stage, edit: Edit) -> None:
    stage.apply(BASE)
    before = stage.devices()
    with all_along(stage, *WAYS):
        done = stage.apply(edit.text)
        check(stage, stage.wants())
        assert sorted(told(done.plan)) == sorted(edit.plan)
        after = stage.devices()
        changed = {name for name, index in after.items() if before.get(name) != index}
        assert changed <= edit.anew, "made anew without need"
        stage.apply(BASE)
        check(stage, stage.wants())


@made_up
def test_a_renamed_node_is_said_to_be_a_delete_and_a_create(stage: Stage) -> None:
    stage.apply(BASE)
    planned = stage.plan(BASE.replace("  a:", "  new:"))
    reasons = {change.fact.label(): change.reason for change in planned.plan.changes if change.fact.family == "netns"}
    assert set(reasons) == {"netns a", "netns new"}
    assert all("a renamed node is a delete and a create" in reason for reason in reasons.values())


@made_up
def test_a_lab_keeps_its_addresses_when_a_node_comes_in_front(stage: Stage) -> None:
    before = "name: kept\nbridges: {br0: 10.0.0.0/24}\nnetns: {b: br0, c: br0}\n"
    after = before.replace("{b: br0", "{a: br0, b: br0")
    stage.apply(before)
    held = {node: stage.run(node, "ip", "-4", "-br", "address", "show", "eth0").split()[-1] for node in "bc"}
    assert held == {"b": "10.0.0.2/24", "c": "10.0.0.3/24"}
    indices = stage.devices()
    with all_along(stage, ("b", "c", "10.0.0.3")):
        done = stage.apply(after)
    (warning,) = done.warnings
    assert "a fresh apply would give a:eth0 10.0.0.2/24 (it has 10.0.0.4/24)" in str(warning)
    assert "b:eth0 10.0.0.3/24 (it has 10.0.0.2/24)" in str(warning)
    for node, address in {**held, "a": "10.0.0.4/24"}.items():
        assert stage.run(node, "ip", "-4", "-br", "address", "show", "eth0").split()[-1] == address
    assert indices.items() <= stage.devices().items()
    stage.destroy()
    stage.apply(after)
    check(stage, stage.wants())
    assert stage.run("a", "ip", "-4", "-br", "address", "show", "eth0").split()[-1] == "10.0.0.2/24"


@made_up
def test_a_setting_goes_back_to_what_it_was_before_the_first_file_named_it(stage: Stage) -> None:
    text = "name: back\nbridges: {br0: %s}\nnetns: {a: {sysctls: {%s}}}\n"
    stage.apply(text % ("", ""))
    before = (stage.run("a", "sysctl", "net.ipv4.ip_default_ttl", "net.ipv4.tcp_rmem"), stage.ip("host", "-d", "link"))
    stage.apply(text % ("{ageing: 20s}", "net.ipv4.ip_default_ttl: 33"))
    stage.apply(text % ("{ageing: 30s, stp: true}", "net.ipv4.ip_default_ttl: 44, net.ipv4.tcp_rmem: 4096 8192 16384"))
    assert stage.run("a", "sysctl", "-n", "net.ipv4.ip_default_ttl") == "44\n"
    assert stage.ip("host", "-d", "link")[1]["linkinfo"]["info_data"]["ageing_time"] == 3000
    stage.apply(text % ("", ""))
    assert stage.run("a", "sysctl", "net.ipv4.ip_default_ttl", "net.ipv4.tcp_rmem") == before[0]
    ageing = [
        link["linkinfo"]["info_data"]["ageing_time"] for link in (before[1][1], stage.ip("host", "-d", "link")[1])
    ]
    assert ageing == [30000, 30000]
