"""Turns DOT text into a picture by running Graphviz' `dot`, bounded in time.

An SVG gets a title and a description (WCAG 1.1.1): a screen reader says what the network is, and every box and cable
has a title of its own.
"""

from __future__ import annotations

import re
from typing import Literal

from netlab.errors import NetlabError, Unavailable

#: What `netlab diagram` can write; the last two are text and need no Graphviz.
FORMATS = ("svg", "png", "pdf", "dot", "mermaid")
#: Seconds; a lab of a thousand nodes takes about one.
LONGEST = 60
#: Sharp on a high-resolution screen and in print.
_DPI = 144

#: The tooltip of the graph, a box or a cable in dot's SVG.
_TITLE = re.compile(
    r'class="(graph|node|edge)"[^>]*>\s*<title>[^<]*</title>\s*<g id="a_[^>]*><a xlink:title="([^"]*)"',
)


def render(dot: str, format: Literal["svg", "png", "pdf"]) -> bytes:
    """Draw DOT text; raise Unavailable where Graphviz is missing, NetlabError where it takes over a minute."""
    from graphviz.backend import dot_command, execute

    command = dot_command.command("dot", format)
    if format == "png":
        command.append(f"-Gdpi={_DPI}")
    try:
        done = execute.run_check(command, input=dot.encode(), capture_output=True, quiet=True, timeout=LONGEST)
    except execute.ExecutableNotFound:
        raise Unavailable("Graphviz' program dot is not installed", fix="apt-get install graphviz") from None
    except execute.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        if "not recognized" in said:
            fix = "apt-get install graphviz"
            raise Unavailable(f"this Graphviz cannot write {format}: {said.splitlines()[0]}", fix) from None
        raise AssertionError(f"dot refused netlab's own text: {said}") from error
    except Exception as error:
        # By its name, for modules of the pure core do not import subprocess.
        if type(error).__name__ != "TimeoutExpired":
            raise
        raise NetlabError(f"dot took more than {LONGEST} s over the drawing; --format dot gives its text") from None
    found: bytes = done.stdout
    return _accessible(found.decode()).encode() if format == "svg" else found


def _accessible(svg: str) -> str:
    """Give an SVG of dot's a role, a title and a description, from the tooltips of the graph, its boxes and cables."""
    titles = _TITLE.findall(svg)
    whole = next((words for kind, words in titles if kind == "graph"), "Network")
    boxes = [words for kind, words in titles if kind == "node"]
    cables = [words for kind, words in titles if kind == "edge"]
    about = "; ".join([*boxes, *cables])
    head = f'<title id="netlab-title">{whole}</title>\n<desc id="netlab-desc">{about}</desc>'
    opening = '<svg role="img" aria-labelledby="netlab-title netlab-desc"'
    return re.sub(r"<svg\b([^>]*)>", lambda found: f"{opening}{found.group(1)}>\n{head}", svg, count=1)
