"""The JSON Schema takes what netlab takes, in short and full form, and refuses what editors should underline."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from netlab.source import load
from netlab.topology import json_schema

TOPOLOGIES = sorted((Path(__file__).parents[3] / "topologies").glob("*.yml"))
SCHEMA = json_schema()


def accepts(text: str) -> bool:
    return bool(Draft202012Validator(SCHEMA).is_valid(load(text, "f").value))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", TOPOLOGIES, ids=lambda path: path.stem)
def test_every_example_is_valid(path: Path) -> None:
    Draft202012Validator(SCHEMA).validate(load(path.read_bytes(), str(path)).value)


@pytest.mark.parametrize(
    "text",
    [
        "name: x",
        "name: x\nnetns:\nchecks:\n",
        "name: x\nbridges: {br0: 10.0.0.0/24, br1: , br2: {stp: true, ageing: 5, forward_delay: 2s}}",
        "name: x\nnetns: {a: br0, b: [br0, br1], c: , d: {bridge: br0, run: sleep 5}}",
        "name: x\nnetns: {a: {interfaces: {eth0: br0, eth1: }, gateway: [10.0.0.1, auto]}}",
        "name: x\nchecks: [{ping: a -> b}, {ping: {from: a, to: b, within: 5s, for: 3}}]",
        "name: x\nchecks: [{latency: {from: a, to: b, between: [0s, 1s]}}]",
        "name: x\nchecks: [{loss: {from: a, to: b, between: [0%, 1%], count: 50, within: 5s}}]",
        "name: x\nsysctls: {net.core.somaxconn: 5, net.ipv4.ip_forward: '1'}",
    ],
)
def test_short_and_full_forms_are_valid(text: str) -> None:
    assert accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        "bridges: {}",
        "name: x\nbridgs: {}",
        "name: x\nbridges: {br0: {adress: 10.0.0.1/24}}",
        "name: x\nbridges: {br0: {mtu: big}}",
        "name: x\nnetns: {a: {forwarding: on}}",
        "name: x\nchecks: [{ping: nobody}]",
        "name: x\nchecks: [{ping: {from: a, to: b, expect: something}}]",
        "name: x\nveths: [[{name: a}]]",
        "name: x\nchecks: [{latency: a -> b}]",
        "name: x\nchecks: [{loss: {from: a, to: b}}]",
        "name: x\nchecks: [{loss: {from: a, to: b, between: [1%]}}]",
    ],
)
def test_what_is_wrong_in_shape_is_not(text: str) -> None:
    assert not accepts(text)


def keys_without_words(schema: Any, path: str = "") -> list[str]:
    if isinstance(schema, list):
        return [key for one in schema for key in keys_without_words(one, path)]
    if not isinstance(schema, dict):
        return []
    found = [f"{path}/{name}" for name, field in schema.get("properties", {}).items() if not field.get("description")]
    return found + [key for name, one in schema.items() for key in keys_without_words(one, f"{path}/{name}")]


def test_every_key_says_what_it_is_for() -> None:
    assert keys_without_words(SCHEMA) == []
