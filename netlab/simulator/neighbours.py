"""Where a next hop is: known for good, known from before, or asked for; and who answers such a question.

Sources: net/ipv4/arp.c (arp_solicit, arp_process, arp_ignore, arp_fwd_proxy), net/ipv6/ndisc.c (ndisc_solicit,
ndisc_recv_ns: only addresses of the very device are told), arp(7).
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Final

from netlab.simulator.fib import Asked, doubt_source, is_martian, look_up, select_address
from netlab.simulator.filters import pass_chains
from netlab.simulator.matching import Hook
from netlab.simulator.network import Nic, Node
from netlab.simulator.packet import Frame, Message, Packet, Question, Told, number_of, question_mac
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import End, Walk

#: Bytes of a solicitation and of an advertisement, with the link-layer address that each tells (RFC 4861, 4.3, 4.4).
_DISCOVERY_SIZE: Final = 72
#: ff02::1:ff00:0, the beginning of every solicited-node group.
_SOLICITED: Final = 0xFF02_0000_0000_0000_0000_0001_FF00_0000


def is_known(walk: Walk, nic: Nic, target: str) -> bool:
    """Tell whether nobody need be asked for a next hop."""
    return not nic.asks or (nic.name, target) in nic.node.neighbours or (nic, target) in walk.neighbours


def find(walk: Walk, nic: Nic, target: str, source: str, leg: int) -> str | None:
    """Give the MAC of a next hop, asked for if need be; None where nobody says that it is there.

    `source` is that of the packet that waits for it.
    """
    node = nic.node
    if not nic.asks:
        return nic.mac
    known = node.neighbours.get((nic.name, target))
    if known is not None:
        walk.tell(leg, "known", nic, node, f"knows {target} to be at {known[0]}", known[1])
        return known[0]
    found = walk.neighbours.get((nic, target))
    if found is not None:
        return found
    asker = _asker(node, nic, target, source)
    if asker is None or not nic.carrier:
        return None
    if not walk.asking:
        walk.noted.clear()
    if not _let_out(walk, nic, "solicitation", asker, solicited(target)):
        _note_silence(walk, nic, f"{nic.node.name} does not let its own question out")
        return None
    walk.run_apart(walk.layers.transmit, walk, nic, Frame(nic.mac, question_mac(target), Question(target, asker)), leg)
    found = walk.neighbours.get((nic, target))
    if found is not None and walk.tells:
        walk.tell(leg, "asked", nic, node, f"{nic.name} asks who has {target}: {_told(walk, target, found)}", nic.key)
    return found


def _told(walk: Walk, target: str, mac: str) -> str:
    """Name the device that has told its MAC first, the MAC, and those that have told another after that."""
    answered = [end for end in walk.noted if end.verdict is Verdict.DELIVERED and end.words == target]
    first = next((f"{end.node}:{end.device}, " for end in answered if _mac_of(walk, end) == mac), "")
    others = dict.fromkeys(f"{end.node}:{end.device}" for end in answered if _mac_of(walk, end) != mac)
    later = f"; later also {', '.join(list(others)[:3])}" if others else ""
    return f"{first}{mac}{later}"


def _mac_of(walk: Walk, end: End) -> str:
    return walk.network.nodes[end.node].devices[end.device or "lo"].mac


def _asker(node: Node, nic: Nic, target: str, source: str) -> str | None:
    """Give the address that a question is asked with; empty where there is none (IPv6: then none is asked)."""
    if ":" in target:
        if nic.holds(source):
            return source
        return nic.link_local if nic.speaks(6) else None
    announce = node.setting(nic, "arp_announce")
    if announce == 0 and source in node.addresses:
        return source
    if announce == 1 and source in node.addresses and _shares_link(nic, target, source):
        return source
    return select_address(node, nic, target, on_link=True) or ""


def _shares_link(nic: Nic, target: str, source: str) -> bool:
    return any(
        number_of(address) >> (32 - length) == number_of(target) >> (32 - length) == number_of(source) >> (32 - length)
        for address, length in nic.of_version(4)
    )


def take_question(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    """Answer a question that came by a device, if the node does answer it; learn from an answer."""
    payload = frame.payload
    assert not isinstance(payload, Packet)
    if isinstance(payload, Told):
        if not _let_in(walk, nic, "advertisement", payload.target, payload.asker):
            return
        asked = nic, payload.target
        walk.answers.setdefault(asked, []).append(frame.source)
        if walk.firsts.get(asked, frame.source) == frame.source:
            walk.neighbours.setdefault(asked, frame.source)  # of several the first (LOCKTIME)
        return
    why = _why_silent(nic, payload)
    if not _let_in(walk, nic, "solicitation", payload.asker, solicited(payload.target)):
        why = "its chains drop the question"
    if why is None and payload.asker:
        walk.neighbours.setdefault((nic, payload.asker), frame.source)
    if why is None and not _let_out(walk, nic, "advertisement", payload.target, payload.asker):
        why = "its chains drop the answer"
    if why is None:
        walk.end(leg, Verdict.DELIVERED, nic, nic.node, payload.target)
        # An advertisement is a packet like any other: it goes where its node believes the asker to be.
        known = nic.node.neighbours.get((nic.name, payload.asker)) if ":" in payload.target else None
        back = known[0] if known is not None else frame.source
        told = Frame(nic.mac, back, Told(payload.target, payload.asker))
        walk.post(walk.layers.transmit, walk, nic, told, leg)
    elif walk.tells and payload.target in nic.node.addresses:
        _note_silence(walk, nic, f"{nic} hears the question and does not answer: {why}")


def _note_silence(walk: Walk, nic: Nic, words: str) -> None:
    walk.noted.append(End(0, Verdict.IGNORED, nic.node.name, nic.name, words, ("settings", nic.node.name)))


def _let_out(walk: Walk, nic: Nic, message: Message, source: str, destination: str) -> bool:
    """Tell whether a node's chains let its neighbour discovery out: of IPv6 that is ICMP like any other."""
    return _passes(walk, nic, message, source, destination, Hook("output", None, nic), Hook("postrouting", nic, nic))


def _let_in(walk: Walk, nic: Nic, message: Message, source: str, destination: str) -> bool:
    """Tell whether a node's chains let neighbour discovery in; it belongs to no connection (nf_conntrack_icmpv6)."""
    return _passes(walk, nic, message, source, destination, Hook("prerouting", nic, None), Hook("input", nic, None))


def _passes(walk: Walk, nic: Nic, message: Message, source: str, destination: str, *hooks: Hook) -> bool:
    node = nic.node
    if ":" not in destination or not node.chains:
        return True
    packet = Packet(source, destination, "ipv6-icmp", message, ttl=255, size=_DISCOVERY_SIZE)
    return all(pass_chains(node, walk.of_node(node), None, packet, hook).verdict == "accept" for hook in hooks)


def solicited(target: str) -> str:
    """Give the group that is asked for an IPv6 address (RFC 4291, 2.7.1); of IPv4 the address itself.

    >>> solicited("fd00::1:2")
    'ff02::1:ff01:2'
    """
    return str(IPv6Address(_SOLICITED | number_of(target) & 0xFFFFFF)) if ":" in target else target


_NOT_ITS_OWN: Final = "it is not its own address"


def _why_silent(nic: Nic, question: Question) -> str | None:
    """Say why a device says nothing to a question; None where it answers."""
    node, target = nic.node, question.target
    if ":" in target:
        if not nic.speaks(6):
            return "IPv6 is off there"
        own = nic.holds(target) or target == nic.link_local
        own = own or nic in node.anycast.get(target, ())
        return None if own else f"in IPv6, {nic.name} tells its own addresses only"
    if question.asker:
        if is_martian(node, nic, question.asker, target):
            return f"it takes nothing from {question.asker}"
        way = look_up(node, Asked(4, target, question.asker, into=nic))
        out = way.hop.nic if way.kind == "unicast" and way.hop is not None else None
        if way.kind != "local" and not node.forwards(4, nic):
            return _NOT_ITS_OWN
        doubt = doubt_source(node, nic, question.asker, target, out)
        if doubt is not None:
            return f"it does not believe that {question.asker} comes by {nic.name} ({doubt})"
    else:
        way = look_up(node, Asked(4, target, None, into=nic))
    if way.kind == "local" and _is_filtered(node, nic, question):
        return "arp_filter is 1, and the asker would be answered by another device"
    if way.kind == "local":
        return f"arp_ignore is {node.setting(nic, 'arp_ignore')}" if _is_silent(node, nic, question) else None
    if way.kind != "unicast" or way.hop is None or not node.forwards(4, nic):
        return _NOT_ITS_OWN
    return None if way.hop.nic is not nic and node.setting(nic, "proxy_arp") > 0 else _NOT_ITS_OWN


def _is_filtered(node: Node, nic: Nic, question: Question) -> bool:
    """Tell whether `arp_filter` keeps a node from answering: it would not answer the asker by this device."""
    if not node.setting(nic, "arp_filter") or not question.asker:
        return False
    way = look_up(node, Asked(4, question.asker, question.target, out=nic.vrf))
    return way.hop is None or way.hop.nic is not nic


def _is_silent(node: Node, nic: Nic, question: Question) -> bool:
    """Tell whether `arp_ignore` keeps a node from answering for an address of its own."""
    level = node.setting(nic, "arp_ignore")
    if level == 0:
        return False
    if level == 8:
        return True
    if level == 1:
        return not nic.holds(question.target)
    if level == 2:
        return not any(
            address == question.target
            and (not question.asker or number_of(address) >> (32 - n) == number_of(question.asker) >> (32 - n))
            for address, n in nic.of_version(4)
        )
    return False
