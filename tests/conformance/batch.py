"""Several random labs, one after the other, on a made-up machine of their own."""

from __future__ import annotations

import os
import pickle
from collections.abc import Collection, Sequence
from pathlib import Path

from netlab.topology import read
from tests.conformance.cases import saved
from tests.conformance.running import LabRun, run_lab, run_text
from tests.conformance.shrinking import shrunk
from tests.kernel.made_up_machine import on_made_up_machine

#: Seconds that a lab may take, all its repetitions included.
_LONGEST = 180.0


def run_labs(seeds: Sequence[int], probes: int, features: Collection[str], save: bool = False) -> list[LabRun]:
    """Run the labs of these seeds; `save`: shrink each that disagrees, and keep it as a golden case."""
    told = os.memfd_create("conformance")

    def body() -> None:
        folder = Path("/run/conformance")
        folder.mkdir()
        found = []
        for seed in seeds:
            try:
                found.append(run_lab(seed, probes, folder, features))
            except Exception as error:  # a fault of netlab's own is told with the lab that shows it
                found.append(LabRun(seed, "", 0, (), fault=f"{type(error).__name__}: {error}"))
            if save and found[-1].disagreements:
                _save(found[-1], folder)
        os.write(told, pickle.dumps(found))

    try:
        on_made_up_machine(body, timeout=_LONGEST * len(seeds))
        return list(pickle.loads(os.pread(told, os.fstat(told).st_size, 0)))
    finally:
        os.close(told)


def _save(run: LabRun, folder: Path) -> None:
    """Shrink a lab as long as its first disagreement stays, and write it down with what the kernel does."""
    first = run.disagreements[0]

    def again(text: str) -> LabRun:
        nodes = read(text.encode(), "lab.yml").nodes
        listeners = frozenset(one for one in run.listeners if one[0] in nodes)
        return run_text(text, (first.probe,), listeners, folder, run.seed)

    def still(text: str) -> bool:
        if first.probe.source not in read(text.encode(), "lab.yml").nodes:
            return False
        return any(one.about == first.about for one in again(text).disagreements)

    text = shrunk(run.text, still)
    last = again(text)
    observed = [one.observed for one in last.disagreements or (first,)]
    saved(f"lab-{run.seed}-{first.probe.number}", text, last.listeners, observed)
