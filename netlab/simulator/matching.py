"""What a rule of a chain looks at: the packet, its devices, its connection.

Source: nft(8), nf_conntrack_core.c.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netlab.facts import Rule
from netlab.facts.other_rules import OtherRule
from netlab.simulator.conditions import Sight, holds, is_local
from netlab.simulator.connections import Tracked
from netlab.simulator.fib import within
from netlab.simulator.network import Nic, Node
from netlab.simulator.packet import Packet

#: Hooks at which destinations and sources are translated (nf_nat_core.c, HOOK2MANIP).
OF_DESTINATION = ("prerouting", "output")
OF_SOURCE = ("postrouting", "input")


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a packet is looked at: the hook, the devices it came in and goes out by, what choosing an address needs."""

    name: str
    into: Nic | None
    out: Nic | None
    #: The address that masquerading would give, by the device and next hop.
    masquerade: Callable[[], str | None] = lambda: None
    #: Whether the packet came with its connection: on `lo`, in a VRF, or telling of another (nf_conntrack_attach).
    known: bool = False
    #: Whether connections are not looked up yet (NF_IP_PRI_CONNTRACK).
    early: bool = False
    #: Whether it is a fragment behind the first that is looked at: it has no ports (nft_payload.c).
    later: bool = False
    #: Of the node's own packets: routes one anew whose destination is translated, at once (nf_nat_ipv4_local_fn).
    reroute: Callable[[Packet], bool] = lambda packet: True


def deciding(node: Node, tracked: Tracked | None, packet: Packet, rules: Sequence[Rule], hook: Hook) -> Rule | None:
    """Give the rule that decides on a packet, in whatever chain it is led to; None where the policy does."""
    for rule in rules:
        if not matches(node, tracked, packet, rule, hook):
            continue
        if rule.verdict == "return":
            return None
        if isinstance(rule, OtherRule) and rule.verdict in ("jump", "goto"):
            found = deciding(node, tracked, packet, rule.body, hook)
            if found is not None or rule.verdict == "goto":
                return found
            continue
        return rule
    return None


def matches(node: Node, tracked: Tracked | None, packet: Packet, rule: Rule, hook: Hook) -> bool:
    """Tell whether a rule looks at a packet; what netlab cannot read it takes to match nothing."""
    if rule.other is not None or (rule.to is not None and (":" in rule.to) != (packet.version == 6)):
        return False
    if isinstance(rule, OtherRule):
        sight = Sight(node, tracked, packet, hook.into, hook.out, hook.early, hook.later)
        return all(holds(sight, condition) for condition in rule.conditions)
    for name, nic in ((rule.iif, hook.into), (rule.oif, hook.out)):
        if name is not None and (nic is not None and nic.name == name.removeprefix("!")) == name.startswith("!"):
            return False
    if rule.source is not None and not within(packet.source, rule.source):
        return False
    if rule.destination is not None and not within(packet.destination, rule.destination):
        return False
    if rule.local and not is_local(node, packet.destination):
        return False
    if rule.translated and (tracked is None or not tracked.connection.translated_destination):
        return False
    if rule.states and (tracked is None or tracked.state not in rule.states):
        return False
    if rule.protocol is not None and rule.protocol != packet.protocol:
        return False
    return not rule.ports or (not hook.later and any(low <= packet.dport <= high for low, high in rule.ports))
