"""Turns `firewall` of a node into its chains; what the node publishes passes a forward policy of drop."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.facts import Chain, Rule
from netlab.facts.rules import ESTABLISHED
from netlab.kinds.nat import ChainSection, MatchSection
from netlab.source import Path, quote
from netlab.topology.draft import AskedChain, Draft, NodeDraft
from netlab.topology.matching import alike
from netlab.topology.paths import Paths
from netlab.topology.ports import joined
from netlab.topology.translating import Asked, Translating

#: Of nftables: NF_IP_PRI_FILTER (include/uapi/linux/netfilter_ipv4.h).
_PRIORITY = 0


def filter_and_translate(draft: Draft, paths: Paths) -> None:
    """Fill the chains of every node, and the settings that they need."""
    for node in draft.nodes.values():
        if any(section.nat or section.firewall for section, _ in node.parts):
            translating = Translating(draft, paths, node)
            translating.settle()
            _Filtering(draft, node, translating).settle()


class _Filtering:
    """One node that filters."""

    def __init__(self, draft: Draft, node: NodeDraft, translating: Translating) -> None:
        self.draft, self.node, self.names = draft, node, translating.names
        self.let_through = translating.let_through

    def settle(self) -> None:
        for section, path in self.node.parts:
            if section.firewall is not None:
                self._filter(section.firewall.forward, "forward", (*path, "firewall", "forward"))
                self._filter(section.firewall.input, "input", (*path, "firewall", "input"))
                self._filter(section.firewall.output, "output", (*path, "firewall", "output"))

    def _filter(self, section: ChainSection | None, hook: str, path: Path) -> None:
        if section is None:
            return
        if self.names.machine:
            what = "a firewall of the machine itself would be everybody's"
            self.draft.tell("firewall", what, path, "add host: {sandbox: true}, or filter in a node", key=True)
            return
        asked: list[Asked] = []
        for verdict, matches in (("drop", section.drop), ("reject", section.reject), ("accept", section.accept)):
            for number, match in enumerate(matches):
                at = (*path, verdict, number)
                asked += [(rule, at) for rule in self._rules(verdict, match, hook, at)]
        if hook == "forward" and self.let_through and section.policy == "drop":
            answers = Rule("accept", states=ESTABLISHED)
            asked += [*self.let_through, *([(answers, path)] if all(rule != answers for rule, _ in asked) else [])]
        rules = tuple(rule for rule, _ in asked)
        chain = Chain(self.node.name, f"filter-{hook}", "filter", hook, _PRIORITY, section.policy, rules)
        self.node.chains.append(AskedChain(chain, path, tuple(at for _, at in asked)))

    def _rules(self, verdict: str, match: MatchSection, hook: str, path: Path) -> Iterator[Rule]:
        for key, device, never in (("in", match.into, "output"), ("out", match.out, "input")):
            self.names.device(device, (*path, key))
            if device is not None and hook == never:
                what = f"a packet that {hook} looks at has no device to {'come in' if key == 'in' else 'go out'} by"
                self.draft.tell("firewall", what, (*path, key), f"remove {key}", key=True)
        states = ESTABLISHED if match.established else ()
        protocol = "tcp" if match.tcp else "udp" if match.udp else None
        ports = joined(match.tcp or match.udp or ())
        for source, destination in self._ways(match, path):
            for one in _icmp(source, destination) if match.icmp else (protocol,):
                yield Rule(
                    verdict,
                    match.into,
                    match.out,
                    source,
                    destination,
                    states=states,
                    protocol=one,
                    ports=ports,
                )

    def _ways(self, match: MatchSection, path: Path) -> list[tuple[str | None, str | None]]:
        """Give from where to where a rule looks, in addresses and networks of one IP version each."""
        sources = self.names.sources(match.source, (*path, "from"))
        destinations = self.names.sources(match.to, (*path, "to"))
        every = [(source, destination) for source in sources for destination in destinations]
        found = [(one, other) for one, other in every if one is None or other is None or alike(one, other)]
        if every and not found:
            one, other = quote(str(match.source)), quote(str(match.to))
            what = f"nothing goes from {one} to {other}: one is IPv4, the other IPv6"
            self.draft.tell("version", what, (*path, "to"), "write both in one IP version")
        return found


def _icmp(*addresses: str | None) -> tuple[str, ...]:
    """Give the protocols that `icmp` means: that of the IP version of the addresses, or both."""
    versions = {":" in address for address in addresses if address is not None}
    return tuple(name for name, six in (("icmp", False), ("ipv6-icmp", True)) if not versions or six in versions)
