"""Steps about settings, done: written in the namespace, whose switches write others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netlab.facts import DeviceSettings, Difference, Settings
from netlab.kernel import codec, decode
from netlab.kernel.marks import owner
from netlab.kernel.place import OVERWRITES, Place, born_setting, inside, read_settings, split_setting, write_settings
from netlab.kernel.work import Work
from netlab.plan.steps import Action, Step


def do_settings(work: Work, step: Step) -> None:
    """Queue what does a step about settings."""
    fact = step.fact
    assert isinstance(fact, (Settings, DeviceSettings))
    place = work.places.get(fact.node)
    if isinstance(fact, Settings) and place.written is not None and step.action is Action.CREATE:
        return  # written when the namespace was made
    work.batch.call(place, step, _writer(work, place, step))


def _writer(work: Work, place: Place, step: Step) -> Callable[[], None]:
    fact = step.fact
    assert isinstance(fact, (Settings, DeviceSettings))

    def write() -> None:
        with inside(place.fd):
            if step.action is Action.CREATE:
                write_settings(place, fact.values)
            elif step.action is Action.UPDATE:
                write_settings(place, tuple(_restored(work, place, step)))
            elif isinstance(fact, DeviceSettings):
                write_settings(place, tuple(_defaults(place, [name for name, _ in fact.values])))
        place.written = None

    return write


def _restored(work: Work, place: Place, step: Step) -> Iterator[tuple[str, str]]:
    """Give the values of an update; a device's setting that is no longer wanted gets the node's default."""
    fact = step.fact
    assert isinstance(fact, (Settings, DeviceSettings))
    if isinstance(fact, DeviceSettings) or any(difference.field in OVERWRITES for difference in step.differences):
        # What the kernel overwrites now, or has overwritten a step ago, was perhaps as wanted before.
        yield from fact.values
    for difference in step.differences:
        if difference.after is not None:
            yield difference.field, difference.after
            yield from _followers(work, place, difference)
        else:
            yield from _defaults(place, [difference.field])


def _followers(work: Work, place: Place, change: Difference) -> Iterator[tuple[str, str]]:
    """Give, where a default of devices changes, the settings of our devices that had it as it was."""
    name = change.field
    if ".default." not in name:
        return
    table, _, leaf = split_setting(name)
    for device in _ours(work, place):
        own = f"{table}.{device}.{leaf}"
        if read_settings(place, (own,)).get(own) == change.before:
            yield own, change.after


def _ours(work: Work, place: Place) -> list[str]:
    """Give the devices of a place that are the lab's: on the real machine, those that bear its mark."""
    links = place.socket.dump(codec.link_dump(), decode.link)
    everything = not work.places.marked(place.node)
    return [link.name for link in links if everything or owner(link) == work.places.lab]


def _defaults(place: Place, names: list[str]) -> Iterator[tuple[str, str]]:
    """Give, for settings of a device, what a new device of its node would have."""
    for name in names:
        usual = born_setting(place, name)
        if usual is not None:
            yield name, usual
