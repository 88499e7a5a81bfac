"""Steps about what happens to packets as commands: addresses, routes, their rules, neighbours, impairments, chains."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.facts import (
    MAIN_TABLE,
    PROTOCOL,
    Address,
    Chain,
    Forwarding,
    Impairment,
    Neighbour,
    PolicyRule,
    Route,
)
from netlab.facts.impairment import bits_of, burst_of
from netlab.names import table_name
from netlab.plan.shell import Shell
from netlab.plan.steps import Action, Step

#: What tbf is told besides a rate and a bucket: a twentieth of a second of queue.
_TBF_LATENCY = "50ms"
#: IP6_RT_PRIO_USER (include/net/ip6_fib.h): what metric 0 is in IPv6.
_IPV6_METRIC = 1024


def address_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about an address."""
    fact = step.fact
    assert isinstance(fact, Address)
    verb = "delete" if step.action is Action.DELETE else "add"
    untested = ["nodad"] if verb == "add" and fact.version == 6 else []
    words = ["address", verb, fact.address, "dev", fact.device, *untested]
    yield shell.ip(fact.node, *words)


def route_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about a route."""
    fact = step.fact
    assert isinstance(fact, Route)
    verb = {Action.CREATE: "add", Action.UPDATE: "replace", Action.DELETE: "delete"}[step.action]
    to = "default" if fact.to in ("0.0.0.0/0", "::/0") else fact.to
    words = ["-6"] if fact.version == 6 else []
    words += ["route", verb, *([fact.kind] if fact.kind != "unicast" else []), to]
    if verb != "delete":
        words += _way(fact)
    if fact.table != MAIN_TABLE:
        words += ["table", str(fact.table)]
    metric = fact.metric
    if verb == "delete" and fact.version == 6:
        # Without a metric, IPv6 would delete the first route to the same place, the kernel's own perhaps.
        metric = metric or _IPV6_METRIC
    if metric:
        words += ["metric", str(metric)]
    yield shell.ip(fact.node, *words, "proto", str(PROTOCOL), *([] if verb == "delete" else _ways(fact)))


def policy_rule_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about a policy rule."""
    fact = step.fact
    assert isinstance(fact, PolicyRule)
    words = ["-6"] if fact.version == 6 else []
    verb = "delete" if step.action is Action.DELETE else "add"
    if fact.other is not None:
        yield shell.ip(fact.node, *words, "rule", verb, "priority", str(fact.priority))
        return
    own = ["protocol", str(PROTOCOL)] if verb == "add" else []
    yield shell.ip(fact.node, *words, "rule", verb, *fact.words().split(), "priority", str(fact.priority), *own)


def neighbour_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about a neighbour."""
    fact = step.fact
    assert isinstance(fact, Neighbour)
    verb = "delete" if step.action is Action.DELETE else "replace"
    known = [] if verb == "delete" else ["lladdr", fact.mac, "nud", "permanent"]
    yield shell.ip(fact.node, "neighbour", verb, fact.address, *known, "dev", fact.device)


def forwarding_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about an entry of a VXLAN's forwarding table."""
    fact = step.fact
    assert isinstance(fact, Forwarding)
    verb = "delete" if step.action is Action.DELETE else "append"
    yield shell.tool("bridge", fact.node, "fdb", verb, fact.mac, "dev", fact.device, "dst", fact.to)


def impairment_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Give the commands for a step about what impairs a device."""
    fact = step.fact
    assert isinstance(fact, Impairment)
    if step.action is Action.DELETE:
        yield shell.tool("tc", fact.node, "qdisc", "delete", "dev", fact.device, "root")
    elif "netem" in shell.stand_ins and fact.slows_only:
        slow = ["rate", str(fact.rate), "burst", str(burst_of(bits_of(str(fact.rate)))), "latency", _TBF_LATENCY]
        yield shell.tool("tc", fact.node, "qdisc", "replace", "dev", fact.device, "root", "tbf", *slow)
    else:
        yield shell.tool("tc", fact.node, "qdisc", "replace", "dev", fact.device, "root", "netem", *fact.words())


def chain_lines(shell: Shell, step: Step) -> Iterator[str]:
    """Say a chain as a whole: without handles nobody could name the rules that stay."""
    fact = step.fact
    assert isinstance(fact, Chain)
    place = f"inet {table_name(shell.lab)}"
    if step.action is Action.DELETE:
        yield shell.within(fact.node, "nft", f"flush chain {place} {fact.name}; delete chain {place} {fact.name}")
        return
    hook = f"type {fact.kind} hook {fact.hook} priority {fact.priority}; policy {fact.policy};"
    lines = [f"add table {place}", f"add chain {place} {fact.name} {{ {hook} }}"]
    lines += [f"flush chain {place} {fact.name}"] if step.action is Action.UPDATE else []
    lines += [f"add rule {place} {fact.name} {rule}" for rule in fact.rules]
    yield shell.within(fact.node, "nft", "; ".join(lines))


def _way(route: Route) -> list[str]:
    """Give the words that say where a route leads."""
    words = [*(["via", route.via] if route.via else []), *(["dev", route.device] if route.device else [])]
    words += ["src", route.source] if route.source else []
    words += ["onlink"] if route.onlink else []
    words += ["mtu", str(route.mtu)] if route.mtu else []
    return words


def _ways(route: Route) -> list[str]:
    """Give the words for the ways of a route of several; they come last."""
    found = []
    for via, device, weight in route.hops:
        found += ["nexthop", *(["via", via] if via else []), "dev", device, "weight", str(weight)]
    return found
