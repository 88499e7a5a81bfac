"""The VLANs of a bridge's ports to netlink messages and back (include/uapi/linux/if_bridge.h). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from netlab.kernel.codec import (
    IFLA_AF_SPEC,
    IFLA_EXT_MASK,
    LINK,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    RTM_DELLINK,
    RTM_GETLINK,
    Message,
    attribute,
    attribute_u32,
    attributes,
    table,
)

_AF_BRIDGE, _RTM_SETLINK, _RTEXT_FILTER_BRVLAN = 7, 19, 2
_VLAN_INFO = 2
_PVID, _UNTAGGED, _FIRST, _LAST = 2, 4, 8, 16
_INFO = Struct("=HH")
_MOST = 4094


def vlan_dump() -> Message:
    """Give the question for the VLANs of all ports of a namespace."""
    body = LINK.pack(_AF_BRIDGE, 0, 0, 0, 0) + attribute_u32(IFLA_EXT_MASK, _RTEXT_FILTER_BRVLAN)
    return RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, body


def port_vlans(raw: bytes, start: int, end: int) -> tuple[int, tuple[str, ...]]:
    """Turn an answer into (device index, VLANs in the words of `bridge vlan`)."""
    index = LINK.unpack_from(raw, start)[2]
    body = raw[start + LINK.size : end]
    at = table(body)
    spec = body[at[IFLA_AF_SPEC]] if IFLA_AF_SPEC in at else b""
    found = (_INFO.unpack_from(spec, a) for number, a, _ in attributes(spec, 0, len(spec)) if number == _VLAN_INFO)
    return index, tuple(_words(flags, vlan) for flags, vlan in found)


def _words(flags: int, vlan: int) -> str:
    return f"{vlan}{' pvid' if flags & _PVID else ''}{' untagged' if flags & _UNTAGGED else ''}"


def change_vlans(index: int, before: tuple[str, ...] | None, after: tuple[str, ...]) -> Iterator[Message]:
    """Give the messages that make a port's VLANs these; `before` None: whatever they are."""
    if before is None:
        yield _message(RTM_DELLINK, index, [(_FIRST, 1), (_LAST, _MOST)])
    else:
        kept = {_number(text) for text in after}
        gone = [(0, _number(text)) for text in before if _number(text) not in kept]
        if gone:
            yield _message(RTM_DELLINK, index, gone)
    added = [(_flags(text), _number(text)) for text in after if before is None or text not in before]
    if added:
        yield _message(_RTM_SETLINK, index, added)


def _number(text: str) -> int:
    return int(text.partition(" ")[0])


def _flags(text: str) -> int:
    return (_PVID if " pvid" in text else 0) | (_UNTAGGED if " untagged" in text else 0)


def _message(kind: int, index: int, vlans: list[tuple[int, int]]) -> Message:
    spec = b"".join(attribute(_VLAN_INFO, _INFO.pack(*pair)) for pair in vlans)
    return kind, NLM_F_REQUEST, LINK.pack(_AF_BRIDGE, 0, index, 0, 0) + attribute(IFLA_AF_SPEC, spec)
