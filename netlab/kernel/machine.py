"""The real machine around a lab: its settings, and what on it would drop a lab's packets. Read, never assumed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from socket import if_nameindex

from netlab.errors import Problem, Span
from netlab.kernel.codec import NLM_F_DUMP, NLM_F_REQUEST, attributes
from netlab.kernel.place import setting_path

#: NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN.
_GET_CHAINS = 10 << 8 | 4
_NFTA_CHAIN_TABLE, _NFTA_CHAIN_NAME, _NFTA_CHAIN_HOOK, _NFTA_CHAIN_POLICY = 1, 3, 4, 5
_NFTA_CHAIN_TYPE, _NFTA_HOOK_HOOKNUM = 7, 1
#: Numbers of netfilter are in network order: NF_DROP, NF_INET_FORWARD.
_NF_DROP, _NF_INET_FORWARD = b"\0\0\0\0", b"\0\0\0\2"
#: NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6.
_IP_FAMILIES = (1, 2, 10)
#: Seconds that a program that only lists rules may take.
_LISTING = 10.0


def read_setting(name: str) -> str | None:
    """Read a setting of the namespace that the calling thread is in; None where there is none."""
    try:
        with open(setting_path(name), encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def read_host_settings(names: Iterable[str]) -> dict[str, str]:
    """Read several settings; those that are not there are left out."""
    return {name: value for name in names if (value := read_setting(name)) is not None}


def write_setting(name: str, value: str) -> None:
    """Write a setting of the namespace that the calling thread is in; raises OSError."""
    with open(setting_path(name), "w", encoding="ascii") as file:
        file.write(value)


def dropping_chains() -> tuple[str, ...]:
    """Give, in words, the forward chains of this machine that drop what they do not know: Docker's, a firewall's."""
    dropping = [f"chain {chain.name} of table {chain.table}" for chain in chains() if chain.drops_forwarding]
    found = [*dropping, *_legacy_iptables()]
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class MachineChain:
    """A base chain of nftables: where it hooks in, and what it does by itself."""

    table: str
    name: str
    kind: str
    hook: bytes | None
    policy: bytes | None

    @property
    def drops_forwarding(self) -> bool:
        return self.hook == _NF_INET_FORWARD and self.policy == _NF_DROP


def chains() -> list[MachineChain]:
    """Give the base chains of the calling thread's namespace.

    nftables holds iptables-nft's chains too (include/uapi/linux/netfilter/nf_tables.h).
    """
    from netlab.kernel.socket import NETLINK_NETFILTER, RouteSocket

    try:
        socket = RouteSocket.opened(NETLINK_NETFILTER)
    except OSError:
        return []  # a kernel without netfilter drops nothing
    try:
        return socket.dump((_GET_CHAINS, NLM_F_REQUEST | NLM_F_DUMP, b"\0\0\0\0"), _chain)
    except OSError:
        return []  # no nftables in this kernel, or not ours to look at
    finally:
        socket.close()


def _chain(raw: bytes, start: int, end: int) -> MachineChain | None:
    """Turn a NFT_MSG_NEWCHAIN body into a chain; None for families other than IP's."""
    if raw[start] not in _IP_FAMILIES:
        return None
    at = {number: raw[a:b] for number, a, b in attributes(raw, start + 4, end)}
    hook = at.get(_NFTA_CHAIN_HOOK, b"")
    numbers = {number: hook[a:b] for number, a, b in attributes(hook, 0, len(hook))}
    table, name, kind = (
        at.get(number, b"").rstrip(b"\0").decode(errors="replace")
        for number in (_NFTA_CHAIN_TABLE, _NFTA_CHAIN_NAME, _NFTA_CHAIN_TYPE)
    )
    return MachineChain(table, name, kind, numbers.get(_NFTA_HOOK_HOOKNUM), at.get(_NFTA_CHAIN_POLICY))


def _legacy_iptables() -> Iterable[str]:
    """Ask iptables-legacy, where the kernel has its table: its rules are not nftables'."""
    program = shutil.which("iptables-legacy")
    tables = ""
    with suppress(OSError), open("/proc/net/ip_tables_names", encoding="ascii") as names:
        tables = names.read()
    if program is None or "filter" not in tables:
        return
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run([program, "-w", "2", "-S", "FORWARD"], capture_output=True, text=True, timeout=_LISTING)
        if done.stdout.startswith("-P FORWARD DROP"):
            yield "chain FORWARD of iptables-legacy"


def neighbour_limit(addresses: int) -> tuple[Problem, ...]:
    """Warn of a lab with more addresses than the kernel has room for neighbours, over all namespaces together."""
    limit = read_setting("net.ipv4.neigh.default.gc_thresh3")
    # Only the machine's own namespace has the file; its default is 1,024 (net/ipv4/arp.c).
    room = int(limit) if limit is not None and limit.isdigit() else 1024
    if addresses <= room:
        return ()
    what = f"the lab has {addresses} addresses, the kernel's neighbour table room for {room}, over all namespaces"
    fix = f"on the machine: sysctl -w net.ipv4.neigh.default.gc_thresh3={addresses * 4}"
    return (Problem(code="neighbour-table", what=what, fix=fix, severity="warning"),)


def obstacles(bridges: bool, forwards: bool) -> tuple[Problem, ...]:
    """Give what on this machine will drop packets of a lab that bridges or forwards on the host itself."""
    bridged = bridges and read_setting("net.bridge.bridge-nf-call-iptables") == "1"
    if not (bridged or forwards):
        return ()
    chains = dropping_chains()
    if not chains:
        return ()
    what = f"{chains[0]} on this machine drops what it forwards (Docker and firewalls set it so)"
    if bridged:
        what += (
            ", and bridge-nf-call-iptables sends it the frames of every bridge: even two nodes on one bridge of the "
        )
        what += "host will not reach each other"
    else:
        what += ": nodes will not reach each other through the host"
    fix = "apply with --sandbox; or accept the lab's bridge: iptables -I DOCKER-USER -i BRIDGE -j ACCEPT"
    return (Problem(code="forward-drop", what=what, fix=fix, severity="warning"),)


def overlaps(networks: Mapping[str, Span | None]) -> tuple[Problem, ...]:
    """Warn of networks of a lab's host that overlap what this machine reaches otherwise: one of the two is lost."""
    from ipaddress import ip_network

    known = _networks_of_machine()
    found = []
    for text, span in networks.items():
        network = ip_network(text)
        for other, where in known.items():
            theirs = ip_network(other)
            if network.version == theirs.version and network.overlaps(theirs) and theirs.prefixlen:
                what = f"{text} overlaps {other}, which this machine reaches by {where}"
                fix = "choose another subnet, or apply with --sandbox"
                found.append(Problem("overlap", what, span, fix, severity="warning"))
    return tuple(found)


def _networks_of_machine() -> dict[str, str]:
    """Give the networks of devices and routes of this machine that are not netlab's, and the device of each."""
    from socket import AF_INET, AF_INET6

    from netlab.facts import PROTOCOL, network_of
    from netlab.kernel import codec, decode
    from netlab.kernel.place import Place
    from netlab.names import HOST, parse_mark

    host = Place.here(HOST)
    try:
        addresses, *families = host.socket.dumps(
            [
                (codec.address_dump(), decode.address),
                (codec.route_dump(AF_INET), decode.route),
                (codec.route_dump(AF_INET6), decode.route),
            ]
        )
        routes = [route for family in families for route in family if route.protocol != PROTOCOL]
        # Of a thousand ports without an address there is nothing to know.
        indices = {index for index, _ in addresses} | {route.index for route in routes} - {0}
        links = [link for index in sorted(indices) if (link := host.socket.link(index)) is not None]
    finally:
        host.close()
    foreign = {link.index: link.name for link in links if parse_mark(link.alias) is None and link.index != 1}
    found = {network_of(text): foreign[index] for index, text in addresses if index in foreign}
    for route in routes:
        if route.index in foreign:
            found.setdefault(route.to, foreign[route.index])
    return found


def foreign_users_of_forwarding() -> str | None:
    """Name something on this machine, not netlab's, that forwarding may serve: a bridge with an address, or NAT."""
    from netlab.kernel import codec, decode
    from netlab.kernel.place import Place
    from netlab.names import HOST, TABLE_PREFIX, parse_mark

    host = Place.here(HOST)
    try:
        links = host.socket.dump(codec.link_dump(), decode.link)
        addressed = {index for index, _ in host.socket.dump(codec.address_dump(), decode.address)}
    finally:
        host.close()
    for link in links:
        if link.kind == "bridge" and parse_mark(link.alias) is None and link.index in addressed:
            return f"the bridge {link.name}"
    translating = [chain for chain in chains() if chain.kind == "nat" and not chain.table.startswith(TABLE_PREFIX)]
    return f"address translation in table {translating[0].table}" if translating else None


def devices() -> frozenset[str]:
    """Give the names of the devices of the calling thread's network namespace."""
    return frozenset(name for _, name in if_nameindex())
