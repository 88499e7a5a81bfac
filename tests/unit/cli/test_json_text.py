"""What `indented` writes is, byte for byte, what Python's json writes."""

import json

from hypothesis import given
from hypothesis import strategies as st

from netlab.cli.json_text import indented

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    plain,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_it_is_the_text_that_json_writes(value: object) -> None:
    assert indented(value) == json.dumps(value, indent=2, ensure_ascii=False)


def test_a_tuple_that_stands_in_two_places_is_indented_for_each() -> None:
    shared = (("net.ipv4.ip_forward", "1"),)
    value = {"near": shared, "far": [{"deep": shared}]}
    assert indented(value) == json.dumps(value, indent=2, ensure_ascii=False)
