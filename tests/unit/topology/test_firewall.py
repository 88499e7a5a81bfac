"""What `nat` and `firewall` come to: the chains, the settings that they need, and what the real machine is spared."""

from __future__ import annotations

import pytest

from netlab.errors import FileError
from netlab.facts import Chain, DeviceSettings, Facts
from netlab.topology import read

GATEWAY = """
name: x
netns:
  gw:
    forwarding: true
    bridges: {br0: {subnets: [10.0.0.0/24, "fd00::/64"]}}
    nat: [NAT]
    firewall: {forward: {policy: drop, reject: [{from: 10.0.0.99}], accept: [{out: br0, tcp: [443, 80]}]}}
  a: "gw:br0"
"""


def facts_with(*entries: str) -> Facts:
    found = read(GATEWAY.replace("NAT", ", ".join(entries)), "f.yml")
    assert found.warnings == ()
    return found.facts


def chains(facts: Facts) -> dict[str, list[str]]:
    found = [fact for fact in facts.values() if isinstance(fact, Chain)]
    return {chain.name: [str(rule) for rule in chain.rules] for chain in found}


def opened(facts: Facts) -> set[str]:
    """Give the devices of gw that let 127.0.0.0/8 out."""
    settings = [fact for fact in facts.values() if isinstance(fact, DeviceSettings) and fact.node == "gw"]
    return {fact.device for fact in settings if (f"net.ipv4.conf.{fact.device}.route_localnet", "1") in fact.values}


def test_all_of_one_ip_version_is_not_all() -> None:
    facts = facts_with("masquerade: {from: 0.0.0.0/0, out: br0}", 'snat: {from: "::/0", out: br0, to: "fd00::1"}')
    assert chains(facts)["nat-postrouting"] == [
        'oifname "br0" ip saddr 0.0.0.0/0 masquerade',
        'oifname "br0" ip6 saddr ::/0 snat ip6 to fd00::1',
    ]
    every = facts_with("masquerade: {from: any, out: br0}")
    assert chains(every)["nat-postrouting"] == ['oifname "br0" masquerade']


def test_a_published_port_is_led_on_from_everywhere_and_passes_a_policy_of_drop() -> None:
    facts = facts_with('publish: {port: 8080, to: "a:80"}')
    lead = "fib daddr type local tcp dport 8080 dnat ip to 10.0.0.2:80"
    assert chains(facts) == {
        "guard": ['iifname != "lo" ip daddr 127.0.0.0/8 drop'],
        "nat-prerouting": [lead],
        "nat-output": [lead],
        "nat-postrouting": [
            "ct status dnat ip saddr 10.0.0.0/24 ip daddr 10.0.0.2 tcp dport 80 masquerade",
            'oifname != "lo" ip saddr 127.0.0.0/8 masquerade',
        ],
        "filter-forward": [
            "ip saddr 10.0.0.99 reject",
            'oifname "br0" tcp dport { 80, 443 } accept',
            "ct status dnat ip daddr 10.0.0.2 tcp dport 80 accept",
            "ct state established,related accept",
        ],
    }
    assert opened(facts) == {"br0"}


def test_a_port_of_one_address_does_not_let_loopback_out() -> None:
    facts = facts_with('publish: {address: 10.0.0.1, port: 8080, to: "a:80"}')
    assert opened(facts) == set(), "without the guard others could send to 127.0.0.0/8"
    assert "guard" not in chains(facts)
    assert opened(facts_with('publish: {address: 127.0.0.1, port: 8080, to: "a:80"}')) == {"br0"}


def test_one_port_may_lead_to_an_address_of_each_ip_version() -> None:
    four, six = '{publish: {port: 8080, to: "10.0.0.2:80"}}', '{publish: {port: 8080, to: "[fd00::2]:80"}}'
    leads = chains(facts_with(four, six))["nat-prerouting"]
    assert [rule.rpartition("dnat ")[2] for rule in leads] == ["ip to 10.0.0.2:80", "ip6 to [fd00::2]:80"]


def problems_on_the_machine(text: str) -> list[tuple[str, str]]:
    with pytest.raises(FileError) as caught:
        read(f"name: x\nforwarding: true\nbridges: {{br0: 10.0.0.0/24}}\n{text}", "f.yml", sandboxed=False)
    return [(problem.what, problem.fix or "") for problem in caught.value.problems()]


def test_the_real_machine_is_hidden_and_filtered_for_nobody_else() -> None:
    assert problems_on_the_machine("nat: [masquerade: {out: eth0}]") == [
        ("on the machine itself, netlab hides its own networks only", "add from: NETWORK")
    ]
    assert problems_on_the_machine("firewall: {forward: {policy: drop}}") == [
        (
            "a firewall of the machine itself would be everybody's",
            "add host: {sandbox: true}, or filter in a node",
        )
    ]


def test_devices_and_addresses_of_the_real_machine_are_not_known() -> None:
    text = "name: x\nforwarding: true\nbridges: {br0: 10.0.0.0/24}\nnetns: {a: br0}\nnat:\n"
    text += "  - masquerade: {from: 10.0.0.0/24, out: wlan0}\n"
    text += '  - publish: {address: 192.0.2.7, port: 8080, to: "a:80"}\n'
    found = read(text, "f.yml", sandboxed=False)
    assert found.warnings == ()
    assert chains(found.facts)["nat-postrouting"][0] == 'oifname "wlan0" ip saddr 10.0.0.0/24 masquerade'
