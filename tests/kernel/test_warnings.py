"""What an apply to the machine itself will meet there, told before anything is done."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from netlab import app
from netlab.app.results import Planned
from netlab.errors import Obstructed
from tests.capabilities import lacking
from tests.kernel.made_up_machine import on_made_up_machine

pytestmark = pytest.mark.kernel

LAB = "name: {name}\nbridges:\n  br0: {bridge}\nnetns:\n  ns0: br0\n"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=20)


def written(directory: Path, bridge: str, name: str = "lab") -> str:
    path = directory / f"{name}.yml"
    path.write_text(LAB.format(name=name, bridge=bridge))
    return str(path)


def codes(planned: Planned) -> list[str]:
    return [problem.code for problem in planned.warnings]


def test_a_network_that_the_machine_reaches_otherwise(tmp_path: Path) -> None:
    path = written(tmp_path, "10.0.0.0/24")

    def work() -> None:
        ip("link", "add", "up0", "type", "veth", "peer", "name", "up1")
        ip("link", "set", "up0", "up")
        assert codes(app.plan(path)) == []
        ip("address", "add", "10.0.9.1/16", "dev", "up0")
        (warning,) = app.plan(path).warnings
        assert warning.code == "overlap"
        assert "10.0.0.0/24 overlaps 10.0.0.0/16, which this machine reaches by up0" in warning.what
        assert warning.span is not None
        assert warning.span.line == 3
        assert codes(app.plan(path, sandbox=True)) == []

    on_made_up_machine(work)


def test_more_addresses_than_neighbours_fit(tmp_path: Path) -> None:
    path = tmp_path / "many.yml"
    bridges = "{br0: 10.0.0.0/16, br1: 10.1.0.0/16}"
    path.write_text(f'name: many\nbridges: {bridges}\nnetns: {{"a{{0..599}}": br0, "b{{0..599}}": br1}}\n')

    def work() -> None:
        (warning,) = app.plan(str(path), sandbox=True).warnings
        assert warning.code == "neighbour-table"
        assert "1202 addresses" in warning.what
        assert "gc_thresh3" in str(warning.fix)

    on_made_up_machine(work)


def test_vlan_filtering_where_the_kernel_forgets_it(tmp_path: Path) -> None:
    if not lacking(frozenset({"vlan_filtering"})):
        pytest.skip("this kernel has vlan_filtering")
    path = written(tmp_path, "{subnet: 10.0.0.0/24, vlan_filtering: true}")

    def work() -> None:
        with pytest.raises(Obstructed) as caught:
            app.apply(path, sandbox=True)
        (problem,) = caught.value.problems()
        assert problem.what.startswith("this kernel's bridges have no VLAN filtering")
        assert problem.span is not None
        assert problem.span.line == 3
        assert app.status() == ()

    on_made_up_machine(work)
