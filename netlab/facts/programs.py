"""The family of programs: what a plain node runs (`run:`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netlab.facts.fact import Fact, Key, Need


@dataclass(frozen=True, slots=True)
class Program(Fact):
    """A command line that `sh` runs inside a node, for as long as the lab is up."""

    family: ClassVar[str] = "program"
    rank: ClassVar[int] = 9

    node: str
    command: str

    @property
    def key(self) -> Key:
        return ("program", self.node, self.command)

    def needs(self) -> tuple[Need, ...]:
        return (("netns", self.node),)

    def label(self) -> str:
        return f"program {self.command!r} in {self.node}"
