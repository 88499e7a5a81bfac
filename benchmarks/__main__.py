"""Run the contestants in turn on each network, round by round, and print what they took. Started by benchmarks/run."""

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.alone import Planning, Rules, Simulating, planned, published, simulated, small_commands
from benchmarks.contestants import CONTESTANTS, NETLAB, Contestant, Sample
from benchmarks.networks import Network
from benchmarks.processes import Failed, own_memory
from benchmarks.report import Alone, Result, document, markdown

SCRATCH = Path("/run/benchmark")
TOPOLOGIES = Path(__file__).parent.parent / "topologies"


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/run", description="Measure netlab beside the kernel's own work.")
    parser.add_argument("--nodes", default="100,1000", help="how many namespaces, up to 1000 (default: %(default)s)")
    parser.add_argument("--per-bridge", type=int, default=50, help="nodes to a bridge (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each network (default: %(default)s)")
    parser.add_argument("--only", help=f"contestants, of {','.join(CONTESTANTS)} (default: all)")
    parser.add_argument(
        "--no-one-bridge", action="store_true", help="leave out the networks with all nodes on one bridge"
    )
    parser.add_argument(
        "--rules", type=int, default=200, help="ports that a gateway publishes, 0: none (default: %(default)s)"
    )
    parser.add_argument(
        "--plan", default="100,1000,10000", help="nodes of labs that are planned (default: %(default)s)"
    )
    parser.add_argument(
        "--simulate", default="100,1000,10000", help="nodes of labs that are simulated (default: %(default)s)"
    )
    parser.add_argument("--no-commands", action="store_true", help="leave out netlab's commands on bridge3.yml")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = parser.parse_args(words)
    try:
        chosen.nodes = [int(word) for word in chosen.nodes.split(",")]
        chosen.plan, chosen.simulate = (
            [int(word) for word in words.split(",") if int(word)] for words in (chosen.plan, chosen.simulate)
        )
    except ValueError:
        parser.error("--nodes, --plan and --simulate take numbers, as in 100,1000")
    if not all(1 <= nodes <= 1000 for nodes in chosen.nodes):
        parser.error("--nodes: from 1 to 1000 (a bridge holds 1,023 ports)")
    large = (*chosen.plan, *chosen.simulate)
    if not all(1 <= nodes <= 20000 for nodes in large) or not 0 <= chosen.rules <= 10000:
        parser.error("--plan, --simulate: from 1 to 20000, 0 for none; --rules: from 0 to 10000")
    if not 1 <= chosen.per_bridge <= 1000 or chosen.rounds < 1:
        parser.error("--per-bridge is from 1 to 1000, --rounds at least 1")
    chosen.only = chosen.only.split(",") if chosen.only else list(CONTESTANTS)
    if unknown := set(chosen.only) - set(CONTESTANTS):
        parser.error(f"--only: no {', '.join(sorted(unknown))} among {', '.join(CONTESTANTS)}")
    return chosen


def _networks(chosen: argparse.Namespace) -> list[Network]:
    shapes = [Network(nodes, min(nodes, chosen.per_bridge)) for nodes in chosen.nodes]
    if not chosen.no_one_bridge:
        shapes += [Network(nodes, nodes) for nodes in chosen.nodes]
    return list(dict.fromkeys(shapes))


def _measure(network: Network, contestants: dict[str, Contestant], rounds: int) -> Result:
    """Let everybody take turns; the order is turned round from one round to the next."""
    samples: dict[str, list[Sample | None]] = {key: [] for key in contestants}
    for number in range(rounds):
        for key, contestant in list(contestants.items())[:: -1 if number % 2 else 1]:
            if contestant.slow and number:
                samples[key].append(None)
                continue
            print(f"{network.title}: round {number + 1} of {rounds}: {contestant.name}", file=sys.stderr)
            samples[key].append(contestant.measure(network))
    return Result(network, samples)


def _alone(chosen: argparse.Namespace) -> Alone:
    """Measure what netlab does alone, one round after the other."""
    rules: list[Rules] = []
    plans: dict[int, list[Planning]] = {nodes: [] for nodes in chosen.plan}
    simulations: dict[int, list[Simulating]] = {nodes: [] for nodes in chosen.simulate}
    with_rules = bool(chosen.rules) and shutil.which("nft") is not None
    for number in range(chosen.rounds):
        print(f"rules, plans, simulations: round {number + 1} of {chosen.rounds}", file=sys.stderr)
        if with_rules:
            rules.append(published(SCRATCH, chosen.rules))
        for nodes, found in plans.items():
            found.append(planned(SCRATCH, nodes, chosen.per_bridge))
        for nodes, taken in simulations.items():
            taken.append(simulated(SCRATCH, nodes, chosen.per_bridge))
    commands = {} if chosen.no_commands else small_commands(TOPOLOGIES, 2 * chosen.rounds)
    return Alone({chosen.rules: rules} if with_rules else {}, plans, simulations, commands)


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, and give the exit status: 1 when a contestant failed."""
    chosen = _arguments(words)
    SCRATCH.mkdir()
    everybody: dict[str, Contestant] = {key: CONTESTANTS[key](SCRATCH) for key in chosen.only}
    lacking = {key: reason for key, contestant in everybody.items() if (reason := contestant.lacking())}
    present = {key: contestant for key, contestant in everybody.items() if key not in lacking}
    try:
        results = [_measure(network, present, chosen.rounds) for network in _networks(chosen)]
        alone = _alone(chosen) if "netlab" in present else Alone()
    except Failed as failure:
        print(f"benchmarks/run: {failure}", file=sys.stderr)
        return 1
    if chosen.json:
        machine: dict[str, str | int] = {
            "kernel": platform.release(),
            "python": platform.python_version(),
            "processors": os.cpu_count() or 1,
            "netlab": str(NETLAB),
        }
        print(json.dumps(document(results, alone, lacking, machine), indent=2))
    else:
        names = {key: contestant.name for key, contestant in everybody.items()}
        print(markdown(results, alone, names, lacking, own_memory()))
    return 0


sys.exit(main())
