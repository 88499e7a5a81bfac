"""Where commands run: inside a node by iproute2's own options, or by `ip netns exec`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from netlab.names import HOST, registered_name
from netlab.plan.steps import Step


@dataclass(frozen=True, slots=True)
class Shell:
    """The commands of one lab: whether its host is a sandbox's, and what stands in for kinds that the kernel lacks."""

    lab: str
    sandboxed: bool
    stand_ins: Mapping[str, str]

    def tool(self, program: str, node: str, *words: str) -> str:
        """Give a command of `ip` or `bridge` inside a node."""
        inside = [] if node == HOST else ["-n", registered_name(self.lab, node)]
        return shlex.join([program, *inside, *words])

    def ip(self, node: str, *words: str) -> str:
        return self.tool("ip", node, *words)

    def within(self, node: str, *words: str) -> str:
        """Give any other command inside a node."""
        inside = [] if node == HOST else ["ip", "netns", "exec", registered_name(self.lab, node)]
        return shlex.join([*inside, *words])

    def is_machine(self, node: str) -> bool:
        return node == HOST and not self.sandboxed


def fields_of(step: Step) -> set[str]:
    return {difference.field for difference in step.differences}
