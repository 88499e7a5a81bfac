"""Who listens in a namespace, and who only talks."""

from __future__ import annotations

import socket
import subprocess

import pytest

from netlab.kernel.listeners import listeners_here
from tests.kernel.made_up_machine import on_made_up_machine

pytestmark = pytest.mark.kernel


def test_whoever_is_connected_listens_to_nobody_else() -> None:
    def body() -> None:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        assert listeners_here() == frozenset()
        with (
            socket.create_server(("127.0.0.1", 80)) as server,
            socket.create_server(("::", 81), family=socket.AF_INET6),
            socket.create_connection(server.getsockname()),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as takes,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talks,
        ):
            takes.bind(("127.0.0.1", 53))
            talks.bind(("127.0.0.1", 54))
            talks.connect(("127.0.0.1", 53))
            assert listeners_here() == {("tcp", "127.0.0.1", 80), ("tcp", "::", 81), ("udp", "127.0.0.1", 53)}

    on_made_up_machine(body)
