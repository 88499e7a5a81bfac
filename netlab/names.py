"""Pure rules of naming: what may be called what, and names and MACs derived from other names.

The kernel's device names are 1 to 15 bytes without `/`, `:` and white space (net/core/dev.c,
dev_valid_name). netlab's own names (labs, nodes) are letters, digits, `.`, `_` and `-`.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

#: Words of the language that cannot name a node, a bridge or a container.
RESERVED = frozenset({"host", "none", "bridge", "container", "any", "auto"})
#: The longest name of a lab or node: `LAB-NODE` must fit a file name of /run/netns, and an alias.
LONGEST_NAME = 64
#: IFNAMSIZ less the closing NUL (include/uapi/linux/if.h).
LONGEST_DEVICE = 15

#: The node that plays the machine itself.
HOST = "host"
#: The interface group that netlab's devices on a real machine are born in: the kernel takes it at creation.
GROUP = 28268
#: What the names of netlab's nftables tables begin with.
TABLE_PREFIX = "netlab-"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\Z")


def fault_of_name(name: str) -> str | None:
    """Say what is wrong with the name of a lab or a node, or None.

    >>> fault_of_name("ns0")
    >>> fault_of_name("a b")
    "has a character other than letters, digits, '.', '_' and '-'"
    """
    if not name:
        return "is empty"
    if len(name) > LONGEST_NAME:
        return f"is longer than {LONGEST_NAME} characters"
    if name in RESERVED:
        return "is a word of the language"
    if name[0] in ".-":
        return f"begins with {name[0]!r}"
    if not _NAME.match(name):
        return "has a character other than letters, digits, '.', '_' and '-'"
    return None


def fault_of_device(name: str) -> str | None:
    """Say what is wrong with the name of a device, or None.

    >>> fault_of_device("eth0")
    >>> fault_of_device("a-name-too-long-for-it")
    'is 22 bytes long; the kernel takes at most 15'
    """
    size = len(name.encode())
    if not name:
        return "is empty"
    if size > LONGEST_DEVICE:
        return f"is {size} bytes long; the kernel takes at most {LONGEST_DEVICE}"
    if name in (".", "..", "all", "default"):
        return "is a name that the kernel keeps for itself"
    if name[0] == "-":
        return "begins with '-'"
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        return "has a character other than letters, digits, '.', '_' and '-'"
    return None


def _digest(*parts: str) -> bytes:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).digest()


@lru_cache(maxsize=65536)
def derived_mac(lab: str, node: str, device: str) -> str:
    """Give the locally administered unicast MAC of a device, the same at every apply.

    >>> derived_mac("bridge3", "ns0", "eth0") == derived_mac("bridge3", "ns0", "eth0")
    True
    """
    raw = bytearray(_digest("mac", lab, node, device)[:6])
    raw[0] = raw[0] & 0xFC | 0x02
    return raw.hex(":")


def far_end_name(lab: str, node: str, device: str) -> str:
    """Give the name of the far end of a veth whose near end is NODE:DEVICE: `v` and ten hash characters."""
    return "v" + _digest("far end", lab, node, device).hex()[:10]


def registered_name(lab: str, node: str) -> str:
    """Give the name under which a node's namespace stands in /run/netns.

    >>> registered_name("bridge3", "ns0")
    'bridge3-ns0'
    """
    return f"{lab}-{node}"


def table_name(lab: str) -> str:
    """Give the name of a lab's nftables table, which is its mark.

    >>> table_name("docker0")
    'netlab-docker0'
    """
    return TABLE_PREFIX + lab


def mark(lab: str, thing: str) -> str:
    """Give the alias that marks a namespace's `lo` (thing is the node) or a host device (thing is `host/DEVICE`).

    >>> mark("bridge3", "ns0")
    'netlab:bridge3/ns0'
    """
    return f"netlab:{lab}/{thing}"


def parse_mark(alias: str) -> tuple[str, str] | None:
    """Give (lab, thing) of a mark, or None of any other alias.

    >>> parse_mark("netlab:bridge3/host/br0")
    ('bridge3', 'host/br0')
    >>> parse_mark("uplink")
    """
    if not alias.startswith("netlab:") or "/" not in alias:
        return None
    lab, thing = alias[len("netlab:") :].split("/", 1)
    return lab, thing
