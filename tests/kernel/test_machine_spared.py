"""The real machine's own devices, addresses, routes and settings: the same, byte for byte, whatever a lab does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netlab import app
from netlab.errors import FileError, UsageError
from tests.kernel.made_up_machine import PROJECT, on_made_up_machine

pytestmark = pytest.mark.kernel

LAB = "name: {name}\n{host}bridges: {{br9: 10.9.0.0/24}}\nnetns: {{ns0: br9}}\n"
_VARYING = ("valid_life_time", "preferred_life_time", "stats", "stats64", "operstate", "linkmode")


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, timeout=20, capture_output=True, text=True).stdout


def furnish() -> None:
    """Give the made-up machine a life of its own: an uplink with static IPv6 and default routes."""
    ip("link", "add", "up0", "type", "veth", "peer", "name", "up1")
    for device in ("lo", "up0", "up1"):
        ip("link", "set", device, "up")
    ip("address", "add", "192.168.7.2/24", "dev", "up0")
    ip("address", "add", "2001:db8:7::2/64", "dev", "up0", "nodad")
    ip("route", "add", "default", "via", "192.168.7.1")
    ip("-6", "route", "add", "default", "via", "2001:db8:7::1")


def machine() -> Any:
    """Give what is the machine's: everything but netlab's own devices, and the settings of its devices."""
    links = [link for link in json.loads(ip("-j", "address")) if not link.get("ifalias", "").startswith("netlab:")]
    for link in links:
        for info in (link, *link["addr_info"]):
            for name in _VARYING:
                info.pop(name, None)
    routes = [json.loads(ip("-j", family, "route", "show", "table", "all") or "[]") for family in ("-4", "-6")]
    ours = [[route for route in family if route.get("dev") in ("lo", "up0", "up1")] for family in routes]
    conf = Path("/proc/sys/net/ipv4/conf")
    settings = {
        f"{device}.{name}": (conf / device / name).read_text()
        for device in ("lo", "up0", "up1")
        for name in ("rp_filter", "arp_ignore", "forwarding", "promote_secondaries")
    }
    return links, ours, settings, Path("/proc/sys/net/ipv6/conf/up0/disable_ipv6").read_text()


def written(directory: Path, name: str = "lab", host: str = "") -> str:
    path = directory / f"{name}.yml"
    path.write_text(LAB.format(name=name, host=f"host: {host}\n" if host else ""))
    return str(path)


def test_a_file_that_demands_a_sandbox_never_reaches_the_machine(tmp_path: Path) -> None:
    def work() -> None:
        furnish()
        before = machine()
        path = written(tmp_path, host="{sandbox: true}")
        with pytest.raises(UsageError, match="sandbox: true"):
            app.apply(path, sandbox=False)
        assert machine() == before
        # A lab that is up on the machine, whose file comes to demand a sandbox.
        assert app.apply(written(tmp_path)).outcome == "applied"
        with pytest.raises(UsageError, match="up on the machine"):
            app.apply(written(tmp_path, host="{sandbox: true}"))
        with pytest.raises(UsageError, match="up on the machine"):
            app.plan(str(tmp_path / "lab.yml"))
        app.destroy("lab")
        assert machine() == before

    on_made_up_machine(work)


@pytest.mark.parametrize(
    "host",
    [
        "{interfaces: {lo: {address: 10.99.0.1/32}}}",
        "{interfaces: {lo: {up: false}}}",
        "{sysctls: {net.ipv4.conf.lo.rp_filter: 1}}",
    ],
)
def test_the_machines_loopback_is_not_a_labs(tmp_path: Path, host: str) -> None:
    def work() -> None:
        furnish()
        before = machine()
        with pytest.raises(FileError, match="lo is the machine's"):
            app.apply(written(tmp_path, host=host))
        assert machine() == before
        assert app.apply(written(tmp_path, host=host), sandbox=True).outcome == "applied"
        app.destroy("lab")
        assert machine() == before

    on_made_up_machine(work)


def test_a_default_for_devices_is_not_written_to_the_machines_own(tmp_path: Path) -> None:
    def work() -> None:
        furnish()
        # Set by hand, to what is the default: from then on the kernel itself spreads no default to it
        # (net/ipv4/devinet.c, devinet_copy_dflt_conf), and neither may we.
        Path("/proc/sys/net/ipv4/conf/up0/arp_ignore").write_text("0")
        default = Path("/proc/sys/net/ipv4/conf/default/arp_ignore")
        was, before = default.read_text(), machine()
        assert app.apply(written(tmp_path)).outcome == "applied"
        changed = written(tmp_path, host="{sysctls: {net.ipv4.conf.default.arp_ignore: 2}}")
        assert app.apply(changed).outcome == "applied"
        assert default.read_text() == "2\n"
        assert Path("/proc/sys/net/ipv4/conf/up0/arp_ignore").read_text() == "0\n"
        app.destroy("lab")
        assert default.read_text() == was
        assert machine() == before

    on_made_up_machine(work)


def test_destroying_a_lab_that_is_not_there_takes_nobodys_routes(tmp_path: Path) -> None:
    def work() -> None:
        furnish()
        path = tmp_path / "routes.yml"
        path.write_text("name: routes\nhost:\n  routes: [{to: 198.51.100.0/24, blackhole: true}]\n")
        assert app.apply(str(path)).outcome == "applied"
        assert "198.51.100.0/24" in ip("route")
        assert not app.destroy("typo").existed
        assert "198.51.100.0/24" in ip("route")
        app.destroy("routes")
        assert "198.51.100.0/24" not in ip("route")

    on_made_up_machine(work)


@pytest.mark.parametrize("sandbox", [False, True], ids=["machine", "sandbox"])
def test_a_node_is_no_machine(tmp_path: Path, sandbox: bool) -> None:
    def body() -> None:
        path = written(tmp_path)
        app.apply(path, sandbox=sandbox)
        inside = " ".join((sys.executable, "-m", "netlab"))
        said = tmp_path / "said"
        nodes = ("ns0", "host") if sandbox else ("ns0",)
        for node in nodes:
            for words in (f"apply {path}", "status", "destroy lab"):
                assert app.execute(f"lab/{node}", ["sh", "-c", f"cd {PROJECT} && {inside} {words} 2>{said}"]) == 2
                assert f"this is node '{node}' of lab 'lab', not a machine\n  fix: " in said.read_text()
            assert app.execute(f"lab/{node}", ["sh", "-c", f"cd {PROJECT} && {inside} validate {path}"]) == 0
        assert [status.state for status in app.status()] == ["up"]
        assert not app.drift("lab").changes
        app.destroy("lab")

    on_made_up_machine(body)
