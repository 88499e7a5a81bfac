"""One way to run the command line in this process, with netlab.app's functions replaced where a test says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from netlab import app
from netlab.cli.commands import cli

Run = Callable[..., Result]
Stand = Callable[..., None]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a function that runs `netlab ARGUMENTS...` and gives exit code, stdout and stderr."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def go(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, catch_exceptions=False)

    return go


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Give a function that puts a value, an error or a function in the place of one of netlab.app's functions."""

    def put(name: str, what: Any) -> None:
        def given(*arguments: Any, **options: Any) -> Any:
            if isinstance(what, BaseException):
                raise what
            return what(*arguments, **options) if callable(what) else what

        monkeypatch.setattr(app, name, given)

    return put


def document_of(result: Result) -> dict[str, Any]:
    """Give the one document on stdout, sure that its envelope is whole."""
    found: dict[str, Any] = json.loads(result.stdout)
    assert list(found) == ["version", "kind", "lab", "result", "problems"]
    return found
