"""Who reaches whom: what a pair comes to, which nodes are walked at once, and what is told of it all."""

from __future__ import annotations

from collections.abc import Hashable
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netlab.simulator import reach as reaching
from netlab.simulator.alike import classes_of
from netlab.simulator.compiling import network_of
from netlab.simulator.matrix import matrix_of, merged
from netlab.simulator.network import Choice, Ears, Entry, Hop, Network, Nic, Node
from netlab.simulator.ranges import in_ranges
from netlab.simulator.reach import Kind, Outcome, Reach, reach
from netlab.simulator.verdicts import Verdict
from netlab.simulator.views import changes_between, views_of
from netlab.topology import read
from tests.alike_labs import alike_lab

LEAVES = """
name: leaves
bridges: {lan: 10.0.0.0/24}
netns:
  n{1..6}: lan
"""


def network(text: str) -> Network:
    return network_of(read(text.strip().encode(), "lab.yml", sandboxed=True).facts)


def pair(text: str, source: str, target: str, kind: Kind = "icmp", port: int = 0, version: int = 4) -> Outcome:
    found = reach(network(text), kind, port).between(source, target, 6 if version == 6 else 4)
    assert found is not None
    return found


def classes(text: str, **nodes: str) -> list[str]:
    """Give the classes of LEAVES with some nodes said otherwise, and sections more, as ranges."""
    said = "".join(f"  {name}: {value}\n" for name, value in nodes.items())
    return [
        ",".join(in_ranges(members)) for members in classes_of(network(text.replace("netns:\n", f"netns:\n{said}")))
    ]


# -- one pair


def test_an_answer_must_come_back() -> None:
    text = """
name: back
host: {forwarding: true}
bridges: {one: 10.0.1.0/24, two: 10.0.2.0/24}
netns:
  a: one
  b: {interfaces: {eth0: {bridge: two}}}
"""
    there = pair(text, "a", "b")
    assert (there.reaches, there.back, there.end.verdict, there.end.node) == (False, True, Verdict.NO_ROUTE, "b")
    back = pair(text, "b", "a")
    assert (back.reaches, back.back, back.end.verdict, back.end.node) == (False, False, Verdict.NO_ROUTE, "b")


TWO_ADDRESSES = """
name: two
netns:
  a: {interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24}}}
  b: {interfaces: {lo: {address: ADDRESS}, eth0: {address: 10.0.0.2/24}}}
"""


def test_of_several_addresses_the_first_that_is_reached_counts() -> None:
    assert pair(TWO_ADDRESSES.replace("ADDRESS", "192.0.2.7/32"), "a", "b").address == "10.0.0.2"
    assert pair(TWO_ADDRESSES.replace("ADDRESS", "10.0.0.7/32"), "a", "b").address == "10.0.0.7"


def test_where_none_is_reached_the_first_one_tells_why() -> None:
    text = TWO_ADDRESSES.replace("ADDRESS", "192.0.2.7/32").replace("address: 10.0.0.2/24", "address: 10.0.9.2/24")
    found = pair(text, "a", "b")
    assert (found.reaches, found.address, found.end.verdict) == (False, "192.0.2.7", Verdict.NO_ROUTE)


def test_an_address_that_a_third_answers_for_is_not_reached() -> None:
    # The second holder is in a namespace of its own bridge; the sender's own link has the first.
    text = """
name: twice
bridges: {lan: {address: 10.0.0.254/24}, far: {}}
netns:
  a: {interfaces: {eth0: {bridge: lan, address: 10.0.0.1/24}}}
  b: {interfaces: {eth0: {bridge: far, address: 10.0.0.2/24}}}
  c: {interfaces: {eth0: {bridge: lan, address: 10.0.0.3/24}}}
"""
    facts = dict(read(text.strip().encode(), "lab.yml", sandboxed=True).facts)
    third = next(fact for fact in facts.values() if fact.family == "address" and fact.nodes == ("c",))
    del facts[third.key]
    twin = type(third)("c", "eth0", "10.0.0.2/24")  # type: ignore[call-arg]
    found = reach(network_of({**facts, twin.key: twin})).between("a", "b")
    assert found is not None
    assert (found.reaches, found.back, found.end.verdict, found.end.node) == (False, False, Verdict.DELIVERED, "c")


PUBLISHED = """
name: published
netns:
  gw:
    forwarding: true
    bridges: {docker0: 172.17.0.1/16}
    interfaces: {eth0: {peer: "out:eth0", address: 192.168.0.8/24}}
    nat: [{publish: {port: 8080, to: "web:80"}}]
    firewall: {forward: {policy: drop}}
  web: "gw:docker0"
  out: {interfaces: {eth0: {address: 192.168.0.1/24}}, routes: [{to: 172.17.0.0/16, via: 192.168.0.8}]}
"""


def test_a_published_port_is_reached_where_a_translation_leads() -> None:
    assert pair(PUBLISHED, "out", "gw", "tcp", 8080).reaches
    assert pair(PUBLISHED, "out", "gw", "tcp", 80).reaches
    refused = pair(PUBLISHED, "out", "web", "tcp", 81)
    assert (refused.reaches, refused.end.verdict, refused.end.node) == (False, Verdict.FILTERED, "gw")
    assert pair(PUBLISHED, "web", "gw", "udp", 53).reaches


def test_both_versions_are_told_apart() -> None:
    text = """
name: dual
netns:
  a: {interfaces: {eth0: {peer: "b:eth0", addresses: [10.0.0.1/24, "fd00::1/64"]}}}
  b: {interfaces: {eth0: {addresses: [10.0.0.2/24, "fd00::2/64"]}}, firewall: {input: {drop: [{from: "fd00::1"}]}}}
"""
    found = reach(network(text))
    outcomes = [found.between("a", "b", version) for version in (4, 6)]
    assert [one.reaches for one in outcomes if one is not None] == [True, False]
    assert [view.version for view in views_of(found)] == [4, 6]


def test_a_loop_is_told_as_one() -> None:
    text = """
name: loop
netns:
  a: {interfaces: {eth0: {peer: "r:eth0", address: 10.0.0.1/24}}, gateway: 10.0.0.2}
  r:
    forwarding: true
    interfaces: {eth0: {address: 10.0.0.2/24}, eth1: {peer: "s:eth0", address: 10.0.1.1/24}}
    routes: [{to: 10.9.0.0/16, via: 10.0.1.2}]
  s: {forwarding: true, interfaces: {eth0: {address: 10.0.1.2/24}, lo: {address: 10.8.0.1/32}}, gateway: 10.0.1.1}
  b: {interfaces: {lo: {address: 10.9.0.1/32}}}
"""
    assert pair(text, "a", "b").end.verdict is Verdict.LOOP


def test_nodes_without_an_address_are_in_no_pair() -> None:
    found = reach(network("name: few\nnetns:\n  a: {}\n  b: {}\n"))
    assert (found.cells, views_of(found)) == ({}, ())
    assert found.between("a", "b") is None


# -- classes


def test_leaves_of_a_bridge_are_one_class() -> None:
    assert classes(LEAVES) == ["host", "n{1..6}"]


@pytest.mark.parametrize(
    ("section", "alone"),
    [
        ("host: {routes: [{to: 10.9.0.0/16, via: 10.0.0.4}]}", "n3"),
        ("host: {firewall: {forward: {drop: [{from: 10.0.0.4}]}}}", "n3"),
        ("host: {firewall: {input: {drop: [{from: 10.0.0.4/31}]}}}", "n3,n4"),
        ('host: {nat: [{publish: {port: 80, to: "n3:80"}}]}', "n3"),
        ("host: {rules: [{from: 10.0.0.4/32, table: 100, priority: 9}]}", "n3"),
        ('host: {neighbours: [{address: 10.0.0.4, mac: "02:00:00:00:00:01", dev: lan}]}', "n3"),
    ],
)
def test_who_is_mentioned_stands_apart(section: str, alone: str) -> None:
    found = classes(LEAVES.replace("name: leaves\n", f"name: leaves\n{section}\n"))
    assert alone in found
    assert len(found) == 3


@pytest.mark.parametrize(
    "other",
    [
        "{interfaces: {eth0: {bridge: lan}}}",
        "{interfaces: {eth0: {bridge: lan, mtu: 1400}}, gateway: auto}",
        "{interfaces: {eth0: {bridge: lan}}, gateway: auto, forwarding: true}",
        "{interfaces: {eth0: {bridge: lan, impair: {loss: 10%}}}, gateway: auto}",
        "{interfaces: {eth0: {bridge: lan}}, gateway: auto, routes: [{to: 192.0.2.0/24, blackhole: true}]}",
        "{interfaces: {eth0: {bridge: lan}}, gateway: auto, sysctls: {net.ipv4.icmp_echo_ignore_all: 1}}",
        "{interfaces: {eth0: {bridge: lan}}, gateway: auto, firewall: {input: {policy: drop}}}",
        '{interfaces: {eth0: {bridge: lan, addresses: [10.0.0.9/24, "fd00::1/64"]}}, gateway: auto}',
    ],
)
def test_who_is_otherwise_stands_apart(other: str) -> None:
    assert "odd" in classes(LEAVES, odd=other)


def test_a_second_who_is_otherwise_in_the_same_way_is_its_like() -> None:
    other = "{interfaces: {eth0: {bridge: lan}}, gateway: auto, firewall: {input: {drop: [{in: eth0}]}}}"
    assert "odd,even" in classes(LEAVES, odd=other, even=other)


def test_a_signature_speaks_of_everything_that_a_network_has() -> None:
    """A field that is new to the engine must be given its place in alike.py, and then here."""
    assert {kind: tuple(kind.__dataclass_fields__) for kind in (Network, Node, Nic, Entry, Hop, Choice)} == {
        Network: ("nodes", "ears", "budget"),
        Node: (
            *("name", "devices", "settings", "tables", "choices", "neighbours"),
            *("chains", "tracks", "addresses", "anycast"),
        ),
        Nic: (
            *("node", "name", "kind", "mac", "key", "mtu", "up", "peer", "lower", "uppers", "options", "master"),
            *("port", "members", "filtering", "closed", "addresses", "impairment", "remotes"),
        ),
        Entry: ("to", "length", "kind", "table", "hops", "metric", "source", "mtu", "key"),
        Hop: ("via", "nic", "weight"),
        Choice: ("priority", "action", "table", "fact", "of_vrf"),
    }


def test_a_large_lab_is_few_walks(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[tuple[str, str]] = []
    really = reaching.outcome_of

    def counted(network: Network, source: str, target: str, *rest: object) -> Outcome:
        walked.append((source, target))
        return really(network, source, target, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(reaching, "outcome_of", counted)
    found = reach(network(LEAVES.replace("/24", "/16").replace("n{1..6}", "n{1..400}")))
    assert walked == [("host", "n1"), ("n1", "host"), ("n1", "n2")]
    (view,) = views_of(found)
    assert (view.pairs, view.reaching) == (401 * 400, 401 * 400)


# -- a question is asked where it can be answered


@settings(deadline=None, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_asking_those_who_could_answer_is_as_good_as_asking_everybody(rng: Random) -> None:
    facts = alike_lab(rng)
    few, all_ = network_of(facts), network_of(facts)
    for node in all_.nodes.values():
        for bridge in (nic for nic in node.devices.values() if nic.kind == "bridge"):
            all_.ears[bridge] = Ears(tuple(bridge.members), list(range(len(bridge.members))))
    alone = tuple((name,) for name in few.nodes)
    outcomes = [reaching.reach_between(one, alone, "icmp", 0).cells for one in (few, all_)]
    assert outcomes[0] == outcomes[1]


# -- groups, reasons, names


labels = st.integers(1, 7).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(1, 3), min_size=count, max_size=count),
        st.lists(st.lists(st.booleans(), min_size=count, max_size=count), min_size=count, max_size=count),
    )
)


@given(labels)
@example(([1, 1, 1], [[True, True, True]] * 3))
def test_groups_say_the_same_as_the_classes(drawn: tuple[list[int], list[list[bool]]]) -> None:
    sizes, said = drawn

    def label(i: int, j: int) -> Hashable:
        return None if i == j and sizes[i] == 1 else said[i][j]

    groups = merged(sizes, label)
    assert sorted(number for group in groups for number in group) == list(range(len(sizes)))
    matrix = matrix_of(groups, sizes, label)
    places = {number: place for place, group in enumerate(groups) for number in group}
    for i in range(len(sizes)):
        for j in range(len(sizes)):
            if label(i, j) is not None:
                assert matrix[places[i]][places[j]] == label(i, j)
    # No two groups could be one.
    for one in range(len(groups)):
        for other in range(one):
            rows = all(
                matrix[one][k] == matrix[other][k] and matrix[k][one] == matrix[k][other]
                for k in range(len(groups))
                if k not in (one, other)
            )
            inner = {matrix[a][b] for a in (one, other) for b in (one, other)} - {None}
            assert not rows or len(inner) > 1


@settings(deadline=None, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_a_view_says_of_every_pair_what_the_walks_said(rng: Random) -> None:
    found = reach(network_of(alike_lab(rng)))
    for view in views_of(found):
        places = {name: place for place, group in enumerate(view.groups) for name in group}
        told = {
            (source, target): view.matrix[places[source]][places[target]]
            for source in places
            for target in places
            if source != target
        }
        for (source, target), said in told.items():
            outcome = found.between(source, target, view.version)
            assert (said is None) == (outcome is None)
            if outcome is not None and said is not None:
                assert (said is True) == outcome.reaches
                if said is not True:
                    reason = view.reasons[said].outcome
                    assert (reason.end.verdict, reason.back) == (outcome.end.verdict, outcome.back)
        kinds = [said for said in told.values() if said is not None]
        assert (view.pairs, view.reaching) == (len(kinds), sum(said is True for said in kinds))
        counts = [sum(said == number and said is not True for said in kinds) for number in range(len(view.reasons))]
        assert [reason.pairs for reason in view.reasons] == counts


@settings(deadline=None, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_changes_are_all_the_pairs_that_change_and_no_others(rng: Random) -> None:
    before, after = (reach(network_of(alike_lab(rng))) for _ in range(2))
    changes = changes_between(before, after)
    told: dict[tuple[int, str, str], bool] = {}
    for way in changes.ways:
        pairs = {(a, b) for part in way.parts for a in part.sources for b in part.targets if a != b}
        assert len(pairs) == way.pairs
        assert (way.source, way.target) in pairs
        for a, b in pairs:
            assert (way.version, a, b) not in told
            told[way.version, a, b] = way.opens
    assert told == dict(changed_pairs(before, after))


def changed_pairs(before: Reach, after: Reach) -> list[tuple[tuple[int, str, str], bool]]:
    def reaches(found: Reach, source: str, target: str, version: int) -> bool:
        outcome = found.between(source, target, 6 if version == 6 else 4)
        return outcome is not None and outcome.reaches

    both = [name for name in after.numbers if name in before.numbers]
    pairs = [(version, a, b) for version in (4, 6) for a in both for b in both if a != b]
    return [
        ((version, a, b), reaches(after, a, b, version))
        for version, a, b in pairs
        if reaches(before, a, b, version) != reaches(after, a, b, version)
    ]


def test_nodes_that_come_and_go_are_told() -> None:
    before, after = network(LEAVES), network(LEAVES.replace("n{1..6}", "n{2..7}"))
    changes = changes_between(reach(before), reach(after))
    assert (changes.added, changes.removed, changes.ways) == (("n7",), ("n1",), ())


def test_what_had_no_address_before_has_no_reason() -> None:
    a, b = '{interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1/24}}}', "{interfaces: {eth0: {}}}"
    text = f"name: later\nnetns:\n  a: {a}\n  b: {b}\n"
    before, after = (reach(network(one)) for one in (text, text.replace("eth0: {}", "eth0: {address: 10.0.0.2/24}")))
    (one,) = changes_between(before, after).ways
    assert (one.opens, one.outcome, one.pairs) == (True, None, 2)
    (other,) = changes_between(after, before).ways
    assert (other.opens, other.outcome, other.pairs) == (False, None, 2)


names = st.lists(
    st.tuples(st.sampled_from(("a", "b-1-", "c0", "")), st.integers(0, 12), st.sampled_from(("", "z"))).map(
        lambda parts: "".join(map(str, parts))
    ),
    unique=True,
)


@given(names)
def test_ranges_are_all_the_names_and_no_others(drawn: list[str]) -> None:
    assert sorted(name for word in in_ranges(drawn) for name in expanded(word)) == sorted(drawn)


def expanded(word: str) -> list[str]:
    before, brace, rest = word.partition("{")
    if not brace:
        return [word]
    inner, _, after = rest.partition("}")
    low, high = map(int, inner.split(".."))
    return [name for number in range(low, high + 1) for name in expanded(f"{before}{number}{after}")]
