"""Turns `nat` and `firewall` of a node into its chains: the order of rules, and what a published port needs besides.

publish    translated on the way in and, for the node's own packets, on the way out; whoever is on the target's own
subnet is hidden behind the node, or the answer would go past it; its flows pass a forward policy of drop
127.0.0.1  only with route_localnet on the device to the target, and a guard: nobody else may send to 127.0.0.0/8
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from netlab.facts import Chain, Rule
from netlab.facts.firewall import ESTABLISHED
from netlab.kinds.fields import AnyNetwork
from netlab.kinds.nat import ChainSection, MatchSection, NatSection, PublishSection, read_ports
from netlab.source import Path, quote
from netlab.topology.draft import Draft, NodeDraft, nearest
from netlab.topology.paths import Number, Paths, is_loopback
from netlab.topology.ports import MOST_PORTS, joined, pairs

#: Priorities of nftables: NF_IP_PRI_RAW, _NAT_DST, _FILTER, _NAT_SRC (include/uapi/linux/netfilter_ipv4.h).
_RAW, _NAT_DST, _FILTER, _NAT_SRC = -300, -100, 0, 100
_LOOPBACK = "127.0.0.0/8"


@dataclass(slots=True)
class _Rules:
    """The rules of a node in the making, by chain."""

    incoming: list[Rule] = field(default_factory=list)
    outgoing: list[Rule] = field(default_factory=list)
    leaving: list[Rule] = field(default_factory=list)
    let_through: list[Rule] = field(default_factory=list)
    loopback: bool = False


def filter_and_translate(draft: Draft, paths: Paths) -> None:
    """Fill the chains of every node, and the settings that they need."""
    for node in draft.nodes.values():
        if any(section.nat or section.firewall for section, _ in node.parts):
            _Node(draft, paths, node).settle()


class _Node:
    """One node that translates or filters."""

    def __init__(self, draft: Draft, paths: Paths, node: NodeDraft) -> None:
        self.draft, self.paths, self.node = draft, paths, node
        self.rules = _Rules()
        self.machine = paths.is_machine(node)
        self.published: dict[tuple[str, int, str | None, int], Path] = {}

    def settle(self) -> None:
        for section, path in self.node.parts:
            for number, entry in enumerate(section.nat):
                self._translate(entry, (*path, "nat", number))
        for section, path in self.node.parts:
            if section.nat:
                self._add_translations((*path, "nat"))
                if not self.node.forwarding:
                    what = f"{self.node.name} translates, but does not forward"
                    fix = f"add forwarding: true to {self.node.name}"
                    self.draft.warn("forwarding-off", what, (*path, "nat"), fix, key=True)
                break
        for section, path in self.node.parts:
            if section.firewall is not None:
                self._filter(section.firewall.forward, "forward", (*path, "firewall", "forward"))
                self._filter(section.firewall.input, "input", (*path, "firewall", "input"))
                self._filter(section.firewall.output, "output", (*path, "firewall", "output"))

    def _chain(self, path: Path, name: str, kind: str, hook: str, priority: int, rules: Iterable[Rule]) -> None:
        found = tuple(rules)
        if found:
            chain = Chain(self.node.name, name, kind, hook, priority, "accept", found)
            self.node.chains.append((chain, path))

    def _add_translations(self, path: Path) -> None:
        rules = self.rules
        guard = [Rule("drop", iif="!lo", destination=_LOOPBACK)] if rules.loopback else []
        hidden = [Rule("masquerade", oif="!lo", source=_LOOPBACK)] if rules.loopback else []
        self._chain(path, "guard", "filter", "prerouting", _RAW, guard)
        self._chain(path, "nat-prerouting", "nat", "prerouting", _NAT_DST, rules.incoming)
        self._chain(path, "nat-output", "nat", "output", _NAT_DST, rules.outgoing)
        self._chain(path, "nat-postrouting", "nat", "postrouting", _NAT_SRC, [*rules.leaving, *hidden])

    # -- translation

    def _translate(self, entry: NatSection, path: Path) -> None:
        if entry.publish is not None:
            self._publish(entry.publish, (*path, "publish"))
            return
        hide, key = (entry.snat, "snat") if entry.snat is not None else (entry.masquerade, "masquerade")
        assert hide is not None, "one of the three stands there"
        at = (*path, key)
        self._device(hide.out, (*at, "out"))
        if self.machine and hide.source is None:
            what = "on the machine itself, netlab hides its own networks only"
            self.draft.tell("nat", what, at, "add from: NETWORK", key=True)
        to = str(entry.snat.to) if entry.snat is not None else None
        sources = self._sources(hide.source, (*at, "from"))
        fitting = [source for source in sources if to is None or source is None or _alike(source, to)]
        self.rules.leaving += [Rule(key, oif=hide.out, source=source, to=to) for source in fitting]
        if to is not None and sources and not fitting:
            what = f"{hide.source} and {to} are of different IP versions"
            self.draft.tell("nat", what, (*at, "to"), f"write an IPv{4 if ':' in to else 6} address")
        elif to is not None:
            self._held(to, (*at, "to"))

    def _publish(self, section: PublishSection, path: Path) -> None:
        target = self._target(section, path)
        if target is None:
            return
        to, ports = target
        address = None if section.address is None else str(section.address)
        if address is not None and not _alike(address, to):
            what = f"{address} and {to} are of different IP versions"
            self.draft.tell("nat", what, path, f"write to: the IPv{6 if ':' in address else 4} address of the target")
            return
        if not self._is_free(section, to, path):
            return
        if address is not None:
            self._held(address, (*path, "address"))
        fault = self.paths.fault(self.node, _number(to))
        if fault is not None:
            self.draft.warn(fault[0], f"{to} cannot be reached: {fault[1]}", (*path, "to"), f"add a route to {to}")
        for outer, inner in pairs(section.port, ports):
            inner_port = None if inner == outer else inner
            rule = Rule(
                "dnat",
                destination=address,
                local=address is None,
                protocol=section.protocol,
                ports=(outer,),
                to=to,
                to_ports=inner_port,
            )
            self.rules.incoming.append(rule)
            self.rules.outgoing.append(rule)
        let = Rule("accept", translated=True, destination=to, protocol=section.protocol, ports=(ports,))
        self.rules.let_through.append(let)
        loopback = ":" not in to and (address is None or address.startswith("127."))
        self.rules.loopback |= loopback
        self._reach(to, section.protocol, ports, path, loopback)

    def _is_free(self, section: PublishSection, to: str, path: Path) -> bool:
        """Tell of a port that leads elsewhere already, for this address or for all: the first rule would win."""
        version, own = (6 if ":" in to else 4), None if section.address is None else str(section.address)
        numbers = range(section.port[0], section.port[1] + 1)
        for number in numbers:
            for address in dict.fromkeys((own, None)):
                first = self.published.get((section.protocol, version, address, number))
                if first is not None:
                    place = self.draft.place(first)
                    what = f"{section.protocol} port {number} is published twice, at {place} and here"
                    self.draft.tell("port", what, (*path, "port"), "choose another port")
                    return False
        self.published.update({(section.protocol, version, own, number): path for number in numbers})
        return True

    def _held(self, address: str, path: Path) -> None:
        """Warn of an address that is not the node's; which the real machine has, only it knows."""
        number = _number(address)
        if not self.machine and number not in self.node.own and not is_loopback(number):
            known = ", ".join([ip.host for ip in self.node.addresses() if not ip.is_link_local][:8])
            what = f"{self.node.name} has no address {address}"
            self.draft.warn("no-address", what, path, f"addresses of {self.node.name}: {known or 'none'}")

    def _reach(self, to: str, protocol: str, ports: tuple[int, int], path: Path, loopback: bool) -> None:
        """Hide those who are beside the target, and open the way from 127.0.0.1 if it is to be one."""
        for ip, device in self.node.connected:
            if not ip.holds(*_number(to)) or device.kind == "lo":
                continue
            beside = Rule(
                "masquerade",
                translated=True,
                source=_text(ip_network(str(ip.network))),
                destination=to,
                protocol=protocol,
                ports=(ports,),
            )
            self.rules.leaving.append(beside)
            self._turn_round(to)
            if loopback:
                self.node.needed[f"net.ipv4.conf.{device.name}.route_localnet"] = ("1", path)

    def _turn_round(self, to: str) -> None:
        """Let the target reach its own published port where bridge-netfilter translates frames on the bridge itself."""
        holder = self.paths.holder(_number(to))
        port = holder.peer if holder is not None else None
        if port is not None and port.bridge is not None and port.node == self.node.name:
            port.hairpin = True

    def _target(self, section: PublishSection, path: Path) -> tuple[str, tuple[int, int]] | None:
        """Give the address and the ports that a published port leads to."""
        at = (*path, "to")
        base, colon, text = section.to.rpartition(":")
        try:
            ports = read_ports(text) if colon else None
        except ValueError:
            ports = None
        if ports is None or not base:
            self.draft.tell("port", f"{quote(section.to)} names no port", at, f"write {base or section.to}:80")
            return None
        if ports[1] - ports[0] != section.port[1] - section.port[0]:
            length = section.port[1] - section.port[0]
            fix = f"write {base}:{ports[0]}-{ports[0] + length}" if length else f"write {base}:{ports[0]}"
            self.draft.tell("port", "the two ranges of ports are not as long", at, fix)
            return None
        if ports != section.port and ports[1] - ports[0] >= MOST_PORTS:
            what = f"only {MOST_PORTS} ports can lead to others than themselves"
            self.draft.tell("port", what, at, f"write {base}:{section.port[0]}-{section.port[1]}")
            return None
        name = base.strip("[]")
        found = [one for one in self._addresses(name, at) if one is not None]
        node = self.draft.nodes.get(name)
        if node is not None and found:
            # Of several addresses the one that this node can reach best.
            best = self.paths.best_address(self.node, [ip for ip in node.addresses() if not ip.is_link_local])
            found = [best.host] if best is not None else found
        if found and "/" in found[0]:
            self.draft.tell("nat", f"{quote(name)} is a network, not one address", at, "write a node, or an address")
            return None
        return (found[0], ports) if found else None

    # -- filtering

    def _filter(self, section: ChainSection | None, hook: str, path: Path) -> None:
        if section is None:
            return
        if self.machine:
            what = "a firewall of the machine itself would be everybody's"
            self.draft.tell("firewall", what, path, "add host: {sandbox: true}, or filter in a node", key=True)
            return
        rules: list[Rule] = []
        for verdict, matches in (("drop", section.drop), ("reject", section.reject), ("accept", section.accept)):
            for number, match in enumerate(matches):
                rules += self._rules(verdict, match, hook, (*path, verdict, number))
        if hook == "forward" and self.rules.let_through and section.policy == "drop":
            answers = Rule("accept", states=ESTABLISHED)
            rules += [*self.rules.let_through, *([answers] if answers not in rules else [])]
        chain = Chain(self.node.name, f"filter-{hook}", "filter", hook, _FILTER, section.policy, tuple(rules))
        self.node.chains.append((chain, path))

    def _rules(self, verdict: str, match: MatchSection, hook: str, path: Path) -> Iterator[Rule]:
        for key, device, never in (("in", match.into, "output"), ("out", match.out, "input")):
            self._device(device, (*path, key))
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
        sources = self._sources(match.source, (*path, "from"))
        destinations = self._sources(match.to, (*path, "to"))
        every = [(source, destination) for source in sources for destination in destinations]
        found = [(one, other) for one, other in every if one is None or other is None or _alike(one, other)]
        if every and not found:
            one, other = quote(str(match.source)), quote(str(match.to))
            what = f"nothing goes from {one} to {other}: one is IPv4, the other IPv6"
            self.draft.tell("version", what, (*path, "to"), "write both in one IP version")
        return found

    # -- names

    def _device(self, name: str | None, path: Path) -> None:
        """Tell of a device that is not there; which the real machine has, only it knows."""
        if name is None or self.machine or name in self.node.devices:
            return
        near = nearest(name, list(self.node.devices))
        fix = f"write {near}" if near else f"devices of {self.node.name}: {', '.join(list(self.node.devices)[:8])}"
        self.draft.tell("unknown-device", f"{self.node.name} has no device {quote(name)}", path, fix)

    def _sources(self, text: str | None, path: Path) -> Sequence[str | None]:
        return (None,) if text in (None, "any") else self._addresses(str(text), path)

    def _addresses(self, text: str, path: Path) -> Sequence[str | None]:
        """Give the networks or addresses that a text means: those of a node, if it is the name of one."""
        node = self.draft.nodes.get(text)
        if node is not None:
            found = [ip.host for ip in node.addresses() if not ip.is_link_local]
            if not found and not node.doubtful:
                self.draft.tell("no-address", f"{text} has no address", path, f"give {text} an address")
            return found
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            near = self.draft.nearest_node(text)
            fix = f"write {near}" if near else self.draft.some_nodes()
            what = f"there is no node {quote(text)}, and it is neither an address nor a network"
            self.draft.tell("unknown-node", what, path, fix)
            return ()
        return (_text(network),)


def _text(network: AnyNetwork) -> str | None:
    """Write a network as nftables gives it back: without a length that is whole, and not at all where it is all."""
    if network.prefixlen == 0:
        return None
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _icmp(*addresses: str | None) -> tuple[str, ...]:
    """Give the protocols that `icmp` means: that of the IP version of the addresses, or both."""
    versions = {":" in address for address in addresses if address is not None}
    return tuple(name for name, six in (("icmp", False), ("ipv6-icmp", True)) if not versions or six in versions)


def _alike(one: str, other: str) -> bool:
    """Tell whether two addresses or networks are of one IP version."""
    return (":" in one) == (":" in other)


def _number(address: str) -> Number:
    network = ip_network(address)
    return network.version, int(network.network_address)
