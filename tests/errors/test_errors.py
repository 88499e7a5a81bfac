"""Each folder here holds a wrong file and the exact words that it gets; `--update` writes the words anew."""

from pathlib import Path

import pytest

from netlab.errors import FileError
from netlab.topology import read

HERE = Path(__file__).parent
CASES = sorted(folder.name for folder in HERE.iterdir() if (folder / "topology.yml").exists())


def words_for(text: bytes) -> str:
    with pytest.raises(FileError) as caught:
        read(text, "topology.yml")
    problems = caught.value.problems()
    places = [(p.span.line, p.span.column) for p in problems if p.span is not None]
    assert places == sorted(places), "problems stand in file order"
    assert len(places) == len(problems), "every problem has its place"
    assert all(p.code for p in problems)
    return f"{caught.value}\n"


@pytest.mark.parametrize("case", CASES)
def test_wrong_file_gets_exactly_these_words(case: str, update: bool) -> None:
    folder = HERE / case
    found = words_for((folder / "topology.yml").read_bytes())
    expected = folder / "expected.txt"
    if update:
        expected.write_text(found)
    assert found == expected.read_text()


def test_there_are_cases() -> None:
    assert len(CASES) > 40
