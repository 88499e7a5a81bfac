"""What netlab does that has no floor: small commands, rules of one namespace, large labs planned and simulated.

Whole processes.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import NETLAB
from benchmarks.networks import LAB, Network, gateway, topology
from benchmarks.processes import await_clean, run

_GENERATION = Path(__file__).with_name("generation.py")
#: Beside netlab's own table, the same rules under another name.
_PEER = "peer"


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules published by one gateway, once: seconds and nft transactions for all of them, and for one changed.

    `without` is an apply of the gateway that has no rules yet; `nft` the same rules by `nft -f`.
    """

    without: float
    all: float
    transactions: int
    edit: float
    edit_transactions: int
    nft: float


@dataclass(frozen=True, slots=True)
class Planning:
    """Commands on a file that is not applied, once each: seconds, and the peak of the plan in kB."""

    validate: float
    plan: float
    memory: int


@dataclass(frozen=True, slots=True)
class Simulating:
    """A file that is not applied, simulated, once each: seconds, and the peak in kB.

    `reach`: all pairs of nodes; `trace`: one packet from the first node to the last, and its answer.
    """

    reach: float
    reach_memory: int
    trace: float
    trace_memory: int


def small_commands(topologies: Path, rounds: int) -> dict[str, list[float]]:
    """Time netlab's commands on bridge3.yml, each a whole process: seconds of each round, by command."""
    file = str(topologies / "bridge3.yml")
    commands = {
        "netlab --help": ["--help"],
        "netlab validate bridge3.yml": ["validate", file],
        "netlab plan bridge3.yml": ["plan", file],
        "netlab apply bridge3.yml --sandbox": ["apply", file, "--sandbox"],
        "netlab apply again": ["apply", file, "--sandbox"],
        "netlab destroy bridge3": ["destroy", "bridge3"],
    }
    took: dict[str, list[float]] = {title: [] for title in commands}
    for _ in range(rounds):
        for title, words in commands.items():
            took[title].append(run([NETLAB, *words], 60).seconds)
    return took


def published(scratch: Path, rules: int) -> Rules:
    """Apply a gateway without rules, with them, and with one changed; then give the kernel the same rules by nft."""
    file = scratch / "gateway.yml"
    inside = ["nsenter", f"--net=/run/netns/{LAB}-gw", "--"]
    took: list[float] = []
    generations: list[int] = []
    for text in (gateway(0), gateway(rules), gateway(rules, edited=True)):
        file.write_text(text)
        took.append(run([NETLAB, "apply", file]).seconds)
        generations.append(int(run([*inside, sys.executable, _GENERATION], 60).output))
    listed = run([*inside, "nft", "list", "table", "inet", f"netlab-{LAB}"], 60).output
    again = scratch / "rules.nft"
    again.write_text(listed.replace(f"table inet netlab-{LAB} ", f"table inet {_PEER} ", 1))
    nft = run([*inside, "nft", "-f", again], 60).seconds
    run([NETLAB, "destroy", LAB])
    await_clean()
    before, middle, after = generations
    return Rules(took[0], took[1], middle - before, took[2], after - middle, nft)


def planned(scratch: Path, nodes: int, per_bridge: int) -> Planning:
    """Validate and plan a file in which every node stands on a line of its own; nothing is applied."""
    file = scratch / "plan.yml"
    file.write_text(topology(Network(nodes, per_bridge), ranges=False))
    validate = run([NETLAB, "validate", file])
    plan = run(["sh", "-c", 'exec "$@" >/dev/null', "sh", NETLAB, "plan", "--json", file])
    return Planning(validate.seconds, plan.seconds, plan.memory)


def simulated(scratch: Path, nodes: int, per_bridge: int) -> Simulating:
    """Say who reaches whom in the same file, its host forwarding, and follow one packet; nothing is applied."""
    file = scratch / "simulate.yml"
    file.write_text(topology(Network(nodes, per_bridge), ranges=False) + "host: {forwarding: true}\n")
    reach = run(["sh", "-c", 'exec "$@" >/dev/null', "sh", NETLAB, "reach", "--json", file])
    trace = run([NETLAB, "trace", file, "a0", f"a{nodes - 1}"])
    return Simulating(reach.seconds, reach.memory, trace.seconds, trace.memory)
