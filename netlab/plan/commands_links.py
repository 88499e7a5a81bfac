"""Steps about devices as commands: `lo`, bridges, veth pairs, every other kind, ports, members, strays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netlab.facts import Bridge, Device, End, External, Member, Namespace, Port, Stray, Veth
from netlab.facts.links import PORT_DEFAULTS, PORT_SWITCHES, PORT_VLANS
from netlab.names import GROUP, HOST, mark, registered_name
from netlab.plan.shell import Shell, fields_of
from netlab.plan.steps import Action, Step

#: The least that an Ethernet device takes (include/uapi/linux/if_ether.h ETH_MIN_MTU).
_LEAST_MTU = 68

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


def namespace_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about a node's namespace."""
    fact = step.fact
    assert isinstance(fact, Namespace)
    node, registered = fact.node, registered_name(shell.lab, fact.node)
    if step.action is Action.DELETE:
        yield f"ip netns delete {registered}" if node != HOST else "# the sandbox ends, and its host with it"
        return
    if step.action is Action.UPDATE:
        yield shell.ip(node, "link", "set", "dev", "lo", "up" if fact.up else "down")
        return
    if node != HOST:
        yield f"ip netns add {registered}"
    up = ["up"] if fact.up else []
    yield shell.ip(node, "link", "set", "dev", "lo", "alias", mark(shell.lab, node), *up)


def _born(shell: Shell, link: Bridge | End | Device) -> list[str]:
    """Give the words that say what a device is made with."""
    group = ["group", str(GROUP)] if shell.is_machine(link.node) else []
    return ["name", link.name, *group, *(["address", link.mac] if link.mac else [])]


def _finished(shell: Shell, link: Bridge | End | Device, *words: str) -> Iterator[str]:
    """Give the command that marks a new device where it needs it, and sets it up."""
    alias = ["alias", mark(shell.lab, f"{HOST}/{link.name}")] if shell.is_machine(link.node) else []
    found = [*alias, *words, *(["up"] if link.up else [])]
    if found:
        yield shell.ip(link.node, "link", "set", "dev", link.name, *found)


def _changed(shell: Shell, link: Bridge | End | Device, fields: Iterable[str]) -> Iterator[str]:
    words = {"mac": ["address", str(link.mac)], "mtu": ["mtu", str(link.mtu)], "up": ["up" if link.up else "down"]}
    found = [word for field in words if field in fields for word in words[field]]
    if found:
        yield shell.ip(link.node, "link", "set", "dev", link.name, *found)


def bridge_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about a bridge."""
    fact = step.fact
    assert isinstance(fact, Bridge)
    if step.action is Action.DELETE:
        yield shell.ip(fact.node, "link", "delete", "dev", fact.name)
    elif step.action is Action.UPDATE:
        fields = fields_of(step)
        if "stp" in fields and not fact.stp:
            # First: while STP is on, the kernel refuses delays that are right without it.
            yield shell.ip(fact.node, "link", "set", "dev", fact.name, "type", "bridge", "stp_state", "0")
            fields -= {"stp"}
        options = _bridge_options(fact, fields)
        if options:
            yield shell.ip(fact.node, "link", "set", "dev", fact.name, "type", "bridge", *options)
        yield from _changed(shell, fact, fields)
    else:
        # A bridge keeps an MTU that it was changed to; one that it was born with follows its ports' (br_if.c
        # br_mtu_auto_adjust). So it is born with another.
        born = [] if fact.mtu is None else ["mtu", str(fact.mtu - 1 if fact.mtu > _LEAST_MTU else fact.mtu + 1)]
        options = _bridge_options(fact, _BRIDGE_OPTIONS)
        yield shell.ip(fact.node, "link", "add", *_born(shell, fact), *born, "type", "bridge", *options)
        yield from _finished(shell, fact, *_mtu(fact))


def veth_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about a veth pair."""
    fact = step.fact
    assert isinstance(fact, Veth)
    # From the host's side, as a node has no name for the host's namespace.
    near, far = (fact.b, fact.a) if fact.b.node == HOST else (fact.a, fact.b)
    if step.action is Action.DELETE:
        yield shell.ip(near.node, "link", "delete", "dev", near.name)
    elif step.action is Action.UPDATE:
        for prefix, end in (("a.", fact.a), ("b.", fact.b)):
            names = {name.removeprefix(prefix) for name in fields_of(step) if name.startswith(prefix)}
            yield from _changed(shell, end, names)
    else:
        where = [] if far.node == near.node else ["netns", registered_name(shell.lab, far.node)]
        peer = ["peer", *_born(shell, far), *_mtu(far), *where]
        yield shell.ip(near.node, "link", "add", *_born(shell, near), *_mtu(near), "type", "veth", *peer)
        yield from _finished(shell, near)
        yield from _finished(shell, far)


def device_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about a device of another kind."""
    from netlab.kinds.registry import KINDS

    fact = step.fact
    assert isinstance(fact, Device)
    kind, options = KINDS[fact.kind], dict(fact.options)
    if step.action is Action.DELETE:
        yield shell.ip(fact.node, "link", "delete", "dev", fact.name)
    elif step.action is Action.UPDATE:
        fields = fields_of(step)
        changed = {name: value for name, value in options.items() if f"{fact.kind}.{name}" in fields}
        if "bond.primary" in fields and "primary" not in options:
            # iproute2 has no word for none.
            script = f"echo >/sys/class/net/{fact.name}/bonding/primary"
            yield shell.within(fact.node, "sh", "-c", script)
        if changed:
            yield shell.ip(fact.node, "link", "set", "dev", fact.name, "type", fact.kind, *kind.words(changed))
        yield from _changed(shell, fact, fields)
    elif fact.kind == "tun":
        yield shell.ip(fact.node, "tuntap", "add", "dev", fact.name, *kind.words(options))
        group = ["group", str(GROUP)] if shell.is_machine(fact.node) else []
        own = [*group, *(["address", fact.mac] if fact.mac else []), *_mtu(fact)]
        yield from _finished(shell, fact, *own)
    else:
        below = [] if fact.over is None or kind.over_number else ["link", fact.over]
        beside = ["dev", fact.over] if fact.over is not None and kind.over_number else []
        typed = shell.stand_ins.get(fact.kind, fact.kind)
        words = [*_born(shell, fact), *_mtu(fact), "type", typed, *kind.words(options), *beside]
        yield shell.ip(fact.node, "link", "add", *below, *words)
        yield from _finished(shell, fact)


def stray_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about a stray device."""
    fact = step.fact
    assert isinstance(fact, Stray)
    yield shell.ip(fact.node, "link", "delete", "dev", fact.name)


def external_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about a device of the machine: it is looked at, not made."""
    fact = step.fact
    assert isinstance(fact, External)
    if step.action is Action.CREATE:
        yield shell.ip(fact.node, "-oneline", "link", "show", "dev", fact.name)


def port_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about a port of a bridge."""
    fact = step.fact
    assert isinstance(fact, Port)
    if step.action is Action.DELETE:
        yield shell.ip(fact.node, "link", "set", "dev", fact.device, "nomaster")
        return
    fields = fields_of(step)
    if step.action is Action.CREATE or "bridge" in fields:
        yield shell.ip(fact.node, "link", "set", "dev", fact.device, "master", fact.bridge)
        # A port is born anew in another bridge, so whatever is not as it is born is said again.
        fields = {name for name, value in PORT_DEFAULTS.items() if getattr(fact, name) != value}
    words = [word for name in PORT_SWITCHES if name in fields for word in (name, _on(getattr(fact, name)))]
    words += [word for name in ("cost", "priority") if name in fields for word in (name, str(getattr(fact, name)))]
    if words:
        yield shell.tool("bridge", fact.node, "link", "set", "dev", fact.device, *words)
    if fact.vlans is None or not (step.action is Action.CREATE or {"vlans", "bridge"} & fields_of(step)):
        return
    same = isinstance(step.before, Port) and "bridge" not in fields_of(step) and step.before.vlans is not None
    born = step.before.vlans if same and isinstance(step.before, Port) else PORT_VLANS
    kept = {text.partition(" ")[0] for text in fact.vlans}
    for text in born or ():
        if text.partition(" ")[0] not in kept:
            yield shell.tool("bridge", fact.node, "vlan", "delete", "vid", text.partition(" ")[0], "dev", fact.device)
    for text in fact.vlans:
        if text not in (born or ()):
            yield shell.tool("bridge", fact.node, "vlan", "add", "vid", *text.split(), "dev", fact.device)


def member_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about a member of a bond or a VRF."""
    fact = step.fact
    assert isinstance(fact, Member)
    if step.action is Action.DELETE:
        yield shell.ip(fact.node, "link", "set", "dev", fact.device, "nomaster")
        if fact.kind == "bond":
            yield shell.ip(fact.node, "link", "set", "dev", fact.device, "up")
        return
    if fact.kind == "bond":
        # It takes in what is down only, and sets it up itself; what leaves it is down.
        yield shell.ip(fact.node, "link", "set", "dev", fact.device, "down")
    yield shell.ip(fact.node, "link", "set", "dev", fact.device, "master", fact.master)


def _mtu(link: Bridge | End | Device) -> list[str]:
    return [] if link.mtu is None else ["mtu", str(link.mtu)]


def _on(value: bool) -> str:
    return "on" if value else "off"


def _bridge_options(fact: Bridge, fields: Iterable[str]) -> list[str]:
    found = [(word, getattr(fact, name)) for name, word in _BRIDGE_OPTIONS.items() if name in fields]
    return [text for word, value in found if value is not None for text in (word, str(int(value)))]
