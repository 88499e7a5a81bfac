"""What a lab leaves without its mark: from facts, into the journal and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.app.traces import Traces, traces_in, traces_of
from netlab.facts import Address, Bridge, End, Namespace, Route, facts_of, veth

FACTS = facts_of(
    [
        Namespace("a"),
        Bridge("host", "br0"),
        Bridge("a", "br1"),
        veth(End("host", "left"), End("host", "right")),
        veth(End("host", "up"), End("a", "eth0")),
        Address("host", "br0", "10.0.0.1/24"),
        Route("host", "192.0.2.0/24", kind="blackhole"),
        Route("a", "192.0.2.0/24", kind="blackhole"),
    ]
)


def test_devices_and_routes_of_the_host_alone() -> None:
    route = ("route", "host", "192.0.2.0/24", "254", "0")
    assert traces_of(FACTS) == Traces(frozenset({"br0", "left", "right"}), frozenset({route}))
    assert traces_of({}, FACTS) == traces_of(FACTS)
    assert traces_of() == Traces()


def test_by_way_of_the_journal() -> None:
    written = json.dumps({"verb": "apply", "traces": traces_of(FACTS).to_json()})
    assert traces_in(json.loads(written)) == traces_of(FACTS)
    assert traces_of(FACTS) | Traces(frozenset({"x"})) == Traces(
        traces_of(FACTS).devices | {"x"}, traces_of(FACTS).routes
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["devices", "routes", "x"]), inner),
)


@given(VALUES)
def test_a_journal_without_sense_names_strings_at_most(value: object) -> None:
    found = traces_in({"traces": value})
    assert all(isinstance(name, str) for name in found.devices)
    assert all(isinstance(part, str) for key in found.routes for part in key)


@pytest.mark.parametrize("journal", [None, {}, {"traces": None}, {"traces": {"devices": 7, "routes": [7, None]}}])
def test_nothing_named(journal: dict[str, object] | None) -> None:
    assert traces_in(journal) == Traces()
