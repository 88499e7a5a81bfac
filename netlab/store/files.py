"""JSON values -> private files that are whole or absent.

A file is written beside its place and renamed over it, so a reader or a kill sees the old text or the new one. What
cannot be read as JSON is moved aside and counts as lost. Directories are 0700, files 0600. Nothing here knows of labs.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from netlab.errors import Unavailable

_NEW = ".new"
_LOST = ".lost"


def refuse_shared(directory: Path) -> None:
    """Raise Unavailable unless the directory is absent or is ours alone: our own, mode 0700, not a symbolic link."""
    try:
        found = os.lstat(directory)
    except FileNotFoundError:
        return
    fault = ""
    if not stat.S_ISDIR(found.st_mode):
        fault = "is not a directory" if not stat.S_ISLNK(found.st_mode) else "is a symbolic link"
    elif found.st_uid != os.geteuid():
        fault = f"belongs to user {found.st_uid}, not to {os.geteuid()}"
    elif stat.S_IMODE(found.st_mode) & 0o077:
        fault = f"has mode {stat.S_IMODE(found.st_mode):04o}, so others can get in"
    if fault:
        raise Unavailable(
            f"the store {directory} {fault}", "look at it, then remove it or run: chmod 700 " + str(directory)
        )


def make_directory(root: Path, *names: str) -> Path:
    """Make ROOT and the directories below it as far as they are missing, each 0700; give the last one."""
    while True:
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(root, 0o700)
            refuse_shared(root)
            directory = root
            for name in names:
                directory = directory / name
                with contextlib.suppress(FileExistsError):
                    os.mkdir(directory, 0o700)
            return directory
        except FileNotFoundError as error:
            if not root.parent.is_dir():
                raise Unavailable(f"the store {root} cannot be made: {error.strerror}") from error
            # Another netlab removed a directory that it had emptied, between two of our calls.
        except OSError as error:
            raise Unavailable(f"the store {root} cannot be made: {error.strerror}") from error


def write_json(path: Path, value: Any) -> None:
    """Put a JSON value in the place of what the file holds; whole or not at all. The caller holds the lock."""
    new = path.with_name(path.name + _NEW)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        # No fsync: the store lies on a tmpfs, which a crash of the machine empties together with its networks.
        # Not json.dump: that leaves the C encoder aside, and a large lab's facts are a megabyte.
        file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    os.replace(new, path)


def read_json(path: Path) -> Any:
    """Give the JSON value of a file; None where it is missing or, moved aside then, is none."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except (ValueError, RecursionError):
        set_aside(path)
        return None


def set_aside(path: Path) -> None:
    """Move a file that makes no sense out of the way, for a person to look at."""
    with contextlib.suppress(FileNotFoundError):
        os.replace(path, path.with_name(path.name + _LOST))


def remove(path: Path) -> None:
    """Remove a file, what was half written to it and what was moved aside from it; absent ones are fine."""
    for suffix in ("", _NEW, _LOST):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def remove_empty(directory: Path, levels: int) -> None:
    """Remove a directory and those above it, `levels` in all, as far as they are empty."""
    with contextlib.suppress(OSError):
        for one in (directory, *directory.parents)[:levels]:
            one.rmdir()
