"""Those who make the same networks: each turns a Network into one Sample, and says beforehand what it lacks."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.networks import LAB, Network, batches, topology
from benchmarks.processes import Failed, await_clean, run

HERE = Path(__file__).parent
NETLAB = Path(sys.executable).with_name("netlab")


@dataclass(frozen=True, slots=True)
class Sample:
    """One network made and removed: seconds up, for doing nothing again, for one node's edit, down; peak in kB."""

    up: float
    down: float
    memory: int
    again: float | None = None
    edit: float | None = None


class Contestant(Protocol):
    """Something that makes networks."""

    name: str
    slow: bool  #: measured once a network, not once a round

    def lacking(self) -> str | None:
        """Say what is missing to take part."""

    def measure(self, network: Network) -> Sample:
        """Make the network and remove it; raise Failed."""


def _printed(output: str) -> tuple[float, float]:
    found = re.fullmatch(r"up ([\d.]+) down ([\d.]+)\s*", output)
    if not found:
        raise Failed(f"expected 'up S down S', got {output[-500:]!r}")
    return float(found[1]), float(found[2])


@dataclass
class Floor:
    """The C program floor.c: the kernel's own work, message by message."""

    scratch: Path
    name: str = "C floor"
    slow: bool = False

    def lacking(self) -> str | None:
        compiler = shutil.which("cc")
        if compiler is None:
            return "no C compiler (apt-get install gcc libc6-dev)"
        done = subprocess.run(
            [compiler, "-O2", "-o", self.scratch / "floor", HERE / "floor.c"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return f"cc cannot compile floor.c: {done.stderr.splitlines()[0]}" if done.returncode else None

    def measure(self, network: Network) -> Sample:
        ran = run([self.scratch / "floor", str(network.nodes), str(network.per_bridge)])
        up, down = _printed(ran.output)
        return Sample(up, down + await_clean(), ran.memory)


@dataclass
class Netlab:
    """netlab from the command line, each command a whole process."""

    scratch: Path
    name: str = "netlab"
    slow: bool = False

    def lacking(self) -> str | None:
        return None if NETLAB.exists() else f"no {NETLAB}"

    def measure(self, network: Network) -> Sample:
        file = self.scratch / "bench.yml"
        file.write_text(topology(network))
        up = run([NETLAB, "apply", file])
        again = run([NETLAB, "apply", file])
        file.write_text(topology(network, edited=True))
        edit = run([NETLAB, "apply", file])
        down = run([NETLAB, "destroy", LAB])
        memory = max(one.memory for one in (up, again, edit, down))
        return Sample(up.seconds, down.seconds + await_clean(), memory, again.seconds, edit.seconds)


@dataclass
class IpBatch:
    """iproute2: one `ip -batch` for the host, one for each namespace."""

    scratch: Path
    name: str = "ip -batch"
    slow: bool = False
    script: str = field(
        default='cd "$1" && ip -batch host && i=0 && while [ $i -lt "$2" ]; do ip -n b$i -batch in$i; i=$((i+1)); done',
        repr=False,
    )

    def lacking(self) -> str | None:
        return None if shutil.which("ip") else "no ip (apt-get install iproute2)"

    def measure(self, network: Network) -> Sample:
        text = batches(network)
        (self.scratch / "host").write_text(text.host)
        (self.scratch / "down").write_text(text.down)
        for number, inside in enumerate(text.inside):
            (self.scratch / f"in{number}").write_text(inside)
        up = run(["sh", "-ec", self.script, "sh", self.scratch, str(network.nodes)])
        down = run(["ip", "-batch", self.scratch / "down"])
        return Sample(up.seconds, down.seconds + await_clean(), max(up.memory, down.memory))


@dataclass
class MininetHosts:
    """Mininet's Python interface with Linux bridges, under the Python that Mininet is installed for."""

    scratch: Path
    name: str = "Mininet"
    slow: bool = True
    python: str = "/usr/bin/python3"

    def lacking(self) -> str | None:
        try:
            found = subprocess.run(
                [self.python, "-c", "import mininet.net"], capture_output=True, timeout=60, check=False
            ).returncode
        except OSError as error:
            return str(error)
        return "not installed (apt-get install mininet)" if found or not shutil.which("mnexec") else None

    def measure(self, network: Network) -> Sample:
        ran = run([self.python, HERE / "mininet_hosts.py", str(network.nodes), str(network.per_bridge)])
        up, down = _printed(ran.output)
        return Sample(up, down + await_clean(), ran.memory)


CONTESTANTS: dict[str, Callable[[Path], Contestant]] = {
    "floor": Floor,
    "netlab": Netlab,
    "ip": IpBatch,
    "mininet": MininetHosts,
}
