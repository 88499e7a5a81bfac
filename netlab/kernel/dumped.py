"""One namespace as the kernel gives it in a single question, and the facts of its links that need nothing else."""

from __future__ import annotations

from socket import AF_INET, AF_INET6

from netlab.facts import Bridge, End, Port
from netlab.kernel import codec, decode
from netlab.kernel.decode import LinkRecord, RouteRecord
from netlab.kernel.given import as_given, connected_routes
from netlab.kernel.marks import is_half_made, owner
from netlab.kernel.place import Place
from netlab.kernel.policy import neighbour, neighbour_dump, rule, rule_dump
from netlab.names import parse_mark
from netlab.plan.steps import Scope

#: Everything of a namespace, in one question.
_ALL = (
    (codec.link_dump(), decode.link),
    (codec.address_dump(), decode.address),
    (codec.route_dump(AF_INET), decode.route),
    (codec.route_dump(AF_INET6), decode.route),
    (rule_dump(), rule),
    (neighbour_dump(), neighbour),
)


class Dumped:
    """One namespace as dumped."""

    def __init__(self, place: Place, own: bool, scope: Scope) -> None:
        self.place, self.own, self.name = place, own, place.node
        self.links: list[LinkRecord]
        self.links, self.addresses, ipv4, ipv6, self.rules, self.neighbours = place.socket.dumps(_ALL)
        if scope.simulated:
            self.addresses = as_given(self.addresses, lambda: connected_routes(place.socket))
        self.routes: list[RouteRecord] = ipv4 + ipv6
        self.by_index = {link.index: link for link in self.links}
        place.indices = {link.name: link.index for link in self.links}
        #: Indices of the devices that are ours.
        self.ours = {link.index for link in self.links if own or owner(link) == scope.lab}
        #: Whose the namespaces are that this one knows by an id: for one reading, as ids of the dead are given anew.
        self.beyond: dict[int, tuple[str, str] | None] = {}
        #: On the real machine, those that a netlab that was killed left without a mark.
        self.half_made = {
            link.index for link in self.links if not own and is_half_made(link, scope.lab, scope.unmarked)
        }

    @property
    def mark(self) -> tuple[str, str] | None:
        """Whose the namespace is, by its `lo`."""
        return parse_mark(self.by_index[1].alias)


def bridge(node: str, link: LinkRecord) -> Bridge:
    own = link.bridge or {}
    filtering = own.get("vlan_filtering")
    return Bridge(
        node,
        link.name,
        link.mac,
        link.mtu,
        link.up,
        bool(own.get("stp")),
        own.get("forward_delay"),
        own.get("hello_time"),
        own.get("max_age"),
        own.get("ageing_time"),
        own.get("priority"),
        None if filtering is None else bool(filtering),
    )


def end(node: Dumped, link: LinkRecord) -> End:
    return End(node.name, link.name, link.mac, link.mtu, link.up)


def port(node: str, link: LinkRecord, master: str) -> Port:
    own = link.port or {}
    return Port(
        node,
        link.name,
        master,
        bool(own.get("hairpin", 0)),
        bool(own.get("isolated", 0)),
        bool(own.get("learning", 1)),
        bool(own.get("flood", 1)),
        own.get("cost"),
        own.get("priority"),
    )
