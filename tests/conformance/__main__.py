"""How often simulator and kernel agree: `scripts/conformance PACKETS`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from random import Random

from tests.conformance.batch import run_labs
from tests.conformance.labs import OTHERS, USUAL
from tests.conformance.labs_full import FULL
from tests.conformance.running import Tally

#: Labs that are run on one made-up machine, which then ends with all that they may have left.
_LABS = 10


def main() -> int:
    """Run as many random packets as asked; give 1 where simulator and kernel disagree on any."""
    asked = _parsed()
    seed = asked.seed if asked.seed is not None else Random().randrange(1 << 30)
    features = USUAL | ({"bridge-nf"} if asked.bridge_nf else frozenset()) | (FULL if asked.full else frozenset())
    features |= {OTHERS} if asked.others else frozenset()
    started, tally = time.monotonic(), Tally()
    _tell(f"{asked.packets} packets, {asked.probes} a lab, from seed {seed}")
    # Made-up machines are made by forks, which want a process of one thread each.
    with ProcessPoolExecutor(asked.jobs) as pool:
        labs = -(-asked.packets // asked.probes)
        ask = partial(run_labs, probes=asked.probes, features=features, save=asked.save)
        for runs in pool.map(ask, _batches(seed, labs)):
            for run in runs:
                tally.add(run)
                for one in run.disagreements:
                    _tell(f"lab {run.seed}: {one}")
                for node, text in run.rulesets if run.disagreements else ():
                    _tell(f"lab {run.seed}: {node} has, of others:\n{text}")
                if run.fault is not None:
                    _tell(f"lab {run.seed} could not be run: {run.fault}")
            _tell(f"{tally.words()}, {time.monotonic() - started:.0f} s", err=True)
    _tell(f"{tally.words()}, in {time.monotonic() - started:.0f} s")
    return 1 if tally.disagreeing or tally.faults else 0


def _tell(words: str, err: bool = False) -> None:
    stream = sys.stderr if err else sys.stdout
    stream.write(f"{words}\n")
    stream.flush()


def _batches(seed: int, labs: int) -> Iterator[range]:
    for first in range(0, labs, _LABS):
        yield range(seed + first, seed + min(first + _LABS, labs))


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/conformance", description=__doc__)
    parser.add_argument("packets", type=int, nargs="?", default=1000, help="how many packets, at least")
    parser.add_argument("--seed", type=int, help="the number of the first lab; a random one unless said")
    parser.add_argument("--probes", type=int, default=120, help="packets a lab")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="labs at the same time")
    parser.add_argument("--bridge-nf", action="store_true", help="draw bridge-netfilter, too")
    parser.add_argument("--full", action="store_true", help="draw bonds, ipvlans, VLANs and VRFs, too")
    parser.add_argument(
        "--others", action="store_true", help="load rulesets of others, too, and simulate what is there"
    )
    parser.add_argument("--save", action="store_true", help="shrink a lab that disagrees, and keep it as a golden case")
    asked = parser.parse_args()
    if asked.save and asked.others:
        parser.error("--save keeps the file of a lab, and not what others have put into it: leave out --others")
    return asked


if __name__ == "__main__":
    sys.exit(main())
