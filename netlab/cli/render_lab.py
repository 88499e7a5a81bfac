"""What became of a lab -> text: applied, not applied, destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click import style

if TYPE_CHECKING:
    from netlab.app.results import Applied, Destroyed

ENDS = {
    "undone": ("red", "not applied; undone: nothing of this apply is left"),
    "kept": ("yellow", "failed half-way; kept as it is, as asked"),
    "partial": ("red", "not applied, and not all of it could be undone"),
}


def applied_text(done: Applied) -> str:
    """Say that a lab was applied, how long it took and what it took."""
    counts: dict[str, int] = {}
    for change in done.plan.changes:
        counts[change.action.glyph] = counts.get(change.action.glyph, 0) + 1
    what = " ".join(f"{glyph}{counts[glyph]}" for glyph in "+~±-" if glyph in counts) or "nothing to do"
    where = " in a sandbox" if done.sandboxed else ""
    return (
        f"{style(done.lab, bold=True)}: {style('applied', fg='green')}{where} in {seconds_text(done.seconds)} ({what})"
    )


def failed_apply_text(done: Applied) -> str:
    """Say what a failed apply has left, and what to do with it."""
    hue, words = ENDS[done.outcome]
    text = f"{style(done.lab, bold=True)}: {style(words, fg=hue)}"
    if done.outcome == "undone":
        return text
    return f"{text}\n  next: netlab status {done.lab}, netlab destroy {done.lab}"


def next_text(done: Applied, now: float) -> str:
    """Say where to go from an apply."""
    if done.confirm_until is not None:
        left = max(0, round(done.confirm_until - now))
        return style(f"  undone in {left} s unless: netlab confirm {done.lab}", fg="yellow")
    return ""


def destroyed_text(found: Destroyed, seconds: float) -> str:
    """Say what a destroy took."""
    name = style(found.lab, bold=True)
    if not found.existed:
        return f"{name}: nothing to destroy"
    counts = ((found.namespaces, "namespace"), (found.devices, "device"))
    parts = ["its sandbox"] if found.sandbox else []
    parts += [f"{count} {thing}{'' if count == 1 else 's'}" for count, thing in counts if count]
    what = f" ({', '.join(parts)})" if parts else ""
    return f"{name}: {style('destroyed', fg='green')} in {seconds_text(seconds)}{what}"


def seconds_text(seconds: float) -> str:
    """Give a time as a person would.

    >>> [seconds_text(value) for value in (0.004, 0.21, 12.34)]
    ['0.004 s', '0.21 s', '12.3 s']
    """
    return f"{seconds:.3f} s" if seconds < 0.01 else f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
