"""Steps about what happens to packets, done: addresses, routes and their rules, neighbours, impairments, chains."""

from __future__ import annotations

from netlab.facts import PROTOCOL, Address, Forwarding, Impairment, Neighbour, PolicyRule, Route
from netlab.kernel import encode
from netlab.kernel.capability import has_netem
from netlab.kernel.others import delete_forwarding, new_forwarding
from netlab.kernel.place import inside
from netlab.kernel.policy import delete_neighbour, delete_rule, new_neighbour, new_rule
from netlab.kernel.qdisc import delete_qdisc, new_qdisc
from netlab.kernel.work import Work
from netlab.plan.steps import Action, Step


def do_forwarding(work: Work, step: Step) -> None:
    """Queue what does a step about an entry of a VXLAN's forwarding table."""
    fact = step.fact
    assert isinstance(fact, Forwarding)
    place = work.places.get(fact.node)
    make = new_forwarding if step.action is Action.CREATE else delete_forwarding
    work.batch.message(place, step, make(fact, work.index(place, fact.device)))


def do_impairment(work: Work, step: Step) -> None:
    """Queue what does a step about what impairs a device."""
    fact = step.fact
    assert isinstance(fact, Impairment)
    place = work.places.get(fact.node)
    index = work.index(place, fact.device)
    if step.action is Action.DELETE:
        work.batch.message(place, step, delete_qdisc(index))
    else:
        work.batch.message(place, step, new_qdisc(fact, index, has_netem()))


def do_chain(work: Work, step: Step) -> None:
    """Queue what does a step about a chain of rules."""
    node = step.fact.nodes[0]
    steps = work.chains_of.pop(node, [])
    if not steps:
        return
    place = work.places.get(node)
    lab = work.places.lab

    def change() -> None:
        from netlab.kernel.nftables import change_chains

        with inside(place.fd):
            change_chains(lab, steps)

    work.batch.call(place, step, change)


def do_address(work: Work, step: Step) -> None:
    """Queue what does a step about an address."""
    fact = step.fact
    assert isinstance(fact, Address)
    place = work.places.get(fact.node)
    index = work.index(place, fact.device)
    if step.action is Action.CREATE:
        work.batch.message(place, step, encode.new_address(fact, index))
    else:
        work.batch.message(place, step, encode.delete_address(fact, index))


def do_route(work: Work, step: Step) -> None:
    """Queue what does a step about a route."""
    fact = step.fact
    assert isinstance(fact, Route)
    place = work.places.get(fact.node)
    if step.action is Action.DELETE:
        protocol = PROTOCOL if work.places.marked(fact.node) else 0
        work.batch.message(place, step, encode.delete_route(fact, protocol))
        return
    index = None if fact.device is None else work.index(place, fact.device)
    hops = [work.index(place, device) for _, device, _ in fact.hops]
    # A route of several ways may be there still, with some of them dead.
    make = encode.new_route if step.action is Action.CREATE and not hops else encode.change_route
    work.batch.message(place, step, make(fact, index, hops))


def do_policy_rule(work: Work, step: Step) -> None:
    """Queue what does a step about a policy rule."""
    fact = step.fact
    assert isinstance(fact, PolicyRule)
    make = delete_rule if step.action is Action.DELETE else new_rule
    work.batch.message(work.places.get(fact.node), step, make(fact))


def do_neighbour(work: Work, step: Step) -> None:
    """Queue what does a step about a neighbour."""
    fact = step.fact
    assert isinstance(fact, Neighbour)
    place = work.places.get(fact.node)
    make = delete_neighbour if step.action is Action.DELETE else new_neighbour
    work.batch.message(place, step, make(fact, work.index(place, fact.device)))
