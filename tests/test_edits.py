"""Exact edits and fenced replies: applied wholly, or refused in words that the agent can act on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.edits import apply, change_from
from agents.parsing import Fence, fences, files_from, json_as, python_from
from schemas.code_change import CodeChange, Edit, FileWrite
from schemas.evaluation import Judgement

FILES = {"a.py": "x = 1\ny = 2\n", "b.txt": "one\none\n"}


def edit(path: str, remove: str, add: str) -> str:
    return f"```edit path={path}\n<<<<<<< REMOVE\n{remove}\n=======\n{add}\n>>>>>>> ADD\n```"


def test_an_edit_replaces_its_text_once() -> None:
    change = change_from(edit("a.py", "x = 1", "x = 3"), FILES)
    assert apply(change, FILES)["a.py"] == "x = 3\ny = 2\n"


def test_a_whole_file_is_written_as_it_is() -> None:
    change = change_from("```python path=c.py\nz = 1\n```", FILES)
    assert apply(change, FILES)["c.py"] == "z = 1\n"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (edit("a.py", "nothing", "x"), "is there 0 times"),
        (edit("b.txt", "one", "two"), "is there 2 times"),
        (edit("none.py", "x", "y"), "does not exist"),
        (edit("../a.py", "x", "y"), "not a plain relative path"),
        (edit("a.py", "x = 1", "x = ("), "a.py, line 1"),
        ("```edit path=a.py\nx = 1\n```", "no REMOVE/ADD block"),
        ("```python\nx = 1\n```", "names no path"),
        ("```python path=conftest.py\nx = 1\n```", "reserved"),
        ("```python path=.git/config.py\nx = 1\n```", "not a plain relative path|reserved"),
        ("no code at all", "no fenced file and no edit"),
        ("", "no fenced file and no edit"),
    ],
)
def test_what_can_not_be_applied_is_refused(reply: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        change_from(reply, FILES)


names = st.sampled_from(["a.py", "b.txt", "c/d.txt"])
lines = st.lists(st.sampled_from(["alpha", "beta", "", "  gamma", "====", "delta "]), max_size=6).map("\n".join)


@given(st.dictionaries(names, lines), st.lists(st.tuples(names, lines.filter(bool), lines), max_size=4))
def test_a_change_applies_wholly_or_not_at_all_and_an_edit_matches_exactly_once(
    files: dict[str, str], edits: list[tuple[str, str, str]]
) -> None:
    change = CodeChange(edits=[Edit(path=p, remove=r, add=a) for p, r, a in edits])
    expected: dict[str, str] | None = dict(files)
    for path, remove, add in edits:
        if expected is None or path not in expected or expected[path].count(remove) != 1:
            expected = None
            break
        expected[path] = expected[path].replace(remove, add)
    before = dict(files)
    try:
        result: dict[str, str] | None = apply(change, files)
    except ValueError:
        result = None
    assert result == expected
    assert files == before


@given(st.dictionaries(names, lines, min_size=1))
def test_written_files_come_back_from_their_fences(files: dict[str, str]) -> None:
    text = "\n".join(f"````text path={p}\n{s}\n````" for p, s in files.items())
    change = (
        change_from(text, {})
        if "a.py" not in files
        else CodeChange(writes=[FileWrite(path=p, content=s + "\n") for p, s in files.items()])
    )
    assert {w.path: w.content for w in change.writes} == {p: s + "\n" for p, s in files.items()}


@given(st.text(max_size=300))
def test_any_text_is_a_change_or_a_value_error(text: str) -> None:
    try:
        change = change_from(text, FILES)
    except ValueError as error:
        assert str(error)
    else:
        assert change.paths


def test_a_block_that_is_never_closed_reaches_to_the_end() -> None:
    assert fences("```python\nx = 1\ny = 2") == [Fence("python", "x = 1\ny = 2\n")]


def test_longer_ticks_enclose_shorter_ones() -> None:
    assert fences("````md path=r.md\n```sh\nls\n```\n````") == [Fence("md path=r.md", "```sh\nls\n```\n")]


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two blocks are named"):
        files_from("```python path=a.py\nx=1\n```\n```python path=a.py\nx=2\n```")


def test_python_is_read_with_or_without_a_fence() -> None:
    assert python_from("x = 1") == "x = 1"
    assert python_from("Here:\n```python\nx = 1\n```\nDone.") == "x = 1\n"


def test_a_huge_reply_is_refused_unread() -> None:
    with pytest.raises(ValueError, match="longer than"):
        fences("x" * 1_000_000)
    with pytest.raises(ValueError, match="longer than"):
        json_as(Judgement)("{" * 1_000_000)


@pytest.mark.parametrize(
    "reply", ["", "{", "}{", "[1]", '{"correctness": NaN}', "null", "{}", '{"feedback": "no list"}']
)
def test_nonsense_instead_of_a_judgement_is_a_value_error(reply: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_as(Judgement)(reply)


@pytest.mark.parametrize("score", ['"5"', "6", "0", "4.5", "NaN", "1e999", "true", "null"])
def test_only_whole_numbers_from_1_to_5_are_scores(score: str) -> None:
    names = ("correctness", "code_quality", "security", "maintainability", "scalability")
    reasons, scores = ", ".join(f'"{n}": "r"' for n in names), ", ".join(f'"{n}": {score}' for n in names)
    with pytest.raises(ValueError, match=r"scores\.correctness"):
        json_as(Judgement)(f'{{"reasons": {{{reasons}}}, "feedback": [], "scores": {{{scores}}}}}')
