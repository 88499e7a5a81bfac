"""Packets and frames: what they are called, how long they are, which addresses stand for what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netlab.simulator.packet import (
    Frame,
    IcmpError,
    Packet,
    Question,
    group_mac,
    is_link_local,
    is_loopback,
    is_multicast,
    link_local,
    question_mac,
)

ECHO = Packet("10.0.0.1", "10.0.0.2", "icmp", "echo", 1, 1)


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (ECHO, "10.0.0.1 -> 10.0.0.2 echo request"),
        (replace(ECHO, message="echo-reply"), "10.0.0.1 -> 10.0.0.2 echo reply"),
        (Packet("a", "b", "tcp", "syn-ack", 80, 49152), "a -> b tcp syn-ack 80 -> 49152"),
        (Packet("a", "b", "udp", "datagram", 5, 53), "a -> b udp datagram 5 -> 53"),
        (Packet("a", "b", "udp", "carried", vni=7), "a -> b vxlan 7"),
        (Packet("a", "b", "icmp", "error", error=IcmpError(11, 0, ECHO)), "a -> b icmp time exceeded"),
        (
            Packet("a", "b", "icmp", "error", error=IcmpError(3, 4, ECHO, 1400)),
            "a -> b icmp fragmentation needed, mtu 1400",
        ),
        (Packet("a", "b", "icmp", "error", error=IcmpError(3, 15, ECHO)), "a -> b icmp error 3/15"),
    ],
)
def test_words(packet: Packet, words: str) -> None:
    assert str(packet) == words


def test_the_same_numbers_mean_other_things_in_ipv6() -> None:
    six = replace(ECHO, source="fd00::1", destination="fd00::2")
    assert IcmpError(1, 4, six).words() == "port unreachable"
    assert IcmpError(3, 0, six).words() == "time exceeded"
    assert IcmpError(3, 0, ECHO).words() == "net unreachable"


def test_what_goes_over_a_wire_at_once_is_the_largest_fragment() -> None:
    assert (replace(ECHO, size=4000).largest, replace(ECHO, size=4000, piece=1396).largest) == (4000, 1396)
    assert Frame("m", "n", replace(ECHO, size=4000, piece=1396)).length == 1396
    assert Frame("m", "n", Question("10.0.0.1", "10.0.0.2")).length == 28


@pytest.mark.parametrize(
    ("mac", "group"),
    [
        ("ff:ff:ff:ff:ff:ff", True),
        ("01:00:5e:00:00:01", True),
        ("33:33:00:00:00:01", True),
        ("02:00:00:00:00:01", False),
    ],
)
def test_frames_for_more_than_one(mac: str, group: bool) -> None:
    assert Frame("02:00:00:00:00:09", mac, ECHO).is_group is group


@pytest.mark.parametrize(
    ("address", "mac"),
    [
        ("224.0.0.1", "01:00:5e:00:00:01"),
        ("239.129.2.3", "01:00:5e:01:02:03"),  # the highest bit of 24 is not told (RFC 1112, 6.4)
        ("ff02::1:ff12:3456", "33:33:ff:12:34:56"),
    ],
)
def test_macs_of_groups(address: str, mac: str) -> None:
    assert group_mac(address) == mac


def test_macs_of_questions() -> None:
    assert question_mac("10.0.0.1") == "ff:ff:ff:ff:ff:ff"
    assert question_mac("fd00::aabb:ccdd") == "33:33:ff:bb:cc:dd"


def test_addresses_made_of_macs_turn_a_bit() -> None:
    assert link_local("02:00:00:00:00:01") == "fe80::ff:fe00:1"
    assert link_local("00:16:3e:aa:bb:cc") == "fe80::216:3eff:feaa:bbcc"


@pytest.mark.parametrize(
    ("address", "local", "group", "loop"),
    [
        ("fe80::1", True, False, False),
        ("febf::1", True, False, False),
        ("fec0::1", False, False, False),
        ("ff02::1", False, True, False),
        ("224.0.0.1", False, True, False),
        ("240.0.0.1", False, False, False),
        ("127.9.9.9", False, False, True),
        ("::1", False, False, True),
        ("169.254.0.1", False, False, False),
    ],
)
def test_scopes(address: str, local: bool, group: bool, loop: bool) -> None:
    assert (is_link_local(address), is_multicast(address), is_loopback(address)) == (local, group, loop)
