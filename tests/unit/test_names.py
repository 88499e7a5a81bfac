"""What may be called what; names and MACs that follow from other names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab import names

TEXT = st.text(max_size=30)


@pytest.mark.parametrize("name", ["ns0", "a", "A-b_c.d", "0", "x" * 64])
def test_names_that_pass(name: str) -> None:
    assert names.fault_of_name(name) is None


@pytest.mark.parametrize(
    "name", ["", "host", "none", "any", "auto", ".", "..", "-a", "a b", "a/b", "a:b", "a\n", "é", "$(x)", "x" * 65]
)
def test_names_that_do_not(name: str) -> None:
    assert names.fault_of_name(name) is not None


@pytest.mark.parametrize("name", ["eth0", "br-lan.5", "v0123456789", "a" * 15])
def test_device_names_that_pass(name: str) -> None:
    assert names.fault_of_device(name) is None


@pytest.mark.parametrize("name", ["", ".", "..", "all", "default", "a/b", "a:b", "a b", "a" * 16, "é" * 8, "-a", "a;b"])
def test_device_names_that_do_not(name: str) -> None:
    assert names.fault_of_device(name) is not None


@given(TEXT)
def test_whatever_passes_is_safe_in_a_path_and_in_a_shell(name: str) -> None:
    if names.fault_of_name(name) is None or names.fault_of_device(name) is None:
        assert not set(name) & set("/ \t\n\0'\"$`;|&<>(){}*?!~#\\:")
        assert name not in (".", "..")
        assert not name.startswith("-")


@given(TEXT, TEXT, TEXT)
def test_derived_macs_are_unicast_local_and_stable(lab: str, node: str, device: str) -> None:
    mac = names.derived_mac(lab, node, device)
    assert mac == names.derived_mac(lab, node, device)
    assert int(mac[:2], 16) & 3 == 2
    assert len(bytes.fromhex(mac.replace(":", ""))) == 6


def test_thousands_of_derived_names_do_not_collide() -> None:
    nodes = [f"ns{number}" for number in range(5000)]
    assert len({names.derived_mac("lab", node, "eth0") for node in nodes}) == len(nodes)
    assert len({names.far_end_name("lab", node, "eth0") for node in nodes}) == len(nodes)


def test_derived_names_tell_apart_what_joins_to_the_same_text() -> None:
    assert names.far_end_name("a", "b-c", "d") != names.far_end_name("a-b", "c", "d")
    assert names.derived_mac("a", "b", "cd") != names.derived_mac("a", "bc", "d")


@given(TEXT, TEXT, TEXT)
def test_far_ends_are_device_names(lab: str, node: str, device: str) -> None:
    assert names.fault_of_device(names.far_end_name(lab, node, device)) is None


def test_marks_are_read_back() -> None:
    assert names.parse_mark(names.mark("a-b", "host/br0")) == ("a-b", "host/br0")
    assert names.parse_mark("netlab:") is None
    assert names.parse_mark("Uplink to netlab:x/y") is None
