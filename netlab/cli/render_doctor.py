"""What this machine can do -> text: a line for each thing, and what to type for what is lacking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click import style

if TYPE_CHECKING:
    from netlab.app.results import Capability, Examined


def examined_text(found: Examined, file: str | None) -> str:
    """Turn an examination into text: what is lacking comes last, with what it is for."""
    width = max((len(one.name) for one in found.capabilities), default=0)
    here = [one for one in found.capabilities if one.present]
    lacking = [one for one in found.capabilities if not one.present]
    lines = [_line(one, width) for one in (*here, *lacking)]
    if file is None:
        return "\n".join(lines)
    if found.lacking:
        words = style(f"this machine lacks what {file} needs: {', '.join(found.lacking)}", fg="red")
    else:
        words = style(f"this machine has all that {file} needs", fg="green")
    return "\n".join([*lines, "", words])


def _line(one: Capability, width: int) -> str:
    lacking = style("✗", fg="red") if one.required else style("-", fg="yellow")
    mark = style("✓", fg="green") if one.present else lacking
    text = f"{mark} {one.name.ljust(width)}  {style(one.purpose, dim=one.present)}"
    if not one.present and one.fix:
        text += f"\n  {'':{width}}  {style('fix:', fg='green')} {one.fix}"
    return text
