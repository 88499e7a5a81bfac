"""The real machine around a lab: its settings, and what on it would drop a lab's packets. Read, never assumed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from netlab.errors import Problem
from netlab.kernel.place import setting_path

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


def has_network_rights() -> bool:
    """Tell whether this process may change its own network namespace and make others (CAP_NET_ADMIN, CAP_SYS_ADMIN)."""
    with suppress(OSError), open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("CapEff:"):
                effective = int(line.split()[1], 16)
                return bool(effective & 1 << 12) and bool(effective & 1 << 21)
    return os.geteuid() == 0


def dropping_chains() -> tuple[str, ...]:
    """Give, in words, the forward chains of this machine that drop what they do not know: Docker's, a firewall's."""
    found = [*_nftables(), *_legacy_iptables()]
    return tuple(dict.fromkeys(found))


def _nftables() -> Iterable[str]:
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.nftables import main

    nftables: Any = main
    try:
        with nftables.NFTables() as nft:
            chains: list[Any] = list(nft.get_chains())
    except (OSError, NetlinkError):
        return  # no nftables in this kernel, or not ours to look at
    for chain in chains:
        hook = chain.get_attr("NFTA_CHAIN_HOOK")
        policy = chain.get_attr("NFTA_CHAIN_POLICY")
        # NF_INET_FORWARD is 2, NF_DROP is 0 (include/uapi/linux/netfilter.h); a bridge chain (family 7) numbers alike.
        if (
            hook is not None
            and hook.get_attr("NFTA_HOOK_HOOKNUM") == 2
            and policy == 0
            and chain["nfgen_family"] in (1, 2)
        ):
            yield f"chain {chain.get_attr('NFTA_CHAIN_NAME')} of table {chain.get_attr('NFTA_CHAIN_TABLE')}"


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


def foreign_users_of_forwarding() -> str | None:
    """Name something on this machine, not netlab's, that forwarding may serve: a bridge with an address, or NAT."""
    from netlab.kernel import codec, decode
    from netlab.kernel.place import Place
    from netlab.names import HOST, parse_mark

    host = Place.here(HOST)
    try:
        links = host.socket.dump(codec.link_dump(), decode.link)
        addressed = {index for index, _ in host.socket.dump(codec.address_dump(), decode.address)}
    finally:
        host.close()
    for link in links:
        if link.kind == "bridge" and parse_mark(link.alias) is None and link.index in addressed:
            return f"the bridge {link.name}"
    return None
