"""One walk through a network: what is under way, what was learned on it, and what is told of it.

A walk has legs: the packet that was asked for is leg 0, every answer and every ICMP error another. Frames and packets
are queued, so that neither a flood nor a routing loop goes deep; a question for a neighbour is walked to its end first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from errno import ENOBUFS
from typing import Any, Protocol

from netlab.facts import Key
from netlab.simulator.connections import Connections, Tracked
from netlab.simulator.network import Network, Nic, Node
from netlab.simulator.packet import Frame, Packet
from netlab.simulator.verdicts import Verdict

#: Over how many wires and bridges one frame may go.
LONGEST = 64
#: How deep questions may lie in each other: a tunnel over a tunnel asks for one neighbour on behalf of another's.
NESTED = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a packet of a leg: what, where, in words, and the fact behind it."""

    leg: int
    what: str
    node: str
    device: str | None
    words: str
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class End:
    """Where a packet of a leg ended, or a copy of it: the verdict, in words, and the fact behind it."""

    leg: int
    verdict: Verdict
    node: str
    device: str | None
    words: str = ""
    key: Key | None = None
    #: What a sender's own socket is told (errno), where it is refused at once.
    errno: int | None = None
    #: The packet as it was then.
    packet: Packet | None = None


@dataclass(slots=True)
class Leg:
    """A packet that somebody made: where, and which leg was the reason."""

    packet: Packet
    node: str
    reason: int | None = None


class Layers(Protocol):
    """What a layer hands to one that is not below it: frames to devices, and what they carry upwards."""

    def transmit(self, walk: Walk, nic: Nic, frame: Frame, leg: int) -> None: ...

    def receive(self, walk: Walk, nic: Nic, frame: Frame, leg: int) -> None: ...

    def take(self, walk: Walk, nic: Nic, frame: Frame, leg: int) -> None: ...

    def take_packet(self, walk: Walk, nic: Nic, frame: Frame, leg: int) -> None: ...

    def take_question(self, walk: Walk, nic: Nic, frame: Frame, leg: int) -> None: ...

    def send(
        self, walk: Walk, node: Node, packet: Packet, leg: int, out: Nic | None = None, rather: Nic | None = None
    ) -> None: ...

    def send_tracked(
        self, walk: Walk, node: Node, packet: Packet, leg: int, out: Nic | None, tracked: Tracked | None
    ) -> None: ...


@dataclass(slots=True, eq=False)
class Walk:
    """State of one walk; `tells` False where only the ends matter."""

    network: Network
    layers: Layers
    listeners: Collection[tuple[str, str, int]] = ()
    tells: bool = True
    legs: list[Leg] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    #: Devices that a leg's frames came to, and where its packet was taken in: (leg, device, packet).
    seen: set[tuple[int, Nic]] = field(default_factory=set)
    arrivals: list[tuple[int, Nic, Packet]] = field(default_factory=list)
    #: Every device that a leg's frames went through, in order: (leg, device, whether they left by it).
    crossed: list[tuple[int, Nic, bool]] = field(default_factory=list)
    #: Learned: by bridge, the port of a MAC and VLAN; by VXLAN, the host of a MAC; by device, the MAC of an address.
    ports: dict[Nic, dict[tuple[str, int], Nic]] = field(default_factory=dict)
    hosts: dict[Nic, dict[str, str]] = field(default_factory=dict)
    neighbours: dict[tuple[Nic, str], str] = field(default_factory=dict)
    connections: dict[Node, Connections] = field(default_factory=dict)
    #: By device and address: whose answer comes first, where it is not the one over the shortest way; all that came.
    firsts: Mapping[tuple[Nic, str], str] = field(default_factory=dict)
    answers: dict[tuple[Nic, str], list[str]] = field(default_factory=dict)
    #: Where questions for neighbours ended, and who heard one: `ignored` said nothing, `delivered` answered.
    noted: list[End] = field(default_factory=list)
    #: Delay in microseconds and the share that arrives, of each leg, by the impairments on its way.
    delays: dict[int, int] = field(default_factory=dict)
    shares: dict[int, float] = field(default_factory=dict)
    _queue: deque[tuple[Callable[..., None], tuple[Any, ...]]] = field(default_factory=deque)
    #: By leg, device and packet, its TTL left out: the TTL with which it came by first, 0 once it is told to go round.
    rounds: dict[tuple[int, Nic, Packet], int] = field(default_factory=dict)
    #: How many frames and packets it may still move.
    _left: int = field(init=False)
    #: Whether what moves is a question for a neighbour, of which nothing is told.
    asking: int = 0
    #: Whether what was under way before a question is going on.
    _ahead: bool = False

    def __post_init__(self) -> None:
        self._left = self.network.budget

    def post(self, work: Callable[..., None], *arguments: Any) -> None:
        """Put a piece of work at the end of the queue."""
        self._queue.append((work, arguments))

    def run(self) -> None:
        """Work until nothing is under way any more, or the budget is spent."""
        queue = self._queue
        while queue and self._left > 0:
            self._left -= 1
            work, arguments = queue.popleft()
            work(*arguments)

    def run_apart(self, work: Callable[..., None], *arguments: Any) -> None:
        """Walk a question for a neighbour to its end, while everything waits that was not under way before it."""
        if self.asking >= NESTED:
            return
        if not self.asking and not self._ahead:
            # What is on a wire already is not overtaken by the question (netif_rx).
            self._ahead = True
            for _ in range(min(len(self._queue), self._left)):
                self._left -= 1
                earlier, given = self._queue.popleft()
                earlier(*given)
            self._ahead = False
        waiting, self._queue = self._queue, deque()
        self.asking += 1
        self.post(work, *arguments)
        self.run()
        self.asking -= 1
        self._queue = waiting

    @property
    def spent(self) -> bool:
        return self._left <= 0

    def new_leg(self, packet: Packet, node: Node, reason: int | None) -> int:
        self.legs.append(Leg(packet, node.name, reason))
        return len(self.legs) - 1

    def tell(self, leg: int, what: str, nic: Nic | None, node: Node, words: str, key: Key | None = None) -> None:
        """Note a step; nothing is noted of questions for neighbours."""
        if self.tells and not self.asking:
            self.steps.append(Step(leg, what, node.name, nic.name if nic is not None else None, words, key))

    def end(
        self,
        leg: int,
        verdict: Verdict,
        nic: Nic | None,
        node: Node,
        words: str = "",
        key: Key | None = None,
        errno: int | None = None,
        packet: Packet | None = None,
    ) -> None:
        """Note that a packet, or a copy of it, goes no further."""
        name = nic.name if nic is not None else None
        if packet is not None and packet.carried is not None:
            errno = None  # nobody waits for what a tunnel sends
        if packet is not None and packet.detour and errno is not None:
            errno = ENOBUFS if packet.version == 6 and packet.detour == "own" else None
        if not self.asking:
            self.ends.append(End(leg, verdict, node.name, name, words, key, errno, packet))
        elif self.tells:
            self.noted.append(End(leg, verdict, node.name, name, words, key))

    def of_node(self, node: Node) -> Connections:
        """Give the connections of a node."""
        return self.connections.setdefault(node, Connections())
