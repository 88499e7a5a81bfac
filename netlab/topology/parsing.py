"""Turns a document into a Topology, or into every fault of its shape at once, in file order.

pydantic finds the faults; this module says them in words that a user of the file understands.
"""

from __future__ import annotations

from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from netlab.errors import FileError, Problem
from netlab.source import Document, Path, kind_of, quote
from netlab.topology.checks_spec import REFUSED, CheckSection, LatencySection, LossSection
from netlab.topology.spec import NodeSection, Topology

#: Sections of the language that this version does not build yet.
UNSUPPORTED = frozenset({"services", "containers"} | {"http", "path", "balance", "deny"})
#: Keys that stand in the wrong place, and where they belong.
ELSEWHERE = {
    "netns": "netns stands at the top level only: nodes have flat, unique names",
    "checks": "checks stand at the top level only",
    "sandbox": "sandbox belongs under host:",
    "address": "an address belongs to a device",
    "addresses": "an address belongs to a device",
    "mac": "a MAC belongs to a device",
    "mtu": "an MTU belongs to a device",
    "impair": "an impairment belongs to a device",
}
#: What a key of a device looks like where it belongs.
_ON_DEVICE = {"impair": "impair: {delay: 20ms}"}
#: Texts of YAML 1.1 that are no truth values in YAML 1.2.
_TRUTHS = {"on": "true", "yes": "true", "off": "false", "no": "false", "y": "true", "n": "false"}
_KINDS = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a sequence",
    "list_type": "a sequence",
}


def parse(document: Document) -> Topology:
    """Give the shape of a file; raise FileError with every problem of it, in file order."""
    try:
        return Topology.model_validate(document.value).read_from(document)
    except ValidationError as error:
        found = [_problem(document, one) for one in error.errors(include_url=False) if not _follows(one)]
    unique = {(p.code, p.what, p.span): p for p in found}
    raise FileError(sorted(unique.values(), key=lambda p: (p.span.line, p.span.column) if p.span else (0, 0))) from None


def _follows(error: ErrorDetails) -> bool:
    """Tell whether an error is but the consequence of another: an end of a pair that is wrong does not count."""
    given = error.get("input")
    return error["type"] == "too_short" and isinstance(given, list) and len(given) >= error["ctx"]["min_length"]


def _problem(document: Document, error: ErrorDetails) -> Problem:
    path, kind, given = tuple(error["loc"]), error["type"], error.get("input")
    if path and path[-1] == "[key]":
        path = path[:-1]
        return document.problem(kind, error["msg"], path, error.get("ctx", {}).get("fix"), key=True)
    if kind == "extra_forbidden":
        return _unknown_key(document, path)
    if kind == "missing":
        return _missing(document, path)
    what, fix = _sentence(document, path, error, given)
    # A value that is not there has no place of its own.
    return document.problem(kind.replace("_", "-"), what, path, fix, key=given is None)


def _unknown_key(document: Document, path: Path) -> Problem:
    """Say that a key is unknown, which known one is near, or where it belongs."""
    key = str(path[-1])
    section = _section_at(path[:-1])
    known = _keys_of(section)
    near = get_close_matches(key, known, 1, 0.6)
    fix = f"write {near[0]}" if near else _above(path) or f"known here: {', '.join(known)}"
    if key in UNSUPPORTED or (key == "nat" and section is CheckSection):
        return document.problem("unsupported", f"{key} is not supported by this version", path, "remove it", key=True)
    if key in ELSEWHERE and section is not None and issubclass(section, NodeSection):
        example = _ON_DEVICE.get(key, "address: 10.0.0.1/24")
        there = f"write it under a device, as in interfaces: {{eth0: {{bridge: br0, {example}}}}}"
        hint = there if "device" in ELSEWHERE[key] else None
        return document.problem("unknown-key", f"{key} cannot stand here: {ELSEWHERE[key]}", path, hint, key=True)
    if key in REFUSED and section in (LatencySection, LossSection):
        what = f"{path[-2]} takes no {key}: {REFUSED[key]}"
        return document.problem("check", what, path, f"remove {key}", key=True)
    return document.problem("unknown-key", f"unknown key {quote(key)}", path, fix, key=True)


def _keys_of(section: type[BaseModel] | None) -> list[str]:
    return sorted(field.alias or name for name, field in section.model_fields.items()) if section else []


def _above(path: Path) -> str | None:
    """Say that a key belongs to what is around the section that it stands in."""
    key = str(path[-1])
    around = (at for at in range(len(path) - 2, 0, -1) if key in _keys_of(_section_at(path[:at])))
    found = next(around, None)
    return None if found is None else f"it belongs to {path[found - 1]}: write it beside {path[found]}"


def _missing(document: Document, path: Path) -> Problem:
    key = path[-1]
    fixes: dict[Any, str] = {
        ("name",): "add a line: name: my-lab",
        "name": "add name: eth0, for one",
        "to": "add to: and an address or a name" if "routes" not in path else "add to: 10.0.0.0/24, or to: default",
        "from": "add from: and a node",
        "id": "add id: 10, for one",
        "table": "add table: 10, for one",
        "dev": "add dev: and the device that it stands on",
        "port": "add port: 8080, for one",
        "mac": "add mac: and the MAC of the device",
        "between": f"add between: {'[1%, 6%]' if 'loss' in path else '[38ms, 60ms]'}",
    }
    fix = fixes.get(path) or fixes.get(key)
    what = f"the lab has no {key}" if path == ("name",) else f"{key} is missing"
    return document.problem("missing", what, path[:-1], fix)


def _sentence(document: Document, path: Path, error: ErrorDetails, given: Any) -> tuple[str, str | None]:
    """Say what is wrong with a value, and what to write instead."""
    kind, context = error["type"], error.get("ctx", {})
    subject = _subject(path)
    if kind in _KINDS:
        return f"{subject} must be {_KINDS[kind]}, not {_shown(given)}", _fix_of_kind(document, path, kind, given)
    if kind in ("greater_than_equal", "less_than_equal", "less_than"):
        word = {"greater_than_equal": "at least", "less_than_equal": "at most", "less_than": "less than"}[kind]
        return f"{subject} must be {word} {next(v for k, v in context.items() if k in ('ge', 'le', 'lt'))}", None
    if kind in ("too_short", "too_long") and "veths" in path:
        return f"a veth pair has two ends, not {len(given)}", "write [{...}, {...}]"
    if kind == "literal_error":
        choices = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        near = get_close_matches(str(given), choices, 1, 0.6)
        return f"{subject} cannot be {_shown(given)}", f"write {near[0] if near else 'one of ' + ', '.join(choices)}"
    what = error["msg"]
    return f"{subject} {what}" if what.startswith("must be") else what, context.get("fix")


def _subject(path: Path) -> str:
    """Name what a path leads to, by its last key."""
    if path and isinstance(path[-1], int):
        keys = [part for part in path if isinstance(part, str)]
        return f"item {path[-1] + 1} of {keys[-1]}" if keys else "it"
    return str(path[-1]) if path else "the file"


def _shown(given: Any) -> str:
    if isinstance(given, dict | list) or given is None:
        return f"a {kind_of(given)}" if given is not None else "empty"
    if isinstance(given, bool):
        return "true" if given else "false"
    return f"the {kind_of(given)} {quote(given) if isinstance(given, str) else given}"


def _fix_of_kind(document: Document, path: Path, kind: str, given: Any) -> str | None:
    if kind == "string_type" and not isinstance(given, dict | list) and given is not None:
        return f'put quotes around it: "{document.written(path) or given}"'
    if kind == "bool_type":
        return f"write {_TRUTHS.get(str(given).lower(), 'true or false')}"
    if kind.startswith("int") and isinstance(given, str) and given.strip().isdigit():
        return f"write {given.strip()}, without quotes"
    return None


def _section_at(path: Path) -> type[BaseModel] | None:
    """Find the section's class that a path into the file leads to.

    >>> _section_at(("netns", "ns0")).__name__
    'NodeSection'
    """
    found: Any = Topology
    for part in path:
        found = _inner(found, part)
    return next((one for one in _alternatives(found) if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _inner(annotation: Any, part: str | int) -> Any:
    """Give the type that stands under a key or index of a type."""
    for one in _alternatives(annotation):
        if isinstance(one, type) and issubclass(one, BaseModel):
            names = {field.alias or name: field for name, field in one.model_fields.items()}
            if part in names:
                return names[str(part)].annotation
        elif get_origin(one) is dict:
            return get_args(one)[1]
        elif get_origin(one) is tuple:
            return get_args(one)[0]
    return None


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """Take the annotations and unions off a type."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(one for arm in get_args(annotation) for one in _alternatives(arm))
    return (annotation,)
