"""Rules as a person types them to nft(8): Rule -> text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netlab.facts.firewall import Ports, Rule


def rule_text(rule: Rule) -> str:
    """Give the words of a rule; of one that netlab cannot say, what nftables told of it.

    >>> from netlab.facts.firewall import Rule
    >>> rule_text(Rule("dnat", local=True, protocol="tcp", ports=((8080, 8080),), to="10.0.0.1", to_ports=(80, 80)))
    'fib daddr type local tcp dport 8080 dnat ip to 10.0.0.1:80'
    >>> rule_text(Rule("masquerade", oif="eth0", source="10.0.0.0/24"))
    'oifname "eth0" ip saddr 10.0.0.0/24 masquerade'
    """
    if rule.other is not None:
        return rule.other
    words = ["ct status dnat"] if rule.translated else []
    if rule.states:
        words.append(f"ct state {','.join(rule.states)}")
    for key, name in (("iifname", rule.iif), ("oifname", rule.oif)):
        if name is not None:
            words.append(f'{key} != "{name[1:]}"' if name.startswith("!") else f'{key} "{name}"')
    for field, address in (("saddr", rule.source), ("daddr", rule.destination)):
        if address is not None:
            words.append(f"{version(address)} {field} {address}")
    if rule.local:
        words.append("fib daddr type local")
    if rule.protocol is not None:
        words.append(f"{rule.protocol} dport {_ports(rule.ports)}" if rule.ports else f"meta l4proto {rule.protocol}")
    return " ".join([*words, _verdict(rule)])


def version(address: str) -> str:
    """Name the protocol of an address as nftables does."""
    return "ip6" if ":" in address else "ip"


def _ports(ports: Ports) -> str:
    texts = [str(low) if low == high else f"{low}-{high}" for low, high in ports]
    return texts[0] if len(texts) == 1 else f"{{ {', '.join(texts)} }}"


def _verdict(rule: Rule) -> str:
    if rule.to is None:
        return rule.verdict
    to = rule.to
    if rule.to_ports is not None:
        to = f"[{to}]" if ":" in to else to
        to += f":{_ports((rule.to_ports,))}"
    return f"{rule.verdict} {version(rule.to)} to {to}"
