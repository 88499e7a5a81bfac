"""A program for a lab's nodes: `clients.py listen tcp:80 udp:53` answers, `clients.py send tcp,10.0.0.1,80` asks.

What is asked is asked all at once; told is, as JSON, what became of each: reply, open, refused, error or silence. It
knows nothing of netlab.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import struct
import sys
import threading
import time

#: Seconds for which an answer is waited for.
PATIENCE = 0.5
#: What a socket is told that has been refused; anything else is an error.
REFUSED = errno.ECONNREFUSED


def listen(ends: list[str]) -> None:
    """Answer at ports until standard input ends."""
    held = []
    for end in ends:
        kind, port = end.split(":")
        one = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("::", int(port)))
        if kind == "tcp":
            one.listen(128)
        held.append(one)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    while True:
        ready, _, _ = select.select([*held, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        for one in (one for one in held if one in ready):
            if one.type == socket.SOCK_STREAM:
                one.accept()[0].close()
            else:
                _, sender = one.recvfrom(65535)
                one.sendto(b"answer", sender)


def send(asked: list[str]) -> None:
    """Ask all, and tell what became of each."""
    found: dict[str, str] = {}
    threads = [threading.Thread(target=lambda one=one: found.update({one: _answer(*one.split(","))})) for one in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(found))


def _answer(kind: str, destination: str, port: str, size: str = "") -> str:
    try:
        if kind == "icmp":
            return _ping(destination)
        family = socket.AF_INET6 if ":" in destination else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as one:
            one.settimeout(PATIENCE)
            if family == socket.AF_INET:
                one.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR: all errors, at once
            else:
                one.setsockopt(socket.IPPROTO_IPV6, 25, 1)  # IPV6_RECVERR
            one.connect((destination, int(port)))
            if kind == "tcp":
                return "open"
            headers = 48 if family == socket.AF_INET6 else 28
            one.send(bytes(int(size) - headers) if size else b"question")
            one.recv(2048)
            return "reply"
    except TimeoutError:
        return "silence"
    except OSError as error:
        return "refused" if error.errno == REFUSED else "silence" if error.errno == errno.EPERM else "error"


def _ping(destination: str) -> str:
    """Send an echo request by a raw socket; RFC 792, RFC 4443."""
    six = ":" in destination
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    name = os.getpid() & 0xFFFF ^ hash(destination) & 0xFFFF
    request = struct.pack("!BBHHH", 128 if six else 8, 0, 0, name, 1) + bytes(56)
    if not six:
        total = sum(struct.unpack(f"!{len(request) // 2}H", request))
        total = (total & 0xFFFF) + (total >> 16)
        request = request[:2] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + request[4:]
    with socket.socket(family, socket.SOCK_RAW, protocol) as one:
        one.sendto(request, (destination, 0))
        end = time.monotonic() + PATIENCE
        while (left := end - time.monotonic()) > 0:
            one.settimeout(left)
            got = one.recv(2048)
            message = got if six else got[(got[0] & 15) * 4 :]
            kind = message[0]
            if kind == (129 if six else 0) and message[4:6] == struct.pack("!H", name):
                return "reply"
            quoted = message[8:]
            inner = quoted[40:] if six else quoted[(quoted[0] & 15) * 4 :] if quoted else b""
            is_error = kind in ((1, 2, 3, 4) if six else (3, 11, 12))
            if is_error and inner[:1] == request[:1] and inner[4:6] == struct.pack("!H", name):
                return "error"
    return "silence"


if __name__ == "__main__":
    {"listen": listen, "send": send}[sys.argv[1]](sys.argv[2:])
