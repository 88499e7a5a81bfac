"""Policy rules and neighbours to netlink messages and back (rtnetlink(7); net/core/fib_rules.c, neighbour.c). Pure."""

from __future__ import annotations

from struct import Struct

from netlab.facts import PROTOCOL, Neighbour, PolicyRule
from netlab.facts.policy import ACTIONS
from netlab.kernel.codec import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    NLM_F_REQUEST,
    RTPROT_KERNEL,
    Message,
    attribute,
    attribute_text,
    attribute_u32,
    attributes,
    pack_ip,
    pack_mac,
    table,
    unpack_ip,
)

RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34
#: struct fib_rule_hdr: family, lengths of destination and source, tos, table, two unused, action, flags.
_RULE = Struct("=BBBBBBBBI")
_DST, _SRC, _IIF, _PRIORITY, _MARK, _SUPPRESS, _TABLE, _MASK, _OIF, _PROTOCOL = 1, 2, 3, 6, 10, 14, 15, 16, 17, 21
#: FRA_* that a file can say, and those that say nothing: padding, who made the rule, no suppression of prefixes.
_SAID = {_DST, _SRC, _IIF, _PRIORITY, _MARK, _TABLE, _MASK, _OIF}
_SILENT = {_SUPPRESS: b"\xff\xff\xff\xff", 18: None, _PROTOCOL: None}
_WHOLE = 0xFFFFFFFF
_FAMILIES = {4: 2, 6: 10}
#: FIB_RULE_INVERT and the like change the meaning; those about devices that are not there (yet) do not.
_MEANINGFUL = 0x2

#: struct ndmsg: family, index, state, flags, type.
_NEIGHBOUR = Struct("=BxxxiHBB")
_NDA_DST, _NDA_LLADDR = 1, 2
_NUD_PERMANENT = 0x80
_NTF_PROXY = 0x8


def _rule_body(fact: PolicyRule) -> bytes:
    if fact.other is not None:
        return bytes.fromhex(fact.other)
    lengths = [int(net.partition("/")[2]) if net is not None else 0 for net in (fact.to, fact.source)]
    short = fact.table if fact.table < 256 else 0
    body = _RULE.pack(_FAMILIES[fact.version], *lengths, 0, short, 0, 0, ACTIONS[fact.action], 0)
    for number, network in ((_DST, fact.to), (_SRC, fact.source)):
        if network is not None:
            body += attribute(number, pack_ip(network.partition("/")[0])[1])
    for number, name in ((_IIF, fact.iif), (_OIF, fact.oif)):
        if name is not None:
            body += attribute_text(number, name)
    if fact.mark is not None:
        value, slash, mask = fact.mark.partition("/")
        body += attribute_u32(_MARK, int(value, 16)) + attribute_u32(_MASK, int(mask, 16) if slash else _WHOLE)
    if fact.action == "table":
        body += attribute_u32(_TABLE, fact.table)
    return body + attribute_u32(_PRIORITY, fact.priority) + attribute(_PROTOCOL, bytes([PROTOCOL]))


def new_rule(fact: PolicyRule) -> Message:
    return RTM_NEWRULE, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, _rule_body(fact)


def delete_rule(fact: PolicyRule) -> Message:
    """Give the message that deletes a rule, whoever made it."""
    body = _rule_body(fact)
    if fact.other is None:
        body = body[: -len(attribute(_PROTOCOL, b"\0"))]
    return RTM_DELRULE, NLM_F_REQUEST, body


def rule_dump() -> Message:
    """Give the question for the rules of both versions of IP."""
    return RTM_GETRULE, NLM_F_REQUEST | NLM_F_DUMP, _RULE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)


def rule(raw: bytes, start: int, end: int) -> PolicyRule | None:
    """Turn a RTM_NEWRULE body into the fact, without its node; None for what the kernel made, or is not of IP."""
    family, to_length, from_length, tos, short, _, _, action, flags = _RULE.unpack_from(raw, start)
    version = next((version for version, number in _FAMILIES.items() if number == family), None)
    at = {number: raw[a:b] for number, a, b in attributes(raw, start + _RULE.size, end)}
    if version is None or at.get(_PROTOCOL) == bytes([RTPROT_KERNEL]):
        return None
    number = int.from_bytes(at[_TABLE], "little") if _TABLE in at else short
    priority = int.from_bytes(at.get(_PRIORITY, b""), "little")
    known = next((name for name, value in ACTIONS.items() if value == action), None)
    odd = [n for n, value in at.items() if n not in _SAID and (n not in _SILENT or _SILENT[n] not in (None, value))]
    if known is None or odd or tos or flags & _MEANINGFUL:
        return PolicyRule("", version, priority, table=number, other=raw[start:end].hex())
    source = f"{unpack_ip(at[_SRC])}/{from_length}" if _SRC in at else None
    to = f"{unpack_ip(at[_DST])}/{to_length}" if _DST in at else None
    iif, oif = (at[n].rstrip(b"\0").decode() if n in at else None for n in (_IIF, _OIF))
    asked = number if known == "table" else 0
    return PolicyRule("", version, priority, source, to, iif, oif, _mark(at), known, asked)


def _mark(at: dict[int, bytes]) -> str | None:
    value, mask = (int.from_bytes(at.get(n, b""), "little") for n in (_MARK, _MASK))
    if not mask:
        return None
    return f"{value:#x}" if mask == _WHOLE else f"{value:#x}/{mask:#x}"


def _neighbour_body(fact: Neighbour, index: int) -> bytes:
    family, raw = pack_ip(fact.address)
    body = _NEIGHBOUR.pack(family, index, _NUD_PERMANENT, 0, 0) + attribute(_NDA_DST, raw)
    return body + attribute(_NDA_LLADDR, pack_mac(fact.mac))


def new_neighbour(fact: Neighbour, index: int) -> Message:
    """Give the message that makes a neighbour known for good, whatever was known of it."""
    return RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE, _neighbour_body(fact, index)


def delete_neighbour(fact: Neighbour, index: int) -> Message:
    return RTM_DELNEIGH, NLM_F_REQUEST, _neighbour_body(fact, index)


def neighbour_dump() -> Message:
    return RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, _NEIGHBOUR.pack(0, 0, 0, 0, 0)


def neighbour(raw: bytes, start: int, end: int) -> tuple[int, str, str] | None:
    """Turn a RTM_NEWNEIGH body into (device index, address, MAC); None for what was learned."""
    family, index, state, flags, _ = _NEIGHBOUR.unpack_from(raw, start)
    if family not in _FAMILIES.values() or not state & _NUD_PERMANENT or flags & _NTF_PROXY:
        return None
    body = raw[start + _NEIGHBOUR.size : end]
    at = table(body)
    if _NDA_DST not in at or _NDA_LLADDR not in at:
        return None
    return index, unpack_ip(body[at[_NDA_DST]]), body[at[_NDA_LLADDR]].hex(":")
