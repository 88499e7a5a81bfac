"""Two drifts compared: what is new, and what has gone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netlab.app.watching import compare_drift
from netlab.facts import Address, Bridge, Difference
from netlab.plan import Action, Change

MISSING = Change(Action.CREATE, None, Address("a", "eth0", "10.0.0.1/24"), (), "it is not there")
STRAY = Change(Action.DELETE, Address("a", "eth0", "10.0.0.2/24"), None, (), "it is not wanted")


def changed(mtu: int) -> Change:
    return Change(
        Action.UPDATE, Bridge("a", "br0", mtu=mtu), Bridge("a", "br0", mtu=1500), (Difference("mtu", mtu, 1500),)
    )


def test_what_is_new_and_what_has_gone() -> None:
    assert compare_drift((), ()) == ((), ())
    assert compare_drift((), (MISSING, STRAY)) == ((MISSING, STRAY), ())
    assert compare_drift((MISSING, STRAY), (STRAY,)) == ((), (MISSING,))
    assert compare_drift((MISSING,), (STRAY,)) == ((STRAY,), (MISSING,))


def test_what_differs_otherwise_than_before_is_new_and_has_not_gone() -> None:
    assert compare_drift((changed(1400),), (changed(1300),)) == ((changed(1300),), ())


@given(st.lists(st.sets(st.sampled_from([MISSING, STRAY, changed(1400)])), max_size=6))
def test_told_one_after_the_other_they_add_up_to_the_last(drifts: list[set[Change]]) -> None:
    known: set[Change] = set()
    before: tuple[Change, ...] = ()
    for drift in drifts:
        now = tuple(drift)
        drifted, restored = compare_drift(before, now)
        known = {change for change in known if change not in restored} | set(drifted)
        before = now
    assert known == set(before)
