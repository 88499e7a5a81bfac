"""Turns the tunnels of a scene into what is drawn of them: a line between two devices, a network between more.

Ten machines that all send to each other are 45 tunnels: the picture says it with one network, and ten lines to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from netlab.diagram.elements import Cable, Plug, Scene, natural
from netlab.names import HOST

#: So many devices on one network are joined by lines to each other.
MOST_LINES = 2


@dataclass(frozen=True, slots=True)
class Network:
    """What tunnels between several devices amount to. No node and no device bears its id."""

    id: str
    title: str
    #: The box in which all of its devices' boxes stand.
    frame: str
    action: str | None


def overlays(scene: Scene) -> tuple[tuple[Network, ...], tuple[Cable, ...]]:
    """Give the networks, and all cables: a tunnel of a network becomes lines from its devices to that."""
    parents = {box.node: box.parent for box in scene.boxes}
    networks, cables = [], [cable for cable in scene.cables if not cable.tunnel]
    for tunnels in _together(scene.cables):
        plugs = sorted(
            {plug for one in tunnels for plug in (one.a, one.b)}, key=lambda plug: (natural(plug.node), plug.device)
        )
        if len(plugs) <= MOST_LINES:
            cables += tunnels
            continue
        name = f"{tunnels[0].tunnel} of {plugs[0].node}:{plugs[0].device}"
        frames = {parents[plug.node] for plug in plugs}
        frame = frames.pop() if len(frames) == 1 else None
        networks.append(Network(name, tunnels[0].tunnel, frame or HOST, _common(tunnels)))
        for plug in plugs:
            mine = [one for one in tunnels if plug in (one.a, one.b)]
            dead = all(one.dead for one in mine)
            cables.append(Cable(Plug(name, ""), plug, action=_common(mine), dead=dead, tunnel=tunnels[0].tunnel))
    return tuple(networks), tuple(cables)


def _common(tunnels: Sequence[Cable]) -> str | None:
    """Give what a plan does to all of them."""
    actions = {one.action for one in tunnels}
    return actions.pop() if len(actions) == 1 else None


def _together(cables: Sequence[Cable]) -> list[list[Cable]]:
    """Group the tunnels that hang together."""
    at: dict[Plug, list[Cable]] = defaultdict(list)
    for cable in cables:
        if cable.tunnel:
            at[cable.a].append(cable)
            at[cable.b].append(cable)
    found: list[list[Cable]] = []
    seen: set[Plug] = set()
    for start in at:
        if start in seen:
            continue
        seen.add(start)
        reached = [start]
        for plug in reached:
            fresh = {other for one in at[plug] for other in (one.a, one.b)} - seen
            seen |= fresh
            reached += sorted(fresh)
        found.append(list(dict.fromkeys(cable for plug in reached for cable in at[plug])))
    return found
