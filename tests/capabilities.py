"""Names of what a kernel may or may not have -> which of them the running kernel lacks, found by trying.

A test says what it needs by `@pytest.mark.needs("dummy", "vlan")`. Versions and configurations are never asked: each
probe is a line of shell that does the thing, and looks where a kernel takes a wish and forgets it. The probes run in
a network namespace each that ends with it, and share no code with netlab's own (netlab.kernel.capability).
"""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: Seconds that all probes may take together; modules are loaded meanwhile, on a processor that may be emulated.
PATIENCE: Final = 60.0


def _device(kind: str) -> str:
    return f"ip link add name new type {kind}"


def _stacked(kind: str) -> str:
    return f"ip link add under type veth peer name beside; ip link add name new link under type {kind}"


def _qdisc(words: str) -> str:
    return f"ip link add new up type veth peer name beside; tc qdisc add dev new {words}"


def _rule(words: str, hook: str = "type filter hook forward priority 0") -> str:
    return f"nft -f - <<'END'\ntable inet t {{ chain c {{ {hook}; {words}; }}; }}\nEND\n"


PROBES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bond": _device("bond mode active-backup"),
        "bridge": _device("bridge"),
        "cake": _qdisc("root cake bandwidth 10mbit"),
        "dummy": _device("dummy"),
        "flowtable": "nft add table inet t; nft 'add flowtable inet t f { hook ingress priority 0; }'",
        "fq_codel": _qdisc("root fq_codel"),
        "geneve": _device("geneve id 7 remote 192.0.2.1"),
        "gre": _device("gre local 192.0.2.1 remote 192.0.2.2"),
        "htb": _qdisc("root htb"),
        "ifb": _device("ifb"),
        "ipip": _device("ipip local 192.0.2.1 remote 192.0.2.2"),
        "ipvlan": _stacked("ipvlan mode l2"),
        "ipvs": "genl ctrl get name IPVS | grep IPVS",
        "macvlan": _stacked("macvlan mode bridge"),
        "masquerade": _rule("masquerade", "type nat hook postrouting priority 100"),
        "netem": _qdisc("root netem delay 10ms"),
        "nftables": _rule("accept"),
        "sit": _device("sit local 192.0.2.1 remote 192.0.2.2"),
        "tap": "ip tuntap add name new mode tap",
        "tbf": _qdisc("root tbf rate 1mbit burst 10k latency 50ms"),
        "tun": "ip tuntap add name new mode tun",
        "vlan": _stacked("vlan id 7"),
        "vlan_filtering": "ip link add new type bridge vlan_filtering 1; ip -d link show new | grep 'vlan_filtering 1'",
        "vrf": _device("vrf table 7"),
        "vxlan": _device("vxlan id 7 dstport 4789 remote 192.0.2.1"),
        "wireguard": _device("wireguard"),
    }
)


def lacking(names: frozenset[str]) -> frozenset[str]:
    """Give those of the names that this kernel lacks for this user. Each is tried once in a process."""
    return frozenset(name for name in names if not _has(name, PROBES[name]))


@functools.cache
def _has(name: str, probe: str) -> bool:
    """Do what a probe says in a network namespace of its own."""
    rootless = [] if os.geteuid() == 0 else ["--map-root-user"]
    tried = subprocess.run(
        ["unshare", "--net", *rootless, "sh", "-ec", probe],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return tried.returncode == 0
