"""What is set on the devices of a node otherwise than on a new one, from the arrays that link dumps hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from netlab.facts import Settings
from netlab.kernel.decode import IPV4_DEVICE_SETTINGS, IPV6_DEVICE_SETTINGS, LinkRecord, array_value
from netlab.kernel.place import Place, born_setting, split_setting

#: Fall-back devices that modules put into every namespace; nobody can delete them.
FALLBACK = frozenset(
    {"tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0", "ip6gretap0"}
)
#: Settings of IPv4 whose defaults no node of ours has an opinion on: 0, unless the machine has it otherwise.
_ASSUMED = frozenset({"proxy_arp", "accept_local", "route_localnet"})


def strays(place: Place, links: Sequence[LinkRecord], settings: Settings) -> Iterator[tuple[str, dict[str, str]]]:
    """Give what of a node's devices is set otherwise than the node's defaults, which they were born with.

    The calling thread is on a journey.
    """
    values = dict(settings.values)
    default4 = _expected(values, "net.ipv4", IPV4_DEVICE_SETTINGS)
    default6 = _expected(values, "net.ipv6", IPV6_DEVICE_SETTINGS)
    if default6.get("disable_ipv6") == 1:
        default6 = {"disable_ipv6": 1}
    usual: set[bytes] = set()
    for link in links:
        arrays = link.ipv4 + b"|" + link.ipv6
        if link.name in FALLBACK or (arrays in usual and link.index != 1):
            continue
        stray = [
            *_stray(link, "net.ipv4", link.ipv4, default4, IPV4_DEVICE_SETTINGS),
            *_stray(link, "net.ipv6", link.ipv6, default6, IPV6_DEVICE_SETTINGS),
        ]
        found = {name: value for name, value in stray if not _is_born_so(place, values, name, value)}
        if found:
            yield link.name, found
        elif link.index != 1:
            usual.add(arrays)


def _expected(values: dict[str, str], family: str, names: Iterable[str]) -> dict[str, int]:
    found = {}
    for name in names:
        text = values.get(f"{family}.conf.default.{name}")
        if name == "forwarding" and text is None:
            text = values.get("net.ipv4.ip_forward" if family == "net.ipv4" else f"{family}.conf.all.forwarding")
        if name == "disable_ipv6":
            text = values.get(f"{family}.conf.all.{name}", text)
        if text is not None and text.lstrip("-").isdigit():
            found[name] = int(text)
        elif name in _ASSUMED and family == "net.ipv4":
            found[name] = 0
    return found


def _is_born_so(place: Place, values: dict[str, str], name: str, value: str) -> bool:
    """Tell whether a default that was only assumed is another here; the calling thread is on a journey."""
    table, _, leaf = split_setting(name)
    if leaf not in _ASSUMED or f"{table}.default.{leaf}" in values:
        return False
    place.visit()
    return born_setting(place, name) == value


def _stray(
    link: LinkRecord, family: str, array: bytes, expected: dict[str, int], positions: dict[str, int]
) -> Iterator[tuple[str, str]]:
    for name, usual in expected.items():
        if link.index == 1 and name in ("accept_ra", "forwarding"):
            continue  # `lo` is older than the defaults, and neither means anything there
        now = array_value(array, positions[name])
        if now is not None and now != usual:
            yield f"{family}.conf.{link.name}.{name}", str(now)
