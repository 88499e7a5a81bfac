"""Turns the classes of the spec into a JSON Schema (2020-12) that takes short and full forms alike."""

from __future__ import annotations

from typing import Any

from netlab.topology.spec import Topology


def json_schema() -> dict[str, Any]:
    """Give the schema of a topology file, with a description for every key."""
    found = Topology.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_plain(found), "title": "netlab topology file"}


def _plain(value: Any) -> Any:
    """Take off what says nothing to a reader of the schema: titles made from names, and defaults of nothing."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, one in value.items():
        if key == "properties":
            kept[key] = {name: _plain(field) for name, field in one.items()}
        elif not (key == "title" or (key == "default" and one in (None, [], {}))):
            kept[key] = _plain(one)
    return kept
