"""Plans as commands, run by `sh -e` on the real kernel in a made-up machine, and read back by `ip -j`."""

from __future__ import annotations

import json
from random import Random

import pytest

from netlab.facts import Address, Bridge, End, Facts, Namespace, Port, Program, facts_of, veth
from netlab.kernel.fake import FakeKernel
from netlab.names import GROUP
from netlab.plan import Action, Step, plan
from netlab.plan.commands import commands
from tests.kernel.ip_json import run, said
from tests.real_labs import kinds_here, stand_ins_here
from tests.strategies import edited, random_lab

pytestmark = pytest.mark.kernel

READ = ("netns", "bridge", "veth", "device", "port", "forwarding", "address", "route")


def script(want: Facts, have: Facts) -> tuple[str, ...]:
    return commands(plan(want, have).steps, "lab", sandboxed=True, stand_ins=stand_ins_here())


def check(have: Facts, want: Facts) -> None:
    """Hold what was read against what was wanted, field by field, nothing more and nothing less."""
    wanted = {key: fact for key, fact in want.items() if fact.family in READ}
    assert set(have) == set(wanted)
    for key, fact in wanted.items():
        assert not fact.differences(have[key]), (fact, have[key])


def nodes_of(lab: Facts) -> list[str]:
    return [node for family, node in (key[:2] for key in lab) if family == "netns"]


@pytest.mark.parametrize("seed", range(20))
def test_commands_make_a_random_lab_on_an_empty_machine(seed: int) -> None:
    want = random_lab(Random(seed), kinds=kinds_here())
    check(facts_of(run("lab", nodes_of(want), [script(want, {})])), want)


@pytest.mark.parametrize("seed", range(20))
def test_commands_change_a_random_lab_into_another(seed: int) -> None:
    rng = Random(1000 + seed)
    before = random_lab(rng, kinds=kinds_here())
    after = edited(before, rng, kinds=kinds_here())
    while not set(nodes_of(before)) <= set(nodes_of(after)):
        # The kernel takes a deleted namespace apart in its own time, so its veths may still be in the way.
        after = edited(before, rng, kinds=kinds_here())
    kernel = FakeKernel()
    kernel.do(plan(before, {}).steps)
    check(facts_of(run("lab", nodes_of(after), [script(before, {}), script(after, kernel.facts)])), after)


def test_devices_of_a_machines_own_host_are_in_the_group_and_marked() -> None:
    cable, port = veth(End("host", "v0"), End("a", "e0")), Port("host", "v0", "br0")
    want = (Namespace("a"), Bridge("host", "br0", mtu=1400), cable, port, Address("host", "br0", "10.0.0.1/24"))
    steps = [Step(Action.CREATE, fact) for fact in want]
    links = json.loads(said([*commands(steps, "lab", sandboxed=False), "ip -d -j link"]))
    marks = {link["ifname"]: (link["group"], link.get("ifalias")) for link in links}
    group = str(GROUP)
    assert (marks["br0"], marks["v0"]) == ((group, "netlab:lab/host/br0"), (group, "netlab:lab/host/v0"))
    assert marks["lo"] == ("default", None)


@pytest.mark.parametrize("node", ["a", "host"])
def test_a_program_runs_in_its_node_with_its_marks_until_it_is_deleted(node: str) -> None:
    where = "readlink /proc/self/ns/net"
    program = Program(node, f"{{ {where}; read none </run/none; }} >/run/fifo 2>&1 & wait")
    made = commands([Step(Action.CREATE, fact) for fact in (Namespace("a"), program)], "lab", sandboxed=False)
    gone = commands([Step(Action.DELETE, program)], "lab", sandboxed=False)
    there = where if node == "host" else f"ip netns exec lab-a {where}"
    # The child holds the fifo before it says where it is, and `cat` waits until it, too, has gone. Nobody starts
    # another program by then: the kernel shows a process without its environment for an instant while it does.
    listening = ["exec 3</run/fifo", "read said <&3", there]
    lines = ["mkfifo /run/fifo /run/none", *made, *listening, *gone, "cat <&3", 'echo "$said"']
    network, child = said(lines).split()
    assert child == network
