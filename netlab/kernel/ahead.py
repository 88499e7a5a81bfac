"""The settings of many namespaces, read by a child while this process reads everything else of them.

Nine files a namespace, and netlink has no question for them: half of all that a lab of a thousand nodes is read by.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NoReturn

from netlab.facts.settings import Values
from netlab.kernel.place import Place, read_settings
from netlab.namespaces.processes import fork, reap
from netlab.namespaces.syscalls import die_with_parent

#: From so many nodes on a child is worth its start.
_MANY = 100


class SettingsAhead:
    """A child at work; `values` waits for what it has read."""

    def __init__(self, pipe: int) -> None:
        self._pipe: int | None = pipe
        self._values: dict[str, Values] = {}

    def values(self) -> Mapping[str, Values]:
        """Give the settings by node; those of a child that failed are missing."""
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            with open(pipe, "rb") as file:
                raw = file.read()
            # Most nodes are set alike: each set of values comes once.
            for values, nodes in json.loads(raw) if raw.endswith(b"\n") else ():
                self._values.update(dict.fromkeys(nodes, tuple((name, value) for name, value in values)))
        return self._values

    def close(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


@contextmanager
def settings_ahead(places: Sequence[Place], names: Mapping[str, tuple[str, ...]]) -> Iterator[SettingsAhead | None]:
    """Begin to read the settings called `names` of these places; None where they are too few to be worth it."""
    asked = [place for place in places if place.written is None and names.get(place.node)]
    if len(asked) < _MANY:
        yield None
        return
    reading, writing = os.pipe()
    child = fork()
    if child == 0:
        _serve(asked, names, reading, writing)
    os.close(writing)
    ahead = SettingsAhead(reading)
    try:
        yield ahead
    finally:
        ahead.close()  # a child that still writes ends by this
        reap(child)


def _serve(places: Sequence[Place], names: Mapping[str, tuple[str, ...]], reading: int, writing: int) -> NoReturn:
    try:
        os.close(reading)
        die_with_parent()
        alike: dict[Values, list[str]] = {}
        for place in places:
            place.visit()
            found = read_settings(place, names[place.node])
            alike.setdefault(tuple(found.items()), []).append(place.node)
        with open(writing, "w", encoding="utf-8") as file:
            json.dump(list(alike.items()), file)
            file.write("\n")
    except (OSError, ValueError):
        pass  # what is missing is read by the parent, who tells what is wrong
    finally:
        os._exit(0)
