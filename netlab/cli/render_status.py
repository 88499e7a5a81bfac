"""Labs as they are now -> text: a table of labs, or one lab's nodes and devices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from click import style

from netlab.cli.call import nearby
from netlab.cli.tables import Cell, table
from netlab.names import HOST

if TYPE_CHECKING:
    from netlab.app.results import DeviceState, LabStatus, NodeState

HUES = {"up": "green", "gone": "red", "changing": "yellow", "interrupted": "yellow", "orphaned": "yellow"}


def labs_text(labs: Sequence[LabStatus], now: float, *, rich: bool) -> str:
    """Turn labs into a table, a line for each."""
    header = ("LAB", "STATE", "WHERE", "NODES", "AGE", "FILE")
    rows: list[list[Cell]] = [
        [lab.lab, (lab.state, HUES[lab.state]), _where(lab), str(lab.node_count), _age(lab, now), _file(lab)]
        for lab in labs
    ]
    return table(header, rows, rich=rich)


def lab_text(lab: LabStatus, now: float, *, rich: bool) -> str:
    """Turn one lab into a heading and a table of its devices."""
    lines = [
        f"{style(lab.lab, bold=True)}: {style(lab.state, fg=HUES[lab.state])}",
        f"  where    {_where(lab)}{f', held by process {lab.holder}' if lab.holder else ''}",
        f"  file     {_file(lab)}",
    ]
    if lab.applied_at is not None:
        when = datetime.fromtimestamp(lab.applied_at, UTC).astimezone().isoformat(" ", "seconds")
        lines.append(f"  applied  {when}, {_age(lab, now)} ago")
    nodes = sorted(lab.nodes, key=lambda node: node.name != HOST)
    rows = [row for node in nodes for row in _node_rows(node)]
    if rows:
        lines += ["", table(("NODE", "DEVICE", "ADDRESSES", "LINK", "GATEWAY"), rows, rich=rich)]
    programs = [f"  {node.name}: {command}" for node in nodes for command in node.programs]
    programs += [style(f"  {node.name}: {c}  (has ended)", fg="red") for node in nodes for c in node.ended]
    if programs:
        lines += ["", style("programs", bold=True), *programs]
    return "\n".join(lines)


def _node_rows(node: NodeState) -> list[list[Cell]]:
    """Give a line for each device; the node's name and gateways stand on its first."""
    gateways = " ".join(node.gateways) or "-"
    if not node.devices:
        return [[node.name, "-", "-", "-", gateways]]
    return [
        [
            node.name if first else "",
            device.name,
            " ".join(device.addresses) or "-",
            _link(device),
            gateways if first else "",
        ]
        for first, device in zip([True] + [False] * len(node.devices), node.devices, strict=False)
    ]


def _link(device: DeviceState) -> Cell:
    if not device.up:
        return ("down", "red")
    return ("up", "green") if device.carrier else ("no carrier", "yellow")


def _where(lab: LabStatus) -> str:
    return "sandbox" if lab.sandboxed else "machine"


def _file(lab: LabStatus) -> str:
    return "-" if lab.file is None else nearby(lab.file)


def _age(lab: LabStatus, now: float) -> str:
    return "-" if lab.applied_at is None else age_text(now - lab.applied_at)


def age_text(seconds: float) -> str:
    """Give an age in its largest unit.

    >>> [age_text(value) for value in (-3, 59, 60, 7300, 200000)]
    ['0 s', '59 s', '1 min', '2 h', '2 d']
    """
    left = max(0, int(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if left >= size:
            return f"{left // size} {unit}"
    return f"{left} s"


def advice_text(labs: Sequence[LabStatus], now: float) -> str:
    """Say what to do about labs that are not simply up."""
    found = []
    for lab in labs:
        again = f"netlab apply {nearby(lab.file)}" if lab.file else "netlab apply FILE"
        words = {
            "gone": f"{lab.lab} is gone, its namespaces have ended: {again} makes it again, "
            f"netlab destroy {lab.lab} forgets it",
            "interrupted": f"{lab.lab}: an apply or destroy was cut short: {again}, or netlab destroy {lab.lab}, "
            "finishes the job",
            "orphaned": f"{lab.lab} is there, but its record is lost: {again}, or netlab destroy {lab.lab}",
        }
        if lab.state in words:
            found.append(style(words[lab.state], fg="yellow"))
        if lab.confirm_until is not None and lab.guard is None:
            lost = f"{lab.lab} is not confirmed, but what was to undo it has ended"
            found.append(style(f"{lost}: netlab confirm {lab.lab}, or netlab destroy {lab.lab}", fg="yellow"))
        elif lab.confirm_until is not None:
            left = round(lab.confirm_until - now)
            when = f"in {left} s" if left > 0 else "now"
            found.append(style(f"{lab.lab} is undone {when} unless: netlab confirm {lab.lab}", fg="yellow"))
    return "\n".join(found)
