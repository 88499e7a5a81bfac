"""Steps about devices, done: `lo`, bridges, veth pairs, every other kind, ports of bridges, members, strays."""

from __future__ import annotations

from netlab.facts import Bridge, Device, External, Member, Namespace, Port, Stray, Veth
from netlab.facts.links import PORT_VLANS
from netlab.kernel import encode
from netlab.kernel.capability import has_kind
from netlab.kernel.others import STAND_INS, change_options, named_by, new_device
from netlab.kernel.place import Place, inside
from netlab.kernel.port_vlans import change_vlans
from netlab.kernel.socket import Failure
from netlab.kernel.taps import born_tap
from netlab.kernel.work import Work
from netlab.names import HOST, mark
from netlab.plan.steps import Action, Step
from netlab.plan.takes import IPV6_MIN_MTU


def do_namespace(work: Work, step: Step) -> None:
    """Queue what does a step about a node's namespace."""
    fact = step.fact
    assert isinstance(fact, Namespace)
    place = work.places.get(fact.node)
    alias = mark(work.places.lab, fact.node)
    work.batch.message(place, step, encode.set_loopback(fact.up, alias))


def do_bridge(work: Work, step: Step) -> None:
    """Queue what does a step about a bridge."""
    fact = step.fact
    assert isinstance(fact, Bridge)
    place = work.places.get(fact.node)
    if step.action is Action.CREATE:
        grouped = work.places.marked(fact.node)
        message = encode.new_bridge(fact, place.new_index(fact.name), grouped)
        work.made[fact.node, fact.name] = work.batch.message(place, step, message)
        work.own(place, fact.name)
        work.batch.message(place, step, encode.change_link(fact.name, fact, {"mtu"}))
        work.mark(place, step, fact.name)
    elif step.action is Action.UPDATE:
        changed = {difference.field for difference in step.differences}
        work.batch.message(place, step, encode.change_link(fact.name, fact, changed))
    else:
        work.delete_link(place, step, fact.name)


def do_veth(work: Work, step: Step) -> None:
    """Queue what does a step about a veth pair."""
    fact = step.fact
    assert isinstance(fact, Veth)
    a, b = work.places.get(fact.a.node), work.places.get(fact.b.node)
    if step.action is Action.CREATE:
        _new_veth(work, step, fact, a, b)
    elif step.action is Action.UPDATE:
        names = [difference.field for difference in step.differences]
        for place, end, letter in ((a, fact.a, "a"), (b, fact.b, "b")):
            if changed := encode.changed_of(fact, names, letter):
                work.batch.message(place, step, encode.change_link(end.name, end, changed))
    else:
        # Both queues must have come this far: the one message takes both ends.
        work.batch.after(a, b)
        work.delete_link(a, step, fact.a.name)
        b.indices.pop(fact.b.name, None)
        work.batch.after(b, a)


def _new_veth(work: Work, step: Step, fact: Veth, a: Place, b: Place) -> None:
    """Make a pair from the newest of its namespaces, where it joins the rest of the node's messages."""
    near, far, place, other = fact.a, fact.b, a, b
    if fact.a.node == HOST or (place.next_index is None and other.next_index is not None):
        near, far, place, other = far, near, other, place
    work.batch.after(place, other)
    indices = place.new_index(near.name), 0
    if indices[0]:
        # The kernel takes an index for the far end only together with one for the near end.
        indices = indices[0], other.new_index(far.name)
    grouped = work.places.marked(place.node), work.places.marked(other.node)
    namespace = None if place is other else other.fd
    message = encode.new_veth(near, far, indices, namespace, grouped)
    work.made[place.node, near.name] = work.batch.message(place, step, message)
    work.own(place, near.name)
    work.mark(place, step, near.name)
    work.batch.after(other, place)
    # A far end cannot be born up: it has no peer yet (drivers/net/veth.c, veth_open).
    up = encode.change_link(far.name, far, {"up"})
    if not work.places.marked(other.node):
        work.made[other.node, far.name] = work.batch.message(other, step, up)
        return
    marked = encode.mark_link(far.name, mark(work.places.lab, f"{other.node}/{far.name}"))
    work.made[other.node, far.name] = work.batch.message(other, step, marked)
    work.batch.message(other, step, up)
    if far.mtu is None or far.mtu >= IPV6_MIN_MTU:
        work.wide.add((other.node, far.name))


def do_device(work: Work, step: Step) -> None:
    """Queue what does a step about a device of another kind."""
    fact = step.fact
    assert isinstance(fact, Device)
    place = work.places.get(fact.node)
    if step.action is Action.CREATE and fact.kind == "tun":
        _new_tap(work, step, fact, place)
    elif step.action is Action.CREATE:
        over = None if fact.over is None else work.index(place, fact.over)
        stand_in = None if fact.kind not in STAND_INS or has_kind(fact.kind) else STAND_INS[fact.kind]
        named = {name: work.index(place, name) for name in named_by(fact)}
        message = new_device(fact, place.new_index(fact.name), over, work.places.marked(fact.node), stand_in, named)
        work.made[fact.node, fact.name] = work.batch.message(place, step, message)
        work.own(place, fact.name)
        work.mark(place, step, fact.name)
    elif step.action is Action.UPDATE:
        changed = {difference.field for difference in step.differences}
        options = {name.partition(".")[2] for name in changed if "." in name}
        if options:
            named = {name: work.index(place, name) for name in named_by(fact)}
            work.batch.message(place, step, change_options(fact, options, named))
        if changed & {"mac", "mtu", "up"}:
            work.batch.message(place, step, encode.change_link(fact.name, fact, changed))
    else:
        work.delete_link(place, step, fact.name)


def _new_tap(work: Work, step: Step, fact: Device, place: Place) -> None:
    """Make a tap, which is no message, between those around it."""
    index, alias = place.new_index(fact.name), mark(work.places.lab, f"{place.node}/{fact.name}")
    marked = work.places.marked(fact.node)

    def make() -> None:
        with inside(place.fd), born_tap(fact, index) as keep:
            try:
                place.socket.send([encode.finish_link(fact, alias if marked else None)])
            except Failure as failure:
                raise OSError(failure.number, failure.text) from failure
            keep()

    work.made[fact.node, fact.name] = work.batch.call(place, step, make)
    work.own(place, fact.name)


def do_stray(work: Work, step: Step) -> None:
    """Queue what does a step about a stray device."""
    fact = step.fact
    assert isinstance(fact, Stray)
    if step.action is not Action.DELETE:
        raise AssertionError(f"{fact.label()} is never made")
    work.delete_link(work.places.get(fact.node), step, fact.name)


def do_external(work: Work, step: Step) -> None:
    """Look that a device of the machine is there; it is neither made nor deleted."""
    fact = step.fact
    assert isinstance(fact, External)
    if step.action is Action.CREATE:
        work.index(work.places.get(fact.node), fact.name)


def do_port(work: Work, step: Step) -> None:
    """Queue what does a step about a port of a bridge."""
    fact = step.fact
    assert isinstance(fact, Port)
    place = work.places.get(fact.node)
    changed = None if step.action is Action.CREATE else {difference.field for difference in step.differences}
    if step.action is Action.DELETE:
        work.batch.message(place, step, encode.plug(fact.device, 0))
        return
    if changed is None or "bridge" in changed:
        _plug(work, place, step, fact)
        changed = None
    if fact.vlans is not None and (changed is None or "vlans" in changed):
        before = PORT_VLANS if changed is None else step.before.vlans if isinstance(step.before, Port) else None
        if fact.vlans != before:
            for message in change_vlans(work.index(place, fact.device), before, fact.vlans):
                work.batch.message(place, step, message)
    for message in encode.port_options(fact, changed):
        work.batch.message(place, step, message)


def do_member(work: Work, step: Step) -> None:
    """Queue what does a step about a member of a bond or a VRF."""
    fact = step.fact
    assert isinstance(fact, Member)
    place = work.places.get(fact.node)
    master = 0 if step.action is Action.DELETE else work.index(place, fact.master)
    if master and fact.kind == "bond":
        # A bond takes in what is down only, and sets it up itself (drivers/net/bonding/bond_main.c, bond_enslave).
        work.batch.message(place, step, encode.set_up(fact.device, False))
    work.batch.message(place, step, encode.plug(fact.device, master))
    if not master and fact.kind == "bond":
        # It leaves it down as well (__bond_release_one).
        work.batch.message(place, step, encode.set_up(fact.device, True))


def _plug(work: Work, place: Place, step: Step, fact: Port) -> None:
    master = work.index(place, fact.bridge)
    made = work.made.get((fact.node, fact.device), 0)
    silent = (fact.node, fact.device) in work.wide and work.places.machine_speaks_ipv6
    if work.made.get((fact.node, fact.bridge), 0) >= made or not work.batch.amend(
        place, made, step, lambda message: encode.with_master(message, master, silent)
    ):
        work.batch.message(place, step, encode.plug(fact.device, master))
