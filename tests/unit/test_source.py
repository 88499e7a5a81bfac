"""YAML text to plain values with places; anything else to a FileError with a place."""

import pytest

from netlab.errors import FileError, Problem
from netlab.source import LARGEST, Document, load


def refused(text: bytes | str) -> Problem:
    with pytest.raises(FileError) as caught:
        load(text, "f.yml")
    (problem,) = caught.value.problems()
    assert problem.span is not None
    assert problem.span.file == "f.yml"
    return problem


def place(problem: Problem) -> tuple[int, int]:
    assert problem.span is not None
    return problem.span.line, problem.span.column


def spot(document: Document, *path: str | int, key: bool = False) -> tuple[int, int, int | None]:
    span = document.span(path, key)
    return span.line, span.column, span.end_column


def test_values_follow_yaml_1_2() -> None:
    text = (
        "a: on\nb: true\nc: 02:42:ac:11:00:01\nd: 0x10\ne: 010\nf: 1.5\ng:\nh: '1'\ni: 2001-01-01\nj: .inf\nk: 0o17\n"
    )
    assert load(text, "f").value == {
        "a": "on",
        "b": True,
        "c": "02:42:ac:11:00:01",
        "d": 16,
        "e": 10,
        "f": 1.5,
        "g": None,
        "h": "1",
        "i": "2001-01-01",
        "j": ".inf",
        "k": 15,
    }


def test_keys_are_text_as_written() -> None:
    assert load("{1: a, true: b, 0x2: c, ~: d}", "f").value == {"1": "a", "true": "b", "0x2": "c", "~": "d"}


def test_places_of_values_and_keys() -> None:
    document = load("name: lab\nnetns:\n  ns0: {gateway: 10.0.0.1}\n  ns1: [br0,  br1]\n", "f")
    assert spot(document, "name") == (1, 7, 10)
    assert spot(document, "name", key=True) == (1, 1, 5)
    assert spot(document, "netns", "ns0", "gateway") == (3, 18, 26)
    assert spot(document, "netns", "ns0") == (3, 8, 27)
    assert spot(document, "netns", "ns1", 1) == (4, 15, 18)
    # A block mapping begins on a line of its own: its key shows where it is.
    assert spot(document, "netns") == (2, 1, 6)


def test_a_path_into_the_full_form_finds_the_short_form() -> None:
    document = load("netns:\n  ns0: br0\n  ns1: [br0, br1]\n", "f")
    assert spot(document, "netns", "ns0", "bridge", 0) == (2, 8, 11)
    assert spot(document, "netns", "ns1", "bridge", 1) == (3, 14, 17)
    assert document.has(("netns", "ns0"))
    assert not document.has(("netns", "ns0", "bridge"))


def test_the_same_places_with_windows_line_ends() -> None:
    document = load(b"\xef\xbb\xbfname: lab\r\nnetns:\r\n  ns0: br0\r\n", "f")
    assert spot(document, "netns", "ns0") == (3, 8, 11)
    assert document.lines[2] == "  ns0: br0"


def test_problem_carries_its_line() -> None:
    problem = load("name: lab\n", "f.yml").problem("x", "is wrong", ("name",), "mend it")
    assert str(problem) == "f.yml:1:7: is wrong\n    name: lab\n          ^^^\n  fix: mend it"


def test_a_very_long_line_is_not_shown_whole() -> None:
    document = load("name: " + "a" * 1000 + "\nb: [" + "x, " * 200 + "y]\n", "f")
    assert len(document.problem("x", "x", ("name",)).line or "") < 200
    assert document.problem("x", "x", ("b", 150)).line is None


def test_duplicate_keys_are_all_told_with_both_places() -> None:
    with pytest.raises(FileError) as caught:
        load("a: 1\na: 2\nb: {c: 1, c: 2}\n", "f")
    assert [(place(p), p.what) for p in caught.value.problems()] == [
        ((2, 1), "the key 'a' stands twice, at 1:1 and here"),
        ((3, 11), "the key 'c' stands twice, at 3:5 and here"),
    ]


def test_aliases_are_followed() -> None:
    document = load("a: &x {b: [1]}\nc: *x\n", "f")
    assert document.value["c"] == {"b": [1]}
    assert spot(document, "c", "b") == (2, 4, 6)


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        (b"", "not-a-mapping", (1, 1)),
        (b"\n# only a comment\n", "not-a-mapping", (1, 1)),
        (b"- a\n", "not-a-mapping", (1, 1)),
        (b"just text", "not-a-mapping", (1, 1)),
        (b"a: \xff", "not-utf-8", (1, 4)),
        (b"\xff\xfen\x00a\x00", "not-utf-8", (1, 1)),
        (b"a: b\nc: \x00", "character", (2, 4)),
        (b"a: \x1b[31m", "character", (1, 4)),
        ("a: \u2028", "character", (1, 4)),
        ('a: "\\ud800"', "character", (1, 4)),
        ('a: "\\0"', "character", (1, 4)),
        ("a:\n\tb: c", "tab", (2, 1)),
        ("a: b\n---\nc: d", "documents", (2, 1)),
        ("a: *b", "alias", (1, 4)),
        ("a: &b [*b]", "alias", (1, 8)),
        ("a: !!python/none x", "tag", (1, 4)),
        ("a: {b", "yaml", (1, 6)),
        ("a: 'b", "yaml", (1, 6)),
        ("a: [b}", "yaml", (1, 6)),
        ("? [a]\n: b", "key", (1, 3)),
        ("a: {<<: b}", "unknown-key", (1, 5)),
        ("a: " + "9" * 5000, "number", (1, 4)),
        ("a: " + "[" * 5000, "too-deep", (1, 43)),
        ("".join(" " * i + "a:\n" for i in range(500)), "too-deep", (41, 41)),
        ('a: "\\UFFFFFFFF"', "yaml", (1, 1)),
        ("%YAML x\n---\na: b", "yaml", (1, 7)),
    ],
)
def test_what_is_no_document_is_refused_with_its_place(text: bytes | str, code: str, at: tuple[int, int]) -> None:
    problem = refused(text)
    assert (problem.code, place(problem)) == (code, at)


def test_a_large_file_is_refused_unread() -> None:
    assert refused(b"a" * (10 * LARGEST)).code == "too-large"


def test_nested_aliases_do_not_grow_without_bounds() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 30)]
    assert refused("\n".join(lines)).code == "too-large"
