"""Plans and drift -> text: changes by node, field by field, with the line of the file that asked for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from click import style

from netlab.cli.call import nearby
from netlab.errors import Span
from netlab.facts import Fact, Key
from netlab.names import HOST
from netlab.plan import Action, Change

if TYPE_CHECKING:
    from netlab.app.results import Drift, Planned
    from netlab.app.watching import DriftChange

HUES = {Action.CREATE: "green", Action.UPDATE: "yellow", Action.REPLACE: "magenta", Action.DELETE: "red"}
#: Labels beyond this width push their place in the file to the right instead of all the others'.
WIDEST = 60
#: Reasons that the glyph says already.
OBVIOUS = frozenset({"it is not there", "it differs", "it is not wanted"})


def plan_text(planned: Planned, *, every_field: bool = False) -> str:
    """Turn what an apply would do into text; `every_field` shows those of new things too."""
    changes = planned.plan.changes
    if not changes:
        return "No changes: the lab is as the file says."
    place = "in a sandbox" if planned.sandboxed else "on this machine"
    head = f"{style(planned.lab, bold=True)}, {place}:"
    return "\n".join([head, "", *changes_lines(changes, planned.origin, every_field), f"Plan: {counts_text(changes)}."])


def drift_text(drift: Drift) -> str:
    """Turn a lab's drift into text: the changes that would repair it."""
    if not drift.changes:
        return f"No drift: {drift.lab} is as it was applied."
    words = {Action.CREATE: "missing", Action.UPDATE: "changed", Action.REPLACE: "changed", Action.DELETE: "too much"}
    counts: dict[str, int] = {}
    for change in drift.changes:
        counts[words[change.action]] = counts.get(words[change.action], 0) + 1
    total = ", ".join(f"{count} {word}" for word, count in counts.items())
    head = f"{style(drift.lab, bold=True)} is not as it was applied; to repair it:"
    return "\n".join([head, "", *changes_lines(drift.changes, drift.origin), f"Drift: {total}."])


def drift_change_text(change: DriftChange) -> str:
    """Turn a change of a lab's drift into lines: the time of day, what is so now, and where the file asked for it."""
    at = style(datetime.fromtimestamp(change.at, UTC).astimezone().strftime("%H:%M:%S"), dim=True)
    lines: list[str] = []
    for one in change.drifted:
        first, *more = _change_lines(one, change.origin.get(one.fact.key), 0, False)
        lines += [f"{at} {style('drifted', fg='yellow')}:{first[1:]}", *more]
    for one in change.restored:
        place = _place(change.origin.get(one.fact.key))
        lines.append(f"{at} {style('as applied again', fg='green')}: {one.fact.label()}{place}")
    return "\n".join(lines)


def counts_text(changes: Sequence[Change]) -> str:
    """Say how many changes there are of each kind, as `23 to create, 0 to change, 0 to delete`."""
    count = {action: sum(change.action is action for change in changes) for action in Action}
    replaced = f"{count[Action.REPLACE]} to replace, " if count[Action.REPLACE] else ""
    return (
        f"{count[Action.CREATE]} to create, {count[Action.UPDATE]} to change, "
        f"{replaced}{count[Action.DELETE]} to delete"
    )


def changes_lines(changes: Sequence[Change], origin: Mapping[Key, Span], every_field: bool = False) -> Iterator[str]:
    """Give changes as lines, by node: the host, then the others as they come."""
    by_node: dict[str, list[Change]] = {HOST: []} if any(node_of(change.fact) == HOST for change in changes) else {}
    for change in changes:
        by_node.setdefault(node_of(change.fact), []).append(change)
    width = min(WIDEST, max(len(change.fact.label()) for change in changes))
    for node, found in by_node.items():
        yield style(node, bold=True)
        for change in found:
            yield from _change_lines(change, origin.get(change.fact.key), width, every_field)
        yield ""


def node_of(fact: Fact) -> str:
    """Give the node under which a reader looks for a fact: of a cable to the host, the far node."""
    return next((node for node in fact.nodes if node != HOST), HOST)


def _change_lines(change: Change, span: Span | None, width: int, every_field: bool) -> Iterator[str]:
    hue = HUES[change.action]
    label = change.fact.label()
    place = _place(span)
    yield f"  {style(change.action.glyph, fg=hue)} {label.ljust(width) if place else label}{place}"
    for difference in change.differences:
        before, after = shown(difference.before), shown(difference.after)
        yield f"      {difference.field} {style(before, fg='red')} -> {style(after, fg='green')}"
    if change.reason and change.reason not in OBVIOUS:
        yield "      " + style(change.reason, dim=True)
    if every_field and change.action is Action.CREATE:
        for name, value in _values(change.fact):
            yield f"      {style(name, dim=True)} {shown(value)}"


def _place(span: Span | None) -> str:
    return "  " + style(f"{nearby(span.file)}:{span.line}", dim=True) if span is not None else ""


def _values(fact: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give a fact's fields by dotted name, but for unset ones and the node, which the label says."""
    for field in fields(fact):
        value = getattr(fact, field.name)
        if hasattr(value, "__dataclass_fields__"):
            yield from _values(value, f"{prefix}{field.name}.")
        elif field.name == "values":
            yield from value
        elif value is not None and field.name != "node":
            yield f"{prefix}{field.name}", value


def shown(value: Any) -> str:
    """Turn a field's value into a word.

    >>> [shown(value) for value in (None, True, 1400, ("a", "b"))]
    ['unset', 'yes', '1400', 'a, b']
    """
    plain: dict[Any, str] = {None: "unset", True: "yes", False: "no"}
    if value is None or isinstance(value, bool):
        return plain[value]
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
