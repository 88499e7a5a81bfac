"""Turns `nat` of a node into chains: who is hidden behind it, what is published, and what a published port needs.

publish    translated on the way in and, for the node's own packets, on the way out; whoever is on the target's own
subnet is hidden behind the node, or the answer would go past it; its flows pass a forward policy of drop
127.0.0.1  only with route_localnet on the device to the target, and a guard: nobody else may send to 127.0.0.0/8
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from netlab.facts import Chain, Rule
from netlab.kinds.nat import NatSection, PublishSection, read_ports
from netlab.source import Path, quote
from netlab.topology.draft import AskedChain, Draft, NodeDraft
from netlab.topology.matching import Names, alike, text_of
from netlab.topology.paths import Number, Paths, is_loopback
from netlab.topology.ports import MOST_PORTS, pairs

#: Priorities of nftables: NF_IP_PRI_RAW, _NAT_DST, _NAT_SRC (include/uapi/linux/netfilter_ipv4.h).
_RAW, _NAT_DST, _NAT_SRC = -300, -100, 100
_LOOPBACK = "127.0.0.0/8"

#: A rule, and what asked for it.
Asked = tuple[Rule, Path]


@dataclass(slots=True)
class _Rules:
    """The rules of a node in the making, by chain."""

    incoming: list[Asked] = field(default_factory=list)
    outgoing: list[Asked] = field(default_factory=list)
    leaving: list[Asked] = field(default_factory=list)
    let_through: list[Asked] = field(default_factory=list)
    loopback: bool = False


class Translating:
    """One node that translates; `let_through` is what its forward chain must let pass."""

    def __init__(self, draft: Draft, paths: Paths, node: NodeDraft) -> None:
        self.draft, self.paths, self.node = draft, paths, node
        self.rules = _Rules()
        self.names = Names(draft, node, paths.is_machine(node))
        self.published: dict[tuple[str, int, str | None, int], Path] = {}

    @property
    def let_through(self) -> Sequence[Asked]:
        return self.rules.let_through

    def settle(self) -> None:
        """Add the chains of the node's `nat`, and tell what is wrong with it."""
        for section, path in self.node.parts:
            for number, entry in enumerate(section.nat):
                self._translate(entry, (*path, "nat", number))
        first = next((path for section, path in self.node.parts if section.nat), None)
        if first is None:
            return
        self._add_translations((*first, "nat"))
        if not self.node.forwarding:
            what = f"{self.node.name} translates, but does not forward"
            fix = f"add forwarding: true to {self.node.name}"
            self.draft.warn("forwarding-off", what, (*first, "nat"), fix, key=True)

    def _chain(self, path: Path, name: str, kind: str, hook: str, priority: int, asked: Sequence[Asked]) -> None:
        if asked:
            chain = Chain(self.node.name, name, kind, hook, priority, "accept", tuple(rule for rule, _ in asked))
            self.node.chains.append(AskedChain(chain, path, tuple(path for _, path in asked)))

    def _add_translations(self, path: Path) -> None:
        rules = self.rules
        guard = [(Rule("drop", iif="!lo", destination=_LOOPBACK), path)] if rules.loopback else []
        hidden = [(Rule("masquerade", oif="!lo", source=_LOOPBACK), path)] if rules.loopback else []
        self._chain(path, "guard", "filter", "prerouting", _RAW, guard)
        self._chain(path, "nat-prerouting", "nat", "prerouting", _NAT_DST, rules.incoming)
        self._chain(path, "nat-output", "nat", "output", _NAT_DST, rules.outgoing)
        self._chain(path, "nat-postrouting", "nat", "postrouting", _NAT_SRC, [*rules.leaving, *hidden])

    def _translate(self, entry: NatSection, path: Path) -> None:
        if entry.publish is not None:
            self._publish(entry.publish, (*path, "publish"))
            return
        hide, key = (entry.snat, "snat") if entry.snat is not None else (entry.masquerade, "masquerade")
        assert hide is not None, "one of the three stands there"
        at = (*path, key)
        self.names.device(hide.out, (*at, "out"))
        if self.names.machine and hide.source is None:
            what = "on the machine itself, netlab hides its own networks only"
            self.draft.tell("nat", what, at, "add from: NETWORK", key=True)
        to = str(entry.snat.to) if entry.snat is not None else None
        sources = self.names.sources(hide.source, (*at, "from"))
        fitting = [source for source in sources if to is None or source is None or alike(source, to)]
        self.rules.leaving += [(Rule(key, oif=hide.out, source=source, to=to), at) for source in fitting]
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
        if address is not None and not alike(address, to):
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
            self.rules.incoming.append((rule, path))
            self.rules.outgoing.append((rule, path))
        let = Rule("accept", translated=True, destination=to, protocol=section.protocol, ports=(ports,))
        self.rules.let_through.append((let, path))
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
        if not self.names.machine and number not in self.node.own and not is_loopback(number):
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
                source=text_of(ip_network(str(ip.network))),
                destination=to,
                protocol=protocol,
                ports=(ports,),
            )
            self.rules.leaving.append((beside, path))
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
        found = [one for one in self.names.addresses(name, at) if one is not None]
        node = self.draft.nodes.get(name)
        if node is not None and found:
            # Of several addresses the one that this node can reach best.
            best = self.paths.best_address(self.node, [ip for ip in node.addresses() if not ip.is_link_local])
            found = [best.host] if best is not None else found
        if found and "/" in found[0]:
            self.draft.tell("nat", f"{quote(name)} is a network, not one address", at, "write a node, or an address")
            return None
        return (found[0], ports) if found else None


def _number(address: str) -> Number:
    network = ip_network(address)
    return network.version, int(network.network_address)
