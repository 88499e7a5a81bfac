"""Programs that listen in a node, as others run them there: `clients.py` knows nothing of netlab."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kernel.stage import PATIENCE, Stage

CLIENTS = Path(__file__).parent / "clients.py"


@contextmanager
def listening(stage: Stage, node: str, *ends: str) -> Iterator[None]:
    """Have a program listen at ends such as tcp:80 in a node, for as long as it lasts."""
    words = [*stage.enter(node), sys.executable, str(CLIENTS), "listen", *ends]
    program = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == "listening\n"
        yield
    finally:
        program.communicate(timeout=PATIENCE)  # it ends with its standard input
