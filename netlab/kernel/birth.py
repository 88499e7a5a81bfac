"""New namespaces, many at once: threads make them while the door goes on with those that are ready.

Making a namespace is the dearest thing a lab asks of the kernel (0.5 to 1 ms), and the one that kernels do in
parallel. A namespace is born with nothing in it but `lo` and, on some kernels, fall-back tunnels; what it is born
with (settings, the first free device index) is read from the first one and holds for those made with it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netlab.facts.settings import Values
from netlab.kernel import codec, decode
from netlab.kernel.place import Place, needed_writes, read_settings, write_settings
from netlab.kernel.sysctl import SettingsTree
from netlab.namespaces.syscalls import CLONE_NEWNET, unshare


@dataclass(frozen=True, slots=True)
class Born:
    """What namespaces made now are born with."""

    settings: Mapping[str, str]
    next_index: int


class Nursery:
    """Makes namespaces for nodes, in order, in threads of its own; `take` waits for one."""

    def __init__(self, nodes: Sequence[str], settings: Mapping[str, Values], threads: int) -> None:
        self._nodes, self._settings = nodes, settings
        self._ready: dict[str, Place] = {}
        self._changed = threading.Condition()
        self._failed: OSError | None = None
        self._next = itertools.count()
        self._stopped = False
        self._writes: dict[int, tuple[Values, dict[str, str]]] = {}
        self.born: Born | None = None
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(min(threads, len(nodes)))]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def take(self, node: str) -> Place:
        """Wait until the node's namespace is made; raise the OSError that making one met."""
        with self._changed:
            while node not in self._ready:
                if self._failed is not None:
                    raise self._failed
                self._changed.wait()
            return self._ready.pop(node)

    def stop(self) -> None:
        """End the threads and let go of every namespace that nobody took: it vanishes."""
        self._stopped = True
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        for place in self._ready.values():
            place.close()
        self._ready.clear()

    def _work(self) -> None:
        tree = SettingsTree()
        try:
            while not self._stopped and (turn := next(self._next)) < len(self._nodes):
                place = self._make(self._nodes[turn], tree)
                with self._changed:
                    self._ready[place.node] = place
                    self._changed.notify_all()
        except OSError as error:
            with self._changed:
                self._failed = error
                self._changed.notify_all()
        finally:
            tree.close()

    def _make(self, node: str, tree: SettingsTree) -> Place:
        unshare(CLONE_NEWNET)
        place = Place.here(node, tree)
        try:
            values = self._settings.get(node, ())
            writes, now = self._plan_writes(place, values)
            write_settings(place, writes)
            assert self.born is not None
            place.written, place.next_index = now, self.born.next_index
        except OSError:
            place.close()
            raise
        return place

    def _plan_writes(self, place: Place, values: Values) -> tuple[Values, dict[str, str]]:
        """Give the writes for a set of values, worked out once for all nodes that share it."""
        with self._changed:
            if self.born is None:
                self.born = _look(place, self._settings)
            found = self._writes.get(id(values))
            if found is None:
                found = self._writes[id(values)] = needed_writes(values, self.born.settings)
            return found


def _look(place: Place, settings: Mapping[str, Values]) -> Born:
    names: dict[str, None] = {}
    for values in {id(values): values for values in settings.values()}.values():
        for name, _ in values:
            names[name] = None
            if name.startswith("net.ipv4.conf.default."):
                names[name.replace(".default.", ".lo.")] = None
    links = place.socket.dump(codec.link_dump(), decode.link)
    return Born(read_settings(place, tuple(names)), max(link.index for link in links) + 1)
