"""The topology files that ship with netlab."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from netlab.app.results import Example
from netlab.errors import UsageError


def examples() -> tuple[Example, ...]:
    """Give every example: its name, what it teaches (its opening comment), its text."""
    found = []
    folder = files("netlab") / "topologies"
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".yml"):
            text = entry.read_text(encoding="utf-8")
            found.append(Example(entry.name.removesuffix(".yml"), _teaches(text), text))
    return tuple(found)


def _teaches(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").rstrip())
    return " ".join(lines)


def copy_examples(directory: str, names: Sequence[str] = ()) -> tuple[str, ...]:
    """Write examples (all, if none is named) into a directory; give the paths. Raises UsageError, never overwrites."""
    known = {example.name: example for example in examples()}
    wanted = [name.removesuffix(".yml") for name in names] or list(known)
    if unknown := [name for name in wanted if name not in known]:
        raise UsageError(f"there is no example {unknown[0]!r}\n  fix: one of {', '.join(known)}")
    paths = [Path(directory, f"{name}.yml") for name in wanted]
    if there := [path for path in paths if path.exists()]:
        raise UsageError(f"{there[0]} exists already\n  fix: choose another directory")
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        for name, path in zip(wanted, paths, strict=True):
            path.write_text(known[name].text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write to {directory}: {error.strerror}") from None
    return tuple(str(path) for path in paths)
