"""The process that probes: it loads scapy once and forks one child per check, which moves into the check's node.

Spoken over a socketpair of whole messages (SOCK_SEQPACKET). A request is JSON `{id, check}` with the descriptors of
one or two network namespaces: the source's and, where a listener is needed, the target's. An answer is JSON `{id,
events, elapsed}` or `{id, fault}`. It ends when the other side closes, or dies.

scapy is kept from the machine: this process sits in an empty network namespace of its own, and scapy finds neither
a configuration nor a cache folder.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
import types
from collections.abc import Mapping
from typing import Any, NoReturn

from netlab.errors import Span
from netlab.namespaces.syscalls import CLONE_NEWNET, die_with_parent, unshare
from netlab.probe.events import LONGEST_MESSAGE
from netlab.topology.lab import Check


def load_scapy() -> None:
    """Import what probes need of scapy, without its vendor tables (half its time), routes and folders."""
    for folder in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        # Not to be made, not to be read: scapy unpickles what it finds in its cache.
        os.environ[folder] = "/dev/null/none"
    for name, empty in (("manuf", ""), ("bluetoothids", {})):
        table = types.ModuleType(f"scapy.libs.{name}")
        vars(table)["DATA"] = empty
        sys.modules[table.__name__] = table
    from scapy.config import conf

    conf.route_autoload = conf.route6_autoload = False
    # With it come scapy.layers.inet and scapy.layers.l2.
    importlib.import_module("scapy.layers.inet6")


def check_of(values: Mapping[str, Any]) -> Check:
    """Turn the JSON form of a check (dataclasses.asdict) back into the check."""
    tuples = {name: tuple(values[name]) for name in ("by_addresses", "between") if values[name] is not None}
    return Check(**{**values, "span": Span(**values["span"]), **tuples})


def serve(door: socket.socket) -> None:
    """Take requests and fork a child for each, until the other side closes; then end all children."""
    running: dict[int, tuple[int, int]] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(door, selectors.EVENT_READ)
        while True:
            for key, _ready in selector.select():
                if key.fileobj is door:
                    message, fds, _flags, _address = socket.recv_fds(door, LONGEST_MESSAGE, 2)
                    if not message:
                        _end(running)
                        return
                    _start(door, json.loads(message), fds, running, selector)
                else:
                    selector.unregister(key.fileobj)
                    _reap(door, running, key.fd)


def _start(
    door: socket.socket,
    request: Mapping[str, Any],
    fds: list[int],
    running: dict[int, tuple[int, int]],
    selector: selectors.BaseSelector,
) -> None:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _child(door, request, fds, parent)
    for fd in fds:
        os.close(fd)
    watch = os.pidfd_open(pid)
    running[watch] = (pid, request["id"])
    selector.register(watch, selectors.EVENT_READ)


def _child(door: socket.socket, request: Mapping[str, Any], fds: list[int], parent: int) -> NoReturn:
    """Probe one check and answer; never returns into the server's loop."""
    status = 1
    try:
        _die_with(parent)
        from netlab.probe.child import probe

        events, elapsed = probe(check_of(request["check"]), fds[0], fds[1] if len(fds) > 1 else None)
        answer = {"id": request["id"], "events": [event.encode() for event in events], "elapsed": elapsed}
        door.send(json.dumps(answer, ensure_ascii=False).encode())
        status = 0
    except OSError as error:
        door.send(json.dumps({"id": request["id"], "fault": _words(error)}).encode())
        status = 0
    except BaseException:
        # A fault of netlab's own: the server reports it with what stands on stderr.
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _words(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _reap(door: socket.socket, running: dict[int, tuple[int, int]], watch: int) -> None:
    pid, number = running.pop(watch)
    _pid, status = os.waitpid(pid, 0)
    os.close(watch)
    if status != 0:
        how = f"ended with {os.waitstatus_to_exitcode(status)}"
        door.send(json.dumps({"id": number, "fault": f"the probe's process {how}"}).encode())


def _end(running: dict[int, tuple[int, int]]) -> None:
    for watch, (pid, _number) in running.items():
        signal.pidfd_send_signal(watch, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(watch)
    running.clear()


def _die_with(parent: int) -> None:
    die_with_parent()
    # The parent may have gone before.
    if os.getppid() != parent:
        os._exit(1)


def main(fd: int, parent: int) -> None:
    """Serve on the socket `fd` for the process `parent`."""
    _die_with(parent)
    # Ctrl-C goes to the whole terminal; the other side decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    unshare(CLONE_NEWNET)
    load_scapy()
    # Loaded once, used by every fork.
    importlib.import_module("netlab.probe.child")
    # What is here stays as it is: forks need not copy it for the collector's sake.
    gc.freeze()
    with socket.socket(fileno=fd) as door:
        serve(door)
