"""One rtnetlink socket inside one namespace: batches of messages in, answers and errors out.

Only the last message of a batch asks for an acknowledgement; the kernel handles a batch in order, inside the send,
and reports every failure anyway (net/netlink/af_netlink.c, netlink_rcv_skb).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from netlab.kernel import codec
from netlab.kernel.codec import HEAD, NLM_F_ACK, NLMSG_DONE, NLMSG_ERROR, Message
from netlab.kernel.decode import LinkRecord, link

NETLINK_NETFILTER = 12
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_NLM_F_ACK_TLVS, _NLM_F_DUMP_INTR = 0x200, 0x10
#: Acknowledgements wait in the receive buffer while the batch runs; its default holds about 250 errors.
BATCH = 128
_RECEIVE = 1 << 18
#: How often a dump is asked for that changes while it is read.
_TRIES = 16

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

    def link(self, index: int) -> LinkRecord | None:
        """Give one device; None where it is gone."""
        answer = self.ask(codec.link_query(index))
        return None if answer is None else link(*answer)

    def dump(self, message: Message, decode: Callable[[bytes, int, int], T | None]) -> list[T]:
        """Ask for everything of a sort and decode each answer; asks again if it changed while being read."""
        for _ in range(_TRIES):
            found = self._one_dump(message, decode)
            if found is not None:
                return found
        raise OSError(errno.EAGAIN, "the kernel's tables change faster than they can be read")

    def dumps(self, questions: Sequence[tuple[Message, Callable[[bytes, int, int], Any]]]) -> list[list[Any]]:
        """Ask several such questions, one after the other.

        The kernel refuses a dump with EBUSY until the last answer of the one before has been fetched
        (net/netlink/af_netlink.c, __netlink_dump_start): asked together, they would be asked again and again.
        """
        return [self.dump(message, decode) for message, decode in questions]

    def _one_dump(self, message: Message, decode: Callable[[bytes, int, int], T | None]) -> list[T] | None:
        """Give every answer, decoded; None where something changed meanwhile."""
        kind, flags, body = message
        sequence = self._sequence
        self._sequence += 1
        self._socket.send(HEAD.pack(16 + len(body), kind, flags, sequence, 0) + body)
        found: list[T] = []
        whole = True
        while True:
            raw = self._socket.recv(_RECEIVE)
            for answer, flags, number, start, end in codec.messages(raw):
                if number != sequence:
                    continue
                whole = whole and not flags & _NLM_F_DUMP_INTR
                if answer == NLMSG_DONE:
                    return found if whole else None
                if answer == NLMSG_ERROR:
                    failed = -struct.unpack_from("=i", raw, start)[0]
                    raise OSError(failed, os.strerror(failed), "netlink dump")
                if (value := decode(raw, start, end)) is not None:
                    found.append(value)


def _words(raw: bytes, flags: int, start: int, end: int) -> str:
    """Give the kernel's own explanation of a failure (NLMSGERR_ATTR_MSG), or nothing."""
    if flags & _NLM_F_ACK_TLVS:
        for number, a, b in codec.attributes(raw, start + 20, end):
            if number == 1:
                return raw[a : b - 1].decode(errors="replace")
    return ""
