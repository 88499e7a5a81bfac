"""What a walk's frames went through -> the devices on the way of one packet, in order.

A walk notes every device that a frame of a leg left or came in by, and of a flooded frame that of all copies. So the
way of the copy that counts is followed from its end backwards: over a wire, up and down what stands on what, through
a bridge, through a node that routes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netlab.simulator.network import Nic
from netlab.simulator.walk import End

#: A device, and whether a frame left by it or came in.
Event = tuple[Nic, bool]


@dataclass(frozen=True, slots=True)
class Crossing:
    """A device that a packet went through: it left the node by it, or came in."""

    node: str
    device: str
    leaves: bool


def way_to(end: End, events: Sequence[Event]) -> tuple[Crossing, ...]:
    """Give the way to where a packet ended, out of all that its leg's frames went through."""
    last = _last(end, events)
    if last is None:
        return ()
    found = [events[last]]
    for event in reversed(events[:last]):
        if _leads(event, found[-1]):
            found.append(event)
    return tuple(Crossing(nic.node.name, nic.name, leaves) for nic, leaves in reversed(found))


def _last(end: End, events: Sequence[Event]) -> int | None:
    """Find where the way ends: at the device of the end, before it, or else at its node."""
    fits: tuple[list[int], list[int], list[int]] = ([], [], [])
    for number, (nic, leaves) in enumerate(events):
        far = nic.peer if leaves else None
        if (nic.node.name, nic.name) == (end.node, end.device):
            fits[0].append(number)
        elif far is not None and (far.node.name, far.name) == (end.node, end.device):
            fits[1].append(number)
        elif nic.node.name == end.node:
            fits[2].append(number)
    return next((numbers[-1] for numbers in fits if numbers), None)


def _leads(before: Event, after: Event) -> bool:
    """Tell whether a frame comes from the one to the other without anything between."""
    (a, leaves_a), (b, leaves_b) = before, after
    if leaves_a and not leaves_b:  # over a wire, or to another device on the same one
        return b is a.peer or (a.lower is not None and a.lower is b.lower)
    if a.node is not b.node:
        return False
    if not leaves_b:  # upwards: to what stands on it, or takes it out of a tunnel
        return b.kind == "vxlan" or b in (a.master, *a.uppers)
    if b.master is not None and b.master.kind == "bridge":
        return (a is b.master) if leaves_a else (a.master is b.master)
    # Downwards, into a tunnel included; or routed.
    return not leaves_a or a.kind == "vxlan" or b is a.lower or b.master is a
