"""What the kernel cannot remember of a lab: Record <-> JSON.

The facts stay the list of JSON values that they were written as, until somebody asks for them, because `destroy`
does not need them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from netlab.errors import Unavailable

if TYPE_CHECKING:
    from netlab.facts import Facts

#: The version of the record's form; a record of another version counts as lost.
VERSION = 1


@dataclass(frozen=True, slots=True)
class Record:
    """One lab as applied: its file, its facts, where its sandbox is, what was chosen and what was there before.

    `initial` holds, by node, the values that custom settings had before netlab first wrote them. `confirm` is the
    promise to undo at a deadline; `sandbox` names the holder. `applied_at` is in seconds since 1970.
    """

    lab: str
    #: The path of the topology file, and its text.
    file: str
    text: str
    facts: Sequence[Mapping[str, Any]]
    applied_at: float
    sandbox: Mapping[str, Any] | None = None
    allocated: Mapping[tuple[str, str], str] = field(default_factory=dict)
    initial: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    confirm: Mapping[str, Any] | None = None
    version: int = VERSION

    def applied(self) -> Facts:
        """Give the facts that were applied; raise Unavailable where this netlab does not know them."""
        from netlab.facts import facts_of, from_json

        try:
            return facts_of(from_json(dict(value)) for value in self.facts)
        except (KeyError, TypeError, ValueError) as error:
            raise Unavailable(
                f"lab {self.lab} was applied by another version of netlab: its record has {error} in it",
                f"netlab destroy {self.lab}, then apply it again",
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Turn the record into plain values."""
        return {
            "version": self.version,
            "lab": self.lab,
            "file": self.file,
            "text": self.text,
            "applied_at": self.applied_at,
            "sandbox": None if self.sandbox is None else dict(self.sandbox),
            "allocated": [[node, device, address] for (node, device), address in sorted(self.allocated.items())],
            "initial": {node: dict(values) for node, values in sorted(self.initial.items())},
            "confirm": None if self.confirm is None else dict(self.confirm),
            "facts": list(self.facts),
        }


def from_json(value: Any) -> Record:
    """Turn what `Record.to_json` gave back into the record; raise ValueError where it is none."""
    try:
        if value["version"] != VERSION:
            raise ValueError(f"version {value['version']!r}")
        return Record(
            lab=_is(str, value["lab"]),
            file=_is(str, value["file"]),
            text=_is(str, value["text"]),
            facts=[_is(dict, fact) for fact in _is(list, value["facts"])],
            applied_at=float(value["applied_at"]),
            sandbox=_dict_or_none(value["sandbox"]),
            allocated={(_is(str, a), _is(str, b)): _is(str, address) for a, b, address in value["allocated"]},
            initial={node: _is(dict, values) for node, values in _is(dict, value["initial"]).items()},
            confirm=None if value["confirm"] is None else _promise(value["confirm"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a record: {error!r}") from error


def _is(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _promise(value: Any) -> dict[str, Any]:
    """Give a promise to undo, sure of what is asked of it."""
    previous = value["previous"]
    found = {"pid": _is(int, value["pid"]), "start_time": _is(int, value["start_time"])}
    return {**found, "until": float(value["until"]), "previous": None if previous is None else _is(dict, previous)}


def _dict_or_none(value: Any) -> dict[str, Any] | None:
    return None if value is None else dict(_is(dict, value))
