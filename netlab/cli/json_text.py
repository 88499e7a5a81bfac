"""Plain values -> JSON over many lines: the very text of `json.dumps(value, indent=2)`, in less time and memory.

Python's json indents by generators within generators, one step for every bracket, comma and word; a large plan has
millions of them. Here every collection becomes one text at once.
"""

from __future__ import annotations

from json import dumps
from json.encoder import encode_basestring
from typing import Any

#: What stands in many places: the tuples, by identity and depth. They are the value's own, and live as long as it does.
_Known = dict[tuple[int, int], str]
_WORDS = {None: "null", True: "true", False: "false"}


def indented(value: Any) -> str:
    """Turn dicts with text for keys, lists, tuples and plain values into JSON, indented by two.

    >>> print(indented({"lab": "a", "nodes": []}))
    {
      "lab": "a",
      "nodes": []
    }
    """
    return _text(value, 0, {})


def _text(value: Any, depth: int, known: _Known) -> str:
    """Give a value as it stands after its key, its further lines indented for that depth."""
    if type(value) is str:
        return encode_basestring(value)
    if value is None or value is True or value is False:
        return _WORDS[value]
    if type(value) is int:
        return str(value)
    if isinstance(value, dict):
        return _dict(value, depth, known) if value else "{}"
    if isinstance(value, tuple):
        found = known.get((id(value), depth))
        if found is None:
            found = known[id(value), depth] = _list(value, depth, known)
        return found
    return _list(value, depth, known) if isinstance(value, list) else dumps(value, ensure_ascii=False)


def _dict(value: dict[str, Any], depth: int, known: _Known) -> str:
    inner, outer = "\n" + "  " * (depth + 1), "\n" + "  " * depth
    texts = [f"{encode_basestring(key)}: {_text(one, depth + 1, known)}" for key, one in value.items()]
    return f"{{{inner}{f',{inner}'.join(texts)}{outer}}}"


def _list(value: list[Any] | tuple[Any, ...], depth: int, known: _Known) -> str:
    if not value:
        return "[]"
    inner, outer = "\n" + "  " * (depth + 1), "\n" + "  " * depth
    texts = [_text(one, depth + 1, known) for one in value]
    return f"[{inner}{f',{inner}'.join(texts)}{outer}]"
