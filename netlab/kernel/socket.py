"""One rtnetlink socket inside one namespace: batches of messages in, answers and errors out.

Only the last message of a batch asks for an acknowledgement; the kernel handles a batch in order, inside the send,
and reports every failure anyway (net/netlink/af_netlink.c, netlink_rcv_skb).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from netlab.kernel import codec
from netlab.kernel.codec import HEAD, NLM_F_ACK, NLMSG_DONE, NLMSG_ERROR, Message

_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_NLM_F_ACK_TLVS, _NLM_F_DUMP_INTR = 0x200, 0x10
#: Acknowledgements wait in the receive buffer while the batch runs; its default holds about 250 errors.
BATCH = 128
_RECEIVE = 1 << 18

T = TypeVar("T")


class Failure(Exception):
    """A message that the kernel refused: its index in the batch, the errno, and the kernel's own words."""

    def __init__(self, index: int, number: int, text: str) -> None:
        self.index, self.number, self.text = index, number, text
        super().__init__(f"message {index}: errno {number} {text}")


class RouteSocket:
    """An AF_NETLINK socket of the namespace that the calling thread is in when `opened` runs."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sequence = 1

    @classmethod
    def opened(cls, protocol: int = socket.NETLINK_ROUTE) -> RouteSocket:
        """Open a socket in the calling thread's namespace; of another netlink protocol, to ask dumps of it."""
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        sock.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        sock.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        return cls(sock)

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, batch: Sequence[Message], forgive: Callable[[int, int], bool] = lambda i, e: False) -> None:
        """Send messages in order and wait until the kernel has done them.

        `forgive(index, errno)` may call a failure success. Raises Failure for the first that is not forgiven; the
        messages after it were done nevertheless.
        """
        for start in range(0, len(batch), BATCH):
            part = batch[start : start + BATCH]
            first = self._sequence
            last = len(part) - 1
            raw = b"".join(
                HEAD.pack(16 + len(body), kind, flags | NLM_F_ACK if i == last else flags, first + i, 0) + body
                for i, (kind, flags, body) in enumerate(part)
            )
            self._sequence += len(part)
            self._socket.send(raw)
            failed: Failure | None = None
            for index, number, text in self._errors(first, first + last):
                if failed is None and not forgive(start + index, number):
                    failed = Failure(start + index, number, text)
            if failed is not None:
                raise failed

    def _errors(self, first: int, last: int) -> Iterator[tuple[int, int, str]]:
        """Give the failures of a batch, in order, until its last message is acknowledged."""
        while True:
            raw = self._socket.recv(_RECEIVE)
            for kind, flags, sequence, start, end in codec.messages(raw):
                if kind != NLMSG_ERROR or sequence < first:
                    continue
                number = -struct.unpack_from("=i", raw, start)[0]
                if number:
                    yield sequence - first, number, _words(raw, flags, start, end)
                if sequence == last:
                    return

    def ask(self, message: Message) -> tuple[bytes, int, int] | None:
        """Send one question; give (datagram, start, end) of its answer, or None where the kernel knows none."""
        kind, flags, body = message
        sequence = self._sequence
        self._sequence += 1
        self._socket.send(HEAD.pack(16 + len(body), kind, flags, sequence, 0) + body)
        while True:
            raw = self._socket.recv(_RECEIVE)
            for answer, _, number, start, end in codec.messages(raw):
                if number == sequence:
                    return None if answer == NLMSG_ERROR else (raw, start, end)

    def dump(self, message: Message, decode: Callable[[bytes, int, int], T | None]) -> list[T]:
        """Ask for everything of a sort and decode each answer; asks again if it changed while being read."""
        return self.dumps([(message, decode)])[0]

    def dumps(self, questions: Sequence[tuple[Message, Callable[[bytes, int, int], Any]]]) -> list[list[Any]]:
        """Ask several such questions in one system call; what the kernel was too busy for is asked again.

        The kernel answers a dump that fits one buffer before it looks at the next request; while a longer one waits to
        be fetched, it refuses others with EBUSY (net/netlink/af_netlink.c, __netlink_dump_start).
        """
        found: list[list[Any] | None] = [None] * len(questions)
        for _ in range(16 * len(questions)):
            left = [i for i, answer in enumerate(found) if answer is None]
            if not left:
                return [answer or [] for answer in found]
            self._ask([questions[i] for i in left], left, found)
        raise OSError(errno.EAGAIN, "the kernel's tables change faster than they can be read")

    def _ask(
        self,
        questions: Sequence[tuple[Message, Callable[[bytes, int, int], Any]]],
        places: Sequence[int],
        found: list[list[Any] | None],
    ) -> None:
        first = self._sequence
        self._sequence += len(questions)
        self._socket.send(
            b"".join(
                HEAD.pack(16 + len(body), kind, flags, first + i, 0) + body
                for i, ((kind, flags, body), _) in enumerate(questions)
            )
        )
        partial: list[list[Any]] = [[] for _ in questions]
        spoilt: set[int] = set()
        open_ = len(questions)
        while open_:
            raw = self._socket.recv(_RECEIVE)
            for kind, flags, number, start, end in codec.messages(raw):
                index = number - first
                if not 0 <= index < len(questions):
                    continue
                if flags & _NLM_F_DUMP_INTR:
                    spoilt.add(index)
                if kind == NLMSG_DONE:
                    open_ -= 1
                    if index not in spoilt:
                        found[places[index]] = partial[index]
                elif kind == NLMSG_ERROR:
                    open_ -= 1
                    failed = -struct.unpack_from("=i", raw, start)[0]
                    if failed != errno.EBUSY:
                        raise OSError(failed, "netlink dump")
                elif (value := questions[index][1](raw, start, end)) is not None:
                    partial[index].append(value)


def _words(raw: bytes, flags: int, start: int, end: int) -> str:
    """Give the kernel's own explanation of a failure (NLMSGERR_ATTR_MSG), or nothing."""
    if flags & _NLM_F_ACK_TLVS:
        for number, a, b in codec.attributes(raw, start + 20, end):
            if number == 1:
                return raw[a : b - 1].decode(errors="replace")
    return ""
