"""The steps of a plan -> the `ip`, `bridge` and `sysctl` commands that a person would type, for `sh -e` as root.

Run on an empty machine they make what the facts say, with netlab's marks, so that netlab takes it for its own:

    a node               a namespace LAB-NODE in `ip netns`, and `netlab:LAB/NODE` as the alias of its `lo`
    the machine's device made in group 28268, with the alias `netlab:LAB/host/DEVICE`; a node's own needs no mark
    a route              protocol 110
    a program            NETLAB_PROGRAM and NETLAB_COMMAND in its environment

In a sandbox the commands run in the made-up machine itself, whose namespace is the host then. Devices are always named
after `dev` or `name`: `ip link set a up` would take `a` for `address`. Nothing here runs anything.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from netlab.facts import (
    MAIN_TABLE,
    PROTOCOL,
    Address,
    Bridge,
    Chain,
    Device,
    DeviceSettings,
    End,
    Fact,
    Forwarding,
    Impairment,
    Member,
    Namespace,
    Neighbour,
    PolicyRule,
    Port,
    Program,
    Route,
    Settings,
    Stray,
    Veth,
)
from netlab.facts.impairment import bits_of, burst_of
from netlab.facts.links import PORT_DEFAULTS, PORT_SWITCHES, PORT_VLANS
from netlab.facts.settings import OPTIONAL_PREFIXES
from netlab.names import GROUP, HOST, mark, registered_name, table_name
from netlab.plan.steps import Action, Step

#: What tbf is told besides a rate and a bucket: a twentieth of a second of queue.
_TBF_LATENCY = "50ms"
#: The least that an Ethernet device takes (include/uapi/linux/if_ether.h ETH_MIN_MTU).
_LEAST_MTU = 68
#: IP6_RT_PRIO_USER (include/net/ip6_fib.h): what metric 0 is in IPv6.
_IPV6_METRIC = 1024

#: Fields of a bridge, and iproute2's words for them, in the order in which they are said.
_BRIDGE_OPTIONS = {
    "forward_delay": "forward_delay",
    "hello_time": "hello_time",
    "max_age": "max_age",
    "ageing_time": "ageing_time",
    "stp": "stp_state",
    "priority": "priority",
    "vlan_filtering": "vlan_filtering",
}


def commands(
    steps: Sequence[Step], lab: str, *, sandboxed: bool, stand_ins: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    r"""Turn steps into shell commands, one or more to a step, in the same order.

    `stand_ins` names kinds of devices that this kernel lacks, and what is made in their place.

    >>> from netlab.facts import Address, Namespace
    >>> made = [Step(Action.CREATE, Namespace("ns0")), Step(Action.CREATE, Address("ns0", "eth0", "10.0.0.1/24"))]
    >>> print("\n".join(commands(made, "demo", sandboxed=False)))
    ip netns add demo-ns0
    ip -n demo-ns0 link set dev lo alias netlab:demo/ns0 up
    ip -n demo-ns0 address add 10.0.0.1/24 dev eth0
    """
    writer = _Writer(lab, sandboxed, stand_ins or {})
    return tuple(line for step in steps for line in writer.lines(step))


class _Writer:
    """The commands of one plan."""

    def __init__(self, lab: str, sandboxed: bool, stand_ins: Mapping[str, str]) -> None:
        self._lab, self._sandboxed, self._stand_ins = lab, sandboxed, stand_ins

    def lines(self, step: Step) -> Iterator[str]:
        """Give the commands of one step."""
        writers: Mapping[type[Fact], Callable[[Step], Iterator[str]]] = {
            Namespace: self._namespace,
            Settings: self._settings,
            DeviceSettings: self._settings,
            Bridge: self._bridge,
            Veth: self._veth,
            Chain: self._chain,
            Impairment: self._impairment,
            Device: self._device,
            Forwarding: self._forwarding,
            Stray: self._stray,
            Port: self._port,
            Member: self._member,
            Address: self._address,
            Route: self._route,
            PolicyRule: self._policy_rule,
            Neighbour: self._neighbour,
            Program: self._program,
        }
        return writers[type(step.fact)](step)

    # -- where a command runs

    def _tool(self, program: str, node: str, *words: str) -> str:
        """Give a command of `ip` or `bridge` inside a node."""
        inside = [] if node == HOST else ["-n", registered_name(self._lab, node)]
        return shlex.join([program, *inside, *words])

    def _ip(self, node: str, *words: str) -> str:
        return self._tool("ip", node, *words)

    def _within(self, node: str, *words: str) -> str:
        """Give any other command inside a node."""
        inside = [] if node == HOST else ["ip", "netns", "exec", registered_name(self._lab, node)]
        return shlex.join([*inside, *words])

    def _is_machine(self, node: str) -> bool:
        return node == HOST and not self._sandboxed

    # -- links

    def _namespace(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, Namespace)
        node, registered = fact.node, registered_name(self._lab, fact.node)
        if step.action is Action.DELETE:
            yield f"ip netns delete {registered}" if node != HOST else "# the sandbox ends, and its host with it"
            return
        if step.action is Action.UPDATE:
            yield self._ip(node, "link", "set", "dev", "lo", "up" if fact.up else "down")
            return
        if node != HOST:
            yield f"ip netns add {registered}"
        up = ["up"] if fact.up else []
        yield self._ip(node, "link", "set", "dev", "lo", "alias", mark(self._lab, node), *up)

    def _born(self, link: Bridge | End | Device) -> list[str]:
        """Give the words that say what a device is made with."""
        group = ["group", str(GROUP)] if self._is_machine(link.node) else []
        return ["name", link.name, *group, *(["address", link.mac] if link.mac else [])]

    def _finished(self, link: Bridge | End | Device, *words: str) -> Iterator[str]:
        """Give the command that marks a new device where it needs it, and sets it up."""
        alias = ["alias", mark(self._lab, f"{HOST}/{link.name}")] if self._is_machine(link.node) else []
        found = [*alias, *words, *(["up"] if link.up else [])]
        if found:
            yield self._ip(link.node, "link", "set", "dev", link.name, *found)

    def _changed(self, link: Bridge | End | Device, fields: Iterable[str]) -> Iterator[str]:
        words = {"mac": ["address", str(link.mac)], "mtu": ["mtu", str(link.mtu)], "up": ["up" if link.up else "down"]}
        found = [word for field in words if field in fields for word in words[field]]
        if found:
            yield self._ip(link.node, "link", "set", "dev", link.name, *found)

    def _bridge(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, Bridge)
        if step.action is Action.DELETE:
            yield self._ip(fact.node, "link", "delete", "dev", fact.name)
        elif step.action is Action.UPDATE:
            fields = _fields(step)
            if "stp" in fields and not fact.stp:
                # First: while STP is on, the kernel refuses delays that are right without it.
                yield self._ip(fact.node, "link", "set", "dev", fact.name, "type", "bridge", "stp_state", "0")
                fields -= {"stp"}
            options = _bridge_options(fact, fields)
            if options:
                yield self._ip(fact.node, "link", "set", "dev", fact.name, "type", "bridge", *options)
            yield from self._changed(fact, fields)
        else:
            # A bridge keeps an MTU that it was changed to; one that it was born with follows its ports' (br_if.c
            # br_mtu_auto_adjust). So it is born with another.
            born = [] if fact.mtu is None else ["mtu", str(fact.mtu - 1 if fact.mtu > _LEAST_MTU else fact.mtu + 1)]
            options = _bridge_options(fact, _BRIDGE_OPTIONS)
            yield self._ip(fact.node, "link", "add", *self._born(fact), *born, "type", "bridge", *options)
            yield from self._finished(fact, *_mtu(fact))

    def _veth(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, Veth)
        # From the host's side, as a node has no name for the host's namespace.
        near, far = (fact.b, fact.a) if fact.b.node == HOST else (fact.a, fact.b)
        if step.action is Action.DELETE:
            yield self._ip(near.node, "link", "delete", "dev", near.name)
        elif step.action is Action.UPDATE:
            for prefix, end in (("a.", fact.a), ("b.", fact.b)):
                names = {name.removeprefix(prefix) for name in _fields(step) if name.startswith(prefix)}
                yield from self._changed(end, names)
        else:
            where = [] if far.node == near.node else ["netns", registered_name(self._lab, far.node)]
            peer = ["peer", *self._born(far), *_mtu(far), *where]
            yield self._ip(near.node, "link", "add", *self._born(near), *_mtu(near), "type", "veth", *peer)
            yield from self._finished(near)
            yield from self._finished(far)

    def _device(self, step: Step) -> Iterator[str]:
        from netlab.kinds.registry import KINDS

        fact = step.fact
        assert isinstance(fact, Device)
        kind, options = KINDS[fact.kind], dict(fact.options)
        if step.action is Action.DELETE:
            yield self._ip(fact.node, "link", "delete", "dev", fact.name)
        elif step.action is Action.UPDATE:
            fields = _fields(step)
            changed = {name: value for name, value in options.items() if f"{fact.kind}.{name}" in fields}
            if "bond.primary" in fields and "primary" not in options:
                # iproute2 has no word for none.
                script = f"echo >/sys/class/net/{fact.name}/bonding/primary"
                yield self._within(fact.node, "sh", "-c", script)
            if changed:
                yield self._ip(fact.node, "link", "set", "dev", fact.name, "type", fact.kind, *kind.words(changed))
            yield from self._changed(fact, fields)
        elif fact.kind == "tun":
            yield self._ip(fact.node, "tuntap", "add", "dev", fact.name, *kind.words(options))
            group = ["group", str(GROUP)] if self._is_machine(fact.node) else []
            own = [*group, *(["address", fact.mac] if fact.mac else []), *_mtu(fact)]
            yield from self._finished(fact, *own)
        else:
            below = [] if fact.over is None or kind.over_number else ["link", fact.over]
            beside = ["dev", fact.over] if fact.over is not None and kind.over_number else []
            typed = self._stand_ins.get(fact.kind, fact.kind)
            words = [*self._born(fact), *_mtu(fact), "type", typed, *kind.words(options), *beside]
            yield self._ip(fact.node, "link", "add", *below, *words)
            yield from self._finished(fact)

    def _impairment(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, Impairment)
        if step.action is Action.DELETE:
            yield self._tool("tc", fact.node, "qdisc", "delete", "dev", fact.device, "root")
        elif "netem" in self._stand_ins and fact.slows_only:
            slow = ["rate", str(fact.rate), "burst", str(burst_of(bits_of(str(fact.rate)))), "latency", _TBF_LATENCY]
            yield self._tool("tc", fact.node, "qdisc", "replace", "dev", fact.device, "root", "tbf", *slow)
        else:
            yield self._tool("tc", fact.node, "qdisc", "replace", "dev", fact.device, "root", "netem", *fact.words())

    def _chain(self, step: Step) -> Iterator[str]:
        """Say a chain as a whole: without handles nobody could name the rules that stay."""
        fact = step.fact
        assert isinstance(fact, Chain)
        place = f"inet {table_name(self._lab)}"
        if step.action is Action.DELETE:
            yield self._within(fact.node, "nft", f"flush chain {place} {fact.name}; delete chain {place} {fact.name}")
            return
        hook = f"type {fact.kind} hook {fact.hook} priority {fact.priority}; policy {fact.policy};"
        lines = [f"add table {place}", f"add chain {place} {fact.name} {{ {hook} }}"]
        lines += [f"flush chain {place} {fact.name}"] if step.action is Action.UPDATE else []
        lines += [f"add rule {place} {fact.name} {rule}" for rule in fact.rules]
        yield self._within(fact.node, "nft", "; ".join(lines))

    def _forwarding(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, Forwarding)
        verb = "delete" if step.action is Action.DELETE else "append"
        yield self._tool("bridge", fact.node, "fdb", verb, fact.mac, "dev", fact.device, "dst", fact.to)

    def _stray(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, Stray)
        yield self._ip(fact.node, "link", "delete", "dev", fact.name)

    def _port(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, Port)
        if step.action is Action.DELETE:
            yield self._ip(fact.node, "link", "set", "dev", fact.device, "nomaster")
            return
        fields = _fields(step)
        if step.action is Action.CREATE or "bridge" in fields:
            yield self._ip(fact.node, "link", "set", "dev", fact.device, "master", fact.bridge)
            # A port is born anew in another bridge, so whatever is not as it is born is said again.
            fields = {name for name, value in PORT_DEFAULTS.items() if getattr(fact, name) != value}
        words = [word for name in PORT_SWITCHES if name in fields for word in (name, _on(getattr(fact, name)))]
        words += [word for name in ("cost", "priority") if name in fields for word in (name, str(getattr(fact, name)))]
        if words:
            yield self._tool("bridge", fact.node, "link", "set", "dev", fact.device, *words)
        if fact.vlans is None or not (step.action is Action.CREATE or {"vlans", "bridge"} & _fields(step)):
            return
        same = isinstance(step.before, Port) and "bridge" not in _fields(step) and step.before.vlans is not None
        born = step.before.vlans if same and isinstance(step.before, Port) else PORT_VLANS
        kept = {text.partition(" ")[0] for text in fact.vlans}
        for text in born or ():
            if text.partition(" ")[0] not in kept:
                yield self._tool(
                    "bridge", fact.node, "vlan", "delete", "vid", text.partition(" ")[0], "dev", fact.device
                )
        for text in fact.vlans:
            if text not in (born or ()):
                yield self._tool("bridge", fact.node, "vlan", "add", "vid", *text.split(), "dev", fact.device)

    def _member(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, Member)
        if step.action is Action.DELETE:
            yield self._ip(fact.node, "link", "set", "dev", fact.device, "nomaster")
            if fact.kind == "bond":
                yield self._ip(fact.node, "link", "set", "dev", fact.device, "up")
            return
        if fact.kind == "bond":
            # It takes in what is down only, and sets it up itself; what leaves it is down.
            yield self._ip(fact.node, "link", "set", "dev", fact.device, "down")
        yield self._ip(fact.node, "link", "set", "dev", fact.device, "master", fact.master)

    # -- addresses and routes

    def _address(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, Address)
        verb = "delete" if step.action is Action.DELETE else "add"
        untested = ["nodad"] if verb == "add" and fact.version == 6 else []
        words = ["address", verb, fact.address, "dev", fact.device, *untested]
        yield self._ip(fact.node, *words)

    def _route(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, Route)
        verb = {Action.CREATE: "add", Action.UPDATE: "replace", Action.DELETE: "delete"}[step.action]
        to = "default" if fact.to in ("0.0.0.0/0", "::/0") else fact.to
        words = ["-6"] if fact.version == 6 else []
        words += ["route", verb, *([fact.kind] if fact.kind != "unicast" else []), to]
        if verb != "delete":
            words += _way(fact)
        if fact.table != MAIN_TABLE:
            words += ["table", str(fact.table)]
        metric = fact.metric
        if verb == "delete" and fact.version == 6:
            # Without a metric, IPv6 would delete the first route to the same place, the kernel's own perhaps.
            metric = metric or _IPV6_METRIC
        if metric:
            words += ["metric", str(metric)]
        yield self._ip(fact.node, *words, "proto", str(PROTOCOL), *([] if verb == "delete" else _ways(fact)))

    def _policy_rule(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, PolicyRule)
        words = ["-6"] if fact.version == 6 else []
        verb = "delete" if step.action is Action.DELETE else "add"
        if fact.other is not None:
            yield self._ip(fact.node, *words, "rule", verb, "priority", str(fact.priority))
            return
        own = ["protocol", str(PROTOCOL)] if verb == "add" else []
        yield self._ip(fact.node, *words, "rule", verb, *fact.words().split(), "priority", str(fact.priority), *own)

    def _neighbour(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, Neighbour)
        verb = "delete" if step.action is Action.DELETE else "replace"
        known = [] if verb == "delete" else ["lladdr", fact.mac, "nud", "permanent"]
        yield self._ip(fact.node, "neighbour", verb, fact.address, *known, "dev", fact.device)

    # -- settings and programs

    def _settings(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, (Settings, DeviceSettings))
        device = fact.device if isinstance(fact, DeviceSettings) else None
        gone: list[str] = []
        values = list(fact.values)
        if step.action is Action.DELETE:
            gone, values = [name for name, _ in values], []
        elif step.action is Action.UPDATE:
            fields = _fields(step)
            gone = [difference.field for difference in step.differences if difference.after is None]
            values = [(name, value) for name, value in values if name in fields]
        if device is None and gone:
            yield f"# the settings of {fact.node} stay as they are"
            return
        for optional, run in groupby(values, key=lambda pair: pair[0].startswith(OPTIONAL_PREFIXES)):
            words = [f"{_sysctl(name, device)}={value}" for name, value in run]
            yield self._within(fact.node, "sysctl", "-qew" if optional else "-qw", *words)
        for name in gone:
            # A device's setting goes back to what a new device of its node has.
            usual = f"{'.'.join(name.split('.')[:3])}.default.{name.rpartition('.')[2]}"
            optional = "e" if name.startswith(OPTIONAL_PREFIXES) else ""
            script = f'sysctl -q{optional}w {_sysctl(name, device)}="$(sysctl -n{optional} {usual})"'
            yield self._within(fact.node, "sh", "-c", script)

    def _program(self, step: Step) -> Iterator[str]:
        fact = step.fact
        assert isinstance(fact, Program)
        whose = shlex.quote(f"NETLAB_PROGRAM={self._lab}/{fact.node}")
        what = shlex.quote(f"NETLAB_COMMAND={fact.command}")
        if step.action is Action.DELETE:
            found = f"grep -lzxF {whose} /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3"
            same = f'grep -qszxF {what} "/proc/$pid/environ"'
            yield f'for pid in $({found}); do {same} && kill "$pid" || true; done'
            return
        run = self._within(
            fact.node, "env", f"NETLAB_PROGRAM={self._lab}/{fact.node}", f"NETLAB_COMMAND={fact.command}"
        )
        yield f"{run} setsid sh -c {shlex.quote(fact.command)} </dev/null >/dev/null 2>&1 &"


def _fields(step: Step) -> set[str]:
    return {difference.field for difference in step.differences}


def _mtu(link: Bridge | End | Device) -> list[str]:
    return [] if link.mtu is None else ["mtu", str(link.mtu)]


def _on(value: bool) -> str:
    return "on" if value else "off"


def _bridge_options(fact: Bridge, fields: Iterable[str]) -> list[str]:
    found = [(word, getattr(fact, name)) for name, word in _BRIDGE_OPTIONS.items() if name in fields]
    return [text for word, value in found if value is not None for text in (word, str(int(value)))]


def _way(route: Route) -> list[str]:
    """Give the words that say where a route leads."""
    words = [*(["via", route.via] if route.via else []), *(["dev", route.device] if route.device else [])]
    words += ["src", route.source] if route.source else []
    words += ["onlink"] if route.onlink else []
    words += ["mtu", str(route.mtu)] if route.mtu else []
    return words


def _ways(route: Route) -> list[str]:
    """Give the words for the ways of a route of several; they come last."""
    found = []
    for via, device, weight in route.hops:
        found += ["nexthop", *(["via", via] if via else []), "dev", device, "weight", str(weight)]
    return found


def _sysctl(name: str, device: str | None) -> str:
    """Give a setting's name as `sysctl` wants it: a dot in the name of a device is a slash.

    >>> _sysctl("net.ipv4.conf.eth0.7.rp_filter", "eth0.7")
    'net.ipv4.conf.eth0/7.rp_filter'
    """
    return name if device is None else name.replace(f".{device}.", f".{device.replace('.', '/')}.")
