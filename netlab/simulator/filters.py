"""What a node's chains do to a packet: filtered or translated, and by which rule; connections are kept track of.

Sources: nft(8), net/netfilter/nf_tables_core.c (chains by priority; a drop ends everything, an accept only its chain),
nf_conntrack_core.c, nf_nat_core.c (the first packet of a connection decides; a translation is undone for answers),
nf_nat_proto.c (ICMP errors are translated with what they quote).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from netlab.facts import Chain, Rule
from netlab.simulator.fib import within
from netlab.simulator.network import Nic, Node
from netlab.simulator.packet import Packet

#: What names a connection, one way: source, destination, protocol, and the ports.
Tuple = tuple[str, str, str, int, int]


#: What decided on a packet.
Choice = tuple[Chain, Rule]


@dataclass(slots=True, eq=False)
class Connection:
    """One connection of a node: how its packets look on the way out, and how the answers look when they come."""

    original: Tuple
    reply: Tuple
    #: Whether either was translated, and by which rule.
    translated_source: bool = False
    translated_destination: bool = False
    source_by: Choice | None = None
    destination_by: Choice | None = None
    seen_reply: bool = False
    #: It counts from when its first packet has passed (nf_conntrack_confirm).
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a packet is to a connection: which one, whether an answer, whether an error about it."""

    connection: Connection
    answers: bool = False
    related: bool = False

    @property
    def state(self) -> str:
        if self.related:
            return "related"
        return "established" if self.answers or self.connection.seen_reply else "new"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the chains of a hook made of a packet: the packet as it goes on, or `drop` or `reject` and by what.

    `ended`: it was routed anew, and no route took it on.
    """

    packet: Packet
    verdict: str = "accept"
    chain: Chain | None = None
    rule: Rule | None = None
    #: Words for every translation, and the rules that let it pass.
    translations: tuple[tuple[Chain | None, Rule | None, str], ...] = ()
    accepts: tuple[Choice, ...] = ()


#: An echo and its reply have types of their own (nf_conntrack_proto_icmp.c, invmap).
_TYPED = {"echo": "?", "echo-reply": "!"}
_TURNED = str.maketrans("?!", "!?")


def tuple_of(packet: Packet) -> Tuple:
    """Give what a packet is known by."""
    protocol = packet.protocol + _TYPED.get(packet.message, "")
    return packet.source, packet.destination, protocol, packet.sport, packet.dport


def inverse(one: Tuple) -> Tuple:
    """Give the tuple of the answers."""
    return one[1], one[0], one[2].translate(_TURNED), one[4], one[3]


class Connections:
    """The connections of one node."""

    def __init__(self) -> None:
        self._by_tuple: dict[Tuple, tuple[Connection, bool]] = {}

    def find(self, packet: Packet) -> Tracked | None:
        """Give what a packet belongs to: a connection, made if it starts one; None for what starts none."""
        if packet.message == "error" and packet.error is not None:
            found = self._by_tuple.get(inverse(tuple_of(packet.error.about)))
            return Tracked(found[0], found[1], related=True) if found is not None else None
        known = self._by_tuple.get(tuple_of(packet))
        if known is not None:
            return Tracked(known[0], known[1])
        if packet.message in ("echo-reply", "syn-ack", "rst"):
            return None  # an answer to nothing that was asked here is invalid (nf_conntrack_proto_icmp.c, _tcp.c)
        original = tuple_of(packet)
        return Tracked(Connection(original, inverse(original)))

    def confirm(self, tracked: Tracked | None) -> None:
        """Keep a connection whose first packet has passed."""
        if tracked is None:
            return
        connection = tracked.connection
        if tracked.answers and not tracked.related:
            connection.seen_reply = True
        if not connection.confirmed:
            connection.confirmed = True
            self._by_tuple[connection.original] = (connection, False)
            self._by_tuple[connection.reply] = (connection, True)

    def is_taken(self, reply: Tuple) -> bool:
        return reply in self._by_tuple


#: Hooks at which destinations and sources are translated (nf_nat_core.c, HOOK2MANIP).
_OF_DESTINATION = ("prerouting", "output")
_OF_SOURCE = ("postrouting", "input")


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a packet is looked at: the hook, the devices it came in and goes out by, what choosing an address needs."""

    name: str
    into: Nic | None
    out: Nic | None
    #: The address that masquerading would give, by the device and next hop.
    masquerade: Callable[[], str | None] = lambda: None
    #: Of the node's own packets: routes one anew whose destination is translated, at once (nf_nat_ipv4_local_fn).
    reroute: Callable[[Packet], bool] = lambda packet: True


def pass_chains(node: Node, connections: Connections, tracked: Tracked | None, packet: Packet, hook: Hook) -> Judgement:
    """Have a packet looked at by the chains of a hook; translation stands among them by its priority."""
    chains = node.chains.get(hook.name, ())
    translations: list[tuple[Chain | None, Rule | None, str]] = []
    accepts: list[Choice] = []
    translated = tracked is None
    manipulates = hook.name in _OF_DESTINATION or hook.name in _OF_SOURCE
    at = -100 if hook.name in _OF_DESTINATION else 100
    for chain in chains:
        if chain.version not in (None, packet.version):
            continue
        if not translated and manipulates and chain.kind != "nat" and chain.priority > at:
            before, translated = packet, True
            packet = _apply(packet, tracked, hook, translations)
            if packet.destination != before.destination and not hook.reroute(packet):
                return Judgement(packet, "ended", translations=tuple(translations))
        if chain.kind == "nat":
            if tracked is not None and not tracked.connection.confirmed and not tracked.related:
                _choose(node, connections, tracked, packet, chain, hook)
            continue
        verdict, rule = _filter(node, tracked, packet, chain, hook)
        if verdict != "accept":
            return Judgement(packet, verdict, chain, rule, tuple(translations), tuple(accepts))
        if rule is not None:
            accepts.append((chain, rule))
    if not translated and manipulates:
        before, packet = packet, _apply(packet, tracked, hook, translations)
        if packet.destination != before.destination and not hook.reroute(packet):
            return Judgement(packet, "ended", translations=tuple(translations))
    return Judgement(packet, translations=tuple(translations), accepts=tuple(accepts))


def _filter(node: Node, tracked: Tracked | None, packet: Packet, chain: Chain, hook: Hook) -> tuple[str, Rule | None]:
    for rule in chain.rules:
        if matches(node, tracked, packet, rule, hook):
            return rule.verdict, rule
    return chain.policy, None


def matches(node: Node, tracked: Tracked | None, packet: Packet, rule: Rule, hook: Hook) -> bool:
    """Tell whether a rule looks at a packet; what netlab cannot read it takes to match nothing."""
    if rule.other is not None or (rule.to is not None and (":" in rule.to) != (packet.version == 6)):
        return False
    for name, nic in ((rule.iif, hook.into), (rule.oif, hook.out)):
        if name is not None and (nic is not None and nic.name == name.removeprefix("!")) == name.startswith("!"):
            return False
    if rule.source is not None and not within(packet.source, rule.source):
        return False
    if rule.destination is not None and not within(packet.destination, rule.destination):
        return False
    if rule.local and not _is_local(node, packet.destination):
        return False
    if rule.translated and (tracked is None or not tracked.connection.translated_destination):
        return False
    if rule.states and (tracked is None or tracked.state not in rule.states):
        return False
    if rule.protocol is not None and rule.protocol != packet.protocol:
        return False
    return not rule.ports or any(low <= packet.dport <= high for low, high in rule.ports)


def _is_local(node: Node, destination: str) -> bool:
    """Tell whether an address is the node's; one in a VRF is not (nft_fib_ipv4.c; before Linux 6.16)."""
    holder = node.addresses.get(destination)
    return destination.startswith("127.") or (holder is not None and holder.vrf is None)


# -- translation


def _choose(
    node: Node,
    connections: Connections,
    tracked: Tracked,
    packet: Packet,
    chain: Chain,
    hook: Hook,
) -> None:
    """Let the first packet of a connection choose its translation at this hook (nf_nat_inet_fn)."""
    connection = tracked.connection
    done = connection.translated_destination if hook.name in _OF_DESTINATION else connection.translated_source
    if done:
        return
    for rule in chain.rules:
        if not matches(node, tracked, packet, rule, hook):
            continue
        source, destination, protocol, sport, dport = connection.reply
        if rule.verdict == "dnat" and rule.to is not None:
            port = _port_in(rule, packet.dport)
            connection.reply = (rule.to, destination, protocol, port, dport)
            connection.translated_destination, connection.destination_by = True, (chain, rule)
        elif rule.verdict in ("masquerade", "snat"):
            to = rule.to if rule.verdict == "snat" else hook.masquerade()
            if to is not None:
                connection.reply = _free(connections, (source, to, protocol, sport, dport))
                connection.translated_source, connection.source_by = to != packet.source, (chain, rule)
        return


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


def _apply(
    packet: Packet, tracked: Tracked | None, hook: Hook, translations: list[tuple[Chain | None, Rule | None, str]]
) -> Packet:
    """Give a packet as its connection says that it looks beyond this hook."""
    assert tracked is not None
    if tracked.related:
        changed = _apply_to_error(packet, tracked, hook)
        _tell_undone(packet, changed, hook, translations)
        return changed
    connection = tracked.connection
    # As it would look at the far side, turned round: of the answer's tuple for the one way, of the first for the other.
    source, destination, _, sport, dport = inverse(connection.original if tracked.answers else connection.reply)
    named = packet.protocol.endswith("icmp")  # an echo has one identifier, which goes with its source
    if hook.name in _OF_DESTINATION:
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
    translations: list[tuple[Chain | None, Rule | None, str]],
) -> None:
    by, words = connection.source_by, f"{packet.source} becomes {changed.source}"
    if hook.name in _OF_DESTINATION:
        by = connection.destination_by
        words = f"{packet.destination}:{packet.dport} becomes {changed.destination}:{changed.dport}"
    chain, rule = by or (None, None)
    translations.append((chain, rule, words))


def _tell_undone(
    packet: Packet, changed: Packet, hook: Hook, translations: list[tuple[Chain | None, Rule | None, str]]
) -> None:
    was, now = packet.source, changed.source
    if hook.name in _OF_DESTINATION:
        was, now = packet.destination, changed.destination
    if changed != packet:
        translations.append((None, None, f"{was} becomes {now} again"))


def _apply_to_error(packet: Packet, tracked: Tracked, hook: Hook) -> Packet:
    """Translate an error and what it quotes, as the answer in whose place it comes (nf_nat_icmp_reply_translation)."""
    assert packet.error is not None
    connection = tracked.connection
    of_destination = hook.name in _OF_DESTINATION
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
