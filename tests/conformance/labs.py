"""Random labs for the comparison of simulator and kernel: a seeded Random -> the text of a topology file.

A lab is built so that everybody reaches everybody, then is spoilt: each thing that is unusual or wrong is a change of
the document, drawn first and tried then; what no valid file can bear is left out. A plain kernel can apply it.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Collection, Sequence
from random import Random
from typing import Any

from netlab.errors import FileError
from netlab.topology import read
from tests.conformance.labs_addresses import draw_addresses, write_addresses
from tests.conformance.labs_devices import draw_macvlans, draw_vxlans
from tests.conformance.labs_faults import faults
from tests.conformance.labs_filters import bridge_filters, firewalls, translations
from tests.conformance.labs_full import FULL, draw_bonds, draw_ipvlans, draw_vlans, vlan_filtering, vrfs
from tests.conformance.labs_routes import draw_routes, wrong_routes
from tests.conformance.labs_sketch import Change, Document, Sketch, draw_graph

#: What a lab may have or suffer from.
FEATURES = frozenset(
    {
        *("bridge-nf", "cables", "dead-ends", "down", "duplicate-subnets", "firewall", "forwarding", "hub", "ipv6"),
        *("isolated", "joined-bridges", "loops", "loose", "macs", "macvlan", "masks", "masquerade", "metrics", "mtu"),
        *("multipath", "neighbours", "nested", "policy", "ports", "publish", "route-mtu", "routes", "secondaries"),
        *("snat", "sources", "stp", "sysctls", "vxlan"),
        *FULL,
    }
)
#: Not of a lab's text: what others have put into its nodes.
OTHERS = "others"
#: Seldom wanted: which way multipath takes is the kernel's secret, STP needs seconds, few switch bridge-nf on; and what
#: a plain kernel may lack.
RARE = frozenset({"bridge-nf", "multipath", "stp"}) | FULL
USUAL = FEATURES - RARE

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._-]*|[0-9]+[.-][0-9./-]+")


def random_topology(rng: Random, features: Collection[str] = USUAL) -> str:
    """Draw a lab of these features, and give its topology file: the same of the same seed. It may have warnings."""
    sketch = Sketch(rng, features)
    draw_graph(sketch)
    draw_bonds(sketch)
    draw_macvlans(sketch)
    draw_ipvlans(sketch)
    draw_addresses(sketch)
    draw_vlans(sketch)
    draw_vxlans(sketch)
    write_addresses(sketch)
    draw_routes(sketch)
    draws = (vrfs, vlan_filtering, wrong_routes, faults, translations, firewalls, bridge_filters)
    return written(borne(sketch.document, [change for draw in draws for change in draw(sketch)]))


def borne(document: Document, changes: Sequence[Change]) -> Document:
    """Make those of the changes, in order, that a valid file can bear."""
    changed = copy.deepcopy(document)
    for change in changes:
        change(changed)
    if not changes or _is_applicable(changed):
        return changed
    if len(changes) == 1:
        return document
    half = len(changes) // 2
    return borne(borne(document, changes[:half]), changes[half:])


def _is_applicable(document: Document) -> bool:
    try:
        read(written(document), "lab.yml")
    except FileError:
        return False
    return True


def written(document: Document) -> str:
    """Write a document as a person would: sections in lines, what is in them in one line each."""
    lines = []
    for key, value in document.items():
        if key == "netns":
            lines += ["netns:", *(line for name, node in value.items() for line in _section(name, node, "  "))]
        else:
            lines += _section(key, value, "")
    return "\n".join([*lines, ""])


def _section(name: str, value: Any, indent: str) -> list[str]:
    """Write a node: its keys in lines, and under each what it has, a line each."""
    if not isinstance(value, dict):
        return [f"{indent}{name}: {_flow(value)}"]
    lines = [f"{indent}{name}:"]
    for key, one in value.items():
        if isinstance(one, dict) and one:
            lines.append(f"{indent}  {key}:")
            lines += [f"{indent}    {_flow(inner)}: {_flow(said)}" for inner, said in one.items()]
        elif isinstance(one, list) and one:
            lines.append(f"{indent}  {key}:")
            lines += [f"{indent}    - {_flow(said)}" for said in one]
        elif one not in ({}, []):
            lines.append(f"{indent}  {key}: {_flow(one)}")
    return lines


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else json.dumps(value)
    return json.dumps(value)
