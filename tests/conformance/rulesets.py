"""Rulesets of others in the nodes of a lab: loaded by nft itself, beside the lab's own tables.

Called inside the lab's sandbox (netlab.namespaces.run_inside).
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from tests.conformance.visiting import visiting

#: Seconds that nft may take.
_LONGEST = 10.0


def load(lab: str, nodes: Sequence[str], drawn: Mapping[str, Sequence[str]]) -> tuple[tuple[str, str], ...]:
    """Load in each node the first of its rulesets that nft takes; give the node and the text of each."""
    found = []
    with visiting(lab, nodes) as enter:
        for node, texts in drawn.items():
            enter(node)
            taken = next(filter(_loaded, texts), None)
            if taken is not None:
                found.append((node, taken))
    return tuple(found)


def _loaded(text: str) -> bool:
    """Have nft load a ruleset in the calling thread's namespace; tell whether it took it."""
    done = subprocess.run(["nft", "-f", "-"], input=text, text=True, capture_output=True, timeout=_LONGEST, check=False)
    return done.returncode == 0
