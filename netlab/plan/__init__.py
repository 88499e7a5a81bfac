"""Plans: graph of facts, difference, ordered steps, and the protocol of the doors that carry them out."""

from __future__ import annotations

from netlab.plan.planner import difference, plan
from netlab.plan.steps import (
    Action,
    Change,
    Door,
    Plan,
    Reading,
    Scope,
    Step,
    StepRefused,
)

__all__ = [
    "Action",
    "Change",
    "Door",
    "Plan",
    "Reading",
    "Scope",
    "Step",
    "StepRefused",
    "difference",
    "plan",
]
