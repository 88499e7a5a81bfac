"""A lab and a probe on which simulator and kernel disagree -> a smaller lab on which they still do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

from netlab.errors import FileError
from netlab.topology import read
from tests.conformance.labs import written
from tests.conformance.labs_sketch import Document

#: Where in a document something stands.
_Place = tuple[str | int, ...]


def shrunk(text: str, still: Callable[[str], bool], tries: int = 60) -> str:
    """Leave out of a topology whatever can be left out while `still` holds; `tries` bounds how often it is asked."""
    document = document_of(text)
    left = tries
    changed = True
    while changed and left > 0:
        changed = False
        for place in list(_places(document)):
            smaller = _without(document, place)
            if smaller is None or not _resolves(smaller):
                continue
            left -= 1
            if still(written(smaller)):
                document, changed = smaller, True
                break
            if left <= 0:
                break
    return written(document)


def document_of(text: str) -> Document:
    """Turn a topology into plain values."""
    from ruamel.yaml import YAML

    found: Document = YAML(typ="safe", pure=True).load(StringIO(text))
    return found


def _resolves(document: Document) -> bool:
    try:
        read(written(document).encode(), "lab.yml")
    except FileError:
        return False
    return True


def _places(document: Document) -> Iterator[_Place]:
    """Give what may be left out, the largest first: nodes, their sections, what is in those."""
    nodes: list[_Place] = [("netns", name) for name in document.get("netns", {})]
    yield from nodes
    bodies = [("host",), *nodes]
    for depth in (1, 2, 3):
        for body in bodies:
            yield from (place for place in _inside(_at(document, body), body, depth) if place != ("host", "sandbox"))


def _inside(value: Any, place: _Place, depth: int) -> Iterator[_Place]:
    keys: list[str | int] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    for key in keys:
        if depth == 1:
            yield (*place, key)
        else:
            yield from _inside(value[key], (*place, key), depth - 1)


def _at(document: Any, place: _Place) -> Any:
    for key in place:
        document = document.get(key, {}) if isinstance(document, dict) else document[key]
    return document


def _without(document: Document, place: _Place) -> Document | None:
    found = copy.deepcopy(document)
    holder = _at(found, place[:-1])
    try:
        del holder[place[-1]]
    except (KeyError, IndexError, TypeError):
        return None
    return found
