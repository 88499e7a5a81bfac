"""A packet's way, from a file into a drawing: what is told of the trace, where, and in which words."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from netlab import app
from netlab.app.drawn_way import way_of
from netlab.app.simulated import subject_of
from netlab.app.tracing import trace_in
from netlab.diagram import Note, Stop, Way, render
from netlab.errors import UsageError
from netlab.facts import Address

LAB = """\
name: shop
netns:
  machine:
    forwarding: true
    bridges: {docker0: 172.17.0.1/16}
    interfaces: {eth0: {peer: "outside:eth0", address: 192.168.0.8/24, mtu: 1400}}
    nat:
      - masquerade: {from: 172.17.0.0/16, out: eth0}
      - publish: {port: 8080, to: "web:80"}
    firewall:
      forward: {policy: drop, accept: [{in: docker0}, {established: true}]}
  web: {bridge: "machine:docker0", run: [python3 -m http.server 80]}
  outside:
    interfaces: {eth0: {address: 192.168.0.1/24, mtu: 1400}}
    routes: [{to: 172.17.0.0/16, via: 192.168.0.8}, {to: 203.0.113.0/24, via: 192.168.0.8}]
checks:
  - tcp: outside -> 192.168.0.8:8080
"""
TOPOLOGIES = Path(__file__).parents[3] / "topologies"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "shop.yml"
    path.write_text(LAB)
    return str(path)


def way(file: str, source: str, destination: str, kind: str = "icmp", port: int = 0, size: int | None = None) -> Way:
    return way_of(trace_in(subject_of(file), source, destination, kind=kind, port=port, size=size))


def test_an_answered_ping_is_translated_there_and_back(file: str) -> None:
    found = way(file, "web", "outside")
    assert (found.title, found.outcome, found.well, found.mend) == (
        "ping web → outside (192.168.0.1)",
        "it is answered",
        True,
        "",
    )
    assert found.there.words == "172.17.0.2 → 192.168.0.1 echo request"
    assert found.there.notes == (Note("machine", None, "172.17.0.2 becomes 192.168.0.8"),)
    assert found.there.stop == Stop("outside", "eth0", "tick", "delivered")
    assert found.back is not None
    assert found.back.notes == (Note("machine", None, "192.168.0.8 becomes 172.17.0.2 again"),)
    assert found.back.stop == Stop("web", "eth0", "tick", "echo reply")
    assert [(hop.node, hop.device, hop.leaves) for hop in found.back.hops][:3] == [
        ("outside", "eth0", True),
        ("machine", "eth0", False),
        ("machine", "docker0", True),
    ]


def test_what_forwarding_filters_is_lost_between_two_devices(file: str) -> None:
    found = way(file, "outside", "web")
    assert (found.back, found.well) == (None, False)
    assert found.there.stop == Stop(
        "machine", None, "cross", "filtered", "chain filter-forward: policy drop", "shop.yml:11"
    )
    assert found.outcome.endswith("policy drop; the sender hears nothing")
    assert found.mend == "accept it before that rule"


def test_what_is_filtered_on_its_way_in_is_lost_at_the_device(file: str, tmp_path: Path) -> None:
    text = LAB.replace("forward: {policy", "input: {drop: [{from: 192.168.0.1}]}\n      forward: {policy")
    changed = tmp_path / "changed.yml"
    changed.write_text(text)
    stop = way(str(changed), "outside", "192.168.0.8").there.stop
    assert (stop.node, stop.device, stop.verdict) == ("machine", "eth0", "filtered")
    assert way(str(changed), "web", "192.168.0.8").well


def test_an_icmp_error_is_what_comes_back(file: str) -> None:
    found = way(file, "outside", "203.0.113.1")
    assert (found.there.stop.mark, found.there.stop.device, found.there.stop.verdict) == ("cross", None, "no-route")
    assert found.back is not None
    assert found.back.stop == Stop("outside", "eth0", "told", "icmp net unreachable")
    assert found.outcome == "no-route: machine has no route to 203.0.113.1; the sender is told so"


def test_what_the_sender_tells_itself_is_no_way_back(file: str) -> None:
    found = way(file, "web", "172.17.0.99")
    assert (found.there.hops, found.there.stop.verdict, found.back) == ((), "no-neighbour", None)


def test_an_answer_that_is_lost_is_the_way_back(file: str, tmp_path: Path) -> None:
    changed = tmp_path / "changed.yml"
    changed.write_text(
        LAB.replace("policy: drop, accept: [{in: docker0}, {established: true}]", "drop: [{in: docker0}]")
    )
    found = way(str(changed), "outside", "web")
    assert found.there.stop.mark == "tick"
    assert found.back is not None
    assert (found.back.stop.mark, found.back.stop.node, found.back.stop.device) == ("cross", "machine", None)
    assert found.outcome.startswith("filtered: on the way back: machine: chain filter-forward")


@pytest.mark.parametrize(
    ("port", "mark", "verdict", "words"),
    [
        (8080, "tick", "tcp syn-ack 80 → 49152", "the connection opens"),
        (8081, "told", "tcp rst 8081 → 49152", "refused"),
    ],
)
def test_a_connection_opens_or_is_refused(file: str, port: int, mark: str, verdict: str, words: str) -> None:
    found = way(file, "outside", "192.168.0.8", "tcp", port)
    assert found.title == f"tcp {port} outside → 192.168.0.8"
    assert found.back is not None
    assert (found.back.stop.mark, found.back.stop.verdict) == (mark, verdict)
    assert found.outcome.endswith(words)


def test_what_changes_a_packet_is_noted_at_its_device(file: str) -> None:
    found = way(file, "web", "outside", size=1500)
    assert Note("machine", "eth0", "takes it apart: the MTU of eth0 is 1400") in found.there.notes
    tunnel = way(str(TOPOLOGIES / "k8s-two-nodes.yml"), "pod1", "pod3")
    assert tunnel.there.notes == (
        Note("node1", "flannel.1", "carries it to 192.168.50.2, VXLAN 1"),
        Note("node2", "flannel.1", "takes it out of VXLAN 1"),
    )


def test_the_drawing_of_a_file_has_its_packets_way_on_it(file: str) -> None:
    found = app.diagram(file, format="dot", trace=("web", "outside")).decode()
    assert ">172.17.0.2 becomes 192.168.0.8<" in found
    assert 'tooltip="1: web eth0 → machine:docker0 ' in found
    mermaid = app.diagram(file, format="mermaid", trace=("outside", "192.168.0.8"), kind="tcp", port=8080).decode()
    assert "tcp 8080 outside → 192.168.0.8: the connection opens" in mermaid
    assert app.diagram(file, format="dot", trace=("web", "outside")).decode() == found


@pytest.mark.parametrize(
    ("trace", "more", "words"),
    [
        (("web", "nobody"), {}, "no node 'nobody'"),
        (("wen", "outside"), {}, "write web"),
        (("web", "outside"), {"plan": True}, "--trace"),
    ],
)
def test_a_way_that_makes_no_sense(file: str, trace: tuple[str, str], more: dict[str, bool], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        app.diagram(file, format="dot", trace=trace, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", sorted(TOPOLOGIES.glob("*.yml")), ids=lambda path: path.stem)
def test_dot_draws_a_way_through_every_example(path: Path) -> None:
    facts = subject_of(str(path)).facts.values()
    nodes = list(dict.fromkeys(fact.node for fact in facts if isinstance(fact, Address) and fact.device != "lo"))
    for ends in list(permutations((nodes[0], nodes[1], nodes[-1]), 2))[:: 1 if len(nodes) < 20 else 4]:
        text = app.diagram(str(path), format="dot", trace=ends)
        assert f"ping {ends[0]} → {ends[1]}" in text.decode()
        assert render(text.decode(), "svg")
