"""The steps of a plan -> the `ip`, `bridge` and `sysctl` commands that a person would type, for `sh -e` as root.

Run on an empty machine they make what the facts say, with netlab's marks, so that netlab takes it for its own:

    a node               a namespace LAB-NODE in `ip netns`, and `netlab:LAB/NODE` as the alias of its `lo`
    the machine's device made in group 28268, with the alias `netlab:LAB/host/DEVICE`; a node's own needs no mark
    a route              protocol 110
    a program            NETLAB_PROGRAM and NETLAB_COMMAND in its environment

In a sandbox the commands run in the made-up machine itself, whose namespace is the host then. Devices are always named
after `dev` or `name`: `ip link set a up` would take `a` for `address`. Nothing here runs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from netlab.facts import (
    Address,
    Bridge,
    Chain,
    Device,
    DeviceSettings,
    External,
    Fact,
    Forwarding,
    Impairment,
    Member,
    Namespace,
    Neighbour,
    PolicyRule,
    Port,
    Program,
    Route,
    Settings,
    Stray,
    Veth,
)
from netlab.plan import commands_links, commands_settings, commands_traffic
from netlab.plan.shell import Shell
from netlab.plan.steps import Step

_LINES: Mapping[type[Fact], Callable[[Shell, Step], Iterator[str]]] = {
    Namespace: commands_links.namespace_lines,
    Settings: commands_settings.settings_lines,
    DeviceSettings: commands_settings.settings_lines,
    Bridge: commands_links.bridge_lines,
    Veth: commands_links.veth_lines,
    Chain: commands_traffic.chain_lines,
    Impairment: commands_traffic.impairment_lines,
    Device: commands_links.device_lines,
    Forwarding: commands_traffic.forwarding_lines,
    Stray: commands_links.stray_lines,
    External: commands_links.external_lines,
    Port: commands_links.port_lines,
    Member: commands_links.member_lines,
    Address: commands_traffic.address_lines,
    Route: commands_traffic.route_lines,
    PolicyRule: commands_traffic.policy_rule_lines,
    Neighbour: commands_traffic.neighbour_lines,
    Program: commands_settings.program_lines,
}


def commands(
    steps: Sequence[Step], lab: str, *, sandboxed: bool, stand_ins: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    r"""Turn steps into shell commands, one or more to a step, in the same order.

    `stand_ins` names kinds of devices that this kernel lacks, and what is made in their place.

    >>> from netlab.facts import Address, Namespace
    >>> from netlab.plan import Action
    >>> made = [Step(Action.CREATE, Namespace("ns0")), Step(Action.CREATE, Address("ns0", "eth0", "10.0.0.1/24"))]
    >>> print("\n".join(commands(made, "demo", sandboxed=False)))
    ip netns add demo-ns0
    ip -n demo-ns0 link set dev lo alias netlab:demo/ns0 up
    ip -n demo-ns0 address add 10.0.0.1/24 dev eth0
    """
    shell = Shell(lab, sandboxed, stand_ins or {})
    return tuple(line for step in steps for line in _LINES[type(step.fact)](shell, step))
