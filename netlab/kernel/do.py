"""Steps done: each turned into messages and calls, queued by place (batch.py), sent together.

The order of the steps is kept wherever one could tell. Nothing here decides what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netlab.facts import (
    Address,
    Bridge,
    Chain,
    Device,
    DeviceSettings,
    External,
    Forwarding,
    Impairment,
    Member,
    Namespace,
    Neighbour,
    PolicyRule,
    Port,
    Route,
    Settings,
    Stray,
    Veth,
)
from netlab.kernel import do_links, do_traffic
from netlab.kernel.do_settings import do_settings
from netlab.kernel.place import SettingRefused
from netlab.kernel.places import Places
from netlab.kernel.work import Work, forgives
from netlab.names import HOST
from netlab.plan.steps import Action, Step, StepRefused

_DOERS: dict[type, Callable[[Work, Step], None]] = {
    Namespace: do_links.do_namespace,
    Settings: do_settings,
    DeviceSettings: do_settings,
    Chain: do_traffic.do_chain,
    Bridge: do_links.do_bridge,
    Veth: do_links.do_veth,
    Device: do_links.do_device,
    Stray: do_links.do_stray,
    External: do_links.do_external,
    Port: do_links.do_port,
    Member: do_links.do_member,
    Forwarding: do_traffic.do_forwarding,
    Impairment: do_traffic.do_impairment,
    Address: do_traffic.do_address,
    Route: do_traffic.do_route,
    PolicyRule: do_traffic.do_policy_rule,
    Neighbour: do_traffic.do_neighbour,
}


def do_steps(places: Places, steps: Sequence[Step]) -> None:
    """Do the steps; raises StepRefused. What was made is registered even then, so that it can be undone."""
    work = Work(places, [step for step in steps if isinstance(step.fact, Chain)])
    made = [step for step in steps if step.action is Action.CREATE]
    newborn = [step.fact.node for step in made if isinstance(step.fact, Namespace) and step.fact.node != HOST]
    #: The steps that make settings, by node: written when the namespace is made, perhaps long before their turn.
    settings = {step.fact.node: step for step in made if isinstance(step.fact, Settings)}
    values = {step.fact.node: step.fact.values for step in made if isinstance(step.fact, Settings)}
    leaving: list[Step] = []
    try:
        places.expect(newborn, values)
        for step in steps:
            if step.action is Action.DELETE and isinstance(step.fact, Namespace):
                leaving.append(step)
                continue
            # A name is free only when the namespaces that held it (or its veth's far end) are gone.
            _delete_namespaces(work, leaving)
            _do(work, step, settings)
        _delete_namespaces(work, leaving)
        work.batch.flush_all(last=HOST)
    finally:
        # A namespace whose queue has begun to be sent bears its mark: that is the first message.
        places.register_newborn(lambda node: work.batch.begun(node))


def _do(work: Work, step: Step, settings: dict[str, Step]) -> None:
    try:
        _DOERS[type(step.fact)](work, step)
    except OSError as error:
        if isinstance(error, SettingRefused):
            step = settings.get(error.node, step)
        if not forgives(step, error.errno or 0):
            raise StepRefused(step, error.errno or 0, error.strerror or "") from error


def _delete_namespaces(work: Work, leaving: list[Step]) -> None:
    if not leaving:
        return
    work.batch.flush_all(last=HOST)
    names, first = [step.fact.nodes[0] for step in leaving], leaving[0]
    leaving.clear()
    try:
        work.places.delete(names)
    except OSError as error:
        raise StepRefused(first, error.errno or 0, error.strerror or "") from error
