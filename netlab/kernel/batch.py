"""Work queued for many namespaces and sent in few large pieces, in an order that keeps what depends on what.

Each place has a queue of messages and calls. What touches two places (a veth pair) leaves a barrier in the other
queue: nothing after it is sent before the first queue has come that far. A queue is sent as far as its barriers
allow, in one piece: for a new node that is everything it needs, from `lo` to its routes, in a single system call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netlab.kernel.codec import Message
from netlab.kernel.place import Place
from netlab.kernel.socket import Failure
from netlab.plan.steps import Step, StepRefused


@dataclass(frozen=True, slots=True)
class _Barrier:
    queue: _Queue
    position: int


@dataclass(frozen=True, slots=True)
class _Call:
    step: Step
    run: Callable[[], None]


class _Queue:
    __slots__ = ("entries", "place", "sent")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.entries: list[tuple[Step, Message] | _Barrier | _Call] = []
        self.sent = 0


class Batch:
    """Queues by node; `forgives(step, errno)` tells which failures are success (deleting what is gone)."""

    def __init__(self, forgives: Callable[[Step, int], bool]) -> None:
        self._queues: dict[str, _Queue] = {}
        self._forgives = forgives

    def _queue(self, place: Place) -> _Queue:
        found = self._queues.get(place.node)
        if found is None:
            found = self._queues[place.node] = _Queue(place)
        return found

    def message(self, place: Place, step: Step, message: Message) -> int:
        """Queue a message for a place; give how far the queue must come for it to be done."""
        entries = self._queue(place).entries
        entries.append((step, message))
        return len(entries)

    def amend(self, place: Place, position: int, step: Step, change: Callable[[Message], Message]) -> bool:
        """Have the message at a position, if it is not sent yet, do a later step's work too; tell whether it will.

        Each message makes the kernel tell all who listen of the device: one less is felt in a thousand.
        """
        queue = self._queue(place)
        if queue.sent >= position:
            return False
        entry = queue.entries[position - 1]
        if not isinstance(entry, tuple):
            return False
        queue.entries[position - 1] = (step, change(entry[1]))
        return True

    def call(self, place: Place, step: Step, run: Callable[[], None]) -> int:
        """Queue a call that must run between the messages around it; give how far the queue must come for it."""
        entries = self._queue(place).entries
        entries.append(_Call(step, run))
        return len(entries)

    def after(self, place: Place, other: Place) -> None:
        """Have what is queued for `place` from now on wait until what is queued for `other` so far is done."""
        if place is other:
            return
        queue = self._queue(other)
        if queue.sent < len(queue.entries):
            self._queue(place).entries.append(_Barrier(queue, len(queue.entries)))

    def begun(self, node: str) -> bool:
        """Tell whether the first message of a node's queue has been sent."""
        queue = self._queues.get(node)
        return queue is not None and queue.sent > 0

    def flush(self, place: Place, until: int) -> None:
        """Do what is queued for a place up to `until`, and whatever it waits for."""
        queue = self._queues.get(place.node)
        if queue is not None and queue.sent < until:
            self._drain(queue, until)

    def flush_all(self, last: str) -> None:
        """Do everything; the node `last` comes last (its queue waits for all others, as a rule)."""
        for node in sorted(self._queues, key=lambda node: node == last):
            queue = self._queues[node]
            self._drain(queue, len(queue.entries))

    def _drain(self, queue: _Queue, until: int) -> None:
        """Send a queue at least to `until`, and what it waits for before; a stack, as cables make long chains."""
        stack = [(queue, until)]
        while stack:
            blocked = self._advance(*stack[-1])
            if blocked is None:
                stack.pop()
            else:
                stack.append((blocked.queue, blocked.position))

    def _advance(self, queue: _Queue, until: int) -> _Barrier | None:
        """Send a queue as far as no barrier stands; give the barrier if it stands before `until`."""
        piece: list[tuple[Step, Message]] = []
        entries, at = queue.entries, queue.sent
        while at < len(entries):
            entry = entries[at]
            if isinstance(entry, tuple):
                piece.append(entry)
            elif isinstance(entry, _Call):
                self._send(queue, piece, at)
                piece = []
                self._run(entry)
            elif entry.queue.sent < entry.position:
                self._send(queue, piece, at)
                return entry if at < until else None
            at += 1
        self._send(queue, piece, at)
        return None

    def _run(self, entry: _Call) -> None:
        try:
            entry.run()
        except OSError as error:
            if not self._forgives(entry.step, error.errno or 0):
                raise StepRefused(entry.step, error.errno or 0, error.strerror or "") from error

    def _send(self, queue: _Queue, piece: list[tuple[Step, Message]], until: int) -> None:
        """Send a piece; the queue has then come as far as `until`."""
        queue.sent = until
        if not piece:
            return
        try:
            queue.place.socket.send([message for _, message in piece], lambda i, e: self._forgives(piece[i][0], e))
        except Failure as failure:
            raise StepRefused(piece[failure.index][0], failure.number, failure.text) from failure
        except OSError as error:
            raise StepRefused(piece[0][0], error.errno or 0, error.strerror or "") from error
