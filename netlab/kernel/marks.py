"""Whose a device of the real machine is, by what it carries: an alias, or for a moment only its group and its MAC.

    alias `netlab:LAB/host/NAME`        the lab's, whatever it is called now: names are labels
    the group, and no alias             half made: netlab was killed between a device's birth and its alias
    anything else                       not netlab's

What is half made says nothing of its lab. It counts as a lab's by the MAC that netlab derives for it, or by a name that
the lab wants while no other netlab is at work (which the caller knows). It is not mended, but removed and made again.
A veth's name alone says nothing while its peer is in another namespace: it goes with that, or is told by it. The kernel
takes its time over namespaces that nobody holds any more, so one may still be there when the next apply looks.
"""

from __future__ import annotations

from collections.abc import Collection

from netlab.kernel.decode import LinkRecord
from netlab.names import GROUP, HOST, derived_mac, parse_mark


def owner(link: LinkRecord) -> str | None:
    """Give the lab that a device of the host is marked for."""
    found = parse_mark(link.alias)
    return found[0] if found is not None and found[1].startswith(f"{HOST}/") else None


def is_bare(link: LinkRecord) -> bool:
    """Tell whether a device of the host is netlab's, but not marked as a lab's."""
    return link.group == GROUP and not link.alias


def is_half_made(link: LinkRecord, lab: str, names: Collection[str] = ()) -> bool:
    """Tell whether a device of the host is what a killed netlab left of a lab; `names` are those that the lab wants."""
    named = link.name in names and link.namespace_id is None
    return is_bare(link) and (named or link.mac == derived_mac(lab, HOST, link.name))
