"""The nodes of a lab are set so that each probe stands for itself and its end is told soon, in any order of probes.

What is written changes when something is told, or how long it is remembered, and not where a packet goes:

- ICMP errors of no type are limited. With an empty mask neither the limit of a destination nor that of a namespace,
  or in older kernels of the whole machine, is asked (net/ipv4/icmp.c, icmpv4_mask_allow; net/ipv6/icmp.c likewise).
- Neighbours are asked three times, 0.1 s apart, and proxies answer for others at once.
- What ICMP tells a sender about the way is not believed: neither redirects, nor path MTUs of IPv4. Those of IPv6 are
  always believed; an observation has them forgotten (tests.conformance.path_mtus).
- No redirect of IPv4 is sent: it would use up the limit that stays.
- Nobody looks for a router of IPv6 or reports its groups: what goes over a tunnel for that asks for neighbours, who
  learn of whoever asks.

One limit stays, which only the machine's first namespace could change: where a router has no route, or one that says
unreachable or prohibit, it tells a source address five times, and from then on once a second (net/ipv4/route.c,
ip_error; net.ipv4.route.error_cost). A probe beyond that is met with silence, and is to be sent again.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from netlab.kernel import codec
from netlab.kernel.socket import RouteSocket
from netlab.kernel.sysctl import SettingsTree
from tests.conformance.visiting import visiting

#: Milliseconds between two questions for a neighbour. It is given up after three, net.ipv4.neigh.*.mcast_solicit.
ASKING: Final = 100
#: Seconds until a neighbour that does not answer is given up.
GIVEN_UP: Final = 3 * ASKING / 1000

#: Milliseconds until something that is of no interest.
_NEVER: Final = "3600000"

#: Files below /proc/sys; what a kernel has for the first namespace only, or not at all, is passed over.
_SETTINGS: Final = {
    "net/ipv4/icmp_ratemask": "0",
    "net/ipv6/icmp/ratemask": "\n",
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv6/icmp/ratelimit": "0",
    "net/ipv4/ip_no_pmtu_disc": "2",
    "net/ipv4/igmp_link_local_mcast_reports": "0",
}
_OF_DEVICES: Final = {
    "net/ipv4/conf": {"accept_redirects": "0", "send_redirects": "0"},
    "net/ipv6/conf": {
        "accept_redirects": "0",
        "router_solicitations": "0",
        "mldv1_unsolicited_report_interval": _NEVER,
        "mldv2_unsolicited_report_interval": _NEVER,
    },
}

# linux/neighbour.h
_RTM_SETNEIGHTBL = 67
_NDTA_NAME, _NDTA_PARMS = 1, 6
_NDTPA_IFINDEX, _NDTPA_RETRANS_TIME, _NDTPA_PROXY_DELAY = 1, 5, 13
_TABLES: Final = ("arp_cache", "ndisc_cache")
_U64 = struct.Struct("=Q")


def hurry(lab: str, nodes: Sequence[str]) -> None:
    """Set the nodes of a lab, and the devices that they have now; call it as `observe`, inside the lab's sandbox."""
    tree = SettingsTree()
    try:
        with visiting(lab, nodes) as enter:
            for node in nodes:
                enter(node)
                _hurry_here(tree)
    finally:
        tree.close()


def _hurry_here(tree: SettingsTree) -> None:
    for path, value in _SETTINGS.items():
        _write(tree, path, value)
    for path, settings in _OF_DEVICES.items():
        for device in _entries(tree, path):  # `all` and `default` among them
            for name, value in settings.items():
                _write(tree, f"{path}/{device}/{name}", value)
    _hurry_neighbours()


def _entries(tree: SettingsTree, path: str) -> list[str]:
    try:
        fd = tree.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:  # no IPv6
        return []
    try:
        return sorted(os.listdir(fd))
    finally:
        os.close(fd)


def _write(tree: SettingsTree, path: str, value: str) -> None:
    with suppress(FileNotFoundError):
        fd = tree.open(path, os.O_WRONLY)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)


def _hurry_neighbours() -> None:
    """Set the neighbour tables of each device by netlink: an ordinary user's namespace has no files of them."""
    route = RouteSocket.opened()
    try:
        indices = route.dump(codec.link_dump(), lambda raw, start, _: codec.LINK.unpack_from(raw, start)[2])
        # A device without IPv6, or without neighbours at all, is in fewer tables (ENOENT).
        route.send(
            [_neighbour_table(name, int(index)) for index in indices for name in _TABLES],
            lambda _, number: number == errno.ENOENT,
        )
    finally:
        route.close()


def _neighbour_table(name: str, index: int) -> codec.Message:
    parameters = (
        codec.attribute_u32(_NDTPA_IFINDEX, index)
        + codec.attribute(_NDTPA_RETRANS_TIME, _U64.pack(ASKING))
        + codec.attribute(_NDTPA_PROXY_DELAY, _U64.pack(0))
    )
    body = bytes(4) + codec.attribute_text(_NDTA_NAME, name) + codec.attribute(_NDTA_PARMS, parameters)
    return _RTM_SETNEIGHTBL, codec.NLM_F_REQUEST, body
