"""Steps about settings and programs as commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import groupby

from netlab.facts import DeviceSettings, Program, Settings
from netlab.facts.settings import OPTIONAL_PREFIXES
from netlab.plan.shell import Shell, fields_of
from netlab.plan.steps import Action, Step


def settings_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about settings."""
    fact = step.fact
    assert isinstance(fact, (Settings, DeviceSettings))
    device = fact.device if isinstance(fact, DeviceSettings) else None
    gone: list[str] = []
    values = list(fact.values)
    if step.action is Action.DELETE:
        gone, values = [name for name, _ in values], []
    elif step.action is Action.UPDATE:
        fields = fields_of(step)
        gone = [difference.field for difference in step.differences if difference.after is None]
        values = [(name, value) for name, value in values if name in fields]
    if device is None and gone:
        yield f"# the settings of {fact.node} stay as they are"
        return
    for optional, run in groupby(values, key=lambda pair: pair[0].startswith(OPTIONAL_PREFIXES)):
        words = [f"{_sysctl(name, device)}={value}" for name, value in run]
        yield shell.within(fact.node, "sysctl", "-qew" if optional else "-qw", *words)
    for name in gone:
        # A device's setting goes back to what a new device of its node has.
        usual = f"{'.'.join(name.split('.')[:3])}.default.{name.rpartition('.')[2]}"
        optional = "e" if name.startswith(OPTIONAL_PREFIXES) else ""
        script = f'sysctl -q{optional}w {_sysctl(name, device)}="$(sysctl -n{optional} {usual})"'
        yield shell.within(fact.node, "sh", "-c", script)


def program_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about a program."""
    fact = step.fact
    assert isinstance(fact, Program)
    whose = shlex.quote(f"NETLAB_PROGRAM={shell.lab}/{fact.node}")
    what = shlex.quote(f"NETLAB_COMMAND={fact.command}")
    if step.action is Action.DELETE:
        found = f"grep -lzxF {whose} /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3"
        same = f'grep -qszxF {what} "/proc/$pid/environ"'
        yield f'for pid in $({found}); do {same} && kill "$pid" || true; done'
        return
    run = shell.within(fact.node, "env", f"NETLAB_PROGRAM={shell.lab}/{fact.node}", f"NETLAB_COMMAND={fact.command}")
    yield f"{run} setsid sh -c {shlex.quote(fact.command)} </dev/null >/dev/null 2>&1 &"


def _sysctl(name: str, device: str | None) -> str:
    """Give a setting's name as `sysctl` wants it: a dot in the name of a device is a slash.

    >>> _sysctl("net.ipv4.conf.eth0.7.rp_filter", "eth0.7")
    'net.ipv4.conf.eth0/7.rp_filter'
    """
    return name if device is None else name.replace(f".{device}.", f".{device.replace('.', '/')}.")
