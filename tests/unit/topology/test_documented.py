"""The examples in docs/language.md are true: whole files read, and so do the lines of its fragments."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from netlab.facts import Device
from netlab.kinds.bridge import BridgeSection
from netlab.kinds.impair import ImpairSection
from netlab.kinds.nat import (
    ChainSection,
    FirewallSection,
    MasqueradeSection,
    MatchSection,
    NatSection,
    PublishSection,
    SnatSection,
)
from netlab.kinds.registry import KINDS
from netlab.topology import read
from netlab.topology.spec import NodeSection, RouteSection

TEXT = (Path(__file__).parents[3] / "docs" / "language.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_the_whole_file() -> None:
    assert read(BLOCKS[0], "f.yml").warnings == ()


def test_the_fragments_make_a_lab_together() -> None:
    _, netns, veths, *_, checks = BLOCKS
    lab = "name: x\nbridges: {br0: 10.0.0.0/24, br1: 10.1.0.0/24}\n"
    more = "  r1: br1\n"
    found = read(lab + netns + more, "f")
    assert len(found.nodes) == 1 + 5 + 100 + 1
    assert read("name: x\nbridges: {br0: }\nnetns: {ns0: }\n" + veths, "f").nodes == ("host", "ns0")
    nodes = "name: x\nbridges: {br0: 10.0.0.0/24}\nnetns: {ns0: br0, ns1: br0, r1: br0}\n"
    assert len(read(nodes + checks, "f").checks) == 8


def test_the_fragments_about_devices_and_filters_are_labs_of_their_own() -> None:
    _, _, _, devices, impairments, policy, filters, _ = BLOCKS
    labs = [read(f"name: x\n{block}", "f") for block in (devices, impairments, filters, policy)]
    assert [lab.warnings for lab in labs] == [(), (), (), ()]
    families = [{fact.family for fact in lab.facts.values()} for lab in labs]
    assert {"device", "forwarding"} <= families[0]
    assert "impairment" in families[1]
    assert "chain" in families[2]
    assert {"policy-rule", "neighbour"} <= families[3]
    assert {fact.kind for fact in labs[0].facts.values() if isinstance(fact, Device)} == set(KINDS)


SECTIONS = (
    *(BridgeSection, NodeSection, RouteSection, ImpairSection),
    *(MasqueradeSection, SnatSection, PublishSection, NatSection, MatchSection, ChainSection, FirewallSection),
    *(kind.section for kind in KINDS.values()),
)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_key_is_documented(section: type[BaseModel]) -> None:
    keys = [field.alias or name for name, field in section.model_fields.items()]
    assert [key for key in keys if f"`{key}" not in TEXT and f"{key}: true`" not in TEXT] == []
