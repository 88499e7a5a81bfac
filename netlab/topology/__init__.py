"""Turns the text of a topology file into a resolved lab: `parse` its shape, `resolve` its meaning, `read` does both.

Nothing heavy is imported before it is needed: `netlab.topology.lab` comes without pydantic and ruamel.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netlab.source import Document
    from netlab.topology.lab import Lab
    from netlab.topology.spec import Topology

__all__ = ["json_schema", "parse", "read", "resolve"]


def parse(document: Document) -> Topology:
    """Give the shape of a file; raise FileError with every fault of it at once, in file order."""
    from netlab.topology import parsing

    return parsing.parse(document)


def resolve(topology: Topology, *, sandboxed: bool, held: Mapping[tuple[str, str], str] | None = None) -> Lab:
    """Give the lab that a Topology means; raise FileError with every fault of it at once, in file order.

    `sandboxed` False: `host` is the real machine. `held`: `Lab.allocated` of the lab as it is applied.
    """
    from netlab.topology import resolving

    return resolving.resolve(topology, sandboxed=sandboxed, held=held)


def read(
    text: bytes | str, file: str, *, sandboxed: bool = True, held: Mapping[tuple[str, str], str] | None = None
) -> Lab:
    """Turn the text of a file into its lab; raise FileError with every problem of the stage that found some."""
    from netlab.source import load

    return resolve(parse(load(text, file)), sandboxed=sandboxed, held=held)


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of topology files, which editors complete and check with."""
    from netlab.topology import schema

    return schema.json_schema()
