"""Turns what a node asks for into kernel settings: the baseline that every node of ours gets, and `sysctls`.

New namespaces inherit IPv4 settings from the machine, so nothing is left to chance. The order of the values is the
order of writing: `ip_forward` first, because the kernel then overwrites every device's `forwarding`, and IPv6's
`all.forwarding` before its other settings, because it changes `accept_ra`'s meaning. On the real machine `host` gets
only what the file asks for.
"""

from __future__ import annotations

import re
from functools import cache

from netlab import names
from netlab.facts import DeviceSettings, Settings
from netlab.source import Path, quote
from netlab.topology.draft import Draft, NodeDraft, nearest

Values = tuple[tuple[str, str], ...]

#: Settings that name a device: the table, the device, the setting.
_OF_DEVICE = re.compile(r"(net\.(?:ipv4|ipv6)\.(?:conf|neigh)|net\.mpls\.conf)\.(.+)\.([^.]+)\Z")
_SCOPES = ("all", "default")
#: Two names of one setting (net/ipv4/devinet.c).
_SAME = {"net.ipv4.conf.all.forwarding": "net.ipv4.ip_forward"}


@cache
def baseline(forwarding: bool, ipv6: bool, bridges: bool) -> Values:
    """Give the settings of a node; the same object for the same question, as thousands of nodes share it.

    Some hold for every device by being set for `all` (promote_secondaries, disable_ipv6); others are the larger of
    `all` and the device's own, which is born with `default`. Bridge netfilter matters where there are bridges.

    >>> baseline(False, False, False)[0]
    ('net.ipv4.ip_forward', '0')
    """
    found = [("net.ipv4.ip_forward", "1" if forwarding else "0")]
    for scope in _SCOPES:
        conf = f"net.ipv4.conf.{scope}"
        found += [(f"{conf}.rp_filter", "0"), (f"{conf}.arp_ignore", "0"), (f"{conf}.arp_announce", "0")]
    found.append(("net.ipv4.conf.all.promote_secondaries", "1"))
    if ipv6:
        found.append(("net.ipv6.conf.all.forwarding", "1" if forwarding else "0"))
        # A link-local address that waits for duplicate detection sends no neighbour solicitation: for 2 s nothing would
        # be forwarded. Before IPv6 is switched on, which makes these addresses.
        found += [(f"net.ipv6.conf.{scope}.accept_dad", "0") for scope in _SCOPES]
    found.append(("net.ipv6.conf.all.disable_ipv6", "0" if ipv6 else "1"))
    if ipv6:
        found += [(f"net.ipv6.conf.{scope}.accept_ra", "0") for scope in _SCOPES]
    if bridges:
        found += [(f"net.bridge.bridge-nf-call-{tables}", "0") for tables in ("iptables", "ip6tables", "arptables")]
    return tuple(found)


def settle(draft: Draft, node: NodeDraft) -> tuple[Settings | None, list[tuple[DeviceSettings, Path]]]:
    """Give a node's settings, and those of its devices with the place that asked for them."""
    own = node.name != names.HOST or draft.sandboxed
    if own:
        values = baseline(bool(node.forwarding), node.ipv6, any(section.bridges for section, _ in node.parts))
    else:
        values = _of_the_machine(node)
    if not node.needed and not any(section.sysctls for section, _ in node.parts):
        return (Settings(node.name, values) if values else None), []
    asked, of_devices = _asked(draft, node)
    changed = dict(values)
    changed.update(asked)
    settings = Settings(node.name, tuple(changed.items())) if changed else None
    found = []
    for device, entries in of_devices.items():
        # A device's settings hold only what differs from its node's defaults.
        kept = {name: one for name, one in entries.items() if changed.get(_default_of(name)) != one[0]}
        if kept:
            values = tuple((name, value) for name, (value, _) in kept.items())
            found.append((DeviceSettings(node.name, device, values), next(iter(kept.values()))[1]))
    return settings, found


def _of_the_machine(node: NodeDraft) -> Values:
    """Give what the file asks of the real machine: forwarding, of IPv6 too where the lab has IPv6 on it."""
    if node.forwarding is None:
        return ()
    value = "1" if node.forwarding else "0"
    ipv6 = (("net.ipv6.conf.all.forwarding", value),) if node.ipv6 else ()
    return (("net.ipv4.ip_forward", value), *ipv6)


def _default_of(name: str) -> str:
    """Give the setting that a device's setting is born with.

    >>> _default_of("net.ipv4.conf.eth0.rp_filter")
    'net.ipv4.conf.default.rp_filter'
    """
    return _OF_DEVICE.sub(r"\1.default.\3", name)


def _asked(draft: Draft, node: NodeDraft) -> tuple[dict[str, str], dict[str, dict[str, tuple[str, Path]]]]:
    """Sort `sysctls` into the node's own and those of its devices."""
    asked: dict[str, str] = {}
    of_devices: dict[str, dict[str, tuple[str, Path]]] = {}
    for section, path in node.parts:
        for written, value in section.sysctls.items():
            at = (*path, "sysctls", written)
            name = _SAME.get(written, written)
            value = _normal(name, value)
            match = _OF_DEVICE.match(name)
            device = match[2] if match is not None and match[2] not in _SCOPES else None
            if device is not None and device not in node.devices:
                near = nearest(device, list(node.devices))
                fix = f"write {name.replace(f'.{device}.', f'.{near}.')}" if near else _devices(node)
                draft.tell("unknown-device", f"{node.name} has no device {quote(device)}", at, fix, key=True)
            elif device is not None:
                of_devices.setdefault(device, {})[name] = (value, at)
            elif name == "net.ipv4.ip_forward" and node.forwarding is not None and value != str(int(node.forwarding)):
                what = f"{name} is {value} here, and forwarding is {str(node.forwarding).lower()}"
                draft.tell("sysctl", what, at, "remove one of them", key=True)
            else:
                asked[name] = value
    for name, (value, at) in node.needed.items():
        match = _OF_DEVICE.match(name)
        assert match is not None, f"{name} is no device's"
        of_devices.setdefault(match[2], {}).setdefault(name, (value, at))
    return asked, of_devices


def _devices(node: NodeDraft) -> str:
    return f"devices of {node.name}: {', '.join(list(node.devices)[:8])}"


def _normal(name: str, value: str) -> str:
    r"""Write a value as the kernel gives it back: numbers of a vector are joined by tabs, a single one is decimal.

    >>> _normal("net.ipv4.tcp_rmem", "4096  87380 6291456"), _normal("net.ipv4.ip_default_ttl", "0x40")
    ('4096\t87380\t6291456', '64')
    """
    parts = value.split()
    if len(parts) == 1 and re.fullmatch(r"0[xX][0-9a-fA-F]+|0[0-7]*|-?[1-9][0-9]*", parts[0]):
        # strtoul_lenient of kernel/sysctl.c takes hexadecimal and octal numbers.
        return str(int(parts[0], 16 if parts[0][:2] in ("0x", "0X") else 8 if parts[0][0] == "0" else 10))
    return ("\t" if all(part.lstrip("-").isdigit() for part in parts) else " ").join(parts)


def forwards(node: NodeDraft, version: int) -> bool:
    """Tell whether a node passes packets of an IP version on."""
    name = "net.ipv4.ip_forward" if version == 4 else "net.ipv6.conf.all.forwarding"
    for section, _ in node.parts:
        if name in section.sysctls:
            return section.sysctls[name] != "0"
    return bool(node.forwarding)
