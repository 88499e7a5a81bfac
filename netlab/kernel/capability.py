"""What this kernel can do, found by trying it in a namespace that is thrown away."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from netlab.facts import Bridge, Chain, Device, End, Fact, Impairment, Rule, veth
from netlab.kernel import codec, decode, encode
from netlab.kernel.codec import Message
from netlab.kernel.others import STAND_INS, new_device
from netlab.kernel.qdisc import new_qdisc
from netlab.kernel.socket import Failure, RouteSocket
from netlab.namespaces.processes import fork, reap
from netlab.namespaces.rights import may_change_network
from netlab.namespaces.syscalls import CLONE_NEWNET, CLONE_NEWUSER, unshare
from netlab.plan.steps import Action, Step

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


@cache
def has_kind(name: str) -> bool:
    """Tell whether this kernel has devices of a kind; tried once, in a namespace that is thrown away."""
    if name == "tun":
        return _tried(_makes_taps)
    message = new_device(Device("new", "d0", name), 0, None, False, None)
    # What stands on another device is refused for another reason than that there is no such kind (rtnl_newlink).
    return _tried(lambda socket: _refusal(socket, message) != errno.EOPNOTSUPP)


def _makes_taps(_: RouteSocket) -> bool:
    from netlab.kernel.taps import born_tap

    with born_tap(Device("new", "d0", "tun", options=(("mode", 2),)), 0):
        return True


@cache
def has_netem() -> bool:
    """Tell whether this kernel delays and loses packets on purpose (sch_netem); tried once, in the same way."""
    message = new_qdisc(Impairment("new", "lo", delay="1ms"), 1, netem=True)
    return _tried(lambda socket: _can(socket, message))


@cache
def has_nftables() -> bool:
    """Tell whether this kernel filters and translates addresses by nftables; tried once, in the same way.

    Raises Unavailable where the library is missing.
    """
    from netlab.kernel.nftables import change_chains, load_library

    load_library()
    chain = Chain("new", "nat", "nat", "postrouting", 100, "accept", (Rule("masquerade"),))

    def tried(_: RouteSocket) -> bool:
        change_chains("new", [Step(Action.CREATE, chain)])
        return True

    return _tried(tried)


def _tried(trial: Callable[[RouteSocket], bool]) -> bool:
    """Try something in a namespace that is thrown away; what raises OSError has failed."""
    flags = CLONE_NEWNET if may_change_network() else CLONE_NEWUSER | CLONE_NEWNET
    child = fork()
    if child == 0:
        found = 1
        try:
            unshare(flags)
            with suppress(OSError):
                found = 0 if trial(RouteSocket.opened()) else 1
        finally:
            os._exit(found)
    return reap(child) == 0


def stand_ins(facts: Collection[Fact]) -> dict[str, str]:
    """Give the kinds among these facts that this kernel lacks, and what stands in for each."""
    kinds = {fact.kind for fact in facts if isinstance(fact, Device)}
    found = {kind: name for kind, name in STAND_INS.items() if kind in kinds and not has_kind(kind)}
    if any(isinstance(fact, Impairment) for fact in facts) and not has_netem():
        found["netem"] = "tbf"
    return found


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
    return _refusal(socket, message) is None


def _refusal(socket: RouteSocket, message: Message) -> int | None:
    """Give the errno with which the kernel refuses a message; None where it does not."""
    try:
        socket.send([message])
    except Failure as failure:
        return failure.number
    return None
