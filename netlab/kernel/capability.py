"""What this kernel can do, found by trying it in a namespace that is thrown away."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from netlab.facts import Bridge, End, veth
from netlab.kernel import codec, decode, encode
from netlab.kernel.codec import Message
from netlab.kernel.socket import Failure, RouteSocket
from netlab.namespaces.processes import fork
from netlab.namespaces.syscalls import CLONE_NEWNET, CLONE_NEWUSER, unshare

_REFUSED = {"refused": True}


@dataclass(frozen=True, slots=True)
class Abilities:
    """What was found; without `namespaces` nothing else could be tried."""

    namespaces: bool
    rootless: bool
    bridge: bool = False
    veth: bool = False
    vlan_filtering: bool = False
    ipv6: bool = False
    bridge_netfilter: bool = False


def abilities() -> Abilities:
    """Try what labs need, in children of this process; nothing is left."""
    rootless = _in_child(CLONE_NEWUSER | CLONE_NEWNET)
    found = _in_child(CLONE_NEWNET) if os.geteuid() == 0 else rootless
    if found == _REFUSED:
        found = rootless
    if found == _REFUSED:
        return Abilities(False, False)
    return Abilities(True, rootless != _REFUSED, **found)


def _in_child(flags: int) -> dict[str, bool]:
    """Try everything in new namespaces; what cannot even begin is `{"refused": True}`."""
    reading, writing = os.pipe()
    child = fork()
    if child == 0:
        try:
            os.close(reading)
            try:
                unshare(flags)
                answer = _try_all()
            except OSError:
                answer = _REFUSED
            os.write(writing, json.dumps(answer).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        text = file.read()
    os.waitpid(child, 0)
    return dict(json.loads(text)) if text else _REFUSED


def _try_all() -> dict[str, bool]:
    socket = RouteSocket.opened()
    filtering = _can(socket, encode.new_bridge(Bridge("new", "b1", vlan_filtering=True), 0, grouped=False))
    if filtering:
        # A kernel built without it takes the wish and forgets it.
        links = socket.dump(codec.link_dump(), decode.link)
        filtering = any(link.name == "b1" and (link.bridge or {}).get("vlan_filtering") == 1 for link in links)
    pair = veth(End("new", "v0"), End("new", "v1"))
    return {
        "bridge": _can(socket, encode.new_bridge(Bridge("new", "b0"), 0, grouped=False)),
        "veth": _can(socket, encode.new_veth(pair.a, pair.b, (0, 0), None, (False, False))),
        "vlan_filtering": filtering,
        "ipv6": os.path.exists("/proc/sys/net/ipv6"),
        "bridge_netfilter": os.path.exists("/proc/sys/net/bridge/bridge-nf-call-iptables"),
    }


def _can(socket: RouteSocket, message: Message) -> bool:
    try:
        socket.send([message])
    except Failure:
        return False
    return True
