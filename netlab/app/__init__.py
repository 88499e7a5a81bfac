"""The public Python API: one function per command. Each returns a value and prints nothing.

    from netlab import app

    app.apply("topologies/bridge3.yml", sandbox=True)
    assert app.check("bridge3").ok
    app.destroy("bridge3")

Faults are raised as netlab.errors.NetlabError; results are the frozen values of netlab.app.results. Functions are
imported when they are first used: `destroy` needs little of netlab, `apply` much.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netlab.app.applying import apply, plan
    from netlab.app.checking import check
    from netlab.app.collecting import gc
    from netlab.app.confirming import confirm
    from netlab.app.destroying import destroy
    from netlab.app.documents import document
    from netlab.app.draw import diagram, picture
    from netlab.app.enter import capture, execute, shell
    from netlab.app.examination import doctor
    from netlab.app.impairing import impair
    from netlab.app.look import drift, status, validate
    from netlab.app.reaching import reach
    from netlab.app.shipped import copy_examples, examples
    from netlab.app.show import plan_commands, plan_dot, schema
    from netlab.app.tracing import trace
    from netlab.app.watching import watch

_WHERE = {
    "apply": "applying",
    "plan": "applying",
    "destroy": "destroying",
    "doctor": "examination",
    "diagram": "draw",
    "picture": "draw",
    "capture": "enter",
    "execute": "enter",
    "shell": "enter",
    "copy_examples": "shipped",
    "examples": "shipped",
    "confirm": "confirming",
    "gc": "collecting",
    "impair": "impairing",
    "check": "checking",
    "drift": "look",
    "status": "look",
    "validate": "look",
    "reach": "reaching",
    "document": "documents",
    "plan_commands": "show",
    "plan_dot": "show",
    "schema": "show",
    "trace": "tracing",
    "watch": "watching",
}

__all__ = [
    "apply",
    "capture",
    "check",
    "confirm",
    "copy_examples",
    "destroy",
    "diagram",
    "doctor",
    "document",
    "drift",
    "examples",
    "execute",
    "gc",
    "impair",
    "picture",
    "plan",
    "plan_commands",
    "plan_dot",
    "reach",
    "schema",
    "shell",
    "status",
    "trace",
    "validate",
    "watch",
]


def __getattr__(name: str) -> Any:
    """Import a function when it is first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # No module of the package may bear a function's name: importing it would hide the function.
    found = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = found
    return found
