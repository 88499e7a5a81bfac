"""Devices that share a device: macvlans with a MAC of their own each, ipvlans with addresses only.

Sources: drivers/net/macvlan.c (macvlan_queue_xmit, macvlan_handle_frame), drivers/net/ipvlan/ipvlan_core.c
(ipvlan_queue_xmit, ipvlan_handle_frame), ipvlan_l3s.c.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from netlab.facts.devices import PASSTHRU
from netlab.simulator.network import Nic
from netlab.simulator.packet import Frame, Packet, Question, Told
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import Walk

#: The mode of macvlans that see each other, and of ipvlans that switch (netlab/kinds).
_BRIDGE: Final = 4
_L2, _L3S = 0, 2


# -- macvlans


def leave_macvlan(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    """Let a frame leave by a macvlan: to its siblings where they see each other, and out of the device below."""
    below = nic.lower
    if below is None:
        return
    if not below.up:
        walk.end(leg, Verdict.NO_CARRIER, nic, nic.node, f"{below}, below {nic}, is down", nic.key)
        return
    if nic.options.get("mode") == _BRIDGE:
        siblings = [other for other in _macvlans(below) if other is not nic and other.options.get("mode") == _BRIDGE]
        for other in siblings:
            if frame.is_group or frame.destination == other.mac:
                walk.tell(
                    leg, "bridged", nic, nic.node, f"{nic.name} hands it to {other.name} on the same device", nic.key
                )
                walk.post(walk.layers.receive, walk, other, replace(frame, passage=None), leg)
                if not frame.is_group:
                    return
    walk.layers.transmit(walk, below, frame, leg)


def enter_macvlan(walk: Walk, below: Nic, frame: Frame, leg: int) -> None:
    """Hand a frame that comes to a device with macvlans to those that it is for; what is for none, to the device."""
    macvlans = _macvlans(below)
    passing = (nic for nic in below.uppers if nic.kind == "macvlan" and nic.options.get("mode") == PASSTHRU)
    only = next(passing, None)
    if only is not None and not frame.is_group:
        # It takes everything for its own; a bridge or bond above looks at the MAC itself.
        walk.layers.receive(walk, only, replace(frame, for_host=True), leg)
        return
    if frame.is_group:
        walk.layers.take(walk, below, frame, leg)  # the others get their copies later (macvlan_process_broadcast)
        for nic in macvlans:
            if nic.mac != frame.source:
                walk.post(walk.layers.receive, walk, nic, frame, leg)
        return
    for nic in macvlans:
        if nic.mac == frame.destination:
            walk.layers.receive(walk, nic, frame, leg)  # at once (RX_HANDLER_ANOTHER)
            return
    walk.layers.take(walk, below, frame, leg)


def _macvlans(below: Nic) -> list[Nic]:
    return [nic for nic in below.uppers if nic.kind == "macvlan" and nic.up]


# -- ipvlans


def leave_ipvlan(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    """Let a frame leave by an ipvlan: to siblings, which have the same MAC, and out of the device below."""
    below = nic.lower
    if below is None:
        return
    if _mode(nic) != _L2:
        _leave_routed(walk, nic, below, frame, leg)
        return
    kept = replace(frame, passage=None)
    if frame.is_group:
        for other in _ipvlans(below):
            if other is not nic and _listens(other, frame):
                walk.post(_enter, walk, other, kept, leg)
    elif frame.destination == nic.mac:
        # For a sibling, or else for the device below, which looks once more (ipvlan_xmit_mode_l2).
        other = _holder(below, frame) or below
        walk.tell(leg, "bridged", nic, nic.node, f"{nic.name} hands it to {other.name} on the same device", nic.key)
        walk.post(walk.layers.receive if other is below else _enter, walk, other, kept, leg)
        return
    walk.layers.transmit(walk, below, frame, leg)


def _leave_routed(walk: Walk, nic: Nic, below: Nic, frame: Frame, leg: int) -> None:
    """Let what leaves by an ipvlan that routes go its way from the device below on (ipvlan_xmit_mode_l3)."""
    holder = _holder(below, frame)
    if holder is not None:
        walk.tell(leg, "bridged", nic, nic.node, f"{nic.name} hands it to {holder.name} on the same device", nic.key)
        walk.post(_enter, walk, holder, replace(frame, passage=None), leg)
    elif frame.is_group or not isinstance(frame.payload, Packet):
        walk.end(leg, Verdict.NOWHERE, nic, nic.node, f"{nic}, which routes, sends nothing to groups", nic.key)
    else:
        detour: Literal["own", "others"] = "own" if frame.passage is not None and frame.passage.waits else "others"
        walk.layers.send(walk, nic.node, replace(frame.payload, detour=detour), leg, below)


def enter_ipvlan(walk: Walk, below: Nic, frame: Frame, leg: int) -> None:
    """Hand what comes to a device with ipvlans to the one that has its destination; the rest, to the device.

    What is for a group they all get, but later (ipvlan_multicast_enqueue); those that route get what is for them alone.
    """
    mode = max((_mode(nic) for nic in _ipvlans(below)), default=_L2)  # one for all (ipvlan_set_port_mode)
    if frame.is_group and mode == _L2:
        walk.layers.take(walk, below, frame, leg)
        for nic in _ipvlans(below):
            if _listens(nic, frame):
                walk.post(_enter, walk, nic, frame, leg)
        return
    holder = _holder(below, frame) if mode != _L3S else None
    if holder is not None:
        _enter(walk, holder, frame, leg)
    else:
        walk.layers.take(walk, below, frame, leg)


def _enter(walk: Walk, nic: Nic, frame: Frame, leg: int) -> None:
    if isinstance(frame.payload, Packet) and frame.payload.carried is None:
        walk.seen.add((leg, nic))
    if walk.tells and not walk.asking:
        walk.crossed.append((leg, nic, False))
    walk.layers.take(walk, nic, frame, leg)


def _mode(nic: Nic) -> int:
    return int(nic.options.get("mode", _L2))


def _ipvlans(below: Nic) -> list[Nic]:
    return [nic for nic in below.uppers if nic.kind == "ipvlan" and nic.up]


def _listens(nic: Nic, frame: Frame) -> bool:
    """Tell whether an ipvlan takes what is for a group: what is for all, and for the groups of its own addresses."""
    payload = frame.payload
    return ":" not in payload.target or _holds(nic, payload.target) if isinstance(payload, Question) else True


def _holder(below: Nic, frame: Frame) -> Nic | None:
    """Give the ipvlan that a frame is for, by the address in it (ipvlan_addr_lookup)."""
    payload = frame.payload
    if isinstance(payload, Packet):
        address = payload.destination
    else:
        address = payload.asker if isinstance(payload, Told) else payload.target
    return next((nic for nic in _ipvlans(below) if _holds(nic, address)), None)


def _holds(nic: Nic, address: str) -> bool:
    return nic.holds(address) or address == nic.link_local
