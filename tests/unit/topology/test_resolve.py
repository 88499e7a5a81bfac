"""What a file means, as facts: short forms, addresses, routes, settings."""

from pathlib import Path
from typing import TypeVar

import pytest

from netlab.errors import FileError, Problem
from netlab.facts import Address, Bridge, Chain, DeviceSettings, Fact, Namespace, Port, Program, Route, Settings, Veth
from netlab.facts.firewall import rule_key
from netlab.names import derived_mac, far_end_name
from netlab.topology import read
from netlab.topology.lab import Lab

F = TypeVar("F", bound=Fact)
TOPOLOGIES = sorted((Path(__file__).parents[3] / "topologies").glob("*.yml"))


def lab(text: str, **options: object) -> Lab:
    return read("name: x\n" + text, "f.yml", **options)  # type: ignore[arg-type]


def of(found: Lab, family: type[F]) -> list[F]:
    return [fact for fact in found.facts.values() if isinstance(fact, family)]


def problems(text: str, **options: object) -> list[Problem]:
    with pytest.raises(FileError) as caught:
        lab(text, **options)
    return list(caught.value.problems())


def codes(text: str, **options: object) -> list[str]:
    return [problem.code for problem in problems(text, **options)]


def addresses(found: Lab, node: str) -> list[str]:
    return [fact.address for fact in of(found, Address) if fact.node == node]


def routes(found: Lab, node: str) -> list[tuple[str, str | None, str | None]]:
    return [(fact.to, fact.via, fact.device) for fact in of(found, Route) if fact.node == node]


# --- forms ---


@pytest.mark.parametrize(
    "full",
    [
        "  ns0: {bridge: br0}",
        "  ns0: [br0]",
        "  ns0: {bridge: [br0]}",
        "  ns0: {interfaces: {eth0: {bridge: br0}}, gateway: auto}",
        "  ns0: {interfaces: {eth0: br0}, gateway: auto}",
        '  ns0: {interfaces: {eth0: {bridge: "host:br0"}}, gateway: [auto]}',
    ],
)
def test_the_short_form_is_the_full_form(full: str) -> None:
    short = lab("bridges: {br0: 10.0.0.0/24}\nnetns:\n  ns0: br0\n")
    assert lab(f"bridges: {{br0: 10.0.0.0/24}}\nnetns:\n{full}\n").facts == short.facts


@pytest.mark.parametrize(
    "other",
    [
        "host: {bridges: {br0: {subnet: 10.0.0.0/24}}}",
        "bridges: {br0: {subnets: [10.0.0.0/24]}}",
        "bridges: {br0: {address: 10.0.0.1/24}}",
        "bridges: {br0: 10.0.0.1/24}",
        "bridges: {br0: {addresses: [10.0.0.1/24]}}",
        "bridges: {br0: }\ninterfaces: {br0: {address: 10.0.0.1/24}}",
    ],
)
def test_ways_to_say_a_bridge_with_a_subnet(other: str) -> None:
    short = lab("bridges: {br0: 10.0.0.0/24}\nnetns: {ns0: br0}\n")
    assert lab(f"{other}\nnetns: {{ns0: br0}}\n").facts == short.facts


def test_the_far_end_is_named_and_plugged_in() -> None:
    found = lab("bridges: {br0: 10.0.0.0/24}\nnetns: {ns0: br0}\n")
    far = far_end_name("x", "ns0", "eth0")
    (pair,) = of(found, Veth)
    assert {(pair.a.node, pair.a.name), (pair.b.node, pair.b.name)} == {("host", far), ("ns0", "eth0")}
    assert pair.b.mac == derived_mac("x", "ns0", "eth0")
    assert of(found, Port) == [Port("host", far, "br0")]


def test_a_list_of_bridges_is_one_device_each_and_the_first_gives_the_gateway() -> None:
    found = lab("bridges: {a: 10.1.0.0/24, b: 10.2.0.0/24}\nnetns: {ns0: [b, a]}\n")
    assert addresses(found, "ns0") == ["10.2.0.2/24", "10.1.0.2/24"]
    assert routes(found, "ns0") == [("0.0.0.0/0", "10.2.0.1", "eth0")]


def test_ranges() -> None:
    found = lab("netns:\n  ns{8..10}:\n  p{08..10}:\n  r{0..1}x{0..1}:\n")
    assert found.nodes == ("host", "ns8", "ns9", "ns10", "p08", "p09", "p10", "r0x0", "r0x1", "r1x0", "r1x1")


def test_the_top_level_and_host_are_one() -> None:
    found = lab("bridges: {a: 10.1.0.0/24}\nhost:\n  forwarding: true\n  bridges: {b: 10.2.0.0/24}\n")
    assert [bridge.name for bridge in of(found, Bridge)] == ["a", "b"]
    assert next(s for s in of(found, Settings) if s.node == "host").values[0] == ("net.ipv4.ip_forward", "1")


def test_a_cable_may_be_told_from_one_end_or_from_both() -> None:
    one = lab('netns:\n  a: {interfaces: {eth0: {peer: "b:eth1", mtu: 1400}}}\n  b:\n')
    both = lab(
        'netns:\n  a: {interfaces: {eth0: {peer: "b:eth1", mtu: 1400}}}\n  b: {interfaces: {eth1: {peer: "a:eth0"}}}\n'
    )
    assert one.facts == both.facts
    (pair,) = of(one, Veth)
    assert (pair.a.name, pair.a.mtu, pair.b.name, pair.b.mtu) == ("eth0", 1400, "eth1", 1400)


def test_a_bridge_inside_a_node() -> None:
    found = lab('netns:\n  m: {bridges: {br0: 10.0.0.0/24}}\n  p: {interfaces: {eth0: {bridge: "m:br0"}}}\n')
    assert [port.node for port in of(found, Port)] == ["m"]
    assert found.subnets == {("m", "br0"): "10.0.0.0/24"}
    assert routes(found, "p") == []  # The full form has no gateway unless it asks for one.


def test_interfaces_add_addresses_to_devices_that_are_made_elsewhere() -> None:
    found = lab(
        "netns: {ns0: {interfaces: {lo: {address: 192.0.2.1/32}, v1: {address: 10.3.0.1/24}}}}\n"
        "veths: [[{netns: ns0, name: v1}, {name: v0, address: 10.3.0.2/24}]]\n"
    )
    assert {(a.node, a.device, a.address) for a in of(found, Address)} == {
        ("ns0", "lo", "192.0.2.1/32"),
        ("ns0", "v1", "10.3.0.1/24"),
        ("host", "v0", "10.3.0.2/24"),
    }


def test_programs_and_names_that_look_like_numbers() -> None:
    found = lab("netns: {7: {run: [sleep 5, sleep 6]}}\n")
    assert of(found, Program) == [Program("7", "sleep 5"), Program("7", "sleep 6")]


# --- devices ---


def test_bridge_options_in_the_kernels_units() -> None:
    found = lab(
        "bridges: {br0: {stp: true, forward_delay: 2.5s, hello_time: 1, max_age: 6s, ageing: 200ms, priority: 7}}\n"
    )
    (bridge,) = of(found, Bridge)
    assert (bridge.stp, bridge.forward_delay, bridge.hello_time, bridge.max_age) == (True, 250, 100, 600)
    assert (bridge.ageing_time, bridge.priority, bridge.vlan_filtering) == (20, 7, None)


def test_a_plain_bridge_says_no_more_than_it_must() -> None:
    (bridge,) = of(lab("bridges: {br0: }\n"), Bridge)
    assert bridge == Bridge("host", "br0", derived_mac("x", "host", "br0"), 1500, stp=False)


def test_a_bridge_has_the_mtu_of_its_smallest_port() -> None:
    text = "bridges: {br0: 10.0.0.0/24}\nnetns:\n  a: {interfaces: {eth0: {bridge: br0, mtu: 1400}}}\n  b: br0\n"
    found = lab(text)
    (bridge,) = of(found, Bridge)
    assert bridge.mtu == 1400
    assert sorted((pair.a.mtu or 0, pair.b.mtu or 0) for pair in of(found, Veth)) == [(1400, 1400), (1500, 1500)]
    given = lab(text.replace("10.0.0.0/24", "{subnet: 10.0.0.0/24, mtu: 1300}"))
    assert of(given, Bridge)[0].mtu == 1300


def test_macs_are_normal() -> None:
    found = lab('bridges: {br0: {mac: "02-AB-00-00-00-01"}}\n')
    assert of(found, Bridge)[0].mac == "02:ab:00:00:00:01"


# --- addresses ---


def test_explicit_addresses_are_reserved_first() -> None:
    found = lab(
        "bridges: {br0: 10.0.0.0/29}\nnetns:\n  a: br0\n  b: br0\n"
        "  c: {interfaces: {eth0: {bridge: br0, address: 10.0.0.1/29}}}\n"
    )
    assert addresses(found, "host") == ["10.0.0.2/29"]
    assert addresses(found, "a") == ["10.0.0.3/29"]


def test_file_order_counts_veths_too() -> None:
    veths = "veths: [[{netns: a, name: e0}, {bridge: br0, name: p0}]]\n"
    netns = "netns:\n  a:\n  b: br0\n"
    bridges = "bridges: {br0: 10.0.0.0/24}\n"
    assert addresses(lab(bridges + veths + netns), "a") == ["10.0.0.2/24"]
    assert addresses(lab(bridges + netns + veths), "a") == ["10.0.0.3/24"]


def test_an_applied_lab_keeps_its_addresses_and_newcomers_take_the_lowest_free() -> None:
    before = lab("bridges: {br0: 10.0.0.0/24}\nnetns:\n  a: br0\n  b: br0\n  c: br0\n")
    text = "bridges: {br0: 10.0.0.0/24}\nnetns:\n  new0: br0\n  a: br0\n  c: br0\n  new1: br0\n"
    after = lab(text, held=before.allocated)
    assert [addresses(after, node) for node in ("a", "c", "new0", "new1")] == [
        ["10.0.0.2/24"],
        ["10.0.0.4/24"],
        ["10.0.0.3/24"],
        ["10.0.0.5/24"],
    ]
    (warning,) = after.warnings
    assert (warning.code, warning.severity) == ("renumbering", "warning")
    assert "a:eth0 10.0.0.3/24 (it has 10.0.0.2/24)" in warning.what
    assert lab(text, held=after.allocated).facts == after.facts


def test_held_addresses_that_no_longer_fit_are_let_go() -> None:
    text = "bridges: {br0: 10.5.0.0/24}\nnetns:\n  a: br0\n"
    fresh = lab(text)
    for held in ("10.0.0.9/24", "10.5.0.9/16", "10.5.0.255/24", "10.5.0.0/24", "rubbish", ""):
        assert lab(text, held={("a", "eth0"): held}).facts == fresh.facts
    taken = (
        "bridges: {br0: 10.5.0.0/24}\nnetns:\n  a: br0\n  b: {interfaces: {e: {bridge: br0, address: 10.5.0.9/24}}}\n"
    )
    assert addresses(lab(taken, held={("a", "eth0"): "10.5.0.9/24"}), "a") == ["10.5.0.2/24"]


def test_dual_stack_gives_one_of_each_and_both_are_held() -> None:
    text = 'bridges: {br0: {subnets: [10.0.0.0/24, "fd00::/64"]}}\nnetns: {a: br0, b: br0}\n'
    found = lab(text)
    assert addresses(found, "b") == ["10.0.0.3/24", "fd00::3/64"]
    assert routes(found, "b") == [("0.0.0.0/0", "10.0.0.1", "eth0"), ("::/0", "fd00::1", "eth0")]
    assert found.allocated["b", "eth0"] == "10.0.0.3/24 fd00::3/64"
    alone = lab(text.replace("a: br0, ", ""), held=found.allocated)
    assert addresses(alone, "b") == ["10.0.0.3/24", "fd00::3/64"]


def test_small_subnets() -> None:
    assert addresses(lab("bridges: {br0: 10.0.0.0/31}\nnetns: {a: br0}\n"), "a") == ["10.0.0.1/31"]
    assert addresses(lab('bridges: {br0: "fd00::/127"}\nnetns: {a: br0}\n'), "a") == ["fd00::1/127"]
    assert codes("bridges: {br0: 10.0.0.0/30}\nnetns: {a: br0, b: br0}\n") == ["exhausted"]


def test_none_gives_none() -> None:
    found = lab(
        "bridges: {br0: {subnet: 10.0.0.0/24, address: none}}\n"
        "netns:\n  a: br0\n  b: {interfaces: {eth0: {bridge: br0, address: none}}}\n"
    )
    assert (addresses(found, "host"), addresses(found, "a"), addresses(found, "b")) == ([], ["10.0.0.1/24"], [])
    assert routes(found, "a") == []


def test_no_prefix_length_is_a_single_address() -> None:
    found = lab('netns: {a: {interfaces: {lo: {addresses: [192.0.2.1, "FD00:0::1"]}}}}\n')
    assert addresses(found, "a") == ["192.0.2.1/32", "fd00::1/128"]


def test_one_address_on_two_links_is_a_warning_and_on_one_an_error() -> None:
    bridges = "bridges: {a: {}, b: {}}\nnetns:\n"
    node = "  n{0}: {{interfaces: {{eth0: {{bridge: {1}, address: 10.0.0.1/24}}}}}}\n"
    assert [w.code for w in lab(bridges + node.format(0, "a") + node.format(1, "b")).warnings] == ["duplicate-address"]
    assert codes(bridges + node.format(0, "a") + node.format(1, "a")) == ["duplicate-address"]
    joined = "veths: [[{bridge: a, name: x}, {bridge: b, name: y}]]\n"
    assert codes(joined + bridges + node.format(0, "a") + node.format(1, "b")) == ["duplicate-address"]


# --- routes ---

R1 = "bridges: {{br0: 10.0.0.0/24}}\nnetns:\n  ns0: {{bridge: br0, gateway: none, routes: [{0}]}}\n"


@pytest.mark.parametrize(
    ("route", "fact"),
    [
        ("{to: default, via: 10.0.0.1}", Route("ns0", "0.0.0.0/0", "10.0.0.1", "eth0")),
        ("{to: default, via: host}", Route("ns0", "0.0.0.0/0", "10.0.0.1", "eth0")),
        ("{to: 10.9.0.0/16, via: 10.0.0.1, metric: 7}", Route("ns0", "10.9.0.0/16", "10.0.0.1", "eth0", metric=7)),
        ("{to: 10.9.9.9, via: 10.0.0.1}", Route("ns0", "10.9.9.9/32", "10.0.0.1", "eth0")),
        ("{to: 10.9.0.0/16, dev: eth0}", Route("ns0", "10.9.0.0/16", None, "eth0")),
        ("{to: 10.9.0.0/16, blackhole: true}", Route("ns0", "10.9.0.0/16", kind="blackhole")),
        ("{to: default, prohibit: true, table: 9}", Route("ns0", "0.0.0.0/0", kind="prohibit", table=9)),
        (
            "{to: 10.9.0.0/16, via: 172.16.0.1, dev: eth0, onlink: true, mtu: 1300, source: 10.0.0.2}",
            Route("ns0", "10.9.0.0/16", "172.16.0.1", "eth0", onlink=True, mtu=1300, source="10.0.0.2"),
        ),
        ("{to: default, via: 10.0.0.1, table: main}", Route("ns0", "0.0.0.0/0", "10.0.0.1", "eth0")),
    ],
)
def test_routes(route: str, fact: Route) -> None:
    assert of(lab(R1.format(route)), Route) == [fact]


def test_a_route_without_a_gateway_puts_a_gateway_on_the_link() -> None:
    text = R1.format("{to: 172.16.0.0/24, dev: eth0}, {to: default, via: 172.16.0.1}")
    assert routes(lab(text), "ns0")[1] == ("0.0.0.0/0", "172.16.0.1", "eth0")


def test_the_default_metric_of_ipv6_is_the_default() -> None:
    text = R1.format('{to: default, via: "fd00::1", metric: 1024}').replace("10.0.0.0/24", '"fd00::/64"')
    assert of(lab(text), Route) == [Route("ns0", "::/0", "fd00::1", "eth0")]


def test_gateway_of_both_versions() -> None:
    bridges = 'bridges: {br0: {subnets: [10.0.0.0/24, "fd00::/64"]}}\n'
    text = bridges + 'netns: {ns0: {bridge: br0, gateway: [10.0.0.1, "fd00:0::1"]}}\n'
    assert routes(lab(text), "ns0") == [("0.0.0.0/0", "10.0.0.1", "eth0"), ("::/0", "fd00::1", "eth0")]


def test_a_bridge_without_an_address_gives_no_gateway() -> None:
    assert routes(lab("bridges: {br0: }\nnetns: {ns0: br0}\n"), "ns0") == []


# --- settings ---


def settings(found: Lab, node: str) -> dict[str, str]:
    return dict(next(one.values for one in of(found, Settings) if one.node == node))


def test_nodes_of_one_kind_share_their_settings() -> None:
    found = lab(
        "bridges: {br0: 10.0.0.0/24}\nnetns: {ns{0..9}: br0, r: {forwarding: true}}\n".replace("ns{0..9}", '"ns{0..9}"')
    )
    by_node = {one.node: one.values for one in of(found, Settings)}
    assert by_node["ns0"] is by_node["ns9"]
    assert "net.bridge.bridge-nf-call-iptables" in dict(by_node["host"])
    assert "net.bridge.bridge-nf-call-iptables" not in dict(by_node["ns0"])
    assert by_node["r"][0] == ("net.ipv4.ip_forward", "1")


def test_the_order_of_writing() -> None:
    found = lab('netns: {r: {forwarding: true, interfaces: {lo: {address: "fd00::1"}}}}\n')
    names = list(settings(found, "r"))
    assert names[0] == "net.ipv4.ip_forward"
    ipv6 = [name for name in names if name.startswith("net.ipv6.")]
    assert ipv6[0] == "net.ipv6.conf.all.forwarding"
    # Duplicate detection is off before IPv6 is on, and makes link-local addresses.
    assert ipv6[1:4] == [f"net.ipv6.conf.{n}" for n in ("all.accept_dad", "default.accept_dad", "all.disable_ipv6")]
    assert settings(found, "r")["net.ipv6.conf.all.forwarding"] == "1"
    assert settings(found, "r")["net.ipv6.conf.all.disable_ipv6"] == "0"


def test_ipv6_is_off_in_a_node_without_it() -> None:
    found = lab("netns: {a: , b: {ipv6: true}}\n")
    assert settings(found, "a")["net.ipv6.conf.all.disable_ipv6"] == "1"
    assert "net.ipv6.conf.all.accept_ra" not in settings(found, "a")
    assert settings(found, "b")["net.ipv6.conf.all.disable_ipv6"] == "0"
    assert settings(found, "b")["net.ipv6.conf.all.accept_ra"] == "0"


def test_sysctls_replace_and_add() -> None:
    found = lab(
        "netns:\n  a:\n    sysctls:\n"
        "      net.ipv4.conf.all.rp_filter: 1\n      net.ipv4.tcp_rmem: '4096  87380 6291456'\n"
    )
    values = settings(found, "a")
    assert values["net.ipv4.conf.all.rp_filter"] == "1"
    assert values["net.ipv4.tcp_rmem"] == "4096\t87380\t6291456"
    assert list(values)[1] == "net.ipv4.conf.all.rp_filter"


def test_sysctls_of_a_device() -> None:
    found = lab(
        "bridges: {br0: 10.0.0.0/24}\nnetns:\n  a:\n    bridge: br0\n    sysctls:\n"
        "      net.ipv4.conf.eth0.rp_filter: 2\n      net.ipv4.conf.eth0.arp_ignore: 0\n"
        "      net.ipv4.neigh.eth0.gc_stale_time: 5\n"
    )
    assert of(found, DeviceSettings) == [
        DeviceSettings("a", "eth0", (("net.ipv4.conf.eth0.rp_filter", "2"), ("net.ipv4.neigh.eth0.gc_stale_time", "5")))
    ]


def test_the_real_machine_gets_only_what_the_file_asks() -> None:
    text = "bridges: {br0: 10.0.0.0/24}\nnetns: {a: br0}\n"
    plain = lab(text, sandboxed=False)
    assert [one.node for one in of(plain, Settings)] == ["a"]
    assert [one.node for one in of(plain, Namespace)] == ["a"]
    assert plain.nodes == ("host", "a")
    asked = lab("forwarding: true\nsysctls: {net.core.somaxconn: 512}\n" + text, sandboxed=False)
    assert settings(asked, "host") == {"net.ipv4.ip_forward": "1", "net.core.somaxconn": "512"}
    both = lab('forwarding: true\nbridges: {br0: "fd00::/64"}\n', sandboxed=False)
    assert settings(both, "host") == {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}


def test_a_file_may_demand_a_sandbox() -> None:
    assert lab("host: {sandbox: true}\n", sandboxed=True).sandbox
    # Where it lives is not the file's to say: who resolves it for the machine gets no namespace of its own.
    assert of(lab("host: {sandbox: true}\n", sandboxed=False), Namespace) == []


def test_programs_never_run_on_the_machine_itself() -> None:
    assert of(lab("run: sleep 9\n"), Program) == [Program("host", "sleep 9")]
    assert codes("run: sleep 9\n", sandboxed=False) == ["run"]


# --- problems, origins, examples ---


def test_every_problem_at_once_in_file_order() -> None:
    found = problems(
        "bridges: {br0: 10.0.0.0/24}\nnetns:\n  a: br1\n"
        "  b: {interfaces: {eth0: {bridge: br0, address: 10.1.0.1/24}}, gateway: 10.0.0.1}\n"
        "checks:\n  - ping: a -> zz\n"
    )
    assert [(p.code, p.span.line if p.span else 0) for p in found] == [
        ("unknown-bridge", 4),
        ("outside", 5),
        ("gateway-off-link", 5),
        ("unknown-node", 7),
    ]


def test_a_fault_of_a_range_is_told_once() -> None:
    assert codes("netns:\n  ns{0..999}: br0\n") == ["unknown-bridge"]


def test_warnings_do_not_stop_a_lab() -> None:
    text = "bridges: {a: 10.0.0.0/24, b: 10.1.0.0/24}\nnetns: {x: a, y: b}\nchecks: [{ping: x -> y}]\n"
    assert [(w.code, w.severity) for w in lab(text).warnings] == [("forwarding-off", "warning")]
    assert lab("host: {forwarding: true}\n" + text).warnings == ()


def test_every_fact_knows_its_line() -> None:
    text = (
        "bridges:\n  br0: 10.0.0.0/24\nnetns:\n  ns0:\n    interfaces:\n"
        "      eth0: {bridge: br0, address: 10.0.0.9/24}\n"
        "    gateway: auto\n    routes:\n      - {to: 10.9.0.0/16, blackhole: true}\n    run: [sleep 9]\n"
        "    sysctls:\n      net.ipv4.conf.eth0.rp_filter: 1\n"
    )
    found = lab(text)
    lines = {fact.label(): found.origin[key].line for key, fact in found.facts.items()}
    far = far_end_name("x", "ns0", "eth0")
    assert lines == {
        "netns host": 1,
        "netns ns0": 5,
        "settings of host": 1,
        "settings of ns0": 5,
        "bridge host:br0": 3,
        f"veth host:{far} <-> ns0:eth0": 7,
        f"port host:{far} in br0": 7,
        "address 10.0.0.1/24 on host:br0": 3,
        "address 10.0.0.9/24 on ns0:eth0": 7,
        "settings of ns0:eth0": 13,
        "route 0.0.0.0/0 via 10.0.0.1 in ns0": 8,
        "route 10.9.0.0/16 blackhole in ns0": 10,
        "program 'sleep 9' in ns0": 11,
    }


@pytest.mark.parametrize("path", TOPOLOGIES, ids=lambda path: path.stem)
def test_every_example_reads_without_a_warning(path: Path) -> None:
    text = path.read_text()
    found = read(text, str(path))
    assert found.name == path.stem
    assert found.warnings == ()
    assert found.checks
    chains = [fact for fact in found.facts.values() if isinstance(fact, Chain)]
    assert set(found.origin) == {*found.facts, *(rule_key(chain, rule) for chain in chains for rule in chain.rules)}
    assert text.startswith("# ")


def test_there_are_examples() -> None:
    assert len(TOPOLOGIES) >= 10
