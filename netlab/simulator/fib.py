"""Where a packet goes: policy rules, the longest prefix, the source address, and whether a source is believed.

Sources: net/ipv4/route.c (ip_route_input_slow, ip_route_output_key_hash_rcu), net/ipv4/fib_frontend.c
(__fib_validate_source), net/ipv4/devinet.c (inet_select_addr), net/ipv6/addrconf.c (ipv6_dev_get_saddr; RFC 6724),
net/core/fib_rules.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network

from netlab.simulator.network import Choice, Entry, Hop, Nic, Node, Table
from netlab.simulator.packet import BITS, Version, is_link_local, is_loopback, is_multicast, number_of

#: Kinds of routes to the node itself: an address of its own, or one that every router of a subnet has.
OWN = ("local", "anycast")
#: What a policy rule's own action ends a packet with, as kinds of routes.
_ENDS = ("blackhole", "unreachable", "prohibit")


@dataclass(frozen=True, slots=True)
class Way:
    """What a look-up found: `kind` is a route's, or none where no route matches; the route, its hop, the rule's key."""

    kind: str
    entry: Entry | None = None
    hop: Hop | None = None
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked up: addresses, and the device that the packet came in by; None for the node's own."""

    version: Version
    destination: str
    source: str | None = None
    into: Nic | None = None
    #: The device that the sender is bound to, or that a link-local address is on.
    out: Nic | None = None
    #: The device to take where routes are equal (IPv6: rt6_check_dev).
    rather: Nic | None = None


def look_up(node: Node, asked: Asked) -> Way:
    """Find the way of a packet: rule by rule, in each table the longest prefix; a table without one is passed over."""
    number, bits = number_of(asked.destination), BITS[asked.version]
    for choice in node.choices[asked.version]:
        if not _fits(choice, asked):
            continue
        if choice.action != "table":
            return Way(choice.action, choice=choice)
        table = node.tables.get((asked.version, _table_of(choice, asked)))
        if table is None:
            continue
        for entry in table.matches(number, bits):
            if asked.out is not None and entry.hops and not _goes_out(entry, asked.out):
                continue
            entry = _rather(table, entry, asked, number, bits)
            return Way(entry.kind, entry, _hop_of(entry, asked), choice)
    return Way("none")


def _rather(table: Table, entry: Entry, asked: Asked, number: int, bits: int) -> Entry:
    """Give the route by the device that is preferred, if there is one as good."""
    if asked.rather is None or any(hop.nic is asked.rather for hop in entry.hops):
        return entry
    for other in table.matches(number, bits):
        as_good = (other.length, other.metric, other.kind) == (entry.length, entry.metric, entry.kind)
        if as_good and any(hop.nic is asked.rather for hop in other.hops):
            return other
    return entry


def _goes_out(entry: Entry, out: Nic) -> bool:
    return any(hop.nic is out or hop.nic.master is out for hop in entry.hops) or entry.kind in OWN


def _table_of(choice: Choice, asked: Asked) -> int:
    vrf = _vrf_of(asked) if choice.of_vrf else None
    return choice.table if vrf is None else int(vrf.options["table"])


def _vrf_of(asked: Asked) -> Nic | None:
    for nic in (asked.out, asked.into):
        if nic is not None and nic.vrf is not None:
            return nic.vrf
    return None


def _fits(choice: Choice, asked: Asked) -> bool:
    if choice.of_vrf:
        return _vrf_of(asked) is not None
    rule = choice.fact
    if rule is None:
        return True
    if rule.source is not None and (asked.source is None or not within(asked.source, rule.source)):
        return False
    if rule.to is not None and not within(asked.destination, rule.to):
        return False
    if rule.iif is not None and rule.iif != ("lo" if asked.into is None else asked.into.name):
        return False
    if rule.oif is not None and (asked.out is None or rule.oif != asked.out.name):
        return False
    # Nothing of a lab marks packets: a rule fits if it takes the mark 0.
    return rule.mark is None or _takes_zero(rule.mark)


def _takes_zero(mark: str) -> bool:
    value, _, mask = mark.partition("/")
    return int(value, 0) & (int(mask, 0) if mask else 0xFFFFFFFF) == 0


@lru_cache(maxsize=65536)
def _network(text: str) -> tuple[int, int, int]:
    network = ip_network(text, strict=False)
    return (
        network.version,
        int(network.network_address) >> (network.max_prefixlen - network.prefixlen),
        (network.max_prefixlen - network.prefixlen),
    )


def within(address: str, network: str) -> bool:
    """Tell whether an address is of a network, or is that address.

    >>> within("10.0.0.7", "10.0.0.0/24"), within("fd00::1", "0.0.0.0/0")
    (True, False)
    """
    version, base, shift = _network(network)
    return (6 if ":" in address else 4) == version and number_of(address) >> shift == base


def _hop_of(entry: Entry, asked: Asked) -> Hop | None:
    """Choose one of a route's ways: which one the kernel's hash takes nobody can tell, but always one for two ends."""
    hops = entry.hops
    if asked.out is not None and len(hops) > 1:
        hops = tuple(hop for hop in hops if hop.nic is asked.out) or hops
    if len(hops) < 2:
        return hops[0] if hops else None
    ends = (number_of(asked.source) if asked.source else 0) ^ number_of(asked.destination)
    weights = [hop for hop in hops for _ in range(hop.weight)]
    return weights[ends % len(weights)]


# -- sources


def source_for(node: Node, way: Way, destination: str, version: Version) -> str | None:
    """Give the address that a packet of the node's own leaves with; None where it has none to give."""
    assert way.hop is not None
    entry, hop = way.entry, way.hop
    if entry is not None and entry.source is not None:
        return entry.source
    if way.kind == "local":
        return destination
    if version == 6:
        return choose_source(node, hop.nic, destination)
    # Without a gateway, the first address of the device (fib_info_update_nhc_saddr).
    return select_address(node, hop.nic, hop.via)


def select_address(node: Node, nic: Nic, near: str | None, on_link: bool = False) -> str | None:
    """Give the first own address of a device whose network holds `near`, else its first, else another device's.

    `on_link`: addresses that only the link knows count too (RT_SCOPE_LINK).
    """
    found = None
    for address, length in _primaries(nic):
        if nic.kind == "lo" and is_loopback(address) and not on_link:
            continue
        if near is None or number_of(address) >> (32 - length) == number_of(near) >> (32 - length):
            return address
        found = found or address
    if found is not None:
        return found
    for other in _siblings(node, nic):
        for address, _ in _primaries(other):
            if not is_loopback(address):
                return address
    return None


def _siblings(node: Node, nic: Nic) -> Iterator[Nic]:
    """Give the other devices of a node that share a device's routes."""
    return (other for other in node.devices.values() if other is not nic and other.vrf is nic.vrf and other.up)


def _primaries(nic: Nic) -> Iterator[tuple[str, int]]:
    seen = set()
    for address, length in nic.of_version(4):
        network = (number_of(address) >> (32 - length), length)
        if network not in seen:
            seen.add(network)
            yield address, length


def choose_source(node: Node, nic: Nic, destination: str) -> str | None:
    """Choose by RFC 6724, section 5: the address itself, its scope, the device that it leaves by, the longest match."""
    wanted = _scope(destination)
    best: tuple[tuple[int, ...], str] | None = None
    for other in (nic, *_siblings(node, nic)):
        if not other.speaks(6):
            continue
        for address, length in reversed(_all_ipv6(other)):  # the newest is looked at first
            if other is not nic and (_scope(address) < wanted or _scope(address) == 1 or wanted < _GLOBAL):
                continue
            scope = _scope(address)
            fits = -abs(scope - wanted) if scope >= wanted else -100 + scope
            score = (int(address == destination), fits, int(other is nic), _common(address, destination, length))
            if best is None or score > best[0]:
                best = (score, address)
    return best[1] if best is not None else None


#: Scopes: of the node, of the link, global (RFC 4007).
_GLOBAL = 14


def _scope(address: str) -> int:
    if is_multicast(address):
        return number_of(address) >> 112 & 15
    return 1 if is_loopback(address) else 2 if is_link_local(address) else _GLOBAL


def _all_ipv6(nic: Nic) -> list[tuple[str, int]]:
    own = [(address, 64) for address, holder in nic.node.addresses.items() if holder is nic and is_link_local(address)]
    return [*own, *nic.of_version(6)]


def _common(one: str, other: str, most: int) -> int:
    return min(128 - (number_of(one) ^ number_of(other)).bit_length(), most)


# -- whether a source is believed


def doubt_source(node: Node, into: Nic, source: str, destination: str, out: Nic | None) -> str | None:
    """Say why a packet's source is not believed: `martian` or `rp-filter`; None where it is (IPv4 only).

    `out` is the device that it would leave by, None where it is for the node itself.
    """
    filtering = node.setting(into, "rp_filter")
    accepts_own = node.setting(into, "accept_local") > 0
    custom = any(choice.fact is not None or choice.of_vrf for choice in node.choices[4])
    returns = out is into and node.setting(into, "send_redirects") > 0
    if not filtering and not returns:
        if accepts_own:
            return None
        if not custom:
            return "martian" if source in node.addresses else None
    # The question is asked as if the answer came in by the device that the packet goes out by (flowi4_iif).
    way = look_up(node, Asked(4, source, destination, into=into.vrf or out))
    if way.kind == "none" or way.kind in _ENDS:
        return "rp-filter" if filtering else None
    if way.kind != "unicast" and (way.kind != "local" or not accepts_own):
        return "martian"
    assert way.entry is not None
    if any(hop.nic is into for hop in way.entry.hops):
        return None
    if not into.of_version(4):
        return "rp-filter" if filtering else None
    if filtering == 1:
        return "rp-filter"
    return None


def is_martian(node: Node, into: Nic, source: str, destination: str) -> bool:
    """Tell whether a packet from outside has addresses that none may have (ip_route_input_slow)."""
    number = number_of(source)
    if is_multicast(source) or number == 0xFFFFFFFF or (number >> 24 == 0 and number != 0):
        return True
    local = node.setting(into, "route_localnet") > 0
    if number == 0 or number_of(destination) >> 24 == 0:
        return True
    return not local and into.kind != "lo" and (is_loopback(source) or is_loopback(destination))
