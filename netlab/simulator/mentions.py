"""A network -> what it says of addresses and MACs besides who has them: in routes, rules, tunnels, neighbours.

The simulator looks at an address in two ways only: is it equal to one that something mentions, is it of a prefix that
something mentions. So two addresses that are nobody's business but their holders' differ in nothing as long as the
longest prefix mentioned that they fall into is the same. (What else depends on an address has a place here too: the
ways of multipath by the lowest bits, RFC 6724's longest match by prefixes that nobody mentions.)
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface, ip_network

from netlab.facts.other_rules import OF_ADDRESSES, OtherRule, every_rule
from netlab.simulator.ears import is_own
from netlab.simulator.network import Entry, Network, Nic, Node
from netlab.simulator.packet import BITS, is_link_local, is_loopback, number_of

#: What the kernel itself tells apart: this network, loopback, groups, everybody, the link's own.
_OF_THE_KERNEL = ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "::/128", "::1/128", "fe80::/10",
                  "ff00::/8")  # fmt: skip


#: ff02::1:ff00:0/104, the groups that are asked for IPv6 addresses by their last 24 bits (RFC 4291, 2.7.1).
_SOLICITED = 0xFF02_0000_0000_0000_0000_0001_FF00_0000 >> 24


class Mentions:
    """What a network mentions.

    `mixed`: more of addresses counts than can be said, as the ways of a route have such shares that no bits of an
    address tell which is taken, or somebody filters single groups of solicited nodes.
    """

    def __init__(self, network: Network) -> None:
        self.macs: set[str] = set()
        #: The lowest bits of addresses that decide between the ways of a route.
        self.mask = 0
        self.mixed = False
        self._bases: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        texts: set[str] = set(_OF_THE_KERNEL)
        for node in network.nodes.values():
            texts.update(self._of_node(node))
        for text in texts:
            found = ip_network(text, strict=False)
            number = int(found.network_address)
            self.mixed = self.mixed or (found.prefixlen > 104 and number >> 24 == _SOLICITED)
            self._note(found.version, number, found.prefixlen)
        self._note_longest_matches(network)
        self._lengths = {version: sorted(by_length, reverse=True) for version, by_length in self._bases.items()}

    def longest(self, address: str) -> tuple[int, int]:
        """Give the length and the number of the longest prefix mentioned that an address falls into; 0 for none."""
        number, version = number_of(address), 6 if ":" in address else 4
        for length in self._lengths[version]:
            base = number >> (BITS[version] - length)
            if base in self._bases[version][length]:
                return length, base
        return 0, 0

    def _note(self, version: int, number: int, length: int) -> None:
        self._bases[version].setdefault(length, set()).add(number >> (BITS[version] - length))

    def _of_node(self, node: Node) -> Iterator[str]:
        for table in node.tables.values():
            for entry in table.entries():
                yield from self._of_entry(node, entry)
        for nic in node.devices.values():
            yield from _of_device(nic)
            self.macs.update(nic.remotes)
        for (_, address), (mac, _) in node.neighbours.items():
            yield address
            self.macs.add(mac)
        for chains in node.chains.values():
            for rule in (rule for chain in chains for rule in every_rule(chain.rules)):
                yield from (text for text in (rule.source, rule.destination, rule.to) if text is not None)
                if isinstance(rule, OtherRule):
                    yield from _of_conditions(rule)
        for choices in node.choices.values():
            for fact in (choice.fact for choice in choices if choice.fact is not None):
                yield from (text for text in (fact.source, fact.to) if text is not None)

    def _of_entry(self, node: Node, entry: Entry) -> Iterator[str]:
        if not is_own(node, entry):
            yield entry.to
        for hop in entry.hops:
            if hop.via is not None:
                yield hop.via
        if entry.source is not None and entry.source not in node.addresses:
            yield entry.source
        if len(entry.hops) > 1:
            self._note_shares(entry)

    def _note_shares(self, entry: Entry) -> None:
        """Note which bits decide between a route's ways: none that could be told unless shares are powers of two."""
        shares: dict[Nic, int] = {}
        for hop in entry.hops:
            shares[hop.nic] = shares.get(hop.nic, 0) + hop.weight
        total = sum(shares.values())
        self.mixed = self.mixed or any(share & (share - 1) for share in (total, *shares.values()))
        self.mask = max(self.mask, total - 1)

    def _note_longest_matches(self, network: Network) -> None:
        """Note all prefixes of addresses between which a sender chooses by how much they share with the destination."""
        held = {node: _globals(node) for node in network.nodes.values()}
        shortest = min((length for found in held.values() for _, _, length in found), default=128)
        for node, found in held.items():
            if len(found) > 1 and (len({nic for nic, _, _ in found}) < len(found) or _sends_unnumbered(node)):
                for _, address, length in found:
                    for less in range(shortest + 1, length):
                        self._note(6, number_of(address), less)


def _of_conditions(rule: OtherRule) -> Iterator[str]:
    for condition in rule.conditions:
        if condition.field in OF_ADDRESSES:
            yield from (value for value in condition.values if isinstance(value, str))


def _of_device(nic: Nic) -> Iterator[str]:
    for address, length in nic.addresses:
        if length < (128 if ":" in address else 32):
            yield str(ip_interface(f"{address}/{length}").network)
    for value in nic.options.values():
        if isinstance(value, str) and _is_address(value):
            yield value
    for hosts in nic.remotes.values():
        yield from hosts


def _is_address(text: str) -> bool:
    try:
        number_of(text)
    except ValueError:
        return False
    return True


def _globals(node: Node) -> list[tuple[Nic, str, int]]:
    return [
        (nic, address, length)
        for nic in node.devices.values()
        for address, length in nic.of_version(6)
        if not is_link_local(address) and not is_loopback(address)
    ]


def _sends_unnumbered(node: Node) -> bool:
    """Tell whether a node has a route by a device without an address: the source is one of another device."""
    numbered = {nic for nic, _, _ in _globals(node)}
    return any(
        entry.kind == "unicast" and any(hop.nic not in numbered for hop in entry.hops)
        for (version, _), table in node.tables.items()
        if version == 6
        for entry in table.entries()
    )
