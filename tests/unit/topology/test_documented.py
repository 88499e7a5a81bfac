"""The examples in docs/language.md are true: whole files read, and so do the lines of its fragments."""

import re
from pathlib import Path

from netlab.topology import read

TEXT = (Path(__file__).parents[3] / "docs" / "language.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_the_whole_file() -> None:
    assert read(BLOCKS[0], "f.yml").warnings == ()


def test_the_fragments_make_a_lab_together() -> None:
    _, netns, veths, checks = BLOCKS
    lab = "name: x\nbridges: {br0: 10.0.0.0/24, br1: 10.1.0.0/24}\n"
    more = "  r1: br1\n"
    found = read(lab + netns + more, "f")
    assert len(found.nodes) == 1 + 5 + 100 + 1
    assert read("name: x\nbridges: {br0: }\nnetns: {ns0: }\n" + veths, "f").nodes == ("host", "ns0")
    nodes = "name: x\nbridges: {br0: 10.0.0.0/24}\nnetns: {ns0: br0, ns1: br0, r1: br0}\n"
    assert len(read(nodes + checks, "f").checks) == 6


def test_every_key_is_documented() -> None:
    from netlab.kinds.bridge import BridgeSection
    from netlab.topology.spec import NodeSection, RouteSection

    for section in (BridgeSection, NodeSection, RouteSection):
        missing = [name for name in section.model_fields if f"`{name}" not in TEXT and f"{name}: true`" not in TEXT]
        assert missing == []
