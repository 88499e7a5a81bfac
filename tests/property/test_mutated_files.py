"""Whatever bytes stand in a file, reading it gives a lab or a FileError with places, never anything else."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.errors import FileError
from netlab.facts import Chain
from netlab.facts.firewall import rule_key
from netlab.source import load
from netlab.topology import read
from netlab.topology.lab import Lab

ROOT = Path(__file__).parents[2]
FILES = [path.read_bytes() for path in sorted((ROOT / "topologies").glob("*.yml"))]
FILES += [path.read_bytes() for path in sorted((ROOT / "tests/errors").glob("*/topology.yml"))]
LINES = sorted({line for text in FILES for line in text.splitlines(keepends=True)})
WORDS = [
    *(
        b"host",
        b"lo",
        b"auto",
        b"none",
        b"default",
        b"{0..3}",
        b"{3..0}",
        b"*a",
        b"&a ",
        b"<<: ",
        b"!!int ",
        b"~",
        b"..",
        b"/",
    ),
    *(
        b"- ",
        b": ",
        b", ",
        b"[",
        b"]",
        b"{",
        b"}",
        b"\n",
        b"\t",
        b"'",
        b'"',
        b"|\n",
        b"---\n",
        b"#",
        b"->",
        b"0",
        b"-1",
    ),
    *(
        b"10.0.0.1",
        b"/24",
        b"/0",
        b"/33",
        b"::1",
        b"fe80::1/64",
        b"255.255.255.255",
        b"br0",
        b"eth0",
        b"ns0",
        b":80",
        b"peer: ",
    ),
    *(
        b"bridge: ",
        b"address: ",
        b"gateway: ",
        b"routes: ",
        b"to: ",
        b"via: ",
        b"mtu: ",
        b"up: ",
        b"true",
        b"1e999",
        b"\\",
    ),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Give a file of the project with some bytes, words or lines put in, taken out or moved."""
    text = bytearray(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        put = draw(
            st.one_of(st.just(b""), st.sampled_from(WORDS), st.sampled_from(LINES), st.binary(min_size=1, max_size=3))
        )
        text[start:end] = put
    return bytes(text)


def check_outcome(text: bytes) -> None:
    try:
        found = read(text, "f.yml")
    except FileError as error:
        problems = error.problems()
    else:
        check_lab(text, found)
        return
    assert any(problem.severity == "error" for problem in problems)
    lines = len(text.decode("utf-8", "replace").splitlines()) + 1
    for problem in problems:
        assert problem.span is not None
        assert 1 <= problem.span.line <= lines
        assert problem.span.column >= 1
        assert str(problem)


def check_lab(text: bytes, found: Lab) -> None:
    chains = [fact for fact in found.facts.values() if isinstance(fact, Chain)]
    assert set(found.origin) == {*found.facts, *(rule_key(chain, rule) for chain in chains for rule in chain.rules)}
    # What was chosen once is chosen again.
    assert read(text, "f.yml", held=found.allocated).facts == found.facts


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_a_mutated_file_is_a_lab_or_a_file_error(text: bytes) -> None:
    check_outcome(text)


def check_document(text: bytes | str) -> None:
    try:
        document = load(text, "f.yml")
    except FileError as error:
        places = [problem.span for problem in error.problems()]
    else:
        places = [document.span(())]
        assert isinstance(document.value, dict)
    assert places
    assert None not in places


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_a_file_error(text: bytes) -> None:
    check_document(text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab:-{}[]&*!|>'\"#%@`,? \n\t0", max_size=60))
def test_any_text_of_yaml_marks_is_a_document_or_a_file_error(text: str) -> None:
    check_document(text)
