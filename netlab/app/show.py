"""Other forms of what is known: a plan as commands or as a graph, the language as a JSON Schema."""

from __future__ import annotations

from typing import Any

from netlab.app.results import Planned


def plan_commands(planned: Planned) -> tuple[str, ...]:
    """Turn a plan into the commands that a person would type, runnable by `sh -e` as root."""
    from netlab.kernel.capability import stand_ins
    from netlab.plan.commands import commands

    steps = planned.plan.steps
    found = stand_ins([step.fact for step in steps])
    return commands(steps, planned.lab, sandboxed=planned.sandboxed, stand_ins=found)


def plan_dot(planned: Planned) -> str:
    """Turn a plan into DOT: its steps, and arrows from what must come before to what waits for it."""
    from networkx import transitive_reduction

    from netlab.plan.order import step_graph

    colours = {"create": "#1a7f37", "update": "#9a6700", "replace": "#9a6700", "delete": "#cf222e"}
    lines = [f"digraph {_quoted(planned.lab)} {{", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
    for index, step in enumerate(planned.plan.steps):
        label = f"{step.action.glyph} {step.fact.label()}"
        lines.append(f"  s{index} [label={_quoted(label)}, color={_quoted(colours[step.action])}];")
    # What follows from other arrows is not drawn.
    lines += [f"  s{a} -> s{b};" for a, b in sorted(transitive_reduction(step_graph(planned.plan.steps)).edges)]
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def schema() -> dict[str, Any]:
    """Give the JSON Schema of the topology file, by which editors complete and check."""
    from netlab.topology import json_schema

    return json_schema()
