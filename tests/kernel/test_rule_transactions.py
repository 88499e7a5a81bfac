"""However many rules a namespace gets, the kernel gets them in one transaction; and those that stay, stay."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import generation as generations
from benchmarks.networks import gateway
from tests.kernel.stage import Stage, made_up

pytestmark = pytest.mark.kernel

RULES = 200


def generation(stage: Stage) -> int:
    """Give how many transactions the gateway's nftables have seen."""
    return int(stage.run("gw", sys.executable, str(Path(generations.__file__))))


def rules(stage: Stage) -> dict[int, str]:
    """Give the rules of the gateway's own table by the handle that each got when it was made."""
    listed = json.loads(stage.run("gw", "nft", "-j", "list", "ruleset"))["nftables"]
    found = [one["rule"] for one in listed if "rule" in one]
    return {rule["handle"]: json.dumps([rule["chain"], rule["expr"]]) for rule in found}


@made_up
def test_hundreds_of_published_ports_are_one_transaction_and_so_is_one_that_changes(stage: Stage) -> None:
    stage.apply(gateway(0))
    none, before = rules(stage), generation(stage)
    stage.apply(gateway(RULES))
    every = rules(stage)
    assert generation(stage) == before + 1
    assert len(every) >= 3 * RULES, "a port is led away where packets come in, where they begin, and hidden on the way"
    assert none.items() <= every.items()

    stage.apply(gateway(RULES, edited=True))
    changed = rules(stage)
    assert generation(stage) == before + 2
    gone, new = every.items() - changed.items(), changed.items() - every.items()
    assert len(gone) == len(new) == 3
    assert all(": 81" in rule for _, rule in new)

    stage.apply(gateway(RULES, edited=True))
    assert generation(stage) == before + 2, "with nothing to do there is no transaction"
    assert rules(stage) == changed


@made_up
def test_hundreds_of_published_ports_of_a_new_node_are_one_transaction(stage: Stage) -> None:
    stage.apply(gateway(RULES))
    script = str(Path(generations.__file__))
    born = int(stage.run("gw", "unshare", "--net", sys.executable, script))
    assert generation(stage) == born + 1
