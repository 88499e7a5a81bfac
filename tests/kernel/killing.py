"""A process killed by SIGKILL at its n-th deed, and what a machine has left of a lab.

A deed is whatever leaves something behind: a batch of messages to the kernel, a mount, a file of the store, a setting,
a sandbox. The process stops right before it, wherever that is (a thread, a worker inside a sandbox), and is killed by
its parent, as `kill -9` would.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from netlab import app
from netlab.namespaces.processes import await_ends, open_process, pids, process_of, reap
from tests.kernel.made_up_machine import left_processes

#: Where deeds are done: (module, name in it), (module, class and method).
DEEDS = (
    ("netlab.kernel.socket", "RouteSocket.send"),
    ("netlab.kernel.places", "mount"),
    ("netlab.kernel.places", "umount"),
    ("netlab.kernel.places", "reserve_name"),
    ("netlab.kernel.birth", "write_settings"),
    ("netlab.kernel.do_settings", "write_settings"),
    ("netlab.kernel.nftables", "change_chains"),
    ("netlab.app.applying", "make_sandbox"),
    ("netlab.app.applying", "end_sandbox"),
    ("netlab.app.destroying", "end_sandbox"),
    ("netlab.app.host_settings", "write_setting"),
    ("netlab.namespaces.sandbox", "PendingSandbox.keep"),
    ("netlab.runtime.programs", "_spawn"),
    ("netlab.store.store", "remove"),
    ("netlab.store.ledger", "remove"),
    ("os", "replace"),
    ("os", "unlink"),
)
_COUNT = struct.Struct("=q")
PATIENCE = 30.0


def stop_at(deed: int, reached: Callable[[], object]) -> None:
    """Have this process and its children call `reached` in place of the deed with that number, and go no further."""
    count = mmap.mmap(-1, _COUNT.size)

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        def first_count(*arguments: Any, **named: Any) -> Any:
            (done,) = _COUNT.unpack_from(count)
            _COUNT.pack_into(count, 0, done + 1)
            if done >= deed:
                reached()
                signal.sigwait([])  # for good: what reads this is killed
            return function(*arguments, **named)

        return first_count

    for module, name in DEEDS:
        holder: Any = __import__(module, fromlist=["_"])
        *within, last = name.split(".")
        for part in within:
            holder = getattr(holder, part)
        setattr(holder, last, wrapped(getattr(holder, last)))


def killed_at(deed: int, function: Callable[[], object]) -> bool:
    """Call a function in a child that is killed at a deed; False where it has done everything before."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            stop_at(deed, lambda: os.write(writing, b"x"))
            function()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    pidfd = os.pidfd_open(child)
    reached = os.read(reading, 1) == b"x"
    if reached:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    assert not await_ends([pidfd], time.monotonic() + PATIENCE), "it does not end"
    os.close(pidfd)
    os.close(reading)
    code = reap(child)
    assert code == (-signal.SIGKILL if reached else 0), f"deed {deed}: exit code {code}"
    return reached


def kill_points(function: Callable[[], object], first: int = 0, step: int = 1) -> Iterator[int]:
    """Call a function again and again, killed some deeds later each time; give the number of each such deed.

    Ends with the first call that is not killed.
    """
    deed = first
    while killed_at(deed, function):
        yield deed
        deed += step
    assert deed > 3, "nothing was done that counts"


def ip(*words: str) -> Any:
    """Ask `ip -j` of the present machine."""
    said = subprocess.run(["ip", "-j", *words], capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    return json.loads(said or "[]")


def write(name: str, text: str) -> str:
    """Put a file where `machine` does not look; give its path."""
    path = Path(os.environ["XDG_RUNTIME_DIR"], "stage", name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def trees(*roots: str) -> list[str]:
    """Give every file below some directories, those of the test itself aside."""
    return sorted(str(path) for root in roots for path in Path(root).rglob("*") if "/stage" not in str(path))


#: What changes by itself while a device is up.
_STATE = ("flags", "operstate", "link_state", "promiscuity", "allmulti", "qdisc")
_BRIDGE = ("stp_state", "forward_delay", "hello_time", "max_age", "ageing_time", "priority", "vlan_filtering")


def _configured(link: dict[str, Any]) -> dict[str, Any]:
    """Give of a device what somebody has set."""
    info = link.get("linkinfo", {})
    found = {name: value for name, value in link.items() if name not in (*_STATE, "linkinfo")}
    options = {name: value for name, value in info.get("info_data", {}).items() if name in _BRIDGE}
    return {**found, "up": "UP" in link["flags"], "kind": info.get("info_kind"), "options": options}


def _given(device: dict[str, Any]) -> list[str]:
    """Give the addresses that somebody has given a device: the kernel makes link-local ones by itself."""
    return [f"{one['local']}/{one['prefixlen']}" for one in device.get("addr_info", ()) if one["scope"] != "link"]


def _routes() -> list[dict[str, Any]]:
    return [route for family in ("-4", "-6") for route in ip(family, "route", "show", "table", "all")]


def machine(patience: float = 10.0) -> dict[str, Any]:
    """Give everything that a lab may leave on the present machine: all of it, once what is ending has ended.

    Whatever lives on is waited for as long as `patience`, in seconds; not so the sandboxes of labs that are up.
    """
    deadline = time.monotonic() + patience
    known = {1, os.getpid(), *(lab.holder for lab in app.status() if lab.state == "up")}
    # One that ends may have forked another, which ends by it, after we looked.
    while new := [one for one in map(process_of, pids()) if one is not None and one.alive and one.pid not in known]:
        for process in new:
            known.add(process.pid)
            fd = open_process(process)
            if fd is not None:
                await_ends([fd], deadline)
                os.close(fd)
    runtime = os.environ["XDG_RUNTIME_DIR"]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return {
        "links": [_configured(link) for link in ip("-d", "link")],
        "addresses": {device["ifname"]: _given(device) for device in ip("address")},
        "routes": [route for route in _routes() if route.get("protocol") != "kernel"],
        "files": trees("/run", runtime),
        "mounts": sorted(line.split()[4] for line in mounts if line.split()[4] != "/run/netns"),
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "processes": left_processes(),
    }
