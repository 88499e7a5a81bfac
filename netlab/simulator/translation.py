"""Addresses and ports that are translated: chosen for the first packet of a connection, undone for its answers.

Sources: net/netfilter/nf_nat_core.c, nf_nat_proto.c (ICMP errors are translated with what they quote).
"""

from __future__ import annotations

from dataclasses import replace

from netlab.facts import Chain, Rule
from netlab.simulator.connections import Connection, Connections, Tracked, Tuple, inverse
from netlab.simulator.matching import OF_DESTINATION, Hook, deciding
from netlab.simulator.network import Node
from netlab.simulator.packet import Packet

#: What was translated, by which rule of which chain, in words; by none where it is undone.
Translations = list[tuple[Chain | None, Rule | None, str]]


def choose(
    node: Node,
    connections: Connections,
    tracked: Tracked,
    packet: Packet,
    chain: Chain,
    hook: Hook,
) -> tuple[str, Rule | None]:
    """Let the first packet of a connection choose its translation at this hook, and be dropped (nf_nat_inet_fn)."""
    connection = tracked.connection
    done = connection.destination_by if hook.name in OF_DESTINATION else connection.source_by
    if done is not None:
        return "accept", None
    rule = deciding(node, tracked, packet, chain.rules, hook)
    if rule is None:
        return chain.policy, None
    source, destination, protocol, sport, dport = connection.reply
    if rule.verdict in ("dnat", "redirect"):
        to = _destination(rule, packet, hook)
        if to is None:
            return "drop", rule  # there is no address to redirect to
        port = _port_in(rule, packet.dport)
        connection.reply = (to, destination, protocol, port, dport)
        connection.translated_destination = (to, port) != (packet.destination, packet.dport)
        connection.destination_by = chain, rule
    elif rule.verdict in ("masquerade", "snat"):
        to = rule.to if rule.verdict == "snat" else hook.masquerade()
        if to is not None:
            connection.reply = _free(connections, (source, to, protocol, sport, dport))
            connection.translated_source, connection.source_by = to != packet.source, (chain, rule)
    elif rule.verdict in ("drop", "reject"):
        return rule.verdict, rule
    return "accept", None


def _destination(rule: Rule, packet: Packet, hook: Hook) -> str | None:
    """Give the destination that a rule asks for; redirected is to the node itself (nf_nat_redirect.c)."""
    if rule.verdict == "dnat":
        return rule.to
    if hook.into is None:
        return "127.0.0.1" if packet.version == 4 else "::1"
    held = (address for address, _ in hook.into.addresses)
    return next((address for address in held if (":" in address) == (packet.version == 6)), None)


def _free(connections: Connections, wanted: Tuple) -> Tuple:
    """Give a tuple of answers that no other connection has: with another port if need be (get_unique_tuple)."""
    while connections.is_taken(wanted):
        source, destination, protocol, sport, dport = wanted
        step = dport + 1 if dport < 65535 else 1024
        wanted = (source, destination, protocol, step if "icmp" in protocol else sport, step)
    return wanted


def _port_in(rule: Rule, port: int) -> int:
    """Give the port that a translated destination gets: the same one of another range."""
    if rule.to_ports is None:
        return port
    low, high = rule.to_ports
    return low if low == high else port if low <= port <= high else low


def apply(packet: Packet, tracked: Tracked | None, hook: Hook, translations: Translations) -> Packet:
    """Give a packet as its connection says that it looks beyond this hook."""
    assert tracked is not None
    if packet.error is not None and tracked.related:
        changed = _apply_to_error(packet, tracked, hook)
        _tell_undone(packet, changed, hook, translations)
        return changed
    connection = tracked.connection
    # As it would look at the far side, turned round: of the answer's tuple for the one way, of the first for the other.
    source, destination, _, sport, dport = inverse(connection.original if tracked.answers else connection.reply)
    named = packet.protocol.endswith("icmp")  # an echo has one identifier, which goes with its source
    if hook.name in OF_DESTINATION:
        dport = packet.dport if named and not tracked.answers else dport
        changed = replace(packet, destination=destination, sport=dport if named else packet.sport, dport=dport)
    else:
        sport = packet.sport if named and tracked.answers else sport
        changed = replace(packet, source=source, sport=sport, dport=sport if named else packet.dport)
    if tracked.answers:
        _tell_undone(packet, changed, hook, translations)
    elif changed != packet:
        _tell(packet, changed, connection, hook, translations)
    return changed


def _tell(
    packet: Packet,
    changed: Packet,
    connection: Connection,
    hook: Hook,
    translations: Translations,
) -> None:
    by, words = connection.source_by, f"{packet.source} becomes {changed.source}"
    if hook.name in OF_DESTINATION:
        by = connection.destination_by
        words = f"{packet.destination}:{packet.dport} becomes {changed.destination}:{changed.dport}"
    chain, rule = by or (None, None)
    translations.append((chain, rule, words))


def _tell_undone(packet: Packet, changed: Packet, hook: Hook, translations: Translations) -> None:
    was, now = packet.source, changed.source
    if hook.name in OF_DESTINATION:
        was, now = packet.destination, changed.destination
    if changed != packet:
        translations.append((None, None, f"{was} becomes {now} again"))


def _apply_to_error(packet: Packet, tracked: Tracked, hook: Hook) -> Packet:
    """Translate an error and what it quotes, as the answer in whose place it comes (nf_nat_icmp_reply_translation)."""
    assert packet.error is not None
    connection = tracked.connection
    of_destination = hook.name in OF_DESTINATION
    # An answer's way is translated the other way round.
    touched = connection.translated_source if of_destination == tracked.answers else connection.translated_destination
    if not touched:
        return packet
    beyond = inverse(connection.original if tracked.answers else connection.reply)
    about = packet.error.about
    if of_destination:
        quoted = replace(about, source=beyond[1], sport=beyond[4])
        changed = replace(packet, destination=beyond[1])
    else:
        quoted = replace(about, destination=beyond[0], dport=beyond[3])
        changed = replace(packet, source=beyond[0])
    return replace(changed, error=replace(packet.error, about=quoted))
