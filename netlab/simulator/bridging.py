"""Bridges: who a frame that comes in by one port goes to.

Sources: net/bridge/br_input.c (br_handle_frame_finish), br_forward.c (should_deliver), br_vlan.c, br_device.c.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from netlab.simulator import bridge_filter
from netlab.simulator.ears import ears_of
from netlab.simulator.network import Nic
from netlab.simulator.packet import BROADCAST, TAG, Frame, Packet, Question
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import Walk


@dataclass(frozen=True, slots=True)
class Vlans:
    """The VLANs of a port: all that it takes, those that leave without a tag, and that of frames without one."""

    taken: frozenset[int]
    untagged: frozenset[int]
    own: int | None


#: A port, and the bridge itself, as they are born (nbp_vlan_init, br_vlan_init).
_BORN = Vlans(frozenset({1}), frozenset({1}), 1)


@lru_cache(maxsize=4096)
def read_vlans(words: tuple[str, ...]) -> Vlans:
    """Read the VLANs of a port in the words of `bridge vlan`.

    >>> read_vlans(("10 pvid untagged", "20-21")).own
    10
    """
    taken: set[int] = set()
    untagged: set[int] = set()
    own = None
    for text in words:
        numbers, *flags = text.split()
        low, _, high = numbers.partition("-")
        found = range(int(low), int(high or low) + 1)
        taken.update(found)
        if "untagged" in flags:
            untagged.update(found)
        if "pvid" in flags:
            own = int(low)
    return Vlans(frozenset(taken), frozenset(untagged), own)


def _vlans_of(port: Nic | None) -> Vlans:
    if port is None or port.port is None or port.port.vlans is None:
        return _BORN
    return read_vlans(port.port.vlans)


def take(walk: Walk, port: Nic, frame: Frame, leg: int) -> None:
    """Take in a frame by a port."""
    bridge = port.master
    assert bridge is not None
    if not bridge.up or port.name in bridge.closed:
        words = f"{bridge} is down" if not bridge.up else f"the spanning tree of {bridge} keeps {port.name} closed"
        walk.end(leg, Verdict.CLOSED, port, port.node, words, bridge.key)
        return
    vlan, frame = _classify(bridge, port, frame)
    if vlan is None:
        fault = f"is not in VLAN {frame.tags[0]}" if frame.tags else "takes no frames without a tag"
        words = f"{_port_name(port)} of {bridge} {fault}"
        walk.end(leg, Verdict.VLAN, port, port.node, words, port.port.key if port.port is not None else None)
        return
    # A bridge that forgets at once learns nothing: br_fdb_update.
    if (port.port is None or port.port.learning) and bridge.options.get("ageing"):
        walk.ports.setdefault(bridge, {})[frame.source, vlan] = port
    if bridge_filter.looks_at(bridge, frame):
        passed = bridge_filter.come_in(walk, bridge, frame, leg)
        if passed is None:
            return
        frame = passed
    own = not frame.is_group and any(frame.destination == nic.mac for nic in (bridge, *bridge.members))
    if frame.is_group or own:
        if frame.is_group:
            _flood(walk, bridge, port, frame, vlan, leg)
        _up(walk, bridge, frame, vlan, leg)  # at once, while what left waits to be taken in at the other ends
        return
    known = walk.ports.get(bridge, {}).get((frame.destination, vlan))
    if known is not None:
        _forward(walk, bridge, port, known, frame, vlan, leg)
    else:
        _flood(walk, bridge, port, frame, vlan, leg)
    if _is_promiscuous(bridge):
        _up(walk, bridge, frame, vlan, leg)


def _is_promiscuous(bridge: Nic) -> bool:
    """Tell whether a bridge takes up what is not for it, too: a device on it has another MAC (__dev_set_rx_mode)."""
    return any(upper.up and upper.kind != "ipvlan" and upper.mac != bridge.mac for upper in bridge.uppers)


def send(walk: Walk, bridge: Nic, frame: Frame, leg: int) -> None:
    """Let a frame of the node's own leave by a bridge (br_dev_xmit)."""
    if frame.passage is not None and frame.passage.waits:
        frame = replace(frame, passage=replace(frame.passage, waits=0))  # it tells nobody what becomes of it
    if isinstance(frame.payload, Packet) and frame.payload.carried is not None:
        frame = replace(frame, payload=frame.payload.settled())  # it has no hw_enc_features
    vlan, frame = _classify(bridge, None, frame)
    if vlan is None:
        walk.end(leg, Verdict.VLAN, bridge, bridge.node, f"{bridge} itself is not in the frame's VLAN", bridge.key)
        return
    known = walk.ports.get(bridge, {}).get((frame.destination, vlan))
    if known is not None and not frame.is_group:
        _forward(walk, bridge, None, known, frame, vlan, leg)
    else:
        _flood(walk, bridge, None, frame, vlan, leg)


def _classify(bridge: Nic, port: Nic | None, frame: Frame) -> tuple[int | None, Frame]:
    """Give the VLAN that a frame is in, None where it may not come in, and the frame without that tag."""
    if not bridge.filtering:
        return 0, frame
    vlans = _vlans_of(port)
    if frame.tags:
        return (frame.tags[0], replace(frame, tags=frame.tags[1:])) if frame.tags[0] in vlans.taken else (None, frame)
    return vlans.own, frame


def _port_name(port: Nic) -> str:
    """Name a port by its device, and by what its cable leads to."""
    return port.name if port.peer is None else f"{port.name} (to {port.peer})"


def _leaves(bridge: Nic, source: Nic | None, port: Nic, vlan: int) -> str | None:
    """Say why a frame may not leave by a port (should_deliver); None where it may."""
    if port is source and not (port.port is not None and port.port.hairpin):
        return "it came from there"
    if not port.up or port.name in bridge.closed or not port.carrier:
        return "it is closed"
    if bridge.filtering and vlan not in _vlans_of(port).taken:
        return f"it is not in VLAN {vlan}"
    isolated = source is not None and source.port is not None and source.port.isolated
    if isolated and port.port is not None and port.port.isolated:
        return "both are isolated"
    return None


def _forward(walk: Walk, bridge: Nic, source: Nic | None, port: Nic, frame: Frame, vlan: int, leg: int) -> None:
    why = _leaves(bridge, source, port, vlan)
    if why is not None:
        words = f"{bridge} knows {frame.destination} behind {_port_name(port)}, and sends nothing there: {why}"
        verdict = Verdict.VLAN if "VLAN" in why else Verdict.NOWHERE
        walk.end(leg, verdict, port, port.node, words, port.port.key if port.port is not None else bridge.key)
        return
    walk.tell(leg, "bridged", bridge, bridge.node, f"{bridge.name} forwards it to {_port_name(port)}", bridge.key)
    _emit(walk, bridge, port, frame, vlan, leg)


def _flood(walk: Walk, bridge: Nic, source: Nic | None, frame: Frame, vlan: int, leg: int) -> None:
    unknown = not frame.is_group
    ports = [
        port
        for port in reversed(_worth_asking(walk, bridge, frame))  # the last to join is the first in the kernel's list
        if _leaves(bridge, source, port, vlan) is None
        and not (unknown and port.port is not None and not port.port.flood)
    ]
    if not ports and not frame.is_group:
        words = f"{bridge} has no port to flood it to"
        walk.end(leg, Verdict.NOWHERE, bridge, bridge.node, words, bridge.key)
        return
    if ports:
        names = ", ".join(map(_port_name, ports[:4])) + (f" and {len(ports) - 4} more" if len(ports) > 4 else "")
        walk.tell(leg, "flooded", bridge, bridge.node, f"{bridge.name} floods it to {names}", bridge.key)
    for port in ports:
        _emit(walk, bridge, port, frame, vlan, leg)


def _worth_asking(walk: Walk, bridge: Nic, frame: Frame) -> list[Nic]:
    """Give the ports that a frame may be flooded to; a question for a neighbour to those where it could be answered."""
    if not walk.asking or not isinstance(frame.payload, Question):
        return bridge.members
    ears = walk.network.ears.get(bridge)
    if ears is None:
        ears = walk.network.ears[bridge] = ears_of(bridge)
    return ears.asked(frame.payload.target)


def _emit(walk: Walk, bridge: Nic, port: Nic, frame: Frame, vlan: int, leg: int) -> None:
    """Let a frame leave by a port, tagged or not; one that is too long is dropped (br_dev_queue_push_xmit)."""
    passed = bridge_filter.go_out(walk, bridge, frame, leg)
    if passed is None:
        return
    frame = passed
    if bridge.filtering and vlan not in _vlans_of(port).untagged:
        frame = replace(frame, tags=(vlan, *frame.tags))
    if frame.counted > port.mtu + TAG:
        words = f"{frame.length} bytes are more than the MTU of {_port_name(port)} of {bridge}, {port.mtu}"
        walk.end(leg, Verdict.TOO_LONG, port, port.node, words, port.key)
        return
    walk.layers.transmit(walk, port, frame, leg)


def _up(walk: Walk, bridge: Nic, frame: Frame, vlan: int, leg: int) -> None:
    """Hand a frame to the bridge as a device of its node (br_pass_frame_up)."""
    if bridge.filtering:
        if vlan not in _BORN.taken and not _is_promiscuous(bridge):
            if frame.destination != BROADCAST:
                words = f"{bridge} itself is not in VLAN {vlan}"
                walk.end(leg, Verdict.VLAN, bridge, bridge.node, words, bridge.key)
            return
        if vlan not in _BORN.untagged:
            frame = replace(frame, tags=(vlan, *frame.tags))
    own = frame.destination in {member.mac for member in bridge.members}
    walk.layers.receive(walk, bridge, replace(frame, destination=bridge.mac) if own else frame, leg)
