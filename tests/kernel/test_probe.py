"""Every expectation of every check, and capture, against the real kernel: see probe_sandbox for the network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

from netlab.probe.server import check_of
from tests.kernel.probe_sandbox import Sandbox, check, held, packets_of

pytestmark = pytest.mark.kernel

families = pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Give the network, in namespaces of root's own, or in a user namespace where there is no root."""
    made = Sandbox("-nm" if os.geteuid() == 0 else "-Urnm")
    yield made
    made.close()


# What comes back, by kind and family


@families
def test_ping_reply(sandbox: Sandbox, family: int) -> None:
    nodes = ("a", "r1", "r2", "b")
    verdicts = sandbox.run(*(check("ping", source, target, family) for source in nodes for target in ("a", "b")))
    assert all(held(verdict) for verdict in verdicts)


@families
@pytest.mark.parametrize(
    ("source", "target", "expect", "by"),
    [
        ("a", "nowhere", "no-route", "r1"),
        ("r1", "nowhere", "no-route", "r1"),
        ("a", "prohibited", "unreachable", "r1"),
        ("r1", "prohibited", "unreachable", "r1"),
        ("a", "neighbour", "unreachable", "a"),
        ("a", "absent", "unreachable", "r2"),
        ("a", "loop", "ttl-exceeded", None),
        ("a", "blackhole", "timeout", None),
        ("r1", "blackhole", "timeout", None),
    ],
)
def test_ping_without_a_reply(
    sandbox: Sandbox, family: int, source: str, target: str, expect: str, by: str | None
) -> None:
    asked = check("ping", source, target, family, expect=expect, by=by)
    assert held(sandbox.one(asked))


@families
def test_a_timeout_waits_its_second_and_an_answer_breaks_it_at_once(sandbox: Sandbox, family: int) -> None:
    silence = sandbox.one(check("ping", "a", "blackhole", family, expect="timeout"))
    assert silence["elapsed"] >= 1.0
    broken = sandbox.one(check("ping", "a", "b", family, expect="timeout"))
    assert (broken["ok"], broken["outcome"]) == (False, "reply")
    assert broken["elapsed"] < 0.9


def test_a_neighbour_that_is_not_there_is_no_timeout(sandbox: Sandbox) -> None:
    verdict = sandbox.one(check("ping", "a", "neighbour", expect="timeout"))
    assert (verdict["ok"], verdict["outcome"]) == (False, "unreachable")
    assert "nobody answered ARP for 10.0.1.77 on eth0" in verdict["hint"]


@families
def test_who_answers_counts(sandbox: Sandbox, family: int) -> None:
    verdict = sandbox.one(check("ping", "a", "nowhere", family, expect="no-route", by="r2"))
    assert not verdict["ok"]
    assert verdict["received"].endswith("and not from r2")


@families
@pytest.mark.parametrize(
    ("target", "expect"),
    [
        ("b", "open"),
        ("b", "refused"),
        ("blackhole", "filtered"),
        ("prohibited", "filtered"),
        ("a", "open"),
        ("a", "refused"),
    ],
)
def test_tcp(sandbox: Sandbox, family: int, target: str, expect: str) -> None:
    assert held(sandbox.one(check("tcp", "a", target, family, port=80, expect=expect)))


@families
@pytest.mark.parametrize(
    ("target", "outcome"), [("nowhere", "no-route"), ("loop", "ttl-exceeded"), ("neighbour", "unreachable")]
)
def test_tcp_is_filtered_only_where_somebody_filters(sandbox: Sandbox, family: int, target: str, outcome: str) -> None:
    verdict = sandbox.one(check("tcp", "a", target, family, port=80, expect="filtered"))
    assert (verdict["ok"], verdict["outcome"]) == (False, outcome)


@families
@pytest.mark.parametrize(
    ("target", "expect", "more"),
    [
        ("b", "reply", {}),
        ("b", "reply", {"send": "ping"}),
        ("b", "reply", {"send": "ping", "reply": "pong"}),
        ("b", "refused", {}),
        ("blackhole", "timeout", {}),
    ],
)
def test_udp(sandbox: Sandbox, family: int, target: str, expect: str, more: dict[str, str]) -> None:
    assert held(sandbox.one(check("udp", "a", target, family, port=53, expect=expect, **more)))


@families
def test_arp(sandbox: Sandbox, family: int) -> None:
    assert held(sandbox.one(check("arp", "a", "r1", family, device="eth0")))
    assert held(sandbox.one(check("arp", "a", "neighbour", family, device="eth0", expect="timeout")))
    # b is not a neighbour of a.
    assert held(sandbox.one(check("arp", "a", "b", family, device="eth0", expect="timeout")))


def test_arp_on_a_device_that_is_not_there_meets_no_expectation(sandbox: Sandbox) -> None:
    verdict = sandbox.one(check("arp", "a", "r1", device="eth9", expect="timeout"))
    assert (verdict["ok"], verdict["outcome"]) == (False, "impossible")
    assert verdict["hint"] == "a has no device eth9"


# Honesty: the sender's own routing and filter apply


@pytest.fixture
def rules_of_a(sandbox: Sandbox) -> Iterator[Callable[[str], None]]:
    """Give a way to add policy rules to a, which are gone afterwards."""
    added = []

    def add(rule: str) -> None:
        for family in ("-4", "-6"):
            sandbox.sh(f"ip {family} -n a rule add {rule} priority 100")
            added.append(f"ip {family} -n a rule del {rule} priority 100")

    yield add
    for command in added:
        sandbox.sh(command)


@families
@pytest.mark.parametrize(("action", "outcome"), [("prohibit", "unreachable"), ("blackhole", "timeout")])
def test_a_rule_of_the_sender_stops_its_probes(
    sandbox: Sandbox, rules_of_a: Callable[[str], None], family: int, action: str, outcome: str
) -> None:
    rules_of_a(action)
    for kind, more in (("ping", {}), ("udp", {"port": 53})):
        verdict = sandbox.one(check(kind, "a", "b", family, **more))
        assert (verdict["ok"], verdict["outcome"]) == (False, outcome)
        assert f"of a {'prohibits' if action == 'prohibit' else 'swallows'}" in verdict["hint"]
    verdict = sandbox.one(check("tcp", "a", "b", family, port=80, expect="open"))
    assert (verdict["ok"], verdict["outcome"]) == (False, "filtered")


@pytest.fixture
def filter_of_a(sandbox: Sandbox) -> Iterator[Callable[[str, str], None]]:
    """Give a way to add a drop to a's filter, which is gone afterwards."""
    if shutil.which("nft") is None:
        pytest.skip("needs nft")

    def drop(hook: str, match: str) -> None:
        chain = f"add chain inet t c {{ type filter hook {hook} priority 0; }}"
        sandbox.sh(f"ip netns exec a nft 'add table inet t; {chain}; add rule inet t c {match} drop'")

    yield drop
    sandbox.sh("ip netns exec a nft delete table inet t")


@families
def test_a_ping_that_the_sender_s_own_filter_drops_fails(
    sandbox: Sandbox, filter_of_a: Callable[[str, str], None], family: int
) -> None:
    assert held(sandbox.one(check("ping", "a", "b", family)))
    filter_of_a("output", "icmp type echo-request" if family == 0 else "icmpv6 type echo-request")
    verdict = sandbox.one(check("ping", "a", "b", family))
    assert (verdict["ok"], verdict["outcome"]) == (False, "timeout")
    assert verdict["hint"] == "a's own output filter drops it"
    assert "Operation not permitted" in verdict["received"]


@families
def test_an_answer_that_the_sender_s_own_filter_drops_is_seen_and_does_not_count(
    sandbox: Sandbox, filter_of_a: Callable[[str, str], None], family: int
) -> None:
    filter_of_a("input", "icmp type echo-reply" if family == 0 else "icmpv6 type echo-reply")
    verdict = sandbox.one(check("ping", "a", "b", family))
    assert (verdict["ok"], verdict["outcome"]) == (False, "timeout")
    assert "an answer (echo reply) did reach eth0 of a and was dropped there" in verdict["hint"]


def test_a_connection_that_the_sender_s_own_filter_drops_is_filtered(
    sandbox: Sandbox, filter_of_a: Callable[[str, str], None]
) -> None:
    filter_of_a("output", "tcp dport 80")
    assert held(sandbox.one(check("tcp", "a", "b", port=80, expect="filtered")))
    assert held(sandbox.one(check("tcp", "a", "b", port=81, expect="open")))


# Listeners


def test_a_listener_is_bound_to_the_target_address_and_never_started_for_refused(sandbox: Sandbox) -> None:
    opened, refused = sandbox.run(
        check("tcp", "a", "b", port=80, expect="open"), check("tcp", "r1", "b", port=80, expect="refused")
    )
    assert held(opened)
    assert held(refused)
    assert opened["events"][0]["what"] == "listener"
    assert "listener" not in [event["what"] for event in refused["events"]]


def test_a_listener_of_the_user_is_used(sandbox: Sandbox) -> None:
    sandbox.order(do="listen", node="b", address="0.0.0.0", port=80)
    try:
        opened = sandbox.run(check("tcp", "a", "b", port=80, expect="open"))[0]
        refused = sandbox.run(check("tcp", "a", "b", port=80, expect="refused"))[0]
    finally:
        sandbox.order(do="hang up")
    assert held(opened)
    assert opened["events"][0]["what"] == "listener"
    assert opened["events"][0]["errno"] == 98
    assert (refused["ok"], refused["outcome"]) == (False, "open")


def test_no_listener_where_the_node_runs_its_own_or_is_the_machine(sandbox: Sandbox) -> None:
    asked = check("tcp", "a", "b", port=80, expect="open")
    verdict = sandbox.one(asked, programs=["b"])
    assert (verdict["ok"], verdict["outcome"]) == (False, "refused")
    assert verdict["hint"] == "nothing listens on 10.0.2.1:80 in b"
    here = {**asdict(asked), "source": "host", "target_node": "host", "address": "127.0.0.1"}
    assert held(sandbox.one(check_of(here)))
    assert sandbox.one(check_of(here), machine=True)["outcome"] == "refused"


def test_a_payload_that_is_not_the_expected_one_fails(sandbox: Sandbox) -> None:
    sandbox.order(do="listen", node="b", address="10.0.2.1", port=53, udp=True)
    try:
        verdict = sandbox.run(check("udp", "a", "b", port=53, send="ping", reply="pong"))[0]
    finally:
        sandbox.order(do="hang up")
    assert (verdict["ok"], verdict["outcome"]) == (False, "other-reply")
    assert "'ping'" in verdict["received"]
    assert verdict["hint"] == "the check wants the payload 'pong'"


def test_listeners_end_when_the_checking_process_is_killed(sandbox: Sandbox) -> None:
    asked = asdict(check("tcp", "a", "b", port=80, expect="open", lasting=60.0))
    assert ":80" in sandbox.order(do="kill while listening", check=asked)
    assert sandbox.listeners() == ""


# Time


def test_within_waits_for_a_program_to_come_up(sandbox: Sandbox) -> None:
    late = {"do": "listen", "node": "b", "address": "10.0.2.1", "port": 80}
    asked = check("tcp", "a", "b", port=80, expect="open", within=10.0)
    try:
        verdict = sandbox.run(asked, programs=["b"], when_seen=[6, late])[0]
    finally:
        sandbox.order(do="hang up")
    assert held(verdict)
    assert verdict["elapsed"] < 5.0


def test_within_ends(sandbox: Sandbox) -> None:
    verdict = sandbox.one(check("tcp", "a", "b", port=80, expect="open", within=0.6), programs=["b"])
    assert not verdict["ok"]
    assert 0.6 <= verdict["elapsed"] < 2.0


def test_what_comes_after_its_time_is_too_late(sandbox: Sandbox) -> None:
    verdict = sandbox.one(check("ping", "a", "absent", expect="reply", within=1.0))
    assert not verdict["ok"]
    assert 1.0 <= verdict["elapsed"] < 1.5


@families
def test_errors_are_expected_no_faster_than_a_router_tells_them(sandbox: Sandbox, family: int) -> None:
    asked = check("ping", "a", "nowhere", family, expect="no-route", by="r1", lasting=9.0)
    assert held(sandbox.one(asked))


def test_for_holds_all_along(sandbox: Sandbox) -> None:
    verdicts = sandbox.run(
        check("ping", "a", "b", lasting=1.0),
        check("udp", "b", "a", port=53, lasting=1.0),
        check("tcp", "r1", "b", port=80, expect="open", lasting=1.0),
    )
    assert [held(verdict) and verdict["elapsed"] >= 1.0 for verdict in verdicts] == [True] * 3


def test_for_ends_at_the_first_failure(sandbox: Sandbox) -> None:
    route = "ip -n r1 route {} 10.0.2.0/24 via 10.0.12.2"
    try:
        cut = {"do": "sh", "script": route.format("del")}
        verdict = sandbox.run(check("ping", "a", "b", lasting=20.0), when_seen=[1, cut])[0]
    finally:
        sandbox.sh(route.format("add"))
    assert (verdict["ok"], verdict["outcome"]) == (False, "no-route")
    assert verdict["elapsed"] < 10.0
    assert held(sandbox.one(check("ping", "a", "b")))


def test_verdicts_come_in_file_order_and_different_nodes_do_not_wait_for_each_other(sandbox: Sandbox) -> None:
    checks = [
        check("ping", source, "blackhole" if source in ("a", "r1") else "neighbour", expect="timeout", lasting=0.0)
        for source in ("a", "r1")
    ] + [check("ping", "b", "a"), check("ping", "r2", "a")]
    found = sandbox.run(*checks)
    assert [one["name"] for one in found] == [one.name for one in checks]
    assert all(held(one) for one in found)


def test_a_node_that_is_not_there_and_a_descriptor_that_is_no_namespace_fail_their_checks(sandbox: Sandbox) -> None:
    absent, broken, fine = sandbox.run(
        check("ping", "c", "b", expect="timeout"), check("ping", "no namespace", "b"), check("ping", "a", "b")
    )
    assert (absent["ok"], absent["received"]) == (False, "c is not up")
    assert not broken["ok"]
    assert broken["received"] == "the probe could not run: setns: Invalid argument"
    assert held(fine)


def test_a_long_payload_arrives_and_one_that_is_too_long_says_so(sandbox: Sandbox) -> None:
    long, longer = sandbox.run(
        check("udp", "a", "b", port=53, send="x" * 60000, reply="é" * 30000),
        check("udp", "a", "b", port=53, send="x" * 300000),
    )
    assert held(long)
    assert longer["received"] == "it is too long to be sent"


# Capture


@pytest.mark.parametrize(("device", "link_type", "header"), [("eth0", 1, 14), ("lo", 1, 14), ("any", 276, 20)])
def test_capture(sandbox: Sandbox, device: str, link_type: int, header: int) -> None:
    asked = check("ping", "b", "b" if device == "lo" else "a")
    found = sandbox.order(do="capture", node="b", device=device, check=asdict(asked))
    assert found["ok"]
    kind, packets = packets_of(bytes.fromhex(found["pcap"]))
    assert kind == link_type
    assert found["packets"] == len(packets)
    icmp = [packet[header + 20] for packet in packets if packet[header] == 0x45 and packet[header + 9] == 1]
    assert {8, 0} <= set(icmp)


def test_capture_ends_by_count_by_time_and_by_order(sandbox: Sandbox) -> None:
    asked = asdict(check("ping", "b", "a"))
    assert sandbox.order(do="capture", node="b", device="eth0", check=asked, count=2)["packets"] == 2
    assert sandbox.order(do="capture", node="a", device="lo", timeout=0.2)["packets"] == 0


def test_capture_ends_when_the_device_goes(sandbox: Sandbox) -> None:
    sandbox.sh("ip -n a link add x0 type veth peer name x1; ip -n a link set x0 up")
    found = sandbox.order(do="capture", node="a", device="x0", timeout=20, ready="ip -n a link del x0")
    assert found["seconds"] < 10


def test_capture_of_a_device_that_is_not_there(sandbox: Sandbox) -> None:
    assert "no device 'eth9'" in sandbox.order(do="capture", node="a", device="eth9")["refused"]


# Without root


def test_every_kind_works_inside_a_user_namespace() -> None:
    inside = Sandbox("-Urnm")
    verdicts = inside.run(
        check("ping", "a", "b"),
        check("ping", "b", "a", 1),
        check("ping", "a", "nowhere", expect="no-route", by="r1"),
        check("tcp", "a", "b", port=80, expect="open"),
        check("tcp", "r2", "b", port=81, expect="refused"),
        check("udp", "r1", "b", port=53, send="ping", reply="pong"),
        check("arp", "a", "r1", device="eth0"),
        check("arp", "a", "r1", 1, device="eth0"),
    )
    assert [verdict for verdict in verdicts if not verdict["ok"]] == []
    captured = inside.order(do="capture", node="b", device="eth0", check=asdict(check("ping", "b", "a")), count=2)
    assert captured["packets"] == 2
    inside.close()
