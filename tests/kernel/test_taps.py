"""Taps by a file: held by a program that answers, changed, spoilt by hand, mended, and gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.kernel.stage import PATIENCE, Stage, made_up, told, until
from tests.kernel.traffic import echo

pytestmark = [pytest.mark.kernel, pytest.mark.needs("tap")]

TAPS = """\
name: taps
netns:
  a:
    bridges: {br1: {address: 10.0.1.1/24}}
    taps:
      tun0: {mode: tun, address: 10.0.0.1/24, mtu: 1400}
      tap0: {bridge: br1, owner: 0}
      tap1:
"""
#: Holds a tap until its input ends; of a tun, it sends echo requests back as the replies to them.
_PROGRAM = """
import fcntl, os, select, struct, sys
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454CA, struct.pack("=16sH22x", sys.argv[1].encode(), int(sys.argv[2]) | 0x1000))
print("ready", flush=True)
while 0 not in select.select([0, fd], [], [])[0]:
    raw = bytearray(os.read(fd, 65536))
    if raw[0] == 0x45 and raw[9] == 1 and raw[20] == 8:
        raw[12:16], raw[16:20] = raw[16:20], raw[12:16]
        raw[20] = 0
        total = int.from_bytes(raw[22:24], "big") + 0x0800
        raw[22:24] = ((total & 0xFFFF) + (total >> 16)).to_bytes(2, "big")
        os.write(fd, raw)
"""


@contextmanager
def held(stage: Stage, name: str, mode: int) -> Iterator[None]:
    """Have a program hold a tap in the block."""
    argv = [*stage.enter("a"), sys.executable, "-S", "-c", _PROGRAM, name, str(mode)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        yield
        program.stdin.close()
        assert program.wait(PATIENCE) == 0


def _link(stage: Stage, name: str) -> dict[str, Any]:
    (found,) = stage.ip("a", "-d", "link", "show", "dev", name)
    return found


BOTH = pytest.mark.parametrize("sandbox", [True, False], ids=["sandbox", "machine"])


@BOTH
@made_up
def test_a_tap_is_held_by_a_program_and_stays(stage: Stage, sandbox: bool) -> None:
    stage.apply(TAPS)
    data = _link(stage, "tap0")["linkinfo"]["info_data"]
    assert (data["type"], data["persist"], data["user"]) == ("tap", True, "root")
    assert "NO-CARRIER" in _link(stage, "tun0")["flags"]
    with held(stage, "tun0", 1):
        assert echo(stage, "a", "10.0.0.2") is not None
        assert told(stage.plan(TAPS).plan) == []
    with held(stage, "tap0", 2):
        until(lambda: "LOWER_UP" in _link(stage, "tap0")["flags"])
        assert _link(stage, "tap0")["master"] == "br1"
    until(lambda: "NO-CARRIER" in _link(stage, "tap0")["flags"])
    assert stage.sandbox == sandbox


@made_up
def test_what_changes_in_place_and_what_is_made_anew(stage: Stage) -> None:
    stage.apply(TAPS)
    before = stage.devices()
    live = TAPS.replace("tap1:", "tap1: {mac: 02:00:00:00:00:77, mtu: 1300, up: false}")
    assert told(stage.plan(live).plan) == ["~ tun a:tap1"]
    stage.apply(live)
    assert stage.devices() == before
    other = live.replace("owner: 0", "owner: 0, mtu: 1200").replace("mode: tun, ", "")
    assert set(told(stage.plan(other).plan)) == {
        "~ bridge a:br1", "~ tun a:tap0", "± tun a:tun0", "± address 10.0.0.1/24 on a:tun0",
    }  # fmt: skip
    stage.apply(other)
    for line in ("ip link delete dev tap0", "ip link set dev tap1 mtu 1234", "ip link set dev tap0 nomaster"):
        stage.sh("a", line)
        assert stage.plan(other).plan, line
        stage.apply(other)
    stage.apply("name: taps\nnetns: {a: {}}\n")
    assert set(stage.devices()) == {"host:lo", "a:lo"}


@BOTH
@made_up
def test_a_tap_of_the_host(stage: Stage, sandbox: bool) -> None:
    text = "name: taps\nhost: {taps: {tap0: {address: 10.0.0.1/24}}}\n"
    stage.apply(text)
    (found,) = stage.ip("host", "-d", "link", "show", "dev", "tap0")
    assert found["ifalias" if not sandbox else "ifname"] == ("netlab:taps/host/tap0" if not sandbox else "tap0")
    assert found["group"] == ("default" if sandbox else "28268")
    stage.destroy()
    assert "tap0" not in os.listdir("/sys/class/net")
