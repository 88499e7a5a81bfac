"""Traffic between nodes that runs while a lab is changed: a TCP connection and pings, which must not notice.

Each is a child process that sends a number, has it back, and sends the next. The connection may retransmit, but must
live; of the pings not one may be lost. `alive` waits for the next number to have come back.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from netlab.namespaces.processes import reap
from netlab.namespaces.syscalls import CLONE_NEWNET, die_with_parent, setns
from tests.kernel.stage import Stage

#: Seconds that a number may take there and back.
PATIENCE = 10.0
#: Times that a ping is sent while the machine drops packets.
ATTEMPTS = 10
#: Milliseconds between two numbers.
PACE = 5
_NUMBER = struct.Struct("=Q")
_ECHO = struct.Struct("!BBHHH")

#: Sends a number and has it back, or raises.
Exchange = Callable[[int], None]


class Traffic:
    """Numbers that go there and back, until it is found that one did not."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def alive(self) -> int:
        """Wait until a number sent from now on has come back; give which."""
        self._control.sendall(b"?")
        answer = self._control.recv(_NUMBER.size)
        assert answer, "the traffic has broken: the child's traceback is on stderr"
        return int(_NUMBER.unpack(answer)[0])


@contextmanager
def _running(name: str, open_way: Callable[[], Exchange]) -> Iterator[Traffic]:
    near, far = socket.socketpair()
    child = os.fork()
    if child == 0:
        near.close()
        _exchange(far, name, open_way)
    far.close()
    with near:
        found = Traffic(near)
        try:
            before = found.alive()
            yield found
            assert found.alive() > before
        finally:
            near.shutdown(socket.SHUT_RDWR)
            code = reap(child)
        assert code == 0


def _exchange(control: socket.socket, name: str, open_way: Callable[[], Exchange]) -> NoReturn:
    code, number = 1, 0
    try:
        die_with_parent()
        exchange = open_way()
        asked = select.poll()
        asked.register(control, select.POLLIN)
        while True:
            question = bool(asked.poll(PACE))
            if question and not control.recv(1):
                break
            number += 1
            exchange(number)
            if question:
                control.sendall(_NUMBER.pack(number))
        code = 0
    except BaseException:
        sys.stderr.write(f"{name} broke at number {number}\n")
        traceback.print_exc()
    finally:
        os._exit(code)


def _enter(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    setns(fd, CLONE_NEWNET)
    os.close(fd)


def connection(stage: Stage, client: str, server: str, address: str) -> AbstractContextManager[Traffic]:
    """Keep a TCP connection from a node to an address of another open in the block; it must live to its end."""

    def open_way() -> Exchange:
        _enter(stage.namespace(server))
        listener = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        _enter(stage.namespace(client))
        a = socket.create_connection(listener.getsockname()[:2], timeout=PATIENCE)
        b, _ = listener.accept()
        b.settimeout(PATIENCE)

        def exchange(number: int) -> None:
            for one, other in ((a, b), (b, a)):
                one.sendall(_NUMBER.pack(number))
                assert _NUMBER.unpack(other.recv(_NUMBER.size, socket.MSG_WAITALL))[0] == number

        return exchange

    return _running(f"the connection from {client} to {address}", open_way)


def dropped_by_machine() -> int:
    """Give how many packets this machine has dropped because it was too busy.

    All namespaces share one queue a processor (net.core.netdev_max_backlog): a storm in one costs another its packets.
    """
    return sum(int(line.split()[1], 16) for line in Path("/proc/net/softnet_stat").read_text().splitlines())


def pings(stage: Stage, node: str, address: str) -> AbstractContextManager[Traffic]:
    """Ping an IPv4 address from a node all along the block; each ping must be answered.

    But for those that the whole machine may have dropped.
    """

    def open_way() -> Exchange:
        _enter(stage.namespace(node))
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        raw.settimeout(PATIENCE / ATTEMPTS)

        def exchange(number: int) -> None:
            sequence = number & 0xFFFF
            # The identifier makes the checksum (RFC 792) all ones whatever the sequence.
            message = _ECHO.pack(8, 0, 0, (0xFFFF - 0x0800 - sequence) % 0xFFFF, sequence)
            for _ in range(ATTEMPTS):
                dropped = dropped_by_machine()
                raw.sendto(message, (address, 0))
                try:
                    return answer(sequence)
                except TimeoutError:
                    if dropped == dropped_by_machine():
                        raise
            raise TimeoutError(f"{ATTEMPTS} times in a row the machine dropped packets")

        def answer(sequence: int) -> None:
            while True:
                kind, _, _, _, found = _ECHO.unpack(raw.recv(2048)[20:28])
                if (kind, found) == (0, sequence):
                    return

        return exchange

    return _running(f"pings from {node} to {address}", open_way)


@contextmanager
def all_along(stage: Stage, *ways: tuple[str, str, str]) -> Iterator[None]:
    """Keep connections and pings running between pairs of nodes, each (client, server, the server's address)."""
    with ExitStack() as stack:
        for client, server, address in ways:
            stack.enter_context(connection(stage, client, server, address))
            stack.enter_context(pings(stage, client, address))
        yield


#: One echo request: says how many seconds the answer took, or `lost`.
_PROGRAM = """
import os, select, socket, sys, time
echo = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
echo.connect((sys.argv[1], 0))
def sum16(raw):
    total = sum(int.from_bytes(raw[i:i + 2], "big") for i in range(0, len(raw), 2))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff
head = bytes((8, 0, 0, 0, 1, 2, 0, 1))
start = time.monotonic()
echo.send(head[:2] + sum16(head).to_bytes(2, "big") + head[4:])
while select.select([echo], [], [], max(0.0, start + 2 - time.monotonic()))[0]:
    if echo.recv(200)[20] == 0:
        print(time.monotonic() - start)
        break
else:
    print("lost")
"""


def echo(stage: Stage, node: str, address: str) -> float | None:
    """Ping an IPv4 address from a node once; give how many seconds the answer took, None where there was none."""
    found = stage.run(node, sys.executable, "-c", _PROGRAM, address).strip()
    return None if found == "lost" else float(found)
