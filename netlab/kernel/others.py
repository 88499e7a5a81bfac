"""Devices of every kind of `netlab.kinds.registry`, and forwarding entries, to netlink messages and back. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import ip_address
from struct import Struct
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from netlab.facts import Device, Forwarding
from netlab.facts.devices import Options
from netlab.kernel.codec import (
    IFLA_IFNAME,
    IFLA_LINK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REQUEST,
    RTM_NEWLINK,
    Message,
    attribute,
    attribute_text,
    attribute_u32,
    link_body,
    pack_ip,
    pack_mac,
    table,
    unpack_ip,
)
from netlab.kernel.decode import LinkRecord
from netlab.kernel.encode import link_attributes, link_info

if TYPE_CHECKING:
    from netlab.kinds.kind import Kind, Option

#: What stands in for a kind that a kernel lacks, and is read back as that kind.
STAND_INS = {"dummy": "ifb"}
_READ_AS = {stand_in: kind for kind, stand_in in STAND_INS.items()}

#: include/uapi/linux/rtnetlink.h, neighbour.h.
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
_AF_BRIDGE, _NLM_F_APPEND = 7, 0x800
_NTF_SELF, _NUD_NOARP, _NUD_PERMANENT = 0x02, 0x40, 0x80
_NDA_DST, _NDA_LLADDR = 1, 2
_NEIGHBOUR = Struct("=BxxxiHBB")
_NONE: Mapping[Any, Any] = MappingProxyType({})
_NUMBERS = {"u8": Struct("=B"), "u16": Struct("=H"), "u32": Struct("=I"), "be16": Struct(">H")}


def kind_of(name: str) -> Kind | None:
    """Give the kind that netlink calls so, or that it stands in for; None where a file cannot ask for it."""
    from netlab.kinds.registry import KINDS

    return KINDS.get(_READ_AS.get(name, name))


def new_device(
    fact: Device, index: int, over: int | None, grouped: bool, stand_in: str | None, indices: Mapping[str, int] = _NONE
) -> Message:
    """Give the message that makes a device; `over` is the index of the one below, `stand_in` a kind in place of its.

    `indices` are those of the devices that its options name.
    """
    kind = kind_of(fact.kind)
    assert kind is not None, f"no kind {fact.kind}"
    body = link_body(index, fact.up) + link_attributes(fact.name, fact.mac, fact.mtu, grouped)
    contents = _options(kind, fact, None, indices)
    if over is not None and kind.over_number:
        contents += attribute_u32(kind.over_number, over)
    elif over is not None:
        body += attribute_u32(IFLA_LINK, over)
    body += link_info(stand_in or fact.kind, contents)
    return RTM_NEWLINK, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, body


def change_options(fact: Device, changed: Collection[str], indices: Mapping[str, int] = _NONE) -> Message:
    """Give the message that sets the named options of a device; a device that an option no longer names is 0."""
    kind = kind_of(fact.kind)
    assert kind is not None, f"no kind {fact.kind}"
    body = link_body() + attribute_text(IFLA_IFNAME, fact.name)
    unset = [name for name in changed if name not in dict(fact.options) and kind.layout[name].code == "device"]
    none = b"".join(attribute_u32(kind.layout[name].number, 0) for name in unset)
    return RTM_NEWLINK, NLM_F_REQUEST, body + link_info(kind.name, _options(kind, fact, changed, indices) + none)


def named_by(fact: Device) -> list[str]:
    """Give the devices that the options of a device name."""
    kind = kind_of(fact.kind)
    assert kind is not None, f"no kind {fact.kind}"
    return [str(value) for name, value in fact.options if kind.layout[name].code == "device"]


def _options(kind: Kind, fact: Device, names: Collection[str] | None, indices: Mapping[str, int]) -> bytes:
    return b"".join(
        _packed(kind.layout[name], value, indices) for name, value in fact.options if names is None or name in names
    )


def _packed(option: Option, value: int | str, indices: Mapping[str, int]) -> bytes:
    if option.code == "device":
        return attribute_u32(option.number, indices[str(value)])
    if option.code == "address":
        number = option.number6 if ip_address(value).version == 6 else option.number
        return attribute(number, pack_ip(str(value))[1])
    return attribute(option.number, _NUMBERS[option.code].pack(value))


def device(node: str, link: LinkRecord, below: str | None, names: Mapping[int, str] = _NONE) -> Device | None:
    """Turn a record into the fact; None where a file cannot ask for such a device. `names` are those of all indices."""
    kind = kind_of(link.kind)
    if kind is None:
        return None
    mac = link.mac if kind.has_mac else None
    return Device(node, link.name, kind.name, below, mac, link.mtu, link.up, _values(kind, link.info, names))


def over_of(link: LinkRecord) -> int:
    """Give the index of the device that one stands on; 0 where it stands on none."""
    kind = kind_of(link.kind)
    if kind is None or not kind.over_number:
        return link.link
    at = table(link.info)
    return int.from_bytes(link.info[at[kind.over_number]], "little") if kind.over_number in at else 0


def group_of(link: LinkRecord) -> int | str | None:
    """Give the host that a VXLAN was made to send to, if any: a group as a rule."""
    kind = kind_of(link.kind)
    return None if kind is None else dict(_values(kind, link.info)).get("group")


def _values(kind: Kind, body: bytes, names: Mapping[int, str] = _NONE) -> Options:
    at = table(body)
    found: dict[str, int | str] = {}
    for name, option in kind.layout.items():
        if option.code == "address":
            raw = next((body[at[n]] for n in (option.number, option.number6) if n in at), b"")
            if any(raw):
                found[name] = unpack_ip(raw)
        elif option.code == "device":
            index = int.from_bytes(body[at[option.number]], "little") if option.number in at else 0
            if index in names:
                found[name] = names[index]
        elif option.number in at:
            form = _NUMBERS[option.code]
            found[name] = form.unpack_from(body, at[option.number].start)[0]
    return tuple(sorted((name, value) for name, value in found.items() if kind.counts(name, found)))


def _neighbour(fact: Forwarding, index: int) -> bytes:
    body = _NEIGHBOUR.pack(_AF_BRIDGE, index, _NUD_NOARP | _NUD_PERMANENT, _NTF_SELF, 0)
    return body + attribute(_NDA_LLADDR, pack_mac(fact.mac)) + attribute(_NDA_DST, pack_ip(fact.to)[1])


def new_forwarding(fact: Forwarding, index: int) -> Message:
    """Give the message that adds an entry; one MAC may be behind several hosts."""
    return RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_CREATE | _NLM_F_APPEND, _neighbour(fact, index)


def delete_forwarding(fact: Forwarding, index: int) -> Message:
    return RTM_DELNEIGH, NLM_F_REQUEST, _neighbour(fact, index)


def forwarding_dump() -> Message:
    return RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, _NEIGHBOUR.pack(_AF_BRIDGE, 0, 0, 0, 0)


def forwarding(raw: bytes, start: int, end: int) -> tuple[int, str, str] | None:
    """Turn a RTM_NEWNEIGH body into (device index, MAC, host); None for what was learned, or leads to no host."""
    family, index, state, flags, _ = _NEIGHBOUR.unpack_from(raw, start)
    body = raw[start + _NEIGHBOUR.size : end]
    at = table(body)
    if family != _AF_BRIDGE or not flags & _NTF_SELF or not state & _NUD_PERMANENT:
        return None
    if _NDA_DST not in at or _NDA_LLADDR not in at:
        return None
    return index, body[at[_NDA_LLADDR]].hex(":"), unpack_ip(body[at[_NDA_DST]])
