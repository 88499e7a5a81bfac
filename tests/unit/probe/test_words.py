"""What a verdict says: sent, received, and a hint that follows from an observation."""

from __future__ import annotations

import errno

import pytest

from netlab.probe.events import Event
from netlab.probe.judge import judge
from netlab.topology.lab import Check
from tests.unit.probe.test_outcome import OPEN, RST, check, failed, icmp, reply, sent

ROUTE = Event(0.0, "route", device="eth0", source="10.0.0.1")
BY_GATEWAY = Event(0.0, "route", device="eth0", source="10.0.0.1", gateway="10.0.0.254")
OUT = Event(0.1, "out", device="eth0", source="10.0.0.1", target="10.0.0.2", text="echo request")
ASKED = Event(0.1, "asked", device="eth0", source="10.0.0.1", target="10.0.0.2")
LISTENER = Event(0.0, "listener", target="ns1")


@pytest.mark.parametrize(
    ("asked", "events", "text"),
    [
        (check(), [ROUTE, sent(), OUT], "1 echo request from ns0 (10.0.0.1) on eth0 to 10.0.0.2"),
        (check(), [ROUTE, sent(), sent(2)], "2 echo requests from ns0 (10.0.0.1) on eth0 to 10.0.0.2"),
        (check(), [failed(errno.ENETUNREACH)], "no echo request from ns0 to 10.0.0.2"),
        (check("tcp"), [ROUTE, sent()], "a TCP connection request from ns0 (10.0.0.1) on eth0 to 10.0.0.2:80"),
        (check("tcp", address="fd00::2"), [sent()], "a TCP connection request from ns0 to [fd00::2]:80"),
        (check("udp"), [sent()], "1 datagram 'netlab' from ns0 to 10.0.0.2:80"),
        (check("udp", send=""), [sent()], "1 datagram '' from ns0 to 10.0.0.2:80"),
        (check("udp", send="x" * 99), [sent()], f"1 datagram '{'x' * 60}…' from ns0 to 10.0.0.2:80"),
        (check("arp", device="eth0"), [sent()], "1 ARP request from ns0 on eth0 to 10.0.0.2"),
        (check("arp", address="fd00::2"), [sent()], "1 neighbour solicitation from ns0 to fd00::2"),
    ],
)
def test_sent(asked: Check, events: list[Event], text: str) -> None:
    assert judge(asked, events, 1.0).sent == text


@pytest.mark.parametrize(
    ("asked", "events", "text"),
    [
        (check(), [sent(), reply()], "an echo reply from 10.0.0.2 after 100.00 ms"),
        (check(), [sent()], "nothing came back"),
        (check(), [sent(), icmp(3, 1)], "ICMP host unreachable from 10.0.0.254 after 100.00 ms"),
        (
            check(),
            [failed(errno.ENETUNREACH)],
            "the kernel of ns0 would not send it: Network is unreachable (ENETUNREACH)",
        ),
        (check("tcp"), [sent(), OPEN], "the connection was opened after 100.00 ms"),
        (check("tcp"), [sent(), RST], "the connection was refused (RST) after 100.00 ms"),
        (check("udp"), [sent(), reply(text="pong")], "a datagram 'pong' from 10.0.0.2 after 100.00 ms"),
        (check("arp"), [sent(), reply(text="02:00:00:00:00:01")], "10.0.0.2 is at 02:00:00:00:00:01 after 100.00 ms"),
        (
            check(expect="no-route", by="r2", by_addresses=("10.2.0.1",)),
            [sent(), icmp(3, 0)],
            "ICMP net unreachable from 10.0.0.254 after 100.00 ms, and not from r2",
        ),
        (check(within=2.0), [sent()], "nothing came back (1 attempt in 1.0 s)"),
    ],
)
def test_received(asked: Check, events: list[Event], text: str) -> None:
    assert judge(asked, events, 1.0).received == text


@pytest.mark.parametrize(
    ("asked", "events", "part"),
    [
        (check(), [failed(errno.ENETUNREACH)], "ns0 has no route to 10.0.0.2"),
        (check(), [failed(errno.EPERM)], "ns0's own output filter drops it"),
        (check(), [failed(errno.EINVAL)], "a blackhole route of ns0 swallows"),
        (check(), [failed(errno.EACCES)], "a route or rule of ns0 prohibits"),
        (check(), [failed(errno.EHOSTUNREACH)], "a route or rule of ns0 makes 10.0.0.2 unreachable"),
        (check(), [failed(errno.ENOBUFS)], "the neighbour table or a queue is full"),
        (check(), [failed(errno.EADDRNOTAVAIL)], "no address of its own"),
        (check("arp", device="eth0"), [failed(errno.ENETDOWN)], "eth0 of ns0 is down"),
        (check("arp", device="eth9"), [failed(errno.ENODEV)], "ns0 has no device eth9"),
        (
            check(),
            [ROUTE, sent(), ASKED, icmp(3, 1, "10.0.0.1")],
            "ns1 did not answer ARP for 10.0.0.2 on eth0 of ns0: is its device up?",
        ),
        (
            check(target_node=None),
            [ROUTE, sent(), ASKED],
            "nobody answered ARP for 10.0.0.2 on eth0: does anyone there have that address?",
        ),
        (
            check(address="203.0.113.1"),
            [BY_GATEWAY, sent(), Event(0.1, "asked", device="eth0", target="10.0.0.254")],
            "the gateway did not answer ARP for 10.0.0.254 on eth0",
        ),
        (check(), [ROUTE, sent(), OUT], "is ns1's device up, and does a filter there drop it?"),
        (check(), [BY_GATEWAY, sent(), OUT], "for the gateway 10.0.0.254 and nothing came back"),
        (check("tcp"), [ROUTE, sent()], "no packet was seen on any device of ns0"),
        (
            check(),
            [sent(), OUT, Event(0.2, "in", device="eth0", source="10.0.0.2", text="echo reply")],
            "an answer (echo reply) did reach eth0 of ns0 and was dropped there",
        ),
        (check(), [sent(), icmp(3, 0)], "10.0.0.254 has no route to 10.0.0.2"),
        (check(), [sent(), icmp(3, 1)], "10.0.0.254 got no answer from the neighbour"),
        (check(), [sent(), icmp(3, 13)], "a filter or a route of 10.0.0.254 prohibits it"),
        (check(), [sent(), icmp(11, 0)], "the packets go round in circles"),
        (check(), [sent(), icmp(3, 4)], "look at the MTUs"),
        (check("tcp"), [sent(), RST], "nothing listens on 10.0.0.2:80 in ns1"),
        (check("tcp"), [LISTENER, sent(), RST], "a filter on the way rejects it"),
        (
            check("tcp"),
            [Event(0.0, "listener", target="ns1", errno=errno.EADDRNOTAVAIL), sent(), RST],
            "ns1 does not have the address 10.0.0.2",
        ),
        (check("udp", reply="pong"), [sent(), reply(text="ping")], "the check wants the payload 'pong'"),
        (check(), [sent(), reply("10.0.0.9")], "the check wants an answer from 10.0.0.2"),
        (check(expect="timeout"), [sent(), reply()], "ns1 answers, and should not"),
        (check("tcp", "refused"), [sent(), OPEN], "ns1 answers, and should not"),
        (
            check(expect="no-route", by="r2", by_addresses=("10.2.0.1",)),
            [sent(), icmp(3, 0)],
            "no-route came, but from another than r2",
        ),
    ],
)
def test_hint(asked: Check, events: list[Event], part: str) -> None:
    verdict = judge(asked, events, 1.0)
    assert not verdict.ok
    assert verdict.hint is not None
    assert part in verdict.hint


def test_no_hint_without_an_observation_that_gives_one() -> None:
    assert judge(check(expect="unreachable"), [sent(), reply()], 1.0).hint is None
