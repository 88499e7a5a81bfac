"""What `nat` and `firewall` of a node name: devices of it, and the addresses and networks that texts mean."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from netlab.kinds.fields import AnyNetwork
from netlab.source import Path, quote
from netlab.topology.draft import Draft, NodeDraft, nearest


class Names:
    """The names that one node's rules may use; what is not there is told."""

    def __init__(self, draft: Draft, node: NodeDraft, machine: bool) -> None:
        self._draft, self._node = draft, node
        #: Whether the node is the real machine: which devices that has, only it knows.
        self.machine = machine

    def device(self, name: str | None, path: Path) -> None:
        """Tell of a device that is not there; which the real machine has, only it knows."""
        if name is None or self.machine or name in self._node.devices:
            return
        near = nearest(name, list(self._node.devices))
        fix = f"write {near}" if near else f"devices of {self._node.name}: {', '.join(list(self._node.devices)[:8])}"
        self._draft.tell("unknown-device", f"{self._node.name} has no device {quote(name)}", path, fix)

    def sources(self, text: str | None, path: Path) -> Sequence[str | None]:
        """Give the networks or addresses that a text means; None stands for all."""
        return (None,) if text in (None, "any") else self.addresses(str(text), path)

    def addresses(self, text: str, path: Path) -> Sequence[str | None]:
        """Give the networks or addresses that a text means: those of a node, if it is the name of one."""
        node = self._draft.nodes.get(text)
        if node is not None:
            found = [ip.host for ip in node.addresses() if not ip.is_link_local]
            if not found and not node.doubtful:
                self._draft.tell("no-address", f"{text} has no address", path, f"give {text} an address")
            return found
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            near = self._draft.nearest_node(text)
            fix = f"write {near}" if near else self._draft.some_nodes()
            what = f"there is no node {quote(text)}, and it is neither an address nor a network"
            self._draft.tell("unknown-node", what, path, fix)
            return ()
        return (text_of(network),)


def text_of(network: AnyNetwork) -> str:
    """Write a network as nftables gives it back: without a length that is whole."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def alike(one: str, other: str) -> bool:
    """Tell whether two addresses or networks are of one IP version."""
    return (":" in one) == (":" in other)
