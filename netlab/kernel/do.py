"""Steps done: each turned into messages and calls, queued by place (batch.py), sent together.

The order of the steps is kept wherever one could tell. Nothing here decides what to do.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence

from netlab.facts import (
    PROTOCOL,
    Address,
    Bridge,
    DeviceSettings,
    Difference,
    Namespace,
    Port,
    Route,
    Settings,
    Stray,
    Veth,
)
from netlab.facts.settings import Values
from netlab.kernel import codec, decode, encode
from netlab.kernel.batch import Batch
from netlab.kernel.marks import owner
from netlab.kernel.place import (
    OVERWRITES,
    Place,
    SettingRefused,
    born_setting,
    inside,
    read_settings,
    split_setting,
    write_settings,
)
from netlab.kernel.places import Places
from netlab.names import HOST, mark
from netlab.plan.steps import Action, Step, StepRefused
from netlab.plan.takes import IPV6_MIN_MTU

#: Failures that mean that what is to be deleted is gone already.
_GONE = {errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENXIO}


def forgives(step: Step, number: int) -> bool:
    """Tell whether a failure leaves things as the step wants them."""
    if step.action is Action.DELETE:
        return number in _GONE
    # An address that a deletion was expected to take, and did not, is there already.
    return number == errno.EEXIST and isinstance(step.fact, Address)


class Work:
    """One call of `do`: a batch over the places of a lab."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._batch = Batch(forgives)
        self._leaving: list[Step] = []
        #: The steps that make settings, by node: written when the namespace is made, perhaps long before their turn.
        self._settings_of: dict[str, Step] = {}
        #: Far ends of pairs on the real machine that are wide enough for IPv6.
        self._wide: set[tuple[str, str]] = set()
        #: How far a place's queue must come for a device to be there.
        self._made: dict[tuple[str, str], int] = {}

    def run(self, steps: Sequence[Step]) -> None:
        """Do the steps; raises StepRefused. What was made is registered even then, so that it can be undone."""
        places = self._places
        settings: dict[str, Values] = {}
        for step in steps:
            if isinstance(step.fact, Settings) and step.action is Action.CREATE:
                settings[step.fact.node] = step.fact.values
                self._settings_of[step.fact.node] = step
        newborn = [
            step.fact.node
            for step in steps
            if isinstance(step.fact, Namespace) and step.action is Action.CREATE and step.fact.node != HOST
        ]
        try:
            places.expect(newborn, settings)
            for step in steps:
                self._step(step)
            self._delete_namespaces()
            self._batch.flush_all(last=HOST)
        finally:
            # A namespace whose queue has begun to be sent bears its mark: that is the first message.
            places.register_newborn(lambda node: self._batch.begun(node))

    def _step(self, step: Step) -> None:
        if step.action is Action.DELETE and isinstance(step.fact, Namespace):
            self._leaving.append(step)
            return
        # A name is free only when the namespaces that held it (or its veth's far end) are gone.
        self._delete_namespaces()
        handler = _HANDLERS[type(step.fact)]
        try:
            handler(self, step)
        except OSError as error:
            if isinstance(error, SettingRefused):
                step = self._settings_of.get(error.node, step)
            if not forgives(step, error.errno or 0):
                raise StepRefused(step, error.errno or 0, error.strerror or "") from error

    def _delete_namespaces(self) -> None:
        if not self._leaving:
            return
        self._batch.flush_all(last=HOST)
        leaving, self._leaving = self._leaving, []
        try:
            self._places.delete([step.fact.nodes[0] for step in leaving])
        except OSError as error:
            raise StepRefused(leaving[0], error.errno or 0, error.strerror or "") from error

    def _index(self, place: Place, device: str) -> int:
        """Give the index of a device that is there or queued to be made."""
        if device not in place.indices:
            self._batch.flush(place, self._made.get((place.node, device), 0))
            if place.index(device) is None:
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), device)
        return place.indices[device]

    def _namespace(self, step: Step) -> None:
        fact = step.fact
        assert isinstance(fact, Namespace)
        place = self._places.get(fact.node)
        alias = mark(self._places.lab, fact.node)
        self._batch.message(place, step, encode.set_loopback(fact.up, alias))

    def _bridge(self, step: Step) -> None:
        fact = step.fact
        assert isinstance(fact, Bridge)
        place = self._places.get(fact.node)
        if step.action is Action.CREATE:
            grouped = self._places.marked(fact.node)
            message = encode.new_bridge(fact, place.new_index(fact.name), grouped)
            self._made[fact.node, fact.name] = self._batch.message(place, step, message)
            self._own(place, fact.name)
            self._batch.message(place, step, encode.change_link(fact.name, fact, {"mtu"}))
            self._mark(place, step, fact.name)
        elif step.action is Action.UPDATE:
            changed = {difference.field for difference in step.differences}
            self._batch.message(place, step, encode.change_link(fact.name, fact, changed))
        else:
            self._delete_link(place, step, fact.name)

    def _own(self, place: Place, device: str) -> None:
        """Make a device where others' devices are before anything is done to it by name.

        Somebody else may have made one of that name since we looked; the rest of the batch would be done to theirs.
        """
        if self._places.marked(place.node):
            self._batch.flush(place, self._made[place.node, device])

    def _mark(self, place: Place, step: Step, device: str) -> None:
        if self._places.marked(place.node):
            alias = mark(self._places.lab, f"{place.node}/{device}")
            self._batch.message(place, step, encode.mark_link(device, alias))

    def _delete_link(self, place: Place, step: Step, name: str) -> None:
        self._batch.message(place, step, encode.delete_link(name))
        place.indices.pop(name, None)

    def _veth(self, step: Step) -> None:
        fact = step.fact
        assert isinstance(fact, Veth)
        a, b = self._places.get(fact.a.node), self._places.get(fact.b.node)
        if step.action is Action.CREATE:
            self._new_veth(step, fact, a, b)
        elif step.action is Action.UPDATE:
            names = [difference.field for difference in step.differences]
            for place, end, letter in ((a, fact.a, "a"), (b, fact.b, "b")):
                if changed := encode.changed_of(fact, names, letter):
                    self._batch.message(place, step, encode.change_link(end.name, end, changed))
        else:
            # Both queues must have come this far: the one message takes both ends.
            self._batch.after(a, b)
            self._delete_link(a, step, fact.a.name)
            b.indices.pop(fact.b.name, None)
            self._batch.after(b, a)

    def _new_veth(self, step: Step, fact: Veth, a: Place, b: Place) -> None:
        """Make a pair from the newest of its namespaces, where it joins the rest of the node's messages."""
        near, far, place, other = fact.a, fact.b, a, b
        if fact.a.node == HOST or (place.next_index is None and other.next_index is not None):
            near, far, place, other = far, near, other, place
        self._batch.after(place, other)
        indices = place.new_index(near.name), 0
        if indices[0]:
            # The kernel takes an index for the far end only together with one for the near end.
            indices = indices[0], other.new_index(far.name)
        grouped = self._places.marked(place.node), self._places.marked(other.node)
        namespace = None if place is other else other.fd
        message = encode.new_veth(near, far, indices, namespace, grouped)
        self._made[place.node, near.name] = self._batch.message(place, step, message)
        self._own(place, near.name)
        self._mark(place, step, near.name)
        self._batch.after(other, place)
        # A far end cannot be born up: it has no peer yet (drivers/net/veth.c, veth_open).
        up = encode.change_link(far.name, far, {"up"})
        if not self._places.marked(other.node):
            self._made[other.node, far.name] = self._batch.message(other, step, up)
            return
        marked = encode.mark_link(far.name, mark(self._places.lab, f"{other.node}/{far.name}"))
        self._made[other.node, far.name] = self._batch.message(other, step, marked)
        self._batch.message(other, step, up)
        if far.mtu is None or far.mtu >= IPV6_MIN_MTU:
            self._wide.add((other.node, far.name))

    def _stray(self, step: Step) -> None:
        fact = step.fact
        assert isinstance(fact, Stray)
        if step.action is not Action.DELETE:
            raise AssertionError(f"{fact.label()} is never made")
        self._delete_link(self._places.get(fact.node), step, fact.name)

    def _port(self, step: Step) -> None:
        fact = step.fact
        assert isinstance(fact, Port)
        place = self._places.get(fact.node)
        changed = None if step.action is Action.CREATE else {difference.field for difference in step.differences}
        if step.action is Action.DELETE:
            self._batch.message(place, step, encode.plug(fact.device, 0))
            return
        if changed is None or "bridge" in changed:
            self._plug(place, step, fact)
            changed = None
        for message in encode.port_options(fact, changed):
            self._batch.message(place, step, message)

    def _plug(self, place: Place, step: Step, fact: Port) -> None:
        master = self._index(place, fact.bridge)
        made = self._made.get((fact.node, fact.device), 0)
        silent = (fact.node, fact.device) in self._wide and self._places.machine_speaks_ipv6
        if self._made.get((fact.node, fact.bridge), 0) >= made or not self._batch.amend(
            place, made, step, lambda message: encode.with_master(message, master, silent)
        ):
            self._batch.message(place, step, encode.plug(fact.device, master))

    def _address(self, step: Step) -> None:
        fact = step.fact
        assert isinstance(fact, Address)
        place = self._places.get(fact.node)
        index = self._index(place, fact.device)
        if step.action is Action.CREATE:
            self._batch.message(place, step, encode.new_address(fact, index))
        else:
            self._batch.message(place, step, encode.delete_address(fact, index))

    def _route(self, step: Step) -> None:
        fact = step.fact
        assert isinstance(fact, Route)
        place = self._places.get(fact.node)
        if step.action is Action.DELETE:
            protocol = PROTOCOL if self._places.marked(fact.node) else 0
            self._batch.message(place, step, encode.delete_route(fact, protocol))
            return
        index = None if fact.device is None else self._index(place, fact.device)
        make = encode.new_route if step.action is Action.CREATE else encode.change_route
        self._batch.message(place, step, make(fact, index))

    def _settings(self, step: Step) -> None:
        fact = step.fact
        assert isinstance(fact, (Settings, DeviceSettings))
        place = self._places.get(fact.node)
        if isinstance(fact, Settings) and place.written is not None and step.action is Action.CREATE:
            return  # written when the namespace was made
        self._batch.call(place, step, self._writer(place, step))

    def _followers(self, place: Place, change: Difference) -> Iterator[tuple[str, str]]:
        """Give, where a default of devices changes, the settings of our devices that had it as it was."""
        name = change.field
        if ".default." not in name:
            return
        table, _, leaf = split_setting(name)
        for device in self._ours(place):
            own = f"{table}.{device}.{leaf}"
            if read_settings(place, (own,)).get(own) == change.before:
                yield own, change.after

    def _ours(self, place: Place) -> list[str]:
        """Give the devices of a place that are the lab's: on the real machine, those that bear its mark."""
        links = place.socket.dump(codec.link_dump(), decode.link)
        everything = not self._places.marked(place.node)
        return [link.name for link in links if everything or owner(link) == self._places.lab]

    def _writer(self, place: Place, step: Step) -> Callable[[], None]:
        fact = step.fact
        assert isinstance(fact, (Settings, DeviceSettings))

        def write() -> None:
            with inside(place.fd):
                if step.action is Action.CREATE:
                    write_settings(place, fact.values)
                elif step.action is Action.UPDATE:
                    write_settings(place, tuple(self._restored(place, step)))
                elif isinstance(fact, DeviceSettings):
                    write_settings(place, tuple(_defaults(place, [name for name, _ in fact.values])))
            place.written = None

        return write

    def _restored(self, place: Place, step: Step) -> Iterator[tuple[str, str]]:
        """Give the values of an update; a device's setting that is no longer wanted gets the node's default."""
        fact = step.fact
        assert isinstance(fact, (Settings, DeviceSettings))
        if isinstance(fact, DeviceSettings) or any(difference.field in OVERWRITES for difference in step.differences):
            # What the kernel overwrites now, or has overwritten a step ago, was perhaps as wanted before.
            yield from fact.values
        for difference in step.differences:
            if difference.after is not None:
                yield difference.field, difference.after
                yield from self._followers(place, difference)
            else:
                yield from _defaults(place, [difference.field])


def _defaults(place: Place, names: list[str]) -> Iterator[tuple[str, str]]:
    """Give, for settings of a device, what a new device of its node would have."""
    for name in names:
        usual = born_setting(place, name)
        if usual is not None:
            yield name, usual


_HANDLERS: dict[type, Callable[[Work, Step], None]] = {
    Namespace: Work._namespace,
    Settings: Work._settings,
    DeviceSettings: Work._settings,
    Bridge: Work._bridge,
    Veth: Work._veth,
    Stray: Work._stray,
    Port: Work._port,
    Address: Work._address,
    Route: Work._route,
}
